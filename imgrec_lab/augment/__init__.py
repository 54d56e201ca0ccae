"""Random changes of a batch that keep its labels, made where the batch already is."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def flip(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the pictures left to right, each by its own draw.

    Only where a mirrored picture keeps its label: a cat does, a "turn left" sign does not.

    Args:
        images: (N, C, H, W).
        labels: (N,), returned as they came.
    """
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(mirrored, images.flip(3), images), labels


def shift(max_px: int) -> Augment:
    """An augmentation that moves the whole batch by up to ``max_px`` pixels each way.

    The border is filled with the mirrored picture. One draw a batch costs a single slice; over an
    epoch every picture still meets many shifts.

    Raises:
        ValueError: if ``max_px`` is negative, or not smaller than a picture that comes.
    """
    if max_px < 0:
        raise ValueError(f"max_px must be 0 or more pixels; got {max_px}.")

    def shift_batch(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        height, width = images.shape[2:]
        if max_px >= min(height, width):
            raise ValueError(
                f"max_px must be smaller than the picture; got {max_px} for {height} x {width} "
                "pixels. Try an eighth of its side."
            )
        down, right = torch.randint(2 * max_px + 1, (2,)).tolist()
        padded = F.pad(images, (max_px,) * 4, mode="reflect")
        return padded[:, :, down : down + height, right : right + width], labels

    return shift_batch


def lighting(strength: float) -> Augment:
    """An augmentation that changes brightness and contrast, each picture by its own draw.

    Args:
        strength: each factor is drawn evenly from 1 - strength to 1 + strength; 0 to 1.

    Raises:
        ValueError: if ``strength`` is outside that range.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must lie in 0 to 1; got {strength}. Try 0.3.")

    def light_batch(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        draws = torch.rand(2, len(images), 1, 1, 1, device=images.device)
        brightness, contrast = 1 + strength * (2 * draws - 1)  # (N, 1, 1, 1) each
        grey = images.mean(dim=(1, 2, 3), keepdim=True)
        return (brightness * (grey + contrast * (images - grey))).clamp(0, 1), labels

    return light_batch


def chain(*augments: Augment) -> Augment:
    """The given augmentations one after the other, as one; none at all changes nothing."""

    def run(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for augment in augments:
            images, labels = augment(images, labels)
        return images, labels

    return run
