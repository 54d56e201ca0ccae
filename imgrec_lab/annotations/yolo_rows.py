"""One row of a YOLO label file to an instance, and back, without loss.

A row is ``class cx cy w h`` or ``class x1 y1 x2 y2 x3 y3 ...``, in fractions of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgrec_lab.annotations import bad_records, outlines, rle_masks, tracing
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.records import Box, Instance, Picture, Ring

_PLACES = (6, 9, 12)  # decimals that are tried; six is the custom


def to_instance(row: str, labels: Sequence[int], height: int, width: int) -> Instance:
    """The instance of one row.

    Args:
        row: its text.
        labels: the label of each class number.
        height, width: of the picture, pixels.

    Raises:
        BadRecord: if it has another number of values, a value is no number, or the class has no
            name.
    """
    number, *fractions = bad_records.numbers(row.split(), "a row")
    if not 0 <= number < len(labels) or number != int(number):
        raise BadRecord(
            f"class {number:g} has no name; there are {len(labels)}, counted from 0",
            "Name it in data.yaml or classes.txt, or correct the row.",
            "unknown-class",
        )
    if len(fractions) == 4:
        return Instance(labels[int(number)], _box(fractions, height, width))
    if len(fractions) < 6 or len(fractions) % 2:
        raise BadRecord(
            f"must hold a class and 4 numbers (box) or 6, 8, 10, ... (outline); it holds "
            f"{len(fractions)} after the class",
            "Remove scores of predictions, or mark the object again.",
        )
    ring = _ring(fractions, height, width)
    return Instance(labels[int(number)], outlines.box([ring]), (ring,))


def from_instance(item: Instance, picture: Picture, number: int) -> str:
    """The row of an instance of class ``number``: its outline as one ring if it has one, or box."""
    height, width = picture.height, picture.width
    rings = item.polygons
    if item.rle is not None:
        rings = tracing.mask_to_polygons(rle_masks.decode(item.rle, height, width))
    if rings:
        ring = bad_records.pixels(outlines.as_one(rings, height, width))
        sides = (width, height) * (len(ring) // 2)
        fractions = [value / side for value, side in zip(ring, sides, strict=True)]
        text = _shortest(fractions, lambda values: _ring(values, height, width) == ring)
    else:
        x1, y1, x2, y2 = box = bad_records.pixels(item.box)
        fractions = [
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        ]
        text = _shortest(fractions, lambda values: _box(values, height, width) == box)
    return f"{number} {text}"


def _shortest(fractions: Sequence[float], is_same: Callable[[list[float]], bool]) -> str:
    """The numbers in the fewest decimals that read back as the same pixels."""
    for places in _PLACES:
        parts = 10**places
        short = [round(value * parts) / parts for value in fractions]
        if is_same(short):
            return " ".join([f"{value:.{places}f}" for value in short])
    return " ".join(map(repr, fractions))


def _box(fractions: Sequence[float], height: int, width: int) -> Box:
    x, y, w, h = fractions
    return bad_records.pixels(
        ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
    )


def _ring(fractions: Sequence[float], height: int, width: int) -> Ring:
    sides = (width, height) * (len(fractions) // 2)
    return bad_records.pixels(f * side for f, side in zip(fractions, sides, strict=True))
