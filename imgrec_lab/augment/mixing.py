"""Two pictures in one: MixUp and CutMix, with labels that say how much of each is there.

Sources: Zhang et al. 2018, https://arxiv.org/abs/1710.09412; Yun et al. 2019,
https://arxiv.org/abs/1905.04899.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgrec_lab.augment import degradations


class Mix(NamedTuple):
    """What was drawn for N pictures that are each mixed with another of their batch.

    Attributes:
        partners: (N,) int64, the row of the other picture.
        shares: (N,) float64, how much of the own picture remains; 1 leaves it alone.
        boxes: (N, 4) int64 xyxy, the pixels that come from the other picture (CutMix); None where
            all pixels are blended (MixUp).
        num_classes: K.
    """

    partners: Tensor
    shares: Tensor
    boxes: Tensor | None
    num_classes: int


def random_boxes(
    areas: np.ndarray, image_size: tuple[int, int], places: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Boxes with the picture's aspect ratio, cut off at its edges.

    Args:
        areas: (N,) of each box before it is cut off, as a share of the picture.
        image_size: (height, width), pixels.
        places: (N, 2) in 0..1, the boxes' centres as shares of width and height.

    Returns:
        (N, 4) int64 xyxy pixels, and the share of the picture (N,) that each box really covers.
    """
    height, width = image_size
    size = np.array([width, height], dtype=np.float64)
    half = np.sqrt(areas)[:, None] * size / 2  # (N, 2)
    first = np.maximum(np.round(places * size - half), 0)
    last = np.maximum(np.minimum(np.round(places * size + half), size), first)
    boxes = np.concatenate([first, last], axis=1).astype(np.int64)
    covered = (last - first).prod(axis=1) / (height * width)
    return torch.from_numpy(boxes), torch.from_numpy(covered)


def soft(labels: Tensor, num_classes: int) -> Tensor:
    """Labels (N,) as probabilities (N, K) float32; what is soft already stays.

    Raises:
        ValueError: if a label is not below ``num_classes``, or soft labels have another width.
    """
    if labels.is_floating_point() and labels.shape[1:] == (num_classes,):
        return labels
    if labels.is_floating_point() or labels.dim() != 1:
        raise ValueError(
            f"labels must be (N,) whole numbers or (N, {num_classes}) probabilities to be mixed; "
            f"got {labels.dtype} of shape {tuple(labels.shape)}."
        )
    try:
        return F.one_hot(labels.long(), num_classes).float()
    except RuntimeError as error:
        raise ValueError(
            f"labels must lie in 0 to {num_classes - 1} to be mixed; got {int(labels.min())} to "
            f"{int(labels.max())}. Set num_classes to the number of classes."
        ) from error


def blend(images: Tensor, labels: Tensor, mix: Mix) -> tuple[Tensor, Tensor]:
    """Pictures (N, C, H, W) and labels, mixed: labels become (N, K) float32."""
    partners = mix.partners.to(images.device)
    labels = soft(labels, mix.num_classes)
    share = mix.shares.to(labels)[:, None]  # (N, 1)
    labels = share * labels + (1 - share) * labels[partners.to(labels.device)]
    if mix.boxes is None:
        return _blended(images, images[partners], 1 - mix.shares), labels
    pasted = degradations.covered(mix.boxes, images.shape[2:]).to(images.device)
    return torch.where(pasted[:, None], images[partners], images), labels


def _blended(images: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """``shares`` (N,) of the other pictures and the rest of the own ones."""
    shares = shares.to(images.device)[:, None, None, None]
    if images.dtype == torch.uint8:
        return images.float().lerp(others.float(), shares.float()).round_().to(torch.uint8)
    return images.lerp(others, shares.to(images.dtype))
