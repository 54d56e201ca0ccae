"""A training loop made faster change by change, as a staircase: ``plots.staircase``."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import BLUE, INK, MUTED, PAGE_INCHES

# Inches: what a row takes from top to bottom, and where text stands beside the stairs.
_HEAD, _ROW, _NOTE_LINE, _GAP, _BAR = 0.1, 0.22, 0.14, 0.16, 0.2
_NAMES, _EDGE = -2.75, -0.12
_COLUMNS = {"images/s": 0.72, "step": 1.28, "in all": 1.84}  # right edges
_NOTE_LETTERS = 48  # in a line
_GAIN, _LOSS = "#8FC1E3", "#DCEBF6"  # pale, so that the interval is seen on them


def staircase(rows: Sequence[Any], *, title: str = "", ax: Axes | None = None) -> Axes:
    """How each change of a training loop changed its images a second, from top to bottom.

    Equal lengths are equal factors. A bar leads from the rate that a row stands on to its own, and
    the thin line is the 95 % interval. A row that was not kept is hatched, and the stairs go on
    below at the rate before it; one without a number has the reason under its name.

    Args:
        rows: with the attributes of ``bench.Rung``; the first is measured and kept.
        ax: of about 4 by 4 inches, with 3 inches of room at its left and 2 at its right.

    Raises:
        ValueError: if there are no rows, or the first was not measured and kept.
    """
    if not rows or rows[0].images_per_s is None or not rows[0].kept:
        raise ValueError(
            "rows must begin with one that was measured and kept, as bench.throughput_ladder's "
            f"do; got {list(rows[:1])}."
        )
    notes = [textwrap.wrap(row.note, _NOTE_LETTERS) for row in rows]
    heights = [_ROW + _NOTE_LINE * len(lines) + _GAP for lines in notes]
    edges = np.cumsum([0, *heights])
    ax = figures.new_axes(ax, PAGE_INCHES, edges[-1] + 1.2)
    _frame(ax, rows, edges, title)
    middles = edges[:-1] + (_GAP + _ROW) / 2
    for row, base, lines, middle in zip(rows, _bases(rows), notes, middles, strict=True):
        _write_name(ax, row, lines, middle)
        if row.images_per_s is not None:
            _draw_bar(ax, row, base, middle)
            _write_numbers(ax, row, base, rows[0].images_per_s, middle)
    _draw_stairs(ax, rows, [*middles, edges[-1]])
    return ax


def _bases(rows: Sequence[Any]) -> list[float]:
    """The rate that each row stands on; the first stands on its own."""
    bases, rate = [], rows[0].images_per_s
    for row in rows:
        bases.append(rate)
        rate = row.images_per_s if row.kept else rate
    return bases


def _draw_bar(ax: Axes, row: Any, base: float, middle: float) -> None:
    rate = row.images_per_s
    look = {"color": _GAIN if rate > base else _LOSS}
    if not row.kept:
        look = {"facecolor": "white", "edgecolor": MUTED, "hatch": "/////", "linewidth": 0.6}
    ax.barh(middle, rate - base, left=base, height=_BAR, zorder=2, **look)
    low, high = row.interval
    error = [[rate - low], [high - rate]]
    ax.errorbar(rate, middle, xerr=error, color=INK, lw=1.2, capsize=2.5, fmt="none", zorder=4)


def _draw_stairs(ax: Axes, rows: Sequence[Any], places: Sequence[float]) -> None:
    """Down from the first row, at the rate that counts; treads lie on the bars' upper edges."""
    rates = _bases([*rows, rows[0]])[1:]  # after each row
    treads = [places[0], *(place - _BAR / 2 for place in places[1:-1]), places[-1]]
    ax.plot(np.repeat(rates, 2), np.repeat(treads, 2)[1:-1], color=BLUE, lw=1.6, zorder=3)
    ax.plot(rates[0], places[0], "o", color=BLUE, ms=6, mec="white", mew=0.8, zorder=5)


def _write_name(ax: Axes, row: Any, lines: Sequence[str], middle: float) -> None:
    measured = row.images_per_s is not None
    _write(ax, _NAMES, middle, row.name, size=9.5, color=INK if measured else MUTED)
    _write(ax, _EDGE, middle, row.setting, size=8, color=MUTED, ha="right")
    for number, line in enumerate(lines):
        y = middle + _ROW / 2 + (number + 0.45) * _NOTE_LINE
        _write(ax, _NAMES, y, line, size=7.5, color=MUTED)


def _write_numbers(ax: Axes, row: Any, base: float, first: float, middle: float) -> None:
    rate, (in_rate, in_step, in_all) = row.images_per_s, _COLUMNS.values()
    ink = INK if row.kept else MUTED
    _write(ax, in_rate, middle, _short(rate), size=9, color=ink, ha="right", side=1)
    if base == rate == first:
        return
    _write(ax, in_step, middle, _factor(rate / base), size=9, color=ink, ha="right", side=1)
    if row.kept:
        text = _factor(rate / first)
        _write(ax, in_all, middle, text, size=9, weight="bold", ha="right", side=1)


def _frame(ax: Axes, rows: Sequence[Any], edges: np.ndarray, title: str) -> None:
    measured = [row for row in rows if row.images_per_s is not None]
    first, last = measured[0].images_per_s, _bases([*rows, rows[0]])[-1]
    title = title or f"From {_short(first)} to {_short(last)} images/s: {_factor(last / first)}"
    figures.frame(ax, title, "images/s (equal lengths are equal factors)", "", grid="x")
    ends = [end for row in measured for end in (*row.interval, row.images_per_s)]
    low, high = min(ends), max(ends)
    room = max((high / low) ** 0.06, 1.01)
    ax.set_xscale("log")
    ax.set_xlim(low / room, high * room)
    wide = high / low > 12
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,g}"))
    ax.set_ylim(edges[-1], -_HEAD)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    for name, place in _COLUMNS.items():
        _write(ax, place, -_HEAD / 2, name, size=8.5, color=MUTED, ha="right", side=1)
    ax.set_ylabel(
        "change, on top of those kept above it", fontsize=8.5, color=MUTED, rotation=0,
        ha="left", va="center",
    )  # fmt: skip
    ax.yaxis.set_label_coords(0, -_HEAD / 2, transform=_beside(ax, _NAMES))


def _write(
    ax: Axes, inches: float, y: float, text: str, *, size: float, color: str = INK,
    ha: str = "left", weight: str = "normal", side: int = 0,
) -> None:  # fmt: skip
    """Beside the stairs, so many inches from their left (0) or right (1) edge."""
    ax.text(
        side, y, text, fontsize=size, color=color, ha=ha, va="center", weight=weight,
        transform=_beside(ax, inches),
    )  # fmt: skip


def _beside(ax: Axes, inches: float) -> Transform:
    return ax.get_yaxis_transform() + ScaledTranslation(inches, 0, ax.figure.dpi_scale_trans)


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _factor(factor: float) -> str:
    digits = 2 if factor < 9.995 else 1 if factor < 99.95 else 0
    return f"\N{MULTIPLICATION SIGN}{factor:.{digits}f}"
