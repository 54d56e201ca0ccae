"""Non-maximum suppression: of many boxes around one thing, the surest stays."""

import torch
from torch import Tensor

from imgrec_lab.box_ops.box_geometry import check_boxes
from imgrec_lab.box_ops.box_overlap import iou

_BLOCK = 512  # rows of IoU at a time: thousands of boxes must not fill the memory


def nms(
    boxes: Tensor, scores: Tensor, *, labels: Tensor | None = None, iou_threshold: float = 0.5
) -> Tensor:
    """Go through the boxes, the surest first, and drop what overlaps a box that stays.

    Args:
        boxes: (M, 4) xyxy, pixels.
        scores: (M,), higher is surer; of equals the first comes first.
        labels: (M,) int64; boxes of different classes do not drop each other. Without it all do.
        iou_threshold: in [0, 1]; a box with a greater IoU than this is dropped.

    Returns:
        (R,) int64 indices of the boxes that stay, the surest first; as ``torchvision.ops.nms``.

    Raises:
        ValueError: if shapes do not fit, the threshold is outside [0, 1], or a box or score is
            NaN or infinite.
    """
    _check_arguments(boxes, scores, labels, iou_threshold)
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    stays = torch.ones(len(order), dtype=torch.bool)
    for start in range(0, len(order), _BLOCK):
        overlap = iou(ranked[start : start + _BLOCK], ranked)  # (block, M), surest first
        if labels is not None:
            kinds = labels[order]
            overlap.masked_fill_(kinds[start : start + _BLOCK, None] != kinds, 0)
        for box, row in enumerate(overlap.cpu(), start):
            if stays[box]:
                # as torchvision, in float64: a float32 IoU of 0.3 lies just above 0.3
                stays[box + 1 :] &= row[box + 1 :].double() <= iou_threshold
    return order[stays.to(order.device)]


def _check_arguments(
    boxes: Tensor, scores: Tensor, labels: Tensor | None, iou_threshold: float
) -> None:
    check_boxes(boxes, "boxes")
    for name, values in (("scores", scores), ("labels", labels)):
        if values is not None and values.shape != boxes.shape[:1]:
            raise ValueError(
                f"{name} must have shape ({len(boxes)},), one a box; got {tuple(values.shape)}."
            )
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must lie in [0, 1]; got {iou_threshold}. Try 0.5.")
    if not torch.isfinite(torch.cat([boxes, scores[:, None]], dim=1)).all():
        raise ValueError(
            "boxes and scores must be finite; some are NaN or infinite. "
            "Did the training diverge? Try a lower learning rate."
        )
