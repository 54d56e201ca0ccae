"""Boxes on pictures; reached as ``plots.show_boxes``."""

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from torch import Tensor

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK, PALETTE

_POINTS = 8.0  # of the names
_LINE = 1.5 * _POINTS  # height of a name with its background, points
_CHARACTER = 0.58 * _POINTS  # mean width, points

Rect = tuple[float, float, float, float]


def show_boxes(
    image: Tensor,
    boxes: Tensor,
    names: Sequence[str] | None = None,
    *,
    colors: str | Sequence[str] | None = None,
    linestyle: str = "-",
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A picture with its boxes; each name stands where it hides no other name.

    Args:
        image: (C, H, W) uint8, or float in [0, 1]; None adds boxes to what ``ax`` shows already.
        boxes: (M, 4) xyxy pixels, half-open, so a box runs along the edges of pixels.
        names: M texts, such as class names with scores; None writes nothing.
        colors: one for all boxes or one a box; default a colour for each different name.
        linestyle: "-" or "--", to tell two annotators or truth and prediction apart.
        title: the line above.
        ax: axes to draw on.

    Raises:
        ValueError: if boxes are not (M, 4), or names or colours are not one a box.
    """
    boxes = torch.as_tensor(boxes).detach().cpu().float()
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"boxes must have shape (M, 4); got {tuple(boxes.shape)}. For one box use box[None]."
        )
    colors = _one_each(colors, names, len(boxes))
    if names is not None and len(names) != len(boxes):
        raise ValueError(f"names must be one a box: {len(boxes)}; got {len(names)}.")
    if image is not None:
        picture = figures.paint_picture(image)
        height, width = picture.shape[:2]
        ax = figures.new_axes(ax, 4.2, 4.2 * height / width + 0.35)
        ax.imshow(picture, interpolation="nearest" if width < 400 else "antialiased")
        ax.set_axis_off()
        ax.set_title(title, loc="left", fontsize=11, color=INK)
    elif ax is None:
        raise ValueError("image must be a picture, or ax must be axes that show one; got neither.")
    for (x1, y1, x2, y2), color in zip(boxes.tolist(), colors, strict=True):
        corner, sides = (x1 - 0.5, y1 - 0.5), (x2 - x1, y2 - y1)  # imshow counts from centres
        ax.add_patch(Rectangle(corner, *sides, fill=False, ec=color, lw=1.8, ls=linestyle))
    if names is not None:
        _write_names(ax, boxes.tolist(), names, colors)
    return ax


def _one_each(
    colors: str | Sequence[str] | None, names: Sequence[str] | None, count: int
) -> list[str]:
    if colors is None:
        different = list(dict.fromkeys(names or []))
        return [
            PALETTE[1 + different.index(name) % (len(PALETTE) - 1)] for name in names or []
        ] or [PALETTE[1]] * count
    colors = [colors] * count if isinstance(colors, str) else list(colors)
    if len(colors) != count:
        raise ValueError(f"colors must be one for all boxes or one a box: {count}; got {colors}.")
    return colors


def _write_names(
    ax: Axes, boxes: Sequence[Sequence[float]], names: Sequence[str], colors: Sequence[str]
) -> None:
    right, left = sorted(ax.get_xlim(), reverse=True)
    bottom, top = sorted(ax.get_ylim(), reverse=True)
    pixel = (right - left) / (ax.bbox.width * 72 / ax.figure.dpi)  # picture pixels a point
    placed: list[Rect] = []
    for box, name, color in zip(boxes, names, colors, strict=True):
        size = (len(name) * _CHARACTER + 5) * pixel, _LINE * pixel
        place = _free_place(box, size, (left, top, right, bottom), placed)
        placed.append(place)
        ink = "white" if sum(to_rgb(color)) < 1.4 else INK
        ax.text(
            place[0], place[3], f" {name} ", fontsize=_POINTS, color=ink, ha="left", va="bottom",
            bbox={"boxstyle": "square,pad=0.12", "fc": color, "ec": "none"}, in_layout=False,
        )  # fmt: skip


def _free_place(
    box: Sequence[float], size: tuple[float, float], limits: Rect, placed: Sequence[Rect]
) -> Rect:
    """The first place near a box, inside the picture, that hides none of ``placed``."""
    x1, y1, x2, y2 = box
    width, height = size
    left, top, right, bottom = limits
    places = []
    for y in (y1 - height, y2, y1 - 2 * height, y2 + height, y1):
        for x in (x1, x2 - width):
            x = max(left, min(x, right - width))
            if top <= y and y + height <= bottom:
                places.append((x, y, x + width, y + height))
    free = (place for place in places if not any(_overlap(place, other) for other in placed))
    return next(free, places[0] if places else (left, top, left + width, top + height))


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
