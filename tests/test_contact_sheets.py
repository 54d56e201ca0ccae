"""Contact sheets: whole multiples of pixels, every class, names that do not cover each other."""

import numpy as np
import pytest
import torch

from imgrec_lab.datasets import contact_sheets


def sheet_of(num_classes: int, side: int = 32, per_class: int = 2):
    labels = torch.arange(num_classes * per_class) % max(1, num_classes)
    images = torch.zeros(len(labels), 3, side, side, dtype=torch.uint8)
    images[:, 1] = 177  # a green that no text is written in
    classes = [f"class {k}" for k in range(num_classes)]
    return contact_sheets.class_sheet(images, labels, classes, "title: facts")


@pytest.mark.parametrize("side, shown", [(8, 56), (28, 56), (32, 64), (64, 64), (300, 56)])
def test_pictures_are_shown_at_about_one_size(side, shown):
    pixels = np.asarray(sheet_of(2, side=side))
    covered = (pixels == (0, 177, 0)).all(axis=2)
    assert covered.sum() == 4 * shown * shown  # exact multiples: no picture pixel is blended


def test_many_classes_stand_in_two_columns_and_end_at_48():
    one, two, capped, more = (sheet_of(k).height for k in (16, 17, 48, 100))
    assert two < one < capped == more


def test_a_grey_set_is_drawn_grey():
    images = torch.full((2, 1, 8, 8), 200, dtype=torch.uint8)
    sheet = contact_sheets.class_sheet(images, torch.tensor([0, 1]), ["a", "b"], "grey")
    assert (np.asarray(sheet) == 200).all(axis=2).sum() >= 2 * 56 * 56


def test_an_empty_set_has_a_sheet():
    assert sheet_of(0).width > 0
    no_images = torch.zeros(0, 3, 8, 8, dtype=torch.uint8)
    sheet = contact_sheets.class_sheet(no_images, torch.zeros(0).long(), ["a", "b"], "empty")
    assert sheet.height > 50
    assert contact_sheets.scene_sheet(no_images, [], ["a"], "empty").width > 0


def test_a_scene_shows_its_boxes():
    images = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    target = {
        "boxes": torch.tensor([[40.0, 50.0, 60.0, 80.0]]),
        "labels": torch.tensor([0]),
        "masks": torch.zeros(1, 128, 128, dtype=torch.bool),
    }
    pixels = np.asarray(contact_sheets.scene_sheet(images, [target], ["stop"], "title"))
    orange = (pixels == (0xE6, 0x9F, 0x00)).all(axis=2)
    # The picture is enlarged twice; its outline is two pixels wide, its name 17 pixels high.
    left = orange.sum(axis=0).argmax()
    assert orange[:, left].sum() == 2 * 30 + 4 + 17 - 1
    row = orange[:, left].nonzero()[0][-10]
    assert orange[row].nonzero()[0].tolist() == [left, left + 1, left + 42, left + 43]


def test_names_avoid_each_other():
    box = (100, 100, 140, 140)
    first = contact_sheets._free_place(box, 80, (256, 256), [])
    second = contact_sheets._free_place(box, 80, (256, 256), [first])
    assert not contact_sheets._overlap(first, second)
    assert contact_sheets._overlap(first, first)


def test_a_name_stays_inside_the_picture():
    for box in ((0, 0, 256, 256), (250, 250, 256, 256), (0, 0, 4, 4)):
        x1, y1, x2, y2 = contact_sheets._free_place(box, 90, (256, 256), [])
        assert min(x1, y1) >= 0 and max(x2, y2) <= 256
