"""How often classes were taken for each other, and how far two annotators agree."""

import torch
from torch import Tensor


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
