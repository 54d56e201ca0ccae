"""Labels that a model, trained on other pictures, does not believe: confident learning.

::

    probs = out_of_fold.predict(image_set)
    suspects = label_errors.find_label_errors(image_set.labels, probs)

A model is surer of some classes than of others, so each class has its own threshold: how sure the
model is of it, on average, where the label says so. Pictures beyond a threshold are counted in the
confident joint, which shows how often a picture of one class bears the label of another. A label is
suspected where such an error explains it better than a mistake of the model does.

Source: Northcutt et al. 2021, https://doi.org/10.1613/jair.1.12125, for thresholds and joint. There
as many labels are cut off as the joint counts. It counts the mistakes of a weak model too, so here
each label is judged by itself, which was found more precise (``results/label_errors.json``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

_ROUNDING = 1e-6  # a class whose pictures all get the same probability must reach its own mean


class Suspect(NamedTuple):
    """One picture whose label is probably wrong; the names are explained at ``LabelSuspects``."""

    index: int
    given: int
    suggested: int
    score: float
    probs: Tensor


@dataclass(frozen=True, eq=False)
class LabelSuspects:
    """S pictures whose label is probably wrong, the most suspicious first.

    A whole number as index gives one ``Suspect``; a slice, fewer of them.

    Attributes:
        indices: (S,) int64 places in the set.
        given: (S,) int64 labels that they bear.
        suggested: (S,) int64 classes that the model takes them for.
        scores: (S,) probability of the given label; the lower, the more suspicious.
        probs: (S, K) what the model says of each.
    """

    indices: Tensor
    given: Tensor
    suggested: Tensor
    scores: Tensor
    probs: Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: int | slice) -> Suspect | LabelSuspects:
        columns = [getattr(self, field.name)[rows] for field in fields(self)]
        if isinstance(rows, int):
            return Suspect(*(column.item() for column in columns[:4]), columns[4])
        return LabelSuspects(*columns)

    def __repr__(self) -> str:
        rows = [
            f"\n  picture {row.index}: label {row.given} ({row.score:.3f}), "
            f"perhaps {row.suggested} ({row.probs.max():.3f})"
            for row in self[:5]
        ]
        return f"LabelSuspects: {len(self):,}, the most suspicious first{''.join(rows)}"


def find_label_errors(labels: Tensor, probs: Tensor, *, count: int | None = None) -> LabelSuspects:
    """The pictures whose label is probably wrong, the least believed first.

    Take a label i where the model says j. Either the picture is an i, with probability p(i); or
    it is a j, p(j), and is among the share of them that bears label i. The likelier story counts.
    Below half a blind guess, p(i) < 1 / 2K, a label is suspected in any case, since no model
    knows such small probabilities.

    Args:
        labels: (N,) int64 given labels in 0..K-1; each class has at least one.
        probs: (N, K) class probabilities from models that did not see the picture they judge,
            such as ``out_of_fold.predict`` gives.
        count: instead, how many of the least believed labels to return.

    Raises:
        TypeError, ValueError: if labels and probs do not fit together, or probs are none.
    """
    _check(labels, probs)
    own, suggested = _own(labels, probs), probs.argmax(dim=1)
    if count is None:
        suspected = _error_is_likelier(labels, probs)
    elif count >= 0:
        suspected = suggested != labels
    else:
        raise ValueError(f"count must be 0 or more pictures; got {count}.")
    ranked = own.argsort(stable=True)
    chosen = ranked[suspected[ranked]][:count]
    return LabelSuspects(chosen, labels[chosen], suggested[chosen], own[chosen], probs[chosen])


def _error_is_likelier(labels: Tensor, probs: Tensor) -> Tensor:
    """Whether a wrong label explains each picture better than a mistake of the model: (N,)."""
    joint = estimate_joint(labels, probs)
    share = joint / joint.sum(dim=0).clamp(min=1)  # of the column's class, bears the row's label
    own, (top, suggested) = _own(labels, probs), probs.max(dim=1)
    mistake, wrong_label = own * share.diagonal()[labels], top * share[labels, suggested]
    return (wrong_label > mistake) | (own < 0.5 / probs.shape[1])


def estimate_joint(labels: Tensor, probs: Tensor) -> Tensor:
    """How many pictures of each given label truly belong to each class, as far as can be judged.

    The confident joint, each row scaled to all the pictures with that label: the diagonal is
    right, and ``1 - joint.trace() / joint.sum()`` estimates the share of wrong labels. Where the
    model is sure and mistaken it counts a wrong label too: a weak model estimates too many.

    Args:
        labels: (N,) int64 given labels in 0..K-1; each class has at least one.
        probs: (N, K) class probabilities from models that did not see the picture they judge.

    Returns:
        (K, K) float64 numbers of pictures; row: given label, column: true class.

    Raises:
        TypeError, ValueError: if labels and probs do not fit together, or probs are none.
    """
    counts = confident_joint(labels, probs).double()  # no row is 0: a maximum reaches its mean
    return counts / counts.sum(dim=1, keepdim=True) * labels.bincount()[:, None]


def confident_joint(labels: Tensor, probs: Tensor) -> Tensor:
    """Count the pictures that the model is sure of, by given label and by what it is sure of.

    A picture counts for a class if its probability reaches the class's threshold, and for the
    most probable one of several; many reach none and are not counted.

    Args:
        labels: (N,) int64 given labels in 0..K-1; each class has at least one.
        probs: (N, K) class probabilities from models that did not see the picture they judge.

    Returns:
        (K, K) int64 counts; row: given label, column: class that the model is sure of.

    Raises:
        TypeError, ValueError: if labels and probs do not fit together, or probs are none.
    """
    reached = probs >= thresholds(labels, probs) - _ROUNDING  # (N, K)
    sure = reached.any(dim=1)
    likely = probs.where(reached, -1.0).argmax(dim=1)
    num_classes = probs.shape[1]
    cells = (labels * num_classes + likely)[sure]
    return cells.bincount(minlength=num_classes**2).reshape(num_classes, num_classes)


def thresholds(labels: Tensor, probs: Tensor) -> Tensor:
    """How sure the model is of each class, on average over the pictures with that label: (K,).

    Arguments and errors are those of ``confident_joint``.
    """
    _check(labels, probs)
    return labels.bincount(weights=_own(labels, probs).double()) / labels.bincount()


def plant(labels: Tensor, *, fraction: float, num_classes: int, seed: int = 0) -> Tensor:
    """Labels (N,) of which a random fraction is wrong, every wrong class equally likely.

    Raises:
        ValueError: if ``fraction`` is outside 0 to 1, or there is no other class.
    """
    if not 0 <= fraction <= 1 or num_classes < 2:
        raise ValueError(
            "fraction must lie in 0 to 1 and num_classes be 2 or more; "
            f"got {fraction} and {num_classes}."
        )
    generator = torch.Generator().manual_seed(seed)
    count = round(fraction * len(labels))
    wrong = torch.randperm(len(labels), generator=generator)[:count]
    steps = torch.randint(1, num_classes, (count,), generator=generator)
    planted = labels.clone()
    planted[wrong] = (labels[wrong] + steps) % num_classes
    return planted


def _own(labels: Tensor, probs: Tensor) -> Tensor:
    """The probability that each picture's own label gets: (N,)."""
    return probs.gather(1, labels[:, None])[:, 0]


def _check(labels: Tensor, probs: Tensor) -> None:
    if labels.dtype != torch.int64 or not probs.is_floating_point():
        raise TypeError(
            f"labels must be int64 and probs floating point; got {labels.dtype} and {probs.dtype}."
        )
    if probs.dim() != 2 or labels.shape != probs.shape[:1] or not len(labels):
        raise ValueError(
            "labels must have shape (N,) and probs (N, K), one row a picture; "
            f"got {tuple(labels.shape)} and {tuple(probs.shape)}."
        )
    sums = probs.sum(dim=1)
    if not ((sums - 1).abs() < 1e-2).all() or probs.min() < 0:  # NaN fails too
        worst = sums[(sums - 1).abs().argmax()]
        raise ValueError(
            f"each row of probs must be probabilities that sum to 1; one sums to {worst:.3g}, and "
            f"the lowest value is {probs.min():.3g}. For logits use logits.softmax(dim=1)."
        )
    num_classes = probs.shape[1]
    if not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, as probs have {num_classes} columns; "
            f"got {labels.min()}..{labels.max()}. Train with every class of the set."
        )
    missing = (labels.bincount(minlength=num_classes) == 0).nonzero()[:, 0].tolist()
    if missing:
        raise ValueError(
            f"each class must be the label of a picture; no picture has label {missing[0]}. "
            "Leave the class out of the set, or add pictures of it."
        )
