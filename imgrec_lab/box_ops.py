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


def area(boxes: Tensor) -> Tensor:
    """Width times height of each box, in square pixels; negative sides count as 0.

    Args:
        boxes: (M, 4) xyxy pixels.

    Returns:
        (M,).
    """
    _check(boxes, "boxes")
    width, height = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).unbind(dim=1)  # (M,), (M,)
    return width * height


def clip(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Boxes cut off at the edges of their picture; one that lies outside keeps no area.

    Args:
        boxes: (M, 4) xyxy pixels.
        image_size: (height, width), pixels.

    Returns:
        (M, 4).
    """
    _check(boxes, "boxes")
    height, width = image_size
    return boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]).to(boxes))


def iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Intersection over union of every pair of boxes.

    Args:
        boxes_a: (P, 4) xyxy, pixels.
        boxes_b: (Q, 4) xyxy, pixels, on the same device.

    Returns:
        (P, Q) in [0, 1]; 0 where both boxes are empty.

    Raises:
        ValueError: if either argument is not (·, 4).

    Source: Everingham et al. 2010, https://doi.org/10.1007/s11263-009-0275-4.
    """
    _check(boxes_a, "boxes_a")
    _check(boxes_b, "boxes_b")
    top_left = torch.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])  # (P, Q, 2)
    bottom_right = torch.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=2)  # (P, Q)
    union = area(boxes_a)[:, None] + area(boxes_b)[None] - shared
    return torch.where(union > 0, shared / union, 0)


def match(
    boxes_a: Tensor, boxes_b: Tensor, *, iou_threshold: float = 0.5
) -> tuple[Tensor, Tensor, Tensor]:
    """Pair the boxes of two lists, the best fitting pair first, each box at most once.

    Args:
        boxes_a: (P, 4) xyxy, pixels.
        boxes_b: (Q, 4) xyxy, pixels.
        iou_threshold: boxes that share less are no pair.

    Returns:
        rows (R,) and columns (R,) int64, indices of the pairs' boxes, and their IoU (R,).

    Raises:
        ValueError: if either argument is not (·, 4).
    """
    left = iou(boxes_a, boxes_b)
    pairs: list[tuple[int, int]] = []
    ious: list[float] = []
    while left.numel() and (best := left.max()) >= iou_threshold and best > 0:
        row, column = divmod(int(left.argmax()), left.shape[1])
        pairs.append((row, column))
        ious.append(float(best))
        left[row], left[:, column] = -1, -1
    rows, columns = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(dim=1)
    return rows, columns, torch.tensor(ious)


def _check(boxes: Tensor, name: str) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        advice = f" For one box use {name}[None]." if boxes.shape == (4,) else ""
        raise ValueError(f"{name} must have shape (M, 4); got {tuple(boxes.shape)}.{advice}")


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
