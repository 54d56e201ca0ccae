"""The annotator without a browser: its desk, and both shells driven by messages and values."""

import errno
import io
import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Instance, Picture
from imgrec_lab.datasets import ImageSet, SceneSet
from imgrec_lab.widgets import annotation_views, widget_annotator
from imgrec_lab.widgets.annotation_desk import AnnotationDesk
from imgrec_lab.widgets.annotation_sources import open_desk
from imgrec_lab.widgets.annotator_canvas import Annotator
from imgrec_lab.widgets.annotator_sliders import SliderAnnotator

CLASSES = ("stop", "yield")
BOX_FORMATS = ("coco", "voc", "yolo", "csv")
SQUARE = (10, 10, 20, 10, 20, 20, 10, 20)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of 40 x 30, one of them in a folder below."""
    folder = tmp_path / "photos"
    (folder / "monday").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "monday/c.png")):
        Image.new("RGB", (40, 30), (80 * number, 90, 200)).save(folder / name)
    return folder


@pytest.fixture
def desk(photos: Path) -> AnnotationDesk:
    return open_desk(photos, classes=CLASSES)


def shaped_desk(photos: Path, **flags: object) -> AnnotationDesk:
    """A desk whose first picture holds one instance with an outline."""
    item = Instance(0, (10.0, 10.0, 20.0, 20.0), polygons=(SQUARE,), **flags)
    known = AnnotationSet((Picture("a.png", 30, 40, (item,)), Picture("b.png", 30, 40)), CLASSES)
    desk = AnnotationDesk(known, images=photos, out=photos)
    desk.previous()
    return desk


def boxes(desk: AnnotationDesk) -> list[tuple]:
    return [(item.label, *item.box) for item in desk.instances]


def same(first: AnnotationSet, second: AnnotationSet) -> bool:
    """The same labels, in whatever order pictures come; nothing found wrong."""
    one, other = (sorted(labels.pictures, key=lambda p: p.file) for labels in (first, second))
    return (one, first.classes, first.findings) == (other, second.classes, ())


def street_set() -> SceneSet:
    images = torch.randint(0, 256, (2, 3, 30, 40), dtype=torch.uint8)
    box = torch.tensor([[2.0, 3.0, 12.0, 9.0]])
    target = {"boxes": box, "labels": torch.tensor([1])}
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return SceneSet(images, [target, empty], CLASSES, "streets")


# ----------------------------------------------------------------------------------- the desk alone


@pytest.mark.parametrize(
    ("drawn", "kept"),
    [
        ((3, 4, 13, 24), (3, 4, 13, 24)),
        ((13, 24, 3, 4), (3, 4, 13, 24)),  # from the lower right
        ((2.6, 3.5, 13.4, 24.4), (3, 4, 13, 24)),  # on whole pixels
        ((-5, -1, 100, 10**300), (0, 0, 40, 30)),  # inside the picture
        ((5, 5, 6, 20), None),  # too narrow: a click
        ((50, 50, 70, 70), None),  # outside
    ],
)
def test_a_drawn_box_is_put_on_the_pixels_of_the_picture(desk, drawn, kept):
    number = desk.add(drawn, 1)
    assert number == (None if kept is None else 0)
    assert boxes(desk) == ([] if kept is None else [(1, *kept)])
    assert desk.can_undo == (kept is not None)
    assert desk.selected == number


def test_move_relabel_and_delete(desk):
    desk.add((0, 0, 10, 10), 0)
    desk.add((20, 5, 30, 15), 0)
    desk.set_box(0, (5, 5, 15, 15))
    desk.relabel(1, 1)
    assert boxes(desk) == [(0, 5, 5, 15, 15), (1, 20, 5, 30, 15)] and desk.selected == 1
    desk.delete(0)
    assert boxes(desk) == [(1, 20, 5, 30, 15)] and desk.selected is None
    desk.set_box(0, (7, 7, 7, 7))  # too small: it stays as it is
    assert boxes(desk) == [(1, 20, 5, 30, 15)]


def test_undo_and_redo_go_to_the_picture_that_they_change(desk):
    desk.undo()  # nothing to take back
    desk.add((0, 0, 10, 10), 0)
    desk.next()
    desk.add((1, 1, 11, 11), 1)
    desk.next()
    desk.undo()
    assert (desk.index, boxes(desk)) == (1, [])
    desk.undo()
    assert (desk.index, boxes(desk)) == (0, [])
    assert not desk.can_undo and desk.can_redo
    desk.redo()
    assert (desk.index, boxes(desk), desk.selected) == (0, [(0, 0, 0, 10, 10)], 0)
    desk.add((2, 2, 12, 12), 1)
    desk.redo()  # something new was done since
    assert not desk.can_redo and len(boxes(desk)) == 2


@pytest.mark.filterwarnings("ignore:coco has no place for")
def test_a_shape_is_kept_until_its_box_changes(photos):
    desk = shaped_desk(photos, difficult=True, truncated=True, crowd=True)
    before = desk.instances[0]
    desk.set_box(0, before.box)
    assert desk.instances[0] == before and not desk.can_undo
    desk.relabel(0, 1)
    relabelled = desk.instances[0]
    assert relabelled.polygons == before.polygons and relabelled.difficult
    desk.set_box(0, (10, 10, 25, 20))
    assert desk.instances == (
        Instance(1, (10, 10, 25, 20), crowd=True, difficult=True, truncated=True),
    )
    desk.undo()
    assert desk.instances[0] == relabelled


def test_progress_in_words(desk):
    assert desk.progress == "1 of 3 seen, 0 boxes"
    desk.add((0, 0, 10, 10), 0)
    desk.next()
    assert desk.progress == "2 of 3 seen, 1 box"
    desk.go_to(2)
    desk.next()  # the last one stays
    assert (desk.index, desk.progress) == (2, "3 of 3 seen, 1 box")
    assert repr(desk) == "AnnotationDesk(3 of 3 seen, 1 box; coco labels in photos)"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda desk: desk.add((0, 0, float("nan"), 9), 0), "box must be four finite numbers"),
        (lambda desk: desk.add((0, 0, 9), 0), "in pixels; got (0, 0, 9)."),
        (lambda desk: desk.add(None, 0), "got None."),
        (lambda desk: desk.add((0, 0, 10**400, 9), 0), "box must be four finite numbers"),
        (lambda desk: desk.add((0, 0, 9, 9), 2), "label must be a whole number in 0..1; got 2."),
        (lambda desk: desk.add((0, 0, 9, 9), True), "0..1; got True."),
        (lambda desk: desk.add((0, 0, 9, 9), "stop"), "0..1; got 'stop'."),
        (lambda desk: desk.relabel(0, 0), "number of the box must be left out: there is none"),
        (lambda desk: desk.go_to(-1), "index must be a whole number in 0..2; got -1."),
    ],
)
def test_the_desk_refuses_in_words_and_changes_nothing(desk, action, message):
    with pytest.raises(ValueError) as error:
        action(desk)
    assert message in str(error.value)
    assert boxes(desk) == [] and not desk.can_undo


def test_whatever_is_done_can_be_undone_redone_and_read_again(photos):
    desk, dice = open_desk(photos, classes=CLASSES), random.Random(5)
    start = desk.annotations.pictures
    for _ in range(60):
        count = len(desk.instances)
        corners = [dice.randrange(-5, 45) for _ in range(4)]
        action = dice.choice(("add", "add", "move", "label", "delete", "go", "undo", "redo"))
        if action == "add":
            desk.add(corners, dice.randrange(2))
        elif action == "move" and count:
            desk.set_box(dice.randrange(count), corners)
        elif action == "label" and count:
            desk.relabel(dice.randrange(count), dice.randrange(2))
        elif action == "delete" and count:
            desk.delete(dice.randrange(count))
        elif action == "go":
            desk.go_to(dice.randrange(3))
        elif action in ("undo", "redo"):
            getattr(desk, action)()
    end = desk.annotations.pictures
    assert annotations.read(photos).pictures == end != start
    while desk.can_undo:
        desk.undo()
    assert annotations.read(photos).pictures == start
    while desk.can_redo:
        desk.redo()
    assert annotations.read(photos).pictures == end


# ------------------------------------------------------------------------------------------- saving


@pytest.mark.parametrize("format", BOX_FORMATS)
@pytest.mark.filterwarnings("error")
def test_each_change_is_on_disk_at_once(photos, format):
    desk = open_desk(photos, classes=CLASSES, format=format)
    desk.add((3, 4, 13, 24), 1)
    desk.next()
    desk.add((0, 0, 40, 30), 0)
    desk.add((5, 5, 8, 9), 1)
    desk.delete(0)
    desk.next()
    again = open_desk(photos, classes=CLASSES)  # by a new kernel, though nothing was closed
    assert again.format == format
    assert same(again.annotations, desk.annotations)
    assert (again.index, again.progress) == (2, "3 of 3 seen, 2 boxes")
    again.add((1, 1, 9, 9), 0)
    assert same(open_desk(photos, classes=CLASSES).annotations, again.annotations)


def test_pictures_are_never_touched_and_nothing_else_is_written(photos, desk):
    before = {file: file.read_bytes() for file in photos.rglob("*.png")}
    desk.add((3, 4, 13, 24), 1)
    desk.undo()
    assert {file: file.read_bytes() for file in photos.rglob("*.png")} == before
    others = [file for file in photos.rglob("*") if file.is_file() and file not in before]
    assert others == [photos / "annotations" / "instances.json"]


def test_a_full_disk_is_said_and_made_up_for(photos, desk, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk.add((0, 0, 10, 10), 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        desk.add((1, 1, 11, 11), 1)
        desk.next()
        desk.add((2, 2, 12, 12), 1)
    assert desk.problem == (
        "Not saved: No space left on device. The boxes are kept in memory; the next change tries "
        "again."
    )
    assert len(annotations.read(photos).pictures[0].instances) == 1
    desk.relabel(0, 0)
    assert desk.problem == ""
    assert open_desk(photos).annotations == desk.annotations


def test_a_set_that_its_format_cannot_hold_is_said(photos):
    desk = open_desk(photos, classes=("stop\tsign",), format="voc")
    desk.add((0, 0, 8, 8), 0)
    assert desk.problem.startswith("Not saved: names must have no control characters")
    assert boxes(desk) == [(0, 0, 0, 8, 8)]


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_two_desks_on_one_folder_keep_each_others_boxes(photos, tmp_path, format):
    out = tmp_path / "labels"
    first, second = (
        open_desk(photos, classes=CLASSES, out=out, format=format) for _ in range(2)
    )  # both begin with no labels
    first.add((1, 1, 20, 20), 0)
    first.add((20, 20, 35, 29), 1)
    second.go_to(1)
    second.add((1, 1, 9, 9), 1)
    assert (first.problem, second.problem) == ("", "")
    assert [len(p.instances) for p in annotations.read(out, images=photos).pictures] == [2, 1, 0]
    assert second.progress == "2 of 3 seen, 3 boxes"  # it follows the first one
    second.go_to(0)
    second.delete(0)
    first.go_to(2)
    first.add((2, 2, 12, 12), 0)
    assert first.problem == "" and not first.annotations.pictures[0].instances[1:]
    assert same(annotations.read(out, images=photos), first.annotations)
    first.undo()
    assert not first.can_undo  # what was done before others changed the picture is past


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_a_picture_changed_at_two_desks_is_refused_at_the_later_one(photos, format):
    first, second = (open_desk(photos, classes=CLASSES, format=format) for _ in range(2))
    first.add((1, 1, 20, 20), 0)
    second.add((5, 5, 9, 9), 1)
    assert second.problem.startswith(
        "Not saved: a.png must be changed in one place; it was changed elsewhere, too. Run the "
        "cell again to go on from there."
    )
    assert annotations.read(photos).pictures[0].instances == first.instances
    second.undo()  # nothing of its own is left
    assert second.problem == "" and second.instances == first.instances


def test_two_desks_must_agree_on_classes_and_format(photos):
    desk, classes, format = (
        open_desk(photos, classes=names, format=format)
        for names, format in ((CLASSES, "yolo"), (("parking",), "yolo"), (CLASSES, "csv"))
    )
    desk.add((1, 1, 20, 20), 1)
    before = {file: file.read_bytes() for file in photos.rglob("*") if file.is_file()}
    classes.add((5, 5, 9, 9), 0)
    assert "must be among parking; it has 'stop' by now. Run the cell again" in classes.problem
    format.add((5, 5, 9, 9), 0)
    assert "must hold no labels but csv; it has yolo by now. Run the cell again" in format.problem
    assert {file: file.read_bytes() for file in photos.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_labels_removed_meanwhile_are_written_again(photos, tmp_path, format):
    out = tmp_path / "labels"
    desk = open_desk(photos, classes=CLASSES, out=out, format=format)
    for index in range(3):
        desk.go_to(index)
        desk.add((1, 1, 20, 20), 0)
    shutil.rmtree(out)
    desk.add((20, 20, 35, 29), 1)
    assert desk.problem == ""
    assert same(annotations.read(out, images=photos), desk.annotations)


@pytest.mark.parametrize("name", ["labels/a.txt", "data.yaml"])
def test_one_label_file_removed_meanwhile_is_written_again(photos, name):
    desk = open_desk(photos, classes=CLASSES, format="yolo")
    desk.add((1, 1, 20, 20), 0)
    (photos / name).unlink()
    desk.next()
    desk.add((20, 20, 35, 29), 1)
    assert desk.problem == "" and (photos / name).exists()
    assert same(annotations.read(photos), desk.annotations)


def test_label_files_that_cannot_be_read_are_left_alone(photos):
    open_desk(photos, classes=CLASSES, format="yolo").add((1, 1, 20, 20), 0)
    files = sorted(photos.rglob("*.txt"))
    for file in files:
        file.write_bytes(b"\xff")
    desk = open_desk(photos)
    assert desk.progress == "1 of 3 seen, 0 boxes, 3 findings"
    desk.add((1, 1, 9, 9), 1)
    assert "labels/a.txt cannot be read; repair or remove it" in desk.problem
    assert [file.read_bytes() for file in files] == [b"\xff"] * 3


def test_a_folder_of_pictures_that_is_gone_is_said_and_not_made_again(photos, desk):
    desk.add((1, 1, 20, 20), 0)
    shutil.rmtree(photos)
    desk.add((20, 20, 35, 29), 1)
    assert f"the folder of pictures, {photos}, must be there; it is gone." in desk.problem
    assert not photos.exists() and len(desk.instances) == 2


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_labels_can_lie_apart_from_the_pictures(photos, tmp_path, format):
    out, before = tmp_path / "my" / "labels", sorted(photos.rglob("*"))
    desk = open_desk(photos, classes=CLASSES, out=out, format=format)
    desk.next()
    desk.add((3, 4, 13, 24), 1)
    assert sorted(photos.rglob("*")) == before
    again = open_desk(photos, classes=CLASSES, out=out)
    assert same(again.annotations, desk.annotations) and again.images == photos
    again.add((1, 1, 9, 9), 0)
    assert same(open_desk(photos, classes=CLASSES, out=out).annotations, again.annotations)


# ------------------------------------------------------------------------------------------ sources


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_a_data_set_opens_with_its_boxes_and_keeps_its_format(photos, tmp_path, format):
    items = (Instance(1, (3.0, 4.0, 13.0, 24.0)), Instance(0, (0.0, 0.0, 5.0, 5.0)))
    known = AnnotationSet((Picture("a.png", 30, 40, items), Picture("b.png", 30, 40)), CLASSES)
    folder = annotations.write(known, tmp_path / "set", format=format, images=photos)
    desk = open_desk(folder)
    assert desk.format == format and desk.classes == CLASSES
    desk.go_to(0)
    assert boxes(desk) == [(1, 3, 4, 13, 24), (0, 0, 0, 5, 5)]
    assert annotation_views.read(desk)[1] == ""
    desk.relabel(0, 0)
    assert same(open_desk(folder, classes=CLASSES).annotations, desk.annotations)


@pytest.mark.parametrize("format", BOX_FORMATS)
@pytest.mark.filterwarnings("error")
def test_a_set_in_memory_is_written_once(tmp_path, format):
    data, out = street_set(), tmp_path / "streets"
    desk = open_desk(data, out=out, format=format)
    assert len(desk) == 2 and desk.classes == CLASSES
    desk.go_to(0)
    assert boxes(desk) == [(1, 2, 3, 12, 9)]
    with Image.open(desk.images / desk.picture.file) as image:
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    assert torch.equal(pixels.view(30, 40, 3), data.images[0].permute(1, 2, 0))
    desk.delete(0)
    assert boxes(open_desk(data, out=out)) == []  # gone on with, not begun again
    other = SceneSet(data.images.clone(), data.targets, data.classes, "other")
    other.images[1, 0, 0, 0] += 1
    for foreign in (data[:1], other):
        with pytest.raises(ValueError, match="holds other pictures than the .* Choose another"):
            open_desk(foreign, out=out)
    (desk.images / desk.picture.file).write_bytes(b"damaged")
    with pytest.raises(ValueError, match="holds other pictures than the 2 of 'streets'"):
        open_desk(data, out=out)
    with pytest.raises(ValueError, match="a set in memory needs out"):
        open_desk(data)


def test_a_set_of_labelled_pictures_starts_with_a_box_around_each(tmp_path):
    images = torch.zeros(2, 1, 8, 6, dtype=torch.uint8)
    desk = open_desk(ImageSet(images, torch.tensor([1, 0]), CLASSES), out=tmp_path / "signs")
    assert [picture.instances[0].label for picture in desk.annotations.pictures] == [1, 0]
    assert boxes(desk) == [(1, 0, 0, 6, 8)]


def test_folders_are_classes_unless_classes_are_named(photos, tmp_path):
    (photos / "a.png").unlink()
    (photos / "b.png").unlink()
    assert open_desk(photos, out=tmp_path / "labels").classes == ("monday",)
    assert open_desk(photos, classes=CLASSES).classes == CLASSES


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "cat, dog"),
        ({"out": "."}, "cat, dog"),
        ({"out": "labels"}, "cat, dog"),  # a folder among them would be a class, too
        ({"classes": ("cat", "owl")}, "cat"),
    ],
)
def test_labels_never_lie_among_folders_that_are_classes(tmp_path, options, named):
    folder = tmp_path / "pets"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(folder / name / "1.png")
    if "out" in options:
        options = options | {"out": folder / options["out"]}
    with pytest.raises(ValueError) as error:
        open_desk(folder, **options)
    assert (
        f"must not lie among folders that stand for classes; {folder} has {named}. Save them "
        in (str(error.value))
    )
    desk = open_desk(folder, **options | {"out": tmp_path / "labels"})
    desk.add((1, 1, 9, 9), 0)
    assert annotations.detect_format(folder) == "folder" and desk.problem == ""


@pytest.mark.parametrize("format", ["yolo", "voc"])
def test_pictures_that_would_share_a_label_file_are_refused_at_once(photos, format):
    Image.new("L", (9, 9)).save(photos / "a.jpg")
    with pytest.raises(ValueError, match="got a.jpg and a.png. Rename one, .*format='coco'"):
        open_desk(photos, classes=CLASSES, format=format)
    assert len(open_desk(photos, classes=CLASSES)) == 4


@pytest.mark.parametrize(
    ("name", "reason"),
    [(b"d\\e.png", "name holds a backslash"), (b"caf\xe9.png", "name is not UTF-8 text")],
)
def test_a_picture_that_labels_cannot_name_is_a_finding(photos, name, reason):
    try:
        shutil.copy(photos / "a.png", os.path.join(os.fsencode(photos), name))
    except OSError:
        pytest.skip("this system has no such names")
    for _ in range(2):
        desk = open_desk(photos, classes=CLASSES)
        assert len(desk) == 3
        assert [reason in finding.reason for finding in desk.findings] == [True]
        desk.add((1, 1, 9, 9), 0)
        assert desk.problem == ""


@pytest.mark.parametrize("format", BOX_FORMATS)
def test_classes_and_pictures_can_be_added_later(photos, format):
    desk = open_desk(photos, classes=CLASSES, format=format)
    desk.add((3, 4, 13, 24), 1)
    Image.new("L", (20, 10)).save(photos / "new.png")
    (photos / "notes.jpg").write_text("hello")
    again = open_desk(photos, classes=("parking", "yield", "stop"))
    kept = format == "yolo"  # its files hold numbers
    assert again.classes == (CLASSES + ("parking",) if kept else ("parking", "yield", "stop"))
    again.go_to(0)
    assert boxes(again) == [(1, 3, 4, 13, 24)]  # yield is the second either way
    assert len(again) == 4 and again.annotations.pictures[-1] == Picture("new.png", 10, 20)
    assert [(item.kind, item.file) for item in again.findings] == [("unreadable", "notes.jpg")]
    assert again.progress.endswith(", 1 finding")
    again.go_to(3)
    again.add((0, 0, 9, 9), again.classes.index("parking"))
    labels = annotations.read(photos)
    found = [labels.classes[item.label] for p in labels.pictures for item in p.instances]
    assert found == ["yield", "parking"]


def test_sources_are_refused_in_words(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, options, error, message in [
        ((photos / "none",), {}, ValueError, "source must be a folder of pictures"),
        ((photos,), {"format": "folder", "classes": CLASSES}, ValueError, "got 'folder'"),
        ((photos,), {"classes": "stop"}, TypeError, "classes must be a sequence of names"),
        ((tmp_path / "empty",), {"classes": CLASSES}, ValueError, "got 0 pictures and 2 classes"),
    ]:
        with pytest.raises(error) as caught:
            open_desk(*arguments, **options)
        assert message in str(caught.value)


# ------------------------------------------------------------------------------------ drawing shell


def send(widget: Annotator, **message: object) -> dict:
    """What the browser does; the answer is the view that follows."""
    token = f"{random.random()}"
    widget._handle_custom_msg(json.loads(json.dumps(message | {"token": token})), [])
    assert widget.view["token"] == token  # every message is answered
    return widget.view


def size_of(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


def test_messages_do_what_they_say(photos):
    widget = Annotator(open_desk(photos, classes=CLASSES))
    assert [item["name"] for item in widget.classes] == list(CLASSES)
    view = send(widget, type="add", box=[3, 4, 13, 24], label=1)
    assert view["boxes"] == [{"box": (3, 4, 13, 24), "label": 1}] and view["selected"] == 0
    view = send(widget, type="box", number=0, box=[4, 4, 14, 24])
    assert view["boxes"][0]["box"] == (4, 4, 14, 24)
    assert send(widget, type="label", number=0, label=0)["boxes"][0]["label"] == 0
    assert send(widget, type="select", number=None)["selected"] is None
    first = widget.picture
    view = send(widget, type="next")
    assert (view["index"], view["file"], view["boxes"]) == (1, "b.png", [])
    assert widget.picture != first and size_of(widget.picture) == (40, 30)
    view = send(widget, type="undo")
    assert (view["index"], view["undo"], view["redo"]) == (0, True, True)
    assert view["boxes"][0]["label"] == 1 and widget.picture == first
    assert send(widget, type="redo")["boxes"][0]["label"] == 0
    assert send(widget, type="delete", number=0)["boxes"] == []
    assert send(widget, type="previous")["progress"] == "2 of 3 seen, 0 boxes"


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"type": "add", "box": [0, 0, float("nan"), 9], "label": 0}, "four finite numbers"),
        ({"type": "add", "box": "none", "label": 0}, "four finite numbers"),
        ({"type": "add", "box": [0, 0, 9, 9], "label": 7}, "label must be a whole number in 0..1"),
        ({"type": "box", "number": 4, "box": [0, 0, 9, 9]}, "number of the box"),
        ({"type": "delete", "number": "all"}, "number of the box"),
        ({"type": "explode"}, "knows no such message: {'type': 'explode'"),
        ({}, "knows no such message"),
    ],
)
def test_a_bad_message_is_answered_with_a_sentence(photos, message, problem):
    widget = Annotator(open_desk(photos, classes=CLASSES))
    view = send(widget, **message)
    assert problem in view["problem"] and view["boxes"] == []
    assert send(widget, type="add", box=[0, 0, 9, 9], label=0)["problem"] == ""


def test_a_box_outside_is_ignored_like_a_click(photos):
    widget = Annotator(open_desk(photos, classes=CLASSES))
    assert send(widget, type="add", box=[90, 90, 99, 99], label=0)["boxes"] == []


def test_the_browser_follows_what_code_does_at_the_desk(photos):
    widget = Annotator(open_desk(photos, classes=CLASSES))
    widget.desk.add((3, 4, 13, 24), 1)
    assert len(widget.view["boxes"]) == 1
    widget.desk.go_to(2)
    assert widget.view["file"] == "monday/c.png"
    assert repr(widget) == "[an annotator, 2 of 3 seen, 1 box: run this cell to use it]"


def test_a_large_picture_is_sent_smaller_and_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.new("RGB", (4000, 2000), "navy").save(tmp_path / "wide.jpg", exif=exif)
    widget = Annotator(open_desk(tmp_path, classes=CLASSES))
    assert (widget.view["width"], widget.view["height"]) == (2000, 4000)
    assert size_of(widget.picture) == (800, 1600)
    view = send(widget, type="add", box=[1500, 3500, 2000, 4000], label=0)
    assert view["boxes"][0]["box"] == (1500, 3500, 2000, 4000)


def test_a_broken_picture_is_said_and_passed_over(photos):
    whole = (photos / "a.png").read_bytes()
    (photos / "a.png").write_bytes(whole[: len(whole) - 30])
    widget = Annotator(open_desk(photos, classes=CLASSES))
    assert "a.png cannot be read as a picture" in widget.view["problem"]
    assert send(widget, type="next")["problem"] == ""


def test_an_unsaved_change_is_said_in_the_view(photos, monkeypatch):
    widget = Annotator(open_desk(photos, classes=CLASSES))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(annotations, "write_labels", refuse)
        view = send(widget, type="add", box=[0, 0, 9, 9], label=0)
    assert view["problem"].startswith("Not saved: Permission denied.") and len(view["boxes"]) == 1
    assert send(widget, type="add", box=[5, 5, 9, 9], label=0)["problem"] == ""
    assert len(annotations.read(photos).pictures[0].instances) == 2


# ------------------------------------------------------------------------------------- slider shell


def test_sliders_place_the_selected_box(photos):
    panel = SliderAnnotator(open_desk(photos, classes=CLASSES))
    parts = panel.parts
    assert parts.x.disabled and parts.delete.disabled and parts.next_box.disabled
    parts.label.value = 1
    parts.add.click()
    assert boxes(panel.desk) == [(1, 13, 10, 27, 20)]
    assert (parts.x.value, parts.y.value) == ((13, 27), (10, 20))
    drawn = parts.picture.value
    parts.x.value = (2, 30)
    parts.y.value = (5, 25)
    parts.label.value = 0
    assert boxes(panel.desk) == [(0, 2, 5, 30, 25)] and parts.picture.value != drawn
    assert annotations.read(photos).pictures[0].instances == panel.desk.instances
    parts.undo.click()
    parts.undo.click()
    assert parts.y.value == (10, 20) and parts.label.value == 1
    parts.redo.click()
    assert parts.y.value == (5, 25) and not parts.redo.disabled


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1)])
def test_a_picture_as_thin_as_a_line_is_shown(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "line.png")
    panel = SliderAnnotator(open_desk(tmp_path, classes=CLASSES))
    assert size_of(panel.parts.picture.value) == tuple(min(side, 512) for side in size)


def test_slider_buttons_select_delete_and_turn_pages(photos):
    panel = SliderAnnotator(open_desk(photos, classes=CLASSES))
    parts, desk = panel.parts, panel.desk
    for edges in ((0, 10), (20, 30)):
        parts.add.click()
        parts.x.value = parts.y.value = edges
    changes = len(desk._done)
    parts.next_box.click()
    assert desk.selected == 0 and parts.x.value == (0, 10)
    parts.next_box.click()
    assert desk.selected == 1 and parts.x.value == parts.y.value == (20, 30)
    assert len(desk._done) == changes  # showing a box does not move it
    parts.delete.click()
    assert desk.selected is None and len(desk.instances) == 1
    parts.next.click()
    assert desk.index == 1 and "Picture 2 of 3: b.png" in parts.message.value
    parts.previous.click()
    assert desk.index == 0 and parts.message.value.endswith("saved")
    assert repr(panel) == "[an annotator, 2 of 3 seen, 1 box: run this cell to use it]"


def test_sliders_fit_each_picture_and_survive_faulty_boxes(photos):
    Image.new("L", (2000, 10)).save(photos / "a.png")
    known = AnnotationSet(
        (
            Picture("a.png", 10, 2000, (Instance(0, (-5.0, 2.0, 2500.0, 2.0)),)),
            Picture("b.png", 30, 40, (Instance(1, (1.0, 2.0, 3.0, 4.0)),)),
        ),
        CLASSES,
    )
    panel = SliderAnnotator(AnnotationDesk(known, images=photos, out=photos))
    panel.desk.select(0)
    assert panel.parts.x.max == 2000 and panel.parts.x.value == (0, 2000)
    assert not panel.desk.can_undo  # looking at a faulty box repairs nothing in secret
    assert max(size_of(panel.parts.picture.value)) == annotation_views.SHEET_PX
    panel.parts.next.click()
    panel.desk.select(0)
    assert (panel.parts.x.max, panel.parts.x.value) == (40, (1, 3))


def test_the_slider_message_escapes_names(photos):
    (photos / "a.png").rename(photos / "a&amp<b>.png")
    panel = SliderAnnotator(open_desk(photos, classes=CLASSES))
    panel.desk.go_to(0)
    assert "a&amp;amp&lt;b&gt;.png" in panel.parts.message.value


def test_a_box_is_drawn_around_its_pixels_and_hides_none(tmp_path):
    Image.new("RGB", (40, 30), "white").save(tmp_path / "a.png")
    desk = open_desk(tmp_path, classes=CLASSES)
    desk.add((10, 10, 20, 25), 0)
    desk.select(None)
    sheet = annotation_views.with_boxes(annotation_views.read(desk)[0], desk)
    scale = sheet.width // 40
    colour = tuple(int(annotation_views.colour(0)[i : i + 2], 16) for i in (1, 3, 5))
    assert sheet.size == (480, 360)
    inside = sheet.crop((10 * scale, 10 * scale, 20 * scale, 25 * scale))
    assert inside.getcolors() == [(inside.width * inside.height, (255, 255, 255))]
    assert sheet.getpixel((20 * scale, 17 * scale)) == colour  # the first column beyond


# --------------------------------------------------------------------------------- choosing a shell


def test_the_shell_is_chosen_by_argument_environment_and_what_is_there(photos, monkeypatch):
    def shell(**options: object) -> type:
        return type(widget_annotator.annotator(photos, classes=CLASSES, **options)).__name__

    monkeypatch.delenv(widget_annotator.CORE_WIDGETS, raising=False)
    assert (shell(), shell(fallback=True)) == ("Annotator", "SliderAnnotator")
    monkeypatch.setenv(widget_annotator.CORE_WIDGETS, "1")
    assert (shell(), shell(fallback=False)) == ("SliderAnnotator", "Annotator")
    monkeypatch.setenv(widget_annotator.CORE_WIDGETS, "0")
    assert shell() == "Annotator"
    monkeypatch.setattr(widget_annotator.importlib.util, "find_spec", lambda name: None)
    assert shell() == "SliderAnnotator"


def test_both_shells_may_stand_at_one_desk(photos):
    canvas, sliders = Annotator(desk := open_desk(photos, classes=CLASSES)), SliderAnnotator(desk)
    send(canvas, type="add", box=[3, 4, 13, 24], label=1)
    assert sliders.parts.x.value == (3, 13)
    sliders.parts.x.value = (5, 15)
    assert canvas.view["boxes"][0]["box"] == (5, 4, 15, 24)
