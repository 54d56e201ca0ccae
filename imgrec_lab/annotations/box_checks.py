"""Faults that boxes show without a look at the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from imgrec_lab.annotations.bad_records import plain
from imgrec_lab.annotations.findings import Finding, Kind
from imgrec_lab.annotations.records import AnnotationSet

OUTSIDE_PX = 1.0  # rounding, and counting pixels from 0 or from 1, may reach as far as this
TINY_PX = 4.0  # with a shorter side, hardly a pixel shows nothing but the object
DOUBLED_IOU = 0.9  # two objects of one class hardly ever overlap as much as this
_EDGES = ("left", "upper", "right", "lower")


def check_boxes(annotation_set: AnnotationSet) -> list[Finding]:
    """What is wrong with boxes: for each at most one finding, the first of these.

    - box-empty: it has no area, or its corners are swapped;
    - box-outside: it reaches more than ``OUTSIDE_PX`` beyond the picture;
    - box-tiny: a side is shorter than ``TINY_PX``;
    - box-doubled: another box of the same class in the picture has an intersection over union
      with it of more than ``DOUBLED_IOU``; the later of the two is reported, crowds are not.

    Returns:
        the findings in the order of the pictures; instances count from 0, in the set's order.
    """
    pictures = [picture for picture in annotation_set.pictures if picture.instances]
    marks = [(picture, number) for picture in pictures for number in range(len(picture.instances))]
    items = [picture.instances[number] for picture, number in marks]
    marked = _Marked(
        np.array([item.box for item in items]).reshape(-1, 4),
        np.array([(picture.width, picture.height) for picture, _ in marks]).reshape(-1, 2),
        np.array([-1 if item.crowd else item.label for item in items], dtype=int),
        np.array([number for _, number in marks], dtype=int),
    )
    faults: dict[int, tuple[Kind, str, str]] = {}
    for kind, check, advice in _CHECKS:
        for row, reason in check(marked):
            faults.setdefault(int(row), (kind, reason, advice))
    findings = []
    for row, (kind, reason, advice) in sorted(faults.items()):
        picture, number = marks[row]
        name = annotation_set.classes[items[row].label]
        box = ", ".join(str(plain(value)) for value in items[row].box)
        where = f"instance {number}, {name!r}, box ({box})"
        findings.append(Finding(kind, picture.file, f"{where}: {reason}", advice))
    return findings


class _Marked(NamedTuple):
    """All boxes of a set."""

    boxes: np.ndarray  # (M, 4) xyxy pixels
    sizes: np.ndarray  # (M, 2) width and height of each box's picture
    labels: np.ndarray  # (M,), -1 for crowds
    numbers: np.ndarray  # (M,) of each box in its picture


_Faulty = Iterator[tuple[int, str]]  # (row of a box, what is wrong with it)


def _empty(marked: _Marked) -> _Faulty:
    sides = marked.boxes[:, 2:] - marked.boxes[:, :2]
    for row in np.flatnonzero((sides <= 0).any(axis=1)):
        yield row, "its corners are swapped" if (sides[row] < 0).any() else "it has no area"


def _outside(marked: _Marked) -> _Faulty:
    beyond = np.hstack([-marked.boxes[:, :2], marked.boxes[:, 2:] - marked.sizes])  # (M, 4)
    for row in np.flatnonzero((beyond > OUTSIDE_PX).any(axis=1)):
        width, height = marked.sizes[row]
        edge = _EDGES[beyond[row].argmax()]
        reason = f"it reaches {beyond[row].max():g} px beyond the {edge} edge of the picture"
        yield row, f"{reason} (width {width}, height {height})"


def _tiny(marked: _Marked) -> _Faulty:
    sides = marked.boxes[:, 2:] - marked.boxes[:, :2]
    for row in np.flatnonzero((sides < TINY_PX).any(axis=1)):
        width, height = sides[row]
        yield row, f"it is only {width:g} px wide and {height:g} px high"


def _doubled(marked: _Marked) -> _Faulty:
    """Each box against the one before it in its picture, the one before that, and so on."""
    later, distance = np.flatnonzero(marked.numbers >= 1), 1
    while later.size:
        earlier = later - distance
        same = (marked.labels[later] == marked.labels[earlier]) & (marked.labels[later] >= 0)
        overlap = _iou(marked.boxes[later[same]], marked.boxes[earlier[same]])
        for pair in np.flatnonzero(overlap > DOUBLED_IOU):
            row, other = later[same][pair], marked.numbers[earlier[same][pair]]
            yield row, f"it marks what instance {other} marks (IoU {overlap[pair]:.2f})"
        distance += 1
        later = later[marked.numbers[later] >= distance]


def _iou(boxes_a: np.ndarray, boxes_b: np.ndarray) -> np.ndarray:
    """Intersection over union of pairs (P, 4) and (P, 4) -> (P,); 0 where a box has no area."""
    corner = np.maximum(boxes_a[:, :2], boxes_b[:, :2])
    common = np.prod((np.minimum(boxes_a[:, 2:], boxes_b[:, 2:]) - corner).clip(0), axis=1)
    areas = [np.prod((boxes[:, 2:] - boxes[:, :2]).clip(0), axis=1) for boxes in (boxes_a, boxes_b)]
    return common / np.maximum(sum(areas) - common, 1e-12)


_CHECKS: tuple[tuple[Kind, Callable[[_Marked], _Faulty], str], ...] = (
    ("box-empty", _empty, "Mark the object again, or remove the box."),
    ("box-outside", _outside, "Cut it at the edge, and check that it is marked on this picture."),
    ("box-tiny", _tiny, "Remove it, or use pictures of higher resolution."),
    ("box-doubled", _doubled, "Remove one of the two."),
)
