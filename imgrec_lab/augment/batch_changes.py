"""Changes of a batch by given amounts, one number a picture or one for all; nothing is drawn.

Several in a row resample the pictures several times; a ``Policy`` joins them.
"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from imgrec_lab.augment import degradations, geometry, mixing
from imgrec_lab.augment.checking import check_images
from imgrec_lab.augment.colors import Colors
from imgrec_lab.augment.draws import Draw
from imgrec_lab.augment.geometry import Border
from imgrec_lab.augment.mixing import Mix


def flip(images: Tensor, mirrored: Tensor | bool = True) -> Tensor:
    """Left and right exchanged, where ``mirrored`` (N,) bool.

    Args:
        images: here and below (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.

    Returns:
        here and below, new images of the same shape and type.
    """
    draw = _nothing(images)
    return draw.moved(geometry.mirror(_each(mirrored, draw).bool(), draw.image_size)).images(images)


def translate(images: Tensor, right_px: Tensor | float = 0, down_px: Tensor | float = 0,
              *, border: Border = "reflect") -> Tensor:  # fmt: skip
    """Moved by ``right_px`` and ``down_px`` (N,) pixels; below 0 to the left and up."""
    draw = _nothing(images)
    offset = torch.stack([_each(right_px, draw), _each(down_px, draw)], dim=1)
    return draw.moved(geometry.translation(offset)).images(images, border=border)


def rotate(images: Tensor, degrees: Tensor | float, *, border: Border = "reflect") -> Tensor:
    """Turned clockwise about the centre by ``degrees`` (N,)."""
    draw = _nothing(images)
    maps = geometry.rotation(_each(degrees, draw), draw.image_size)
    return draw.moved(maps).images(images, border=border)


def scale(images: Tensor, factor: Tensor | float, *, border: Border = "reflect") -> Tensor:
    """Enlarged ``factor`` (N,) times about the centre, at least 0.01; below 1 made smaller."""
    draw = _nothing(images)
    factor = _each(factor, draw, least=0.01)
    return draw.moved(geometry.scaling(factor, draw.image_size)).images(images, border=border)


def crop(images: Tensor, boxes: Tensor) -> Tensor:
    """What lies inside ``boxes`` (N, 4) xyxy pixels, enlarged to the size of the pictures.

    Raises:
        ValueError: if boxes are not (N, 4), or one has no area.
    """
    draw = _nothing(images)
    boxes = _boxes(boxes, draw)
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError(f"boxes must not be empty, to be enlarged; got {boxes.tolist()[:2]} ...")
    return draw.moved(geometry.window(boxes.double(), draw.image_size)).images(images)


def brightness(images: Tensor, factor: Tensor | float) -> Tensor:
    """Every value times ``factor`` (N,), limited to the range of the images."""
    draw = _nothing(images)
    return _recolored(draw, draw.colors_so_far.brighter(_each(factor, draw)), images)


def contrast(images: Tensor, factor: Tensor | float) -> Tensor:
    """Distances from the picture's mean grey times ``factor`` (N,)."""
    draw = _nothing(images)
    return _recolored(draw, draw.colors_so_far.contrasted(_each(factor, draw)), images)


def saturation(images: Tensor, factor: Tensor | float) -> Tensor:
    """Distances of each pixel from its own grey times ``factor`` (N,); 0 leaves no colour."""
    draw = _nothing(images)
    return _recolored(draw, draw.colors_so_far.saturated(_each(factor, draw)), images)


def blur(images: Tensor, sigma_px: Tensor | float) -> Tensor:
    """Blurred by a Gaussian of standard deviation ``sigma_px`` (N,), pixels."""
    draw = _nothing(images)
    return replace(draw, sigma_px=_each(sigma_px, draw, least=0)).images(images)


def noise(images: Tensor, std: Tensor | float, *, seed: int = 0) -> Tensor:
    """Normal noise of standard deviation ``std`` (N,), as a fraction of white."""
    draw = _nothing(images)
    return degradations.add_noise(images, _each(std, draw, least=0), seed=seed)


def cutout(images: Tensor, boxes: Tensor) -> Tensor:
    """A grey box over each picture: ``boxes`` (N, 4), xyxy whole pixels."""
    return degradations.cover_(images.clone(), _boxes(boxes, _nothing(images)))


def mixup(
    images: Tensor, labels: Tensor, partners: Tensor, shares: Tensor | float, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Each picture blended with another of the batch.

    Args:
        images: (N, C, H, W).
        labels: (N,) int64, or soft (N, K).
        partners: (N,) int64, the other picture's row.
        shares: (N,) or one, how much remains of the own picture, 0 to 1.
        num_classes: K.

    Returns:
        images (N, C, H, W), labels (N, K) float32.
    """
    draw = _nothing(images)
    _check_pairs(labels, partners, draw.count)
    shares = _each(shares, draw, least=0, most=1)
    return mixing.blend(images, labels, Mix(partners.long(), shares, None, num_classes))


def cutmix(
    images: Tensor, labels: Tensor, partners: Tensor, boxes: Tensor, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """A box of another picture pasted into each.

    Args:
        images, labels, partners, num_classes: as for ``mixup``.
        boxes: (N, 4) int64 xyxy pixels inside the pictures.

    Returns:
        images (N, C, H, W), labels (N, K) float32, weighed by the pixels of each.
    """
    draw = _nothing(images)
    _check_pairs(labels, partners, draw.count)
    boxes = _boxes(boxes, draw)
    pasted = degradations.covered(boxes, draw.image_size).double().mean(dim=(1, 2))
    return mixing.blend(images, labels, Mix(partners.long(), 1 - pasted, boxes, num_classes))


def _nothing(images: Tensor) -> Draw:
    """A draw for these images in which nothing happens yet."""
    check_images(images)
    return Draw(image_size=tuple(images.shape[2:]), count=len(images))


def _each(
    amount: Tensor | float, draw: Draw, *, least: float = -math.inf, most: float = math.inf
) -> Tensor:
    """One number a picture: (N,) float64 on the CPU."""
    amounts = torch.as_tensor(amount, dtype=torch.float64, device="cpu")
    if amounts.shape not in ((), (draw.count,)):
        raise ValueError(
            f"an amount must be one number or one for each of {draw.count} images; got shape "
            f"{tuple(amounts.shape)}."
        )
    if not (amounts.isfinite() & (amounts >= least) & (amounts <= most)).all():
        raise ValueError(
            f"amounts must be finite numbers from {least:g} to {most:g}; got {amounts.tolist()}."
        )
    return amounts.expand(draw.count)


def _boxes(boxes: Tensor, draw: Draw) -> Tensor:
    """One box a picture: (N, 4) on the CPU."""
    boxes = boxes.cpu()
    if boxes.shape != (draw.count, 4) or not (boxes[:, 2:] >= boxes[:, :2]).all():
        raise ValueError(
            f"boxes must have shape {(draw.count, 4)}, x1 up to x2 and y1 up to y2; got "
            f"{tuple(boxes.shape)}: {boxes.tolist()[:2]} ..."
        )
    return boxes


def _check_pairs(labels: Tensor, partners: Tensor, count: int) -> None:
    if len(labels) != count or partners.shape != (count,) or partners.is_floating_point():
        raise ValueError(
            f"labels and partners must be one for each of {count} images, partners whole numbers; "
            f"got {tuple(labels.shape)} and {partners.dtype} {tuple(partners.shape)}."
        )
    if not ((partners >= 0) & (partners < count)).all():
        raise ValueError(
            f"partners must be rows of the batch, 0 to {count - 1}; got {partners.tolist()}."
        )


def _recolored(draw: Draw, colors: Colors, images: Tensor) -> Tensor:
    return replace(draw, colors=colors).images(images)
