"""The augmentation explorer: before, after, and what else the draw could have been."""

import html
import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import torch
from ipywidgets import HTML, BoundedIntText, Button, Dropdown, FloatSlider, HBox
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from imgrec_lab import plots
from imgrec_lab.augment import Policy
from imgrec_lab.box_ops import Target
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK, MUTED, PAGE_INCHES
from imgrec_lab.widgets.augmentation_examples import (
    CHOICES,
    EVERYTHING,
    Example,
    draw_examples,
    make_steps,
)
from imgrec_lab.widgets.widget_parts import Panel, picture_widget, png

Names = Sequence[str] | None  # of the classes
_LINES = '<div style="line-height: 1.5">{}<br><code>{}</code></div>'
_COLORS = [plots.PALETTE[at] for at in (1, 4, 5, 6, 3, 2)]  # of the boxes, in turn
_MOVING = ("translate", "rotate", "scale", "crop", "cutout", EVERYTHING)


# ---------------------------------------------------------------------------------------- controls


def augmentation_explorer(image: Tensor, target: Target, *, classes: Names = None) -> Panel:
    """Choose a transform, strength and probability; see picture, boxes and masks move together.

    Args:
        image: (C, H, W) uint8, or float in [0, 1], C = 1 or 3, at least 8 x 8 pixels.
        target: its boxes, labels and, where known, masks; there may be no boxes.
        classes: K names, written on the boxes.

    Returns:
        Panel with the parts ``transform, strength, p, number, again, min_visibility, box_shape,
        picture`` and ``message``.

    Raises:
        TypeError, ValueError: if image, target or classes do not fit.
    """
    draw_examples(image, target, Policy([]), seed=0, count=1)  # errors now, not at the first move
    if min(image.shape[1:]) < 8:
        raise ValueError(f"image must be at least 8 x 8 pixels; got {tuple(image.shape[1:])}.")
    if classes is not None:
        figures.check_labels(target["labels"], classes)
    panel = _controls()
    parts = panel.parts

    def draw(change: dict | None = None) -> None:
        _show(parts, image, target, classes)

    def choose(change: dict | None = None) -> None:
        parts.strength.unobserve(draw, "value")  # its value changes twice, one picture is drawn
        _fit(parts, image, target)
        parts.strength.observe(draw, "value")
        draw()

    parts.transform.observe(choose, "value")
    for control in (parts.p, parts.number, parts.min_visibility, parts.box_shape):
        control.observe(draw, "value")
    number = parts.number
    parts.again.on_click(lambda button: number.set_trait("value", number.value % number.max + 1))
    choose()
    return panel


def _controls() -> Panel:
    parts = {
        "transform": Dropdown(options=list(CHOICES), value="rotate", description="transform"),
        "strength": FloatSlider(),
        "p": FloatSlider(value=1, max=1, step=0.05, description="probability p"),
        "number": BoundedIntText(value=7, min=1, max=9999, description="draw number"),
        "again": Button(description="Draw again"),
        "min_visibility": FloatSlider(value=0.1, max=1, step=0.05, description="min_visibility"),
        "box_shape": Dropdown(options=["rectangle", "ellipse"], description="box shape"),
    }
    sizes = ((250, 90), (322, 148), (250, 84), (148, 90), (98, None), (322, 148), (250, 84))
    for part, (width, label) in zip(parts.values(), sizes, strict=True):
        part.layout.width, part.layout.flex = f"{width}px", "0 0 auto"
        if label:
            part.style.description_width = f"{label}px"
    rows, picture, message = [*parts.values()], picture_widget(), HTML()
    boxes = [HBox(row, layout={"flex_flow": "row wrap"}) for row in (rows[:3], rows[3:])]
    return Panel([*boxes, picture, message], **parts, picture=picture, message=message)


def _fit(parts: SimpleNamespace, image: Tensor, target: Target) -> None:
    """Give the controls the range that the chosen transform needs, and hide the others."""
    name, slider, boxes = parts.transform.value, parts.strength, len(target["boxes"])
    _, unit, most, start = CHOICES[name]
    most = min(most, min(image.shape[1:]) / 4) if name == "blur" else most  # the blur must fit in
    slider.value, slider.max, slider.step = 0, most, most / 20
    slider.value, slider.description = min(start, most), f"strength ({unit})"
    for part, needed in (
        (slider, unit),
        (parts.min_visibility, boxes and name in _MOVING),
        (parts.box_shape, boxes and name in ("rotate", EVERYTHING)),
    ):
        part.layout.visibility = "visible" if needed else "hidden"


def _show(parts: SimpleNamespace, image: Tensor, target: Target, classes: Names) -> None:
    """Draw anew, and say in words what was drawn."""
    steps = make_steps(parts.transform.value, parts.strength.value, parts.p.value)
    visible, shape = parts.min_visibility.value, parts.box_shape.value
    policy = Policy(steps, min_visibility=visible, box_shape=shape)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small tensors are done before a second thread has a core
    try:
        examples = draw_examples(image, target, policy, seed=parts.number.value)
        parts.picture.value = png(_sheet(image, target, examples, classes))
    finally:
        torch.set_num_threads(threads)
    code = ", ".join(f"augment.{step}" for step in steps)
    parts.message.value = _LINES.format(_sentence(examples[0], target, classes), code)


def _sentence(example: Example, target: Target, classes: Names) -> str:
    happened, total = "; ".join(example.words) or "nothing", len(example.shares)
    names = [classes[at] for at in target["labels"]] if classes else range(1, total + 1)
    lost = [
        f"{html.escape(str(names[at]))} ({share:.2f} of its box in view)"
        for at, share in enumerate(example.shares.tolist())
        if at not in example.kept
    ]
    left_out = f"; left out: {', '.join(lost)}" if lost else ""
    left = f" {len(example.kept)} of {total} boxes are left{left_out}." if total else ""
    return f"<b>Drawn:</b> {happened}.{left}"


# ------------------------------------------------------------------------------------------ figure


def _sheet(image: Tensor, target: Target, examples: Sequence[Example], names: Names) -> Figure:
    """Before, after and histogram in a row; below, the further draws."""
    tall = min(image.shape[1] / image.shape[2], 1.25)
    inches = (2.62 * tall, PAGE_INCHES / (len(examples) - 1) * tall + 0.3)  # the heights of rows
    total = sum(inches) + 0.8
    figure = Figure(figsize=(PAGE_INCHES, total), dpi=figures.DPI)
    figure.subplots_adjust(0.003, 0.003, 0.985, 1 - 0.3 / total, 0.03, 1 / sum(inches))
    before, after, values, strip = figure.subplot_mosaic(
        [["before", "after", ".", "values"], ["strip"] * 4],
        width_ratios=(2.62, 2.62, 0.42, 2.28), height_ratios=inches,
    ).values()  # fmt: skip
    colors = [_COLORS[at % len(_COLORS)] for at in range(len(target["boxes"]))]
    first, own = examples[0], [[colors[at] for at in example.kept] for example in examples]
    _paint(before, image, target, colors, names)
    _paint(after, first.image, first.target, own[0], names)
    _mark(before, after, first)
    plots.pixel_histogram(image, first.image, title="Pixels", ax=values)
    _paint_strip(strip, examples[1:], own[1:])
    return figure


def _paint(ax: Axes, image: Tensor, target: Target, colors: Sequence[str], names: Names) -> None:
    """A picture with boxes, names and the outlines of masks."""
    texts = None if names is None else [names[label] for label in target["labels"]]
    plots.show_boxes(image, target["boxes"], texts, colors=colors, title=ax.get_label(), ax=ax)
    ax.set_autoscale_on(False)
    for mask, color in zip(target.get("masks", ()), colors, strict=False):
        if mask.any() and not mask.all():
            ax.contour(mask.float(), [0.5], colors=color, linewidths=1.1)


def _mark(before: Axes, after: Axes, example: Example) -> None:
    """Dashed: in the old picture what the new one shows, in the new one the boxes left out."""
    if example.corners is not None:
        x, y = (example.corners[[0, 1, 2, 3, 0]] - 0.5).T.numpy()  # imshow counts from centres
        before.plot(x, y, "--", color="white", gapcolor=INK, lw=1.4)
    lost = example.shares > 0
    lost[example.kept] = False
    texts = [f"{share:.2f} in view" for share in example.shares[lost].tolist()]
    plots.show_boxes(None, example.moved[lost], texts, colors="white", linestyle="--", ax=after)


def _paint_strip(ax: Axes, examples: Sequence[Example], colors: Sequence[Sequence[str]]) -> None:
    """Further draws side by side, each with its boxes and what happened."""
    tiles = figures.rgb(torch.stack([example.image for example in examples]))  # (n, H, W, 3)
    for tile, example, own in zip(tiles, examples, colors, strict=True):
        for box, color in zip(example.target["boxes"].tolist(), own, strict=True):
            _draw_box(tile, box, to_rgb(color))
    words = [example.words for example in examples]
    texts = [{0: "unchanged", 1: "".join(w)}.get(len(w), f"{len(w)} changes") for w in words]
    title = f"{len(words)} further draws, {sum(map(bool, words))} of them changed"
    inks = [INK if happened else MUTED for happened in words]
    images = torch.from_numpy(tiles).permute(0, 3, 1, 2)
    plots.show_images(images, texts, title_colors=inks, title=title, ax=ax)


def _draw_box(tile: np.ndarray, box: Sequence[float], color: Sequence[float]) -> None:
    """Into the pixels of ``tile`` (H, W, 3)."""
    (left, top), (right, bottom) = map(math.floor, box[:2]), map(math.ceil, box[2:])
    part, line = tile[top:bottom, left:right], -(-tile.shape[1] // 128)
    inside = part[line:-line, line:-line].copy()
    part[:] = color
    part[line:-line, line:-line] = inside
