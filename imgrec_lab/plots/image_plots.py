"""Figures of pictures and of what layers do with them; all are reached as ``plots.name``.

Blue means right, vermillion means wrong; on signed values blue is positive, vermillion negative.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from imgrec_lab.plots import figures, picture_sheets
from imgrec_lab.plots.figures import (
    BLUE,
    MUTED,
    PAGE_INCHES,
    PALETTE,
    VERMILLION,
    array,
    color_scale,
    paint,
)


def show_images(
    images: Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    title_colors: Sequence[str] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A sheet of pictures, small ones enlarged by a whole number so that pixels stay square.

    Args:
        images: (N, C, H, W) uint8, or float in [0, 1]; C is 1 (grey) or 3 (RGB).
        titles: N captions, one above each picture.
        title_colors: N colours of the captions, such as ``plots.BLUE``.

    Raises:
        ValueError: if shape, range or the number of titles is wrong.
        TypeError: if images are neither uint8 nor float.
    """
    tiles = figures.rgb(images)
    for name, given in (("titles", titles), ("title_colors", title_colors)):
        if given is not None and len(given) != len(tiles):
            raise ValueError(
                f"{name} must have one entry for each of the {len(tiles)} images; got {len(given)}."
            )
    return picture_sheets.sheet(
        tiles, captions=titles, colors=title_colors, columns=columns, title=title, ax=ax
    )


def predictions(
    images: Tensor,
    labels: Tensor,
    probs: Tensor,
    classes: Sequence[str],
    *,
    columns: int = 6,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Pictures with the predicted class and its probability; a mistake also names the true class.

    Args:
        images: (N, C, H, W) uint8, or float in [0, 1].
        labels: (N,) true classes, 0..K-1.
        probs: (N, K), each row sums to 1.
        classes: K names.

    Raises:
        ValueError: if lengths differ, a label is out of range, or probs are no probabilities.
    """
    probs, labels = figures.check_probs(probs, classes), torch.as_tensor(labels).cpu()
    if not len(images) == len(labels) == len(probs):
        raise ValueError(
            "images, labels and probs must have the same length; "
            f"got {len(images)}, {len(labels)} and {len(probs)}."
        )
    figures.check_labels(labels, classes)
    confidences, guesses = probs.max(dim=1)
    right = (guesses == labels).tolist()
    captions = [
        f"{classes[guess]} {confidence:.2f}" + ("" if guess == label else f"\nis {classes[label]}")
        for guess, confidence, label in zip(
            guesses.tolist(), confidences.tolist(), labels.tolist(), strict=True
        )
    ]
    title = title or f"{sum(right)} of {len(right)} right; mistakes in orange, with the true class"
    colors = [BLUE if ok else VERMILLION for ok in right]
    return show_images(images, captions, columns=columns, title_colors=colors, title=title, ax=ax)


def pixel_values(image: Tensor, *, title: str = "", ax: Axes | None = None) -> Axes:
    """A tiny picture with its numbers written in its cells.

    Args:
        image: (C, H, W), at most 20 x 20. C = 1 may hold any numbers (signed ones are coloured);
            C = 3 must be uint8, or float in [0, 1], and shows red, green and blue in each cell.

    Raises:
        ValueError: if the shape is wrong or the picture too large to read.
    """
    image = torch.as_tensor(image).detach().cpu()
    painted = figures.paint_picture(image)
    height, width, _ = painted.shape
    if max(height, width) > 20:
        raise ValueError(
            f"pixel_values can be read up to 20 x 20 pixels; got {height} x {width}. "
            "Crop first: image[:, 10:18, 10:18]."
        )
    cell = min(0.62 if len(image) == 3 else 0.5, PAGE_INCHES / width)
    ax = figures.new_axes(ax, cell * width + 0.9, cell * height + 0.8)
    ax.imshow(painted)
    figures.write_numbers(ax, image.double().numpy(), painted)
    channels = "grey" if len(image) == 1 else "red, green, blue"
    dtype = str(image.dtype).removeprefix("torch.")
    figures.frame_picture(ax, title or f"{channels}, {dtype}, {height} × {width} pixels")
    return ax


def kernel_response(
    image: Tensor, kernel: Tensor, response: Tensor, *, axes: Sequence[Axes] | None = None
) -> np.ndarray:
    """Three panels: picture, kernel, response. Numbers are written where a panel is small.

    Args:
        image: (C, H, W) uint8, or float in [0, 1]; C = 1 may hold any numbers.
        kernel: (h, w).
        response: (H', W'), what sliding the kernel over the image gave.
        axes: three axes to draw on.

    Returns:
        The three ``Axes``.

    Raises:
        ValueError: if a shape is wrong or a number not finite.
    """
    image = torch.as_tensor(image).detach().cpu()
    kernel = array(kernel, "kernel", "(h, w)", hint="For conv.weight use weight[0, 0].")
    response = array(response, "response", "(H, W)", hint="Of an (N, C, H, W) result use [0, 0].")
    colors = color_scale(response, signed=True)
    panels = (
        ("picture", image.double().numpy(), figures.paint_picture(image)),
        ("kernel", kernel[None], paint(kernel, color_scale(kernel, signed=True))),
        ("response", response[None], paint(response, colors)),
    )
    axes = figures.row_of_axes(axes, 3.0, widths=(1, 0.62, 1.12))
    for ax, (name, values, painted) in zip(axes, panels, strict=True):
        channels, height, width = values.shape
        ax.imshow(painted, interpolation="nearest")
        if channels == 1 and max(height, width) <= 9:
            figures.write_numbers(ax, values, painted)
        figures.frame_picture(ax, f"{name}, {height} × {width}")
    figures.color_bar(axes[2], colors, "response")
    return axes


def feature_maps(
    maps: Tensor, *, columns: int = 8, title: str = "", ax: Axes | None = None
) -> Axes:
    """What each channel of a layer answers to one picture, all on one colour scale.

    Args:
        maps: (C, H, W) activations of one picture.

    Raises:
        ValueError: if the shape is wrong or a value not finite.
    """
    maps = array(maps, "maps", "(C, H, W)", hint="For one picture of a batch use maps[0].")
    channels, height, width = maps.shape
    colors = color_scale(maps)
    title = title or f"{channels} feature maps of {height} × {width}"
    names = [str(channel) for channel in range(channels)]
    tiles, muted = paint(maps, colors), [MUTED] * channels
    ax = picture_sheets.sheet(
        tiles, captions=names, colors=muted, columns=columns, title=title, ax=ax
    )
    figures.color_bar(ax, colors, "activation")
    return ax


def filters(weights: Tensor, *, columns: int = 8, title: str = "", ax: Axes | None = None) -> Axes:
    """The kernels of a convolution: colour pictures if it reads RGB, else one tile a channel.

    Args:
        weights: (O, I, h, w), such as ``conv.weight``. With I = 3, grey is zero. With any other
            I > 1, a row is an output channel and a column an input channel, the first 16 of each.

    Raises:
        ValueError: if the shape is wrong or a weight not finite.
    """
    weights = array(weights, "weights", "(O, I, h, w)", hint="Pass the weight of a Conv2d.")
    outputs, inputs, height, width = weights.shape
    title = title or f"{outputs} filters of {inputs} × {height} × {width}"
    if inputs == 3:
        tiles = 0.5 + weights.transpose(0, 2, 3, 1) / (2 * max(np.abs(weights).max(), 1e-12))
        return picture_sheets.sheet(tiles, columns=columns, title=title, ax=ax)
    shown = weights[:16, :16] if inputs > 1 else weights
    if shown.size < weights.size:
        title += f", the first {shown.shape[0]} × {shown.shape[1]} of them"
    columns = shown.shape[1] if inputs > 1 else columns
    colors = color_scale(weights, signed=True)
    tiles = paint(shown.reshape(-1, height, width), colors)
    ax = picture_sheets.sheet(tiles, columns=columns, title=title, ax=ax)
    figures.color_bar(ax, colors, "weight")
    return ax


def receptive_field(
    image: Tensor,
    sizes: Mapping[str, int],
    *,
    center: tuple[float, float] | None = None,
    title: str = "What one unit sees, by depth",
    ax: Axes | None = None,
) -> Axes:
    """The square of pixels that one unit can see, at several depths, drawn over the picture.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        sizes: layer name -> side of its receptive field in pixels, shallow to deep.
        center: (row, column) in pixels of the unit's centre; default the picture's middle.

    Raises:
        ValueError: if no size is given or one is below 1.
    """
    if not sizes or min(sizes.values()) < 1:
        raise ValueError(f"sizes must name at least one side of 1 px or more; got {dict(sizes)}.")
    painted = figures.paint_picture(image)
    height, width, _ = painted.shape
    row, column = center or ((height - 1) / 2, (width - 1) / 2)
    ax = figures.new_axes(ax, 6.2, 4.2)
    ax.imshow(painted, interpolation="nearest")
    for index, (name, side) in enumerate(sizes.items()):
        corner, color = (column - side / 2, row - side / 2), PALETTE[index % len(PALETTE)]
        label = f"{name}: {side} × {side} px"
        square = Rectangle(corner, side, side, fill=False, ec=color, lw=2.2, label=label)
        square.set_path_effects([patheffects.withStroke(linewidth=4, foreground="white")])
        ax.add_patch(square)
    reach = max(sizes.values()) / 2
    ax.set_facecolor("#EFEFEF")  # what lies outside the picture
    ax.set_xlim(min(0, column - reach + 0.5) - 1, max(width - 1, column + reach - 0.5) + 1)
    ax.set_ylim(max(height - 1, row + reach - 0.5) + 1, min(0, row - reach + 0.5) - 1)
    figures.frame_picture(ax, title)
    figures.legend(ax, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return ax


def gradient_histogram(
    image: Tensor, histograms: Tensor, *, title: str = "", ax: Axes | None = None
) -> Axes:
    """Histograms of gradient directions (HOG), one star of strokes a cell, over the picture.

    A stroke lies along the edge, at a right angle to the gradient; a longer one has more weight.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        histograms: (rows, columns, B), all >= 0; the cells tile the picture, and bin b counts
            gradient angles from b * 180/B to (b + 1) * 180/B degrees, x (right) towards y (down).

    Raises:
        ValueError: if the shape is wrong or a count negative.
    """
    counts = array(histograms, "histograms", "(rows, columns, B)", hint="B is the number of bins.")
    if counts.min() < 0:
        raise ValueError(f"histograms must not be negative; the smallest is {counts.min():.3g}.")
    painted = figures.paint_picture(image)
    height, width, _ = painted.shape
    rows, columns, bins = counts.shape
    ax = figures.new_axes(ax, 4.6, 4.6)
    ax.imshow(painted, interpolation="nearest", alpha=0.35)
    row, column, bin_ = (index.ravel() for index in np.indices(counts.shape))
    middle = np.stack(((column + 0.5) * width / columns, (row + 0.5) * height / rows), 1) - 0.5
    edge = (bin_ + 0.5) * np.pi / bins + np.pi / 2
    share = counts.ravel() / max(counts.max(), 1e-12)
    reach = 0.48 * min(height / rows, width / columns) * share[:, None]
    stroke = np.stack((np.cos(edge), np.sin(edge)), axis=1) * reach
    ends = np.stack((middle - stroke, middle + stroke), axis=1)  # (strokes, 2 ends, x and y)
    strokes = LineCollection(ends, colors=VERMILLION, linewidths=1.8, alpha=0.3 + 0.7 * share)
    ax.add_collection(strokes)
    figures.frame_picture(ax, title or f"Edge directions in {rows} × {columns} cells, {bins} bins")
    return ax
