"""Folders as tools in the field leave them: read, written in place, and read again."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

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


def test_a_picture_that_moves_to_another_part_leaves_its_old_file(tmp_path):
    make(tmp_path, "VOC")
    labels = annotations.read(tmp_path)
    moved = [replace(picture, split="val") for picture in labels.pictures]
    annotations.write_labels(replace(labels, pictures=moved), tmp_path, format="voc")
    assert (tmp_path / "ImageSets/Main/train.txt").read_text() == ""
    assert (tmp_path / "ImageSets/Main/val.txt").read_text() == "2\n1\n"


def test_other_numbers_of_classes_renumber_every_yolo_row(tmp_path):
    make(tmp_path, "YOLO")
    labels = annotations.read(tmp_path)
    turned = [
        replace(picture, instances=tuple(replace(item, label=1) for item in picture.instances))
        for picture in labels.pictures
    ]
    changed = replace(labels, pictures=turned, classes=("dog", "cat"))
    annotations.write_labels(changed, tmp_path, format="yolo", only={"train/1.png"})
    assert (tmp_path / "labels/val/2.txt").read_text() == "1" + ROW[1:]
    assert annotations.read(tmp_path) == changed
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
