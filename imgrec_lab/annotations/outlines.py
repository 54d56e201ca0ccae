"""Outlines to masks and masks to outlines, exact on pixel edges.

A pixel belongs to a ring if its centre lies inside it by the even-odd rule, and to an object if it
belongs to one of its rings. pycocotools rounds outlines to fifths of a pixel: where they run along
pixel edges it fills the same pixels, elsewhere all but some whose centre lies within 0.3 pixels of
the outline.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from imgrec_lab.annotations import tracing
from imgrec_lab.annotations.records import Box, Ring


def polygons_to_mask(polygons: Sequence[Ring], height: int, width: int) -> np.ndarray:
    """The pixels (H, W) bool whose centres lie inside at least one ring.

    Args:
        polygons: rings (x1, y1, x2, y2, ...), pixels; parts beyond the picture are cut off.
        height, width: of the picture.
    """
    mask = np.zeros((height, width), dtype=bool)
    for ring in polygons:
        _fill(mask, np.reshape(ring, (-1, 2)))
    return mask


def area(polygons: Sequence[Ring]) -> float:
    """Area inside the rings, in square pixels; where rings overlap it counts twice."""
    total = 0.0
    for ring in polygons:
        x, y = np.reshape(ring, (-1, 2)).T
        total += abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return float(total)


def box(polygons: Sequence[Ring]) -> Box:
    """The tight (x1, y1, x2, y2) around all rings."""
    xs = [x for ring in polygons for x in ring[::2]]
    ys = [y for ring in polygons for y in ring[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def as_one(polygons: Sequence[Ring], height: int, width: int) -> Ring:
    """One ring that fills the same pixels of a picture as all rings do.

    They are joined as they are, or where they overlap, as the traced outline of what they cover.

    Args:
        polygons: one ring or more, pixels.
        height, width: of the picture.
    """
    ring = joined(polygons)
    if len(polygons) > 1:
        mask = polygons_to_mask(polygons, height, width)
        if not np.array_equal(polygons_to_mask([ring], height, width), mask):
            return joined(tracing.mask_to_polygons(mask))
    return ring


def joined(polygons: Sequence[Ring]) -> Ring:
    """One ring for all: seams lead from each ring to the next and back, and enclose nothing.

    Where rings overlap, what two of them cover counts as outside.
    """
    if len(polygons) == 1:
        return polygons[0]
    rings = [np.reshape(ring, (-1, 2)) for ring in polygons]
    enter, out, back = 0, [], []
    for ring, following in itertools.pairwise(rings):
        distance = np.abs(ring[:, None] - following).sum(axis=2)  # (P, Q)
        leave, next_enter = np.unravel_index(distance.argmin(), distance.shape)
        tour = np.roll(ring, -enter, axis=0)
        cut = (leave - enter) % len(ring)
        out.append(tour[: cut + 1])
        back.append(np.concatenate([tour[cut:], tour[:1]]))
        enter = next_enter
    last = np.roll(rings[-1], -enter, axis=0)
    points = np.concatenate([*out, last, last[:1], *back[::-1]])
    return tuple(points.ravel().tolist())


def _fill(mask: np.ndarray, points: np.ndarray) -> None:
    """Even-odd fill of one ring (P, 2): each edge flips all pixels on its right, row by row."""
    (left, right), (top, bottom) = (
        _centres_beyond(np.array([values.min(), values.max()]), most)
        for values, most in zip(points.T, mask.shape[::-1], strict=True)
    )
    following = np.roll(points, -1, axis=0)
    downwards = points[:, 1:] <= following[:, 1:]
    upper = np.where(downwards, points, following)  # one order of the ends, so that both ways of
    lower = np.where(downwards, following, points)  # a seam cross each row in the same place
    first = _centres_beyond(upper[:, 1], mask.shape[0])
    number = _centres_beyond(lower[:, 1], mask.shape[0]) - first
    edge = np.repeat(np.arange(len(points)), number)  # (L,): an entry a row that an edge crosses
    rows = np.arange(edge.size) - np.repeat(np.cumsum(number) - number - first, number)
    (x1, y1), (x2, y2) = upper[edge].T, lower[edge].T
    crossing = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
    columns = _centres_beyond(crossing, mask.shape[1]).clip(left, right)
    height, width = bottom - top, right - left + 1  # one column more takes flips at the very right
    flips = np.bincount((rows - top) * width + columns - left, minlength=height * width)
    inside = np.bitwise_xor.accumulate(flips.reshape(height, width) & 1, axis=1)
    mask[top:bottom, left:right] |= inside[:, :-1].astype(bool)


def _centres_beyond(values: np.ndarray, most: int) -> np.ndarray:
    """The first pixel whose centre lies at or beyond each coordinate, within 0 to ``most``."""
    return np.clip(np.ceil(values - 0.5), 0, most).astype(int)
