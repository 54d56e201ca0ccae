"""What kind of mistakes a detector makes, and what it would win without each of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.metrics.detection_checks import check_threshold, checked
from imgrec_lab.metrics.detection_scores import precision_of_classes
from imgrec_lab.metrics.picture_matching import Matches, count_objects, match_picture, overlaps


class ErrorKind(IntEnum):
    """What became of a detection; the name in lower case is the key of counts and gains."""

    CORRECT = 0
    CLASS = 1  # on an object, under another name
    LOCATION = 2  # the right name, but too far off
    BOTH = 3  # another name and too far off
    DUPLICATE = 4  # on an object that a surer detection has found
    BACKGROUND = 5  # where there is nothing
    MISSED = 6  # an object, not a detection: none that is CORRECT, CLASS or LOCATION is on it
    IGNORED = 7  # in a crowd, or beyond the hundred surest of its class: not counted


_MISTAKES = tuple(kind for kind in ErrorKind if ErrorKind.CORRECT < kind < ErrorKind.IGNORED)


@dataclass(frozen=True, eq=False)
class DetectionErrors:
    """The kind of each detection and what each kind of mistake costs.

    Attributes:
        kinds: for each picture (M,) int64, an ``ErrorKind`` for each detection.
        objects: for each picture (M,) int64, the object that a detection is compared with: the
            one that it found, or fits best; -1 where there is none.
        missed: for each picture (R,) int64, the objects that were not found and would not be
            with every class and location set right.
        counts: how many there are of each kind, "correct" and "missed" among them.
        ap50: mean over classes, at the ``iou_threshold`` that was asked for.
        ap50_gain: what ``ap50`` would win if one kind of mistake alone were put right.
    """

    kinds: tuple[Tensor, ...]
    objects: tuple[Tensor, ...]
    missed: tuple[Tensor, ...]
    counts: dict[str, int]
    ap50: float
    ap50_gain: dict[str, float]

    def __str__(self) -> str:
        rows = [f"{'kind':<11}{'number':>7}  ap50 gain"]
        for name, gain in self.ap50_gain.items():
            won = "-" if math.isnan(gain) else f"{gain:+.3f}"
            rows.append(f"{name:<11}{self.counts[name]:>7}  {won:>9}")
        return "\n".join(rows)


def detection_errors(
    detections: Sequence[Detections],
    targets: Sequence[Target],
    *,
    num_classes: int,
    iou_threshold: float = 0.5,
    background_threshold: float = 0.1,
) -> DetectionErrors:
    """Sort what a detector did into kinds, and ask what mending each kind would win.

    Mended means: a class or a location is set right (the surest of an object counts, the others
    go); other false alarms go; a missed object is no longer asked for.

    Args:
        detections: one for each picture.
        targets: of the same pictures in the same order.
        num_classes: K.
        iou_threshold: from this IoU on, a detection is on an object.
        background_threshold: below this IoU with every object, it is on background.

    Raises:
        ValueError: as ``mean_average_precision``, and if the thresholds are not
            0 < background_threshold <= iou_threshold <= 1.

    Source: Bolya et al. 2020 (TIDE), https://arxiv.org/abs/2008.08115.
    """
    check_threshold(iou_threshold, "iou_threshold")
    if not 0 < background_threshold <= iou_threshold:
        raise ValueError(
            f"background_threshold must lie above 0 and not above iou_threshold, {iou_threshold}; "
            f"got {background_threshold}."
        )
    detections, targets = checked(detections, targets, num_classes)
    threshold = torch.tensor([iou_threshold], dtype=torch.float64)
    any_size = torch.tensor([[0, math.inf]], dtype=torch.float64)
    kinds, objects, missed = [], [], []
    for found, target in zip(detections, targets, strict=True):
        matches = match_picture(found, target, threshold, any_size)
        of_picture = _kinds(found, target, matches, iou_threshold, background_threshold)
        kinds.append(of_picture[0])
        objects.append(of_picture[1])
        missed.append(_missed(target, *of_picture))
    num_objects = count_objects(targets, any_size, num_classes)[0]  # (K,)
    ap50, gains = _gains(detections, targets, kinds, objects, missed, num_objects)
    counts = torch.cat(kinds).bincount(minlength=len(ErrorKind)).tolist()
    counts[ErrorKind.MISSED] = sum(map(len, missed))
    named = {kind.name.lower(): counts[kind] for kind in ErrorKind}
    return DetectionErrors(tuple(kinds), tuple(objects), tuple(missed), named, ap50, gains)


def _kinds(
    detections: Detections,
    target: Target,
    matches: Matches,
    iou_threshold: float,
    background_threshold: float,
) -> tuple[Tensor, Tensor]:
    """The kind and the object of each detection of a picture, (M,) and (M,) int64."""
    overlap = overlaps(detections, target).masked_fill(target["crowd"], 0)  # (M, Q)
    same = detections["labels"][:, None] == target["labels"]
    own, own_object = _best(overlap * same)  # (M,), (M,)
    other, other_object = _best(overlap * ~same)
    any_object = torch.where(own >= other, own_object, other_object)
    nothing = torch.full_like(own_object, -1)
    off = (background_threshold <= own) & (own < iou_threshold)
    kinds, objects = torch.full_like(nothing, ErrorKind.BACKGROUND), nothing
    for kind, applies, compared in (  # the last that applies holds
        (ErrorKind.BOTH, own.maximum(other) >= background_threshold, any_object),
        (ErrorKind.DUPLICATE, own >= iou_threshold, own_object),
        (ErrorKind.CLASS, other >= iou_threshold, other_object),
        (ErrorKind.LOCATION, off, own_object),
        (ErrorKind.CORRECT, matches.correct[0, 0], matches.found[0, 0]),
        (ErrorKind.IGNORED, ~matches.counted[0, 0], nothing),
    ):
        kinds, objects = kinds.masked_fill(applies, kind), compared.where(applies, objects)
    return kinds, objects


def _best(overlap: Tensor) -> tuple[Tensor, Tensor]:
    """The greatest overlap of each row and its object, 0 and -1 where it shares nothing."""
    padded = torch.cat([overlap.new_zeros(len(overlap), 1), overlap], dim=1)
    best, place = padded.max(dim=1)  # of equals the first
    return best, place - 1


def _missed(target: Target, kinds: Tensor, objects: Tensor) -> Tensor:
    """Objects (R,) of a picture that were not found and that no mending would find."""
    within_reach = (ErrorKind.CORRECT, ErrorKind.CLASS, ErrorKind.LOCATION)
    reached = objects[torch.isin(kinds, torch.tensor(within_reach))]
    left = ~target["crowd"]
    left[reached] = False
    return left.nonzero()[:, 0]


def _gains(
    detections: Sequence[Detections],
    targets: Sequence[Target],
    kinds: Sequence[Tensor],
    objects: Sequence[Tensor],
    missed: Sequence[Tensor],
    num_objects: Tensor,
) -> tuple[float, dict[str, float]]:
    """AP as it is, and what it wins when one kind of mistake is put right."""
    scores = torch.cat([each["scores"] for each in detections])  # (N,), picture by picture
    labels = torch.cat([each["labels"] for each in detections])
    true_labels = torch.cat([each["labels"] for each in targets])
    # Objects numbered through all pictures; what is compared with none is never looked up.
    starts = torch.tensor([0] + [len(each["labels"]) for each in targets]).cumsum(0)
    compared = torch.cat([each + start for each, start in zip(objects, starts, strict=False)])
    kind = torch.cat(list(kinds))
    correct, counted = kind == ErrorKind.CORRECT, kind != ErrorKind.IGNORED
    ap50 = _mean_precision(scores, labels, correct, counted, num_objects)
    names = [target["labels"][rows] for target, rows in zip(targets, missed, strict=True)]
    lost = torch.cat(names).bincount(minlength=len(num_objects))  # (K,)
    gains = {}
    for mistake in _MISTAKES:
        wrong, named, wanted = kind == mistake, labels.clone(), num_objects
        mended = torch.zeros_like(wrong)
        if mistake in (ErrorKind.CLASS, ErrorKind.LOCATION):
            mended = _surest_of_each(scores, compared, wrong, compared[correct])
            named[mended] = true_labels[compared[mended]]
        elif mistake == ErrorKind.MISSED:
            wanted = num_objects - lost
        use = counted & (mended | ~wrong)
        after = _mean_precision(scores, named, correct | mended, use, wanted)
        gains[mistake.name.lower()] = after - ap50
    return ap50, gains


def _mean_precision(
    scores: Tensor, labels: Tensor, correct: Tensor, use: Tensor, num_objects: Tensor
) -> float:
    classes = precision_of_classes(scores[use], labels[use], correct[use], num_objects)
    return classes.nanmean().item()


def _surest_of_each(scores: Tensor, objects: Tensor, wrong: Tensor, found: Tensor) -> Tensor:
    """(N,) bool: of the wrong detections of each object that was not found, the surest."""
    taken, surest = set(found.tolist()), torch.zeros_like(wrong)
    order = scores.argsort(descending=True, stable=True)
    for detection in order[wrong[order]].tolist():
        if (compared := int(objects[detection])) not in taken:
            taken.add(compared)
            surest[detection] = True
    return surest
