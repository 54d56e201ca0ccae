"""Stored answers of long runs, drawn on streets, on empty frames and on photographs."""

import pytest
import torch

from imgrec_lab import box_ops, datasets
from imgrec_lab.annotations import rle_masks
from imgrec_lab.course import measured, stored_answers

pytestmark = pytest.mark.usefixtures("no_figures_left")

SETS = {
    "bccd": ("bccd_detector", stored_answers.cells),
    "raccoon": ("raccoon_localiser", stored_answers.raccoons),
}


def pixels(ax) -> torch.Tensor:
    return torch.as_tensor(ax.images[0].get_array())


@pytest.mark.parametrize("name", SETS)
def test_boxes_stand_on_empty_frames_of_the_right_size(name):
    results, draw = SETS[name]
    stored = measured.read(results)["shown"]
    axes = draw()
    assert len(axes) == len(stored["pictures"]) >= 2
    for ax in axes:
        assert pixels(ax).shape[:2] == tuple(stored["image_size"])
        assert len(pixels(ax).unique()) == 1, "no photograph is stored with the course"
        assert len(ax.patches) >= 2, "found and true boxes are drawn"


@pytest.mark.parametrize("name", SETS)
def test_with_photos_the_boxes_stand_on_the_photographs(name, monkeypatch):
    results, draw = SETS[name]
    stored = measured.read(results)["shown"]
    height, width = stored["image_size"]
    last = max(one["picture"] for one in stored["pictures"])
    asked = []

    def load(*wanted, **size):
        asked.append((wanted, size))
        shades = (torch.arange(last + 1) % 251).to(torch.uint8)[:, None, None, None]
        images = shades.expand(-1, 3, height, width)
        empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        parts = images.split([1, 1, last - 1])
        return datasets.Splits(
            *(datasets.SceneSet(part, [empty] * len(part), ("thing",)) for part in parts)
        )

    monkeypatch.setattr(datasets, "load", load)
    for ax, one in zip(draw(photos=True), stored["pictures"], strict=True):
        shade = torch.tensor(one["picture"] % 251 / 255)
        assert torch.allclose(pixels(ax).float(), shade)
    assert asked == [((name,), {"image_size": (height, width)})]


def test_masks_stand_on_the_streets_they_were_found_in():
    stored = measured.read("mask_rcnn_streets")["shown"]["pictures"]
    rows = [one["picture"] for one in stored]
    streets = datasets.load("streets").test
    axes = stored_answers.masks(streets)
    assert len(axes) == len(rows) >= 2
    for row, one in zip(rows, stored, strict=True):
        found, there = torch.tensor(one["found"]["boxes"]), streets.targets[row]["boxes"]
        assert box_ops.iou(found, there).max() > 0.5, "the streets are those of the stored run"
        for rle, box in zip(one["masks"], found, strict=True):
            outline = torch.from_numpy(rle_masks.decode(rle, *streets.images.shape[2:]))
            tight = box_ops.from_masks(outline[None])
            assert box_ops.iou(tight, box[None]).item() > 0.4, "a mask lies in its box"
