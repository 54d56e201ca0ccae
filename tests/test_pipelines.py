"""Albumentations pipelines: what they leave alone, what moves together, what is refused."""

import json
import pickle
import random
import warnings

import cv2
import numpy as np
import pytest
import torch

from imgrec_lab import box_ops, runtime, scenes
from imgrec_lab.augment import pipelines
from imgrec_lab.augment.quiet_albumentations import A

STRENGTHS = {name: getattr(pipelines, name) for name in ("lighting", "weather", "camera", "erase")}
STREETS = scenes.draw_streets(4, seed=1, image_size=(96, 112))
SIGN = scenes.draw_signs([3], seed=1).images[0]
TURN = pipelines.Pipeline([pipelines.orientation(degrees=20, border="black")])
MIRROR = pipelines.Pipeline([A.HorizontalFlip(p=1.0)])


def everything():
    return pipelines.Pipeline(
        [
            pipelines.orientation(flip=True),
            pipelines.crop((32, 32)),
            pipelines.lighting(),
            pipelines.weather(p=1.0),
            pipelines.camera(),
            pipelines.erase(),
            A.SomeOf([A.Transpose(p=1.0), A.VerticalFlip(p=0.5)], n=1, p=0.5),
        ]
    )


def target_of(boxes, **more):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.arange(len(boxes)) + 5} | more


# By hand.


def test_a_mirrored_target_by_hand():
    image = torch.arange(24, dtype=torch.uint8).reshape(1, 4, 6)
    masks = torch.zeros(1, 4, 6, dtype=torch.bool)
    masks[0, 1, :2] = True
    target = target_of([[0.0, 1.0, 2.0, 2.0]], masks=masks)
    target["keypoints"] = torch.tensor([[0.5, 1.5], [6.0, 0.0]])
    turned, changed = MIRROR(image, target)
    assert torch.equal(turned, image.flip(2))
    assert torch.allclose(changed["boxes"], torch.tensor([[4.0, 1.0, 6.0, 2.0]]))
    assert torch.equal(changed["masks"], masks.flip(2))
    assert torch.allclose(changed["keypoints"], torch.tensor([[5.5, 1.5], [0.0, 0.0]]))
    assert changed["visible"].tolist() == [True, True]
    assert changed["labels"].tolist() == [5]


def test_boxes_masks_and_keypoints_turn_with_the_picture():
    image = torch.zeros(3, 64, 80, dtype=torch.uint8)
    image[:, 20:24, 50:54] = 255
    masks = (image[:1] > 0).clone()
    target = target_of([[50.0, 20.0, 54.0, 24.0]], masks=masks)
    target["keypoints"] = torch.tensor([[52.0, 22.0]])
    for seed in range(8):
        turned, changed = TURN(image, target, seed=seed)
        seen = box_ops.from_masks(turned[:1] > 127)
        assert (changed["boxes"] - seen).abs().max() < 1.5
        assert (box_ops.from_masks(changed["masks"]) - seen).abs().max() < 1.5
        middle = (seen[0, :2] + seen[0, 2:]) / 2
        assert (changed["keypoints"][0] - middle).abs().max() < 0.8


# What must not change.


@pytest.mark.parametrize("make", STRENGTHS.values(), ids=STRENGTHS)
def test_strength_0_changes_nothing(make):
    image, target = STREETS.images[0], STREETS.targets[0]
    changed, same = pipelines.Pipeline([make(0, p=1.0)])(image, target, seed=3)
    assert torch.equal(changed, image)
    assert torch.allclose(same["boxes"], target["boxes"], atol=1e-3)
    assert torch.equal(same["masks"], target["masks"])


def test_no_angle_no_flip_p_0_and_no_transforms_change_nothing():
    for parts in ([pipelines.orientation(degrees=0)], [pipelines.orientation(p=0)], []):
        assert torch.equal(pipelines.Pipeline(parts)(SIGN, 1)[0], SIGN)
    whole = pipelines.crop((32, 32), area=(1.0, 1.0), aspect_ratio=(1.0, 1.0))
    assert torch.equal(pipelines.Pipeline([whole])(SIGN, 1)[0], SIGN)


@pytest.mark.parametrize("make", STRENGTHS.values(), ids=STRENGTHS)
def test_more_strength_changes_more(make):
    def change(strength):
        pipeline = pipelines.Pipeline([make(strength, p=1.0)])
        differences = [(pipeline(SIGN, 0, seed=s)[0].float() - SIGN).abs() for s in range(20)]
        return torch.stack(differences).mean().item()

    assert 0 < change(0.3) < change(1.0)


def test_the_caller_s_picture_and_target_are_left_alone():
    grey, target = STREETS.images[0][:1].clone(), STREETS.targets[0]
    before = {key: value.clone() for key, value in target.items()}
    copy = grey.clone()
    for seed in range(10):
        everything()(grey, target, seed=seed)
    assert torch.equal(grey, copy)
    assert all(torch.equal(target[key], value) for key, value in before.items())


# Kinds of pictures.


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_dtype_layout_and_label_come_back(dtype, channels):
    image = SIGN[:channels] if dtype == torch.uint8 else SIGN[:channels].float() / 255
    for seed in range(12):
        changed, label = everything()(image, 7, seed=seed)
        assert changed.shape == image.shape and changed.dtype == dtype
        assert changed.is_contiguous() and type(label) is int and label == 7
        assert changed.max() <= (255 if dtype == torch.uint8 else 1)
    assert not torch.equal(changed, image)
    scalar = torch.tensor(3)
    assert everything()(image, scalar)[1] is scalar


def test_grey_and_colour_pictures_move_alike():
    grey = SIGN[:1]
    parts = [pipelines.orientation(degrees=30), pipelines.weather(p=1.0)]
    pipeline = pipelines.Pipeline(parts)
    assert torch.equal(
        pipeline(grey, 0, seed=4)[0], pipeline(grey.repeat(3, 1, 1), 0, seed=4)[0][:1]
    )


def test_odd_sizes_and_transposed_memory():
    image = SIGN[:, :31, :17].transpose(1, 2)
    assert not image.is_contiguous()
    assert torch.equal(MIRROR(image, 0)[0], image.flip(2))
    assert pipelines.Pipeline([pipelines.crop((5, 9))])(image, 0)[0].shape == (3, 5, 9)
    assert everything()(SIGN[:, :1, :1], 0, seed=1)[0].shape == (3, 32, 32)


# Objects.


@pytest.mark.parametrize("seed", range(12))
def test_boxes_labels_and_masks_stay_in_step(seed):
    size = (1, 100, 100)
    corners = [[0, 0], [0, 60], [60, 0], [60, 60], [30, 30]]
    boxes = [[x, y, x + 30, y + 30] for x, y in corners]
    masks = torch.zeros(5, 100, 100, dtype=torch.bool)
    for row, (x, y) in enumerate(corners):
        masks[row, y : y + 30, x : x + 30] = True
    target = target_of(boxes, masks=masks)
    image = torch.zeros(size, dtype=torch.uint8)
    for mask, label in zip(masks, target["labels"], strict=True):
        image[0][mask] = 20 * label.to(torch.uint8)  # the colour says which object it is
    cut = pipelines.Pipeline([pipelines.crop((64, 64), area=(0.1, 0.3))], min_visibility=0.2)
    changed, objects = cut(image, target, seed=seed)
    assert len(objects["boxes"]) == len(objects["labels"]) == len(objects["masks"]) < 5
    assert objects["labels"].dtype == torch.int64 and objects["boxes"].dtype == torch.float32
    for box, label, mask in zip(
        *(objects[key] for key in ("boxes", "labels", "masks")), strict=True
    ):
        assert changed[0][mask].median() == 20 * label
        assert (box_ops.from_masks(mask[None])[0] - box).abs().max() <= 1


def test_min_visibility_drops_what_is_mostly_cut_off():
    target = target_of([[0.0, 0.0, 10.0, 10.0]])
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    half = [A.Crop(x_min=6, y_min=0, x_max=20, y_max=20, p=1.0)]  # leaves 40 % of the box
    kept = pipelines.Pipeline(half, min_visibility=0.3)(image, target)[1]
    assert torch.allclose(kept["boxes"], torch.tensor([[0.0, 0.0, 4.0, 10.0]]), atol=1e-4)
    assert len(pipelines.Pipeline(half, min_visibility=0.5)(image, target)[1]["boxes"]) == 0


def test_a_box_cut_to_nothing_is_dropped_even_where_every_box_may_stay():
    outside = [A.Crop(x_min=10, y_min=0, x_max=20, y_max=20, p=1.0)]
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    target = target_of([[0.0, 0.0, 10.0, 10.0]], masks=torch.ones(1, 20, 20, dtype=torch.bool))
    changed, left = pipelines.Pipeline(outside, min_visibility=0)(image, target)
    assert left["boxes"].shape == (0, 4) and left["boxes"].dtype == torch.float32
    assert left["labels"].shape == (0,) and left["labels"].dtype == torch.int64
    assert left["masks"].shape == (0, 20, 10) and left["masks"].dtype == torch.bool


def test_no_objects_at_all():
    image = STREETS.images[0]
    target = target_of([], masks=torch.zeros(0, 96, 112, dtype=torch.bool))
    target["keypoints"] = torch.zeros(0, 2)
    for seed in range(5):
        _, left = everything()(image, target, seed=seed)
        assert left["boxes"].shape == (0, 4) and left["labels"].dtype == torch.int64
        assert left["masks"].shape == (0, 32, 32)
        assert left["keypoints"].shape == (0, 2) and left["visible"].shape == (0,)


def test_boxes_at_the_border_outside_and_without_area():
    image = torch.zeros(3, 20, 30, dtype=torch.uint8)
    boxes = [
        [0.0, 0.0, 30.0, 20.0],  # touches every side
        [-5.0, 5.0, 5.0, 10.0],  # leaves the picture: cut
        [30.0, 0.0, 40.0, 10.0],  # outside: dropped
        [3.0, 3.0, 3.0, 9.0],  # no area: dropped
        [29.0, 19.0, 30.0, 20.0],  # one pixel
    ]
    _, changed = MIRROR(image, target_of(boxes))
    expected = [[0.0, 0.0, 30.0, 20.0], [25.0, 5.0, 30.0, 10.0], [0.0, 19.0, 1.0, 20.0]]
    assert torch.allclose(changed["boxes"], torch.tensor(expected), atol=1e-4)
    assert changed["labels"].tolist() == [5, 6, 9]


def test_what_is_erased_leaves_box_and_mask():
    image = torch.full((3, 40, 40), 9, dtype=torch.uint8)
    target = target_of([[0.0, 0.0, 40.0, 40.0]], masks=torch.ones(1, 40, 40, dtype=torch.bool))
    changed, left = pipelines.Pipeline([pipelines.erase(1.0, p=1.0)])(image, target, seed=2)
    covered = (changed != 9).any(dim=0)
    assert 0 < covered.sum() < 0.3 * covered.numel()
    assert torch.equal(left["masks"][0], ~covered)


def test_keypoints_that_leave_stay_in_place_and_are_not_visible():
    image = torch.zeros(3, 20, 20, dtype=torch.uint8)
    target = target_of([], keypoints=torch.tensor([[2.0, 3.0], [15.0, 3.0], [16.0, 4.0]]))
    cut = pipelines.Pipeline([A.Crop(x_min=10, y_min=0, x_max=20, y_max=20, p=1.0)])
    _, left = cut(image, target | {"visible": torch.tensor([True, True, False])})
    assert torch.allclose(left["keypoints"], torch.tensor([[-8.0, 3.0], [5.0, 3.0], [6.0, 4.0]]))
    assert left["visible"].tolist() == [False, True, False]
    assert cut(image, target)[1]["visible"].tolist() == [False, True, True]


# Randomness.


def test_the_seed_alone_decides():
    pipeline = everything()
    image, target = STREETS.images[0], STREETS.targets[0]
    for seed in range(10):
        first, objects = pipeline(image, target, seed=seed)
        pipeline(image, 0, seed=99)
        again, same = pickle.loads(pickle.dumps(everything()))(image, target, seed=seed)
        assert torch.equal(first, again)
        assert all(torch.equal(objects[key], same[key]) for key in objects)
        assert torch.equal(first, pipeline(image, 0, seed=seed)[0])  # a label draws no less
    results = {pipeline(image, 0, seed=seed)[0].numpy().tobytes() for seed in range(20)}
    assert len(results) == 20


def test_without_a_seed_the_global_generator_decides():
    runtime.seed_everything(5)
    first = [everything()(SIGN, 0)[0] for _ in range(3)]
    runtime.seed_everything(5)
    again = [everything()(SIGN, 0)[0] for _ in range(3)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])


def test_two_flips_are_independent_unlike_after_albumentations_own_seeding():
    image = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    flips = [A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)]
    plain = A.Compose(flips)

    def plain_result(seed):
        plain.set_random_seed(seed)
        return plain(image=image)["image"].tobytes()

    assert len({plain_result(seed) for seed in range(100)}) == 2  # both or none
    ours, tensor = pipelines.Pipeline(flips), torch.from_numpy(image).permute(2, 0, 1)
    results = [ours(tensor, 0, seed=seed)[0].numpy().tobytes() for seed in range(400)]
    counts = [results.count(result) for result in set(results)]
    assert len(counts) == 4 and min(counts) > 70


def test_pipelines_that_share_a_transform_do_not_disturb_each_other():
    shared = A.HorizontalFlip(p=0.5)
    one, two = pipelines.Pipeline([shared]), pipelines.Pipeline([shared, A.VerticalFlip(p=0.5)])
    before = [one(SIGN, 0, seed=seed)[0] for seed in range(8)]
    for seed in range(8):
        two(SIGN, 0, seed=seed + 100)
        assert torch.equal(one(SIGN, 0, seed=seed)[0], before[seed])


# As text.


def test_repr_shows_what_is_not_the_default():
    shown = repr(pipelines.Pipeline([pipelines.orientation(flip=True), A.Blur(p=0.5)]))
    assert shown == (
        "Pipeline([\n"
        "    Sequential([\n"
        "        Rotate(limit=(-15, 15), border_mode=1, p=1.0),\n"
        "        HorizontalFlip(p=0.5),\n"
        "    ], p=1.0),\n"
        "    Blur(p=0.5),\n"
        "], min_visibility=0.1)"
    )
    assert "    ], n=1, replace=False, p=0.5),\n" in repr(everything())
    assert repr(pipelines.Pipeline([])) == "Pipeline([], min_visibility=0.1)"


def test_saved_and_loaded_it_is_the_same_value_and_does_the_same():
    pipeline = everything()
    loaded = pipelines.Pipeline.from_json(pipeline.to_json())
    assert loaded == pipeline and hash(loaded) == hash(pipeline) and loaded.min_visibility == 0.1
    for seed in range(5):
        assert torch.equal(loaded(SIGN, 0, seed=seed)[0], pipeline(SIGN, 0, seed=seed)[0])
    assert pipelines.Pipeline([]) != pipelines.Pipeline([], min_visibility=0.5) != TURN


def brighten(image, **_):
    return image


@pytest.mark.parametrize("name", [None, "brighten"])
def test_a_function_cannot_be_saved(name):
    pipeline = pipelines.Pipeline([A.Lambda(image=brighten, name=name, p=1.0)])
    with pytest.raises(TypeError, match="must hold plain numbers.*it has Lambda"):
        pipeline.to_json()


def test_what_is_no_saved_pipeline():
    saved = json.loads(TURN.to_json())
    read = pipelines.Pipeline.from_json
    with pytest.raises(ValueError, match="a saved pipeline must be JSON"):
        read("{")
    with pytest.raises(ValueError, match="must have the format 'imgrec_lab.augment.Pipeline'; got"):
        read("[]")
    with pytest.raises(ValueError, match="got 'imgrec_lab.augment.Policy'. Read a policy"):
        read(json.dumps(saved | {"format": "imgrec_lab.augment.Policy"}))
    with pytest.raises(ValueError, match="must have version 1; got 2, written by another"):
        read(json.dumps(saved | {"version": 2}))
    strange = [{"__class_fullname__": "TurnByMagic", "p": 1.0}]
    with pytest.raises(ValueError, match="must be one that this albumentations .* has; .*TurnBy"):
        read(json.dumps(saved | {"transforms": strange}))
    ignored = [{"__class_fullname__": "HorizontalFlip", "p": 1.0, "often": 3}]
    with pytest.raises(ValueError, match="must be one that this albumentations .*often"):
        read(json.dumps(saved | {"transforms": ignored}))


# What is refused.


def test_misspelt_and_impossible_arguments():
    with pytest.raises(TypeError, match="Rotate must .* got limits. Did you mean limit?"):
        pipelines.checked(A.Rotate, limits=10)
    with pytest.raises(TypeError, match="HorizontalFlip must .* got wobble. It takes p."):
        pipelines.checked(A.HorizontalFlip, wobble=10)
    with pytest.raises(ValueError, match="p"):
        pipelines.checked(A.Rotate, p=2)
    assert pipelines.checked(A.Rotate, limit=10, p=1.0).limit == (-10, 10)


def test_a_misspelt_argument_that_albumentations_only_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        misspelt = A.OneOf([A.Rotate(limits=10), A.HorizontalFlip()])
    with pytest.raises(TypeError, match="Rotate must .* got limits. Did you mean limit?"):
        pipelines.Pipeline([misspelt])


@pytest.mark.parametrize("make", STRENGTHS.values(), ids=STRENGTHS)
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), True, "strong", None])
def test_strength_and_p_out_of_range(make, wrong):
    with pytest.raises(ValueError, match="strength must lie in 0 to 1; got .*. Try 0.3"):
        make(wrong)
    with pytest.raises(ValueError, match="p must lie in 0 to 1; got .*. Try 0.3"):
        make(0.5, p=wrong)


def test_other_arguments_out_of_range():
    for degrees in (-1, 181, float("nan"), True):
        with pytest.raises(ValueError, match="degrees must lie in 0 to 180; got .*. Try 15"):
            pipelines.orientation(degrees=degrees)
    with pytest.raises(TypeError, match="flip must be True or False; got 0.5. True does"):
        pipelines.orientation(flip=0.5)
    with pytest.raises(ValueError, match="border must be one of 'edge', 'black'; got 'white'"):
        pipelines.orientation(border="white")
    for size in (32, (32,), (0, 32), (32.0, 32), (True, True)):
        with pytest.raises(ValueError, match="image_size must be .height, width. in whole pixels"):
            pipelines.crop(size)
    for area in (0.5, (0, 1), (0.5, 1.1), (0.8, 0.5), (float("nan"), 1.0), (True, 1.0)):
        with pytest.raises(ValueError, match="area must be .*above 0 and at most 1; got"):
            pipelines.crop((32, 32), area=area)
    with pytest.raises(ValueError, match="aspect_ratio must be .least, largest., above 0; got"):
        pipelines.crop((32, 32), aspect_ratio=(1, float("inf")))
    with pytest.raises(ValueError, match="min_visibility must lie in 0 to 1; got 2. Try 0.1"):
        pipelines.Pipeline([], min_visibility=2)


def test_what_a_pipeline_cannot_be_made_of():
    with pytest.raises(TypeError, match="transforms must be a list; got HorizontalFlip"):
        pipelines.Pipeline(A.HorizontalFlip())
    with pytest.raises(TypeError, match="got HorizontalFlip. Write A.HorizontalFlip"):
        pipelines.Pipeline([A.HorizontalFlip])
    for converter in (A.Normalize(), A.ToFloat(), A.Sequential([A.ToTensorV2()])):
        with pytest.raises(
            TypeError, match="leave pictures in .0, 1. with their dtype; got (To|N)"
        ):
            pipelines.Pipeline([converter])


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_seeds_that_are_none(seed):
    with pytest.raises(ValueError, match="seed must be a whole number of 0 or more; got .*. Try 0"):
        MIRROR(SIGN, 0, seed=seed)


@pytest.mark.parametrize(
    "image, error, message",
    [
        (np.zeros((3, 4, 4)), TypeError, "image must be a tensor .C, H, W.; got ndarray"),
        (torch.zeros(4, 5, 5), ValueError, r"got \(4, 5, 5\).* alpha channel use image\[:3\]"),
        (torch.zeros(2, 3, 5, 5), ValueError, "For a batch call the pipeline for each picture"),
        (torch.zeros(3, 0, 5), ValueError, r"got \(3, 0, 5\)"),
        (torch.zeros(3, 5, 5).double(), TypeError, "uint8 or float32; got torch.float64"),
        (torch.zeros(3, 5, 5, device="meta"), ValueError, "must lie on the CPU.*got meta"),
        (
            torch.full((3, 5, 5), 255.0),
            ValueError,
            r"lie in \[0, 1\]; got 255 to 255. Try image / ",
        ),
        (torch.full((3, 5, 5), -0.1), ValueError, r"lie in \[0, 1\]; got -0.1 to -0.1"),
        (torch.full((3, 5, 5), float("nan")), ValueError, "got nan to nan"),
        (torch.full((3, 5, 5), 1 + 2**-23), ValueError, "got 1.0000001 to 1.0000001"),
        (torch.zeros(3, 5, 5).requires_grad_(), ValueError, r"gradients.*Try image.detach\(\)"),
        (torch.zeros(3, 5, 5).long(), TypeError, "uint8, or floating .* torch.int64. Try image.fl"),
    ],
)
def test_pictures_that_are_none(image, error, message):
    with pytest.raises(error, match=message):
        MIRROR(image, 0)


POINTS = {"keypoints": torch.zeros(2, 2)}


@pytest.mark.parametrize(
    "change, error, message",
    [
        (
            {"area": 3},
            ValueError,
            "got also area, which would no longer fit the picture. Keep it elsewhere.$",
        ),
        ({"labels": None}, TypeError, "labels must be a tensor .1,.; got NoneType"),
        (
            {"labels": torch.zeros(2).long()},
            ValueError,
            r"labels must have shape \(1,\).*got \(2,\)",
        ),
        (
            {"labels": torch.zeros(1)},
            TypeError,
            "labels must be whole numbers; got torch.float32. Try",
        ),
        ({"boxes": torch.zeros(4)}, ValueError, r"boxes must have shape \(M, 4\).*boxes\[None\]"),
        (
            {"boxes": torch.ones(1, 4).int()},
            TypeError,
            "boxes must be floating point; got torch.int32",
        ),
        ({"boxes": torch.full((1, 4), float("nan"))}, ValueError, "boxes must be finite"),
        (
            {"boxes": torch.tensor([[9.0, 9, 5, 5]])},
            ValueError,
            "got .9.0, 9.0, 5.0, 5.0. in row 0. From",
        ),
        (
            {"masks": torch.zeros(1, 31, 32).bool()},
            ValueError,
            r"masks must have shape \(1, 32, 32",
        ),
        ({"masks": torch.zeros(1, 32, 32)}, TypeError, "masks must be bool; got torch.float32"),
        ({"keypoints": torch.zeros(2, 3)}, ValueError, r"keypoints must have shape \(P, 2\)"),
        ({"keypoints": torch.ones(2, 2).int()}, TypeError, "keypoints must be floating point; got"),
        ({"keypoints": torch.full((1, 2), float("inf"))}, ValueError, "keypoints must be finite"),
        ({"visible": torch.ones(2).bool()}, ValueError, "visible must stand beside keypoints"),
        (POINTS | {"visible": torch.ones(2)}, TypeError, "visible must be bool; got"),
        (POINTS | {"visible": torch.ones(3).bool()}, ValueError, r"visible must have shape \(2,\)"),
    ],
)
def test_targets_that_are_none(change, error, message):
    with pytest.raises(error, match=message):
        MIRROR(SIGN, target_of([[1.0, 1.0, 5.0, 5.0]]) | change)


def test_other_targets_that_are_none():
    with pytest.raises(ValueError, match="got boxes. Add labels"):
        MIRROR(SIGN, {"boxes": torch.zeros(0, 4)})
    for wrong in (None, 1.5, True, "cat", torch.zeros(2), torch.tensor(1.5)):
        with pytest.raises(TypeError, match="a target must be a dict of boxes and labels; got"):
            MIRROR(SIGN, wrong)


def test_numbers_of_another_width_become_those_of_a_target():
    target = target_of([[1.0, 1.0, 5.0, 5.0]])
    target["labels"] = target["labels"].to(torch.int32)
    target["boxes"] = target["boxes"].double()
    target["masks"] = torch.full((1, 32, 32), 1, dtype=torch.uint8)  # torchvision's own kind
    changed = MIRROR(SIGN, target)[1]
    assert changed["labels"].dtype == torch.int64 and changed["boxes"].dtype == torch.float32
    assert changed["masks"].dtype == torch.bool and changed["masks"].all()


def test_a_border_that_repeats_objects_is_refused_with_boxes_alone():
    repeating = pipelines.Pipeline([A.OneOf([A.Rotate(border_mode=cv2.BORDER_REFLECT_101)])])
    assert repeating(SIGN, 0)[0].shape == SIGN.shape
    with pytest.raises(ValueError, match="Rotate has border_mode=4. Try cv2.BORDER_CONSTANT"):
        repeating(SIGN, target_of([]))


def test_a_step_that_changes_the_kind_of_picture_is_refused():
    pixels = A.Lambda(image=to_fractions, p=1.0)
    with pytest.raises(TypeError, match="keep the dtype .* torch.uint8 became torch.float32"):
        pipelines.Pipeline([pixels])(SIGN, 0)
    with pytest.raises(ValueError, match=r"keep the channels .* came out as \(32, 32\)"):
        pipelines.Pipeline([A.ToGray(num_output_channels=1, p=1.0)])(SIGN, 0)


def to_fractions(image, **_):
    return image.astype(np.float32) / 255


def test_numpy_s_and_python_s_global_generators_are_left_alone():
    random.seed(0)
    np.random.seed(0)
    before = random.getstate(), np.random.get_state()[1].tolist()
    for seed in range(20):
        everything()(SIGN, 0, seed=seed)
    assert random.getstate() == before[0] and np.random.get_state()[1].tolist() == before[1]
