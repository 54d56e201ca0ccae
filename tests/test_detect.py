"""The pure steps of a dense detector: locations, assign, encode, decode and the loss."""

import math

import pytest
import torch
from torchvision import ops
from torchvision.models.detection._utils import BoxLinearCoder

from imgrec_lab import detect
from imgrec_lab.detect import detection_losses

STRIDES = (4, 8, 16)
NO_BOXES = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
NAN, INF = math.nan, math.inf


def a_target(*boxes, labels=None):
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([0] * len(boxes) if labels is None else labels),
    }


def random_boxes(count: int, *, seed: int, size: float = 64) -> torch.Tensor:
    corners = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(seed)) * size
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def random_outputs(count: int, *, num_classes: int = 3, seed: int = 0, image_size=(64, 96)):
    """What a detector might answer for ``count`` pictures."""
    generator = torch.Generator().manual_seed(seed)
    points, strides = detect.locations(image_size, STRIDES)
    shape = count, len(points)
    return {
        "logits": torch.randn(*shape, num_classes, generator=generator).requires_grad_(),
        "distances": (3 * torch.rand(*shape, 4, generator=generator)).requires_grad_(),
        "points": points,
        "strides": strides,
    }


# --------------------------------------------------------------------------------------- locations


def test_locations_by_hand():
    points, strides = detect.locations((8, 12), (4, 8))
    fine = [[2, 2], [6, 2], [10, 2], [2, 6], [6, 6], [10, 6]]  # (x, y), row by row
    coarse = [[4, 4], [12, 4]]  # whole cells cover the picture, the last reaches beyond it
    assert points.tolist() == fine + coarse
    assert strides.tolist() == [4] * 6 + [8] * 2


@pytest.mark.parametrize("image_size", [(64, 96), (1, 4000), (3, 5)])
def test_locations_stand_in_the_order_of_a_flattened_map(image_size):
    points, strides = detect.locations(image_size, STRIDES)
    start = 0
    for stride in STRIDES:
        rows, columns = (math.ceil(side / stride) for side in image_size)
        grid = points[start : start + rows * columns].reshape(rows, columns, 2)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        assert torch.equal(grid, (torch.stack([x, y], dim=-1) + 0.5) * stride)
        assert (strides[start : start + rows * columns] == stride).all()
        start += rows * columns
    assert start == len(points) == len(strides)
    assert all(
        part.is_meta for part in detect.locations(image_size, STRIDES, device=torch.device("meta"))
    )


# ------------------------------------------------------------------------------------------ assign


def test_assignment_by_hand():
    points, strides = detect.locations((32, 32), (4,))
    boxes = torch.tensor([[8.0, 8, 24, 24], [12, 12, 20, 20]])  # the second in the first's middle
    middle = [[14, 14], [18, 14], [14, 18], [18, 18]]
    alone = detect.assign(points, strides, boxes[:1])
    assert alone.dtype == torch.int64
    assert all(alone[points.tolist().index(point)] == 0 for point in middle)
    outside = ((points < 8) | (points > 24)).any(dim=1)
    assert (alone[outside] == -1).all()
    both = detect.assign(points, strides, boxes)  # the smallest of several
    assert all(both[points.tolist().index(point)] == 1 for point in middle)
    assert torch.equal(both != -1, alone != -1)


def test_a_small_box_is_for_the_finest_map_and_a_large_one_for_the_coarsest():
    points, strides = detect.locations((128, 128), STRIDES)
    boxes = torch.tensor([[30.0, 30, 36, 36], [4, 4, 124, 124]])
    assigned = detect.assign(points, strides, boxes)
    assert strides[assigned == 0].unique().tolist() == [4]
    assert strides[assigned == 1].unique().tolist() == [16]


def test_who_answers_for_a_box_lies_inside_it():
    points, strides = detect.locations((64, 96), STRIDES)
    boxes = random_boxes(40, seed=0)
    assigned = detect.assign(points, strides, boxes)
    some = assigned != -1
    assert 0 < some.sum() < len(points)
    assert (detect.encode(boxes[assigned[some]], points[some], strides[some]) > 0).all()


def test_assignment_moves_with_the_boxes_and_names_them_in_any_order():
    points, strides = detect.locations((64, 96), STRIDES)
    boxes = torch.tensor([[8.0, 20, 22, 30], [20, 10, 60, 44], [40, 30, 47, 39]])
    here = detect.assign(points, strides, boxes)
    moved = detect.assign(points + 16, strides, boxes + 16)
    assert torch.equal(here, moved) and set(here.tolist()) == {-1, 0, 1, 2}
    order = torch.tensor([2, 0, 1])
    shuffled = detect.assign(points, strides, boxes[order])
    assert torch.equal(torch.where(shuffled == -1, -1, order[shuffled]), here)


def test_a_batch_is_its_pictures_and_fills_up_with_empty_boxes():
    points, strides = detect.locations((64, 96), STRIDES)
    boxes = torch.stack([random_boxes(5, seed=1), random_boxes(5, seed=2)])
    boxes[1, 3:] = 0
    batch = detect.assign(points, strides, boxes)  # (2, A)
    for row in range(2):
        assert torch.equal(batch[row], detect.assign(points, strides, boxes[row]))
    assert torch.equal(batch[1], detect.assign(points, strides, boxes[1, :3]))


@pytest.mark.parametrize("shape", [(0, 4), (1, 0, 4), (3, 0, 4)])
def test_where_there_is_no_box_all_is_background(shape):
    points, strides = detect.locations((16, 32), STRIDES)
    assigned = detect.assign(points, strides, torch.zeros(shape))
    assert assigned.shape == (*shape[:-2], len(points)) and assigned.dtype == torch.int64
    assert (assigned == -1).all()


@pytest.mark.parametrize(
    "box",
    [
        [10, 10, 10, 30],
        [10, 10, 10, 10],
        [30, 30, 10, 10],
        [-40, -40, -8, -8],
        [200, 8, 240, 40],
        [NAN, 8, 20, 20],
        [NAN] * 4,
        [-INF, -INF, INF, INF],
        [0, 0, 1e30, 1e30],
    ],
    ids=str,
)
def test_nobody_answers_for_a_box_that_is_empty_outside_or_no_box(box):
    points, strides = detect.locations((64, 64), STRIDES)
    real = [20.0, 20, 44, 40]
    assigned = detect.assign(points, strides, torch.tensor([box, real]))
    assert (assigned != 0).all() and (assigned == 1).any()


def test_5000_boxes():
    points, strides = detect.locations((64, 64), STRIDES)
    assigned = detect.assign(points, strides, random_boxes(5000, seed=3))
    assert assigned.max() < 5000 and len(assigned.unique()) > 100


# --------------------------------------------------------------------------------- encode, decode


def test_encode_and_decode_by_hand():
    points, strides = torch.tensor([[10.0, 20.0]]), torch.tensor([4.0])
    boxes = torch.tensor([[6.0, 12, 22, 40]])
    distances = detect.encode(boxes, points, strides)
    assert distances.tolist() == [[1, 2, 3, 5]]  # left, top, right, bottom, in strides
    assert detect.decode(distances, points, strides).tolist() == boxes.tolist()
    beside = detect.encode(torch.tensor([[12.0, 12, 22, 40]]), points, strides)
    assert beside.tolist() == [[-0.5, 2, 3, 5]]  # the location lies left of it


def test_encode_and_decode_are_torchvisions_for_anchors_as_large_as_a_cell():
    points, strides = detect.locations((64, 96), STRIDES)
    anchors = torch.cat([points - strides[:, None] / 2, points + strides[:, None] / 2], dim=1)
    boxes, coder = random_boxes(len(points), seed=4), BoxLinearCoder()
    distances = detect.encode(boxes, points, strides)
    torch.testing.assert_close(distances, coder.encode(anchors, boxes))
    torch.testing.assert_close(
        detect.decode(distances, points, strides), coder.decode(distances, anchors)
    )


def test_decode_undoes_encode_for_one_picture_a_batch_and_none():
    points, strides = detect.locations((32, 48), STRIDES)
    for count in (None, 3, 0):
        boxes = random_boxes(len(points) * (1 if count is None else count), seed=5)
        boxes = boxes.reshape(*([] if count is None else [count]), len(points), 4)
        there = detect.encode(boxes, points, strides)
        assert there.shape == boxes.shape
        torch.testing.assert_close(detect.decode(there, points, strides), boxes)
    assert detect.decode(torch.zeros(0, 4), points[:0], strides[:0]).shape == (0, 4)


# -------------------------------------------------------------------------------------- class loss


def test_class_loss_by_hand():
    logits = torch.zeros(1, 1, 2, requires_grad=True)  # a probability of a half each
    loss = detect.class_loss(logits, torch.tensor([[[0.8, 0.0]]]))
    background = detection_losses._DOUBT * 0.5**2
    assert loss.item() == pytest.approx((0.8 + background) * math.log(2))
    loss.backward()  # the weights themselves are not learned
    assert logits.grad[0, 0].tolist() == pytest.approx([0.8 * (0.5 - 0.8), background * 0.5])


def test_class_loss_is_the_papers_formula():
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 30, 4, generator=generator)
    wanted = torch.rand(2, 30, 4, generator=generator) * (
        torch.rand(2, 30, 4, generator=generator) < 0.3
    )
    p, q = logits.double().sigmoid(), wanted.double()
    there = -q * (q * p.log() + (1 - q) * (1 - p).log())
    not_there = -detection_losses._DOUBT * p**2 * (1 - p).log()
    expected = torch.where(q > 0, there, not_there).sum()
    torch.testing.assert_close(detect.class_loss(logits, wanted).double(), expected)


# ---------------------------------------------------------------------------------- detection loss


def one_location(box: torch.Tensor, num_classes: int = 2):
    """A single location in the middle of an 8 x 8 picture that answers ``box``, and knows no class.

    Its stride is 8.
    """
    points, strides = detect.locations((8, 8), (8,))
    return {
        "logits": torch.zeros(1, 1, num_classes),
        "distances": detect.encode(box, points, strides)[None],
        "points": points,
        "strides": strides,
    }


def test_detection_loss_by_hand():
    background = detection_losses._DOUBT * 0.5**2 * math.log(2)
    target = a_target([0, 0, 8, 8], labels=[1])
    right = one_location(torch.tensor([[0.0, 0, 8, 8]]))
    assert detect.detection_loss(right, [target]).item() == pytest.approx(math.log(2) + background)
    half = one_location(torch.tensor([[0.0, 0, 8, 4]]))  # IoU and GIoU are 1/2
    named = 0.5 * math.log(2)  # a probability of 1/2 is wanted and there, and counts half
    boxed = detection_losses._BOX_WEIGHT * 0.5 * (1 - 0.5)
    assert detect.detection_loss(half, [target]).item() == pytest.approx(named + background + boxed)
    nothing = detect.detection_loss(right, [NO_BOXES])
    assert nothing.item() == pytest.approx(2 * background)


def test_detection_loss_is_put_together_from_torchvisions_parts():
    outputs = random_outputs(3)
    targets = [
        {"boxes": random_boxes(count, seed=count), "labels": torch.arange(count) % 3}
        for count in (4, 0, 2)
    ]
    boxed, overlaps, wanted = [], [], torch.zeros_like(outputs["logits"])
    for row, target in enumerate(targets):
        assigned = detect.assign(outputs["points"], outputs["strides"], target["boxes"])
        found = detect.decode(outputs["distances"][row], outputs["points"], outputs["strides"])
        for place in (assigned != -1).nonzero()[:, 0].tolist():
            pair = found[place, None], target["boxes"][assigned[place], None]
            overlap = ops.box_iou(*pair).item()
            overlaps.append(overlap)
            boxed.append(overlap * ops.generalized_box_iou_loss(*pair).sum())
            wanted[row, place, target["labels"][assigned[place]]] = overlap
    named = detect.class_loss(outputs["logits"], wanted)
    expected = (named + detection_losses._BOX_WEIGHT * sum(boxed)) / sum(overlaps)
    assert sum(overlaps) > 1
    torch.testing.assert_close(detect.detection_loss(outputs, targets), expected)


def answers_of(targets, *, sure: float = 12.0, num_classes: int = 3):
    """Outputs that say just what is there."""
    outputs = random_outputs(len(targets), num_classes=num_classes)
    outputs["logits"] = torch.full_like(outputs["logits"], -sure)
    outputs["distances"] = torch.ones_like(outputs["distances"])
    for row, target in enumerate(targets):
        assigned = detect.assign(outputs["points"], outputs["strides"], target["boxes"])
        for place in (assigned != -1).nonzero()[:, 0].tolist():
            box, label = target["boxes"][assigned[place]], target["labels"][assigned[place]]
            at = outputs["points"][place, None], outputs["strides"][place, None]
            outputs["distances"][row, place] = detect.encode(box[None], *at)[0]
            outputs["logits"][row, place, label] = sure
    return outputs


def test_right_answers_cost_nothing_and_each_fault_costs():
    targets = [a_target([8, 8, 30, 24], [50, 20, 80, 60], labels=[0, 2]), NO_BOXES]
    right = answers_of(targets)
    least = detect.detection_loss(right, targets).item()
    assert 0 <= least < 1e-3
    elsewhere = {**right, "distances": right["distances"] * 1.5}
    false_alarm = {**right, "logits": right["logits"].clone()}
    false_alarm["logits"][1, 5, 1] = 5.0
    missed = {**right, "logits": torch.full_like(right["logits"], -12)}
    wrong_class = [{**targets[0], "labels": torch.tensor([1, 2])}, NO_BOXES]
    assert detect.detection_loss(elsewhere, targets) > least + 0.1
    assert detect.detection_loss(false_alarm, targets) > least + 0.01
    assert detect.detection_loss(missed, targets) > least + 1
    assert detect.detection_loss(right, wrong_class) > least + 1


def test_the_order_of_pictures_and_of_boxes_does_not_matter():
    outputs = random_outputs(2)
    targets = [a_target([8, 8, 30, 24], [50, 20, 80, 60], labels=[0, 2]), a_target([1, 1, 9, 9])]
    loss = detect.detection_loss(outputs, targets)
    turned = {key: outputs[key].flip(0) for key in ("logits", "distances")}
    torch.testing.assert_close(detect.detection_loss({**outputs, **turned}, targets[::-1]), loss)
    other_way = {key: value.flip(0) for key, value in targets[0].items()}
    torch.testing.assert_close(detect.detection_loss(outputs, [other_way, targets[1]]), loss)
    assert detect.detection_loss(outputs, targets[::-1]) != loss


@pytest.mark.parametrize(
    "targets",
    [
        [NO_BOXES],
        [NO_BOXES, NO_BOXES],
        [a_target([8, 8, 30, 24])],
        [a_target([8, 8, 30, 24], [0, 0, 64, 64]), NO_BOXES],
        [a_target([9.2, 9.2, 10.2, 10.2])],  # a pixel, round a location
        [a_target([12, 12, 13, 13])],  # a pixel, between locations
        [a_target([0, 0, 96, 64])],  # the whole picture
        [a_target([-50, -30, 200, 300])],
        [a_target([10, 10, 10, 20], [500, 500, 600, 600], [30, 30, 20, 20])],
        [a_target(*[[8, 8, 30, 24]] * 50)],
    ],
    ids=lambda targets: str([len(target["boxes"]) for target in targets]),
)
def test_losses_and_gradients_are_finite_whatever_is_there(targets):
    outputs = random_outputs(len(targets))
    loss = detect.detection_loss(outputs, targets)
    loss.backward()
    assert loss.shape == () and loss.isfinite() and loss > 0
    for key in ("logits", "distances"):
        assert outputs[key].grad.isfinite().all()
    assert outputs["logits"].grad.any()


def test_boxes_that_meet_at_a_point_or_vanish_have_finite_gradients():
    outputs = random_outputs(1)
    outputs["distances"] = torch.zeros_like(outputs["distances"]).requires_grad_()
    detect.detection_loss(outputs, [a_target([8, 8, 30, 24])]).backward()
    assert outputs["distances"].grad.isfinite().all()


def test_what_is_empty_outside_or_a_crowd_counts_like_nothing():
    outputs = random_outputs(1)
    real = [20, 20, 44, 40]
    loss = detect.detection_loss(outputs, [a_target(real)])
    ignored = a_target([10, 10, 10, 30], real, [200, 200, 240, 240], [40, 30, 20, 10])
    torch.testing.assert_close(detect.detection_loss(outputs, [ignored]), loss)
    crowd = a_target([4, 4, 60, 60], real, labels=[2, 0])
    assert detect.detection_loss(outputs, [crowd]) != loss
    crowd["crowd"] = torch.tensor([True, False])
    torch.testing.assert_close(detect.detection_loss(outputs, [crowd]), loss)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)]
)
def test_other_precisions_come_to_the_same(dtype, tolerance):
    outputs, targets = random_outputs(2), [a_target([8, 8, 30, 24]), NO_BOXES]
    loss = detect.detection_loss(outputs, targets).item()
    outputs |= {"logits": outputs["logits"].to(dtype)}
    assert detect.detection_loss(outputs, targets).item() == pytest.approx(loss, rel=tolerance)
    in_double = [{**target, "boxes": target["boxes"].double()} for target in targets]
    assert detect.detection_loss(outputs, in_double).item() == pytest.approx(loss, rel=tolerance)


def test_answers_that_do_not_lie_in_one_piece_come_to_the_same():
    outputs, targets = random_outputs(2), [a_target([8, 8, 30, 24], [50, 20, 80, 60]), NO_BOXES]
    views = {
        key: outputs[key].transpose(1, 2).contiguous().transpose(1, 2)
        for key in ("logits", "distances")
    }
    torch.testing.assert_close(
        detect.detection_loss({**outputs, **views}, targets),
        detect.detection_loss(outputs, targets),
    )
    assert not views["logits"].is_contiguous()


# ------------------------------------------------------------------------------------------ errors

BOX = torch.tensor([[8.0, 8, 30, 24]])
LABEL = torch.tensor([1])


@pytest.mark.parametrize(
    ("targets", "error", "sentence"),
    [
        (torch.tensor([1]), TypeError, "a list of dicts, one a picture.*got a Tensor.*SceneSet"),
        (None, TypeError, "targets must be a list of dicts.*got a NoneType"),
        ({"boxes": BOX, "labels": LABEL}, TypeError, "targets must be a list of dicts.*got a dict"),
        ([NO_BOXES] * 2, ValueError, "targets must hold one a picture: 1; got 2"),
        ([], ValueError, "targets must hold one a picture: 1; got 0"),
        ([BOX], TypeError, r"the tensors boxes and labels; targets\[0\] is not"),
        ([{"boxes": BOX}], TypeError, r"the tensors boxes and labels; targets\[0\] is not"),
        ([{"boxes": BOX.tolist(), "labels": LABEL}], TypeError, r"Try torch.as_tensor\(...\)"),
        ([{"boxes": BOX.long(), "labels": LABEL}], TypeError, r"boxes must be floating.*boxes.f"),
        ([{"boxes": BOX, "labels": LABEL.float()}], TypeError, r"torch.float32. Try.*labels.long"),
        ([{"boxes": BOX[0], "labels": LABEL}], ValueError, r"got \(4,\) and \(1,\). For no object"),
        ([{"boxes": BOX[:, :3], "labels": LABEL}], ValueError, r"boxes \(M, 4\).*got \(1, 3\)"),
        ([{"boxes": BOX, "labels": LABEL.repeat(2)}], ValueError, r"got \(1, 4\) and \(2,\)"),
        ([{"boxes": BOX * NAN, "labels": LABEL}], ValueError, r"finite.*targets\[0\] has NaN or"),
        ([{"boxes": BOX * INF, "labels": LABEL}], ValueError, r"finite.*audit.audit\(folder\)"),
        ([{"boxes": BOX, "labels": LABEL + 2}], ValueError, r"0..2, as .* 3 classes.* has 3..3"),
        ([{"boxes": BOX, "labels": -LABEL}], ValueError, r"labels must lie in 0..2.* has -1..-1"),
    ],
)
def test_targets_that_cannot_be_learned_are_named(targets, error, sentence):
    with pytest.raises(error, match=sentence):
        detect.detection_loss(random_outputs(1), targets)
    with pytest.raises(error, match=sentence):
        detect.localisation_loss({"logits": torch.zeros(1, 3), "boxes": BOX}, targets)


def test_answers_of_another_model_are_named():
    outputs, one = random_outputs(1), {"logits": torch.zeros(1, 3), "boxes": BOX}
    with pytest.raises(TypeError, match="of a Detector: logits, .*; got logits, boxes. Each model"):
        detect.detection_loss(one, [NO_BOXES])
    with pytest.raises(TypeError, match="of a Detector: logits, .*; got a Tensor"):
        detect.detection_loss(torch.zeros(1, 3), [NO_BOXES])
    with pytest.raises(TypeError, match="of a Localiser: logits, boxes; got logits, distances"):
        detect.localisation_loss(outputs, [NO_BOXES])
