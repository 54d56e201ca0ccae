"""What the answers of a dense detector cost, compared with what is there."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from imgrec_lab import box_ops
from imgrec_lab.box_ops import Target
from imgrec_lab.detect import dense_targets, target_checks
from imgrec_lab.detect.dense_targets import NOTHING

_BOX_WEIGHT = 2.0  # of the boxes, where the classes count 1
_DOUBT = 0.75  # weight of background, before it fades with the square of its probability


def detection_loss(outputs: dict[str, Tensor], targets: Sequence[Target]) -> Tensor:
    """Loss of a batch: classes at every location, boxes at those that answer for one.

    The class of a location is asked for with the IoU of its box, so that a probability says both
    what is there and how well it is placed; the sum is divided by the sum of these IoUs, or 1 if
    they are less.

    Args:
        outputs: of a ``Detector`` in training.
        targets: N of them; pictures without objects are fine.

    Returns:
        a scalar.

    Raises:
        TypeError, ValueError: if targets are not as the outputs need them.

    Source: Zhang et al. 2021 (VarifocalNet), https://arxiv.org/abs/2008.13367.
    """
    target_checks.check_outputs(outputs, ("logits", "distances", "points", "strides"), "Detector")
    logits, points, strides = outputs["logits"], outputs["points"], outputs["strides"]
    target_checks.check_targets(targets, *logits.shape[::2])  # N, K
    boxes = pad_sequence([_counted(target) for target in targets], batch_first=True)  # (N, M, 4)
    labels = pad_sequence([target["labels"] for target in targets], batch_first=True)  # (N, M)
    assigned = dense_targets.assign(points, strides, boxes)  # (N, A), index into M
    picture, place = (assigned != NOTHING).nonzero(as_tuple=True)  # (P,), locations with a box
    owner = assigned[picture, place]
    found = dense_targets.decode(outputs["distances"], points, strides)[picture, place]  # (P, 4)
    there = boxes[picture, owner]
    overlap = box_ops.paired_iou(found, there).detach()
    box_loss = (overlap * (1 - box_ops.paired_giou(found, there))).sum()
    wanted = torch.zeros_like(logits)  # (N, A, K)
    wanted[picture, place, labels[picture, owner]] = overlap.to(logits.dtype)
    return (class_loss(logits, wanted) + _BOX_WEIGHT * box_loss) / overlap.sum().clamp(min=1)


def _counted(target: Target) -> Tensor:
    """Boxes (M, 4); a group that nobody counted becomes an empty one, which is nobody's."""
    if "crowd" not in target:
        return target["boxes"]
    return target["boxes"].where(~target["crowd"][:, None], 0)


def class_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Varifocal loss, summed: each class a yes-or-no question of its own.

    Background, of which there is so much, counts the less the better it is known; a location with
    an object counts by its wanted probability.

    Args:
        logits: (N, A, K).
        wanted: (N, A, K) in [0, 1], 0 for background.
    """
    doubt = _DOUBT * logits.detach().sigmoid().square()
    weight = torch.where(wanted > 0, wanted, doubt)
    return F.binary_cross_entropy_with_logits(logits, wanted, weight=weight, reduction="sum")
