"""What lesson 07 shows of runs that were too long for it: stored answers, drawn where they belong.

Photographs are other people's and are not stored with the course. Without them the boxes stand on
an empty frame; with ``photos=True`` they are fetched, as ``datasets.load`` fetches any set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from imgrec_lab import box_ops, datasets, plots
from imgrec_lab.annotations import rle_masks
from imgrec_lab.course import measured
from imgrec_lab.datasets import SceneSet
from imgrec_lab.plots import figures

_EMPTY = 225  # the grey of a photograph that is not here
_SURE = 0.5  # the least score of a box that is drawn
_TITLE_INCHES = 0.4


def masks(streets: SceneSet) -> list[Axes]:
    """What Mask R-CNN found in some streets of the test part, pixel by pixel.

    Args:
        streets: the test part of ``datasets.load("streets")``.
    """
    stored = measured.read("mask_rcnn_streets")["shown"]
    axes = figures.row_of_pictures(
        len(stored["pictures"]), image_size=streets.images.shape[2:], margin=_TITLE_INCHES
    )
    for ax, one in zip(axes, stored["pictures"], strict=True):
        image, target = streets.images[one["picture"]], streets.targets[one["picture"]]
        found = _tensors(one["found"])
        found["masks"] = torch.zeros(len(one["masks"]), *image.shape[1:], dtype=torch.bool)
        for mask, rle in zip(found["masks"], one["masks"], strict=True):
            mask.copy_(torch.from_numpy(rle_masks.decode(rle, *image.shape[1:])))
        plots.detections(image, found, target, streets.classes, score_threshold=_SURE, ax=ax)
    return axes


def cells(*, photos: bool = False) -> list[Axes]:
    """What our detector found in some test photographs of BCCD, rightly, wrongly, and not at all.

    Args:
        photos: fetch the photographs and draw on them.

    Raises:
        DataUnavailable: if they are asked for and can be had nowhere.
    """
    results = measured.read("bccd_detector")
    panels = _panels("bccd", results["shown"], photos=photos)
    for ax, one, image in panels:
        found, truth = _tensors(one["found"]), _tensors(one["truth"])
        plots.detections(image, found, truth, results["classes"], score_threshold=_SURE, ax=ax)
    return [ax for ax, _, _ in panels]


def raccoons(*, photos: bool = False) -> list[Axes]:
    """A localiser's box (solid) in some test photographs of Raccoon, and the true one (dashed).

    Args:
        photos: fetch the photographs and draw on them.

    Raises:
        DataUnavailable: if they are asked for and can be had nowhere.
    """
    stored = measured.read("raccoon_localiser")["shown"]
    panels = _panels("raccoon", stored, photos=photos)
    for ax, one, image in panels:
        found, truth = (torch.tensor(one[key])[None] for key in ("found", "truth"))  # (1, 4)
        overlap = box_ops.iou(found, truth).item()
        plots.show_boxes(image, truth, colors=plots.VERMILLION, linestyle="--", ax=ax)
        plots.show_boxes(None, found, colors=plots.BLUE, ax=ax)
        ax.set_title(f"IoU {overlap:.2f}", loc="left", fontsize=10)
    return [ax for ax, _, _ in panels]


def _panels(name: str, stored: Mapping[str, Any], *, photos: bool) -> list[tuple]:
    """Axes, stored answer and picture (3, H, W) uint8 of each: a photograph, or an empty frame."""
    answers, size = stored["pictures"], tuple(stored["image_size"])
    images = torch.full((len(answers), 3, *size), _EMPTY, dtype=torch.uint8)
    if photos:
        parts = datasets.load(name, image_size=size)
        images = torch.cat([part.images for part in parts])[[one["picture"] for one in answers]]
    axes = figures.row_of_pictures(len(answers), image_size=size, margin=_TITLE_INCHES)
    return list(zip(axes, answers, images, strict=True))


def _tensors(values: Mapping[str, Sequence]) -> dict[str, Tensor]:
    """Stored lists as boxes (M, 4), scores (M,) and labels (M,), also where there are none."""
    shapes = {"boxes": (-1, 4), "scores": (-1,), "labels": (-1,)}
    kinds = {"labels": torch.int64}
    return {
        key: torch.tensor(value, dtype=kinds.get(key, torch.float32)).reshape(shapes[key])
        for key, value in values.items()
    }
