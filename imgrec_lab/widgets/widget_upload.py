"""Predict your own picture: from a file or from an upload; reached as ``widgets.name``."""

import html
import io
import os
from collections.abc import Sequence

import torch
from ipywidgets import HTML, FileUpload, HBox
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from torch import Tensor, nn

from imgrec_lab import plots, train
from imgrec_lab.datasets import image_files
from imgrec_lab.plots import figures
from imgrec_lab.widgets.widget_parts import Panel, picture_widget, png


def predict_picture(
    model: nn.Module,
    picture: bytes | str | os.PathLike | Image.Image,
    classes: Sequence[str],
    *,
    image_size: tuple[int, int] = (32, 32),
    channels: int = 3,
) -> Tensor:
    """Class probabilities of one picture of any size and format.

    The largest centre part of the right shape is taken and made as small as the network expects.

    Args:
        picture: a path, the bytes of a file, or a Pillow image.
        classes: K names, as many as the model has outputs.
        image_size: (height, width) in pixels of the pictures that the model was trained on.
        channels: 3 for colour, 1 for grey.

    Returns:
        (K,) on the CPU.

    Raises:
        ValueError: if the picture cannot be read, or the model has another number of outputs.
    """
    return _predict(model, _read(picture, image_size, channels), classes)


def predict_upload(
    model: nn.Module,
    classes: Sequence[str],
    *,
    image_size: tuple[int, int] = (32, 32),
    channels: int = 3,
) -> Panel:
    """Upload a picture; see what the network sees and how sure it is.

    Args:
        classes: K names, as many as the model has outputs.
        image_size: (height, width) in pixels of the pictures that the model was trained on.
        channels: 3 for colour, 1 for grey.

    Returns:
        Panel with the parts ``upload, message`` and ``picture``.

    Raises:
        ValueError: if the model has another number of outputs than there are classes.
    """
    _predict(model, torch.zeros(channels, *image_size, dtype=torch.uint8), classes)
    upload = FileUpload(accept="image/*", multiple=False, description="Choose a picture",
                        layout={"width": "170px"})  # fmt: skip
    message = HTML("Any photograph will do; it goes to this notebook's kernel and nowhere else.")
    picture = picture_widget(display="none")

    def show(change: dict) -> None:
        for name, data in _uploads(upload.value):
            try:
                seen = _read(data, image_size, channels)
            except ValueError as error:
                reason = str(error).replace("these bytes", name, 1)
                message.value = (
                    f'<span style="color:{plots.VERMILLION}">{html.escape(reason)}</span>'
                )
                picture.layout.display = "none"
                continue
            picture.value = png(_answer_figure(seen, _predict(model, seen, classes), classes))
            picture.layout.display = "block"
            message.value = html.escape(f"{name}, made {image_size[0]} × {image_size[1]} pixels")

    upload.observe(show, "value")
    return Panel(
        [HBox([upload, message]), picture], upload=upload, message=message, picture=picture
    )


def _uploads(value: dict | tuple) -> list[tuple[str, bytes]]:
    """Names and contents of the files, from ``FileUpload.value`` of ipywidgets 7 or 8."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def _read(
    picture: bytes | str | os.PathLike | Image.Image, image_size: tuple[int, int], channels: int
) -> Tensor:
    if isinstance(picture, Image.Image):
        buffer = io.BytesIO()
        ImageOps.exif_transpose(picture).save(buffer, "TIFF")  # lossless, in any mode
        picture = buffer.getvalue()
    return image_files.read_image(picture, image_size=image_size, channels=channels)


def _predict(model: nn.Module, image: Tensor, classes: Sequence[str]) -> Tensor:
    """(C, H, W) uint8 -> (K,) probabilities."""
    batch = (image[None].float() / 255, torch.zeros(1, dtype=torch.int64))
    probs = train.predict(model, [batch])[0]
    if len(probs) != len(classes):
        raise ValueError(
            f"classes must name every output of the model: it has {len(probs)} outputs; "
            f"got {len(classes)} names."
        )
    return probs


def _answer_figure(seen: Tensor, probs: Tensor, classes: Sequence[str]) -> Figure:
    figure = Figure(figsize=(7.0, 2.6), dpi=figures.DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    plots.show_images(seen[None], title="What the network sees", ax=left)
    plots.probabilities(probs, classes, ax=right)
    return figure
