"""The explorers of detection: their numbers against box_ops and metrics, every control moved."""

import io
import re

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from imgrec_lab import box_ops, metrics, scenes, widgets
from imgrec_lab.widgets import widget_boxes, widget_detection, widget_suppression
from imgrec_lab.widgets.quick_pictures import Backdrop

CLASSES = scenes.CLASSES
IMAGE = torch.full((3, 60, 80), 90, dtype=torch.uint8)


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def drawn(parts):
    picture = Image.open(io.BytesIO(bytes(parts.picture.value)))
    assert picture.width <= 940
    return picture.tobytes()


def count_pictures(monkeypatch, module):
    count = []
    monkeypatch.setattr(module, "png", lambda figure: count.append(figure) or b"")
    return count


def noisy_detections(targets, num_classes, *, per_object=4, junk=2, seed=0):
    """Boxes around the true ones and elsewhere, some of a wrong class; scores of two digits tie."""
    generator = torch.Generator().manual_seed(seed)
    detections = []
    for target in targets:
        boxes = target["boxes"].repeat(per_object, 1)
        sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
        boxes = boxes + 0.15 * sides * torch.randn(boxes.shape, generator=generator)
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        labels = target["labels"].repeat(per_object)
        corners = 80 * torch.rand(junk, 2, generator=generator)
        boxes = torch.cat([boxes, torch.cat([corners, corners + 12], dim=1)])
        others = torch.randint(num_classes, (len(boxes),), generator=generator)
        change = torch.rand(len(boxes), generator=generator) < 0.2
        labels = torch.cat([labels, others[len(labels) :]]).where(~change, others)
        scores = (100 * torch.rand(len(boxes), generator=generator)).round() / 100
        order = scores.argsort(descending=True)
        detections.append({"boxes": boxes[order], "scores": scores[order], "labels": labels[order]})
    return detections


@pytest.fixture(scope="module")
def streets():
    scene = scenes.draw_streets(8, image_size=(96, 128), seed=1)
    return scene.images, scene.targets, noisy_detections(scene.targets, len(CLASSES))


# -------------------------------------------------------------------------------------------- IoU


def test_two_boxes_by_hand():
    overlap = widget_boxes.measure_overlap(
        torch.tensor([0.0, 0, 4, 4]), torch.tensor([2.0, 0, 6, 4])
    )
    assert overlap[:3] == (8, 24, 24)
    assert overlap.iou == pytest.approx(1 / 3) and overlap.giou == pytest.approx(1 / 3)
    apart = widget_boxes.measure_overlap(
        torch.tensor([0.0, 0, 1, 1]), torch.tensor([9.0, 9, 10, 10])
    )
    assert apart[:3] == (0, 2, 100) and (apart.iou, apart.giou) == pytest.approx((0, -0.98))


def boxes_of(parts):
    for letter in "ab":
        x, y, width, height = (
            getattr(parts, f"{letter}_{side}").value for side in ("x", "y", "width", "height")
        )
        yield torch.tensor([[x, y, x + width, y + height]], dtype=torch.float32)


@pytest.mark.parametrize("image", [None, IMAGE, torch.rand(1, 300, 200)])
def test_every_slider_through_its_range_and_the_sentence_is_true(image):
    parts = widgets.iou_explorer(image).parts
    height, width = (128, 160) if image is None else image.shape[1:]
    names = [f"{letter}_{side}" for letter in "ab" for side in ("x", "width", "y", "height")]
    for name in names:
        slider = getattr(parts, name)
        for value in (slider.max, (slider.min + slider.max) // 3):
            before = drawn(parts), slider.value
            slider.value = value
            if slider.value != before[1]:
                assert drawn(parts) != before[0]
            a, b = boxes_of(parts)
            assert max(a[0, 2], b[0, 2]) <= width and max(a[0, 3], b[0, 3]) <= height
            words = parts.message.value.replace("−", "-").replace(",", "")
            assert f"<b>IoU {box_ops.iou(a, b).item():.2f}</b>" in words
            assert f"<b>GIoU {box_ops.giou(a, b).item():.2f}</b>" in words
            shared, union = re.search(r"intersection (\d+) px² / union (\d+) px²", words).groups()
            assert int(shared) == pytest.approx(box_ops.iou(a, b).item() * int(union), abs=0.5)
            assert int(union) + int(shared) == box_ops.area(a) + box_ops.area(b)


def test_box_a_begins_on_a_sign_and_box_b_overlaps_it():
    a, b = boxes_of(widgets.iou_explorer().parts)
    target = scenes.draw_streets(1, image_size=(128, 160), seed=0).targets[0]
    assert torch.equal(a, target["boxes"][:1]) and 0.1 < box_ops.iou(a, b) < 0.9


def test_one_move_of_a_slider_draws_one_picture(monkeypatch):
    parts = widgets.iou_explorer(IMAGE).parts
    count = count_pictures(monkeypatch, widget_boxes)
    parts.b_x.value = parts.b_x.max
    assert len(count) == 1
    parts.b_width.value = 80  # pushes the box to the left edge
    assert len(count) == 2 and parts.b_x.value == 0
    parts.b_width.value = 20
    parts.b_x.value = 60
    assert len(count) == 4


def test_a_picture_too_small_or_of_another_shape():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels; got 7 x 80"):
        widgets.iou_explorer(IMAGE[:, :7])
    with pytest.raises(ValueError, match=r"image must have shape \(C, H, W\)"):
        widgets.iou_explorer(IMAGE[0])


# -------------------------------------------------------------------------------------------- NMS


def test_who_drops_whom_by_hand():
    detections = {
        "boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 1, 10, 10]]),
        "scores": torch.tensor([0.8, 0.9, 0.3, 0.7]),
        "labels": torch.tensor([0, 0, 0, 1]),
    }
    by_class = widget_suppression.suppress(detections, score_threshold=0.3, iou_threshold=0.5)
    assert by_class.above.tolist() == [1, 0, 3, 2] and by_class.kept.tolist() == [1, 3, 2]
    assert by_class.keeper.tolist() == [0, 0, 1, 2]
    together = widget_suppression.suppress(
        detections, score_threshold=0.31, iou_threshold=0.5, by_class=False
    )
    assert together.kept.tolist() == [1] and together.keeper.tolist() == [0, 0, 0]


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize("iou_threshold", [0, 0.3, 0.5, 1])
def test_what_stays_is_what_nms_keeps(streets, iou_threshold, by_class):
    for detections in streets[2]:
        result = widget_suppression.suppress(
            detections, score_threshold=0.2, iou_threshold=iou_threshold, by_class=by_class
        )
        chosen = detections["scores"] >= 0.2
        kept = box_ops.nms(
            detections["boxes"][chosen], detections["scores"][chosen],
            labels=detections["labels"][chosen] if by_class else None, iou_threshold=iou_threshold,
        )  # fmt: skip
        assert torch.equal(result.kept, chosen.nonzero()[:, 0][kept])
        keepers = result.kept[result.keeper].tolist()
        for box, keeper in zip(result.above.tolist(), keepers, strict=True):
            assert detections["scores"][keeper] >= detections["scores"][box]
            overlap = box_ops.iou(detections["boxes"][[box]], detections["boxes"][[keeper]])
            assert box == keeper or overlap > iou_threshold


def test_both_thresholds_through_their_range(streets):
    images, targets, detections = streets
    busy = max(range(8), key=lambda number: len(targets[number]["boxes"]))
    parts = widgets.nms_explorer(
        images[busy], detections[busy], targets[busy], classes=CLASSES
    ).parts
    found = detections[busy]
    seen = set()
    for score_threshold in (0, 0.6, 1):
        for iou_threshold in (0, 0.4, 1):
            for by_class in (True, False):
                parts.score_threshold.value, parts.iou_threshold.value = (
                    score_threshold,
                    iou_threshold,
                )
                parts.by_class.value = by_class
                seen.add(drawn(parts))
                numbers = map(int, re.findall(r"(?<![.\d])\d+(?![.\d]*\d)", _plain(parts)))
                above, kept, dropped, right, objects, second, wrong = numbers
                result = widget_suppression.suppress(
                    found, score_threshold=score_threshold, iou_threshold=iou_threshold,
                    by_class=by_class,
                )  # fmt: skip
                assert (above, kept) == (len(result.above), len(result.kept))
                assert dropped == above - kept == right + second + wrong + dropped - kept
                errors = metrics.detection_errors(
                    [{key: value[result.kept] for key, value in found.items()}], [targets[busy]],
                    num_classes=len(CLASSES),
                )  # fmt: skip
                assert (right, second) == (errors.counts["correct"], errors.counts["duplicate"])
                assert objects == len(targets[busy]["boxes"])
    assert len(seen) > 8


def _plain(parts):
    """The sentence without mark-up and without the score, which is no count."""
    return re.sub(r"<[^>]+>|of score \d\.\d\d", "", parts.message.value)


def test_no_box_one_box_and_thousands():
    generator = torch.Generator().manual_seed(0)
    for number, sentence in (
        (0, "<b>0 boxes</b>"),
        (1, "<b>1 box</b>"),
        (5000, "<b>5,000 boxes</b>"),
    ):
        corners = 60 * torch.rand(number, 2, generator=generator)
        detections = {
            "boxes": torch.cat([corners, corners + 9], dim=1),
            "scores": 0.5 + torch.rand(number, generator=generator) / 2,
            "labels": torch.randint(3, (number,), generator=generator),
        }
        nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        parts = widgets.nms_explorer(IMAGE, detections, nothing).parts
        assert sentence in parts.message.value and "<b>0 of 0</b> objects" in parts.message.value
        drawn(parts)


def test_labels_and_boxes_that_do_not_fit(streets):
    detections = streets[2][0]
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0 for 1 classes"):
        widgets.nms_explorer(IMAGE, detections, classes=["only"])
    with pytest.raises(ValueError, match=r"labels must have shape \(\d+,\), one a box; got \(1,\)"):
        widgets.nms_explorer(IMAGE, detections | {"labels": detections["labels"][:1]})


# -------------------------------------------------------------------------------- precision-recall


def test_a_class_ranked_by_hand():
    targets = [
        {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([0])},
        {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])},
    ]
    detections = [
        {
            "boxes": torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 10], [0, 0, 10, 2]]),
            "scores": torch.tensor([0.9, 0.5, 0.4]),
            "labels": torch.tensor([0, 0, 0]),
        },
        {
            "boxes": torch.tensor([[0.0, 0, 10, 10]]),
            "scores": torch.tensor([0.7]),
            "labels": torch.tensor([0]),
        },
    ]
    ranked = widget_detection.rank_class(detections, targets, label=0, num_classes=2)
    assert [box.picture for box in ranked.boxes] == [0, 1, 0, 0]
    assert [box.correct for box in ranked.boxes] == [True, False, False, False]
    assert [box.iou for box in ranked.boxes] == pytest.approx([0.8, 0, 1, 0.2])
    assert ranked.num_objects == 1 and ranked.boxes[1].object_box is None
    parts = widgets.precision_recall_explorer(
        detections, targets, classes=["<i>a</i>", "b"], images=[IMAGE, IMAGE]
    ).parts
    says = []
    for rank in range(1, 5):
        parts.rank.value = rank
        says.append(parts.message.value)
    name = "&lt;i&gt;a&lt;/i&gt;"
    assert f"Box 1 of 4, score 0.90: IoU 0.80 with a {name}: <b>right</b>." in says[0]
    assert f"no {name} is there: <b>wrong</b>." in says[1]
    assert "IoU 1.00" in says[2] and "<b>wrong</b>, a surer box has that one already." in says[2]
    assert "IoU 0.20" in says[3] and "<b>wrong</b>, below 0.50." in says[3]
    assert "precision 1 / 4 = <b>0.250</b>, recall <b>1 / 1 = 1.000</b>." in says[3]
    parts.label.value = 1
    assert parts.message.value == "No b was found; there are 1."


@pytest.mark.parametrize(("iou_threshold", "key"), [(0.5, "ap50"), (0.75, "ap75")])
def test_the_curves_end_at_the_average_precision(streets, iou_threshold, key):
    _, targets, detections = streets
    crowds = [
        target | {"crowd": torch.arange(len(target["labels"])) % 3 == 2} for target in targets
    ]
    for truth in (targets, crowds):
        scores = metrics.mean_average_precision(detections, truth, num_classes=len(CLASSES))
        areas = []
        for label in range(len(CLASSES)):
            ranked = widget_detection.rank_class(
                detections,
                truth,
                label=label,
                num_classes=len(CLASSES),
                iou_threshold=iou_threshold,
            )
            if ranked.num_objects:
                curve = ranked.curve
                areas.append(metrics.average_precision(curve.precision, curve.recall))
            for box in ranked.boxes:
                assert not box.correct or box.iou >= iou_threshold
        assert len(areas) >= 5
        assert sum(areas) / len(areas) == pytest.approx(getattr(scores, key), abs=1e-9)


def test_every_control_through_its_range(streets):
    images, targets, detections = streets
    parts = widgets.precision_recall_explorer(
        detections, targets, classes=CLASSES, images=images
    ).parts
    pictures = set()
    for _, label in parts.label.options[::3]:
        parts.label.value = label
        for iou_threshold in (0.5, 0.95):
            parts.iou_threshold.value = iou_threshold
            ranked = widget_detection.rank_class(
                detections, targets, label=label, num_classes=len(CLASSES),
                iou_threshold=iou_threshold,
            )  # fmt: skip
            for rank in (1, parts.rank.max):
                parts.rank.value = rank
                pictures.add(drawn(parts))
                if not ranked.boxes:
                    assert parts.message.value.startswith(f"No {CLASSES[label]} was found; there")
                    continue
                precision = ranked.curve.precision[rank - 1]
                assert f"Box {rank} of {len(ranked.boxes)}, score" in parts.message.value
                assert f"= <b>{precision:.3f}</b>, recall" in parts.message.value
                if ranked.num_objects:
                    assert f"= {ranked.curve.recall[rank - 1]:.3f}</b>." in parts.message.value
                else:
                    assert "not defined" in parts.message.value
    assert len(pictures) > 10


def test_one_change_of_the_class_draws_one_picture(streets, monkeypatch):
    _, targets, detections = streets
    parts = widgets.precision_recall_explorer(detections, targets, classes=CLASSES).parts
    parts.rank.value = parts.rank.max
    count = count_pictures(monkeypatch, widget_detection)
    for _, label in parts.label.options[1:]:
        parts.label.value = label
    parts.iou_threshold.value = 0.6
    assert len(count) == len(parts.label.options)


def test_only_classes_that_occur_can_be_chosen(streets):
    _, targets, detections = streets
    nothing = [{key: value[:0] for key, value in each.items()} for each in detections]
    parts = widgets.precision_recall_explorer(nothing, targets, classes=CLASSES).parts
    labels = torch.cat([target["labels"] for target in targets]).unique().tolist()
    assert [label for _, label in parts.label.options] == labels
    with pytest.raises(ValueError, match="must hold one box at least; got none"):
        widgets.precision_recall_explorer(nothing[:1], nothing[:1], classes=CLASSES)


def test_pictures_and_targets_that_do_not_fit(streets):
    images, targets, detections = streets
    with pytest.raises(ValueError, match="images must be one for each of 8 targets; got 2"):
        widgets.precision_recall_explorer(detections, targets, classes=CLASSES, images=images[:2])
    with pytest.raises(ValueError, match="detections and targets must be equally many"):
        widgets.precision_recall_explorer(detections[:2], targets, classes=CLASSES)


# ------------------------------------------------------------------------------------- backdrops


def test_a_large_picture_is_made_small_and_keeps_its_coordinates():
    image = torch.zeros(3, 500, 1000)
    image[:, :, 500:] = 1
    backdrop = Backdrop(image, most_px=100)
    assert backdrop.pixels.shape == (50, 100, 3) and backdrop.pixels[:, 50:].min() == 255
    ax = Figure().subplots()
    backdrop.show(ax, "half")
    assert ax.get_xlim() == (-0.5, 999.5) and ax.get_ylim() == (499.5, -0.5)
    assert Backdrop(IMAGE).pixels.shape == (60, 80, 3) and Backdrop(IMAGE).pixels[0, 0, 0] == 90
