"""Two boxes to move, and what they share; reached as ``widgets.iou_explorer``."""

from types import SimpleNamespace
from typing import NamedTuple

import torch
from ipywidgets import HTML, HBox, IntSlider, VBox
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from imgrec_lab import box_ops, plots, scenes
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import HAIRLINE, INK, PAGE_INCHES
from imgrec_lab.widgets.quick_pictures import Backdrop
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png

_COLORS = {"A": plots.BLUE, "B": plots.ORANGE}
_SIDES = ("x", "y", "width", "height")
_HATCH = {"hatch": "////", "ec": INK, "lw": 0.8}
_SEED = 0  # of the street where none is given


class Overlap(NamedTuple):
    """Two boxes held against each other; areas in square pixels."""

    shared: float
    union: float
    around: float  # the smallest box that holds both
    iou: float
    giou: float


def measure_overlap(box_a: Tensor, box_b: Tensor) -> Overlap:
    """Intersection, union and the box around both, and the ratios made of them.

    Args:
        box_a, box_b: (4,) xyxy pixels.
    """
    areas = box_ops.area(torch.stack([_shared(box_a, box_b), _around(box_a, box_b), box_a, box_b]))
    shared, around, area_a, area_b = areas.tolist()
    pair = box_a[None], box_b[None]
    union = area_a + area_b - shared
    return Overlap(shared, union, around, box_ops.iou(*pair).item(), box_ops.giou(*pair).item())


def iou_explorer(image: Tensor | None = None) -> Panel:
    """Move two boxes and see what they share, their IoU and their GIoU.

    Args:
        image: (C, H, W) uint8, or float in [0, 1], at least 8 x 8 pixels; default a drawn street
            with box A on a sign.

    Returns:
        Panel with the parts ``a_x, a_y, a_width, a_height, b_x, b_y, b_width, b_height, picture``
        and ``message``. Boxes have whole pixels, one at least, and stay inside the picture.

    Raises:
        ValueError: if the picture has another shape or is too small.
    """
    image, start = _with_a_box(image)
    backdrop, panel = Backdrop(image), _sliders(image, start)
    parts = panel.parts

    def draw(change: dict | None = None) -> None:
        boxes = [_box_of(parts, letter) for letter in "ab"]
        overlap = measure_overlap(*boxes)
        parts.picture.value = png(_overlap_figure(backdrop, *boxes, overlap))
        parts.message.value = _overlap_sentence(overlap)

    def grow(change: dict) -> None:
        for part in sliders:
            part.unobserve(draw, "value")  # the box may have to move too: one picture is drawn
        _keep_inside(parts, image)
        for part in sliders:
            part.observe(draw, "value")
        draw()

    sliders = [getattr(parts, f"{letter}_{side}") for letter in "ab" for side in _SIDES[:2]]
    for letter in "ab":
        for side in _SIDES[2:]:
            getattr(parts, f"{letter}_{side}").observe(grow, "value")
    grow({})
    return panel


def _with_a_box(image: Tensor | None) -> tuple[Tensor, list[int]]:
    """The picture, and x, y, width and height of the first box."""
    if image is None:
        scene = scenes.draw_streets(1, image_size=(128, 160), seed=_SEED)
        left, top, right, bottom = map(int, scene.targets[0]["boxes"][0].tolist())
        return scene.images[0], [left, top, right - left, bottom - top]
    figures.paint_picture(image)
    height, width = image.shape[1:]
    if min(height, width) < 8:
        raise ValueError(f"image must be at least 8 x 8 pixels; got {height} x {width}.")
    return image, [width // 4, height // 4, width // 3, height // 3]


def _sliders(image: Tensor, start: list[int]) -> Panel:
    """Four sliders for each box; B begins half a box to the side of A, where there is room."""
    x, y, width, height = start
    side = width // 2 if x + 3 * width // 2 <= image.shape[2] else -(width // 2)
    places = {"a": start, "b": [max(0, x + side), y + height // 3, width, height]}
    ends = (*image.shape[:0:-1], *image.shape[:0:-1])  # W, H, W, H
    parts = {}
    for letter, values in places.items():
        for side, value, end in zip(_SIDES, values, ends, strict=True):
            parts[f"{letter}_{side}"] = IntSlider(
                value=value, min=int(side in _SIDES[2:]), max=end,
                description=f"{letter.upper()} {side} (px)", layout={"width": "290px"},
                style={"description_width": "92px"},
            )  # fmt: skip
    columns = [VBox([parts[f"{letter}_{side}"] for side in _SIDES]) for letter in places]
    picture, message = picture_widget(), HTML()
    rows = [HBox(columns, layout={"flex_flow": "row wrap"}), picture, message]
    return Panel(rows, **parts, picture=picture, message=message)


def _keep_inside(parts: SimpleNamespace, image: Tensor) -> None:
    """A box that grows over the edge of the picture is pushed back."""
    height, width = image.shape[1:]
    for letter in "ab":
        for side, size, whole in (("x", "width", width), ("y", "height", height)):
            getattr(parts, f"{letter}_{side}").max = (
                whole - getattr(parts, f"{letter}_{size}").value
            )


def _box_of(parts: SimpleNamespace, letter: str) -> Tensor:
    x, y, width, height = (getattr(parts, f"{letter}_{side}").value for side in _SIDES)
    return torch.tensor([x, y, x + width, y + height], dtype=torch.float32)


def _shared(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat([torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])])


def _around(a: Tensor, b: Tensor) -> Tensor:
    return torch.cat([torch.minimum(a[:2], b[:2]), torch.maximum(a[2:], b[2:])])


def _overlap_figure(backdrop: Backdrop, box_a: Tensor, box_b: Tensor, overlap: Overlap) -> Figure:
    """The boxes on the picture, and their areas as bars."""
    tall = min(backdrop.height / backdrop.width, 1.1)
    figure, (left, right) = fixed_row(
        PAGE_INCHES, max(2.4, 4.1 * tall + 0.35), widths=(1, 0.85), left=0.005, wspace=0.28,
        right=0.97, bottom=0.02,
    )  # fmt: skip
    title = f"IoU {overlap.iou:.2f}, GIoU {overlap.giou:.2f}".replace("-", "\N{MINUS SIGN}")
    backdrop.show(left, title)
    plots.show_boxes(None, _around(box_a, box_b)[None], colors=INK, linestyle=":", ax=left)
    plots.show_boxes(
        None, torch.stack([box_a, box_b]), list(_COLORS), colors=list(_COLORS.values()), ax=left
    )
    if overlap.shared:
        x, y, end_x, end_y = (_shared(box_a, box_b) - 0.5).tolist()
        left.add_patch(Rectangle((x, y), end_x - x, end_y - y, **_HATCH, fill=False))
    _area_bars(right, overlap, *box_ops.area(torch.stack([box_a, box_b])).tolist())
    return figure


def _area_bars(ax: Axes, overlap: Overlap, area_a: float, area_b: float) -> None:
    """Two bars to one scale: what makes the union, and what makes the box around both."""
    shared, union, around, *_ = overlap
    pieces = (
        (0, 0, area_a - shared, {"fc": _COLORS["A"]}, "A only"),
        (0, area_a - shared, shared, {"fc": "white", **_HATCH}, "both"),
        (0, area_a, area_b - shared, {"fc": _COLORS["B"]}, "B only"),
        (1, 0, union, {"fc": HAIRLINE}, "union"),
        (1, union, around - union, {"fc": "white", "ec": INK, "ls": ":"}, "neither"),
    )
    for row, start, width, look, name in pieces:
        ax.barh(row, width, left=start, height=0.5, **look)
        if width > (0 if name == "both" else 0.13 * around):  # "both" stands below, alone
            y = row + (0.42 if name == "both" else -0.32)
            ax.text(start + width / 2, y, name, fontsize=8.5, ha="center", color=INK)
    figures.frame(ax, "Areas", "area (square pixels)", "", grid="x")
    ax.set_yticks((0, 1), ("union", "box\naround\nboth"))
    ax.set(ylim=(1.6, -0.7), xlim=(0, 1.02 * around))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    left, bottom, width, height = ax.get_position().bounds
    ax.set_position((left, bottom + 0.2 * height, width, 0.75 * height))


def _overlap_sentence(overlap: Overlap) -> str:
    shared, union, around, iou, giou = overlap
    return (
        f"intersection {shared:,.0f} px² / union {union:,.0f} px² = <b>IoU {iou:.2f}</b><br>"
        f"The smallest box around both has {around:,.0f} px², of which {around - union:,.0f} lie "
        f"in neither: {iou:.2f} − {around - union:,.0f} / {around:,.0f} = "
        f"<b>GIoU {giou:.2f}</b>".replace("-", "−")
    )
