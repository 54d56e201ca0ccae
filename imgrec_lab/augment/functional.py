"""Changes of a batch by given amounts, one number a picture or one for all; nothing is drawn.

Each function resamples or recolours the pictures once more; a ``Policy`` joins its steps first.
What is not a batch, and amounts that are not finite or not one for each picture, raise TypeError or
ValueError that say what to try.
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

# ------------------------------------------------------------------------------- where things stand


def flip(images: Tensor, mirrored: Tensor | bool = True) -> Tensor:
    """Left and right exchanged.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        mirrored: (N,) bool, the pictures that it happens to, or one for all.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    maps = geometry.mirror(_each(mirrored, draw).bool(), draw.image_size)
    return draw.moved(maps).images(images)


def translate(
    images: Tensor,
    right_px: Tensor | float = 0,
    down_px: Tensor | float = 0,
    *,
    border: Border = "reflect",
) -> Tensor:
    """Moved to the right and down.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        right_px, down_px: (N,) or one for all, pixels; below 0 to the left and up.
        border: what comes in from outside: the picture's mirror image ("reflect"), its edge
            drawn out ("edge"), or "grey".

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    offset_px = torch.stack([_each(right_px, draw), _each(down_px, draw)], dim=1)  # (N, 2)
    return draw.moved(geometry.translation(offset_px)).images(images, border=border)


def rotate(images: Tensor, degrees: Tensor | float, *, border: Border = "reflect") -> Tensor:
    """Turned clockwise about the centre.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        degrees: (N,) or one for all; below 0 counter-clockwise.
        border: what fills the corners: the picture's mirror image ("reflect"), its edge drawn out
            ("edge"), or "grey".

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    maps = geometry.rotation(_each(degrees, draw), draw.image_size)  # (N, 3, 3)
    return draw.moved(maps).images(images, border=border)


def scale(images: Tensor, factor: Tensor | float, *, border: Border = "reflect") -> Tensor:
    """Enlarged about the centre, in a frame that stays as it is.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        factor: (N,) or one for all, at least 0.01; below 1 things become smaller.
        border: what comes in from outside where they do: the picture's mirror image ("reflect"),
            its edge drawn out ("edge"), or "grey".

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    maps = geometry.scaling(_each(factor, draw, least=0.01), draw.image_size)  # (N, 3, 3)
    return draw.moved(maps).images(images, border=border)


def crop(images: Tensor, boxes: Tensor) -> Tensor:
    """What lies inside a box, enlarged to the size of the pictures.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        boxes: (N, 4) xyxy pixels, one for each picture, none without area.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    boxes = _boxes(boxes, draw)
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError(
            f"boxes must have an area to be enlarged; got {boxes.tolist()[:2]} ... Leave those "
            "pictures out, or give them their whole frame."
        )
    return draw.moved(geometry.window(boxes.double(), draw.image_size)).images(images)


# ------------------------------------------------------------------------------------------ colours


def brightness(images: Tensor, factor: Tensor | float) -> Tensor:
    """Every value times a factor, limited to the range of the images.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        factor: (N,) or one for all; 1 changes nothing.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    return _recolored(images, draw, draw.colors_so_far.brighter(_each(factor, draw).numpy()))


def contrast(images: Tensor, factor: Tensor | float) -> Tensor:
    """Distances from the picture's mean grey times a factor.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        factor: (N,) or one for all; 0 leaves one grey.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    return _recolored(images, draw, draw.colors_so_far.contrasted(_each(factor, draw).numpy()))


def saturation(images: Tensor, factor: Tensor | float) -> Tensor:
    """Distances of each pixel from its own grey times a factor.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        factor: (N,) or one for all; 0 leaves no colour.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    return _recolored(images, draw, draw.colors_so_far.saturated(_each(factor, draw).numpy()))


# -------------------------------------------------------------------- lens, sensor, things in front


def blur(images: Tensor, sigma_px: Tensor | float) -> Tensor:
    """Blurred by a Gaussian.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        sigma_px: (N,) or one for all, standard deviation in pixels; 0 leaves a picture sharp.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    return replace(draw, sigma_px=_each(sigma_px, draw, least=0)).images(images)


def noise(images: Tensor, std: Tensor | float, *, seed: int = 0) -> Tensor:
    """Normal noise added, independent for each value.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        std: (N,) or one for all, standard deviation as a fraction of white.
        seed: the same gives the same noise, for uint8 and floating point alike.

    Returns:
        New images of the same shape and type.
    """
    draw = _no_change(images)
    return degradations.add_noise(images, _each(std, draw, least=0), seed=seed)


def cutout(images: Tensor, boxes: Tensor) -> Tensor:
    """A grey box over each picture.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        boxes: (N, 4) xyxy whole pixels; a box without area covers nothing.

    Returns:
        New images of the same shape and type.
    """
    return degradations.cover_(images.clone(), _boxes(boxes, _no_change(images)))


# ------------------------------------------------------------------------------ two pictures in one


def mixup(
    images: Tensor, labels: Tensor, partners: Tensor, shares: Tensor | float, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Each picture blended with another of the batch, and their labels too.

    Args:
        images: (N, C, H, W) uint8, or floating point in [0, 1]; C = 1 or 3.
        labels: (N,) whole numbers below K, or soft (N, K).
        partners: (N,) int64, the other picture's row.
        shares: (N,) or one for all, how much remains of the own picture, 0 to 1.
        num_classes: K.

    Returns:
        New images of the same shape and type, labels (N, K) float32.

    Source: Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
    """
    draw = _no_change(images)
    _check_pairs(labels, partners, draw.count)
    shares = _each(shares, draw, least=0, most=1)
    return mixing.blend(images, labels, Mix(partners.long(), shares, None, num_classes))


def cutmix(
    images: Tensor, labels: Tensor, partners: Tensor, boxes: Tensor, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """A box of another picture of the batch pasted into each; labels count the pixels of both.

    Args:
        images, labels, partners, num_classes: as for ``mixup``.
        boxes: (N, 4) int64 xyxy pixels inside the pictures.

    Returns:
        New images of the same shape and type, labels (N, K) float32.

    Source: Yun et al. 2019, https://arxiv.org/abs/1905.04899.
    """
    draw = _no_change(images)
    _check_pairs(labels, partners, draw.count)
    boxes = _boxes(boxes, draw)
    pasted = degradations.covered(boxes, draw.image_size).double().mean(dim=(1, 2))  # (N,)
    return mixing.blend(images, labels, Mix(partners.long(), 1 - pasted, boxes, num_classes))


def _no_change(images: Tensor) -> Draw:
    """A draw for these images in which nothing happens; what does is added to it."""
    check_images(images)
    return Draw(image_size=tuple(images.shape[2:]), count=len(images))


def _each(
    amount: Tensor | float, draw: Draw, *, least: float = -math.inf, most: float = math.inf
) -> Tensor:
    """One number a picture: (N,) float64 on the CPU."""
    amounts = torch.as_tensor(amount, dtype=torch.float64, device="cpu")
    if amounts.shape not in ((), (draw.count,)):
        raise ValueError(
            f"an amount must be one number, or one for each of {draw.count} images; got shape "
            f"{tuple(amounts.shape)}. Try amounts.flatten()."
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
            f"boxes must have shape {(draw.count, 4)}, x1 <= x2 and y1 <= y2; got "
            f"{tuple(boxes.shape)}: {boxes.tolist()[:2]} ... For one box for all use "
            f"box.expand({draw.count}, 4)."
        )
    return boxes


def _check_pairs(labels: Tensor, partners: Tensor, count: int) -> None:
    if len(labels) != count or partners.shape != (count,) or partners.is_floating_point():
        raise ValueError(
            f"labels and partners must be one for each of {count} images, partners whole numbers; "
            f"got {tuple(labels.shape)} and {partners.dtype} {tuple(partners.shape)}. "
            "Try torch.randperm(len(images)) for partners."
        )
    if not ((partners >= 0) & (partners < count)).all():
        raise ValueError(
            f"partners must be rows of the batch, 0 to {count - 1}; got {partners.tolist()}. "
            "Try torch.randperm(len(images))."
        )


def _recolored(images: Tensor, draw: Draw, colors: Colors) -> Tensor:
    return replace(draw, colors=colors).images(images)
