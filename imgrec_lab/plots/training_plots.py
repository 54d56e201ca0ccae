"""Figures of training: curves, learning rates, ways downhill, where the time goes.

All are reached as ``plots.name``. Training is blue and round, validation orange and square.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import BLUE, INK, MUTED, ORANGE, PALETTE, VERMILLION

_UNITS = {"loss": "cross-entropy (nats)", "accuracy": "fraction right"}
_EMPTY_CORNER = {"loss": "upper right", "accuracy": "lower right"}  # the one falls, the other rises
_PARTS = (figures.SKY, figures.YELLOW, BLUE, ORANGE, figures.GREEN, figures.PURPLE)


def curves(
    history: Any, *, total_epochs: int | None = None, axes: Sequence[Axes] | None = None
) -> np.ndarray:
    """Loss and accuracy against epoch, for training and, where there is one, validation.

    Args:
        history: has ``epochs``, a sequence of rows with ``epoch, train_loss, val_loss,
            train_accuracy, val_accuracy``; the validation values may be None.
        total_epochs: fixes both axes while a run is still going, which may have no epoch yet.
        axes: two axes to draw on.

    Returns:
        The two ``Axes``: loss, accuracy.

    Raises:
        ValueError: if there is no epoch.
    """
    rows = list(history.epochs)
    if not rows and total_epochs is None:
        raise ValueError("history must hold at least one epoch; got none. Train first.")
    axes = figures.row_of_axes(axes, 3.1, widths=(1, 1))
    for ax, quantity in zip(axes, _UNITS, strict=True):
        _curves_of(ax, rows, quantity, title=quantity.capitalize())
        if ax.lines:
            figures.legend(ax, loc=_EMPTY_CORNER[quantity])
        if total_epochs is not None:
            ax.set_xlim(0.5, max(total_epochs, len(rows)) + 0.5)
            ax.set_ylim(0, None if quantity == "loss" and rows else 1)
    return axes


def rate_curve(history: Any, *, total_epochs: int | None = None, ax: Axes | None = None) -> Axes:
    """The learning rate at the end of each epoch.

    Args:
        history: has ``epochs``, a sequence of rows with ``epoch`` and ``lr``, which may be None.
        total_epochs: fixes the axis while a run is still going, which may have no epoch yet.
    """
    ax = figures.new_axes(ax, 4.2, 3.1)
    _curve(ax, history.epochs, "lr", color=VERMILLION, marker="D", label="rate")
    figures.frame(ax, "Learning rate", "epoch", "rate at the epoch's end", grid="both")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylim(bottom=0)
    if total_epochs is not None:
        ax.set_xlim(0.5, max(total_epochs, len(history.epochs)) + 0.5)
    return ax


def curve_sheet(
    runs: Mapping[str, Any],
    *,
    quantity: str = "loss",
    columns: int = 4,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """One small panel for each run, all on the same scale, to be compared at a glance.

    Args:
        runs: title -> a history, as ``curves`` takes it.
        quantity: "loss" or "accuracy".
        columns: panels in a row.
        axes: one for each run.

    Returns:
        The ``Axes``, one a run, in the order of ``runs``.

    Raises:
        ValueError: if there is no run, one has no epoch, or the quantity is unknown.
    """
    if quantity not in _UNITS:
        raise ValueError(f"quantity must be 'loss' or 'accuracy'; got {quantity!r}.")
    if not runs or not all(run.epochs for run in runs.values()):
        raise ValueError(
            f"runs must hold at least one run, each of an epoch or more; got {list(runs)}."
        )
    if axes is None:
        axes = figures.grid_of_axes(len(runs), columns=columns, height=2.0)
    # A run that went astray may lose a hundred times as much; the others must stay readable.
    first_losses = [run.epochs[0].train_loss for run in runs.values()]
    top = 1.0 if quantity == "accuracy" else 1.7 * float(np.median(first_losses))
    for ax, (title, run) in zip(axes, runs.items(), strict=True):
        _curves_of(ax, run.epochs, quantity, title=title)
        ax.set_ylim(0, 1.05 * top)
    figures.legend(axes[0], loc=_EMPTY_CORNER[quantity])
    return np.asarray(axes)


def lines(
    rows: Mapping[str, Any],
    *,
    x: Sequence[float] | None = None,
    xlabel: str = "step",
    ylabel: str = "loss of the batch (nats)",
    title: str = "",
    log_x: bool = False,
    smooth: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """One line for each row, named at the right; seeds as faint lines around their mean.

    Args:
        rows: name -> T values, or S x T values of S seeds.
        x: T places; default 1, 2, 3 and so on, so that rows may differ in length.
        log_x: factors, not differences, are equally far apart.
        smooth: each value becomes the mean of itself and those before it, so many in all.

    Raises:
        ValueError: if there is no row, or a row is empty or does not fit ``x``.
    """
    if not rows:
        raise ValueError("rows must hold at least one named row of values; got none.")
    ax = figures.new_axes(ax, 7.2, 3.4)
    for color, (name, values) in zip(itertools.cycle(PALETTE), rows.items(), strict=False):
        seeds = np.atleast_2d(np.asarray(values, dtype=float))
        if seeds.size == 0 or (x is not None and seeds.shape[1] != len(x)):
            raise ValueError(
                f"rows must hold a value for each x; {name!r} has shape {np.shape(values)} for "
                f"{len(x) if x is not None else 'at least 1'} places."
            )
        seeds = np.stack([_trailing_mean(seed, smooth) for seed in seeds])
        places = np.arange(1, seeds.shape[1] + 1) if x is None else np.asarray(x)
        if len(seeds) > 1:
            ax.plot(places, seeds.T, color=color, lw=0.8, alpha=0.3)
        marker = "o" if len(places) <= 12 else None
        ax.plot(places, seeds.mean(axis=0), color=color, lw=1.8, marker=marker, ms=4, label=name)
    figures.frame(ax, title, xlabel, ylabel, grid="both")
    if log_x:
        ax.set_xscale("log")
    if log_x and x is not None and len(x) <= 12:  # name the places that were tried, and no others
        ax.set_xticks(x, [f"{place:g}" for place in x])
        ax.minorticks_off()
    figures.legend(ax, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def range_test(test: Any, *, title: str = "", ax: Axes | None = None) -> Axes:
    """The loss against the rate that grew from step to step, and the rate that is suggested.

    Args:
        test: has ``lrs`` and ``losses``, one for each step, and ``suggestion``.

    Raises:
        ValueError: if there is no step, or rates and losses differ in number.
    """
    if len(test.lrs) != len(test.losses) or not test.lrs:
        raise ValueError(
            "test must have a loss for each of at least one rate; got "
            f"{len(test.lrs)} rates and {len(test.losses)} losses."
        )
    ax = figures.new_axes(ax, 6.4, 3.1)
    lowest = int(np.argmin(test.losses))
    ax.plot(test.lrs, test.losses, color=BLUE, lw=1.8)
    ax.plot(test.lrs[lowest], test.losses[lowest], "o", color=VERMILLION, ms=6, label="lowest loss")
    label = f"suggestion: a third of that rate, {test.suggestion:.2g}"
    ax.axvline(test.suggestion, color=VERMILLION, lw=1.4, ls="--", label=label)
    title = title or "The loss while the rate grows"
    figures.frame(ax, title, "learning rate (log scale)", "smoothed loss (nats)", grid="both")
    ax.set_xscale("log")
    figures.legend(ax, loc="upper left")
    ax.set_ylim(top=1.35 * max(test.losses))
    return ax


def descent(
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    paths: Mapping[str, Tensor],
    *,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """The ways that optimizers take down one landscape of two weights, a panel each.

    Args:
        loss_fn: two tensors of weights, of any one shape, to the losses, of that shape.
        paths: name -> (T, 2), the two weights before and after each step; T is at least 2.

    Returns:
        The ``Axes``, one a path.

    Raises:
        ValueError: if there is no path, or one has another shape.
    """
    shapes = {name: tuple(np.shape(path)) for name, path in paths.items()}
    if not paths or any(len(s) != 2 or s[0] < 2 or s[1] != 2 for s in shapes.values()):
        raise ValueError(f"paths must be (T, 2) with T >= 2, at least one; got {shapes}.")
    axes = figures.row_of_axes(axes, 2.9, widths=[1] * len(paths))
    points = np.concatenate([np.asarray(path) for path in paths.values()])
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    margin = 0.18 * max(right - left, top - bottom)
    across = np.linspace(left - margin, right + margin, 80)
    up = np.linspace(bottom - margin, top + margin, 80)
    first, second = np.meshgrid(across, up)
    height = loss_fn(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        path = np.asarray(path)
        ax.contour(
            first, second, height, levels=height.max() * np.linspace(0.02, 1, 12) ** 2,
            colors=MUTED, linewidths=0.6,
        )  # fmt: skip
        ax.plot(path[:, 0], path[:, 1], "o-", color=BLUE, ms=2.8, lw=1.2)
        ax.plot(*path[0], "o", color=INK, ms=6)
        ax.plot(*path[-1], "*", color=VERMILLION, ms=11, mec="white", mew=0.6)
        figures.frame(ax, f"{name}: {len(path) - 1} steps", "first weight", "second weight")
    return np.asarray(axes)


def time_split(
    runs: Mapping[str, Mapping[str, float]],
    *,
    claim: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """What share of its time each run spends on what, as one bar a run.

    Args:
        runs: name -> {part: seconds}; the same parts in each.
        claim: {part: fraction} that somebody claims, drawn on top.

    Raises:
        ValueError: if there is no run, parts differ, or a run took no time.
    """
    parts = list(next(iter(runs.values()), {}))
    everything = ([claim] if claim is not None else []) + list(runs.values())
    if not parts or any(set(row) != set(parts) or sum(row.values()) <= 0 for row in everything):
        raise ValueError(
            f"runs must all have the parts {parts} and seconds above 0; got {everything}."
        )
    bars = {"what is claimed": (claim, "")} if claim is not None else {}
    bars |= {name: (row, f"{sum(row.values()):.1f} s") for name, row in runs.items()}
    ax = figures.new_axes(ax, figures.PAGE_INCHES, 0.52 * len(bars) + 1.4)
    for place, (row, total) in enumerate(bars.values()):
        whole = sum(row.values())
        shares = {part: row[part] / whole for part in parts}
        figures.stack_bar(
            ax, place, shares, _PARTS, write="{:.0%}".format, least=0.035, named=place == 0,
            height=0.66,
        )  # fmt: skip
        ax.text(1.01, place, total, va="center", fontsize=8.5, color=INK)
    figures.frame(ax, title or "Where the time goes", "share of the run", "run")
    ax.set_yticks(range(len(bars)), list(bars), fontsize=9)
    ax.set_ylim(len(bars) - 0.45, -0.55)
    ax.set_xlim(0, 1)
    ax.xaxis.set_major_formatter("{x:.0%}")
    figures.legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.3), ncols=len(parts))
    return ax


def _curves_of(ax: Axes, rows: Sequence[Any], quantity: str, *, title: str) -> None:
    _curve(ax, rows, f"train_{quantity}", color=BLUE, marker="o", label="training")
    _curve(ax, rows, f"val_{quantity}", color=ORANGE, marker="s", label="validation")
    figures.frame(ax, title, "epoch", _UNITS[quantity], grid="both")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _curve(
    ax: Axes, rows: Sequence[Any], field: str, *, color: str, marker: str, label: str
) -> None:
    points = [(row.epoch, getattr(row, field)) for row in rows]
    points = [(epoch, value) for epoch, value in points if value is not None]
    if points:
        epochs, values = zip(*points, strict=True)
        size = 4 if len(points) <= 40 else 0
        ax.plot(epochs, values, color=color, marker=marker, ms=size, lw=1.8, label=label)


def _trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)
