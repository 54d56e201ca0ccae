"""What an augmentation does to scores and to pixels; ``plots.effects``, ``plots.pixel_histogram``.

Blue means better, vermillion worse; what cannot be told from nothing stays nearly white.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from torch import Tensor

from imgrec_lab import metrics
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import BLUE, GREEN, HAIRLINE, INK, MUTED, PAGE_INCHES, VERMILLION

BETTER = figures.ramp("#DCECF8", "#6DB9E8", "#00639C")  # even the smallest real effect has a tint
WORSE = figures.ramp("#FCE6D6", "#F5A96B", "#B84A00")
UNTOLD, NEUTRAL = (0.99, 0.99, 0.99), (0.90, 0.90, 0.90)
BASELINE_ROW = -1.2  # the effects begin at row 0
CHANNELS = {1: (("grey", MUTED),), 3: (("red", VERMILLION), ("green", GREEN), ("blue", BLUE))}
BINS = 32  # each holds eight of the 256 values of a byte


def effects(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    baseline: str,
    ylabel: str = "augmentation",
    xlabel: str = "tested on",
    title: str = "",
    limit: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What each row changes against the baseline: paired differences with 95 % half widths.

    Differences are taken seed by seed. A cell is coloured only where its interval leaves out 0;
    where nothing changes at all, one cell in twenty is still coloured by chance.

    Args:
        scores: row -> column -> one accuracy in [0, 1] a seed, at least two, the same seeds in
            the same order in every cell. Rows keep their order, below the baseline.
        baseline: the row that the others are compared with; its own mean scores are shown.
        limit: percentage points of the deepest colour; by default nine in ten effects lie within.

    Raises:
        ValueError: if rows, columns or seeds do not match, a score is no fraction, or limit <= 0.
    """
    values = _score_array(scores, baseline)  # (rows, columns, seeds)
    if limit is not None and not limit > 0:
        raise ValueError(f"limit must be above 0 percentage points; got {limit}. Try limit=20.")
    place, columns = list(scores).index(baseline), list(scores[baseline])
    points = 100 * np.delete(values - values[place], place, axis=0)
    pairs = [[metrics.mean_interval(seeds) for seeds in row] for row in points]
    means, half_widths = np.moveaxis(np.array(pairs), -1, 0)  # (rows - 1, columns) each
    limit = limit or _usual_size(means[np.abs(means) > half_widths])
    names = [f"{baseline} (accuracy)", *(name for name in scores if name != baseline)]
    rows = [textwrap.fill(name, 26) for name in names]
    ax = figures.new_axes(ax, *_inches(rows, columns))
    _draw_baseline(ax, 100 * values[place].mean(axis=1))
    _draw_effects(ax, means, half_widths, limit)
    _draw_key(ax, *means.shape, limit, f"{baseline!r}, {values.shape[2]} pairs of seeds")
    title = title or f"Accuracy gained or lost against {baseline!r}"
    _frame_table(ax, rows, columns, title, xlabel, ylabel)
    return ax


def pixel_histogram(
    before: Tensor, after: Tensor, *, title: str = "", ax: Axes | None = None
) -> Axes:
    """How often each pixel value occurs, a lane a channel: before as outline, after filled.

    Lanes share one scale, in percent of the channel's pixels; a bar is eight values of a byte wide.

    Args:
        before, after: (C, H, W) uint8, or float in [0, 1]; C is 1 (grey) or 3 (RGB), and the same
            in both. Sizes may differ.

    Raises:
        ValueError: if a shape or range is wrong, or the numbers of channels differ.
        TypeError: if a picture is neither uint8 nor float.
    """
    before, after = torch.as_tensor(before), torch.as_tensor(after)
    shares = [_shares(before, "before"), _shares(after, "after")]
    if len(shares[0]) != len(shares[1]):
        raise ValueError(
            "before and after must have the same number of channels; got "
            f"{len(shares[0])} and {len(shares[1])}. For grey use image.expand(3, -1, -1)."
        )
    lanes = CHANNELS[len(shares[0])]
    full = 255 if before.dtype == after.dtype == torch.uint8 else 1
    edges, top = np.linspace(0, full, BINS + 1), max(share.max() for share in shares)
    ax = figures.new_axes(ax, 4.6, 1.6 + 0.75 * len(lanes))
    for floor, (name, color), old, new in zip(range(len(lanes))[::-1], lanes, *shares, strict=True):
        ax.stairs(floor + 0.8 * new / top, edges, baseline=floor, fill=True, color=color, alpha=0.6)
        ax.stairs(floor + 0.8 * old / top, edges, baseline=floor, color=INK, lw=1.1)
        ax.axhline(floor, color=MUTED, lw=0.7)
        _write(ax, 0.01 * full, floor + 0.83, name, size=8.5, ha="left")
    label = f"pixel value (0 to {full})"
    figures.frame(ax, title or "Pixel values", label, "pixels (%)", grid="x")
    ticks = [floor + height for floor in range(len(lanes)) for height in (0, 0.8)]
    ax.set_yticks(ticks, ["0", f"{100 * top:.0f}"] * len(lanes))
    ax.set_ylim(0, len(lanes))
    ax.set_xlim(0, full)
    ax.set_xticks((0, 64, 128, 192, 255) if full == 255 else (0, 0.25, 0.5, 0.75, 1))
    key = [Patch(fill=False, ec=INK, label="before"), Patch(color=MUTED, alpha=0.6, label="after")]
    figures.legend(ax, handles=key, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return ax


def _score_array(scores: Mapping[str, Mapping[str, Sequence[float]]], baseline: str) -> np.ndarray:
    if baseline not in scores or len(scores) < 2:
        raise ValueError(
            f"scores must hold the baseline {baseline!r} and at least one other row; got rows "
            f"{list(scores)}."
        )
    columns = list(scores[baseline])
    if not columns or any(list(row) != columns for row in scores.values()):
        raise ValueError(
            "scores must have at least one column, and all rows the same in the same order; got "
            f"{ {name: list(row) for name, row in scores.items()} }."
        )
    counts = sorted({len(seeds) for row in scores.values() for seeds in row.values()})
    if len(counts) > 1 or counts[0] < 2:
        raise ValueError(
            "scores must hold the same two or more seeds in every cell, so that differences are "
            f"taken in pairs; got cells of {' and '.join(map(str, counts))} seeds. "
            "Keep the seeds that all rows have."
        )
    values = np.array([[row[name] for name in columns] for row in scores.values()], dtype=float)
    if not ((values >= 0) & (values <= 1)).all():  # NaN fails too
        raise ValueError(
            f"scores must be fractions in [0, 1]; they reach from {values.min():.3g} to "
            f"{values.max():.3g}. Divide percent by 100."
        )
    return values


def _usual_size(effects: np.ndarray) -> float:
    """A round number of points that nine in ten of the effects lie within, whatever the rest."""
    size = np.quantile(np.abs(effects), 0.9, method="lower") if effects.size else 0.0
    step = 5 if size > 5 else 1
    return float(max(1, step * math.ceil(size / step)))


def _inches(rows: Sequence[str], columns: Sequence[str]) -> tuple[float, float]:
    longest = max(len(line) for name in rows for line in name.splitlines())
    width = 1.0 + 0.07 * longest + 0.85 * max(len(columns), 5)
    return min(PAGE_INCHES, width), 1.0 + 0.42 * (len(rows) + 3)


def _draw_baseline(ax: Axes, percent: np.ndarray) -> None:
    _paint_cells(ax, np.full((1, len(percent), 3), NEUTRAL), BASELINE_ROW)
    for column, value in enumerate(percent):
        _write(ax, column, BASELINE_ROW, f"{value:.1f} %", size=9)


def _draw_effects(ax: Axes, means: np.ndarray, half_widths: np.ndarray, limit: float) -> None:
    share = np.minimum(np.abs(means) / limit, 1)
    painted = np.where((means > 0)[..., None], BETTER(share), WORSE(share))[..., :3]
    real = np.abs(means) > half_widths
    painted[~real] = UNTOLD
    _paint_cells(ax, painted, 0)
    figures.split_cells(ax, *means.shape)
    for row, column in np.ndindex(means.shape):
        color, weight = MUTED, "normal"
        if real[row, column]:
            color, weight = _ink(painted[row, column]), "bold"
        mean, half_width = _points(means[row, column]), _points(half_widths[row, column], sign="")
        _write(ax, column, row - 0.14, mean, size=9.5, color=color, weight=weight)
        _write(ax, column, row + 0.24, f"± {half_width}", size=7.5, color=color)


def _draw_key(ax: Axes, rows: int, columns: int, limit: float, compared: str) -> None:
    """Below the table, the scale in words and numbers, and what is compared with what."""
    top, bottom, scale = rows + 0.1, rows + 0.55, np.linspace(0, 1, 64)
    ends = np.array([-0.5, 0.36 * columns - 0.5, 0.64 * columns - 0.5, columns - 0.5])
    blank = np.full((1, 3), UNTOLD)
    parts = (("worse", WORSE(scale[::-1])), ("cannot tell", blank), ("better", BETTER(scale)))
    for left, right, (word, colors) in zip(ends, ends[1:], parts, strict=False):
        ax.imshow(colors[None, :, :3], extent=(left, right, bottom, top), aspect="auto")
        ink = _ink(colors[len(colors) // 2, :3]) if len(colors) > 1 else MUTED
        _write(ax, (left + right) / 2, (top + bottom) / 2, word, size=8.5, color=ink)
    ax.hlines((top, bottom), ends[0], ends[3], color=HAIRLINE, lw=0.8)
    numbers = (f"\N{MINUS SIGN}{limit:g} or less", "0", "0", f"+{limit:g} or more")
    for x, text, align in zip(ends, numbers, ("left", "right", "left", "right"), strict=True):
        _write(ax, x, bottom + 0.27, text, size=8, ha=align)
    notes = (
        f"percentage points of accuracy against {compared}, ± 95 % interval\n"
        "cannot tell: the interval holds 0; with no effect, 1 cell in 20 is coloured by chance"
    )
    _write(ax, -0.5, bottom + 0.6, notes, size=8, color=MUTED, ha="left", va="top")


def _frame_table(
    ax: Axes, rows: Sequence[str], columns: Sequence[str], title: str, xlabel: str, ylabel: str
) -> None:
    figures.frame(ax, title, xlabel, ylabel)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.xaxis.labelpad = 6
    long = max(len(word) for name in columns for word in name.split()) > 10
    names = columns if long else [textwrap.fill(name, 10) for name in columns]
    turned = {"rotation": 35, "ha": "left", "rotation_mode": "anchor"} if long else {}
    ax.set_xticks(range(len(columns)), names, **turned)
    ax.set_yticks([BASELINE_ROW, *range(len(rows) - 1)], rows)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(len(rows) + 0.95, BASELINE_ROW - 0.55)
    ax.yaxis.label.set_y(0.5 + 1.2 / (len(rows) + 2.7))  # beside the rows, not the key


def _paint_cells(ax: Axes, painted: np.ndarray, first_row: float) -> None:
    rows, columns, _ = painted.shape
    extent = (-0.5, columns - 0.5, first_row + rows - 0.5, first_row - 0.5)
    ax.imshow(painted, extent=extent, aspect="auto", interpolation="nearest")


def _write(
    ax: Axes, x: float, y: float, text: str, *, size: float, color: str = INK,
    weight: str = "normal", ha: str = "center", va: str = "center",
) -> None:  # fmt: skip
    ax.text(
        x, y, text, fontsize=size, color=color, weight=weight, ha=ha, va=va, in_layout=False
    )  # fmt: skip


def _points(number: float, *, sign: str = "+") -> str:
    """12.34 -> '+12', 1.234 -> '+1.2', -0.01 -> '0.0'."""
    text = f"{number:{sign}.{1 if abs(number) < 9.95 else 0}f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")


def _ink(color: np.ndarray) -> str:
    """White or black, whichever has the greater contrast; it is at least 4.5 (WCAG 2, AA)."""
    linear = np.where(color <= 0.04, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return "white" if linear @ (0.2126, 0.7152, 0.0722) < 0.179 else "black"


def _shares(image: Tensor, name: str) -> np.ndarray:
    """(C, H, W) -> (C, BINS) fractions of the pixels of each channel."""
    if image.ndim != 3 or len(image) not in CHANNELS or not image.numel():
        raise ValueError(
            f"{name} must have shape (C, H, W) with C = 1 or 3; got {tuple(image.shape)}. "
            "For (H, W) use image[None]; for one picture of a batch use images[0]."
        )
    pixels = figures.rgb(image[None]).reshape(-1, 3).T[: len(image)]  # (C, H * W) in [0, 1]
    return np.stack([np.histogram(row, BINS, (0, 1))[0] for row in pixels]) / pixels.shape[1]
