"""Damaged and hostile data sets: whatever comes, it is read, found, or refused in words."""

import json
import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from labelled_folders import random_set, write_pictures
from PIL import Image, ImageOps

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Instance, Picture, outlines, rle_masks

BOXED = ("coco", "voc", "yolo", "csv")
ODD = (
    None, True, -1, 0, 1e308, 10**400, float("nan"), "", "\ud800", "../x", "C:\\x", "a\0b", "train",
    "9" * 5000, [], [[]], {}, [1, 2, 3], {"counts": [1], "size": [48, 64]},
    {"counts": [-1, 5], "size": [48, 64]}, {"counts": "\u1234", "size": [48, 64]},
    {"counts": [10**30], "size": [48, 64]},
)  # fmt: skip
SCRAPS = (
    b"\xff", b"\0", b"nan", b"1e999", b"-", b"\n", b" ", b"<", b"{", b"[", b"&x;", b"../", b'"',
    b",", b"9" * 400, b"images", b"train",
)  # fmt: skip


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)  # no waiting for the disk
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* has no place for")
        yield


@pytest.fixture
def one_picture(tmp_path):
    """A folder with ``images/a.png``, 20 pixels high and 40 wide."""
    (tmp_path / "images").mkdir()
    Image.new("L", (40, 20)).save(tmp_path / "images" / "a.png")
    return tmp_path


def survives(folder: Path, format: str) -> bool:
    """Read a folder, and use all of what was read; True if it could be read."""
    try:
        labels = annotations.read(folder, format=format)
    except ValueError as error:
        assert type(error) is ValueError  # ours, not a decoder's
        assert str(error).startswith(str(folder)) and str(error).endswith("."), error
        return False
    annotations.box_checks.check_boxes(labels)
    "\n".join(map(str, labels.findings)).encode()
    for picture in labels.pictures:
        annotations.target_of(picture)
    for to in BOXED:
        annotations.write(labels, folder / "new" / to, format=to)
    return True


def nodes(value: object) -> list[tuple[object, object]]:
    """(container, key) of everything in a JSON value."""
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [pair for key in keys for pair in [(value, key), *nodes(value[key])]]


def test_any_json_value_may_stand_anywhere(tmp_path):
    labels = random_set(3, shapes=True, split=False, count=3)
    images = write_pictures(labels, tmp_path / "pictures")
    rng = random.Random(0)
    read = 0
    for number in range(60):
        folder = tmp_path / str(number)
        annotations.write(labels, folder, format="coco", images=images)
        path = folder / "annotations" / "instances.json"
        content = json.loads(path.read_text("utf-8"))
        container, key = rng.choice(nodes(content))
        container[key] = rng.choice(ODD)
        path.write_text(json.dumps(content))
        read += survives(folder, "coco")
    assert read > 50


@pytest.mark.parametrize("format", BOXED)
def test_any_bytes_may_be_lost_or_damaged(tmp_path, format):
    labels = random_set(3, shapes=True, count=3)
    images = write_pictures(labels, tmp_path / "pictures")
    rng = random.Random(1)
    read = 0
    for number in range(25):
        folder = annotations.write(labels, tmp_path / str(number), format=format, images=images)
        paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix != ".png"]
        path = rng.choice(paths)
        content = path.read_bytes()
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.randint(0, 20))
        scrap = rng.choice((b"", rng.randbytes(end - start), *SCRAPS))
        path.write_bytes(content[:start] + scrap + content[end:] * rng.randint(0, 3))
        try:
            read += survives(folder, format)
        except ValueError as error:
            assert "a split's name must do" in str(error)  # a table may name splits as it likes
    assert read >= 10


def test_a_split_cannot_lead_out_of_the_folder(tmp_path):
    labels = AnnotationSet([Picture("a.png", 20, 40, split="../../x")], ["cat"])
    for format in BOXED:
        with pytest.raises(
            ValueError, match=r"a split's name must do as a folder's name; got '../../x'"
        ):
            annotations.write(labels, tmp_path / "new", format=format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "a\\\\b"])
def test_a_class_that_cannot_be_a_folder(one_picture, name):
    items = (Instance(0, (0.0, 0.0, 40.0, 20.0)),)
    labels = AnnotationSet([Picture("a.png", 20, 40, items)], [name])
    with pytest.raises(ValueError, match="a class name must do as a folder's name; got "):
        annotations.write(
            labels, one_picture / "new", format="folder", images=one_picture / "images"
        )
    assert not (one_picture / "new").exists()


def test_folders_that_are_named_like_files(one_picture):
    for name in ("a.csv", "b.json", "data.yaml", "c.xml", "annotations/instances.json"):
        (one_picture / name).mkdir(parents=True)
    with pytest.raises(ValueError, match="no labels of a known format"):
        annotations.read(one_picture)


def test_links_that_lead_back_are_not_followed_again(one_picture):
    for number in range(3):
        (one_picture / "images" / f"up{number}").symlink_to("..")
    (one_picture / "beside").symlink_to("images")  # leads elsewhere: both names are found
    found = annotations.find_pictures(one_picture)
    assert found == ["beside/a.png", "images/a.png"]
    assert annotations.find_pictures(one_picture / "images") == ["a.png"]
    assert annotations.find_pictures(one_picture / "beside") == ["a.png"]
    assert annotations.find_pictures(one_picture / "gone") == []


def test_names_that_labels_cannot_hold(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in map(os.fsdecode, (b"images\\b", b"\xff", b"c")):
        Image.new("L", (4, 4)).save(tmp_path / f"{name}.png")
        (tmp_path / "labels" / f"{name}.txt").touch()
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    labels = annotations.read(tmp_path)
    assert [picture.file for picture in labels.pictures] == ["c.png"]
    assert [(f.file, f.reason) for f in labels.findings] == [
        ("images\\b.png", "the picture's name holds a backslash"),
        ("\\udcff.png", "the picture's name is not UTF-8 text: \\udcff.png"),
    ]


def test_a_mask_of_a_picture_that_nobody_can_hold_is_not_made(tmp_path):
    side = 10**6
    content = {
        "images": [{"id": 1, "file_name": "a.png", "height": side, "width": side}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1,
                         "segmentation": {"size": [side, side], "counts": [0, side * side]}}],
    }  # fmt: skip
    (tmp_path / "instances.json").write_text(json.dumps(content))
    labels = annotations.read(tmp_path)
    assert len(labels) == 0 and "the size of a.png is not given" in labels.findings[0].reason


def test_pictures_that_cannot_be_measured_are_left_out(one_picture):
    (one_picture / "images" / "b.png").write_bytes(b"")
    (one_picture / "annotations.csv").write_text("file,label\nb.png,cat\nb.png,dog\na.png,cat\n")
    labels = annotations.read(one_picture)
    assert [picture.file for picture in labels.pictures] == ["a.png"]
    (finding,) = labels.findings  # once, not for every row
    assert finding.kind == "unreadable"
    assert finding.reason == "line 2: b.png does not begin as a picture: the file is empty"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp", "bmp", "gif"])
def test_a_header_gives_the_size_that_a_viewer_shows(tmp_path, suffix, mode):
    path = tmp_path / f"a.{suffix}"
    for orientation in (1, 3, 6, 8) if suffix not in ("bmp", "gif") else (1,):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.new("RGB" if suffix == "jpg" else mode, (40, 20))
        options = {"exif": exif} if suffix not in ("bmp", "gif") else {}
        image.save(path, **options | ({"compression": "tiff_lzw"} if suffix == "tiff" else {}))
        with Image.open(path) as image:
            width, height = ImageOps.exif_transpose(image).size
        assert annotations.picture_size(path) == (height, width)


def test_a_size_needs_no_more_than_the_header(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(noise).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:1000])
        assert annotations.picture_size(tmp_path / name) == (300, 400)


def test_a_size_that_labels_get_wrong_is_measured(one_picture):
    image = {"id": 1, "file_name": "a.png", "height": 0, "width": "wide"}
    content = {"images": [image], "annotations": [], "categories": []}
    (one_picture / "instances.json").write_text(json.dumps(content))
    assert annotations.read(one_picture).pictures == (Picture("a.png", 20, 40),)


# ------------------------------------------------------------------------------ what formats hold

EVERYTHING = (
    Instance(0, (1.0, 2.0, 30.0, 12.0), polygons=((5.0, 2.0, 20.0, 2.0, 20.0, 12.0),)),
    Instance(0, (1.0, 1.0, 3.0, 4.0), rle=rle_masks.encode(np.eye(20, 40)), crowd=True),
    Instance(0, (1.0, 1.0, 8.0, 4.0), difficult=True),
    Instance(0, (1.0, 1.0, 9.0, 4.0), truncated=True),
)


@pytest.mark.parametrize(
    "format, lost",
    [
        ("coco", "difficult marks (1), truncated marks (1)"),
        ("voc", "outlines (2), crowd marks (1), classes without an instance (2)"),
        (
            "yolo",
            "boxes apart from their outline (2), crowd marks (1), difficult marks (1), "
            "truncated marks (1)",
        ),
        (
            "csv",
            "outlines (2), crowd marks (1), difficult marks (1), truncated marks (1), "
            "classes without an instance (2)",
        ),
        (
            "folder",
            "boxes smaller than the picture (4), outlines (2), boxes apart from their outline (2), "
            "crowd marks (1), difficult marks (1), truncated marks (1), "
            "classes without an instance (2)",
        ),
    ],
)
def test_what_is_lost_is_counted(one_picture, format, lost):
    picture = Picture("a.png", 20, 40, EVERYTHING)
    labels = AnnotationSet([picture], ["cat", "dog", "owl"])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        annotations.write(labels, one_picture / "new", format=format, images=one_picture / "images")
    assert [str(w.message) for w in told] == [
        f"{format} has no place for {lost}: they are left out."
    ]
    assert told[0].filename == __file__


def test_yolo_gives_every_mask_back_pixel_for_pixel(one_picture):
    rng = np.random.default_rng(0)
    masks = [rng.random((20, 40)) < share for share in (0.02, 0.3, 0.5, 0.9)]
    masks += [np.pad(np.ones((6, 8), bool), ((3, 11), (20, 12))), np.ones((20, 40), bool)]
    masks[-1][5:9, 7:30] = False  # a hole
    items = [Instance(0, rle_masks.box(r, 20, 40), rle=r) for r in map(rle_masks.encode, masks)]
    labels = AnnotationSet([Picture("a.png", 20, 40, tuple(items))], ["cat"])
    path = annotations.write(
        labels, one_picture / "new", format="yolo", images=one_picture / "images"
    )
    back = annotations.target_of(annotations.read(path).pictures[0])["masks"].numpy()
    assert np.array_equal(back, masks)


def test_a_tight_box_of_a_mask_is_not_lost_in_yolo(one_picture):
    empty, filled = np.zeros((20, 40), bool), np.eye(20, 40, dtype=bool)
    items = (
        Instance(0, (0.0, 0.0, 20.0, 20.0), rle=rle_masks.encode(filled)),
        Instance(0, (3.0, 4.0, 9.0, 9.0), rle=rle_masks.encode(empty)),
    )
    labels = AnnotationSet([Picture("a.png", 20, 40, items)], ["cat"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotations.write_labels(labels, one_picture, format="yolo")
    boxes = [item.box for item in annotations.read(one_picture).pictures[0].instances]
    assert boxes == [item.box for item in items]


@pytest.mark.parametrize(
    "rings, num_pixels",
    [
        (((0, 0, 10, 0, 10, 10, 0, 10), (6, 0, 20, 0, 20, 10, 6, 10)), 200),  # they overlap
        (((0, 0, 10, 0, 10, 10, 0, 10), (2, 2, 8, 2, 8, 8, 2, 8)), 100),  # one inside the other
        (((0, 0, 10, 0, 10, 10, 0, 10), (0, 0, 10, 0, 10, 10, 0, 10)), 100),  # twice the same
        (((0.5, 0.5, 10, 0, 10, 10, 0, 10), (20, 0, 30, 0, 30, 10.25, 20, 10)), 200),  # apart
    ],
)
def test_yolo_gives_every_pixel_of_several_rings_back(one_picture, rings, num_pixels):
    rings = tuple(tuple(map(float, ring)) for ring in rings)
    item = Instance(0, outlines.box(rings), rings)
    labels = AnnotationSet([Picture("a.png", 20, 40, (item,))], ["cat"])
    annotations.write_labels(labels, one_picture, format="yolo")
    before, after = (
        annotations.target_of(labelled.pictures[0])["masks"]
        for labelled in (labels, annotations.read(one_picture))
    )
    assert before.sum() == num_pixels and before.equal(after)


def test_yolo_keeps_rings_that_do_not_overlap_as_they_are(one_picture):
    rings = ((0.25, 0.5, 9.75, 0.5, 9.75, 8.5), (20.5, 1.5, 30.0, 1.5, 30.0, 10.25))
    labels = AnnotationSet(
        [Picture("a.png", 20, 40, (Instance(0, outlines.box(rings), rings),))], ["cat"]
    )
    annotations.write_labels(labels, one_picture, format="yolo")
    (item,) = annotations.read(one_picture).pictures[0].instances
    assert item.polygons == (outlines.joined(rings),)
    assert item.box == (0.25, 0.5, 30.0, 10.25)


def test_yolo_writes_the_fewest_decimals_that_are_exact(one_picture):
    boxes = [(10.0, 5.0, 30.0, 15.0), (1 / 3, 0.1, 20.0, 19.9), (0.125, 0.25, 1.0, 2.0)]
    boxes = [tuple(round(value, 8) for value in box) for box in boxes]
    labels = AnnotationSet(
        [Picture("a.png", 20, 40, tuple(Instance(0, box) for box in boxes))], ["cat"]
    )
    annotations.write_labels(labels, one_picture, format="yolo")
    rows = (one_picture / "labels" / "a.txt").read_text().splitlines()
    assert rows[0] == "0 0.500000 0.500000 0.500000 0.500000"
    assert [len(row.split()[1].partition(".")[2]) for row in rows] == [6, 12, 9]
    assert annotations.read(one_picture).pictures == labels.pictures


@pytest.mark.parametrize(
    "width, height", [(640, 480), (641, 479), (1920, 1081), (7001, 121), (3, 1)]
)
def test_yolo_files_of_six_decimals_are_written_back_byte_by_byte(tmp_path, width, height):
    rng = random.Random(width)
    rows = [
        "0 " + " ".join(f"{rng.random():.6f}" for _ in range(rng.choice((4, 6, 10))))
        for _ in range(200)
    ]
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("\n".join(rows) + "\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    Image.new("1", (width, height)).save(tmp_path / "a.png")
    labels = annotations.read(tmp_path)
    (tmp_path / "labels" / "a.txt").unlink()
    annotations.write_labels(labels, tmp_path, format="yolo")
    assert (tmp_path / "labels" / "a.txt").read_text().splitlines() == rows


@pytest.mark.parametrize("format", BOXED)
def test_boxes_of_a_few_decimals_come_back_exactly_at_any_size(tmp_path, format):
    rng = random.Random(5)
    pictures = []
    for number in range(12):
        height, width = rng.randint(1, 2000), rng.randint(1, 4000)
        places = rng.randint(0, 5)
        boxes = [
            tuple(round(rng.uniform(-5, side + 5), places) for side in (width, height) * 2)
            for _ in range(25)  # corners swapped or not, inside or not: an audit is to see them
        ]
        items = tuple(Instance(rng.randrange(2), tuple(box)) for box in boxes)
        pictures.append(Picture(f"{number:03}.png", height, width, items))
        Image.new("1", (width, height)).save(tmp_path / f"{number:03}.png", compress_level=1)
    labels = AnnotationSet(pictures, ["cat", "dog"])
    annotations.write_labels(labels, tmp_path, format=format)
    assert annotations.read(tmp_path).pictures == labels.pictures
