"""Saving the labels of some pictures: what others hold, and what cannot be read, stays as it is."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Instance, Picture

BOX = (10.0, 5.0, 30.0, 15.0)
ROW = "0 0.500000 0.500000 0.500000 0.500000\n"  # the same box on a picture of 40 x 20
XML = (
    "<annotation><filename>{}</filename><object><name>cat</name><bndbox><xmin>10</xmin>"
    "<ymin>5</ymin><xmax>30</xmax><ymax>15</ymax></bndbox></object></annotation>"
)
COCO = {
    "images": [{"id": 1, "file_name": "images/a.png", "width": 40, "height": 20}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 10]}],
    "categories": [{"id": 1, "name": "cat"}],
}


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)


def lay_out(folder: Path, pictures: list[str], texts: dict[str, str | bytes]) -> None:
    """Pictures of 40 x 20 and label files, by their paths."""
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 20)).save(folder / name)
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def contents(folder: Path) -> dict[str, bytes]:
    """What is in the label files below ``folder``, by their paths."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def with_box(labels: AnnotationSet, file: str, label: int = 0) -> AnnotationSet:
    """The labels with one box more on the picture ``file``."""
    item = Instance(label, (0.0, 0.0, 10.0, 10.0))
    pictures = [
        replace(p, instances=(*p.instances, item)) if p.file == file else p for p in labels.pictures
    ]
    return replace(labels, pictures=tuple(pictures))


OTHER = f"1{ROW[1:]}0 .5 .5 .2 .2 .9\n1 .3 .3 .2 .2 # far\n"  # two rows that cannot be read


@pytest.mark.parametrize("names", [None, "names: [cat, dog]\n", "path: .\n"])
def test_other_pictures_keep_their_yolo_files(tmp_path, names):
    texts = {"labels/a.txt": ROW, "labels/b.txt": OTHER} | ({"data.yaml": names} if names else {})
    lay_out(tmp_path, ["images/a.png", "images/b.png"], texts)
    changed = with_box(annotations.read(tmp_path, format="yolo"), "a.png", label=1)
    annotations.write_labels(changed, tmp_path, format="yolo", only={"a.png"})
    assert (tmp_path / "labels/b.txt").read_text() == OTHER
    rows = (tmp_path / "labels/a.txt").read_text().splitlines()
    assert rows[0] == ROW.strip() and rows[1].startswith("1 ") and len(rows) == 2


def test_new_classes_get_the_next_numbers_in_yolo(tmp_path):
    texts = {"labels/a.txt": ROW, "labels/b.txt": OTHER, "classes.txt": "cat\ndog\n"}
    lay_out(tmp_path, ["images/a.png", "images/b.png"], texts)
    item = Instance(0, BOX)
    known = AnnotationSet(
        [Picture("a.png", 20, 40, (item, replace(item, label=1)))], ["cow", "dog"]
    )
    annotations.write_labels(known, tmp_path, format="yolo", only={"a.png"})
    assert (tmp_path / "classes.txt").read_text() == "cat\ndog\ncow\n"
    assert (tmp_path / "labels/a.txt").read_text() == f"2{ROW[1:]}1{ROW[1:]}"
    assert (tmp_path / "labels/b.txt").read_text() == OTHER


def test_repeated_names_are_not_renumbered_in_part(tmp_path):
    texts = {
        "labels/a.txt": ROW,
        "labels/b.txt": f"3{ROW[1:]}",
        "data.yaml": "names: [cat, dog, cat, cow]\n",
    }
    lay_out(tmp_path, ["images/a.png", "images/b.png"], texts)
    before, labels = contents(tmp_path), annotations.read(tmp_path)
    with pytest.raises(ValueError, match="name each class once, .* 'cat' more than once. Rename"):
        annotations.write_labels(labels, tmp_path, format="yolo", only={"a.png"})
    assert contents(tmp_path) == before
    annotations.write_labels(labels, tmp_path, format="yolo")  # all anew: then they may be
    assert (tmp_path / "labels/b.txt").read_text() == f"2{ROW[1:]}"
    assert annotations.read(tmp_path).classes == ("cat", "dog", "cow")


@pytest.mark.parametrize("only", [None, {"a.png"}])
@pytest.mark.parametrize(
    "format, file, text",
    [
        ("yolo", "classes.txt", "Käse\nBrot\n".encode("latin-1")),
        ("yolo", "data.yaml", "names: [cat"),
        ("yolo", "data.yaml", "names: [[cat]]\n"),
        ("yolo", "labels/a.txt", b"\xff\xfe0\0"),
        ("voc", "Annotations/a.xml", XML[:-9]),
        ("voc", "Annotations/a.xml", '<!DOCTYPE a [<!ENTITY x SYSTEM "1">]><annotation/>'),
    ],
)
def test_a_file_that_cannot_be_read_is_not_written_over(tmp_path, format, file, text, only):
    lay_out(tmp_path, ["images/a.png", "images/b.png"], {file: text})
    before = contents(tmp_path)
    pictures = [Picture(name, 20, 40, (Instance(0, BOX),)) for name in ("b.png", "a.png")]
    labels = AnnotationSet(pictures, ["cat"])
    with pytest.raises(ValueError, match=f"{file} cannot be read; repair or remove it"):
        annotations.write_labels(labels, tmp_path, format=format, only=only)
    assert contents(tmp_path) == before


def test_a_broken_file_of_another_picture_does_not_hinder(tmp_path):
    lay_out(tmp_path, ["images/a.png", "images/b.png"], {"labels/b.txt": b"\xff"})
    labels = AnnotationSet([Picture("a.png", 20, 40, (Instance(0, BOX),))], ["cat"])
    annotations.write_labels(labels, tmp_path, format="yolo", only={"a.png"})
    assert (tmp_path / "labels/a.txt").read_text() == ROW
    assert (tmp_path / "labels/b.txt").read_bytes() == b"\xff"


def test_names_that_differ_in_case_alone_do_not_share_labels(tmp_path):
    lay_out(tmp_path, ["images/A.png", "images/a.PNG"], {"labels/A.txt": ROW})
    if len(list((tmp_path / "images").iterdir())) < 2:
        pytest.skip("the file system does not tell the two apart")
    labels = annotations.read(tmp_path, format="yolo")
    assert [picture.file for picture in labels.pictures] == ["A.png"]
    both = replace(labels, pictures=(*labels.pictures, Picture("a.PNG", 20, 40)))
    both = with_box(both, "a.PNG")
    annotations.write_labels(both, tmp_path, format="yolo", only={"a.PNG"})
    assert (tmp_path / "labels/A.txt").read_text() == ROW
    assert annotations.read(tmp_path).pictures == both.pictures


APART = {  # labels that lie apart from the pictures: format, picture, label files
    "coco": ("coco", "a.png", {"instances.json": json.dumps(COCO)}),
    "coco composed": (
        "coco",
        unicodedata.normalize("NFD", "é.png"),
        {"instances.json": json.dumps(COCO).replace("images/a.png", "\\u00e9.png")},
    ),
    "voc named otherwise": ("voc", "a.png", {"Annotations/0001.xml": XML.format("a.png")}),
    "yolo flat": ("yolo", "a.png", {"a.txt": ROW, "data.yaml": "names: [cat]\n"}),
    "csv composed": (
        "csv",
        unicodedata.normalize("NFD", "é.png"),
        {"annotations.csv": "file,label,x1,y1,x2,y2\né.png,cat,10,5,30,15\n"},
    ),
}


@pytest.mark.parametrize("layout", APART)
def test_labels_apart_from_the_pictures_are_not_doubled(tmp_path, layout):
    format, file, texts = APART[layout]
    images, out = tmp_path / "photos" / "images", tmp_path / "labels of ours"
    lay_out(images, [file], {})
    lay_out(out, [], texts)
    labels = annotations.read(out, images=images)
    for _ in range(2):
        labels = with_box(labels, file)
        annotations.write_labels(labels, out, format=format, only={file}, images=images)
        again = annotations.read(out, images=images)
        assert again == labels and again.findings == ()
        assert contents(out).keys() == texts.keys()
    if format == "coco":
        assert len(json.loads((out / "instances.json").read_text())["images"]) == 1


@pytest.mark.parametrize("format", ["coco", "voc", "yolo", "csv"])
def test_spaces_around_a_name_are_part_of_it(tmp_path, format):
    names = [" a.png", "a.png", "b .png"]
    lay_out(tmp_path / "photos", names, {})
    pictures = [
        Picture(name, 20, 40, (Instance(0, (0.0, 0.0, 10.0, y)),), split)
        for name, y, split in zip(names, (5.0, 10.0, 15.0), ("train", "val", "train"), strict=True)
    ]
    labels = AnnotationSet(pictures, ["cat"])
    annotations.write(labels, tmp_path / "new", format=format, images=tmp_path / "photos")

    def boxes(labels: AnnotationSet) -> set:
        items = [(p.file.split("/")[-1], p.split, p.instances[0].box) for p in labels.pictures]
        return set(items)

    for _ in range(2):
        again = annotations.read(tmp_path / "new")
        assert boxes(again) == boxes(labels) and again.findings == ()
        annotations.write_labels(again, tmp_path / "new", format=format)


def test_spaces_that_no_picture_has_are_left_out(tmp_path):
    texts = {"annotations.csv": 'file,label\n a.png , cat\n "b.png", "dog, small"\n'}
    lay_out(tmp_path, ["a.png", "b.png"], texts)
    labels = annotations.read(tmp_path)
    assert [picture.file for picture in labels.pictures] == ["a.png", "b.png"]
    assert labels.classes == ("cat", "dog, small") and labels.findings == ()


def test_a_list_of_pictures_in_yolo_may_name_spaces(tmp_path):
    texts = {
        "data.yaml": "names: [cat]\ntrain: train.txt\nval: val.txt\n",
        "train.txt": " a.png\n",
        "val.txt": "a.png \n",
        " a.txt": ROW,
        "a.txt": ROW,
    }
    lay_out(tmp_path, [" a.png", "a.png"], texts)
    splits = {picture.file: picture.split for picture in annotations.read(tmp_path).pictures}
    assert splits == {" a.png": "train", "a.png": "val"}
