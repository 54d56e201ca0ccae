"""Average precision by hand, and the scores of COCO against pycocotools."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from imgrec_lab import box_ops, metrics
from imgrec_lab.metrics import detection_scores, ranked_precision

TWELVE = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip


def pycocotools_says(detections, targets, num_classes: int) -> tuple[list[float], np.ndarray]:
    """COCO's twelve numbers, and AP of each class at each threshold (10, K)."""
    rows = []
    for image_id, target in enumerate(targets):
        crowd = target.get("crowd", torch.zeros(len(target["boxes"])))
        boxes = box_ops.xyxy_to_xywh(target["boxes"].double())
        for box, label, group in zip(boxes, target["labels"], crowd, strict=True):
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image_id,
                    "category_id": int(label),
                    "bbox": box.tolist(),
                    "area": (box[2] * box[3]).item(),
                    "iscrowd": int(group),
                }
            )
    results = [
        {"image_id": image_id, "category_id": int(label), "bbox": box.tolist(), "score": score}
        for image_id, found in enumerate(detections)
        for box, score, label in zip(
            box_ops.xyxy_to_xywh(found["boxes"].double()),
            found["scores"].tolist(),
            found["labels"],
            strict=True,
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image_id} for image_id in range(len(targets))],
            "annotations": rows,
            "categories": [{"id": label} for label in range(num_classes)],
        }
        truth.createIndex()
        found = truth.loadRes(results) if results else COCO()
        if not results:
            found.dataset = {**truth.dataset, "annotations": []}
            found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][..., 0, 2]  # (10, 101, K)
    by_class = np.where(precision[:, 0] < 0, np.nan, precision.mean(axis=1))
    return [math.nan if value == -1 else value for value in evaluation.stats], by_class


def assert_equal_to_pycocotools(detections, targets, num_classes: int) -> metrics.DetectionScores:
    scores = metrics.mean_average_precision(detections, targets, num_classes=num_classes)
    expected, by_class = pycocotools_says(detections, targets, num_classes)
    ours = [getattr(scores, name) for name in TWELVE]
    assert ours == pytest.approx(expected, abs=1e-9, nan_ok=True)
    np.testing.assert_allclose(scores.ap50_per_class, by_class[0], atol=1e-9)
    np.testing.assert_allclose(scores.ap_per_class, by_class.mean(axis=0), atol=1e-9)
    return scores


def draw_case(seed: int, *, num_classes: int = 3, pictures: int = 5, most: int = 12, grid: int = 0):
    """Objects of all sizes and detections near them, far from them and twice on them.

    With a grid, corners and scores are whole steps: ties, equal IoU and IoU at the thresholds.
    """
    rng = np.random.default_rng(seed)
    detections, targets = [], []
    for _ in range(pictures):
        count = int(rng.integers(0, 7))
        sides = rng.choice([8, 20, 40, 100, 200], (count, 1)) * rng.uniform(0.7, 1.4, (count, 2))
        corner = rng.uniform(0, 200, (count, 2))
        boxes = np.concatenate([corner, corner + sides], 1)
        labels = rng.integers(0, num_classes, count)
        near = rng.integers(0, max(count, 1), int(rng.integers(0, most)) if count else 0)
        jitter = rng.normal(0, rng.choice([0.02, 0.1, 0.3]), (len(near), 4))
        found = boxes[near] + jitter * np.tile(sides[near], 2)
        wild = rng.uniform(0, 200, (int(rng.integers(0, 4)), 4))
        found = np.sort(np.concatenate([found, wild]).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
        named = np.where(rng.random(len(near)) < 0.8, labels[near], rng.integers(0, num_classes))
        named = np.concatenate([named, rng.integers(0, num_classes, len(wild))])
        scores = rng.random(len(found))
        if grid:
            boxes, found = (boxes / grid).round() * grid, (found / grid).round() * grid
            scores = (scores * 4).round() / 4
        detections.append(as_detections(found, scores, named))
        targets.append(as_target(boxes, labels, rng.random(count) < 0.15))
    return detections, targets, num_classes


def as_detections(boxes, scores, labels) -> box_ops.Detections:
    return {
        "boxes": torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "scores": torch.as_tensor(scores, dtype=torch.float32),
        "labels": torch.as_tensor(labels, dtype=torch.int64),
    }


def as_target(boxes, labels, crowd=None) -> box_ops.Target:
    target: box_ops.Target = {
        "boxes": torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.as_tensor(labels, dtype=torch.int64),
    }
    if crowd is not None:
        target["crowd"] = torch.as_tensor(crowd, dtype=torch.bool)
    return target


@pytest.mark.parametrize("grid", [0, 4, 10, 20])
def test_scores_are_pycocotools_in_random_cases(grid):
    for seed in range(60):
        assert_equal_to_pycocotools(*draw_case(seed, grid=grid))


def test_scores_are_pycocotools_with_more_than_100_detections_of_a_class():
    for seed in range(4):
        assert_equal_to_pycocotools(*draw_case(seed, num_classes=1, pictures=3, most=400))
    # the only good box comes 101st in its picture, and 100th where one of the others is less sure
    boxes = [[50, 50, 60, 60]] * 100 + [[0, 0, 10, 10]]
    target = as_target([[0, 0, 10, 10]], [0])
    for last, ap in ((0.9, 0.0), (0.1, 0.01)):
        found = as_detections(boxes, [0.9] * 99 + [last, 0.5], [0] * 101)
        scores = assert_equal_to_pycocotools([found], [target], 1)
        assert scores.ap == pytest.approx(ap)


def test_scores_are_pycocotools_where_iou_lies_on_a_threshold():
    for tenths in range(50, 100, 5):  # 0.5, 0.55, ...: the part of a box of 20 px that is found
        found = as_detections([[0, 0, tenths / 5, 20]], [1.0], [0])
        scores = assert_equal_to_pycocotools([found], [as_target([[0, 0, 20, 20]], [0])], 1)
        assert scores.ap == pytest.approx((tenths - 45) / 50), tenths


def test_thresholds_and_recalls_are_pycocotools_to_the_last_digit():
    params = COCOeval(iouType="bbox").params
    assert list(detection_scores._THRESHOLDS) == params.iouThrs.tolist()
    assert list(ranked_precision._RECALLS) == params.recThrs.tolist()


def test_scores_are_pycocotools_where_recall_lies_on_a_step():
    boxes = torch.arange(100)[:, None] * 20 + torch.tensor([0, 0, 10, 10])
    target = as_target(boxes, [0] * 100)
    for right in (1, 29, 57, 58, 100):  # 0.29 and 0.57 are not what 29 and 57 steps of 0.01 give
        found = as_detections(boxes[:right], torch.linspace(1, 0.5, right), [0] * right)
        parts = [{key: value[part::2] for key, value in found.items()} for part in (0, 1)]
        assert_equal_to_pycocotools([found], [target], 1)
        assert_equal_to_pycocotools(parts, [target, target], 1)


def test_scores_are_pycocotools_at_the_edges_of_size():
    sides = torch.tensor([31.9, 32, 32.1, 95.9, 96, 96.1])
    boxes = torch.stack([sides * 0, sides * 0, sides, sides], dim=1) + torch.arange(6)[:, None] * 99
    targets = [as_target(boxes, [0] * 6)]
    assert_equal_to_pycocotools(
        [as_detections(boxes, torch.linspace(1, 0, 6), [0] * 6)], targets, 1
    )
    grown = boxes + torch.tensor([0, 0, 1, 1])  # found boxes of another size class than the object
    both = torch.cat([grown, grown + 600])  # half of them beside every object
    assert_equal_to_pycocotools(
        [as_detections(both, torch.arange(12) * 7 % 12 / 12, [0] * 12)], targets, 1
    )


def test_scores_are_pycocotools_around_crowds():
    box, part, wide = [0, 0, 40, 40], [0, 0, 20, 20], [0, 0, 90, 90]
    for crowd in ([True, False], [False, True], [True, True]):
        target = as_target([wide, box], [0, 0], crowd)
        for found in ([part, part, box], [box, box, part, wide], [[5, 5, 5, 9], wide], [wide]):
            scores = torch.linspace(1, 0.5, len(found))
            assert_equal_to_pycocotools(
                [as_detections(found, scores, [0] * len(found))], [target], 1
            )


def test_ties_go_to_the_first_picture_and_the_last_object():
    good, bad = [0, 0, 10, 10], [50, 50, 60, 60]
    target = as_target([good], [0])
    first = [as_detections([good], [0.5], [0]), as_detections([bad], [0.5], [0])]
    assert assert_equal_to_pycocotools(first, [target, target], 1).ap == pytest.approx(51 / 101)
    assert_equal_to_pycocotools(first[::-1], [target, target], 1)
    # equal overlap with two objects: the later is taken, which the second detection would need
    objects = as_target([[0, 0, 10, 10], [4, 0, 14, 10]], [0, 0])
    found = as_detections([[2, 0, 12, 10], [5, 0, 15, 10]], [0.9, 0.8], [0, 0])
    assert assert_equal_to_pycocotools([found], [objects], 1).ap50 == pytest.approx(51 / 101)


def test_scores_are_pycocotools_where_something_is_absent():
    nothing_found, nothing_there = as_detections([], [], []), as_target([], [])
    found, there = as_detections([[0, 0, 9, 9]], [0.8], [1]), as_target([[0, 0, 9, 9]], [1])
    empty = as_target([[3, 3, 3, 9]], [1])
    empty_found = as_detections([[3, 3, 3, 9], [0, 0, 0, 0]], [0.9, 0.3], [1, 1])
    for detections, targets in (
        ([found, nothing_found], [there, nothing_there]),
        ([nothing_found, found], [there, nothing_there]),
        ([found, found], [nothing_there, there]),
        ([empty_found, found], [empty, there]),
        ([as_detections([[0, 0, 9, 9]], [0.8], [2])], [there]),
    ):
        assert_equal_to_pycocotools(detections, targets, 3)
    none = metrics.mean_average_precision([nothing_found], [there], num_classes=2)
    assert none.ap == none.ar_100 == none.ap50_per_class[1] == 0
    assert math.isnan(none.ap50_per_class[0]) and math.isnan(none.ap_large)
    for detections in ([nothing_found], [found]):
        unknown = assert_equal_to_pycocotools(detections, [nothing_there], 2)
        assert all(math.isnan(getattr(unknown, name)) for name in TWELVE)


def test_scores_print_themselves():
    found, there = as_detections([[0, 0, 9, 9]], [0.8], [0]), as_target([[0, 0, 9, 9]], [0])
    assert str(metrics.mean_average_precision([found], [there], num_classes=1)).splitlines() == [
        "ap 1.000  ap50 1.000  ap75 1.000",
        "ap_small 1.000  ap_medium -  ap_large -",
        "ar_1 1.000  ar_10 1.000  ar_100 1.000",
        "ar_small 1.000  ar_medium -  ar_large -",
    ]


def test_matching_by_hand():
    objects = torch.tensor([[0.0, 0, 10, 10], [6, 0, 16, 10]])
    boxes = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 10], [40, 0, 50, 10], [5, 0, 15, 10]])
    scores = torch.tensor([0.5, 0.9, 0.8, 0.7])
    # box 1 is the surest and takes object 0, so box 0, though it fits it, comes too late
    found = metrics.match_detections(boxes, scores, objects)
    assert found.tolist() == [-1, 0, -1, 1]
    assert metrics.match_detections(boxes, scores, objects, iou_threshold=0.9).tolist()[3] == -1
    equal = metrics.match_detections(boxes[:2], torch.ones(2), objects)
    assert equal.tolist() == [0, -1]
    between = torch.tensor([[3.0, 0, 13, 10]])  # fits both objects alike, and takes the later
    assert metrics.match_detections(between, torch.ones(1), objects).tolist() == [1]
    assert metrics.match_detections(boxes, scores, objects[:0]).tolist() == [-1] * 4
    assert metrics.match_detections(boxes[:0], scores[:0], objects).shape == (0,)


def test_three_steps_by_hand_lead_to_the_same_number():
    for seed in range(20):
        detections, targets, _ = draw_case(seed, num_classes=1, grid=4 * (seed % 2))
        targets = [{**target, "crowd": target["crowd"] & False} for target in targets]
        found = [
            metrics.match_detections(each["boxes"], each["scores"], target["boxes"])
            for each, target in zip(detections, targets, strict=True)
        ]
        curve = metrics.precision_recall(
            torch.cat([each["scores"] for each in detections]),
            torch.cat(found) >= 0,
            sum(len(target["boxes"]) for target in targets),
        )
        scores = metrics.mean_average_precision(detections, targets, num_classes=1)
        assert metrics.average_precision(curve.precision, curve.recall) == scores.ap50


def test_precision_and_recall_by_hand():
    curve = metrics.precision_recall(
        torch.tensor([0.2, 0.9, 0.6]), torch.tensor([True, True, False]), 4
    )
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    assert curve.recall.tolist() == [0.25, 0.25, 0.5]
    assert curve.scores.tolist() == pytest.approx([0.9, 0.6, 0.2])
    # 26 recalls up to 0.25 are reached with precision 1, 25 more up to 0.5 with 2/3
    area = metrics.average_precision(curve.precision, curve.recall)
    assert area == pytest.approx((26 + 25 * 2 / 3) / 101)
    nothing = metrics.precision_recall(torch.tensor([0.5]), torch.tensor([False]), 0)
    assert math.isnan(metrics.average_precision(nothing.precision, nothing.recall))
    assert metrics.average_precision(torch.zeros(0), torch.zeros(0)) == 0


def test_average_precision_is_scikit_learns_where_the_curve_only_falls():
    from sklearn.metrics import average_precision_score

    correct = torch.arange(400) < 300  # all that is right comes first
    scores = torch.linspace(1, 0, 400)
    curve = metrics.precision_recall(scores, correct, 300)
    expected = average_precision_score(correct, scores)
    assert metrics.average_precision(curve.precision, curve.recall) == pytest.approx(expected)


def test_steps_refuse_what_does_not_fit():
    boxes, scores = torch.zeros(2, 4), torch.ones(2)
    with pytest.raises(ValueError, match=r"iou_threshold must lie in \[0, 1\]; got 50"):
        metrics.match_detections(boxes, scores, boxes, iou_threshold=50)
    with pytest.raises(ValueError, match=r"scores must have shape \(2,\), one a box; got \(3,\)"):
        metrics.match_detections(boxes, torch.ones(3), boxes)
    with pytest.raises(ValueError, match="boxes must be finite; some are NaN"):
        metrics.match_detections(boxes * math.nan, scores, boxes)
    with pytest.raises(ValueError, match="scores must be finite"):
        metrics.match_detections(boxes, scores * math.nan, boxes)
    right = torch.tensor([True, True])
    with pytest.raises(ValueError, match="scores must be finite"):
        metrics.precision_recall(scores * math.nan, right, 2)
    with pytest.raises(ValueError, match=r"both have shape \(M,\); got \(2,\) and \(1,\)"):
        metrics.precision_recall(scores, right[:1], 2)
    with pytest.raises(
        TypeError, match="must be bool; got torch.int64. For indices use found >= 0"
    ):
        metrics.precision_recall(scores, torch.tensor([0, -1]), 2)
    with pytest.raises(ValueError, match="at least the 2 correct detections; got 1. Does each"):
        metrics.precision_recall(scores, right, 1)
    with pytest.raises(ValueError, match=r"both have shape \(M,\); got \(2,\) and \(3,\)"):
        metrics.average_precision(scores, torch.ones(3))
    with pytest.raises(ValueError, match="recall must never fall. Rank by score first"):
        metrics.average_precision(scores, torch.tensor([0.5, 0.4]))


def without(values: dict, key: str) -> dict:
    return {name: value for name, value in values.items() if name != key}


@pytest.mark.parametrize("measure", [metrics.mean_average_precision, metrics.detection_errors])
def test_pictures_that_cannot_be_compared_are_refused(measure):
    found, there = as_detections([[0, 0, 9, 9]], [0.8], [1]), as_target([[0, 0, 9, 9]], [1])
    nan = torch.tensor([math.nan])
    for detections, targets, words in (
        ([found], [], "equally many, one a picture; got 1 and 0"),
        ([], [], "at least one picture; got none"),
        ([without(found, "scores")], [there], r"detections\[0\] must hold .* scores is missing"),
        ([found] * 2, [there, without(there, "labels")], r"targets\[1\] .* labels is missing"),
        ([found], [{**there, "labels": torch.tensor([2])}], r"0\.\.1; got 2\.\.2.*subtract 1"),
        ([{**found, "labels": torch.tensor([-1])}], [there], r"0\.\.1; got -1\.\.-1"),
        ([{**found, "scores": nan}], [there], r"detections\[0\]\['scores'\] must be finite"),
        ([found], [{**there, "boxes": nan.expand(1, 4)}], r"\['boxes'\] must be finite; some"),
        ([{**found, "boxes": torch.zeros(4)}], [there], r"shape \(M, 4\); got \(4,\)"),
        ([{**found, "scores": torch.ones(2)}], [there], r"\(1,\), one a box; got \(2,\)"),
        ([found], [{**there, "crowd": torch.ones(2)}], r"'crowd'\] must .* \(1,\), .* got \(2,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            measure(detections, targets, num_classes=2)
    with pytest.raises(TypeError, match=r"\['labels'\] must be int64; got torch.float32"):
        measure([{**found, "labels": torch.ones(1)}], [there], num_classes=2)
    with pytest.raises(ValueError, match="num_classes must be at least 1; got 0"):
        measure([found], [there], num_classes=0)
