"""Windows round objects: pixels, boxes and masks in step, every object met, and what is refused."""

import math

import pytest
import torch

from imgrec_lab import augment, box_ops, detect, train
from tests import coloured_squares

NO_BOXES = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def painted(*boxes, height: int = 70, width: int = 90, label: int = 1):
    """One picture (1, 3, H, W) with each box in a brightness of its own, and its target.

    Its masks are the painted pixels.
    """
    image = torch.zeros(1, 3, height, width)
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        image[..., y1:y2, x1:x2] = brightness(row)
        masks[row, y1:y2, x1:x2] = True
    target = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.full((len(boxes),), label) + torch.arange(len(boxes)),
        "masks": masks,
    }
    return image, target


def brightness(row: int) -> float:
    return (row + 1) / 8


def cut(windows: augment.Windows, image: torch.Tensor, target: dict, count: int, seed: int = 0):
    """``count`` windows of the same picture."""
    torch.manual_seed(seed)
    return windows(image.expand(count, -1, -1, -1), [target] * count)


def test_a_window_that_fits_one_place_only_by_hand():
    image, target = painted([10, 5, 40, 25])
    windows = augment.Windows((20, 30), background=0)  # as large as the object
    images, (found,) = cut(windows, image, target, 1)
    assert torch.equal(images, image[..., 5:25, 10:40])
    assert found["boxes"].tolist() == [[0, 0, 30, 20]] and found["labels"].tolist() == [1]
    assert found["masks"].shape == (1, 20, 30) and found["masks"].all()


def test_a_window_of_the_whole_picture_changes_nothing():
    image, target = painted([10, 5, 40, 25], [50, 30, 90, 70])
    images, (found,) = cut(augment.Windows((70, 90)), image, target, 1)
    assert torch.equal(images, image)
    assert all(torch.equal(found[key], target[key]) for key in target)


@pytest.mark.parametrize("background", [0, 0.5, 1])
def test_boxes_and_masks_stay_in_step_with_the_pixels(background):
    image, target = painted([3, 4, 20, 30], [40, 10, 52, 19], [60, 40, 90, 70])
    windows = augment.Windows((32, 48), background=background, min_visibility=0)
    images, targets = cut(windows, image, target, 60)
    assert images.shape == (60, 3, 32, 48) and len(targets) == 60
    for picture, found in zip(images, targets, strict=True):
        seen = [row for row in range(3) if (picture == brightness(row)).any()]
        assert found["labels"].tolist() == [row + 1 for row in seen]
        masks = torch.stack([picture[0] == brightness(row) for row in seen] or [picture[0] < 0])
        assert torch.equal(found["masks"], masks[: len(seen)])
        assert torch.equal(found["boxes"], box_ops.from_masks(masks)[: len(seen)])


def test_every_object_of_every_picture_is_met_whole():
    """Also one in a corner, and one of fractions of pixels."""
    boxes = [[0, 0, 9, 9], [81, 61, 90, 70], [40, 30, 50, 45], [10, 50, 30, 60]]
    image, target = painted(*boxes)
    target["boxes"][2] += torch.tensor([0.3, 0.7, -0.4, -0.2])
    other, other_target = painted([20, 20, 44, 44], label=9)
    torch.manual_seed(0)
    windows = augment.Windows((24, 24), background=0)
    whole = torch.zeros(10)
    for _ in range(100):
        _, found = windows(torch.cat([image, other]), [target, other_target])
        there = [(target, found[0]), (other_target, found[1])]
        met = 0
        for before, after in there:
            for label, area in zip(after["labels"], box_ops.area(after["boxes"]), strict=True):
                size = box_ops.area(before["boxes"])[before["labels"] == label]
                complete = bool(torch.isclose(area, size))
                whole[label] += complete
                met += complete
        assert met >= 2  # each window has one whole object at least
    assert (whole[[1, 2, 3, 4]] > 10).all() and whole[9] == 100


def test_every_place_round_an_object_is_drawn():
    image, target = painted([40, 30, 50, 36])
    windows = augment.Windows((12, 14), background=0)
    _, targets = cut(windows, image, target, 400)
    corners = {tuple(found["boxes"][0, :2].tolist()) for found in targets}
    assert corners == {(x, y) for x in range(14 - 10 + 1) for y in range(12 - 6 + 1)}


def test_background_is_the_share_of_windows_that_lie_anywhere():
    image, target = painted([0, 0, 8, 8], height=128, width=128)
    shares = {}
    for background in (0, 0.5, 1):
        _, targets = cut(augment.Windows((16, 16), background=background), image, target, 400)
        shares[background] = sum(len(found["boxes"]) for found in targets) / 400
    assert shares[0] == 1
    assert shares[0.5] == pytest.approx(0.5, abs=0.1)
    assert shares[1] < 0.05  # nine places in 113 x 113 show a part of it, none by intention


def test_windows_anywhere_reach_every_corner():
    image = torch.arange(6 * 8).reshape(1, 1, 6, 8) / 48
    images, _ = cut(augment.Windows((4, 5), background=1), image, NO_BOXES, 200)
    firsts = {round(value * 48) for value in images[:, 0, 0, 0].tolist()}
    assert firsts == {8 * row + column for row in range(3) for column in range(4)}


@pytest.mark.parametrize("min_visibility", [0, 0.5, 1])
def test_objects_of_which_too_little_is_left_are_left_out(min_visibility):
    image, target = painted([30, 20, 50, 40])
    windows = augment.Windows((32, 32), background=1, min_visibility=min_visibility)
    images, targets = cut(windows, image, target, 300)
    kept = left_out = 0
    for picture, found in zip(images, targets, strict=True):
        share = (picture[0] > 0).sum().item() / 400
        assert len(found["boxes"]) == (share > 0 and share >= min_visibility)
        kept += len(found["boxes"])
        left_out += 0 < share < min_visibility
    assert kept > 10 and (left_out > 10) == (min_visibility > 0)


def test_an_object_larger_than_the_window():
    image, target = painted([5, 8, 85, 66])
    windows = augment.Windows((32, 32), background=0, min_visibility=0)
    images, targets = cut(windows, image, target, 50)
    assert (images > 0).all()  # the window lies within the object
    assert all(found["boxes"].tolist() == [[0, 0, 32, 32]] for found in targets)
    _, none = cut(augment.Windows((32, 32), background=0, min_visibility=0.5), image, target, 5)
    assert all(len(found["boxes"]) == 0 and len(found["masks"]) == 0 for found in none)


@pytest.mark.parametrize(
    "box", [[10, 10, 10, 30], [200, 300, 240, 360], [-90, -90, -40, -40], [0, 0, 1e30, 1e30]]
)
def test_boxes_that_are_empty_or_far_outside_are_left_out(box):
    real = torch.tensor([40.0, 30, 50, 40])
    target = {"boxes": torch.stack([torch.tensor(box), real]), "labels": torch.tensor([0, 1])}
    images, targets = cut(
        augment.Windows((32, 32), background=0.3), torch.rand(1, 3, 70, 90), target, 40
    )
    assert images.shape == (40, 3, 32, 32)
    assert {label for found in targets for label in found["labels"].tolist()} == {1}
    for found in targets:
        assert (box_ops.area(found["boxes"]) > 0).all()


def test_the_same_seed_repeats_and_another_does_not():
    image, target = painted([40, 30, 50, 36])
    windows = augment.Windows((32, 32))
    (first, targets), (again, same) = (cut(windows, image, target, 20, seed=3) for _ in range(2))
    assert torch.equal(first, again)
    for one, other in zip(targets, same, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert not torch.equal(first, cut(windows, image, target, 20, seed=4)[0])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_pixels_of_every_kind_in_every_layout_are_cut_alike(channels, dtype):
    pixels = (
        torch.rand(4, channels, 50, 40, generator=torch.Generator().manual_seed(0)) * 255
    ).byte()
    images = pixels if dtype == torch.uint8 else (pixels / 255).to(dtype)
    before = images.clone()
    windows, results = augment.Windows((32, 16)), []
    for same in (
        images,
        images.contiguous(memory_format=torch.channels_last),
        images.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        torch.manual_seed(0)
        results.append(windows(same, [NO_BOXES] * 4)[0])
    assert results[0].dtype == dtype and results[0].shape == (4, channels, 32, 16)
    assert results[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    assert torch.equal(images, before)


def test_targets_are_not_changed_in_place_and_no_pictures_are_no_windows():
    image, target = painted([40, 30, 50, 36])
    before = {key: value.clone() for key, value in target.items()}
    cut(augment.Windows((32, 32)), image, target, 5)
    assert all(torch.equal(target[key], before[key]) for key in before)
    images, targets = augment.Windows((32, 32))(torch.zeros(0, 3, 40, 40), [])
    assert images.shape == (0, 3, 32, 32) and targets == []


def test_a_detector_learns_from_windows_in_a_chain():
    images, targets = coloured_squares.draw(8, seed=0, size=64)
    model = detect.Detector(2, widths=(8, 8, 8, 8), blocks=(1, 1, 1), head_width=8)
    steps = augment.chain(augment.Windows((32, 32)), augment.Policy([augment.Brightness(0.2)]))
    history = train.fit(
        model, [(images, targets)], epochs=2, loss_fn=detect.detection_loss, score_fn=None,
        augment=steps,
    )  # fmt: skip
    assert all(math.isfinite(epoch.train_loss) for epoch in history.epochs)


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"size": 80}, r"size must be \(height, width\), pixels; got 80. Try \(80, 80\)"),
        ({"size": (80,)}, r"size must be .* got \(80,\)"),
        ({"size": (80, 0)}, r"size must be .* got \(80, 0\)"),
        ({"size": (80.0, 80)}, r"size must be .* got \(80.0, 80\)"),
        ({"background": 1.5}, "background must lie in 0 to 1; got 1.5. Try 0.2"),
        ({"background": None}, "background must lie in 0 to 1; got None"),
        ({"min_visibility": -0.1}, "min_visibility must lie in 0 to 1; got -0.1. Try 0.4"),
        ({"min_visibility": math.nan}, "min_visibility must lie in 0 to 1; got nan"),
    ],
)
def test_windows_that_make_no_sense_are_named(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        augment.Windows(**choices)


IMAGES = torch.rand(1, 3, 40, 50)
BOX, LABEL = torch.tensor([[5.0, 5, 20, 20]]), torch.tensor([1])


@pytest.mark.parametrize(
    ("images", "targets", "error", "sentence"),
    [
        (IMAGES[..., :30], [NO_BOXES], ValueError, "as a window, 32 x 32; got 40 x 30. Choose a s"),
        (IMAGES[0], [NO_BOXES], ValueError, r"images must have shape \(N, C, H, W\)"),
        (IMAGES * 255, [NO_BOXES], ValueError, r"images in floating point must lie in \[0, 1\]"),
        (IMAGES.numpy(), [NO_BOXES], TypeError, "images must be a tensor .*; got ndarray"),
        (IMAGES, torch.tensor([1]), TypeError, "a list of N targets with boxes; got a Tensor. For"),
        (IMAGES, [NO_BOXES] * 2, ValueError, "targets must be one for each of 1 images; got 2"),
        (IMAGES, [], ValueError, "targets must be one for each of 1 images; got 0"),
        (IMAGES, [{"boxes": BOX}], ValueError, "must have boxes and labels; got boxes. Add labels"),
        (IMAGES, [{"boxes": BOX * math.nan, "labels": LABEL}], ValueError, "got NaN or infinity"),
        (IMAGES, [{"boxes": BOX.long(), "labels": LABEL}], TypeError, "must be floating point"),
        (IMAGES, [{"boxes": BOX.flip(1), "labels": LABEL}], ValueError, "x1 <= x2 and y1 <= y2"),
        (
            IMAGES,
            [{"boxes": BOX, "labels": LABEL, "masks": torch.zeros(1, 9, 9, dtype=torch.bool)}],
            ValueError,
            r"masks must have shape \(1, 40, 50\); got \(1, 9, 9\)",
        ),
    ],
)
def test_what_windows_cannot_be_cut_from_is_named(images, targets, error, sentence):
    with pytest.raises(error, match=sentence):
        augment.Windows((32, 32))(images, targets)
