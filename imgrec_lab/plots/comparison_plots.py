"""Machines side by side; reached as ``plots.machines``."""

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK, PAGE_INCHES, PALETTE

_MARKERS = "osD^vP*X"  # a shape beside each colour, for print and for eyes that mix colours up
_STEP = 0.12  # of a row's height, from one machine to the next: equal values stay visible
_BAND = "#F4F4F4"
_LINE = 100  # letters beside each other, as wide as a panel


def machines(
    comparison: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    title: str = "Machines side by side",
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """One panel a unit, one row a measurement, one dot a machine, on logarithmic axes.

    Equal distances are equal ratios. What a machine lacks has no dot, and a machine without any
    dot in a panel is named beside it.

    Args:
        comparison: what and its unit, "training, images/s" -> row -> machine -> value above 0; as
            ``bench.compare_reports`` gives it. Rows need not have all machines.
        axes: as many as units.

    Raises:
        ValueError: if there is nothing to draw, a value is not above 0, or machines are too many.
    """
    names = _machine_names(comparison)
    axes = _panels(comparison, len(names)) if axes is None else np.asarray(axes)
    if len(axes) != len(comparison):
        raise ValueError(f"axes must be {len(comparison)}, one a unit; got {len(axes)}.")
    for ax, (unit, rows) in zip(axes, comparison.items(), strict=True):
        _draw(ax, rows, names)
        what, _, unit = unit.rpartition(", ")
        figures.frame(ax, "", "\n".join([unit, *_absent(rows, names)]), what, grid="x")
        _frame_rows(ax, rows)
    _add_key(axes[0], names, title)
    axes[0].figure.align_ylabels(axes)
    return axes


def _machine_names(comparison: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    rows = [row for rows in comparison.values() for row in rows.values()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names or not all(comparison.values()):
        raise ValueError("comparison must hold at least one value in each unit; got none.")
    if len(names) > len(_MARKERS):
        raise ValueError(
            f"comparison must hold at most {len(_MARKERS)} machines, to tell them apart; got "
            f"{len(names)}. Draw two figures."
        )
    values = [value for row in rows for value in row.values()]
    if not all(0 < value < np.inf for value in values):
        raise ValueError("values must be above 0 and finite, for a logarithmic axis.")
    return names


def _panels(comparison: Mapping[str, Mapping[str, Mapping]], machines: int) -> np.ndarray:
    """Axes one below the other, each as high as its rows ask for."""
    heights = [0.35 + len(rows) for rows in comparison.values()]
    row_inches = 0.2 + 0.04 * machines
    inches = row_inches * sum(heights) + 0.5 * len(heights) + 0.6
    figure = plt.figure(figsize=(PAGE_INCHES, inches), dpi=figures.DPI, layout="constrained")
    return figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False).ravel()


def _style(place: int) -> dict:
    return {"color": PALETTE[place], "marker": _MARKERS[place], "ls": "", "ms": 6, "mec": "white",
            "mew": 0.6}  # fmt: skip


def _draw(ax: Axes, rows: Mapping[str, Mapping[str, float]], names: list[str]) -> None:
    for place, values in enumerate(rows.values()):
        if place % 2 == 0:
            ax.axhspan(place - 0.5, place + 0.5, color=_BAND, lw=0, zorder=0)
        for number, name in enumerate(names):
            if name in values:
                step = _STEP * (number - (len(names) - 1) / 2)
                ax.plot(values[name], place + step, **_style(number))


def _absent(rows: Mapping[str, Mapping[str, float]], names: list[str]) -> list[str]:
    """A line that names the machines without any value."""
    absent = [name for name in names if not any(name in values for values in rows.values())]
    return [textwrap.fill(f"not measured: {', '.join(absent)}", _LINE)] if absent else []


def _frame_rows(ax: Axes, rows: Mapping[str, Mapping[str, float]]) -> None:
    values = [value for row in rows.values() for value in row.values()]
    low, high = min(values), max(values)
    middle, span = (low * high) ** 0.5, max(1.3 * (high / low) ** 1.08, 4.0)
    ax.set_xscale("log")  # at least fourfold, so that small differences look small
    ax.set_xlim(middle / span**0.5, middle * span**0.5)
    subs = (1.0,) if span > 300 else (1.0, 2.0, 5.0)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_yticks(range(len(rows)), list(rows))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.5, -0.5)


def _add_key(ax: Axes, names: list[str], title: str) -> None:
    """Above the first panel, and the title above it."""
    lines = next(n for n in range(1, len(names) + 1) if n == len(names) or _fits(names, n))
    for number, name in enumerate(names):
        ax.plot([], [], label=name, **_style(number))
    figures.legend(
        ax, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.1, borderpad=0.2,
        ncols=-(-len(names) // lines), handletextpad=0.3,
    )  # fmt: skip
    ax.set_title(title, loc="left", fontsize=11, color=INK, pad=8 + 14 * lines)


def _fits(names: list[str], lines: int) -> bool:
    """Whether a key of so many lines, filled column by column, is no wider than the panel."""
    columns = [names[start : start + lines] for start in range(0, len(names), lines)]
    return sum(4 + max(map(len, column)) for column in columns) <= _LINE
