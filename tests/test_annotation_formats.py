"""Each format by hand, and what real files hold: every fault is a finding, the rest is read."""

import json
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Instance, Picture


@pytest.fixture
def folder(tmp_path):
    """A data set folder with one picture, ``a.png``, 20 pixels high and 40 wide."""
    picture(tmp_path, "images/a.png")
    return tmp_path


def picture(folder, name: str, size=(40, 20)) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def text(folder, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def only_box(path, **options):
    (item,) = annotations.read(path, **options).pictures[0].instances
    return item.box


def kinds(labelled) -> list[tuple[str, str]]:
    return [(finding.kind, finding.file) for finding in labelled.findings]


# --- COCO ---------------------------------------------------------------------------------------


def coco(folder, *boxes, images=None, categories=None) -> AnnotationSet:
    """Read what these annotations say of picture 7."""
    images = images or [{"id": 7, "file_name": "a.png", "height": 20, "width": 40}]
    categories = categories or [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}]
    boxes = [{"id": number, "image_id": 7, "category_id": 3} | box
             for number, box in enumerate(boxes, 1)]  # fmt: skip
    content = {"images": images, "annotations": boxes, "categories": categories}
    text(folder, "annotations/instances.json", json.dumps(content))
    return annotations.read(folder)


def test_coco_by_hand(folder):
    labelled = coco(folder, {"bbox": [1, 2, 10, 5.5], "category_id": 90, "iscrowd": 0})
    assert labelled.classes == ("cat", "dog")  # ids may have gaps
    assert labelled.pictures == (
        Picture("a.png", 20, 40, (Instance(1, (1.0, 2.0, 11.0, 7.5)),), None),
    )


@pytest.mark.parametrize(
    "fault, kind, words",
    [
        ({"bbox": [float("nan"), 1, 2, 3]}, "bad-record", "bbox must be finite numbers; got nan"),
        ({"bbox": [0, 1, float("inf"), 3]}, "bad-record", "must be finite numbers"),
        ({"bbox": [1, 2, 3]}, "bad-record", r"bbox must be \[x, y, width, height\]"),
        ({"category_id": 4}, "unknown-class", "category_id 4 is not listed"),
        ({"image_id": 99, "bbox": [1, 1, 2, 2]}, "bad-record", "image_id 99 is not listed"),
        ({"image_id": None, "bbox": [1, 1, 2, 2]}, "bad-record", "image_id must be a number"),
        (
            {"bbox": [1, 1, 2, 2], "segmentation": [[1, 1, 3, 3]]}, "bad-record",
            "a polygon must have three points or more",
        ),
        (
            {"bbox": [5, 5, 20, 20], "segmentation": [[5, 5, 25, 25, 5, 5]]}, "bad-record",
            r"three different points or more; got \[5, 5, 25, 25, 5, 5\]",
        ),
        (
            {"bbox": [1, 1, 2, 2], "segmentation": {"size": [9, 9], "counts": [81]}},
            "bad-record", r"its mask has size \[9, 9\], the picture has \[20, 40\]",
        ),
        (
            {"bbox": [1, 1, 2, 2], "segmentation": {"size": [20, 40], "counts": "~~"}},
            "bad-record", "its mask cannot be used",
        ),
    ],
)  # fmt: skip
def test_one_bad_coco_record_leaves_the_others(folder, fault, kind, words):
    labelled = coco(folder, fault, {"bbox": [5, 5, 4, 4]})
    boxes = [item.box for item in labelled.pictures[0].instances]
    assert boxes[-1] == (5, 5, 9, 9)
    assert len(boxes) == 1 + ("segmentation" in fault)  # a box is good without its outline
    (finding,) = labelled.findings
    assert finding.kind == kind and finding.file == "annotations/instances.json"
    assert re.search(words, finding.reason) and finding.reason.startswith("annotation 1: ")
    assert finding.advice


def test_negative_sides_are_kept_for_the_audit(folder):
    labelled = coco(folder, {"bbox": [10, 5, -4, 4]})
    (finding,) = annotations.box_checks.check_boxes(labelled)
    assert finding.kind == "box-empty" and "its corners are swapped" in finding.reason


def test_coco_ids_that_come_twice(folder):
    image = {"id": 7, "file_name": "a.png", "height": 20, "width": 40}
    labelled = coco(folder, {"bbox": [1, 1, 2, 2]}, images=[image, image | {"file_name": "b.png"}])
    assert len(labelled) == 1 and "its id 7 came before" in labelled.findings[0].reason
    categories = [{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}]
    labelled = coco(folder, {"bbox": [1, 1, 2, 2]}, categories=categories)
    assert labelled.classes[0] == "cat" and "its id 3 came before" in labelled.findings[0].reason


@pytest.mark.parametrize(
    "name, found",
    [
        ("C:\\data\\a.png", None), ("/etc/a.png", None), ("../a.png", None),
        ("images\\a.png", "a.png"), ("A.PNG", "a.png"), ("lost.png", None), ("", None),
    ],
)  # fmt: skip
def test_paths_of_pictures(folder, name, found):
    image = {"id": 7, "file_name": name, "height": 20, "width": 40}
    labelled = coco(folder, {"bbox": [1, 1, 2, 2]}, images=[image])
    if found:
        assert labelled.pictures[0].file == found
        return
    assert {"bad-record", "no-picture"} & {finding.kind for finding in labelled.findings}
    assert ("no-labels", "a.png") in kinds(labelled)


def test_names_with_accents_are_found_however_they_are_composed(tmp_path):
    picture(tmp_path, "images/" + unicodedata.normalize("NFD", "é夜.png"))
    image = {"id": 7, "file_name": unicodedata.normalize("NFC", "é夜.png"), "height": 20,
             "width": 40}  # fmt: skip
    labelled = coco(tmp_path, {"bbox": [1, 1, 2, 2]}, images=[image])
    assert len(labelled.pictures[0].instances) == 1 and labelled.findings == ()


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "is not whole JSON"),
        (b'{"images": [', "is not whole JSON: .* in line 1"),
        (b"[1, 2]", "must be an object with lists of images"),
        (b'{"images": [], "annotations": []}', "it has no list of categories"),
        (b"\xff\xfe{}", "is not UTF-8 text"),
        (b"[" * 100_000, "cannot be parsed|is not whole JSON"),
    ],
)
def test_a_coco_file_that_cannot_be_read(folder, content, sentence):
    text(folder, "annotations/instances.json", content)
    with pytest.raises(ValueError, match=sentence):
        annotations.read(folder, format="coco")


def test_two_coco_files_are_parts_and_classes_meet_by_name(folder):
    picture(folder, "images/b.png")
    image = {"id": 1, "height": 20, "width": 40}
    box = {"id": 1, "image_id": 1, "bbox": [1, 1, 5, 5]}
    for part, name, classes, category in (
        ("train", "a.png", ("cat", "dog"), 2), ("val2017", "b.png", ("dog", "cat"), 1),
    ):  # fmt: skip
        content = {
            "images": [image | {"file_name": name}],
            "annotations": [box | {"category_id": category}],
            "categories": [{"id": k, "name": c} for k, c in enumerate(classes, 1)],
        }
        text(folder, f"annotations/instances_{part}.json", json.dumps(content))
    labelled = annotations.read(folder)
    assert labelled.counts() == {"cat": 0, "dog": 2}
    assert {picture.file: picture.split for picture in labelled.pictures} == {
        "a.png": "train", "b.png": "val",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_what_is_written(folder):
    COCO = pytest.importorskip("pycocotools.coco").COCO
    ring = (1.0, 1.0, 9.0, 1.0, 9.0, 7.0)
    labelled = coco(folder, {"bbox": [1, 1, 8, 6], "segmentation": [list(ring)]})
    path = annotations.write(labelled, folder / "new", format="coco", images=folder / "images")
    api = COCO(str(path / "annotations" / "instances.json"))
    (box,) = api.loadAnns(api.getAnnIds())
    assert box["bbox"] == [1, 1, 8, 6] and box["segmentation"] == [list(ring)]
    assert box["area"] == pytest.approx(24) and api.annToMask(box).shape == (20, 40)


# --- Pascal VOC -----------------------------------------------------------------------------------


def voc(folder, *objects: str, head: str = "", name: str = "a") -> AnnotationSet:
    body = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for label, x1, y1, x2, y2 in objects
    )
    size = "<size><width>40</width><height>20</height></size>"
    text(
        folder, f"Annotations/{name}.xml",
        f"<annotation><filename>{name}.png</filename>{head}{size}{body}</annotation>",
    )  # fmt: skip
    return annotations.read(folder, format="voc")


def test_voc_by_hand_and_its_pixel_of_difference(folder):
    edges = voc(folder, ("cat", 4, 5, 10, 20))
    assert edges.pictures[0].instances[0].box == (4, 5, 10, 20)
    original = "<source><database>The VOC2007 Database</database></source>"
    counted = voc(folder, ("cat", 4, 5, 10, 20), head=original)
    assert counted.pictures[0].instances[0].box == (3, 4, 10, 20)


def test_a_voc_box_without_area_is_kept(folder):
    labelled = voc(folder, ("cat", 7, 7, 7, 7))
    assert [f.kind for f in annotations.box_checks.check_boxes(labelled)] == ["box-empty"]


HOSTILE = {
    "a billion laughs": '<!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;&l;">]>'
    "<annotation><filename>&m;</filename></annotation>",
    "an external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<annotation><filename>&x;</filename></annotation>",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_xml_is_a_finding_and_the_others_are_read(folder, attack):
    picture(folder, "images/b.png")
    text(folder, "Annotations/b.xml", HOSTILE[attack])
    labelled = voc(folder, ("cat", 4, 5, 10, 20))
    assert [picture.file for picture in labelled.pictures] == ["a.png"]
    finding = next(f for f in labelled.findings if f.file == "Annotations/b.xml")
    assert finding.reason == "declares a document type" and "DOCTYPE" in finding.advice


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is not whole XML"),
        (b"<annotation>", "is not whole XML"),
        (b"<html></html>", "must hold an <annotation>; its first element is <html>"),
        (b"<annotation>" + b" " * (5 << 20) + b"</annotation>", "more than the 4 MiB"),
    ],
)
def test_a_bad_xml_file_among_good_ones(folder, content, words):
    picture(folder, "images/b.png")
    text(folder, "Annotations/b.xml", content)
    labelled = voc(folder, ("cat", 4, 5, 10, 20))
    assert len(labelled.pictures) == 1
    assert any(words in f.reason for f in labelled.findings if f.file == "Annotations/b.xml")
    (folder / "Annotations" / "a.xml").unlink()
    with pytest.raises(ValueError, match="holds no VOC labels that can be read; the first of 1"):
        annotations.read(folder, format="voc")


def test_bad_voc_objects(folder):
    labelled = voc(folder, ("cat", "NaN", 1, 2, 3), ("", 1, 1, 2, 2), ("dog", 1, 1, 2, 2))
    assert labelled.counts() == {"dog": 1}
    assert [f.reason for f in labelled.findings] == [
        "object 1: its bndbox must be finite numbers; got NaN, 1, 2, 3",
        "object 2: has no name",
    ]


def test_voc_lists_give_the_parts(folder):
    picture(folder, "images/b.png")
    voc(folder, ("cat", 4, 5, 10, 20))
    text(folder, "ImageSets/Main/train.txt", "a\n")
    text(folder, "ImageSets/Main/test.txt", "b\n")
    text(folder, "ImageSets/Main/trainval.txt", "a\nb\n")
    labelled = voc(folder, ("cat", 1, 1, 2, 2), name="b")
    assert [(p.file, p.split) for p in labelled.pictures] == [("a.png", "train"), ("b.png", "test")]


# --- YOLO -----------------------------------------------------------------------------------------


def yolo(folder, rows: str | bytes, names: str = "names: [cat, dog]\n") -> AnnotationSet:
    text(folder, "data.yaml", f"train: images\nval: images\n{names}" if names else "x: 1")
    text(folder, "labels/a.txt", rows)
    return annotations.read(folder, format="yolo")


def test_yolo_by_hand(folder):
    labelled = yolo(folder, "1 0.5 0.5 0.25 0.5\n0 0 0 0.5 0 0.5 0.5\n")
    box, outline = labelled.pictures[0].instances
    assert (box.label, box.box) == (1, (15, 5, 25, 15))
    assert outline.polygons == ((0, 0, 20, 0, 20, 10),) and outline.box == (0, 0, 20, 10)


def test_six_decimals_read_and_written_again_are_the_same_bytes(folder):
    rows = "0 0.507812 0.333333 0.140625 0.250001\n1 0.123457 0.900000 0.012346 0.100000\n"
    labelled = yolo(folder, rows)
    before = (folder / "labels" / "a.txt").read_bytes()
    annotations.write_labels(labelled, folder, format="yolo", only={"a.png"})
    written = (folder / "labels" / "a.txt").read_text().split()
    assert [float(word) for word in written] == [float(word) for word in before.split()]
    again = annotations.read(folder, format="yolo")
    assert again.pictures == labelled.pictures


@pytest.mark.parametrize(
    "row, kind, words",
    [
        ("7 0.5 0.5 0.1 0.1", "unknown-class", "class 7 has no name; there are 2"),
        ("0 0.5 0.5 0.1", "bad-record", "must hold a class and 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "bad-record", "it holds 5 after the class"),
        ("0 nan 0.5 0.1 0.1", "bad-record", "finite numbers"),
        ("cat 0.5 0.5 0.1 0.1", "bad-record", "finite numbers"),
    ],
)
def test_a_bad_yolo_row(folder, row, kind, words):
    labelled = yolo(folder, f"{row}\n0 0.5 0.5 0.5 0.5\n")
    assert [item.box for item in labelled.pictures[0].instances] == [(10, 5, 30, 15)]
    (finding,) = labelled.findings
    assert finding.kind == kind and words in finding.reason and "line 1" in finding.reason
    assert finding.file == "labels/a.txt"


def test_an_empty_yolo_file_is_a_picture_without_objects(folder):
    labelled = yolo(folder, b"")
    assert labelled.pictures[0].instances == () and labelled.findings == ()


def test_class_lists_that_disagree(folder):
    labelled = yolo(folder, "0 0.5 0.5 0.5 0.5\n", "nc: 3\nnames: [cat, dog]\n")
    assert any("says nc: 3, but names 2 classes" in f.reason for f in labelled.findings)


def test_labels_without_picture_and_pictures_without_labels(folder):
    picture(folder, "images/b.png")
    text(folder, "labels/c.txt", "0 0.5 0.5 0.5 0.5\n")
    labelled = yolo(folder, "0 0.5 0.5 0.5 0.5\n")
    assert ("no-picture", "labels/c.txt") in kinds(labelled)
    assert ("no-labels", "b.png") in kinds(labelled)


@pytest.mark.parametrize(
    "names, words",
    [
        ("names: [cat", "is not whole YAML"),
        ("names: 5\n", "must give names as text"),
        ("names: {99999999: cat}\n", "must number names from 0 to 9999"),
    ],
)
def test_a_yaml_that_cannot_be_used_is_told_and_classes_keep_their_numbers(folder, names, words):
    labelled = yolo(folder, "1 0.5 0.5 0.5 0.5\n", names)
    assert any(words in f.reason for f in labelled.findings if f.file == "data.yaml")
    assert labelled.classes == ("0", "1") and labelled.counts()["1"] == 1


@pytest.mark.parametrize("key", ["nc", "path", "train", "names"])
def test_nested_references_in_yaml_are_not_spelled_out(folder, key):
    levels = ["x0: &x0 [a, a]"] + [f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]" for n in range(1, 60)]
    rest = {"names": "[cat]", "train": "images"} | {key: "*x59"}
    said = "\n".join([*levels, *(f"{name}: {value}" for name, value in rest.items())])
    labelled = yolo(folder, "0 0.5 0.5 0.5 0.5\n", said)
    assert len(labelled.pictures) == 1
    words = {"nc": "says nc: no number, but names 1 classes", "names": "must give names as text"}
    reasons = [f.reason for f in labelled.findings if f.file == "data.yaml"]
    assert [words[key] in reason for reason in reasons] == [True] * (key in words)
    if key != "names":
        more = AnnotationSet(labelled.pictures, ("cat", "dog"))
        annotations.write_labels(more, folder, format="yolo", only={"a.png"})
        assert annotations.read(folder).classes == ("cat", "dog")


def test_python_in_yaml_is_never_run(folder, tmp_path):
    mark = tmp_path / "ran"
    yolo(folder, b"", f'names: !!python/object/apply:os.system ["touch {mark}"]\n')
    assert not mark.exists()


# --- CSV and image folders ------------------------------------------------------------------------


def test_csv_by_hand(folder):
    head = "file,split,width,height,label,x1,y1,x2,y2"
    text(folder, "annotations.csv", f"\ufeff{head}\na.png,train,40,20,cat,1,2,3.5,4\n")
    labelled = annotations.read(folder)
    assert labelled.pictures == (Picture("a.png", 20, 40, (Instance(0, (1, 2, 3.5, 4)),), "train"),)
    text(folder, "annotations.csv", "file;label\na.png;dog\n")
    assert only_box(folder) == (0, 0, 40, 20)  # the whole picture


@pytest.mark.parametrize(
    "rows, words",
    [
        ("a.png,,40,20,cat,nan,2,3,4", "finite numbers"),
        ("../a.png,,40,20,cat,1,2,3,4", "must lie below the data set"),
        ("a.png,,40,20,,1,2,3,4", "has a box but no label"),
        ("a.png,train,40,20,cat,1,2,3,4\na.png,test,40,20,cat,1,2,3,4", "puts a.png into split"),
    ],
)
def test_bad_rows_of_a_table(folder, rows, words):
    text(folder, "annotations.csv", f"file,split,width,height,label,x1,y1,x2,y2\n{rows}\n")
    findings = annotations.read(folder).findings
    assert any(words in f.reason and "line" in f.reason for f in findings), findings


def test_a_picture_that_is_not_there_is_told_once(folder):
    rows = "lost.png,cat\n" * 3 + "a.png,cat\n" + "gone.png,cat\n" * 2 + ",cat\n" * 2
    text(folder, "annotations.csv", f"file,label\n{rows}")
    findings = annotations.read(folder).findings
    assert [(finding.kind, finding.reason) for finding in findings] == [
        ("no-picture", "line 2: there is no picture lost.png"),
        ("no-picture", "line 6: there is no picture gone.png"),
        ("bad-record", "line 8: names no picture"),
        ("bad-record", "line 9: names no picture"),
    ]


def test_a_table_without_its_columns(folder):
    text(folder, "annotations.csv", "name,class\na.png,cat\n")
    with pytest.raises(ValueError, match="lacks the column file; its first line is 'name"):
        annotations.read(folder, format="csv")


def test_a_table_with_the_line_ends_of_old_macs(folder):
    text(folder, "annotations.csv", "file,label,x1,y1,x2,y2\ra.png,cat,1,2,3,4\r")
    assert only_box(folder) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    "content, words",
    [
        ('file,label\na.png,cat\na.png,"dog\na.png,cat\n', "breaks off in the row of line 3"),
        ("file,label,x,y,w,h\na.png,cat,1,2,3,4\n", "gives boxes in the columns x, y, w, h"),
        ("file,class,bbox\na.png,cat,1 2 3 4\n", "gives boxes in the columns bbox"),
        ("x" * 200_000, "lacks the column file, label"),
    ],
)
def test_a_table_that_would_be_read_wrongly(folder, content, words):
    text(folder, "annotations.csv", content)
    with pytest.raises(ValueError, match=f"annotations.csv cannot be used: it {words}"):
        annotations.read(folder, format="csv")


def test_image_folders(tmp_path):
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png"):
        picture(tmp_path, name)
    labelled = annotations.read(tmp_path)
    assert labelled.classes == ("cat", "dog")
    assert [(p.file, p.split) for p in labelled.pictures] == [
        ("test/cat/3.png", "test"), ("train/cat/1.png", "train"), ("train/dog/2.png", "train"),
    ]  # fmt: skip
    assert labelled.pictures[0].instances == (Instance(0, (0, 0, 40, 20)),)


# --- sizes, and boxes that cannot be --------------------------------------------------------------


def test_photos_are_measured_as_they_are_held(tmp_path):
    image = Image.fromarray(np.zeros((20, 40, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    image.save(tmp_path / "a.jpg", exif=exif)
    assert annotations.picture_size(tmp_path / "a.jpg") == (40, 20)
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="b.jpg does not begin as a picture: not a format"):
        annotations.picture_size(tmp_path / "b.jpg")


def test_every_kind_of_impossible_box():
    boxes = (
        (5, 5, 15, 15), (5, 5, 15, 14.9), (-9, 2, 8, 9), (3, 3, 4, 9), (8, 8, 8, 12),
        (20, 1, 40.5, 9), (30, 10, 20, 15),
    )  # fmt: skip
    instances = tuple(Instance(0, tuple(map(float, box))) for box in boxes)
    other = Picture("b.png", 20, 40, (Instance(0, (5.0, 5.0, 15.0, 15.0)),))
    labelled = AnnotationSet((Picture("a.png", 20, 40, instances), other), ("cat",))
    found = [(f.kind, f.reason) for f in annotations.box_checks.check_boxes(labelled)]
    expected = (
        ("box-doubled", "instance 1, 'cat', box (5, 5, 15, 14.9): it marks what instance 0 marks"),
        ("box-outside", "instance 2, 'cat', box (-9, 2, 8, 9): it reaches 9 px beyond the left"),
        ("box-tiny", "instance 3, 'cat', box (3, 3, 4, 9): it is only 1 px wide and 6 px high"),
        ("box-empty", "instance 4, 'cat', box (8, 8, 8, 12): it has no area"),
        ("box-empty", "instance 6, 'cat', box (30, 10, 20, 15): its corners are swapped"),
    )
    assert len(found) == len(expected)
    for kind, start in expected:  # half a pixel beyond the edge is rounding
        assert any(k == kind and reason.startswith(start) for k, reason in found), (kind, found)
