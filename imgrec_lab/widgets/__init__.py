"""Things to move: a thin shell of ipywidgets over a pure function and a plot.

Each function here returns a ``Panel``: show it as the last line of a cell, or drive it from code
through its named parts, ``panel.parts.preset.value = "blur"``. Only what ipywidgets 7.7 (Colab)
and 8 do alike is used.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from ipywidgets import HTML, Dropdown, FloatText, HBox, IntSlider, VBox
from matplotlib.figure import Figure
from torch import Tensor, nn

from imgrec_lab import explain, plots
from imgrec_lab.plots import figures
from imgrec_lab.widgets.widget_annotator import annotator
from imgrec_lab.widgets.widget_augment import augmentation_explorer
from imgrec_lab.widgets.widget_boxes import iou_explorer
from imgrec_lab.widgets.widget_corrector import label_corrector
from imgrec_lab.widgets.widget_detection import precision_recall_explorer
from imgrec_lab.widgets.widget_live import LiveCurves
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png
from imgrec_lab.widgets.widget_planner import planner
from imgrec_lab.widgets.widget_signs import sign_explorer
from imgrec_lab.widgets.widget_suppression import nms_explorer
from imgrec_lab.widgets.widget_upload import predict_picture, predict_upload

__all__ = [
    "KERNELS", "OWN_KERNEL", "LiveCurves", "Panel", "annotator", "augmentation_explorer",
    "feature_map_explorer", "filter_image", "iou_explorer", "kernel_explorer", "label_corrector",
    "nms_explorer", "planner", "precision_recall_explorer", "predict_picture", "predict_upload",
    "sign_explorer",
]  # fmt: skip

KERNELS = {
    "identity": (0, 0, 0, 0, 1, 0, 0, 0, 0),
    "blur": (0.0625, 0.125, 0.0625, 0.125, 0.25, 0.125, 0.0625, 0.125, 0.0625),
    "sharpen": (0, -1, 0, -1, 5, -1, 0, -1, 0),
    "edge horizontal": (-1, -2, -1, 0, 0, 0, 1, 2, 1),
    "edge vertical": (-1, 0, 1, -2, 0, 2, -1, 0, 1),
    "emboss": (-2, -1, 0, -1, 1, 1, 0, 1, 2),
}
OWN_KERNEL = "my own"
MOST_MAPS = 32  # feature maps shown at once


# ---------------------------------------------------------------------------------- kernel explorer


def filter_image(image: Tensor, kernel: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Slide one kernel over the grey version of a picture.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        kernel: (h, w).
        stride: pixels from one window to the next.
        padding: zeros added on each side.

    Returns:
        (H', W') float, with H' = (H + 2 * padding - h) // stride + 1.
    """
    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    grey = pixels.mean(dim=0)[None, None]  # (1, 1, H, W)
    return F.conv2d(grey, kernel.float()[None, None], stride=stride, padding=padding)[0, 0]


def kernel_explorer(image: Tensor) -> Panel:
    """Edit the nine numbers of a kernel and see what it answers to a picture.

    Args:
        image: (C, H, W) uint8, or float in [0, 1], at least 3 x 3 pixels.

    Returns:
        Panel with the parts ``preset, stride, padding, picture, message`` and ``cells``, nine of
        them, row by row.

    Raises:
        ValueError: if the picture has another shape or is too small.
    """
    figures.paint_picture(image)
    if min(image.shape[1:]) < 3:
        raise ValueError(f"image must be at least 3 x 3 pixels; got {tuple(image.shape[1:])}.")
    preset = Dropdown(options=[*KERNELS, OWN_KERNEL], value="edge vertical", description="kernel")
    stride = Dropdown(options=[1, 2, 3], value=1, description="stride")
    padding = Dropdown(options=[0, 1, 2], value=0, description="padding")
    for choice in (preset, stride, padding):
        choice.layout.width, choice.style.description_width = "236px", "60px"
    cells = [FloatText(step=0.5, layout={"width": "76px"}) for _ in range(9)]
    picture, message = picture_widget(), HTML()

    def draw(change: dict | None = None) -> None:
        kernel = torch.tensor([cell.value for cell in cells]).reshape(3, 3)
        response = filter_image(image, kernel, stride=stride.value, padding=padding.value)
        figure, axes = fixed_row(7.4, 2.8, widths=(1, 0.55, 1), right=0.89, wspace=0.36)
        plots.kernel_response(image, kernel, response, axes=axes)
        picture.value = png(figure)
        message.value = _size_sentence(image, response, stride=stride.value, padding=padding.value)

    def edit(change: dict) -> None:
        numbers = tuple(cell.value for cell in cells)
        names = [name for name, kernel in KERNELS.items() if kernel == numbers]
        preset.value = names[0] if names else OWN_KERNEL
        draw()

    def choose(change: dict | None = None) -> None:
        numbers = KERNELS.get(preset.value)
        if numbers is None or numbers == tuple(cell.value for cell in cells):
            return
        for cell, number in zip(cells, numbers, strict=True):
            cell.unobserve(edit, "value")  # nine numbers change, one picture is drawn
            cell.value = number
            cell.observe(edit, "value")
        draw()

    for cell in cells:
        cell.observe(edit, "value")
    preset.observe(choose, "value")
    stride.observe(draw, "value")
    padding.observe(draw, "value")
    choose()
    grid = VBox([HBox(cells[row : row + 3]) for row in (0, 3, 6)])
    controls = VBox([preset, grid, stride, padding], layout={"flex": "0 0 250px"})
    return Panel(
        [HBox([controls, picture], layout={"align_items": "flex-start"}), message],
        preset=preset, cells=cells, stride=stride, padding=padding,
        picture=picture, message=message,
    )  # fmt: skip


def _size_sentence(image: Tensor, response: Tensor, *, stride: int, padding: int) -> str:
    height, width = image.shape[1:]
    rows, columns = response.shape
    return (
        f"Rows: ({height} + 2 · {padding} − 3) / {stride} + 1, rounded down, = <b>{rows}</b>. "
        f"Columns: ({width} + 2 · {padding} − 3) / {stride} + 1, rounded down, = <b>{columns}</b>."
    )


# ----------------------------------------------------------------------------- feature-map explorer


def feature_map_explorer(
    model: nn.Module,
    images: Tensor,
    *,
    labels: Tensor | None = None,
    classes: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
) -> Panel:
    """Choose a picture and a layer, and see what each channel of the layer answers.

    Args:
        model: has at least one ``nn.Conv2d``.
        images: (N, C, H, W) uint8, or float in [0, 1].
        labels: (N,) true classes, shown by name where ``classes`` is given too.
        classes: K names.
        layers: names of modules; default all convolutions.

    Returns:
        Panel with the parts ``index, layer`` and ``picture``.

    Raises:
        ValueError: if the model has no such layer, images have another shape, or labels do not
            fit images and classes.
    """
    figures.rgb(images[:1])
    names = _names(labels, classes, len(images))
    pixels = images.float() / 255 if images.dtype == torch.uint8 else images
    first = explain.feature_maps(model, pixels[:1], layers=layers)
    index = IntSlider(max=len(images) - 1, description="picture", continuous_update=False)
    options = [(f"{name}: {_by(maps[0])}", name) for name, maps in first.items()]
    layer = Dropdown(options=options, description="layer", layout={"width": "420px"})
    picture = picture_widget()

    def draw(change: dict | None = None) -> None:
        at, name = index.value, layer.value
        maps = explain.feature_maps(model, pixels[at : at + 1], layers=[name])[name][0]
        picture.value = png(_maps_figure(images[at], names[at], name, maps))

    index.observe(draw, "value")
    layer.observe(draw, "value")
    draw()
    return Panel([HBox([index, layer]), picture], index=index, layer=layer, picture=picture)


def _names(labels: Tensor | None, classes: Sequence[str] | None, count: int) -> list[str]:
    if labels is None or classes is None:
        return ["picture"] * count
    if len(labels) != count:
        raise ValueError(f"labels must have one entry for each of the {count} images; "
                         f"got {len(labels)}.")  # fmt: skip
    figures.check_labels(labels, classes)
    return [classes[label] for label in labels.tolist()]


def _maps_figure(image: Tensor, name: str, layer: str, maps: Tensor) -> Figure:
    shown = maps[:MOST_MAPS].float()
    title = f"{layer}: {_by(maps)}" + (f", the first {MOST_MAPS}" if len(shown) < len(maps) else "")
    rows = -(-len(shown) // 8)
    height = max(2.1, 0.92 * rows + 0.4)
    figure, (left, right) = fixed_row(
        8.5, height, widths=(1, 4.2), left=0.01, right=0.895, bottom=0.01, wspace=0.06
    )
    plots.show_images(image[None], title=name, ax=left)
    plots.feature_maps(shown, title=title, ax=right)
    left.set_anchor("NW")
    right.set_anchor("NW")
    return figure


def _by(maps: Tensor) -> str:
    channels, height, width = maps.shape
    return f"{channels} maps of {height} × {width}"
