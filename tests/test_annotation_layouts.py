"""Folders as tools in the field leave them: read, written in place, and read again."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from imgrec_lab import annotations
from imgrec_lab.annotations import Instance

BOX = (10.0, 5.0, 30.0, 15.0)
ROW = "0 0.500000 0.500000 0.500000 0.500000\n"  # the same box on a picture of 40 x 20
XML = (
    "<annotation><filename>{}</filename><size><width>40</width><height>20</height></size><object>"
    "<name>cat</name><bndbox><xmin>10</xmin><ymin>5</ymin><xmax>30</xmax><ymax>15</ymax></bndbox>"
    "</object></annotation>"
)


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


def coco(*names: str) -> str:
    image = {"height": 20, "width": 40}
    box = {"category_id": 5, "bbox": [10, 5, 20, 10], "iscrowd": 0}
    content = {
        "info": {"year": 2017},
        "images": [image | {"id": n, "file_name": name} for n, name in enumerate(names, 40)],
        "annotations": [box | {"id": n, "image_id": n} for n, _ in enumerate(names, 40)],
        "categories": [{"id": 5, "name": "cat", "supercategory": "animal"}],
    }
    return json.dumps(content)


# What a tool writes: its text files, by path, and its pictures; then what is to be read, the split
# of each picture by its file.
LAYOUTS = {
    "coco 2017": (
        "coco",
        {
            "annotations/instances_train2017.json": coco("1.png"),
            "annotations/instances_val2017.json": coco("2.png"),
            "annotations/captions_val2017.json": json.dumps({"images": [], "annotations": []}),
        },
        ["train2017/1.png", "val2017/2.png"],
        {"train2017/1.png": "train", "val2017/2.png": "val"},
    ),
    "coco of Roboflow": (
        "coco",
        {
            "train/_annotations.coco.json": coco("1.png"),
            "valid/_annotations.coco.json": coco("2.png"),
        },
        ["train/1.png", "valid/2.png"],
        {"train/1.png": "train", "valid/2.png": "val"},
    ),
    "coco of CVAT": (
        "coco",
        {"annotations/instances_default.json": coco("1.png")},
        ["images/1.png"],
        {"1.png": None},
    ),
    "coco of Label Studio": (
        "coco", {"result.json": coco("images\\1.png")}, ["images/1.png"], {"1.png": None}
    ),
    "VOC": (
        "voc",
        {
            "Annotations/1.xml": XML.format("1.png"),
            "Annotations/2.xml": XML.format("2"),
            "ImageSets/Main/train.txt": "1\n",
            "ImageSets/Main/val.txt": "2\n",
            "ImageSets/Main/trainval.txt": "1\n2\n",
            "ImageSets/Main/cat_train.txt": "1  1\n2 -1\n",
        },
        ["JPEGImages/1.png", "JPEGImages/2.png"],
        {"1.png": "train", "2.png": "val"},
    ),
    "VOC in lower case": (
        "voc",
        {"annotations/1.xml": XML.format("C:\\pictures\\1.png")},
        ["images/1.png"],
        {"1.png": None},
    ),
    "VOC beside the pictures": (
        "voc", {"1.xml": XML.format("1.png")}, ["1.png"], {"1.png": None}
    ),
    "VOC of Roboflow": (
        "voc",
        {"train/1.xml": XML.format("1.png"), "valid/2.xml": XML.format("2.png")},
        ["train/1.png", "valid/2.png"],
        {"train/1.png": "train", "valid/2.png": "val"},
    ),
    "VOC named otherwise than the picture": (
        "voc", {"Annotations/label-1.xml": XML.format("1.png")}, ["JPEGImages/1.png"],
        {"1.png": None},
    ),
    "YOLO": (
        "yolo",
        {
            "data.yaml": "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n",
            "labels/train/1.txt": ROW,
            "labels/val/2.txt": ROW,
        },
        ["images/train/1.png", "images/val/2.png"],
        {"train/1.png": "train", "val/2.png": "val"},
    ),
    "YOLO of Roboflow": (
        "yolo",
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['cat']\n",
            "train/labels/1.txt": ROW,
            "valid/labels/2.txt": ROW,
        },
        ["train/images/1.png", "valid/images/2.png"],
        {"train/images/1.png": "train", "valid/images/2.png": "val"},
    ),
    "YOLO with lists": (
        "yolo",
        {
            "data.yaml": "train: train.txt\nval: val.txt\nnames: [cat]\n",
            "train.txt": "./images/1.png\n",
            "val.txt": "images/2.png\n",
            "labels/1.txt": ROW,
            "labels/2.txt": ROW,
        },
        ["images/1.png", "images/2.png"],
        {"1.png": "train", "2.png": "val"},
    ),
    "YOLO of labelImg": (
        "yolo", {"classes.txt": "cat\n", "1.txt": ROW}, ["1.png"], {"1.png": None}
    ),
    "YOLO not divided": (
        "yolo",
        {"data.yaml": "train: images\nval: images\nnames: [cat]\n", "labels/1.txt": ROW},
        ["images/1.png"],
        {"1.png": None},
    ),
    "CSV of older tutorials": (
        "csv",
        {
            "labels.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n"
            "1.png,40,20,cat,10,5,30,15\n"
        },
        ["images/1.png"],
        {"1.png": None},
    ),
    "CSV of a German spreadsheet": (
        "csv",
        {"annotations.csv": "\ufefffile;label;x1;y1;x2;y2\r\n1.png;cat;10,0;5;30;15\r\n"},
        ["1.png"],
        {"1.png": None},
    ),
}  # fmt: skip


def make(folder: Path, layout: str) -> tuple[str, dict[str, str | None]]:
    """Lay out a folder; returns its format and the split of each picture."""
    format, texts, pictures, splits = LAYOUTS[layout]
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 20)).save(folder / name)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return format, splits


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read(tmp_path, layout):
    format, splits = make(tmp_path, layout)
    assert annotations.detect_format(tmp_path) == format
    labels = annotations.read(tmp_path)
    assert {picture.file: picture.split for picture in labels.pictures} == splits
    assert {picture.instances for picture in labels.pictures} == {(Instance(0, BOX),)}
    assert labels.classes == ("cat",) and labels.findings == ()
    root = annotations.picture_root(tmp_path, format)
    assert all((root / picture.file).is_file() for picture in labels.pictures)


@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_go_where_the_data_set_has_them(tmp_path, layout, only):
    format, splits = make(tmp_path, layout)
    labels = annotations.read(tmp_path)
    first, *others = labels.pictures
    first = replace(first, instances=(Instance(1, (1.0, 2.0, 33.0, 19.0)), Instance(0, BOX)))
    changed = replace(labels, pictures=[first, *others], classes=("cat", "dog"))
    before = files_below(tmp_path)
    annotations.write_labels(changed, tmp_path, format=format, only={first.file} if only else None)
    assert files_below(tmp_path) == before
    again = annotations.read(tmp_path)
    assert again.pictures == changed.pictures and again.classes == changed.classes
    assert again.findings == ()


@pytest.mark.parametrize("to", ["coco", "voc", "yolo", "csv"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_becomes_any_format(tmp_path, layout, to):
    make(tmp_path / "there", layout)
    labels = annotations.convert(tmp_path / "there", tmp_path / "new", to=to)
    again = annotations.read(tmp_path / "new", format=to)
    assert len(again) == len(labels) and again.findings == ()
    assert {picture.instances for picture in again.pictures} == {(Instance(0, BOX),)}
    assert set(again.splits()) == set(labels.splits())
    assert [name for name in files_below(tmp_path) if ".part" in name] == []


def test_coco_in_place_keeps_what_it_knows_nothing_of(tmp_path):
    make(tmp_path, "coco 2017")
    path = tmp_path / "annotations" / "instances_train2017.json"
    content = json.loads(path.read_text())
    content["images"] += [{"id": 90, "file_name": "lost.png", "license": 3}, "no image"]
    content["annotations"] += [{"id": 7, "image_id": 90, "bbox": [float("nan")], "note": "x"}]
    path.write_text(json.dumps(content))
    labels = annotations.read(tmp_path)
    first, second = labels.pictures
    first = replace(first, instances=(Instance(1, BOX),))
    changed = replace(labels, pictures=[first, second], classes=("cat", "dog"))
    annotations.write_labels(changed, tmp_path, format="coco", only={first.file})
    after = json.loads(path.read_text())
    assert after["info"] == content["info"] and after["images"] == content["images"]
    assert after["categories"] == [*content["categories"], {"id": 6, "name": "dog"}]
    kept, new = after["annotations"]
    assert kept["note"] == "x" and kept["image_id"] == 90
    assert (new["id"], new["image_id"], new["category_id"]) == (8, 40, 6)
    assert new["bbox"] == [10, 5, 20, 10] and new["area"] == 200 and new["segmentation"] == []
    annotations.write_labels(changed, tmp_path, format="coco")  # all anew: the lost one is gone
    after = json.loads(path.read_text())
    assert after["info"] == content["info"] and len(after["images"]) == 1
    assert after["images"][0]["id"] == 40 and after["categories"][0]["supercategory"] == "animal"


@pytest.mark.parametrize("only", [True, False])
def test_coco_annotations_that_do_not_change_keep_what_is_said_of_them(tmp_path, only):
    box = {"image_id": 1, "category_id": 5, "bbox": [10, 5, 20, 10], "iscrowd": 0}
    annotated = [
        box | {"id": 30, "attributes": {"occluded": True}},
        box | {"id": 4, "bbox": [1, 1, 2, 2], "attributes": {}},
        box | {"id": 30, "image_id": 2, "score": 0.5},  # an id that came before
    ]
    coco_of_pictures(
        tmp_path,
        ["a.png", "b.png"],
        images=[
            {"id": key, "file_name": name, "height": 20, "width": 40}
            for key, name in ((1, "a.png"), (2, "b.png"))
        ],
        annotations=annotated,
    )
    labels = annotations.read(tmp_path)
    items = (Instance(0, (2.0, 2.0, 4.0, 4.0)), Instance(0, BOX), Instance(0, BOX))
    changed = replace(
        labels, pictures=[replace(labels.pictures[0], instances=items), labels.pictures[1]]
    )
    annotations.write_labels(changed, tmp_path, format="coco", only={"a.png"} if only else None)
    assert annotations.read(tmp_path).pictures == changed.pictures
    after = json.loads((tmp_path / "instances.json").read_text())["annotations"]
    said = {
        (record["image_id"], record["bbox"][0]): (record.get("attributes"), record.get("score"))
        for record in reversed(after)
    }
    assert said == {
        (1, 2): (None, None), (1, 10): ({"occluded": True}, None), (2, 10): (None, 0.5)
    }  # fmt: skip
    assert sum("attributes" in record for record in after) == 1
    ids = [record["id"] for record in after]
    assert len(set(ids)) == 4 and 30 in ids and min(ids) >= 30


def coco_of_pictures(folder: Path, names: Sequence[str], **lists: list) -> None:
    """A COCO file with these lists, and pictures of 40 x 20."""
    (folder / "images").mkdir()
    for name in names:
        Image.new("L", (40, 20)).save(folder / "images" / name)
    content = json.loads(coco()) | lists
    (folder / "instances.json").write_text(json.dumps(content))


def boxes_by_file(folder: Path) -> dict[str, list[tuple]]:
    return {p.file: [item.box for item in p.instances] for p in annotations.read(folder).pictures}


@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize(
    "images",
    [
        [(7, "a.png"), (7, "b.png")],
        [(7, "a.png"), (8, "a.png"), (7, "b.png")],
        [(7, "lost.png"), (7, "b.png"), (8, "a.png")],
    ],
)
def test_coco_ids_that_come_twice_take_nothing_from_other_pictures(tmp_path, images, only):
    size = {"height": 20, "width": 40}
    own = next(key for key, name in images if name == "a.png")
    box = {"id": 1, "image_id": own, "category_id": 5, "bbox": [10, 5, 20, 10]}
    coco_of_pictures(
        tmp_path,
        ["a.png", "b.png"],
        images=[{"id": key, "file_name": name} | size for key, name in images],
        annotations=[box],
    )
    labels = annotations.read(tmp_path)
    assert [picture.file for picture in labels.pictures] == ["a.png"]
    drawn = annotations.Picture("b.png", 20, 40, (Instance(0, (1.0, 2.0, 3.0, 4.0)),))
    changed = replace(labels, pictures=[*labels.pictures, drawn])
    for _ in range(2):
        annotations.write_labels(changed, tmp_path, format="coco", only={"b.png"} if only else None)
        assert boxes_by_file(tmp_path) == {"a.png": [BOX], "b.png": [(1, 2, 3, 4)]}
    moved = replace(labels.pictures[0], instances=())
    annotations.write_labels(
        replace(labels, pictures=[moved, drawn]), tmp_path, format="coco", only={"a.png"}
    )
    assert boxes_by_file(tmp_path) == {"a.png": [], "b.png": [(1, 2, 3, 4)]}


@pytest.mark.parametrize("only", [True, False])
def test_coco_categories_whose_id_came_before_are_not_written_to(tmp_path, only):
    categories = [{"id": 5, "name": "cat"}, {"id": 5, "name": "dog"}, {"id": 6, "name": 7}]
    image = {"id": 1, "file_name": "a.png", "height": 20, "width": 40}
    coco_of_pictures(tmp_path, ["a.png"], images=[image], categories=categories)
    labels = annotations.read(tmp_path)
    items = tuple(Instance(label, BOX) for label in range(3))
    changed = replace(
        labels, pictures=[replace(labels.pictures[0], instances=items)], classes=("cat", "dog", "7")
    )
    annotations.write_labels(changed, tmp_path, format="coco", only={"a.png"} if only else None)
    assert annotations.read(tmp_path).counts() == {"cat": 1, "dog": 1, "7": 1}


def test_new_coco_ids_are_not_those_that_stray_annotations_point_to(tmp_path):
    image = {"id": 1, "file_name": "a.png", "height": 20, "width": 40}
    box = {"id": 1, "image_id": 1, "category_id": 6, "bbox": [10, 5, 20, 10]}
    strays = [box, box | {"id": 2, "image_id": 2, "category_id": 5}]
    coco_of_pictures(tmp_path, ["a.png", "b.png"], images=[image], annotations=strays)
    labels = annotations.read(tmp_path)
    drawn = annotations.Picture("b.png", 20, 40, (Instance(1, BOX),))
    changed = replace(labels, pictures=[*labels.pictures, drawn], classes=("cat", "dog"))
    annotations.write_labels(changed, tmp_path, format="coco", only={"b.png"})
    assert boxes_by_file(tmp_path) == {"a.png": [], "b.png": [BOX]}
    content = json.loads((tmp_path / "instances.json").read_text())
    assert content["annotations"][:2] == strays


RICH_XML = """\
<annotation>
  <!-- checked twice -->
  <filename>1.png</filename>
  <source>
    <database>{database}</database>
  </source>
  <owner>me &amp; you</owner>
  <size>
    <width>40</width>
    <height>20</height>
    <depth>1</depth>
  </size>
  <object>
    <name>cat</name>
    <pose>Left</pose>
    <truncated>1</truncated>
    <occluded>1</occluded>
    <bndbox>
      <xmin>{xmin}</xmin>
      <ymin>{ymin}</ymin>
      <xmax>30</xmax>
      <ymax>15</ymax>
    </bndbox>
  </object>
  <note/>
</annotation>
"""


@pytest.mark.filterwarnings("ignore:voc has no place for classes")
@pytest.mark.parametrize("only", [True, False])
@pytest.mark.parametrize("database, first", [("The VOC2007 Database", 1), ("mine", 0)])
def test_voc_in_place_keeps_what_it_knows_nothing_of(tmp_path, database, first, only):
    text = RICH_XML.format(database=database, xmin=10 + first, ymin=5 + first)
    make(tmp_path, "VOC named otherwise than the picture")
    path = tmp_path / "Annotations" / "label-1.xml"
    path.write_text(text)
    labels = annotations.read(tmp_path)
    old = Instance(0, BOX, truncated=True)
    assert labels.pictures[0].instances == (old,)
    chosen = {"1.png"} if only else None
    annotations.write_labels(labels, tmp_path, format="voc", only=chosen)
    assert path.read_text() == text  # nothing changed, not even <note/>
    new = Instance(1, (1.0, 2.0, 33.0, 19.0), difficult=True)
    changed = replace(
        labels,
        pictures=[replace(labels.pictures[0], instances=(new, replace(old, truncated=False)))],
        classes=("cat", "dog"),
    )
    annotations.write_labels(changed, tmp_path, format="voc", only=chosen)
    assert annotations.read(tmp_path) == changed
    head, objects = text.split("  <object>\n")
    expected = objects.replace("<truncated>1", "<truncated>0").replace("<note/>", "<note />")
    assert path.read_text().startswith(f"{head}  <object>\n    <name>dog</name>\n")
    assert path.read_text().endswith(f"  <object>\n{expected}")
    assert f"<xmin>{1 + first}</xmin>" in path.read_text()
    annotations.write_labels(
        replace(changed, pictures=[replace(changed.pictures[0], instances=())]),
        tmp_path, format="voc", only=chosen,
    )  # fmt: skip
    assert path.read_text() == head + "  <note />\n</annotation>\n"


def test_a_voc_object_is_taken_once_and_a_size_that_lacks_is_added(tmp_path):
    make(tmp_path, "VOC beside the pictures")
    path = tmp_path / "1.xml"
    twice = XML.format("1.png").replace("<size><width>40</width><height>20</height></size>", "")
    path.write_text(twice.replace("<name>", "<id>9</id><name>"))
    labels = annotations.read(tmp_path)
    doubled = replace(labels.pictures[0], instances=labels.pictures[0].instances * 2)
    annotations.write_labels(replace(labels, pictures=[doubled]), tmp_path, format="voc")
    tree = ElementTree.parse(path)
    assert [element.findtext("id") for element in tree.iterfind("object")] == ["9", None]
    assert tree.findtext("size/width") == "40" and tree.findtext("size/height") == "20"
    assert annotations.read(tmp_path).pictures == (doubled,)


@pytest.mark.filterwarnings("ignore:voc has no place for classes")
def test_voc_labels_without_pictures_are_not_doubled(tmp_path):
    make(tmp_path, "VOC named otherwise than the picture")
    (tmp_path / "JPEGImages" / "1.png").unlink()
    labels = annotations.read(tmp_path)
    cleared = [replace(picture, instances=()) for picture in labels.pictures]
    annotations.write_labels(replace(labels, pictures=cleared), tmp_path, format="voc")
    assert files_below(tmp_path) == ["Annotations/label-1.xml"]


def test_csv_in_place_keeps_further_columns(tmp_path):
    for name in "abc":
        Image.new("L", (40, 20)).save(tmp_path / f"{name}.png")
    (tmp_path / "annotations.csv").write_text(
        "Who,filename,class,xmin,ymin,xmax,ymax,note\n"
        'Ada,a.png,cat,10,5,30,15,"small, far"\n'
        "Bo,a.png,cat,1,1,5,5,to go\n"
        "Cy,b.png,dog,1,2,3,4,x\n"
        "Di,c.png,,,,,,nothing here\n"
        "Ed,lost.png,cat,1,2,3,4,y\n"
    )
    labels = annotations.read(tmp_path)
    first, *others = labels.pictures
    items = (Instance(0, (2.0, 2.0, 6.0, 6.0)), Instance(0, BOX))
    changed = replace(labels, pictures=[replace(first, instances=items), *others])
    annotations.write_labels(changed, tmp_path, format="csv", only={"a.png", "c.png"})
    assert (tmp_path / "annotations.csv").read_text().splitlines() == [
        "file,split,width,height,label,x1,y1,x2,y2,Who,note",
        "a.png,,40,20,cat,2,2,6,6,,",
        'a.png,,40,20,cat,10,5,30,15,Ada,"small, far"',
        "b.png,,,,dog,1,2,3,4,Cy,x",
        "c.png,,40,20,,,,,,Di,nothing here",
        "lost.png,,,,cat,1,2,3,4,Ed,y",
    ]
    before = (tmp_path / "annotations.csv").read_text()
    annotations.write_labels(changed, tmp_path, format="csv")  # all anew: the lost one is gone
    assert (tmp_path / "annotations.csv").read_text().splitlines() == [
        line.replace("b.png,,,", "b.png,,40,20") for line in before.splitlines()[:-1]
    ]
    assert annotations.read(tmp_path).pictures == changed.pictures


def test_csv_of_whole_pictures_keeps_further_columns(tmp_path):
    Image.new("L", (40, 20)).save(tmp_path / "a.png")
    (tmp_path / "annotations.csv").write_text("file,label,Category\na.png,cat,Pet\n")
    annotations.write_labels(annotations.read(tmp_path), tmp_path, format="csv")
    assert (tmp_path / "annotations.csv").read_text().endswith(",cat,0,0,40,20,Pet\n")


def test_a_table_that_cannot_be_read_is_not_written_over(tmp_path):
    (tmp_path / "annotations.csv").write_text("name,class\na.png,cat\n")
    labels = annotations.AnnotationSet([annotations.Picture("a.png", 20, 40)], ["cat"])
    with pytest.raises(ValueError, match="annotations.csv cannot be used: it lacks the column fi"):
        annotations.write_labels(labels, tmp_path, format="csv")
    assert (tmp_path / "annotations.csv").read_text() == "name,class\na.png,cat\n"


@pytest.mark.parametrize(
    "before, after",
    [
        (
            "# ours\ntrain: images # all\nval: images\n\nnames:  # by number\n  0: cat\n\n# end\n",
            "# ours\ntrain: images # all\nval: images\n\nnames:\n  0: cat\n  1: dog\n\n# end\n",
        ),
        (
            "train: images\nval: images\nnc: 1  # one\nnames: ['cat']  # cats\n",
            "train: images\nval: images\nnc: 2  # one\nnames:\n- cat\n- dog  # cats\n",
        ),
        (  # on one line, or with references: written anew
            "{train: images, val: images, names: [cat]}  # one\n",
            "train: images\nval: images\nnames:\n- cat\n- dog\n",
        ),
        (
            "train: &all images\nval: *all\nold: &old [cat]\nnames: *old  # cats\n",
            "train: images\nval: images\nold:\n- cat\nnames:\n- cat\n- dog\n",
        ),
    ],
)
def test_a_yaml_changes_in_its_names_alone(tmp_path, before, after):
    make(tmp_path, "YOLO not divided")
    (tmp_path / "data.yaml").write_text(before)
    labels = annotations.read(tmp_path)
    changed = replace(labels, classes=("cat", "dog"))
    annotations.write_labels(changed, tmp_path, format="yolo", only={"1.png"})
    assert (tmp_path / "data.yaml").read_text() == after
    assert annotations.read(tmp_path).classes == ("cat", "dog")


def test_a_picture_that_moves_to_another_part_leaves_its_old_file(tmp_path):
    make(tmp_path, "VOC")
    labels = annotations.read(tmp_path)
    moved = [replace(picture, split="val") for picture in labels.pictures]
    annotations.write_labels(replace(labels, pictures=moved), tmp_path, format="voc")
    assert (tmp_path / "ImageSets/Main/train.txt").read_text() == ""
    assert (tmp_path / "ImageSets/Main/val.txt").read_text() == "2\n1\n"


@pytest.mark.parametrize("only", [False, True])
def test_another_order_of_classes_renumbers_every_yolo_row_or_none(tmp_path, only):
    make(tmp_path, "YOLO")
    labels = annotations.read(tmp_path)
    turned = [
        replace(picture, instances=tuple(replace(item, label=1) for item in picture.instances))
        for picture in labels.pictures
    ]
    changed = replace(labels, pictures=turned, classes=("dog", "cat"))
    chosen = {"train/1.png"} if only else None
    annotations.write_labels(changed, tmp_path, format="yolo", only=chosen)
    for name in ("train/1.txt", "val/2.txt"):
        assert (tmp_path / "labels" / name).read_text() == f"{int(not only)}{ROW[1:]}"
    again = annotations.read(tmp_path)
    assert again.classes == (("cat", "dog") if only else ("dog", "cat"))
    assert again.counts()["cat"] == len(labels.pictures)
    assert "train: images/train" in (tmp_path / "data.yaml").read_text()


@pytest.mark.parametrize("format", ["coco", "voc", "yolo", "csv"])
def test_a_folder_of_pictures_alone_can_be_labelled(tmp_path, format):
    Image.new("L", (40, 20)).save(tmp_path / "é 1.png")
    picture = annotations.Picture("é 1.png", 20, 40, (Instance(0, BOX),))
    labels = annotations.AnnotationSet([picture], ["cat"])
    annotations.write_labels(labels, tmp_path, format=format)
    assert annotations.read(tmp_path) == labels
    assert (tmp_path / "é 1.png").is_file()


@pytest.mark.parametrize("format", ["voc", "yolo"])
def test_label_files_in_another_spelling_are_not_doubled(tmp_path, format):
    name = unicodedata.normalize("NFD", "Äpfel.png")
    folder, text = ("Annotations", XML.format(name)) if format == "voc" else ("labels", ROW)
    for parent in ("images", folder):
        (tmp_path / parent).mkdir()
    Image.new("L", (40, 20)).save(tmp_path / "images" / name)
    suffix = ".xml" if format == "voc" else ".txt"
    (tmp_path / folder / f"{unicodedata.normalize('NFC', 'Äpfel')}{suffix}").write_text(text)
    labels = annotations.read(tmp_path, format=format)
    assert [picture.file for picture in labels.pictures] == [name]
    annotations.write_labels(labels, tmp_path, format=format)
    assert len(list((tmp_path / folder).iterdir())) == 1


def test_the_folder_that_was_meant_is_named(tmp_path):
    make(tmp_path / "download" / "cats", "VOC")
    with pytest.raises(ValueError, match="Looked for coco: .*; yolo: .*download/cats looks like"):
        annotations.read(Path(tmp_path) / "download")
