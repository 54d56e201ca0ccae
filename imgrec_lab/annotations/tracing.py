"""Masks to outlines that run along pixel edges."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from imgrec_lab.annotations.records import Ring


def mask_to_polygons(mask: np.ndarray) -> tuple[Ring, ...]:
    """The outline of a mask along pixel edges, which ``polygons_to_mask`` fills exactly.

    One ring for each part whose pixels touch at their sides. A hole is joined to what surrounds it
    by a seam along a row's upper edge, there and back; it runs the other way round, so that the
    ring's signed area is the part's number of pixels.

    Args:
        mask: (H, W), bool or 0 and 1.
    """
    filled = np.asarray(mask) != 0
    x, y, below = _corners(filled)
    outer, holes, after = _tours(x, y, below, filled)
    points, after = _sewn(x, y, after, holes)
    return tuple(_ring(start, points, after) for start in outer)


def _corners(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of the outline, row by row, each with the one that it reaches up or down.

    Along a row corners pair up, 0 with 1, 2 with 3 and so on, as the ends of horizontal edges, and
    so they do along a column. Where two pixels touch only diagonally, two corners lie on one point.
    """
    quad = np.pad(filled, 1).astype(np.int8)
    a, b, c, d = quad[:-1, :-1], quad[:-1, 1:], quad[1:, :-1], quad[1:, 1:]  # around each point
    touching = (a == d) & (b == c) & (a != b)
    number = (a ^ b ^ c ^ d) + 2 * touching
    y, x = np.nonzero(number)
    times = number[y, x]
    rising = np.repeat(touching[y, x] & (b[y, x] == 1), times)  # the left copy goes down
    y, x = np.repeat(y, times), np.repeat(x, times)
    copy = np.arange(x.size)
    down_the_columns = np.lexsort((np.where(rising, -copy, copy), y, x))
    below = np.empty(x.size, dtype=int)
    below[down_the_columns] = down_the_columns[np.arange(x.size) ^ 1]
    return x, y, below


def _tours(
    x: np.ndarray, y: np.ndarray, below: np.ndarray, filled: np.ndarray
) -> tuple[list[int], list[int], list[int]]:
    """First corners of outer outlines and of holes, and the corner that follows each corner."""
    across = (np.arange(x.size) ^ 1).tolist()
    beside = below.tolist()
    starts: tuple[list[int], list[int]] = ([], [])
    after = [-1] * x.size
    for first in range(x.size):  # the leftmost of the highest corners of its outline
        if after[first] >= 0:
            continue
        hole = not filled[y[first], x[first]]
        starts[hole].append(first)
        step, other = (beside, across) if hole else (across, beside)
        here = first
        while after[here] < 0:
            after[here] = there = step[here]
            after[there] = here = other[there]
    return *starts, after


def _sewn(
    x: np.ndarray, y: np.ndarray, after: list[int], holes: list[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """All points with their successors, after a seam joins each hole to the edge on its left."""
    points = list(zip(x.tolist(), y.tolist(), strict=True))
    edges = _edges_with_holes(x, y, after, holes)
    before = {there: here for here, there in enumerate(after)}

    def add(point: tuple[int, int]) -> int:
        points.append(point)
        after.append(-1)
        return len(points) - 1

    ends = {hole: add(points[hole]) for hole in holes}  # each tour comes back to its first point
    for hole, end in ends.items():
        after[before[hole]] = end
    for tail, beside in edges.items():
        head, downwards = after[tail], points[after[tail]][1] > points[tail][1]
        for hole in sorted(beside, key=lambda hole: points[hole][1], reverse=not downwards):
            seam = (points[tail][0], points[hole][1])
            leave, arrive = add(seam), add(seam)
            after[tail], after[leave], after[ends[hole]] = leave, hole, arrive
            tail = arrive
        after[tail] = head
    return points, after


def _edges_with_holes(
    x: np.ndarray, y: np.ndarray, after: list[int], holes: list[int]
) -> dict[int, list[int]]:
    """Holes by the first corner of the upright edge that lies next on their left."""
    heads = np.array(after, dtype=int)
    tails = np.flatnonzero(x == x[heads])
    top, bottom = np.sort([y[tails], y[heads[tails]]], axis=0)
    edges = defaultdict(list)
    for hole in holes:
        crossed = tails[(top <= y[hole]) & (y[hole] < bottom) & (x[tails] < x[hole])]
        edges[int(crossed[x[crossed].argmax()])].append(hole)
    return edges


def _ring(start: int, points: list[tuple[int, int]], after: list[int]) -> Ring:
    ring, here = [*points[start]], after[start]
    while here != start:
        ring += points[here]
        here = after[here]
    return tuple(map(float, ring))
