"""Sheets of pictures: many tiles on one canvas, each pixel square, a caption above each."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from imgrec_lab.plots.figures import DPI, HAIRLINE, INK, PAGE_INCHES


def sheet(
    tiles: np.ndarray,
    *,
    captions: Sequence[str] | None = None,
    colors: Sequence[str] | None = None,
    columns: int,
    title: str,
    ax: Axes | None,
) -> Axes:
    """Lay (N, H, W, 3) tiles out on one white canvas, a caption in its colour above each.

    On a new figure a small picture is enlarged by a whole number, so that its pixels stay square.

    Raises:
        ValueError: if ``columns`` is below 1.
    """
    if columns < 1:
        raise ValueError(f"columns must be at least 1; got {columns}.")
    finer = math.ceil(24 / tiles.shape[2])  # split the pixels of tiny tiles: gaps may be thinner
    tiles = tiles.repeat(finer, axis=1).repeat(finer, axis=2)
    count, height, width, _ = tiles.shape
    captions, colors = captions or [""] * count, colors or [INK] * count
    columns = min(columns, count)
    step = width + max(2, round(0.08 * width))  # from tile to tile, image pixels
    scale, dpi = _scale(step, columns, ax)
    size = _caption_points(captions, step * scale * 72 / dpi)
    tops, canvas_height = _tops(captions, columns, height, 1.3 * size * dpi / 72 / scale)
    canvas = np.ones((canvas_height, columns * step - (step - width), 3), dtype=np.float32)
    corners = [(index % columns * step, tops[index // columns]) for index in range(count)]
    for (x, y), tile in zip(corners, tiles, strict=True):
        canvas[y : y + height, x : x + width] = tile
    if ax is None:
        ax = _exact_axes(canvas.shape[1] * scale / DPI, canvas_height * scale / DPI, bool(title))
    ax.imshow(canvas, interpolation="nearest" if scale >= 1 else "antialiased")
    frames = [Rectangle((x - 0.5, y - 0.5), width, height) for x, y in corners]
    edges = PatchCollection(frames, facecolor="none", edgecolor=HAIRLINE, linewidth=0.6)
    edges.set_clip_on(False)
    ax.add_collection(edges)
    for (x, y), caption, color in zip(corners, captions, colors, strict=True):
        ax.annotate(
            caption, (x + width / 2 - 0.5, y - 0.5), (0, 0.34 * size), textcoords="offset points",
            fontsize=size, color=color, ha="center", va="baseline", linespacing=1.1,
            annotation_clip=False,
        )  # fmt: skip
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.set_axis_off()
    return ax


def _scale(step: int, columns: int, ax: Axes | None) -> tuple[float, float]:
    """Screen pixels per image pixel, and screen pixels per inch."""
    if ax is not None:
        return ax.bbox.width / columns / step, ax.figure.dpi
    scale = min(PAGE_INCHES / columns, 1.6) * DPI / step
    return (math.floor(scale) if scale >= 1 else scale), DPI


def _caption_points(captions: Sequence[str], room: float) -> float:
    """The font size at which the longest line fits into ``room`` points."""
    longest = max(len(line) for caption in captions for line in f"{caption}\n".split("\n"))
    return min(8.5, room / (0.6 * max(longest, 1)))


def _tops(
    captions: Sequence[str], columns: int, height: int, line_height: float
) -> tuple[list[int], int]:
    """Top of each row of tiles and height of the canvas, in image pixels."""
    tops, y = [], 0
    for start in range(0, len(captions), columns):
        row = captions[start : start + columns]
        lines = max(caption.count("\n") + 1 if caption else 0 for caption in row)
        tops.append(y + math.ceil(lines * line_height))
        y = tops[-1] + height + max(1, round(0.08 * height))
    return tops, tops[-1] + height


def _exact_axes(width: float, height: float, title: bool) -> Axes:
    """Axes of exactly this size in inches, so that a whole-number enlargement stays whole."""
    total = height + (0.32 if title else 0)
    return plt.figure(figsize=(width, total), dpi=DPI).add_axes((0, 0, 1, height / total))
