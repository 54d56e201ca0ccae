"""One object a picture: a classifier with four more numbers."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab import box_ops
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.detect import dense_targets, target_checks
from imgrec_lab.models import Normalize, ResidualBlock, conv_bn_relu


class Localiser(nn.Module):
    """Says what the one object of a picture is, and where; it always answers with one box.

    Every cell of the last feature map votes for a class and a box, by the distances to its four
    sides, and says how much its vote counts; the answer is the mean vote. So what was learned in
    one corner of the picture holds in all of them.

    Args:
        num_classes: K.
        in_channels: 3 for colour, 1 for grey.
        widths: channels at strides 2, 4, 8 and so on; the last is the stride of the votes.
    """

    def __init__(
        self, num_classes: int, *, in_channels: int = 3, widths: Sequence[int] = (24, 48, 96, 128)
    ):
        super().__init__()
        target_checks.check_count("num_classes", num_classes, "Try len(classes).")
        target_checks.check_count("len(widths)", len(widths), "Try widths=(24, 48, 96, 128).")
        self.num_classes, self.stride = num_classes, 2 ** len(widths)
        self.normalize = Normalize([0.5] * in_channels, [0.25] * in_channels)
        self.body = nn.Sequential(
            conv_bn_relu(in_channels, widths[0], stride=2),
            *(ResidualBlock(a, b, stride=2) for a, b in pairwise(widths)),
            ResidualBlock(widths[-1], widths[-1]),
        )
        self.head = nn.Conv2d(widths[-1], num_classes + 5, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``logits`` (N, K) and ``boxes`` (N, 4), xyxy pixels; they may leave the picture."""
        votes = self.head(self.body(self.normalize(images))).float()  # (N, K + 5, rows, columns)
        size = [side * self.stride for side in votes.shape[2:]]
        points, strides = dense_targets.locations(size, [self.stride], device=images.device)
        logits, distances, weight = (
            votes.flatten(2).transpose(1, 2).split([self.num_classes, 4, 1], dim=2)
        )  # (N, A, K), (N, A, 4), (N, A, 1)
        share = weight.softmax(dim=1)
        boxes = dense_targets.decode(F.softplus(distances), points, strides)  # (N, A, 4)
        return {"logits": (share * logits).sum(dim=1), "boxes": (share * boxes).sum(dim=1)}

    @torch.no_grad()
    def detections(
        self,
        images: Tensor,
        *,
        score_threshold: float = 0.0,
        iou_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> list[Detections]:
        """One box a picture, with its likeliest class; none where that is less sure than asked.

        Args:
            images: float (N, C, H, W) in [0, 1], of any size; the model in eval mode.
            score_threshold: what is less sure is left out.
            iou_threshold, max_detections: as other models have them; a single box has no other
                to share with, nor is it ever too many.
        """
        outputs = self(images)
        scores, labels = outputs["logits"].softmax(dim=1).max(dim=1)  # (N,), (N,)
        found = []
        for row, sure in enumerate((scores >= score_threshold).tolist()):
            kept = slice(row, row + sure)
            found.append(
                {"boxes": outputs["boxes"][kept], "scores": scores[kept], "labels": labels[kept]}
            )
        return found


def main_object(target: Target) -> tuple[Tensor, Tensor] | None:
    """Box (4,) and label () of the largest object; None where none has any area.

    A group that nobody counted (``crowd``) is no object.
    """
    area = box_ops.area(target["boxes"])  # (M,)
    if "crowd" in target:
        area = area.masked_fill(target["crowd"], 0)
    if not area.any():
        return None
    largest = area.argmax()
    return target["boxes"][largest], target["labels"][largest]


def localisation_loss(outputs: dict[str, Tensor], targets: Sequence[Target]) -> Tensor:
    """Cross-entropy of the class plus the loss of the box, both of a picture's largest object.

    Args:
        outputs: of a ``Localiser``.
        targets: N of them; a picture without objects teaches nothing and counts nothing.

    Returns:
        a scalar, the mean over pictures with an object; 0 where there is none.

    Raises:
        TypeError, ValueError: if targets are not as the outputs need them.
    """
    target_checks.check_outputs(outputs, ("logits", "boxes"), "Localiser")
    logits, boxes = outputs["logits"], outputs["boxes"]
    target_checks.check_targets(targets, *logits.shape)
    objects = {row: main_object(target) for row, target in enumerate(targets)}
    rows = [row for row, found in objects.items() if found is not None]
    if not rows:
        return (logits.sum() + boxes.sum()) * 0
    there = torch.stack([objects[row][0] for row in rows])  # (P, 4)
    labels = torch.stack([objects[row][1] for row in rows])  # (P,)
    scale = (there[:, 2:] - there[:, :2]).repeat(1, 2).clamp(min=1)  # (P, 4)
    off = F.smooth_l1_loss(boxes[rows] / scale, there / scale, beta=0.1)
    apart = 1 - box_ops.paired_giou(boxes[rows], there)  # (P,)
    return F.cross_entropy(logits[rows], labels) + apart.mean() + off
