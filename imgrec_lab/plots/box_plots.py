"""Boxes and masks on pictures; reached as ``plots.show_boxes``."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from imgrec_lab.plots import box_names, figures
from imgrec_lab.plots.figures import INK, PALETTE

_INCHES = 4.2  # width of a picture with few names
_SCORE = re.compile(r"\s+[01]?\.\d+$")  # at the end of a name


def show_boxes(
    image: Tensor,
    boxes: Tensor,
    names: Sequence[str] | None = None,
    *,
    colors: str | Sequence[str] | None = None,
    linestyle: str | Sequence[str] = "-",
    masks: Tensor | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A picture with its boxes; each name stands where it hides no other name.

    Args:
        image: (C, H, W) uint8, or float in [0, 1]; None adds boxes to what ``ax`` shows already.
        boxes: (M, 4) xyxy pixels, half-open, so a box runs along the edges of pixels.
        names: M texts, such as class names with scores; None writes nothing.
        colors: one for all boxes or one a box; default a colour for each different name, whatever
            score stands at its end.
        linestyle: such as "-" or "--", to tell two annotators or truth and prediction apart; one
            for all boxes or one a box.
        masks: (M, H, W) bool, filled thinly and outlined in the colours of the boxes.
        title: the line above.
        ax: axes to draw on.

    Raises:
        ValueError: if boxes are not (M, 4), or names, colours, line styles or masks are not one
            a box.
        TypeError: if masks are not bool.
    """
    boxes = torch.as_tensor(boxes).detach().cpu().float()
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"boxes must have shape (M, 4); got {tuple(boxes.shape)}. For one box use box[None]."
        )
    if names is not None and len(names) != len(boxes):
        raise ValueError(f"names must be one a box: {len(boxes)}; got {len(names)}.")
    colors = _colors_of(names, len(boxes)) if colors is None else colors
    colors = _one_each(colors, "colors", len(boxes))
    styles = _one_each(linestyle, "linestyle", len(boxes))
    if masks is not None:
        masks = _checked_masks(masks, image, len(boxes))
    if image is not None:
        ax = _show_picture(image, title, ax, crowded=len(names or ()) > 8)
    elif ax is None:
        raise ValueError("image must be a picture, or ax must be axes that show one; got neither.")
    if masks is not None:
        _paint_masks(ax, masks, colors)
    for (x1, y1, x2, y2), color, style in zip(boxes.tolist(), colors, styles, strict=True):
        corner, sides = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)  # imshow counts from centres
        ax.add_patch(Rectangle(corner, *sides, fill=False, ec=color, lw=1.8, ls=style))
    if names:
        box_names.write_names(ax, boxes.tolist(), names, colors)
    return ax


def _show_picture(image: Tensor, title: str, ax: Axes | None, *, crowded: bool) -> Axes:
    picture = figures.paint_picture(image)
    height, width = picture.shape[:2]
    inches = max(_INCHES, min(1.6, 1.3 * width / height) * _INCHES) if crowded else _INCHES
    ax = figures.new_axes(ax, inches, inches * height / width + 0.35)
    ax.imshow(picture, interpolation="nearest" if width < 400 else "antialiased")
    ax.set_axis_off()
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    return ax


def _colors_of(names: Sequence[str] | None, count: int) -> list[str]:
    """A colour for each different name; a score at its end makes no difference."""
    plain = [_SCORE.sub("", name) for name in names] if names else [""] * count
    different = list(dict.fromkeys(plain))
    return [PALETTE[1 + different.index(name) % (len(PALETTE) - 1)] for name in plain]


def _one_each(values: str | Sequence[str], what: str, count: int) -> list[str]:
    values = [values] * count if isinstance(values, str) else list(values)
    if len(values) != count:
        raise ValueError(f"{what} must be one for all boxes or one a box: {count}; got {values}.")
    return values


def _checked_masks(masks: Tensor, image: Tensor | None, count: int) -> np.ndarray:
    masks = torch.as_tensor(masks).detach().cpu()
    size = masks.shape[1:] if image is None else image.shape[1:]
    if masks.ndim != 3 or masks.shape != (count, *size):
        raise ValueError(
            f"masks must have shape (M, H, W), one for each of the {count} boxes and as large as "
            f"the picture; got {tuple(masks.shape)}. Of (M, 1, H, W) use masks[:, 0]."
        )
    if masks.dtype != torch.bool:
        raise TypeError(
            f"masks must be bool; got {masks.dtype}. For probabilities use masks > 0.5."
        )
    return masks.numpy()


def _paint_masks(ax: Axes, masks: np.ndarray, colors: Sequence[str]) -> None:
    """A thin tint inside each mask, and a line along its edge."""
    tint = np.zeros((*masks.shape[1:], 4))  # (H, W, RGBA)
    rows, columns = (np.arange(-1, side + 1) for side in masks.shape[1:])
    for mask, color in zip(masks, colors, strict=True):
        tint[mask] = (*to_rgb(color), 0.35)
        if mask.any():
            closed = np.pad(mask, 1).astype(float)  # the line runs along the picture's edge too
            ax.contour(columns, rows, closed, [0.5], colors=color, linewidths=1.4)
    height, width = masks.shape[1:]
    ax.imshow(tint, interpolation="nearest")
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
