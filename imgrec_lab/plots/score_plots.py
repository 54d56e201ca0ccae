"""Scores over seeds under many conditions; reached as ``plots.sweep`` and ``plots.score_table``."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from imgrec_lab import metrics
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK, PALETTE, SEQUENTIAL


def sweep(
    scores: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str = "test accuracy (fraction right)",
    title: str = "",
    log_x: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """How a score changes with one dial: means with their 95 % intervals, seeds as faint dots.

    Args:
        scores: name of a line -> value of the dial -> one score a seed, at least two.
        xlabel, ylabel: the dial and the score, with units.
        log_x: factors, not differences, are equally far apart.

    Raises:
        ValueError: if there is nothing to draw.
    """
    if not scores or not all(scores.values()):
        raise ValueError(f"scores must hold at least one line of one value; got {dict(scores)}.")
    ax = figures.new_axes(ax, 7.2, 3.4)
    for color, (name, line) in zip(itertools.cycle(PALETTE), scores.items(), strict=False):
        cells = [metrics.mean_interval(seeds) for seeds in line.values()]
        means = [cell.mean for cell in cells]
        half_widths = [cell.half_width for cell in cells]
        for value, seeds in line.items():
            ax.plot([value] * len(seeds), seeds, "o", color=color, alpha=0.3, ms=4, mew=0)
        ax.errorbar(
            list(line), means, half_widths, color=color, lw=1.8, elinewidth=1.2, capsize=4,
            marker="D", ms=5, mec="white", label=name,
        )  # fmt: skip
    figures.frame(ax, title, xlabel, ylabel, grid="both")
    if log_x:
        ax.set_xscale("log")
    values = sorted({value for line in scores.values() for value in line})
    if len(values) <= 12:  # name the values that were tried, and no others
        ax.set_xticks(values, [f"{value:,g}" for value in values])
        ax.minorticks_off()
    if len(scores) > 1:
        figures.legend(ax, loc="best")
    return ax


def score_table(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    ylabel: str = "trained on",
    xlabel: str = "tested on",
    title: str = "",
    low: float | None = None,
    high: float = 1.0,
    ax: Axes | None = None,
) -> Axes:
    """Mean scores as a table whose cells are the darker the better, with 95 % half widths.

    Args:
        scores: row -> column -> one score a seed, at least two; every row has the same columns.
        ylabel, xlabel: what rows and columns are.
        low, high: the scores that are white and darkest; ``low`` is the lowest mean by default.

    Raises:
        ValueError: if there is nothing to show, or rows differ in their columns.
    """
    columns = list(next(iter(scores.values()), {}))
    if not columns or any(list(row) != columns for row in scores.values()):
        raise ValueError(
            "scores must have at least one row, and all the same columns in the same order; got "
            f"{ {name: list(row) for name, row in scores.items()} }."
        )
    cells = [[metrics.mean_interval(row[name]) for name in columns] for row in scores.values()]
    means = np.array([[cell.mean for cell in row] for row in cells])
    low = means.min() if low is None else low
    shade = 0.05 + 0.75 * np.clip((means - low) / max(high - low, 1e-9), 0, 1)
    painted = SEQUENTIAL(shade)[..., :3]
    ax = figures.new_axes(ax, min(8.5, 2.4 + 1.0 * len(columns)), 1.3 + 0.55 * len(scores))
    ax.imshow(painted, aspect="auto")
    for row, column in np.ndindex(means.shape):
        text = f"{means[row, column]:.2f}\n± {cells[row][column].half_width:.2f}"
        figures.write_cell(ax, row, column, text, painted[row, column], size=9.0)
    figures.split_cells(ax, *means.shape)
    figures.frame(ax, title, xlabel, ylabel)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)
    return ax
