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


def area(polygons: Sequence[Ring], height: int, width: int) -> float:
    """Area that the rings cover of a picture, in square pixels.

    Exact for one ring that lies inside and does not cross itself; otherwise the pixels are counted.

    Args:
        polygons: rings (x1, y1, x2, y2, ...), pixels.
        height, width: of the picture.
    """
    x1, y1, x2, y2 = box(polygons)
    inside = min(x1, y1) >= 0 and x2 <= width and y2 <= height
    points = np.reshape(polygons[0], (-1, 2)).astype(float)
    if len(polygons) > 1 or not inside or _crosses_itself(points):
        return float(polygons_to_mask(polygons, height, width).sum())
    return float(abs(_cross(points, np.roll(points, -1, axis=0)).sum()) / 2)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross product of vectors (..., 2): twice the signed area between them."""
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _crosses_itself(points: np.ndarray) -> bool:
    """Whether two sides of the ring (P, 2) cross; sides that only touch do not."""
    starts, ends = points, np.roll(points, -1, axis=0)
    sides = (ends - starts)[:, None]  # (P, 1, 2)
    apart = [np.sign(_cross(sides, other - starts[:, None])) for other in (starts, ends)]
    split = apart[0] * apart[1] < 0  # (P, P): the ends of one side lie on both sides of the other
    return bool((split & split.T).any())


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
