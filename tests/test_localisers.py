"""One object a picture: the localiser, its loss, and where it must fail."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import ops

from imgrec_lab import box_ops, detect, train
from tests import coloured_squares

NO_BOXES = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
SMALL = {"widths": (8, 8, 16)}


def a_target(*boxes, labels):
    return {"boxes": torch.tensor(boxes, dtype=torch.float32), "labels": torch.tensor(labels)}


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def small_localiser(num_classes: int = 3, **choices) -> detect.Localiser:
    torch.manual_seed(0)
    return detect.Localiser(num_classes, **{**SMALL, **choices}).eval()


# --------------------------------------------------------------------------------------- Localiser


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 64, 96), (3, 40, 24), (2, 1, 1), (1, 5, 300)])
def test_one_answer_a_picture_of_any_size(shape, channels):
    count, *size = shape
    outputs = small_localiser(5, in_channels=channels)(random_images(count, channels, *size))
    assert outputs["logits"].shape == (count, 5) and outputs["boxes"].shape == (count, 4)
    assert all(value.isfinite().all() for value in outputs.values())
    x1, y1, x2, y2 = outputs["boxes"].unbind(dim=1)
    assert (x1 < x2).all() and (y1 < y2).all()


def test_the_answer_is_the_mean_vote_of_all_cells():
    model = small_localiser()
    nn.init.zeros_(model.head.weight)  # every cell says what the bias says
    bias = [1.0, 2.0, 3.0, *[5.0, 6.0, 7.0, 8.0], 0.0]
    model.head.bias.data = torch.tensor(bias)
    outputs = model(random_images(1, 3, 32, 48))
    assert outputs["logits"][0].tolist() == pytest.approx(bias[:3])
    left, top, right, bottom = (8 * math.log1p(math.exp(side)) for side in bias[3:7])
    middle = [24 - left, 16 - top, 24 + right, 16 + bottom]  # strides of 8 pixels
    assert outputs["boxes"][0].tolist() == pytest.approx(middle, rel=1e-5)


def test_what_is_found_moves_with_the_object():
    model = small_localiser()
    nn.init.normal_(model.head.weight, std=5)
    image = torch.full((1, 3, 160, 160), 0.5)  # what Normalize maps to 0
    image[..., 64:80, 64:84] = random_images(3, 16, 20)
    weight = model.head.weight.data[-1]
    weight.copy_(weight.abs() * 20)  # whatever is not grey has all the say
    here, there = (model(each)["boxes"] for each in (image, image.roll((16, -8), dims=(2, 3))))
    torch.testing.assert_close(there, here + torch.tensor([-8, 16, -8, 16]), atol=0.01, rtol=0)


def test_detections_by_hand():
    model, images = small_localiser(), random_images(2, 3, 32, 40)
    outputs = model(images)
    scores, labels = outputs["logits"].softmax(dim=1).max(dim=1)
    for row, found in enumerate(model.detections(images)):
        assert torch.equal(found["boxes"], outputs["boxes"][row, None])
        assert torch.equal(found["scores"], scores[row, None])
        assert torch.equal(found["labels"], labels[row, None])
    between = scores.mean().item()
    surer = [len(found["scores"]) for found in model.detections(images, score_threshold=between)]
    assert surer == (scores >= between).long().tolist() and sum(surer) == 1


def test_detections_take_what_other_models_take_and_nothing_misspelt():
    model, images = small_localiser(), random_images(2, 3, 32, 40)
    for same in ({"iou_threshold": 0.0}, {"max_detections": 1}):
        for one, other in zip(
            model.detections(images, **same), model.detections(images), strict=True
        ):
            assert all(torch.equal(one[key], other[key]) for key in other)
    with pytest.raises(TypeError, match="unexpected keyword argument 'score_treshold'"):
        model.detections(images, score_treshold=0.5)


def test_predict_gives_a_box_inside_the_picture_even_where_there_is_nothing():
    """It always answers: that is where localisation ends and detection begins."""
    model = small_localiser()
    sizes = [(64, 64), (50, 30), (40, 70)]
    images = [torch.zeros(3, *size) for size in sizes]
    found = detect.predict(model, images, score_threshold=0)
    for (height, width), each in zip(sizes, found, strict=True):
        assert each["boxes"].shape == (1, 4) and box_ops.area(each["boxes"]) > 0
        assert torch.equal(each["boxes"], box_ops.clip(each["boxes"], (height, width)))
    assert not any(len(each["scores"]) for each in detect.predict(model, images, score_threshold=1))


def test_weights_of_other_classes_are_refused():
    with pytest.raises(RuntimeError, match="size mismatch for head.weight"):
        small_localiser(3).load_state_dict(small_localiser(4).state_dict())


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"num_classes": 0}, "num_classes must be a whole number of at least 1; got 0"),
        ({"widths": ()}, r"len\(widths\) must be a whole number of at least 1; got 0. Try widths"),
    ],
)
def test_localisers_that_cannot_be_built_are_named(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        detect.Localiser(**{"num_classes": 3, **choices})


# ------------------------------------------------------------------------------------- main object


def test_the_main_object_is_the_largest_that_is_one():
    target = a_target([0, 0, 4, 4], [10, 10, 30, 20], [5, 5, 9, 9], labels=[0, 2, 1])
    box, label = detect.main_object(target)
    assert box.tolist() == [10, 10, 30, 20] and label.item() == 2
    target["crowd"] = torch.tensor([False, True, False])
    box, label = detect.main_object(target)
    assert box.tolist() == [0, 0, 4, 4] and label.item() == 0
    assert detect.main_object(NO_BOXES) is None
    assert detect.main_object(a_target([3, 3, 3, 9], [9, 9, 2, 2], labels=[0, 1])) is None
    assert detect.main_object({**target, "crowd": torch.tensor([True] * 3)}) is None


# -------------------------------------------------------------------------------------------- loss


def test_localisation_loss_by_hand():
    outputs = {"logits": torch.zeros(1, 4), "boxes": torch.tensor([[0.0, 0, 10, 20]])}
    right = a_target([0, 0, 10, 20], labels=[1])
    assert detect.localisation_loss(outputs, [right]).item() == pytest.approx(math.log(4))
    outputs["boxes"] = torch.tensor([[0.0, 0, 10, 10]])  # half of it: IoU and GIoU are 1/2
    off = F.smooth_l1_loss(torch.tensor([0.0, 0, 0, 0.5]), torch.zeros(4), beta=0.1).item()
    expected = math.log(4) + 0.5 + off
    assert detect.localisation_loss(outputs, [right]).item() == pytest.approx(expected)


def test_localisation_loss_has_torchvisions_overlap():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(2, 5, 2, 2, generator=generator) * 40
    boxes, there = torch.cat([corners.amin(dim=2), corners.amax(dim=2) + 1], dim=2)
    logits, labels = torch.randn(5, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1])
    targets = [
        {"boxes": box[None], "labels": label[None]}
        for box, label in zip(there, labels, strict=True)
    ]
    size = (there[:, 2:] - there[:, :2]).repeat(1, 2)
    expected = (
        F.cross_entropy(logits, labels)
        + ops.generalized_box_iou_loss(boxes, there, reduction="mean")
        + F.smooth_l1_loss(boxes / size, there / size, beta=0.1)
    )
    outputs = {"logits": logits, "boxes": boxes}
    torch.testing.assert_close(detect.localisation_loss(outputs, targets), expected)


def test_pictures_without_objects_teach_nothing():
    outputs = {
        "logits": torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),
        "boxes": torch.tensor([[0.0, 0, 9, 9], [3, 3, 8, 9], [1, 1, 5, 5]]),
    }
    target = a_target([2, 2, 9, 9], [0, 0, 2, 2], labels=[3, 1])
    empty = a_target([4, 4, 4, 9], labels=[0])
    among = detect.localisation_loss(outputs, [NO_BOXES, target, empty])
    alone = {key: value[1:2] for key, value in outputs.items()}
    torch.testing.assert_close(among, detect.localisation_loss(alone, [target]))


@pytest.mark.parametrize(
    "boxes",
    [[], [[9.0, 9, 10, 10]], [[0.0, 0, 40, 32]], [[9.0, 9, 9, 20]], [[-50.0, -9, 300, 200]],
     [[500.0, 500, 600, 600]], [[0.0, 0, 1e-6, 1e-6]]],
    ids=str,
)  # fmt: skip
def test_losses_and_gradients_are_finite_whatever_is_there(boxes):
    model = detect.Localiser(3, **SMALL)
    target = {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
    }
    loss = detect.localisation_loss(model(random_images(1, 3, 32, 40)), [target])
    loss.backward()
    assert loss.shape == () and loss < 100  # also for a box of a millionth of a pixel
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
    teaches = len(boxes) and box_ops.area(target["boxes"]) > 0
    assert bool(model.head.weight.grad.any()) == bool(teaches)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.05)])
def test_other_precisions_come_to_the_same(dtype, tolerance):
    model, images = small_localiser(), random_images(2, 3, 32, 40)
    targets = [a_target([3, 4, 20, 30], labels=[2]), NO_BOXES]
    loss = detect.localisation_loss(model(images), targets).item()
    other = detect.localisation_loss(model.to(dtype)(images.to(dtype)), targets).item()
    assert other == pytest.approx(loss, rel=tolerance)


# ---------------------------------------------------------------------------------------- learning


def test_one_rectangle_a_picture_is_localised_in_seconds():
    torch.manual_seed(0)
    model = detect.Localiser(2, widths=(12, 16, 24))
    loader = coloured_squares.batches(*coloured_squares.draw(200, seed=0, least=1, most=1), 10)
    train.fit(model, loader, epochs=12, lr=1e-2, loss_fn=detect.localisation_loss, score_fn=None)
    images, targets = coloured_squares.draw(60, seed=1, least=1, most=1)
    outputs = model.eval()(images)
    there = torch.cat([target["boxes"] for target in targets])
    labels = torch.cat([target["labels"] for target in targets])
    overlap = box_ops.paired_iou(outputs["boxes"], there).mean().item()
    constant = box_ops.iou(there, there).mean(dim=1).max().item()  # always the same, the best one
    assert overlap > 0.65 and overlap > constant + 0.3
    assert (outputs["logits"].argmax(dim=1) == labels).float().mean() > 0.95
    assert detect.evaluate(model, [(images, targets)]).ap50 > 0.5
