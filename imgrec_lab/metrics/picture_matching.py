"""Detections held against the objects of their picture, at many thresholds and sizes at once.

``match_detections`` shows the rule for one class and one threshold; this does the same for all
classes together, and knows groups that nobody counted and objects of the wrong size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.box_ops import Detections, Target

MOST_DETECTIONS = 100  # of one class in one picture, as COCO


class Matches(NamedTuple):
    """What became of detections, in A size ranges and at T thresholds.

    Attributes:
        found: (A, T, M) int64 index of the object in its picture, -1 for none.
        correct: (A, T, M) bool.
        counted: (A, T, M) bool; what is not counted is neither right nor wrong.
        ranks: (M,) int64, the place among the detections of its class in its picture, from 0.
    """

    found: Tensor
    correct: Tensor
    counted: Tensor
    ranks: Tensor


def match_picture(
    detections: Detections, target: Target, thresholds: Tensor, area_ranges: Tensor
) -> Matches:
    """Match one picture by COCO's rules.

    Args:
        detections: of one picture, on the CPU.
        target: of the same picture, with ``crowd``.
        thresholds: (T,) float64 IoU.
        area_ranges: (A, 2) float64 square pixels, both ends included.
    """
    order = detections["scores"].argsort(descending=True, stable=True)  # (M,)
    ranks = _ranks_in_class(detections["labels"], order)
    overlap = overlaps(detections, target)  # (M, Q)
    other_class = detections["labels"][:, None] != target["labels"]
    overlap[other_class | (ranks >= MOST_DETECTIONS)[:, None]] = -1
    ignored = target["crowd"] | _outside(target["boxes"], area_ranges)  # (A, Q)
    found = _choose(overlap, order, ignored, target["crowd"], thresholds)
    # index -1, no object, reads the added last column
    of_object = torch.cat([ignored, ignored.new_zeros(len(ignored), 1)], dim=1)
    of_object = of_object[torch.arange(len(ignored))[:, None, None], found]  # (A, T, M)
    outside = _outside(detections["boxes"], area_ranges)[:, None]  # (A, 1, M)
    counted = torch.where(found >= 0, ~of_object, ~outside) & (ranks < MOST_DETECTIONS)
    return Matches(found, (found >= 0) & counted, counted, ranks)


def count_objects(targets: Sequence[Target], area_ranges: Tensor, num_classes: int) -> Tensor:
    """How many objects there are to be found, (A, K) int64; crowds are not asked for."""
    boxes, labels, crowd = (
        torch.cat([target[key] for target in targets]) for key in ("boxes", "labels", "crowd")
    )
    wanted = ~crowd & ~_outside(boxes, area_ranges)  # (A, M)
    return torch.stack([labels[row].bincount(minlength=num_classes) for row in wanted])


def overlaps(detections: Detections, target: Target) -> Tensor:
    """IoU (M, Q) in float64; for a crowd the share of the detection that lies in it.

    The share of an empty detection is NaN, which reaches no threshold.
    """
    boxes, objects = detections["boxes"].double(), target["boxes"].double()
    overlap = box_ops.iou(boxes, objects)
    crowd = target["crowd"]
    if crowd.any():
        shared = box_ops.intersection(boxes, objects[crowd])
        overlap[:, crowd] = shared / box_ops.area(boxes)[:, None]
    return overlap


def _choose(
    overlap: Tensor, order: Tensor, ignored: Tensor, crowd: Tensor, thresholds: Tensor
) -> Tensor:
    """The surest detection chooses first: (A, T, M) int64 index of the object, -1 for none."""
    last_first = torch.arange(overlap.shape[1] - 1, -1, -1)  # max takes the first of equals
    overlap, ignored, free_again = overlap[:, last_first], ignored[:, last_first], crowd[last_first]
    # What is ignored comes after all else: a tiny factor, a power of 2, keeps order and digits.
    wish = torch.where(ignored[:, None], overlap * 2.0**-200, overlap)  # (A, M, Q)
    free = torch.ones(len(ignored), len(thresholds), overlap.shape[1], dtype=torch.bool)
    found = torch.full((len(ignored), len(thresholds), len(overlap)), -1)
    for detection in order[(overlap >= thresholds.min()).any(dim=1)[order]].tolist():
        fits = free & (overlap[detection] >= thresholds[:, None])  # (A, T, Q)
        best, place = torch.where(fits, wish[:, None, detection], -1).max(dim=2)  # (A, T)
        found[..., detection] = torch.where(best >= 0, last_first[place], -1)
        taken = fits & (last_first == found[..., detection, None]) & ~free_again
        free &= ~taken
    return found


def _ranks_in_class(labels: Tensor, order: Tensor) -> Tensor:
    """The place (M,) of each detection among those of its class, from 0."""
    by_class = order[labels[order].argsort(stable=True)]  # class by class, the surest first
    _, counts = labels.unique(return_counts=True)
    places = torch.arange(len(labels)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.empty_like(places).scatter_(0, by_class, places)


def _outside(boxes: Tensor, area_ranges: Tensor) -> Tensor:
    """(A, M) bool: boxes whose area is not in the range."""
    area = box_ops.area(boxes.double())
    return (area < area_ranges[:, :1]) | (area > area_ranges[:, 1:])
