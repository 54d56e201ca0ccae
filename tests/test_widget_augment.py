"""The augmentation explorer: what it draws and says, and that each control moves the picture."""

import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from imgrec_lab import augment, box_ops, scenes, widgets
from imgrec_lab.augment import Policy
from imgrec_lab.widgets import widget_augment
from imgrec_lab.widgets.augmentation_examples import (
    CHOICES,
    EVERYTHING,
    draw_examples,
    make_steps,
)


@pytest.fixture(scope="module")
def street():
    scene = scenes.draw_streets(4, image_size=(96, 128), seed=1)
    return scene.images[3], scene.targets[3]  # three signs


@pytest.fixture
def parts(street):
    return widgets.augmentation_explorer(*street, classes=scenes.CLASSES).parts


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# ------------------------------------------------------------------------------- the pure function


def test_a_mirrored_picture_by_hand():
    image = torch.arange(2 * 8, dtype=torch.uint8).reshape(1, 2, 8)
    target = {"boxes": torch.tensor([[1.0, 0, 3, 2]]), "labels": torch.tensor([4])}
    (example,) = draw_examples(image, target, Policy(augment.Flip(p=1)), seed=0, count=1)
    assert torch.equal(example.image, image.flip(2))
    assert example.target["boxes"].tolist() == [[5, 0, 7, 2]]
    assert example.target["labels"].tolist() == [4]
    assert example.words == ["mirrored"] and example.shares.tolist() == [1]
    assert example.corners.tolist() == [[8, 0], [0, 0], [0, 2], [8, 2]]


@pytest.mark.parametrize("name", ["flip", "translate"])
def test_box_and_mask_move_together(street, name):
    image, target = street
    policy = Policy(make_steps(name, 0.25, 1), min_visibility=0)
    examples = draw_examples(image, target, policy, seed=5)
    moved = 0
    for example in examples:
        whole = example.shares[example.kept] == 1  # a circle cut off has a tighter box
        tight = box_ops.from_masks(example.target["masks"])[whole]
        assert torch.equal(tight, example.target["boxes"][whole])
        moved += len(tight)
    assert moved >= 12


def test_the_picture_moves_with_its_box():
    image = torch.zeros(3, 40, 60)
    image[:, 10:20, 20:32] = 1
    target = {"boxes": torch.tensor([[20.0, 10, 32, 20]]), "labels": torch.tensor([0])}
    for example in draw_examples(image, target, Policy(augment.Translate(0.25)), seed=2):
        bright = box_ops.from_masks(example.image[:1] > 0.9)
        assert torch.equal(bright, example.target["boxes"])


@pytest.mark.parametrize(
    ("name", "strength", "p"),
    [(name, 0.5, 0) for name in CHOICES] + [(name, 0, 1) for name in CHOICES if name != "flip"],
)
def test_without_strength_or_probability_nothing_changes(street, name, strength, p):
    image, target = street
    for example in draw_examples(image, target, Policy(make_steps(name, strength, p)), seed=3):
        assert torch.equal(example.image, image) and same(example.target, target)
        assert example.words == []


def test_examples_are_what_the_policy_draws(street):
    image, target = street
    policy = Policy(make_steps(EVERYTHING, 1, 0.6), min_visibility=0.4, box_shape="ellipse")
    draw = policy.draw(9, image.shape[1:], generator=torch.Generator().manual_seed(8))
    images = draw.images(image.repeat(9, 1, 1, 1), border="grey")
    for row, example in enumerate(draw_examples(image, target, policy, seed=8)):
        expected = draw.target(target, row, min_visibility=0.4, box_shape="ellipse")
        assert torch.equal(example.image, images[row]) and same(example.target, expected)


def test_shares_decide_what_is_left(street):
    image, target = street
    boxes_only = {key: target[key] for key in ("boxes", "labels")}
    policy = Policy([augment.Translate(0.5), augment.Cutout(0.6)], min_visibility=0.3)
    lost = 0
    for seed in range(6):
        for example in draw_examples(image, boxes_only, policy, seed=seed):
            left = (example.shares >= 0.3).nonzero()[:, 0]
            assert torch.equal(example.kept, left)
            lost += len(boxes_only["boxes"]) - len(left)
    assert lost > 20


def test_the_words_say_what_the_picture_shows(street):
    image, target = street
    example, *_ = draw_examples(image, target, Policy(augment.Translate(0.2)), seed=1)
    arrow_x, x, arrow_y, y = re.fullmatch(
        r"([←→]) (\d+), ([↑↓]) (\d+) px", example.words[0]
    ).groups()
    x, y = int(x) * (1 if arrow_x == "→" else -1), int(y) * (1 if arrow_y == "↓" else -1)
    assert (x, y) != (0, 0)
    inner = image[:, 30:60, 40:80]
    assert torch.equal(example.image[:, 30 + y : 60 + y, 40 + x : 80 + x], inner)
    bright, *_ = draw_examples(image, target, Policy(augment.Brightness(0.5)), seed=1)
    factor = float(bright.words[0].removeprefix("brightness × "))
    expected = (image.float() * factor).clamp(max=255)
    assert (bright.image.float() - expected).abs().max() < 2


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("rotate", r"turned [↻↺] \d+\.\d°"),
        ("scale", r"scaled × \d\.\d\d"),
        ("crop", r"0\.\d\d of the area"),
        ("saturation", r"saturation × \d\.\d\d"),
        ("blur", r"blur \d\.\d\d px"),
        ("noise", r"noise 0\.\d\d"),
        ("cutout", r"0\.\d\d covered"),
    ],
)
def test_words(street, name, pattern):
    for example in draw_examples(*street, Policy(make_steps(name, 0.5, 1)), seed=4):
        assert re.fullmatch(pattern, example.words[0]), example.words


def test_half_of_the_pictures_change_where_p_is_a_half(street):
    policy = Policy(make_steps("rotate", 30, 0.5))
    examples = draw_examples(*street, policy, seed=0, count=400)
    assert 160 < sum(bool(example.words) for example in examples) < 240


def test_all_together_is_weaker_than_each_alone():
    steps = make_steps(EVERYTHING, 0.5, 0.3)
    assert len(steps) == len(CHOICES) - 2 and all(step.p == 0.3 for step in steps)
    assert augment.Rotate(22.5, p=0.3) in steps
    assert augment.Crop(0.8, aspect_ratio=1, p=0.3) in steps


def test_pictures_without_boxes_are_reflected_at_their_edges(street):
    image = torch.full_like(street[0], 255)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    policy = Policy(augment.Translate(0.3))
    assert all((e.image == 255).all() for e in draw_examples(image, nothing, policy, seed=0))
    grey = draw_examples(image, street[1], policy, seed=0)
    assert any((e.image == 128).any() for e in grey)


# ------------------------------------------------------------------------------------- the widget


@pytest.mark.parametrize("name", CHOICES)
def test_every_transform_through_its_range(parts, name):
    parts.transform.value = name
    assert parts.strength.value == CHOICES[name][3]
    steps = parts.strength.value / parts.strength.step
    assert steps == pytest.approx(round(steps))  # or a browser would move it
    for strength in (0, parts.strength.max):
        parts.strength.value = strength
        assert bytes(parts.picture.value).startswith(b"\x89PNG")
        assert "<code>augment." in parts.message.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transform", "blur"), ("strength", 90), ("p", 0.0), ("number", 8),
        ("min_visibility", 1.0), ("box_shape", "ellipse"),
    ],
)  # fmt: skip
def test_every_control_changes_the_picture(parts, name, value):
    if name == "min_visibility":
        parts.transform.value = "crop"  # cuts a box off
    before = bytes(parts.picture.value)
    getattr(parts, name).value = value
    assert bytes(parts.picture.value) != before


def test_a_drawing_can_be_found_again(parts):
    first, number = bytes(parts.picture.value), parts.number.value
    parts.again.click()
    assert parts.number.value == number + 1 and bytes(parts.picture.value) != first
    parts.number.value = number
    assert bytes(parts.picture.value) == first
    parts.number.value = 9999
    parts.again.click()
    assert parts.number.value == 1


def test_one_move_draws_one_picture(parts, monkeypatch):
    drawn = []
    monkeypatch.setattr(widget_augment, "png", lambda figure: drawn.append(figure) or b"")
    parts.transform.value = "noise"
    parts.strength.value = 0.1
    parts.transform.value = "rotate"
    assert len(drawn) == 3


def test_controls_without_effect_are_hidden(parts):
    def shown():
        names = ("strength", "min_visibility", "box_shape")
        return [name for name in names if getattr(parts, name).layout.visibility != "hidden"]

    assert shown() == ["strength", "min_visibility", "box_shape"]
    parts.transform.value = "crop"
    assert shown() == ["strength", "min_visibility"]
    parts.transform.value = "noise"
    assert shown() == ["strength"] and parts.strength.description == "strength (of white)"
    parts.transform.value = "flip"
    assert shown() == []


def test_the_message_is_the_code_and_what_came_of_it(parts):
    parts.transform.value, parts.p.value = "flip", 0.0
    drawn = "<b>Drawn:</b> nothing. 3 of 3 boxes are left.<br><code>augment.Flip(p=0.0)</code>"
    assert drawn in parts.message.value
    parts.p.value, parts.transform.value = 1, "crop"
    parts.strength.value, parts.min_visibility.value = 0.6, 1
    left_out = (
        r"0\.\d\d of the area\. \d of 3 boxes are left; left out: [\w ]+ \(0\.\d\d of its box"
    )
    assert re.search(left_out, parts.message.value)


def test_class_names_are_text_not_markup():
    image, boxes = torch.zeros(3, 32, 32, dtype=torch.uint8), torch.tensor([[0.0, 0, 4, 4]])
    target = {"boxes": boxes, "labels": torch.tensor([0])}
    parts = widgets.augmentation_explorer(image, target, classes=["<i>a</i>"]).parts
    parts.transform.value, parts.strength.value, parts.min_visibility.value = "crop", 0.8, 1
    assert "left out: &lt;i&gt;a&lt;/i&gt; (" in parts.message.value


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 20), (1, 64, 300), (3, 200, 60)])
def test_pictures_of_any_size_and_type_without_boxes(shape):
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    image = image if shape[0] == 1 else (255 * image).to(torch.uint8)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    parts = widgets.augmentation_explorer(image, nothing).parts
    for name in ("blur", "crop", EVERYTHING):
        parts.transform.value = name
        parts.strength.value = parts.strength.max
    assert "boxes" not in parts.message.value
    assert Image.open(io.BytesIO(bytes(parts.picture.value))).width == 935


def test_the_number_of_threads_comes_back(parts):
    threads = torch.get_num_threads()
    parts.number.value = 5
    assert torch.get_num_threads() == threads


def test_boxes_are_drawn_in_their_colour(street):
    image = torch.full((3, 96, 128), 40, dtype=torch.uint8)
    parts = widgets.augmentation_explorer(image, street[1]).parts
    pixels = np.asarray(Image.open(io.BytesIO(bytes(parts.picture.value))).convert("RGB"))
    orange = np.array([230, 159, 0])
    assert (np.abs(pixels.astype(int) - orange).max(axis=2) < 12).sum() > 100


# ----------------------------------------------------------------------------------------- errors

IMAGE = torch.zeros(3, 16, 16, dtype=torch.uint8)
TARGET = {"boxes": torch.tensor([[2.0, 2, 8, 8]]), "labels": torch.tensor([1])}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (IMAGE[None], r"image must have shape \(C, H, W\); got \(1, 3, 16, 16\)"),
        (IMAGE[0], r"image must have shape \(C, H, W\); got \(16, 16\). For \(H, W\) use image\["),
        (torch.zeros(4, 16, 16), "C = 1 or 3; got"),
        (IMAGE[:, :4, :4], r"image must be at least 8 x 8 pixels; got \(4, 4\)"),
        (IMAGE + 7.5, r"float images must lie in \[0, 1\]"),
    ],
)
def test_bad_images(image, message):
    target = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    with pytest.raises(ValueError, match=message):
        widgets.augmentation_explorer(image, target)


def test_an_array_is_no_tensor():
    with pytest.raises(TypeError, match="images must be a tensor"):
        widgets.augmentation_explorer(np.zeros((3, 16, 16), np.uint8), TARGET)


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (
            {"labels": torch.tensor([1])},
            ValueError,
            "a target must have boxes and labels; got labels",
        ),
        (torch.tensor([1]), TypeError, "a target must be a dict of boxes and labels; got Tensor"),
        (TARGET | {"boxes": torch.zeros(4)}, ValueError, r"boxes must have shape \(M, 4\)"),
        (
            TARGET | {"masks": torch.zeros(1, 16, 20, dtype=torch.bool)},
            ValueError,
            r"masks must have shape \(1, 16, 16\); got \(1, 16, 20\)",
        ),
    ],
)
def test_bad_targets(target, error, message):
    with pytest.raises(error, match=message):
        widgets.augmentation_explorer(IMAGE, target)


def test_labels_beyond_the_classes():
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0 for 1 classes; got 1\.\.1"):
        widgets.augmentation_explorer(IMAGE, TARGET, classes=["only"])
