"""Figures: tensors and result rows in, matplotlib ``Axes`` out.

Every function draws on the ``ax`` it is given, or on a new figure, and returns what it drew on;
nothing is shown, because a notebook shows the figure at the end of its cell. Here are the figures
of results; those of training live in ``training_plots``, those of pictures and layers in
``image_plots``, and both are reached from here as well.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from imgrec_lab import metrics
from imgrec_lab.plots import figures
from imgrec_lab.plots.box_plots import show_boxes
from imgrec_lab.plots.comparison_plots import machines
from imgrec_lab.plots.dense_plots import assignment, dense_scores
from imgrec_lab.plots.detection_plots import error_breakdown, precision_recall
from imgrec_lab.plots.effect_plots import effects, pixel_histogram
from imgrec_lab.plots.figures import (
    BLUE,
    GREEN,
    HAIRLINE,
    INK,
    MUTED,
    ORANGE,
    PAGE_INCHES,
    PALETTE,
    SKY,
    VERMILLION,
)
from imgrec_lab.plots.found_objects import detections
from imgrec_lab.plots.image_plots import (
    feature_maps,
    filters,
    gradient_histogram,
    kernel_response,
    pixel_values,
    predictions,
    receptive_field,
    show_images,
)
from imgrec_lab.plots.ladder_plots import staircase
from imgrec_lab.plots.plan_plots import plan_sheet
from imgrec_lab.plots.roofline_plots import memory_bars, roofline
from imgrec_lab.plots.score_plots import score_table, sweep
from imgrec_lab.plots.training_plots import (
    curve_sheet,
    curves,
    descent,
    lines,
    range_test,
    rate_curve,
    time_split,
)

__all__ = [
    "BLUE", "GREEN", "ORANGE", "PALETTE", "SKY", "VERMILLION",
    "assignment", "class_accuracy", "compare", "confusion_matrix", "curve_sheet", "curves",
    "dense_scores", "descent", "detections", "effects", "error_breakdown", "feature_maps",
    "filters", "gradient_histogram", "kernel_response", "lines", "machines", "memory_bars",
    "pixel_histogram", "pixel_values", "plan_sheet", "precision_recall", "predictions",
    "probabilities", "range_test", "rate_curve", "receptive_field", "roofline", "score_table",
    "show_boxes", "show_images", "staircase", "sweep", "time_split",
]  # fmt: skip


def probabilities(
    probs: Tensor,
    classes: Sequence[str],
    *,
    top: int = 5,
    label: int | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """The likeliest classes of one picture as bars.

    Args:
        probs: (K,), sums to 1.
        classes: K names.
        top: how many to show.
        label: the true class, where it is known: its bar is blue, and a wrong first one is orange.

    Raises:
        ValueError: if the shape is wrong, probs are no probabilities, or label is out of range.
    """
    probs = torch.as_tensor(probs)
    if probs.ndim != 1:
        raise ValueError(
            f"probs must have shape (K,); got {tuple(probs.shape)}. "
            "For one picture of a batch use probs[0]."
        )
    values, order = figures.check_probs(probs[None], classes)[0].topk(min(top, len(classes)))
    values, order = values.tolist(), order.tolist()
    colors = [HAIRLINE] * len(order)
    colors[0] = BLUE if label is None else VERMILLION
    title = title or f"{classes[order[0]]}, probability {values[0]:.2f}"
    if label is not None:
        figures.check_labels(torch.tensor([label]), classes)
        colors = [BLUE if k == label else c for k, c in zip(order, colors, strict=True)]
        title += "" if order[0] == label else f" (is {classes[label]})"
    places = range(len(order))
    ax = figures.new_axes(ax, 4.6, 0.3 * len(order) + 1.1)
    ax.barh(places, values, height=0.72, color=colors)
    for place, value in zip(places, values, strict=True):
        ax.text(value + 0.015, place, f"{value:.3f}", va="center", fontsize=8.5, color=INK)
    figures.frame(ax, title, "probability", "class", grid="x")
    ax.set_yticks(places, [classes[k] for k in order], fontsize=9)
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlim(0, 1.15)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    return ax


def confusion_matrix(
    counts: Tensor, classes: Sequence[str], *, title: str = "", ax: Axes | None = None
) -> Axes:
    """How often each true class was taken for each class; right answers blue, mistakes orange.

    The deeper the colour, the larger the share of the row (on a square-root scale, so that rare
    mistakes are seen). Counts are written for up to 20 classes; zeros are left empty.

    Args:
        counts: (K, K), rows true classes, columns predicted classes.
        classes: K names.

    Raises:
        ValueError: if counts are not (K, K), or one is negative.
    """
    counts = _counts(counts, classes)
    num_classes = len(classes)
    share = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    blues, oranges = figures.ramp("white", BLUE)(share), figures.ramp("white", VERMILLION)(share)
    painted = np.where(np.eye(num_classes, dtype=bool)[..., None], blues, oranges)
    side = min(max(3.2, 0.42 * num_classes + 1.8), PAGE_INCHES - 0.5)
    ax = figures.new_axes(ax, side + 0.4, side)
    ax.imshow(painted, interpolation="nearest")
    if num_classes <= 20:
        for row, column in np.argwhere(counts).tolist():
            text = f"{counts[row, column]:.0f}"
            figures.write_cell(ax, row, column, text, painted[row, column], size=7.5)
    right, total = counts.trace(), counts.sum()
    title = title or f"{right:,.0f} of {total:,.0f} right ({right / max(total, 1):.3f})"
    figures.frame(ax, title, "predicted class (counts of images)", "true class")
    size = min(8.5, max(4.0, 170 / num_classes))
    ax.set_xticks(range(num_classes), classes, rotation=90, fontsize=size)
    ax.set_yticks(range(num_classes), classes, fontsize=size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    figures.split_cells(ax, num_classes, num_classes)
    return ax


def class_accuracy(
    counts: Tensor, classes: Sequence[str], *, title: str = "", ax: Axes | None = None
) -> Axes:
    """Accuracy of each class as bars, the worst on top, with its 95 % interval and image count.

    Args:
        counts: (K, K) confusion counts, rows true classes; a class without images is left out.
        classes: K names.

    Raises:
        ValueError: if counts are not (K, K), one is negative, or there are no images.

    Source of the interval: Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.
    """
    counts = _counts(counts, classes)
    images, right = counts.sum(axis=1), counts.diagonal()
    if not images.any():
        raise ValueError("counts must hold at least one image; all are zero.")
    present = np.flatnonzero(images)
    present = present[np.argsort(right[present] / images[present], kind="stable")]
    accuracy, count = right[present] / images[present], images[present]
    places = np.arange(len(present))
    ax = figures.new_axes(ax, 6.5, 0.27 * len(present) + 1.1)
    ax.barh(places, accuracy, height=0.7, color=SKY)
    ax.hlines(places, *_wilson(accuracy, count), color=INK, lw=1.2)
    for place in places:
        text = f"{accuracy[place]:.2f}  of {count[place]:,.0f}"
        ax.text(1.02, place, text, va="center", fontsize=8, color=MUTED)
    overall = right.sum() / images.sum()
    ax.axvline(overall, color=VERMILLION, lw=1.4, ls="--")
    label = f"accuracy (fraction right, 95 % interval; dashed: all images, {overall:.3f})"
    figures.frame(ax, title or "Accuracy of each class", label, "true class", grid="x")
    ax.set_yticks(places, [classes[index] for index in present], fontsize=8.5)
    ax.set_ylim(len(present) - 0.4, -0.6)
    ax.set_xlim(0, 1)
    return ax


def compare(
    rows: Mapping[str, Sequence[float]],
    *,
    parameters: Mapping[str, int] | None = None,
    xlabel: str = "test accuracy (fraction right)",
    ylabel: str = "variant",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Each row's scores over seeds as faint dots, their mean and its 95 % interval.

    The interval is ``metrics.mean_interval``: with three seeds it is wide, as it should be.

    Args:
        rows: name -> one score a seed; the first row is drawn on top.
        parameters: name -> number of parameters, written on an axis at the right.

    Raises:
        ValueError: if a row has no score, or the names of rows and parameters differ.
    """
    if not rows or not all(len(scores) for scores in rows.values()):
        counts = {name: len(scores) for name, scores in rows.items()}
        raise ValueError(f"rows must hold at least one score for each name; got {counts}.")
    if parameters is not None and set(parameters) != set(rows):
        raise ValueError(
            f"parameters must have the names of rows, {sorted(rows)}; got {sorted(parameters)}."
        )
    ax = figures.new_axes(ax, 7.2, 0.46 * len(rows) + 1.2)
    for place, scores in enumerate(rows.values()):
        _mean_and_seeds(ax, place, scores)
    seeds = sorted({len(scores) for scores in rows.values()})
    title = title or f"Mean and 95 % interval over {' or '.join(map(str, seeds))} seeds"
    figures.frame(ax, title, xlabel, ylabel, grid="x")
    ax.margins(x=0.12)
    ax.set_yticks(range(len(rows)), list(rows), fontsize=9)
    ax.set_ylim(len(rows) - 0.5, -0.7)
    if parameters is not None:
        right = ax.secondary_yaxis("right")
        right.set_yticks(range(len(rows)), [_short(parameters[name]) for name in rows], fontsize=9)
        right.set_ylabel("parameters", fontsize=9.5, color=INK)
        right.tick_params(length=0, labelcolor=INK)
        right.spines["right"].set_visible(False)
    return ax


def _mean_and_seeds(ax: Axes, place: int, scores: Sequence[float]) -> None:
    # A single score says nothing about its spread.
    mean, half_width = metrics.mean_interval(scores) if len(scores) > 1 else (float(scores[0]), 0.0)
    ax.plot(scores, [place + 0.22] * len(scores), "o", color=MUTED, alpha=0.45, ms=4.5, mew=0)
    ax.hlines(place, mean - half_width, mean + half_width, color=BLUE, lw=2)
    ax.plot(mean, place, "D", color=BLUE, ms=6, mec="white", mew=0.8)
    text = f"{mean:.3f} ± {half_width:.3f}" if half_width else f"{mean:.3f}"
    ax.annotate(
        text, (mean, place), (0, 6), textcoords="offset points",
        ha="center", fontsize=8, color=INK, in_layout=False,
    )  # fmt: skip


def _wilson(accuracy: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    z = 1.96
    middle = (accuracy + z**2 / (2 * count)) / (1 + z**2 / count)
    spread = np.sqrt(accuracy * (1 - accuracy) / count + z**2 / (4 * count**2))
    half_width = z * spread / (1 + z**2 / count)
    return np.maximum(middle - half_width, 0), np.minimum(middle + half_width, 1)


def _short(number: int) -> str:
    """1234567 -> '1.23 M'."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number}"


def _counts(counts: Tensor, classes: Sequence[str]) -> np.ndarray:
    counts, size = torch.as_tensor(counts).detach().cpu(), len(classes)
    if counts.shape != (size, size) or (counts < 0).any():
        raise ValueError(
            f"counts must have shape (K, K) = ({size}, {size}), one row and column for each of "
            f"the {size} classes, none negative; got {tuple(counts.shape)}."
        )
    return counts.double().numpy()
