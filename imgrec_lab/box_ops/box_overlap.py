"""How far boxes overlap: IoU, GIoU, and which boxes of two lists belong together."""

import torch
from torch import Tensor

from imgrec_lab.box_ops.box_geometry import area_between, check_boxes

# Square pixels: a pair of boxes with less together counts as empty, so that no gradient overflows.
_EMPTY = 1e-12


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
    check_boxes(boxes_a, "boxes_a")
    check_boxes(boxes_b, "boxes_b")
    shared, union = _shared_and_union(boxes_a[:, None], boxes_b[None])  # (P, Q), (P, Q)
    return _ratio(shared, union)


def intersection(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Area that every pair of boxes shares.

    Args:
        boxes_a: (P, 4) xyxy, pixels.
        boxes_b: (Q, 4) xyxy, pixels, on the same device.

    Returns:
        (P, Q) square pixels.

    Raises:
        ValueError: if either argument is not (·, 4).
    """
    check_boxes(boxes_a, "boxes_a")
    check_boxes(boxes_b, "boxes_b")
    return _shared_and_union(boxes_a[:, None], boxes_b[None])[0]  # (P, Q)


def giou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Generalised IoU of every pair: the IoU less the empty share of the box around both.

    Apart from IoU it still says how far off boxes are that do not touch.

    Args:
        boxes_a: (P, 4) xyxy, pixels.
        boxes_b: (Q, 4) xyxy, pixels, on the same device.

    Returns:
        (P, Q) in [-1, 1]; 0 where both boxes are one and the same point or line.

    Raises:
        ValueError: if either argument is not (·, 4).

    Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630.
    """
    check_boxes(boxes_a, "boxes_a")
    check_boxes(boxes_b, "boxes_b")
    return _giou(boxes_a[:, None], boxes_b[None])  # (P, Q)


def paired_iou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """IoU of the first box with the first, the second with the second, and so on.

    Args:
        boxes_a: (M, 4) xyxy, pixels; float32, also where a model computes in half precision.
        boxes_b: (M, 4) xyxy, pixels, on the same device.

    Returns:
        (M,) in [0, 1]; 0 where both boxes are empty. Gradients are finite, also for empty boxes.

    Raises:
        ValueError: if either argument is not (M, 4), or their lengths differ.
    """
    _check_pairs(boxes_a, boxes_b)
    return _ratio(*_shared_and_union(boxes_a, boxes_b))


def paired_giou(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Generalised IoU of the first box with the first, the second with the second, and so on.

    Args:
        boxes_a: (M, 4) xyxy, pixels; float32, also where a model computes in half precision.
        boxes_b: (M, 4) xyxy, pixels, on the same device.

    Returns:
        (M,) in [-1, 1]; ``1 - paired_giou(...)`` is a loss. Gradients are finite, also for
        empty boxes.

    Raises:
        ValueError: if either argument is not (M, 4), or their lengths differ.

    Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630.
    """
    _check_pairs(boxes_a, boxes_b)
    return _giou(boxes_a, boxes_b)


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


def _shared_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of two lists of boxes (..., 4) that broadcast against each other."""
    shared = area_between(
        torch.maximum(a[..., 0], b[..., 0]),
        torch.maximum(a[..., 1], b[..., 1]),
        torch.minimum(a[..., 2], b[..., 2]),
        torch.minimum(a[..., 3], b[..., 3]),
    )
    areas = area_between(*a.unbind(dim=-1)), area_between(*b.unbind(dim=-1))
    return shared, areas[0] + areas[1] - shared


def _giou(a: Tensor, b: Tensor) -> Tensor:
    shared, union = _shared_and_union(a, b)
    around = area_between(  # the smallest box that holds both
        torch.minimum(a[..., 0], b[..., 0]),
        torch.minimum(a[..., 1], b[..., 1]),
        torch.maximum(a[..., 2], b[..., 2]),
        torch.maximum(a[..., 3], b[..., 3]),
    )
    return _ratio(shared, union) - _ratio(around - union, around)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``, and 0 where the whole is empty."""
    solid = whole > _EMPTY  # the inner `where` keeps 0 / 0 out of the gradient
    return torch.where(solid, part / torch.where(solid, whole, 1), 0)


def _check_pairs(boxes_a: Tensor, boxes_b: Tensor) -> None:
    check_boxes(boxes_a, "boxes_a")
    check_boxes(boxes_b, "boxes_b")
    if len(boxes_a) != len(boxes_b):
        raise ValueError(
            "boxes_a and boxes_b must be equally many, a pair a row; "
            f"got {len(boxes_a)} and {len(boxes_b)}. For every pair use iou or giou."
        )
