"""Kinds of mistakes by hand, and what mending them wins against really mending them."""

import math

import pytest
import torch

from imgrec_lab import box_ops, metrics
from imgrec_lab.metrics import ErrorKind

OBJECTS: box_ops.Target = {
    "boxes": torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [80, 0, 90, 10]]),
    "labels": torch.tensor([0, 1, 0, 1]),
}
ONE_OF_EACH = [  # box, score, label, kind, object
    ([0, 0, 10, 10], 0.9, 0, ErrorKind.CORRECT, 0),
    ([0, 0, 10, 9], 0.8, 0, ErrorKind.DUPLICATE, 0),
    ([20, 0, 30, 9], 0.7, 0, ErrorKind.CLASS, 1),
    ([40, 0, 50, 4], 0.6, 0, ErrorKind.LOCATION, 2),
    ([40, 0, 50, 3], 0.5, 1, ErrorKind.BOTH, 2),
    ([60, 0, 70, 9], 0.4, 1, ErrorKind.BACKGROUND, -1),
    ([49.5, 0, 59, 9], 0.3, 1, ErrorKind.BACKGROUND, -1),  # shares less than a tenth
]


def detections_of(rows) -> box_ops.Detections:
    boxes, scores, labels, *_ = zip(*rows, strict=True) if rows else ([], [], [])
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.tensor(scores, dtype=torch.float32),
        "labels": torch.tensor(labels, dtype=torch.int64),
    }


def errors_of(detections, targets=(OBJECTS,), **thresholds) -> metrics.DetectionErrors:
    return metrics.detection_errors(detections, targets, num_classes=2, **thresholds)


def test_one_of_each_kind():
    errors = errors_of([detections_of(ONE_OF_EACH)])
    assert errors.kinds[0].tolist() == [row[3] for row in ONE_OF_EACH]
    assert errors.objects[0].tolist() == [row[4] for row in ONE_OF_EACH]
    assert errors.missed[0].tolist() == [3]  # objects 1 and 2 need only another name or place
    assert errors.counts == {
        "correct": 1, "class": 1, "location": 1, "both": 1, "duplicate": 1, "background": 2,
        "missed": 1, "ignored": 0,
    }  # fmt: skip
    turned = errors_of([detections_of(ONE_OF_EACH[::-1])])  # in the order of the detections
    assert turned.kinds[0].tolist() == [row[3] for row in ONE_OF_EACH[::-1]]
    assert turned.ap50_gain == errors.ap50_gain


def test_gains_by_hand():
    errors = errors_of([detections_of(ONE_OF_EACH)])
    half = 51 / 101  # recall 0.5 is reached, with precision 1; class 1 has found nothing
    assert errors.ap50 == pytest.approx(half / 2)
    gains = {name: 2 * gain for name, gain in errors.ap50_gain.items()}  # summed over two classes
    assert gains["class"] == pytest.approx(half)  # the first of class 1 is now right
    # class 0 finds its second object with the fourth detection, two false ones before it
    assert gains["location"] == pytest.approx((51 + 50 * 2 / 4) / 101 - half)
    assert gains["both"] == gains["duplicate"] == gains["background"] == 0
    assert gains["missed"] == 0  # one object of class 1 is left, and it is not found either
    lines = str(errors).splitlines()
    assert lines[0].split() == ["kind", "number", "ap50", "gain"]
    assert lines[2].split() == ["location", "1", "+0.124"]


def random_case(seed: int) -> tuple[list[box_ops.Detections], list[box_ops.Target]]:
    generator = torch.Generator().manual_seed(seed)
    detections, targets = [], []
    for count in torch.randint(0, 6, (8,), generator=generator).tolist():
        corner = torch.rand(count, 2, generator=generator) * 60
        boxes = torch.cat([corner, corner + 10 + torch.rand(count, 2, generator=generator) * 20], 1)
        labels = torch.randint(0, 2, (count,), generator=generator)
        moved = boxes + torch.randn(count, 4, generator=generator) * 3
        further = boxes + torch.randn(count, 4, generator=generator) * 6
        wild = torch.rand(3, 2, generator=generator) * 60
        found = torch.cat([moved, further, torch.cat([wild, wild + 15], 1)])
        named = torch.cat([labels, labels, torch.zeros(3, dtype=torch.int64)])
        flip = torch.rand(len(found), generator=generator) < 0.25
        scores = torch.rand(len(found), generator=generator)
        detections.append({"boxes": found, "scores": scores, "labels": named ^ flip.long()})
        crowd = torch.rand(count, generator=generator) < 0.1
        targets.append({"boxes": boxes, "labels": labels, "crowd": crowd})
    return detections, targets


def mend(detections, targets, errors: metrics.DetectionErrors, mistake: ErrorKind) -> float:
    """AP50 after the detections and targets themselves were changed."""
    new_detections, new_targets = [], []
    for found, target, kinds, objects, missed in zip(
        detections, targets, errors.kinds, errors.objects, errors.missed, strict=True
    ):
        boxes, labels, stays = found["boxes"].clone(), found["labels"].clone(), kinds != mistake
        free = set(range(len(target["boxes"]))) - set(objects[kinds == ErrorKind.CORRECT].tolist())
        for row in found["scores"].argsort(descending=True).tolist():
            thing = int(objects[row])
            if kinds[row] == mistake and thing in free and mistake <= ErrorKind.LOCATION:
                boxes[row] = target["boxes"][thing] if mistake == ErrorKind.LOCATION else boxes[row]
                labels[row], stays[row] = target["labels"][thing], True
                free.remove(thing)
        new = {"boxes": boxes, "scores": found["scores"], "labels": labels}
        new_detections.append({key: value[stays] for key, value in new.items()})
        asked = torch.ones(len(target["boxes"]), dtype=torch.bool)
        asked[missed] = mistake != ErrorKind.MISSED
        new_targets.append({key: value[asked] for key, value in target.items()})
    return metrics.mean_average_precision(new_detections, new_targets, num_classes=2).ap50


def test_gains_are_those_of_really_mending():
    seen = torch.zeros(len(ErrorKind), dtype=torch.int64)
    for seed in range(12):
        detections, targets = random_case(seed)
        errors = errors_of(detections, targets)
        scores = metrics.mean_average_precision(detections, targets, num_classes=2)
        assert errors.ap50 == scores.ap50
        for mistake in range(ErrorKind.CLASS, ErrorKind.IGNORED):
            kind = ErrorKind(mistake)
            mended = mend(detections, targets, errors, kind)
            gain = errors.ap50_gain[kind.name.lower()]
            assert gain == pytest.approx(mended - errors.ap50, abs=1e-12), (seed, kind)
            assert gain >= 0
        seen += torch.tensor(list(errors.counts.values()))
        assert sum(errors.counts.values()) - errors.counts["missed"] == sum(
            len(each["boxes"]) for each in detections
        )
    assert (seen > 5).all()  # the random cases hold every kind


def test_a_perfect_detector_has_nothing_to_mend():
    found = {**OBJECTS, "scores": torch.linspace(1, 0.5, 4)}
    errors = errors_of([found])
    assert errors.ap50 == 1 and set(errors.ap50_gain.values()) == {0}
    assert errors.counts["correct"] == 4 and len(errors.missed[0]) == 0


def test_nothing_found_or_nothing_there():
    nothing_found = detections_of([])
    nothing_there = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    errors = errors_of([nothing_found])
    assert errors.missed[0].tolist() == [0, 1, 2, 3] and errors.ap50 == 0
    assert errors.kinds[0].shape == errors.objects[0].shape == (0,)
    assert math.isnan(errors.ap50_gain["missed"])  # with all objects gone nothing is left
    assert "missed           4          -" in str(errors)
    alarms = errors_of([detections_of(ONE_OF_EACH)], [nothing_there])
    assert set(alarms.kinds[0].tolist()) == {ErrorKind.BACKGROUND} and math.isnan(alarms.ap50)
    assert alarms.objects[0].tolist() == [-1] * 7 and len(alarms.missed[0]) == 0
    both = errors_of([nothing_found], [nothing_there])
    assert set(both.counts.values()) == {0}


def test_crowds_are_neither_missed_nor_mistaken():
    crowd = {**OBJECTS, "crowd": torch.tensor([True, False, True, False])}
    errors = errors_of([detections_of(ONE_OF_EACH[:3])], [crowd])
    assert errors.kinds[0].tolist() == [ErrorKind.IGNORED, ErrorKind.IGNORED, ErrorKind.CLASS]
    assert errors.objects[0].tolist() == [-1, -1, 1]
    assert errors.missed[0].tolist() == [3]
    many = detections_of([ONE_OF_EACH[0]] * 102)  # only the hundred surest count
    assert errors_of([many]).counts["ignored"] == 2


def test_thresholds_move_the_borders_between_kinds():
    found = [detections_of(ONE_OF_EACH)]
    strict = errors_of(found, iou_threshold=0.95)
    assert strict.kinds[0].tolist()[:3] == [ErrorKind.CORRECT, ErrorKind.LOCATION, ErrorKind.BOTH]
    exact = errors_of(found, iou_threshold=0.9)  # the second box shares 0.9, which is enough
    assert exact.kinds[0][1] == ErrorKind.DUPLICATE
    loose = errors_of(found, iou_threshold=0.4)
    assert loose.kinds[0][3] == ErrorKind.CORRECT
    wide = errors_of(found, background_threshold=0.35)
    assert wide.kinds[0].tolist()[3:5] == [ErrorKind.LOCATION, ErrorKind.BACKGROUND]


def test_thresholds_out_of_range_are_refused():
    found = [detections_of(ONE_OF_EACH)]
    with pytest.raises(ValueError, match=r"iou_threshold must lie in \[0, 1\]; got 1.5"):
        errors_of(found, iou_threshold=1.5)
    for threshold in (0, 0.6, math.nan):
        with pytest.raises(ValueError, match=rf"not above iou_threshold, 0.5; got {threshold}"):
            errors_of(found, background_threshold=threshold)
