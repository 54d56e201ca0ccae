"""Scenes from labelled folders: sizes change with their boxes and masks; what is lost is told."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from imgrec_lab import annotations, datasets, runtime, scenes
from imgrec_lab.annotations import AnnotationSet, Instance, Picture
from imgrec_lab.datasets import image_files


@pytest.fixture(scope="module")
def streets() -> datasets.SceneSet:
    drawn = scenes.draw_streets(12, image_size=(48, 64), seed=3)
    return datasets.SceneSet(drawn.images, drawn.targets, scenes.CLASSES, "streets")


def one_picture(folder, *instances, size=(30, 60), **changes):
    """A COCO folder with one grey picture (height, width) and these instances."""
    images = folder / "pictures"
    images.mkdir()
    Image.fromarray(np.full(size, 99, np.uint8)).save(images / "a.png")
    picture = Picture("a.png", *size, instances, **changes)
    labelled = AnnotationSet((picture,), ("cat", "dog"))
    return annotations.write(labelled, folder / "set", format="coco", images=images)


def all_of(path, **options) -> datasets.SceneSet:
    return datasets.from_annotations(path, fractions=(1, 0, 0), **options).train


def test_scenes_come_back_with_boxes_and_masks(streets, tmp_path):
    back = all_of(datasets.to_annotations(streets, tmp_path / "set"), image_size=(48, 64))
    assert torch.equal(back.images, streets.images) and back.classes == streets.classes
    for target, other in zip(back.targets, streets.targets, strict=True):
        assert target.keys() == other.keys()
        assert all(torch.equal(target[key], other[key]) for key in target)


@pytest.mark.parametrize("format", ["voc", "yolo", "csv"])
def test_boxes_come_back_from_every_format(streets, tmp_path, format):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # masks have no place in some
        path = datasets.to_annotations(streets, tmp_path / "set", format=format)
    back = all_of(path, image_size=(48, 64))
    for target, other in zip(back.targets, streets.targets, strict=True):
        names = [[data.classes[k] for k in t["labels"]]
                 for data, t in ((back, target), (streets, other))]  # fmt: skip
        assert torch.equal(target["boxes"], other["boxes"]) and names[0] == names[1]


def test_parts_stay_parts_and_missing_ones_are_split_off(streets, tmp_path):
    parts = datasets.split(streets, fractions=(0.5, 0.25, 0.25))
    path = datasets.to_annotations(parts, tmp_path / "three")
    back = datasets.from_annotations(path, image_size=(48, 64))
    assert [len(part) for part in back] == [len(part) for part in parts]
    assert torch.equal(back.val.images, parts.val.images)
    assert [part.name for part in back] == ["three train", "three val", "three test"]
    path = datasets.to_annotations(parts._replace(val=streets[:0]), tmp_path / "two")
    back = datasets.from_annotations(path, image_size=(48, 64), fractions=(0.5, 0.5, 0))
    assert (len(back.train), len(back.val)) == (3, 3)
    assert torch.equal(back.test.images, parts.test.images)


@pytest.mark.parametrize(
    "fit, expected",
    [
        ("stretch", [10, 20, 20, 40]),  # 30 x 60 to 60 x 60: rows are doubled
        ("pad", [10, 25, 20, 35]),  # 15 black rows above
        ("crop", [0, 20, 10, 40]),  # the left and right quarter are cut off, all is doubled
    ],
)
def test_boxes_go_where_the_picture_goes(tmp_path, fit, expected):
    path = one_picture(tmp_path, Instance(0, (10, 10, 20, 20)))
    target = all_of(path, image_size=(60, 60), fit=fit).targets[0]
    assert target["boxes"].tolist() == [expected]


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_a_mask_goes_where_its_box_goes(tmp_path, fit):
    mask = torch.zeros(1, 30, 60, dtype=torch.bool)
    mask[0, 8:20, 24:40] = True
    target = {"boxes": torch.tensor([[24.0, 8, 40, 20]]), "labels": torch.tensor([1]),
              "masks": mask}  # fmt: skip
    path = one_picture(tmp_path, *annotations.instances_of(target))
    got = all_of(path, image_size=(60, 60), fit=fit).targets[0]
    x1, y1, x2, y2 = got["boxes"][0].int().tolist()
    expected = torch.zeros(60, 60, dtype=torch.bool)
    expected[y1:y2, x1:x2] = True
    assert torch.equal(got["masks"][0], expected)


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(30, 60), (50, 20)])
def test_placing_says_where_pixels_of_a_picture_go(tmp_path, fit, size):
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[10:20, 5:15] = 255  # one white square, within what every fit shows
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = image_files.read_image(tmp_path / "a.png", image_size=(40, 40), fit=fit)
    scale_x, scale_y, left, top = image_files.placing(size, (40, 40), fit)
    x1, x2 = (max(0, x * scale_x + left) for x in (5, 15))
    y1, y2 = (max(0, y * scale_y + top) for y in (10, 20))
    bright = (image[0] > 127).nonzero()
    if x2 <= x1:
        assert not len(bright)
        return
    assert bright.amin(dim=0).tolist() == pytest.approx([y1, x1], abs=1)
    assert (bright.amax(dim=0) + 1).tolist() == pytest.approx([y2, x2], abs=1)


def test_what_cannot_be_trained_on_is_left_out_and_counted(tmp_path):
    good, empty = Instance(0, (5, 5, 15, 15)), Instance(1, (5, 5, 5, 15))
    crowd = Instance(1, (0, 0, 20, 20), crowd=True)
    path = one_picture(tmp_path, good, empty, crowd)
    with pytest.warns(UserWarning, match="set: left out 2 objects without area, of a crowd"):
        target = all_of(path, image_size=(30, 60)).targets[0]
    assert target["boxes"].tolist() == [[5, 5, 15, 15]]


def test_unreadable_pictures_are_left_out_and_counted(streets, tmp_path):
    path = datasets.to_annotations(streets, tmp_path / "set")
    (path / "images" / "00003.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.warns(UserWarning, match=r"left out 1 unreadable pictures"):
        assert len(all_of(path, image_size=(48, 64))) == 11


def test_findings_of_reading_are_counted(streets, tmp_path):
    path = datasets.to_annotations(streets, tmp_path / "set")
    labels = path / "annotations" / "instances.json"
    content = json.loads(labels.read_text())
    content["annotations"][0]["category_id"] = 99
    labels.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match=r"left out 1 findings while reading.*audit.audit\("):
        all_of(path, image_size=(48, 64))


def test_pictures_without_a_training_part_are_refused(tmp_path):
    pictures = tuple(Picture(f"{k}.png", 4, 4, split=split) for k, split in enumerate(("a", "b")))
    annotations.write(AnnotationSet(pictures, ("cat",)), tmp_path / "set", format="coco")
    with pytest.raises(ValueError, match="must hold labelled pictures to train on; its parts are"):
        datasets.from_annotations(tmp_path / "set")


def test_too_much_for_the_memory_is_said_before_reading(streets, tmp_path, monkeypatch):
    path = datasets.to_annotations(streets, tmp_path / "set")
    monkeypatch.setattr(runtime, "available_memory_gib", lambda: 1e-4)
    with pytest.raises(MemoryError, match="12 pictures with 11 masks of 480 x 640 take"):
        datasets.from_annotations(path, image_size=(480, 640))


def test_masks_count_for_the_memory(tmp_path, monkeypatch):
    square = ((5.0, 5.0, 15.0, 5.0, 15.0, 15.0),)
    objects = [Instance(0, (5, 5, 15, 15), square)] * 7
    path = one_picture(tmp_path, *objects)
    needed_gib = (3 + 7) * 100 * 100 / 2**30
    monkeypatch.setattr(runtime, "available_memory_gib", lambda: 2.01 * needed_gib)
    assert len(all_of(path, image_size=(100, 100)).targets[0]["masks"]) == 7
    monkeypatch.setattr(runtime, "available_memory_gib", lambda: 1.99 * needed_gib)
    with pytest.raises(
        MemoryError, match="1 pictures with 7 masks of 100 x 100 take 0.0 GiB, more"
    ):
        all_of(path, image_size=(100, 100))


def parted(folder, *splits):
    """A COCO folder with one picture and one box in each of these parts."""
    (folder / "pictures").mkdir()
    pictures = []
    for shade, split in enumerate(splits):
        Image.fromarray(np.full((30, 60), shade, np.uint8)).save(
            folder / "pictures" / f"{split}.png"
        )
        box = Instance(0, (5, 5, 15, 15))
        pictures.append(Picture(f"{split}.png", 30, 60, (box,), split))
    labelled = AnnotationSet(tuple(pictures), ("cat",))
    return annotations.write(labelled, folder / "set", format="coco", images=folder / "pictures")


def test_objects_of_other_parts_are_not_counted_as_cut_away(tmp_path):
    path = parted(tmp_path, "train", "extra")
    with pytest.warns(UserWarning) as caught:
        all_of(path)
    assert [str(item.message).partition(". See")[0] for item in caught] == [
        "set: left out 1 pictures of other parts"
    ]


def test_a_set_that_is_all_test_is_trained_on_with_a_warning(tmp_path):
    path = parted(tmp_path, "test")
    with pytest.warns(UserWarning, match="the only part of set is 'test': it is trained on") as c:
        assert len(all_of(path)) == 1
    assert len(c) == 1 and c[0].filename == __file__


def test_a_folder_that_is_not_empty_is_left_alone(streets, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(ValueError, match="folder must be new or empty"):
        datasets.to_annotations(streets, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
