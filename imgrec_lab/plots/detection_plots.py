"""How good a detector is; ``plots.precision_recall`` and ``plots.error_breakdown``.

What it found on one picture is ``plots.detections``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import BLUE, INK, PALETTE, VERMILLION

_MEANING = {  # of the kinds of metrics.detection_errors
    "class": "right place, wrong class",
    "location": "right class, box does not fit",
    "both": "wrong class, box does not fit",
    "duplicate": "a second box for one object",
    "background": "nothing is there",
    "missed": "an object nobody found",
}
_NAME = "name of a curve"  # marks the texts that stand at the right
_LINE_HEIGHT = 0.065  # of such a text, in units of precision


def precision_recall(
    precision: Tensor,
    recall: Tensor,
    *,
    average_precision: float | None = None,
    name: str = "",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Precision against recall, from the surest detection to the least sure.

    The thin zigzag is what was measured. The thick steps are the best precision at that recall or
    any higher one: the area below them, shaded, is the average precision. Call again with the same
    ``ax`` and a name for each curve: each gets a colour, and its name at the right.

    Args:
        precision, recall: (M,) after each detection, best score first.
        average_precision: written into the title, or behind the name.
        name: of this curve, where there are several.

    Raises:
        ValueError: if the two differ in length, leave [0, 1], or recall falls.
    """
    precision, recall = _checked_curve(precision, recall)
    ax = figures.new_axes(ax, 5.6, 3.8)
    score = "" if average_precision is None else f"AP {average_precision:.3f}"
    if title or not ax.lines:
        text = title or ": ".join(filter(None, ["Precision and recall", "" if name else score]))
        figures.frame(
            ax, text, "recall (fraction of objects found)", "precision (fraction of boxes right)",
            grid="both",
        )  # fmt: skip
        ax.set(xlim=(0, 1.01), ylim=(0, 1.03))
    color = PALETTE[sum(line.get_marker() == "o" for line in ax.lines) % len(PALETTE)]
    steps = np.maximum.accumulate(precision[::-1])[::-1]  # best at this recall or a higher one
    _draw_steps(ax, steps, recall, color, fill=not name)
    label = ", ".join(filter(None, [name, score])) if name else "_unnamed"
    ax.plot(recall, precision, "o-", color=color, lw=0.9, ms=_dot(len(recall)), mew=0, label=label)
    _name_curves(ax)
    return ax


def error_breakdown(
    counts: Mapping[str, int],
    gains: Mapping[str, float],
    *,
    title: str = "",
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """How often each kind of error happens, and what AP50 would win if it were gone.

    The two need not agree: many wrong boxes of low score cost little, a few missed objects much.

    Args:
        counts: kind of error -> how many, such as ``metrics.detection_errors(...).counts``.
        gains: kind of error -> AP50 won by correcting that kind alone, a fraction; kinds that have
            no gain, such as "correct", are not drawn.
        title: the line above the left panel.
        axes: two axes to draw on.

    Returns:
        The two ``Axes``: counts, gains.

    Raises:
        ValueError: if there is no gain, or one whose count is not known.
    """
    kinds = list(gains)
    if not kinds or not set(kinds) <= set(counts):
        raise ValueError(
            "counts must hold all kinds of error that gains holds, one at least; got "
            f"{list(counts)} and {kinds}. Try errors.counts and errors.ap50_gain."
        )
    axes = figures.row_of_axes(axes, 1.1 + 0.48 * len(kinds), widths=(1, 1))
    _bars(axes[0], [counts[kind] for kind in kinds], "{:,.0f}", VERMILLION)
    _bars(axes[1], list(gains.values()), "{:+.3f}", BLUE)
    figures.frame(axes[0], title or "Errors made", "number of errors", "kind of error", grid="x")
    figures.frame(axes[1], "What correcting them would win", "AP50 won (fraction)", "", grid="x")
    rows = [f"{kind}\n{_MEANING[kind]}" if kind in _MEANING else kind for kind in kinds]
    axes[0].set_yticks(range(len(kinds)), rows, fontsize=8.5)
    axes[1].set_yticks([])
    return axes


def _checked_curve(precision: Tensor, recall: Tensor) -> tuple[np.ndarray, np.ndarray]:
    precision, recall = (
        torch.as_tensor(values).detach().cpu().double() for values in (precision, recall)
    )
    if precision.ndim != 1 or precision.shape != recall.shape:
        raise ValueError(
            "precision and recall must both have shape (M,); got "
            f"{tuple(precision.shape)} and {tuple(recall.shape)}."
        )
    both = torch.cat([precision, recall])
    if not ((both >= 0) & (both <= 1)).all() or (recall.diff() < 0).any():  # NaN fails too
        raise ValueError(
            "precision and recall must lie in [0, 1] and recall must never fall; got precision "
            f"{precision.tolist()[:5]} and recall {recall.tolist()[:5]}, ... "
            "Rank the detections first: metrics.precision_recall."
        )
    return precision.numpy(), recall.numpy()


def _draw_steps(ax: Axes, steps: np.ndarray, recall: np.ndarray, color: str, *, fill: bool) -> None:
    """The curve without its dents, and the area below it."""
    if len(steps):
        edges = np.concatenate([[0.0], recall])
        if fill:
            ax.stairs(steps, edges, fill=True, color=color, alpha=0.14)
        x, y = [*edges, edges[-1]], [steps[0], *steps, 0]  # down to 0 where recall ends
        ax.plot(x, y, drawstyle="steps-pre", color=color, lw=2)


def _dot(count: int) -> float:
    """Size of the dots of a curve: a crowd needs none."""
    return 3.5 if count <= 60 else 0


def _name_curves(ax: Axes) -> None:
    """Names at the right, in the order of the curves' ends, none above another."""
    for text in [text for text in ax.texts if text.get_gid() == _NAME]:
        text.remove()
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    ends = [(line.get_ydata()[-1:].sum(), line.get_xdata()[-1:].sum(), line) for line in lines]
    floor = np.inf
    for y, x, line in sorted(ends, key=lambda end: (-end[0], end[1])):
        floor = min(y, floor - _LINE_HEIGHT)
        ax.annotate(
            line.get_label(), (x, y), (1.04, floor), fontsize=8.5, color=INK,
            va="center", annotation_clip=False, gid=_NAME,
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "lw": 0.8},
        )  # fmt: skip


def _bars(ax: Axes, values: Sequence[float], form: str, color: str) -> None:
    """Bars from the top down, each with its number at the end; NaN has neither."""
    known = np.nan_to_num(values)
    reach = np.abs(known).max() or 1
    ax.barh(range(len(known)), known, height=0.62, color=color)
    for place, value in enumerate(values):
        text = "not known" if np.isnan(value) else form.format(value).replace("-", "\N{MINUS SIGN}")
        x = max(known[place], 0) + 0.02 * reach
        ax.text(x, place, text, va="center", fontsize=8.5, color=INK)
    ax.set_ylim(len(known) - 0.4, -0.6)
    ax.set_xlim(min(0, *known), 1.2 * reach)
