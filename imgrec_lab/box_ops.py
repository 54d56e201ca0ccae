"""Boxes and detection targets: xyxy pixels, half-open.

A box is ``(x1, y1, x2, y2)``, measured on pixel edges: pixel column 0 spans 0 to 1.
So ``x2`` is the last covered column plus one, ``x2 - x1`` is the width in pixels, and
a box of one pixel has area 1.
"""

from typing import TypedDict

import torch
from torch import Tensor


class Target(TypedDict):
    """What one picture shows, under the keys that torchvision's detectors use.

    Attributes:
        boxes: (M, 4) float32 xyxy pixels, half-open; (0, 4) where there is nothing.
        labels: (M,) int64, an index into the class names.
        masks: (M, H, W) bool, the visible pixels of each object.
    """

    boxes: Tensor
    labels: Tensor
    masks: Tensor


def from_masks(masks: Tensor) -> Tensor:
    """The tight box around each mask.

    Args:
        masks: (M, H, W) bool.

    Returns:
        (M, 4) float32 xyxy pixels, half-open; an empty mask gives (0, 0, 0, 0).

    Raises:
        TypeError: if the masks are not bool.
        ValueError: if there are not three dimensions, or H or W is 0.
    """
    if masks.dtype != torch.bool:
        raise TypeError(
            f"masks must be bool; got {masks.dtype}. For scores or probabilities use masks > 0.5."
        )
    if masks.ndim != 3 or 0 in masks.shape[1:]:
        raise ValueError(
            "masks must have shape (M, H, W) with H and W of 1 or more; "
            f"got {tuple(masks.shape)}. For one mask use masks[None]."
        )
    cells = masks.view(torch.uint8)  # amax of bytes is much faster than any of bools
    left, right = _first_and_end(cells.amax(dim=1))  # columns: (M, W) -> (M,), (M,)
    top, bottom = _first_and_end(cells.amax(dim=2))  # rows: (M, H) -> (M,), (M,)
    return torch.stack([left, top, right, bottom], dim=1).float()  # (M, 4)


def _first_and_end(covered: Tensor) -> tuple[Tensor, Tensor]:
    """First covered index and last covered index + 1 along each row of (M, L), 0 or 1."""
    length = covered.shape[1]
    place = torch.arange(1, length + 1, device=covered.device)  # (L,)
    end = (covered * place).amax(dim=1)  # (M,), 0 where nothing is covered
    first = length - (covered * place.flip(0)).amax(dim=1)  # (M,), L where nothing is covered
    return first.where(end > 0, 0), end
