"""Mean average precision: one number for how well objects are found, named and boxed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.metrics.detection_checks import checked
from imgrec_lab.metrics.picture_matching import count_objects, match_picture
from imgrec_lab.metrics.ranked_precision import average_precision, precision_recall

# Each as COCO's own code rounds it: an IoU of exactly 0.9 must fall on the same side.
_THRESHOLDS = tuple(0.5 + step * ((0.95 - 0.5) / 9) for step in range(10))
# All, small, medium, large; square pixels.
_AREA_RANGES = ((0, 1e5**2), (0, 32**2), (32**2, 96**2), (96**2, 1e5**2))


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """COCO's twelve numbers, all fractions, and two for each class; NaN: nothing to measure.

    Attributes:
        ap: average precision, mean over classes and over IoU thresholds 0.50, 0.55, ... 0.95.
        ap50: at an IoU threshold of 0.5.
        ap75: at an IoU threshold of 0.75.
        ap_small: of objects of at most 32 x 32 px.
        ap_medium: of objects from there to 96 x 96 px.
        ap_large: of larger objects.
        ar_1: recall with the one surest detection of a class in a picture, over the thresholds.
        ar_10: with the ten surest.
        ar_100: with the hundred surest.
        ar_small: of small objects, with the hundred surest.
        ar_medium: of medium ones.
        ar_large: of large ones.
        ap_per_class: (K,) float64.
        ap50_per_class: (K,) float64.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    ap_per_class: Tensor
    ap50_per_class: Tensor

    def __str__(self) -> str:
        names = [field.name for field in fields(self)][:12]
        values = {name: getattr(self, name) for name in names}
        words = [f"{name} {'-' if math.isnan(x) else f'{x:.3f}'}" for name, x in values.items()]
        return "\n".join("  ".join(words[start : start + 3]) for start in (0, 3, 6, 9))


def mean_average_precision(
    detections: Sequence[Detections], targets: Sequence[Target], *, num_classes: int
) -> DetectionScores:
    """COCO's scores of a detector, equal to pycocotools; the size of an object is that of its box.

    Args:
        detections: one for each picture; of a class in a picture the 100 surest count.
        targets: of the same pictures in the same order; ``crowd`` marks groups nobody counted.
        num_classes: K.

    Returns:
        Twelve fractions and two for each class; a class without objects has no part in means.

    Raises:
        ValueError: if the two differ in number, keys or shapes do not fit, a label is outside
            0..K-1, or a number is NaN.

    Source: Lin et al. 2014, https://arxiv.org/abs/1405.0312.
    """
    detections, targets = checked(detections, targets, num_classes)
    thresholds = torch.tensor(_THRESHOLDS, dtype=torch.float64)  # (T,)
    ranges = torch.tensor(_AREA_RANGES, dtype=torch.float64)  # (A, 2)
    matches = [
        match_picture(*pair, thresholds, ranges) for pair in zip(detections, targets, strict=True)
    ]
    scores = torch.cat([each["scores"] for each in detections])  # (N,), picture by picture
    labels = torch.cat([each["labels"] for each in detections])  # (N,)
    ranks = torch.cat([each.ranks for each in matches])  # (N,)
    correct = torch.cat([each.correct for each in matches], dim=2)  # (A, T, N)
    counted = torch.cat([each.counted for each in matches], dim=2)  # (A, T, N)
    num_objects = count_objects(targets, ranges, num_classes)  # (A, K)
    ap = torch.stack(
        [
            precision_of_classes(scores[use], labels[use], right[use], num_objects[size])
            for size in range(len(ranges))
            for right, use in zip(correct[size], counted[size], strict=True)
        ]
    ).reshape(len(ranges), len(thresholds), num_classes)
    ar = [
        _recall(correct[size] & (ranks < most), labels, num_objects[size])
        for size, most in ((0, 1), (0, 10), (0, 100), (1, 100), (2, 100), (3, 100))
    ]
    means = [part.nanmean().item() for part in (ap[0], ap[0, 0], ap[0, 5], ap[1], ap[2], ap[3])]
    return DetectionScores(*means, *ar, ap_per_class=ap[0].mean(dim=0), ap50_per_class=ap[0, 0])


def precision_of_classes(
    scores: Tensor, labels: Tensor, correct: Tensor, num_objects: Tensor
) -> Tensor:
    """Average precision of each class, (K,) float64; NaN for a class without objects.

    Args:
        scores: (N,) of all pictures.
        labels: (N,) int64.
        correct: (N,) bool.
        num_objects: (K,) int64.
    """
    values = []
    for label, count in enumerate(num_objects.tolist()):
        mine = labels == label
        curve = precision_recall(scores[mine], correct[mine], count)
        values.append(average_precision(curve.precision, curve.recall) if count else math.nan)
    return torch.tensor(values, dtype=torch.float64)


def _recall(correct: Tensor, labels: Tensor, num_objects: Tensor) -> float:
    """The share of objects found, mean over thresholds and classes; correct: (T, N)."""
    found = torch.zeros(len(correct), len(num_objects), dtype=torch.float64)  # (T, K)
    return (found.index_add_(1, labels, correct.double()) / num_objects).nanmean().item()
