"""What a dense detector is asked and what it answers; ``plots.assignment``, ``plots.dense_scores``.

A dense detector answers at every location of several grids laid over the picture, one grid a
stride. Both figures show one panel a stride.
"""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from torch import Tensor

from imgrec_lab.plots import figures
from imgrec_lab.plots.box_plots import show_boxes
from imgrec_lab.plots.figures import INK, MUTED, PAGE_INCHES, PALETTE

_MARKERS = "osD^vPXp"  # of the boxes in turn: none is known by its colour alone
_HEAT = figures.ramp("#FFFFFF00", "#56B4E9A0", "#0072B2D0", "#00253BF0")  # clear where nothing is


def assignment(
    image: Tensor,
    points: Tensor,
    strides: Tensor,
    assigned: Tensor,
    boxes: Tensor,
    names: Sequence[str] | None = None,
    *,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Which location answers for which box, one panel a stride.

    A small dot is a location that answers "nothing here"; a large mark bears colour and shape of
    the box it answers for. A box is drawn thick where any location of the panel answers for it.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        points: (A, 2) x and y, pixels.
        strides: (A,) pixels.
        assigned: (A,) int64, the index of a box or -1, as ``detect.assign`` gives.
        boxes: (M, 4) xyxy pixels.
        names: M texts; default the numbers of the boxes.
        axes: one a stride to draw on.

    Returns:
        The ``Axes``, finest stride first.

    Raises:
        ValueError: if a shape is wrong, or a location answers for a box that is not there.
    """
    points, strides = _checked_grid(points, strides)
    assigned, boxes = torch.as_tensor(assigned).cpu(), torch.as_tensor(boxes).cpu()
    if assigned.shape != strides.shape:
        raise ValueError(
            f"assigned must hold one index for each of the {len(strides)} locations; got shape "
            f"{tuple(assigned.shape)}. For one picture of a batch use assigned[0]."
        )
    if len(assigned) and not -1 <= assigned.min() <= assigned.max() < len(boxes):
        raise ValueError(
            f"assigned must be -1 (nothing) or the index of one of {len(boxes)} boxes; got "
            f"{int(assigned.min())}..{int(assigned.max())}."
        )
    names = [f"box {number}" for number in range(len(boxes))] if names is None else names
    if len(names) != len(boxes):
        raise ValueError(f"names must be one a box: {len(boxes)}; got {len(names)}.")
    colors = [PALETTE[1 + box % 5] for box in range(len(boxes))]
    picture = _pale(image)
    axes = _panels(picture, strides, axes)
    for ax, stride in zip(axes, strides.unique(), strict=True):
        here = strides == stride
        xy, owner = points[here] - 0.5, assigned[here]  # imshow counts from centres
        busy = int((owner >= 0).sum())
        _show(ax, picture, f"stride {stride:g}: {busy} of {len(owner):,} answer")
        apart = float(stride) / picture.shape[1] * ax.bbox.width * 72 / ax.figure.dpi  # points
        _draw_marks(ax, xy, owner, colors, apart)
        _draw_boxes(ax, boxes, names, colors, torch.isin(torch.arange(len(boxes)), owner))
    return axes


def dense_scores(
    image: Tensor,
    scores: Tensor,
    points: Tensor,
    strides: Tensor,
    *,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """How sure every location is that it sees something, as cells over the picture.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        scores: (A, K) probabilities of the classes, of which the highest counts, or (A,).
        points: (A, 2) x and y, pixels: cell centres, row by row for each stride.
        strides: (A,) pixels.
        axes: one a stride to draw on.

    Returns:
        The ``Axes``, finest stride first.

    Raises:
        ValueError: if a shape is wrong, or scores are no probabilities.
    """
    points, strides = _checked_grid(points, strides)
    scores = torch.as_tensor(scores).detach().cpu().float()
    if scores.ndim not in (1, 2) or len(scores) != len(strides) or 0 in scores.shape:
        raise ValueError(
            f"scores must have shape (A, K) or (A,) with A = {len(strides)}; got "
            f"{tuple(scores.shape)}. For one picture of a batch use scores[0]."
        )
    if not ((scores >= 0) & (scores <= 1)).all():  # NaN fails too
        raise ValueError(
            f"scores must be probabilities; got {scores.min():.3g} to {scores.max():.3g}. "
            "For logits use logits.sigmoid()."
        )
    best = scores if scores.ndim == 1 else scores.amax(dim=1)  # (A,)
    colors = ScalarMappable(Normalize(0, 1), _HEAT)
    picture = _pale(image)
    axes = _panels(picture, strides, axes, share=0.88)
    for ax, stride in zip(axes, strides.unique(), strict=True):
        xy, cells = points[strides == stride], best[strides == stride]
        (left, top), (right, bottom) = xy.amin(dim=0).tolist(), xy.amax(dim=0).tolist()
        rows, columns = len(xy[:, 1].unique()), len(xy[:, 0].unique())
        _show(ax, picture, f"stride {stride:g}: {rows} × {columns}, best {cells.max():.2f}")
        half = float(stride) / 2
        extent = (left - half - 0.5, right + half - 0.5, bottom + half - 0.5, top - half - 0.5)
        grid = cells.reshape(rows, columns).numpy()
        ax.imshow(grid, cmap=_HEAT, norm=colors.norm, extent=extent, interpolation="nearest")
        ax.set(xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
    figures.color_bar(axes[-1], colors, "highest class probability")
    return axes


def _checked_grid(points: Tensor, strides: Tensor) -> tuple[Tensor, Tensor]:
    points, strides = torch.as_tensor(points).cpu(), torch.as_tensor(strides).cpu()
    if strides.ndim != 1 or points.shape != (len(strides), 2) or not len(strides):
        raise ValueError(
            "points must have shape (A, 2) and strides (A,), with one location or more; got "
            f"{tuple(points.shape)} and {tuple(strides.shape)}. Try detect.locations."
        )
    return points, strides


def _panels(
    picture: np.ndarray, strides: Tensor, axes: Sequence[Axes] | None, *, share: float = 0.97
) -> np.ndarray:
    """One panel a stride; pictures take up ``share`` of the width."""
    count = len(strides.unique())
    height, width, _ = picture.shape
    inches = share * PAGE_INCHES / count * min(height / width, 1.5) + 0.33
    return np.atleast_1d(figures.row_of_axes(axes, inches, widths=[1] * count))


def _pale(image: Tensor) -> np.ndarray:
    """(C, H, W) -> (H, W, 3) in light greys, so that marks stand out."""
    grey = figures.paint_picture(image).mean(axis=2, keepdims=True)
    return np.repeat(0.45 + 0.55 * grey, 3, axis=2)


def _show(ax: Axes, picture: np.ndarray, title: str) -> None:
    ax.imshow(picture, interpolation="antialiased")
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    ax.set_axis_off()


def _draw_marks(ax: Axes, xy: Tensor, owner: Tensor, colors: Sequence[str], apart: float) -> None:
    """A dot for each location that answers for nothing, the mark of its box for each other."""
    for box in owner.unique().tolist():
        x, y = xy[owner == box].T
        if box < 0:
            ax.plot(x, y, ".", color=MUTED, ms=min(2.5, 0.3 * apart), mew=0)
        else:
            marker, size = _MARKERS[box % len(_MARKERS)], min(6.0, max(2.5, 0.7 * apart))
            ax.plot(x, y, marker, color=colors[box], ms=size, mec=INK, mew=0.1 * size)


def _draw_boxes(
    ax: Axes, boxes: Tensor, names: Sequence[str], colors: Sequence[str], answered: Tensor
) -> None:
    """Thick with a name where a location answers for a box; dotted where none does."""
    for chosen, style in ((~answered, ":"), (answered, "-")):
        places = chosen.nonzero()[:, 0].tolist()
        inks = [colors[place] for place in places]
        texts = [names[place] for place in places] if style == "-" else None
        show_boxes(None, boxes[places], texts, colors=inks, linestyle=style, ax=ax)
