"""Scores under many conditions at a glance; reached as ``plots.score_table``."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from imgrec_lab import metrics
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK, SEQUENTIAL


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
