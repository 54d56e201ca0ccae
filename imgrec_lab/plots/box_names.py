"""Where the names of boxes are written, so that all can be read; used by ``plots.show_boxes``.

Names are placed one after the other, each where it hides the least: no name before it, and of the
boxes as little as may be. Where boxes crowd, the letters shrink, and a name that had to move away
is tied to its box by a line.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

_POINTS = (8.0, 7.0, 6.0)  # of the letters, tried in this order
_LINE = 1.5  # height of a name with its background, letters' points
_CHARACTER = 0.58  # mean width, letters' points
_STEPS = np.array([0, -1, 1, -2, 2, -3, 3, -5, 5, -8, 8])  # name heights away from the usual places
# What a place costs: each name's height of distance, a covered box, a covered name.
_AWAY, _COVERED, _HIDDEN = 0.4, 1.0, 20.0


def write_names(
    ax: Axes, boxes: Sequence[Sequence[float]], names: Sequence[str], colors: Sequence[str]
) -> None:
    """Write each name near its box, on a background of its colour.

    Args:
        ax: shows the picture, with its final limits and title.
        boxes: M times xyxy, pixels.
        names, colors: one a box.
    """
    _settle(ax)
    right, left = sorted(ax.get_xlim(), reverse=True)
    bottom, top = sorted(ax.get_ylim(), reverse=True)
    rects = np.array(boxes, dtype=float).reshape(-1, 4) - 0.5  # imshow counts from centres
    pixel = (right - left) / (ax.bbox.width * 72 / ax.figure.dpi)  # picture pixels a point
    for points in _POINTS:
        widths = [(len(name) * _CHARACTER + 0.6) * points * pixel for name in names]
        sizes = np.array([[width, _LINE * points * pixel] for width in widths]).reshape(-1, 2)
        places = place_names(rects, sizes, (left, top, right, bottom))
        if not _collide(places):
            break
    for rect, place, name, color in zip(rects, places, names, colors, strict=True):
        _tie(ax, rect, place, color)
        ax.text(
            place[0], place[3], f" {name} ", fontsize=points, color=_ink(color), ha="left",
            va="bottom", bbox={"boxstyle": "square,pad=0.12", "fc": color, "ec": "none"},
            in_layout=False, clip_on=False,
        )  # fmt: skip


def _settle(ax: Axes) -> None:
    """Give the axes the size now that they would get when drawn."""
    engine = ax.figure.get_layout_engine()
    if engine is not None:
        engine.execute(ax.figure.figure)
    ax.apply_aspect()


def place_names(
    boxes: np.ndarray, sizes: np.ndarray, limits: tuple[float, float, float, float]
) -> np.ndarray:
    """The cheapest free place for each name, in the order of the boxes.

    Args:
        boxes: (M, 4) xyxy.
        sizes: (M, 2) width and height of each name, in the units of the boxes.
        limits: left, top, right and bottom of the picture; names stay inside where they fit.

    Returns:
        (M, 4) xyxy.
    """
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-6).prod(axis=1)
    placed = np.empty((0, 4))
    for box, size in zip(boxes, sizes, strict=True):
        places = _candidates(box, size, limits)  # (P, 4)
        hidden = _shared(places, placed).sum(axis=1) / size.prod()
        covered = (_shared(places, boxes) / sides).sum(axis=1)
        core = box + size[1] / 2 * np.array([1, 1, -1, -1])  # a name at a corner is far from it
        away = _apart(places, core).sum(axis=1) / size[1]
        cost = _HIDDEN * hidden + _COVERED * covered + _AWAY * away
        placed = np.vstack([placed, places[cost.argmin()]])  # of equal ones the first
    return placed


def _candidates(box: np.ndarray, size: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """Places in the order of liking: above, below, inside, beside, then further and further."""
    (x1, y1, x2, y2), (width, height) = box, size
    x = np.array([x1, x2 - width, (x1 + x2 - width) / 2, x2, x1 - width])
    y = (np.array([y1 - height, y2, y1, y2 - height]) + _STEPS[:, None] * height).ravel()
    x = np.clip(x, limits[0], max(limits[0], limits[2] - width))
    y = np.clip(y, limits[1], max(limits[1], limits[3] - height))
    y, x = (grid.ravel() for grid in np.meshgrid(y, x, indexing="ij"))
    return np.stack([x, y, x + width, y + height], axis=1)


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(P, 4), (Q, 4) -> (P, Q) areas that both cover."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    return (np.minimum(a[:, None, 2:], b[None, :, 2:]) - top_left).clip(min=0).prod(axis=2)


def _apart(places: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(P, 2) distances across and down between places and a box, 0 where they touch."""
    return np.maximum(places[:, :2] - box[2:], box[:2] - places[:, 2:]).clip(min=0)


def _collide(places: np.ndarray) -> bool:
    shared = _shared(places, places)
    return bool((np.triu(shared, 1) > 0.02 * shared.diagonal()).any())  # of the later name


def _tie(ax: Axes, box: np.ndarray, place: np.ndarray, color: str) -> None:
    """A line from a name to its box, where they do not touch."""
    if _apart(place[None], box).max() > 0.3 * (place[3] - place[1]):
        start = np.clip((box[:2] + box[2:]) / 2, place[:2], place[2:])
        end = np.clip(start, box[:2], box[2:])
        ax.plot(*np.stack([start, end]).T, color=color, lw=1.4, scalex=False, scaley=False)


def _ink(color: str) -> str:
    """White or black, whichever has the greater contrast (WCAG 2)."""
    linear = (np.array(to_rgb(color)) + 0.055) / 1.055
    return "white" if linear**2.4 @ (0.2126, 0.7152, 0.0722) < 0.179 else "black"
