"""Boxes one by one: their form, area, edges, and the masks that they are drawn around."""

import torch
from torch import Tensor


def check_boxes(boxes: Tensor, name: str) -> None:
    """Refuse what is not (M, 4)."""
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        advice = f" For one box use {name}[None]." if boxes.shape == (4,) else ""
        raise ValueError(f"{name} must have shape (M, 4); got {tuple(boxes.shape)}.{advice}")


def area_between(left: Tensor, top: Tensor, right: Tensor, bottom: Tensor) -> Tensor:
    """The area between four edges, each of any one shape; 0 where two have changed sides."""
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def area(boxes: Tensor) -> Tensor:
    """Width times height of each box, in square pixels; negative sides count as 0.

    Args:
        boxes: (M, 4) xyxy pixels.

    Returns:
        (M,).
    """
    check_boxes(boxes, "boxes")
    return area_between(*boxes.unbind(dim=1))


def clip(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Boxes cut off at the edges of their picture; one that lies outside keeps no area.

    Args:
        boxes: (M, 4) xyxy pixels.
        image_size: (height, width), pixels.

    Returns:
        (M, 4).
    """
    check_boxes(boxes, "boxes")
    height, width = image_size
    return boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]).to(boxes))


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """Two corners to COCO's way: (left, top, width, height).

    Args:
        boxes: (M, 4) xyxy.

    Returns:
        (M, 4).
    """
    check_boxes(boxes, "boxes")
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)


def xywh_to_xyxy(boxes: Tensor) -> Tensor:
    """COCO's (left, top, width, height) to two corners.

    Args:
        boxes: (M, 4) xywh.

    Returns:
        (M, 4).
    """
    check_boxes(boxes, "boxes")
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Two corners to YOLO's way: (centre x, centre y, width, height).

    Args:
        boxes: (M, 4) xyxy.

    Returns:
        (M, 4).
    """
    check_boxes(boxes, "boxes")
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], dim=1)


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """YOLO's (centre x, centre y, width, height) to two corners.

    Args:
        boxes: (M, 4) cxcywh.

    Returns:
        (M, 4).
    """
    check_boxes(boxes, "boxes")
    half = boxes[:, 2:] / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)


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
