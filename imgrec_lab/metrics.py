"""Numbers that say how well a model does, and how sure we may be of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Two-sided 95 % quantiles of Student's t distribution for 1, 2, ... 30 degrees of freedom.
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Estimate(NamedTuple):
    """A mean over repeated runs and the half width of its 95 % interval."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def confusion_matrix(labels: Tensor, predicted: Tensor, *, num_classes: int) -> Tensor:
    """How often each class was taken for each.

    Args:
        labels: (N,) int64 true classes, in 0..K-1.
        predicted: (N,) int64 classes that the model chose.
        num_classes: K.

    Returns:
        (K, K) int64 counts; row: true class, column: predicted class.

    Raises:
        ValueError: if the two differ in length or name a class outside 0..K-1.
    """
    if labels.shape != predicted.shape or labels.dim() != 1:
        raise ValueError(
            "labels and predicted must both have shape (N,); "
            f"got {tuple(labels.shape)} and {tuple(predicted.shape)}."
        )
    both = torch.cat([labels, predicted])
    if len(both) and not 0 <= both.min() <= both.max() < num_classes:
        raise ValueError(
            f"classes must lie in 0..{num_classes - 1}; got {both.min()}..{both.max()}."
        )
    cells = labels * num_classes + predicted
    return cells.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)


def cohen_kappa(labels_a: Tensor, labels_b: Tensor) -> float:
    """How much two annotators agree beyond what chance alone would give.

    Args:
        labels_a: (N,) int64, what the one said.
        labels_b: (N,) int64, what the other said of the same things.

    Returns:
        1 for full agreement, 0 for as much as chance would give, below 0 for less; 1 where both
        gave one and the same label to everything.

    Raises:
        ValueError: if the two differ in length, or there is nothing to compare.

    Source: Cohen 1960, https://doi.org/10.1177/001316446002000104.
    """
    if len(labels_a) == 0:
        raise ValueError("labels_a and labels_b must name at least one thing; got none.")
    num_classes = 1 + int(torch.cat([labels_a, labels_b]).max())
    table = confusion_matrix(labels_a, labels_b, num_classes=num_classes) / len(labels_a)  # (K, K)
    observed = table.diagonal().sum().item()
    by_chance = (table.sum(dim=0) * table.sum(dim=1)).sum().item()
    return 1.0 if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def mean_interval(scores: Sequence[float]) -> Estimate:
    """Mean of repeated runs with its 95 % Student-t interval.

    Args:
        scores: one number a run (seed), at least two.

    Raises:
        ValueError: for fewer than two runs: one run says nothing about its spread.
    """
    num_runs = len(scores)
    if num_runs < 2:
        raise ValueError(f"scores must hold at least 2 runs; got {num_runs}. Add a seed.")
    values = torch.as_tensor(scores, dtype=torch.float64)
    freedom = num_runs - 1
    quantile = _T_95[freedom - 1] if freedom <= len(_T_95) else 1.96 + 2.5 / freedom  # to 0.1 %
    half_width = quantile * values.std().item() / math.sqrt(num_runs)
    return Estimate(values.mean().item(), half_width)
