"""A policy at work: what it draws and how often, what it returns, and what it refuses."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from test_augment import as_bytes, smooth

from imgrec_lab import augment

SIZE = (20, 30)
EVERY_STEP = [
    augment.Flip(p=0.25), augment.Translate(0.3, p=0.5), augment.Rotate(20), augment.Scale(0.4),
    augment.Crop(0.4, 1.5), augment.Brightness(0.1), augment.Contrast(0.2), augment.Saturation(0.3),
    augment.Blur(1.5), augment.Noise(0.1), augment.Cutout(0.5), augment.MixUp(10, 0.3, p=0.5),
    augment.CutMix(10, 0.7),
]  # fmt: skip
NO_STRENGTH = [
    augment.Flip(p=0), augment.Translate(0), augment.Rotate(0), augment.Scale(0),
    augment.Crop(1), augment.Brightness(0), augment.Contrast(0), augment.Saturation(0),
    augment.Blur(0), augment.Noise(0), augment.Cutout(0), augment.MixUp(4, p=0),
    augment.CutMix(4, p=0),
]  # fmt: skip


def drawn(step, n=4000, size=SIZE):
    return augment.Policy(step).draw(n, size, generator=torch.Generator().manual_seed(5))


# What is drawn


def test_moves_lie_in_their_range_and_reach_its_ends():
    offsets = drawn(augment.Translate(0.1)).maps[:, :2, 2]
    assert set(offsets[:, 0].tolist()) == set(range(-3, 4))
    assert set(offsets[:, 1].tolist()) == {-2, -1, 0, 1, 2}
    maps = drawn(augment.Rotate(15)).maps
    degrees = torch.atan2(maps[:, 1, 0], maps[:, 0, 0]).rad2deg()
    assert degrees.abs().max() < 15.01 and degrees.min() < -14.9 and degrees.max() > 14.9
    assert abs(degrees.mean()) < 0.5
    factors = drawn(augment.Scale(0.25)).maps[:, 0, 0]
    assert 0.8 - 1e-6 <= factors.min() < 0.801 and 1.249 < factors.max() <= 1.25 + 1e-6


def test_a_crop_lies_in_the_picture_and_keeps_its_area_and_proportions():
    for area in (0.3, 0.9):
        maps = drawn(augment.Crop(area, aspect_ratio=1.5)).maps
        share = 1 / torch.stack([maps[:, 0, 0], maps[:, 1, 1]], dim=1)  # (N, 2) of each side
        corner = -maps[:, :2, 2] * share / torch.tensor([30, 20])  # shares too
        assert corner.min() > -1e-9 and (corner + share).max() < 1 + 1e-9
        areas, stretch = share.prod(dim=1), share[:, 0] / share[:, 1]
        assert area - 1e-9 < areas.min() < area + 0.01 and 0.99 < areas.max() < 1 + 1e-9
        assert stretch.max() < 1.5 + 1e-9 and stretch.min() > 1 / 1.5 - 1e-9


def test_colours_blur_and_noise_lie_in_their_range_and_reach_its_ends():
    for step, attribute in ((augment.Brightness(0.3), "gain"), (augment.Contrast(0.3), "gain"),
                            (augment.Saturation(0.3), "saturation")):  # fmt: skip
        factors = getattr(drawn(step).colors, attribute)
        assert 0.7 - 1e-6 <= factors.min() < 0.701 and 1.299 < factors.max() <= 1.3 + 1e-6
    sigma_px, std = drawn(augment.Blur(2)).sigma_px, drawn(augment.Noise(0.1)).noise_std
    assert 0 <= sigma_px.min() < 0.01 and 1.99 < sigma_px.max() <= 2
    assert 0 <= std.min() < 0.001 and 0.0999 < std.max() <= 0.1


def test_holes_have_their_size_and_are_cut_off_at_the_edges():
    holes = drawn(augment.Cutout(0.5)).holes
    sides = holes[:, 2:] - holes[:, :2]
    assert sides.amax(dim=0).tolist() == [15, 10]
    assert holes.min() == 0 and holes.amax(dim=0)[2:].tolist() == [30, 20]
    assert (sides[:, 0] < 15).any() and (sides >= 0).all()


def test_mixes_share_as_a_beta_distribution_does():
    for step in (augment.MixUp(3, alpha=1), augment.CutMix(3, alpha=1)):
        (mix,) = drawn(step).mixes
        assert mix.partners.sort().values.equal(torch.arange(4000))
        assert mix.shares.min() >= 0 and mix.shares.max() <= 1
    (mix,) = drawn(augment.MixUp(3, alpha=1)).mixes
    assert abs(mix.shares.mean() - 0.5) < 0.02 and abs(mix.shares.var() - 1 / 12) < 0.005
    (mix,) = drawn(augment.MixUp(3, alpha=0.1)).mixes
    assert ((mix.shares < 0.05) | (mix.shares > 0.95)).double().mean() > 0.7


def test_two_blurs_or_noises_are_one_larger_one():
    sharp = augment.Policy([augment.Blur(2), augment.Noise(0.1), augment.Blur(1)])
    both = sharp.draw(500, SIZE, generator=torch.Generator().manual_seed(6))
    assert 2 < both.sigma_px.max() <= 5**0.5 and both.noise_std.max() <= 0.1


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_p_is_the_share_of_the_pictures(p):
    happened = (drawn(augment.Rotate(10, p=p)).maps[:, 0, 0] != 1).sum()
    assert abs(happened - 4000 * p) < 5 * (4000 * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("choose", [0, 1, 2, 4])
def test_choose_is_how_many_steps_each_picture_meets_and_mixing_is_apart(choose):
    steps = [augment.Brightness(1), augment.Saturation(1), augment.Rotate(90), augment.Blur(1)]
    policy = augment.Policy([augment.MixUp(3), *steps], choose=choose)
    draw = policy.draw(2000, SIZE, generator=torch.Generator().manual_seed(7))
    nothing = torch.zeros(2000)
    happened = torch.stack([
        torch.from_numpy(draw.colors.gain != 1) if draw.colors else nothing,
        torch.from_numpy(draw.colors.saturation != 1) if draw.colors else nothing,
        draw.maps[:, 0, 0] != 1 if draw.maps is not None else nothing,
        draw.sigma_px > 0 if draw.sigma_px is not None else nothing,
    ])  # fmt: skip
    assert (happened.sum(dim=0) == choose).all()
    expected = 2000 * choose / 4
    assert ((happened.sum(dim=1) - expected).abs() < 5 * 500**0.5).all()
    assert (draw.mixes[0].shares < 1).float().mean() > 0.9


# Seeds


def test_the_same_seed_gives_the_same_and_another_seed_another():
    images, labels = smooth(6, 3, *SIZE), torch.arange(6)
    policy = augment.Policy(EVERY_STEP)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(policy(images, labels))
    assert torch.equal(results[0][0], results[1][0]) and torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][0], results[2][0])
    assert not torch.equal(policy(images, labels)[0], results[2][0])  # and the next batch


def test_a_generator_leaves_the_global_one_alone_and_bytes_and_floats_share_a_draw():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    policy = augment.Policy(EVERY_STEP)
    first = policy.draw(4, SIZE, generator=torch.Generator().manual_seed(8))
    second = policy.draw(4, SIZE, generator=torch.Generator().manual_seed(8))
    assert torch.equal(torch.get_rng_state(), state)
    images = smooth(4, 3, *SIZE)
    assert torch.equal(first.images(images), second.images(images))
    assert torch.equal(pickle.loads(pickle.dumps(first)).images(images), first.images(images))
    as_floats = first.images(as_bytes(images)) / 255
    assert (as_floats - first.images(images)).abs().max() < 3 / 255


# What it returns


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_steps_no_strength_and_no_probability_change_no_bit(kind, channels):
    images, labels = smooth(4, channels, *SIZE), torch.arange(4)
    images = as_bytes(images) if kind == torch.uint8 else images.to(kind)
    never = [dataclasses.replace(step, p=0) for step in EVERY_STEP[:-2]]
    for policy in (augment.Policy([]), augment.Policy(never), augment.Policy(EVERY_STEP[:4], 0)):
        result, same = policy(images, labels)
        assert torch.equal(result, images) and same is labels and result.dtype == kind
        assert result.data_ptr() != images.data_ptr()  # new, also where nothing was drawn
    if kind != torch.float64:  # which grid_sample moves by nothing, but not to the last bit
        result, soft = augment.Policy(NO_STRENGTH)(images, labels)
        assert torch.equal(result, images) and torch.equal(soft, torch.eye(4))


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float16])
@pytest.mark.parametrize("shape", [(1, 3, 20, 30), (5, 1, 7, 3), (2, 3, 1, 1), (0, 3, 8, 8)])
def test_every_step_at_once_on_any_batch_and_nothing_in_place(kind, shape):
    images = smooth(max(shape[0], 1), *shape[1:])[: shape[0]]
    images = as_bytes(images) if kind == torch.uint8 else images.to(kind)
    before, labels = images.clone(), torch.arange(shape[0])
    result, soft = augment.Policy(EVERY_STEP)(images, labels)
    assert result.shape == shape and result.dtype == kind and soft.shape == (shape[0], 10)
    assert torch.equal(images, before) and torch.equal(labels, torch.arange(shape[0]))
    assert result.float().isfinite().all() and torch.allclose(soft.sum(dim=1), torch.ones(shape[0]))


def test_labels_are_soft_in_every_batch_of_a_policy_that_mixes():
    policy = augment.Policy(augment.MixUp(3, p=0.5))
    shapes = {policy(torch.zeros(1, 3, 4, 4), torch.zeros(1).long())[1].shape for _ in range(20)}
    assert shapes == {(1, 3)}


def test_targets_move_with_their_own_picture():
    images = torch.zeros(16, 3, *SIZE)
    images[:, :, 5:9, 4:12] = 1
    target = {"boxes": torch.tensor([[4.0, 5, 12, 9]]), "labels": torch.tensor([3])}
    torch.manual_seed(0)
    policy = augment.Policy([augment.Flip(), augment.Translate(0.1)], border="edge")
    results, targets = policy(images, [target] * 16)
    places = set()
    for image, moved in zip(results, targets, strict=True):
        x1, y1, x2, y2 = moved["boxes"][0].int().tolist()
        assert image[:, y1:y2, x1:x2].all() and image.sum() == 3 * 4 * 8
        places.add((x1, y1))
    assert len(places) > 8 and target["boxes"].tolist() == [[4, 5, 12, 9]]


def test_pictures_with_boxes_are_bordered_by_grey_unless_it_is_said():
    images, labels = torch.zeros(9, 3, *SIZE), torch.zeros(9)
    targets = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}] * 9
    policy = augment.Policy(augment.Scale(9))
    assert policy(images, targets)[0].max() == 0.5 and not policy(images, labels)[0].any()
    assert not augment.Policy(policy.steps, border="edge")(images, targets)[0].any()
    assert augment.Policy(policy.steps, border="grey")(images, labels)[0].max() == 0.5


@pytest.mark.parametrize(
    ("images", "kind", "sentence"),
    [
        (torch.zeros(2, 4, 8, 8), ValueError, r"alpha channel use images\[:, :3\]"),
        (torch.zeros(3, 8, 8), ValueError, r"got \(3, 8, 8\). For one picture use images\[None\]"),
        (torch.zeros(2, 3, 0, 8), ValueError, r"got \(2, 3, 0, 8\)"),
        (torch.full((2, 3, 8, 8), 255.0), ValueError, r"lie in \[0, 1\]; got 255 to 255. Try im"),
        (torch.full((2, 3, 8, 8), torch.nan), ValueError, r"lie in \[0, 1\]; got nan to nan"),
        (torch.zeros(2, 3, 8, 8) - 1, ValueError, "and augment before anything is normalised"),
        (torch.zeros(2, 3, 8, 8).long(), TypeError, "must be uint8, or floating .* torch.int64"),
        (torch.zeros(2, 3, 8, 8).requires_grad_(), ValueError, "must not require gradients"),
        (np.zeros((2, 3, 8, 8)), TypeError, r"must be a tensor \(N, C, H, W\); got ndarray"),
    ],
)
def test_images_of_another_kind_are_named(images, kind, sentence):
    with pytest.raises(kind, match=sentence):
        augment.Policy([])(images, torch.zeros(2))


@pytest.mark.parametrize(
    ("steps", "targets", "kind", "sentence"),
    [
        ([], torch.zeros(3), ValueError, "one for each of 2 images; got 3"),
        ([], [], ValueError, "one for each of 2 images; got 0"),
        ([], None, TypeError, "or a list of N targets with boxes; got NoneType"),
        ([], {"boxes": 1, "labels": 2}, TypeError, r"got dict. For one target use \[target\]"),
        ([augment.MixUp(3, p=0)], [{}, {}], TypeError, "where pictures are mixed; got a list"),
        ([augment.MixUp(3)], torch.tensor([0, 3]), ValueError, "must lie in 0 to 2 to be mixed"),
        ([augment.CutMix(3)], torch.tensor([-1, 0]), ValueError, "to be mixed; got -1 to 0"),
        ([augment.CutMix(3)], torch.ones(2, 2), ValueError, r"or \(N, 3\) probabilities to be mi"),
    ],
)
def test_targets_of_another_kind_are_named(steps, targets, kind, sentence):
    with pytest.raises(kind, match=sentence):
        augment.Policy(steps)(torch.zeros(2, 3, 8, 8), targets)


def test_a_draw_for_other_pictures_is_refused():
    draw = augment.Policy([]).draw(2, (8, 9))
    with pytest.raises(ValueError, match="drawn for, 2 of 8 x 9 pixels; got 2 of 9 x 8. Draw"):
        draw.images(torch.zeros(2, 3, 9, 8))
