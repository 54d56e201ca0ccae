"""What all figures share: palette, axes and frames, colours of numbers.

``plots`` and ``image_plots`` draw with this. No global style is touched: every size and colour is
set on the artist itself, so a figure looks alike in every notebook and on axes of the caller's own.
Colours are those of Okabe and Ito, which people with any common colour blindness can tell apart
(Okabe and Ito 2008, https://jfly.uni-koeln.de/color/).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.ticker import MaxNLocator
from torch import Tensor

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#F0E442", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW, BLACK)
INK, MUTED, HAIRLINE = "#222222", "#6B6B6B", "#D9D9D9"
DPI = 110  # screen pixels per inch of every figure made here
PAGE_INCHES = 8.5  # the widest figure: a notebook cell and GitHub show it unscaled


def ramp(*colors: str) -> LinearSegmentedColormap:
    """A colour map that passes through the named colours at equal steps."""
    return LinearSegmentedColormap.from_list("-".join(colors), colors)


DIVERGING = ramp("#7A3300", VERMILLION, "white", BLUE, "#003A5C")
SEQUENTIAL = ramp("white", SKY, BLUE, "#00253B")


def rgb(images: Tensor) -> np.ndarray:
    """(N, C, H, W) uint8, or float in [0, 1], with C = 1 or 3 -> (N, H, W, 3) float in [0, 1].

    Raises:
        ValueError: if the shape is another, or a float lies outside [0, 1].
        TypeError: if the dtype is neither uint8 nor float.
    """
    images = torch.as_tensor(images).detach().cpu()
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images must have shape (N, C, H, W) with N >= 1 and C = 1 or 3; got "
            f"{tuple(images.shape)}. For one picture use image[None]; for (N, H, W, C) use "
            "images.permute(0, 3, 1, 2)."
        )
    if images.dtype == torch.uint8:
        images = images.float() / 255
    elif not images.is_floating_point():
        raise TypeError(
            f"images must be uint8 (0..255) or float (0..1); got {images.dtype}. "
            "Try images.to(torch.uint8)."
        )
    low, high = images.min().item(), images.max().item()
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # written so that NaN fails too
        raise ValueError(
            f"float images must lie in [0, 1]; these reach from {low:.3g} to {high:.3g}. "
            "Divide 0..255 by 255; undo a normalisation before plotting."
        )
    images = images.float().clamp(0, 1).expand(-1, 3, -1, -1)
    return images.permute(0, 2, 3, 1).numpy()  # (N, H, W, 3)


def array(values: Tensor, name: str, shape: str, *, hint: str) -> np.ndarray:
    """A finite float array with as many dimensions as ``shape`` names.

    Raises:
        ValueError: if the number of dimensions is another, or a value is not finite.
    """
    values = torch.as_tensor(values).detach().cpu()
    if values.ndim != shape.count(",") + 1 or not values.numel():
        raise ValueError(f"{name} must have shape {shape}; got {tuple(values.shape)}. {hint}")
    numbers = values.double().numpy()
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite; it holds NaN or infinity. Did training diverge?")
    return numbers


def check_probs(probs: Tensor, classes: Sequence[str]) -> Tensor:
    """``probs`` as float32 (N, K) on the CPU.

    Raises:
        ValueError: if the shape is another, or a row is no probability distribution.
    """
    probs = torch.as_tensor(probs).detach().cpu().float()
    if probs.ndim != 2 or probs.shape[1] != len(classes):
        raise ValueError(
            f"probs must have one column for each of the {len(classes)} classes, shape (N, K); "
            f"got {tuple(probs.shape)}."
        )
    sums = probs.sum(dim=1)
    if not ((sums - 1).abs() < 1e-2).all() or probs.min() < 0:  # NaN fails too
        raise ValueError(
            f"probs must be >= 0 and sum to 1; a row sums to {sums[(sums - 1).abs().argmax()]:.3g}."
            " For logits use logits.softmax(dim=1)."
        )
    return probs


def check_labels(labels: Tensor, classes: Sequence[str]) -> None:
    """Raise ValueError if a label is not the index of a class."""
    if labels.numel() and not 0 <= labels.min() <= labels.max() < len(classes):
        raise ValueError(
            f"labels must lie in 0..{len(classes) - 1} for {len(classes)} classes; "
            f"got {int(labels.min())}..{int(labels.max())}."
        )


def paint_picture(image: Tensor) -> np.ndarray:
    """(C, H, W) -> (H, W, 3) colours; one channel may hold any numbers, signed ones are coloured.

    Raises:
        ValueError: if the shape is another, or three channels are no picture.
    """
    image = torch.as_tensor(image).detach().cpu()
    if image.ndim != 3:
        raise ValueError(
            f"image must have shape (C, H, W); got {tuple(image.shape)}. "
            "For (H, W) use image[None]; for one picture of a batch use images[0]."
        )
    if len(image) != 1 or image.dtype == torch.uint8:
        return rgb(image[None])[0]
    values = array(image[0], "image", "(H, W)", hint="")
    if values.min() < 0:
        return paint(values, color_scale(values))
    return np.repeat(values[..., None] / max(values.max(), 1.0), 3, axis=2)


def color_scale(values: np.ndarray, *, signed: bool = False) -> ScalarMappable:
    """White at zero, blue upwards; vermillion downwards where there are negative values."""
    signed = signed or values.min() < 0
    top = float(np.abs(values).max()) or 1.0
    norm = Normalize(-top if signed else 0, top)
    return ScalarMappable(norm, DIVERGING if signed else SEQUENTIAL)


def paint(values: np.ndarray, colors: ScalarMappable) -> np.ndarray:
    """(...) numbers -> (..., 3) colours."""
    return colors.cmap(colors.norm(values))[..., :3]


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """``ax`` itself, or axes on a new figure of this size in inches."""
    if ax is not None:
        return ax
    return plt.figure(figsize=(width, height), dpi=DPI, layout="constrained").subplots()


def row_of_axes(
    axes: Sequence[Axes] | None, height: float, *, widths: Sequence[float]
) -> np.ndarray:
    """``axes`` as an array, or a new row of axes as wide as the page.

    Raises:
        ValueError: if the number of axes is another than that of ``widths``.
    """
    if axes is None:
        figure = plt.figure(figsize=(PAGE_INCHES, height), dpi=DPI, layout="constrained")
        return figure.subplots(1, len(widths), width_ratios=widths)
    if len(axes) != len(widths):
        raise ValueError(f"axes must be {len(widths)} axes; got {len(axes)}.")
    return np.asarray(axes)


def grid_of_axes(count: int, *, columns: int, height: float) -> np.ndarray:
    """``count`` axes on a page-wide figure, row by row, each row ``height`` inches high."""
    columns = min(columns, count)
    rows = -(-count // columns)
    size = (PAGE_INCHES, height * rows)
    figure = plt.figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[count:]:
        ax.remove()
    return axes[:count]


def row_of_pictures(
    count: int, *, image_size: Sequence[int] = (1, 1), margin: float = 0.6
) -> list[Axes]:
    """``count`` axes without frames beside each other, as wide as the page.

    Args:
        image_size: (height, width) of the pictures; only their ratio counts.
        margin: for titles and captions, inches.
    """
    height, width = image_size
    inches = PAGE_INCHES / count * height / width + margin
    axes = grid_of_axes(count, columns=count, height=inches)
    for ax in axes:
        ax.set_axis_off()
    return list(axes)


def frame(ax: Axes, title: str, xlabel: str, ylabel: str, *, grid: str | None = None) -> None:
    """Title, axis labels with units and quiet spines; ``grid`` is "x", "y" or "both"."""
    ax.set_title(title, loc="left", fontsize=11, color=INK)
    ax.set_xlabel(xlabel, fontsize=9.5, color=INK)
    ax.set_ylabel(ylabel, fontsize=9.5, color=INK)
    ax.tick_params(labelsize=8.5, length=3, color=MUTED, labelcolor=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    if grid:
        ax.grid(axis=grid, color=HAIRLINE, lw=0.7)
        ax.set_axisbelow(True)


def frame_picture(ax: Axes, title: str) -> None:
    """The frame of a picture: pixel coordinates, whole numbers, no spines."""
    frame(ax, title, "column (px)", "row (px)")
    ax.spines[:].set_visible(False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))


def legend(ax: Axes, **place: Any) -> None:
    """A legend without a box; ``place`` goes to ``Axes.legend``."""
    ax.legend(fontsize=8.5, frameon=False, labelcolor=INK, **place)


def color_bar(ax: Axes, colors: ScalarMappable, label: str) -> None:
    """The key of a colour scale, at the right of ``ax``."""
    width, height = 12 / ax.bbox.width, min(1.0, 200 / ax.bbox.height)  # screen pixels
    bar = ax.figure.colorbar(
        colors, cax=ax.inset_axes((1 + 1.5 * width, 1 - height, width, height))
    )
    bar.set_label(label, fontsize=8.5, color=INK)
    bar.ax.tick_params(labelsize=8, length=2, color=MUTED, labelcolor=INK)
    bar.outline.set_edgecolor(HAIRLINE)


def split_cells(ax: Axes, rows: int, columns: int) -> None:
    """Thin lines between the cells of a drawn array."""
    ax.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, color="#ECECEC", lw=0.8)
    ax.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, color="#ECECEC", lw=0.8)


def write_numbers(ax: Axes, values: np.ndarray, painted: np.ndarray) -> None:
    """Write (C, H, W) values into the cells of a picture, C lines a cell."""
    whole = (values == np.round(values)).all()
    height, width = painted.shape[:2]
    size = min(9.0 if len(values) == 1 else 7.5, 130 / max(height, width))
    for row, column in np.ndindex(height, width):
        numbers = values[:, row, column]
        text = "\n".join(f"{number:.0f}" if whole else f"{number:.2f}" for number in numbers)
        write_cell(ax, row, column, text, painted[row, column], size=size)
    split_cells(ax, height, width)


def stack_bar(
    ax: Axes, place: float, parts: Mapping[str, float], colors: Iterable[str], *,
    write: Callable[[float], str], least: float, named: bool = True, **look: Any,
) -> None:  # fmt: skip
    """Parts side by side as one horizontal bar; those at least ``least`` long carry their size.

    ``named`` enters the parts in the legend; ``look`` goes to ``Axes.barh``.
    """
    start = 0.0
    for (name, length), color in zip(parts.items(), colors, strict=False):
        label = name if named else None
        ax.barh(place, length, left=start, color=color, ec="white", label=label, **look)
        if length >= least:
            middle, painted = start + length / 2, np.array(to_rgb(color))
            write_cell(ax, place, middle, write(length), painted, size=8.5)
        start += length


def write_cell(
    ax: Axes, row: float, column: float, text: str, color: np.ndarray, *, size: float
) -> None:
    """Write into one cell of a drawn array, in white or black, whichever its colour lets read."""
    ink = "white" if np.dot(color[:3], (0.299, 0.587, 0.114)) < 0.55 else INK
    ax.text(
        column, row, text.replace("-", "\N{MINUS SIGN}"), fontsize=size, color=ink,
        ha="center", va="center", in_layout=False,
    )  # fmt: skip
