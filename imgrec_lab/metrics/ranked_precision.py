"""Average precision in three steps: match, rank, and read the curve, as COCO does it."""

from typing import NamedTuple

import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.metrics.detection_checks import check_finite, check_threshold

# 0, 0.01, ... 1, each rounded as COCO's own code rounds it.
_RECALLS = tuple(step * 0.01 for step in range(101))


class PrecisionRecall(NamedTuple):
    """What is reached by taking the best 1, 2, ... M detections of all pictures.

    Attributes:
        precision: (M,) float64, the correct share of what was taken.
        recall: (M,) float64, the share of all objects that was found.
        scores: (M,) of the last that was taken, falling.
    """

    precision: Tensor
    recall: Tensor
    scores: Tensor


def match_detections(
    boxes: Tensor, scores: Tensor, target_boxes: Tensor, *, iou_threshold: float = 0.5
) -> Tensor:
    """Which object each detection has found, of one class in one picture.

    The surest detection chooses first and takes the free object that it fits best.

    Args:
        boxes: (M, 4) xyxy pixels.
        scores: (M,), higher is surer; of equals the first comes first.
        target_boxes: (Q, 4) xyxy pixels of the objects that are there.
        iou_threshold: in [0, 1]; boxes that share less do not fit.

    Returns:
        (M,) int64 index of the object, in the order of the boxes; -1 for a false alarm.

    Raises:
        ValueError: if shapes do not fit, the threshold is outside [0, 1] or a number is NaN.
    """
    _check_match(boxes, scores, iou_threshold)
    overlap = box_ops.iou(boxes.double(), target_boxes.double())  # (M, Q)
    found = torch.full((len(boxes),), -1, device=boxes.device)
    for detection in scores.argsort(descending=True, stable=True).tolist():
        fit = overlap[detection]  # (Q,)
        if (fit >= iou_threshold).any():
            chosen = (fit == fit.max()).nonzero().max()  # of equals the last, as COCO
            found[detection] = chosen
            overlap[:, chosen] = -1  # an object can be found once
    return found


def precision_recall(scores: Tensor, correct: Tensor, num_objects: int) -> PrecisionRecall:
    """Precision and recall after each detection, the surest of all pictures first.

    Args:
        scores: (M,) of one class, all pictures together.
        correct: (M,) bool, whether the detection has found an object.
        num_objects: how many there were to be found.

    Returns:
        The curve, (M,) each; recall is NaN where there are no objects.

    Raises:
        TypeError: if ``correct`` is not bool.
        ValueError: if shapes differ, a score is NaN, or more was found than there is.
    """
    if scores.shape != correct.shape or scores.dim() != 1:
        raise ValueError(
            "scores and correct must both have shape (M,); "
            f"got {tuple(scores.shape)} and {tuple(correct.shape)}."
        )
    if correct.dtype != torch.bool:
        raise TypeError(f"correct must be bool; got {correct.dtype}. For indices use found >= 0.")
    check_finite(scores, "scores")
    if num_objects < correct.sum():
        raise ValueError(
            f"num_objects must be at least the {correct.sum()} correct detections; "
            f"got {num_objects}. Does each object count once?"
        )
    order = scores.argsort(descending=True, stable=True)
    true = correct[order].double().cumsum(dim=0)  # (M,)
    taken = torch.arange(1, len(order) + 1, device=true.device)
    return PrecisionRecall(true / taken, true / num_objects, scores[order])


def average_precision(precision: Tensor, recall: Tensor) -> float:
    """Area below the precision-recall curve, read at the 101 recalls 0, 0.01, ... 1.

    At each recall the best precision counts that is reached there or further on; where the curve
    does not get that far, 0.

    Args:
        precision: (M,), as from ``precision_recall``.
        recall: (M,), never falling.

    Returns:
        In [0, 1]; NaN where recall is NaN, because there is nothing to find.

    Raises:
        ValueError: if the shapes differ or recall falls.

    Source: Lin et al. 2014, https://arxiv.org/abs/1405.0312.
    """
    if precision.shape != recall.shape or precision.dim() != 1:
        raise ValueError(
            "precision and recall must both have shape (M,); "
            f"got {tuple(precision.shape)} and {tuple(recall.shape)}."
        )
    if (recall.diff() < 0).any():
        raise ValueError("recall must never fall. Rank by score first: precision_recall(...).")
    if recall.isnan().any():
        return float("nan")
    best_from_here = precision.double().flip(0).cummax(dim=0).values.flip(0)  # (M,)
    wanted = torch.tensor(_RECALLS, dtype=torch.float64, device=recall.device)
    place = torch.searchsorted(recall.double().contiguous(), wanted)  # (101,), M where not reached
    return torch.cat([best_from_here, best_from_here.new_zeros(1)])[place].mean().item()


def _check_match(boxes: Tensor, scores: Tensor, iou_threshold: float) -> None:
    check_threshold(iou_threshold, "iou_threshold")
    if scores.shape != boxes.shape[:1]:
        raise ValueError(
            f"scores must have shape ({len(boxes)},), one a box; got {tuple(scores.shape)}."
        )
    check_finite(boxes, "boxes")
    check_finite(scores, "scores")
