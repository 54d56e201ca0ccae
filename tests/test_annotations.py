"""The door of ``annotations``: any format to any other and back, and files that stay whole."""

import errno
import json
import warnings

import pytest
import torch
from labelled_folders import CLASSES, by_stem, random_set, write_pictures

from imgrec_lab import annotations, atomic_files, scenes
from imgrec_lab.annotations import AnnotationSet, Instance, Picture

BOXED = ("coco", "voc", "yolo", "csv")


@pytest.fixture(autouse=True)
def quiet():
    """What a format has no place for is warned of; here only boxes are compared."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* has no place for")
        yield


def written(labelled, tmp_path, format):
    images = write_pictures(labelled, tmp_path / "pictures")
    return annotations.write(labelled, tmp_path / format, format=format, images=images)


@pytest.mark.parametrize("last", BOXED)
@pytest.mark.parametrize("first", BOXED)
def test_boxes_survive_any_two_formats(tmp_path, first, last):
    labelled = random_set(seed=1)
    path = written(labelled, tmp_path, first)
    annotations.convert(path, tmp_path / "there", to=last)
    annotations.convert(tmp_path / "there", tmp_path / "back", to=first)
    back = annotations.read(tmp_path / "back")
    assert by_stem(back) == by_stem(labelled)
    assert back.findings == ()


@pytest.mark.parametrize("format", BOXED)
def test_the_format_is_recognised_and_written_files_do_not_change(tmp_path, format):
    path = written(random_set(seed=2), tmp_path, format)
    assert annotations.detect_format(path) == format
    again = annotations.read(path)
    texts = {
        file: file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.suffix != ".png"
    }
    annotations.write_labels(again, path, format=format)
    assert {file: file.read_bytes() for file in texts} == texts


def test_coco_keeps_shapes_and_marks(tmp_path):
    labelled = random_set(seed=3, shapes=True, split=False)
    crowd = Instance(1, (0.0, 0.0, 20.0, 10.0), crowd=True)
    pictures = (*labelled.pictures, Picture("c.png", 20, 30, (crowd,)))
    labelled = AnnotationSet(pictures, CLASSES)
    back = annotations.read(written(labelled, tmp_path, "coco"))
    assert back.classes == CLASSES
    expected = [(picture.file, picture.instances) for picture in labelled.pictures]
    got = [(picture.file, picture.instances) for picture in back.pictures]
    assert sorted(got) == sorted(expected)


def test_image_folders_hold_one_class_a_picture(tmp_path):
    whole = Instance(1, (0.0, 0.0, 30.0, 20.0))
    labelled = AnnotationSet((Picture("a.png", 20, 30, (whole,), "train"),), CLASSES)
    path = written(labelled, tmp_path, "folder")
    assert (path / "train" / "Straße" / "a.png").is_file()
    annotations.convert(path, tmp_path / "coco", to="coco")
    annotations.convert(tmp_path / "coco", tmp_path / "back", to="folder")
    assert by_stem(annotations.read(tmp_path / "back")) == by_stem(labelled)
    none = AnnotationSet((Picture("a.png", 20, 30), Picture("b.png", 20, 30, (whole,))), CLASSES)
    with pytest.raises(ValueError, match="exactly one class.*0 show several and 1 show none"):
        annotations.write(none, tmp_path / "new", format="folder", images=tmp_path / "pictures")
    assert not (tmp_path / "new").exists()


def test_targets_of_scenes_come_back():
    target = scenes.draw_streets(8, image_size=(64, 64), seed=3).targets[1]
    picture = Picture("a.png", 64, 64, annotations.instances_of(target))
    back = annotations.target_of(picture)
    assert len(target["boxes"]) and back.keys() == target.keys()
    assert all(torch.equal(back[key], target[key]) for key in target)
    empty = annotations.target_of(Picture("b.png", 5, 6))
    assert empty["boxes"].shape == (0, 4) and empty["labels"].dtype == torch.int64


def test_what_a_format_cannot_hold_is_said(tmp_path):
    labelled = random_set(seed=3, shapes=True)
    images = write_pictures(labelled, tmp_path / "pictures")
    with pytest.warns(UserWarning, match=r"csv has no place for outlines \(\d+\): they are left"):
        warnings.simplefilter("always")
        annotations.write(labelled, tmp_path / "csv", format="csv", images=images)


def test_findings_of_the_source_are_told_when_converting(tmp_path):
    path = written(random_set(seed=4), tmp_path, "coco")
    labels = next((path / "annotations").glob("*train.json"))
    content = json.loads(labels.read_text("utf-8"))
    content["annotations"][0]["bbox"] = [float("nan")] * 4
    labels.write_text(json.dumps(content), "utf-8")
    with pytest.warns(UserWarning, match="was not read in full: 1 bad-record"):
        annotations.convert(path, tmp_path / "voc", to="voc")


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # of Windows
    monkeypatch.chdir(tmp_path)
    labelled = random_set(seed=6)
    write_pictures(labelled, tmp_path / "pictures")
    path = annotations.write(labelled, "~/voc", format="voc", images="~/pictures")
    assert path == tmp_path / "voc" and annotations.detect_format("~/voc") == "voc"
    read = annotations.read("~/voc", images="~/voc/JPEGImages")
    assert by_stem(read) == by_stem(labelled)
    annotations.convert("~/voc", "~/csv", to="csv")
    annotations.write_labels(read, "~/csv", format="csv")
    assert annotations.picture_root("~/csv", "csv") == tmp_path / "csv" / "images"
    assert len(annotations.find_pictures("~/csv")) == len(labelled)
    assert annotations.picture_size("~/pictures/all.png") == (48, 64)
    assert {entry.name for entry in tmp_path.iterdir()} == {"pictures", "voc", "csv"}


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ValueError, match="folder must be new or empty; .*mine is not"):
        annotations.write(random_set(seed=1), tmp_path / "mine", format="coco")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_nothing_is_half_written_when_the_disk_is_full(tmp_path, monkeypatch):
    labelled = random_set(seed=1)
    path = written(labelled, tmp_path, "csv")
    before = (path / "annotations.csv").read_bytes()

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    changed = AnnotationSet(labelled.pictures[1:], labelled.classes)
    monkeypatch.setattr(atomic_files.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        annotations.write_labels(changed, path, format="csv")
    assert (path / "annotations.csv").read_bytes() == before
    assert [file for file in path.iterdir() if file.suffix == ".part"] == []
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        annotations.write(labelled, tmp_path / "new", format="coco", images=tmp_path / "pictures")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_only_changed_pictures_are_written(tmp_path):
    labelled = random_set(seed=5, split=False)
    path = written(labelled, tmp_path, "voc")
    back = annotations.read(path)
    stamps = {file.name: file.stat().st_mtime_ns for file in (path / "Annotations").iterdir()}
    first, *rest = back.pictures
    moved = Picture(first.file, first.height, first.width, (Instance(0, (1.0, 1.0, 5.0, 5.0)),))
    changed = AnnotationSet((moved, *rest), back.classes)
    annotations.write_labels(changed, path, format="voc", only={first.file})
    after = {file.name: file.stat().st_mtime_ns for file in (path / "Annotations").iterdir()}
    assert {name for name in after if after[name] != stamps[name]} == {
        first.file.replace(".png", ".xml")
    }
    assert by_stem(annotations.read(path)) == by_stem(changed)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda t: annotations.read(t / "nowhere"), "there is no .*nowhere. Looked from"),
        (lambda t: annotations.read(t), "holds no labels of a known format. Looked for coco"),
        (lambda t: annotations.read(t, format="xml"), "format must be one of coco, yolo, voc"),
        (lambda t: annotations.read(t, images=t / "x"), "images must be the folder of pictures"),
        (
            lambda t: annotations.write(random_set(1), t / "a", format="coco", images=t),
            "images must hold all pictures of the set; .* lacks 7 of 7",
        ),
        (
            lambda t: annotations.write_labels(random_set(1), t / "a", format="coco"),
            "folder must be a data set's; there is no folder",
        ),
        (
            lambda t: annotations.write_labels(random_set(1), t, format="coco", only={"x.png"}),
            "only must name files of pictures of the set; got 'x.png'",
        ),
        (
            lambda t: annotations.write(
                AnnotationSet((Picture("a.jpg", 4, 4), Picture("a.png", 4, 4)), ("cat",)),
                t / "a", format="voc",
            ),
            "a.jpg.*a.png|a.png.*a.jpg",
        ),
    ],
)  # fmt: skip
def test_errors_say_what_came_and_what_to_try(tmp_path, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "pictures, classes, sentence",
    [
        ((Picture("a", 4, 4), Picture("a", 4, 4)), ("x",), "files of pictures must differ; 'a'"),
        ((), ("x", "x"), "class names must differ; 'x' came more than once"),
        ((Picture("../a", 4, 4),), ("x",), "must be a path below the data set; got '../a'"),
        ((Picture("a", 0, 4),), ("x",), "a must be at least 1 x 1 pixels; got height 0"),
        ((Picture("a", 4, 4, (Instance(1, (0, 0, 1, 1)),)),), ("x",), "label must lie in 0..0"),
        (
            (Picture("a", 4, 4, (Instance(0, (0, 0, 1, float("nan"))),)),), ("x",),
            "instance 0: box must be four finite numbers",
        ),
    ],
)  # fmt: skip
def test_sets_that_contradict_themselves_are_refused(pictures, classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        AnnotationSet(pictures, classes)
    with pytest.raises(TypeError, match="class names must be text that is not empty; got ' '"):
        AnnotationSet((), (" ",))
