import dataclasses
import hashlib
import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from imgrec_lab import box_ops, scenes
from imgrec_lab.scenes import CLASSES, Conditions, scene_canvas, scene_light, sign_shapes

EVERY_CLASS = list(range(len(CLASSES)))
DARK_AND_WET = Conditions(
    "night",
    "rain",
    blur_px=0.7,
    noise=0.05,
    exposure=0.5,
    perspective=0.8,
    occlusion=0.3,
    stickers=2,
)
LARGE = (96, 96)


def digest() -> str:
    """Fingerprint of a few crops and scenes of the natural mix and of every light and weather."""
    pieces = [
        *scenes.draw_signs(EVERY_CLASS, seed=3),
        *scenes.draw_signs([1], conditions=DARK_AND_WET),
    ]
    mix = [Conditions(light, w) for light in scenes.LIGHTS for w in scenes.WEATHERS]
    for conditions, n in ((mix, 9), (None, 6)):
        streets = scenes.draw_streets(n, image_size=(64, 96), conditions=conditions, seed=4)
        pieces += [streets.images, *(value for t in streets.targets for value in t.values())]
    return hashlib.sha256(b"".join(piece.numpy().tobytes() for piece in pieces)).hexdigest()


# --- the pictures are a function of the seed ---


def test_another_process_draws_the_same_bytes():
    code = "import test_scenes; print(test_scenes.digest())"
    folder = str(Path(__file__).parent)
    path = [folder, *sys.path]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {path!r}; {code}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest()


def test_a_crop_does_not_depend_on_how_many_there_are():
    labels = [k % 14 for k in range(90)]
    many, few = scenes.draw_signs(labels, seed=5), scenes.draw_signs(labels[:70], seed=5)
    for a, b in zip(many, few, strict=True):
        assert torch.equal(a[:70], b)


def test_a_crop_does_not_depend_on_its_neighbours():
    blurred = [Conditions(blur_px=6.0, weather="fog")] * 3
    alone = scenes.draw_signs([3, 4, 5], seed=6, conditions=Conditions())
    beside = scenes.draw_signs([9, 4, 8], seed=6, conditions=[blurred[0], Conditions(), blurred[2]])
    assert torch.equal(alone.images[1], beside.images[1])


def test_a_scene_does_not_depend_on_how_many_there_are():
    many, few = scenes.draw_streets(7, seed=7), scenes.draw_streets(3, seed=7)
    assert torch.equal(many.images[:3], few.images)
    for a, b in zip(many.targets, few.targets, strict=False):
        assert all(torch.equal(a[key], b[key]) for key in ("boxes", "labels", "masks"))


def test_the_seed_changes_every_picture():
    a, b = (scenes.draw_signs(EVERY_CLASS, seed=seed).images for seed in (0, 1))
    assert (a != b).flatten(1).any(dim=1).all()


def test_conditions_are_a_function_of_seed_and_index():
    long, short = scenes.sample_conditions(50, seed=1), scenes.sample_conditions(20, seed=1)
    assert long[:20] == short
    assert long != scenes.sample_conditions(50, seed=2)


def test_the_natural_mix_has_the_promised_shares():
    mix = scenes.sample_conditions(4000, seed=0)
    lights, weathers = ([getattr(c, name) for c in mix] for name in ("light", "weather"))
    shares = [lights.count(light) / 4000 for light in scenes.LIGHTS]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.03)
    shares = [weathers.count(weather) / 4000 for weather in scenes.WEATHERS]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    assert sum(c.occlusion > 0 for c in mix) / 4000 == pytest.approx(0.28, abs=0.03)
    assert sum(c.stickers > 0 for c in mix) / 4000 == pytest.approx(1 / 7.5, abs=0.03)


# --- crops: shapes, masks and boxes ---


@pytest.mark.parametrize("image_size", [(32, 32), (24, 40), (33, 17), (8, 8)])
def test_crops_have_the_promised_shapes(image_size):
    images, labels, boxes, masks = scenes.draw_signs(EVERY_CLASS, image_size=image_size)
    assert images.shape == (14, 3, *image_size) and images.dtype == torch.uint8
    assert labels.tolist() == EVERY_CLASS and labels.dtype == torch.int64
    assert boxes.shape == (14, 4) and boxes.dtype == torch.float32
    assert masks.shape == (14, *image_size) and masks.dtype == torch.bool


@pytest.mark.parametrize("conditions", [Conditions(), DARK_AND_WET, None])
def test_boxes_are_tight(conditions):
    _, _, boxes, masks = scenes.draw_signs(EVERY_CLASS * 4, conditions=conditions, seed=8)
    for (x1, y1, x2, y2), mask in zip(boxes.int().tolist(), masks, strict=True):
        inside = mask[y1:y2, x1:x2]
        assert inside.sum() == mask.sum() > 0
        edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
        assert all(edge.any() for edge in edges)


def test_the_mask_is_where_the_sign_is():
    """Two signs of one outline in one place differ in their masks and nowhere else."""
    a, b = (
        scenes.draw_signs([k] * 20, image_size=LARGE, conditions=Conditions(), seed=9)
        for k in (0, 6)
    )
    assert torch.equal(a.masks, b.masks)
    differ = (a.images.int() - b.images.int()).abs().amax(dim=1) > 40  # (N, H, W)
    assert not (differ & ~a.masks).any()
    assert differ.flatten(1).sum(dim=1).float().mean() > 300


@pytest.mark.parametrize("occlusion", [0.2, 0.5, 0.9])
def test_exactly_the_asked_fraction_is_hidden(occlusion):
    free, hidden = (
        scenes.draw_signs(EVERY_CLASS, image_size=LARGE, conditions=Conditions(occlusion=o), seed=2)
        for o in (0.0, occlusion)
    )
    seen = hidden.masks.flatten(1).sum(dim=1) / free.masks.flatten(1).sum(dim=1)
    assert not (hidden.masks & ~free.masks).any()
    assert (seen - (1 - occlusion)).abs().max() < 0.04


def test_a_hidden_pixel_shows_something_else():
    free, hidden = (
        scenes.draw_signs(EVERY_CLASS, image_size=LARGE, conditions=Conditions(occlusion=o), seed=2)
        for o in (0.0, 0.4)
    )
    covered = free.masks & ~hidden.masks
    change = (free.images.float() - hidden.images.float()).abs().mean(dim=1)
    assert change[covered].mean() > 40 > 5 > change[hidden.masks].mean()


def test_even_a_tiny_and_nearly_hidden_sign_keeps_a_box():
    worst = Conditions(occlusion=0.9, perspective=1.0)
    batch = scenes.draw_signs(EVERY_CLASS * 10, image_size=(8, 8), conditions=worst)
    assert batch.masks.flatten(1).any(dim=1).all()
    assert (batch.boxes[:, 2:] > batch.boxes[:, :2]).all()


def test_left_is_the_mirror_of_right_and_not_the_same():
    left, right = (
        sign_shapes.rasterise(sign_shapes.layers_of(scenes.label_of(name)), size=64)
        for name in ("turn left", "turn right")
    )
    assert np.abs(left[:, ::-1].astype(int) - right.astype(int)).mean() < 2
    assert np.abs(left.astype(int) - right.astype(int)).mean() > 10


def test_every_two_classes_can_be_told_apart():
    pictures = [sign_shapes.rasterise(sign_shapes.layers_of(k), size=64) for k in EVERY_CLASS]
    for a, b in itertools.combinations(pictures, 2):
        assert np.abs(a.astype(int) - b.astype(int)).mean() > 2


# --- conditions do what they say ---


def crops(**settings) -> scenes.SignBatch:
    return scenes.draw_signs(EVERY_CLASS * 3, conditions=Conditions(**settings), seed=1)


def test_the_same_place_in_another_light():
    day, dusk, night = (crops(light=light) for light in scenes.LIGHTS)
    assert torch.equal(day.masks, night.masks) and torch.equal(day.masks, dusk.masks)
    behind = [batch.images.float().mean(dim=1)[~day.masks].mean() for batch in (day, dusk, night)]
    assert behind[0] > 1.2 * behind[1] > 1.8 * behind[2]
    streets = [
        scenes.draw_streets(4, conditions=Conditions(light=light)) for light in ("day", "night")
    ]
    for a, b in zip(streets[0].targets, streets[1].targets, strict=True):
        assert torch.equal(a["masks"], b["masks"]) and torch.equal(a["labels"], b["labels"])


def test_at_night_signs_throw_the_headlights_back():
    night = crops(light="night")
    grey = night.images.float().mean(dim=1)
    assert grey[night.masks].mean() > 2 * grey[~night.masks].mean()


def test_fog_thickens_with_depth():
    near, far = (scene_canvas.colour((20, 20, 20), scene_canvas.depth_code(z)) for z in (5, 25))
    canvas = np.full((1, 16, 16), near, np.uint32)
    canvas[:, :, 8:] = far
    shot = scene_light.Shot(0.06, 0.5, (1, 1, 1), 0.0, (0, 0), 0)
    picture = scene_light.expose(
        canvas, signs=np.zeros((1, 8, 8), np.float32), lamps=[[]], horizons=[None],
        conditions=[Conditions(weather="fog")], shots=[shot],
    )  # fmt: skip
    red_of_fog = 206  # nearness is stored in 127 steps: metres are a little off
    for column, metres in ((0, 5), (7, 25)):
        expected = red_of_fog + (20 - red_of_fog) * np.exp(-0.06 * metres)
        assert picture[0, 0, 0, column] == pytest.approx(expected, abs=3)


def test_noise_has_the_asked_strength():
    clean, noisy = (crops(noise=noise).images.float() for noise in (0.0, 0.04))
    free = (clean > 40) & (clean < 215)  # not clipped at black or white
    assert (noisy - clean)[free].std() / 255 == pytest.approx(0.04, rel=0.05)


def test_blur_matches_a_gaussian():
    picture = np.zeros((1, 1, 31, 31), np.float32)
    picture[0, 0, 15, 15] = 1
    blurred = scene_light.blur(picture, [2.0], reach=5)[0, 0]
    assert blurred.sum() == pytest.approx(1, abs=1e-5)
    assert blurred[15, 17] / blurred[15, 15] == pytest.approx(np.exp(-0.5), rel=1e-4)
    assert np.array_equal(blurred, blurred.T)
    assert scene_light.blur(np.full((1, 3, 5, 4), 7, np.float32), [1.0], reach=2) == pytest.approx(
        7
    )


def test_exposure_counts_in_stops():
    dark, normal, bright = (
        crops(exposure=stops).images.float().mean().item() for stops in (-2, 0, 2)
    )
    assert dark == pytest.approx(normal * 2 ** (-2 / 2.2), rel=0.03)  # nothing clips when darker
    assert bright > 1.2 * normal


def test_stickers_stay_on_the_sign():
    clean, stuck = crops(), crops(stickers=4)
    assert torch.equal(clean.masks, stuck.masks)
    change = (clean.images.float() - stuck.images.float()).abs().amax(dim=1)
    assert change[clean.masks].mean() > 10 * change[~clean.masks].mean()


def test_perspective_narrows_the_sign():
    widths = []
    for perspective in (0.0, 1.0):
        x1, y1, x2, y2 = crops(perspective=perspective).boxes.unbind(dim=1)
        widths.append(((x2 - x1) / (y2 - y1)).mean())
    assert widths[1] < 0.7 * widths[0]


def test_rain_changes_the_picture_but_not_the_truth():
    dry, wet = crops(), crops(weather="rain")
    assert torch.equal(dry.masks, wet.masks)
    assert (dry.images.float() - wet.images.float()).abs().mean() > 5


# --- streets ---


@pytest.fixture(scope="module")
def streets() -> scenes.StreetBatch:
    return scenes.draw_streets(120, seed=10)


def test_scenes_have_the_promised_shapes(streets):
    assert streets.images.shape == (120, 3, 128, 128) and streets.images.dtype == torch.uint8
    for target in streets.targets:
        M = len(target["labels"])
        assert target["boxes"].shape == (M, 4) and target["boxes"].dtype == torch.float32
        assert target["labels"].shape == (M,) and target["labels"].dtype == torch.int64
        assert target["masks"].shape == (M, 128, 128) and target["masks"].dtype == torch.bool


def test_scenes_have_0_to_5_signs_of_all_classes_and_many_sizes(streets):
    counts = [len(target["labels"]) for target in streets.targets]
    assert min(counts) == 0 and 4 <= max(counts) <= 5 and 1.5 < np.mean(counts) < 2.7
    assert {k for target in streets.targets for k in target["labels"].tolist()} == set(EVERY_CLASS)
    boxes = torch.cat([target["boxes"] for target in streets.targets])
    heights = boxes[:, 3] - boxes[:, 1]
    assert heights.min() >= 5 and heights.max() > 24 and heights.std() > 3


def test_boxes_of_scenes_are_tight_and_inside_and_masks_apart(streets):
    for target in streets.targets:
        assert torch.equal(box_ops.from_masks(target["masks"]), target["boxes"])
        assert (target["masks"].sum(dim=0) <= 1).all()
        assert (target["boxes"] >= 0).all() and (target["boxes"] <= 128).all()


@pytest.mark.parametrize(
    "conditions",
    [Conditions(occlusion=0.6, perspective=1.0), Conditions("night", "fog"), Conditions()],
)
def test_no_label_is_a_lie(conditions):
    """Every labelled sign covers enough pixels to be named: as many as a frontal one of 9 px."""
    batch = scenes.draw_streets(40, conditions=conditions, seed=11)
    masks = torch.cat([target["masks"] for target in batch.targets])
    assert len(masks) > 15
    assert masks.flatten(1).sum(dim=1).min() > 20


def test_signs_stand_out_in_fog_and_at_night():
    for conditions in (Conditions("night"), Conditions(weather="fog"), Conditions("night", "fog")):
        batch = scenes.draw_streets(40, conditions=conditions, seed=12)
        for image, target in zip(batch.images.float(), batch.targets, strict=True):
            for mask in target["masks"]:
                assert image[:, mask].std() > 8  # a sign that faded away would be flat


@pytest.mark.parametrize("image_size", [(64, 160), (97, 65), (8, 8), (256, 256)])
def test_streets_of_any_size(image_size):
    batch = scenes.draw_streets(3, image_size=image_size, seed=13)
    assert batch.images.shape == (3, 3, *image_size)
    assert all(target["masks"].shape[1:] == image_size for target in batch.targets)


def test_no_pictures():
    assert scenes.draw_signs([]).images.shape == (0, 3, 32, 32)
    assert scenes.draw_signs(torch.tensor([], dtype=torch.int64)).boxes.shape == (0, 4)
    nothing = scenes.draw_streets(0)
    assert nothing.images.shape == (0, 3, 128, 128) and nothing.targets == []
    assert scenes.sample_conditions(0, seed=0) == []


# --- the arithmetic below ---


def test_halving_is_the_mean_of_four():
    rng = np.random.RandomState(0)
    bytes_ = rng.randint(0, 256, (6, 8, 4)).astype(np.uint8)
    halved = scene_canvas.unpack(scene_canvas.halve(scene_canvas.pack(bytes_)))
    mean = bytes_.reshape(3, 2, 4, 2, 4).mean(axis=(1, 3))
    assert (halved <= mean).all() and (mean - halved).max() <= 1.5  # rounded down twice


def test_a_pose_and_its_inverse_cancel():
    m = scene_canvas.pose(30, 40, 12, roll=0.2, yaw=0.7, pitch=-0.3)
    product = np.reshape(m, (3, 3)) @ np.reshape(scene_canvas.inverse(m), (3, 3))
    assert product / product[0, 0] == pytest.approx(np.eye(3), abs=1e-9)
    assert (m[2], m[5], m[8]) == (30, 40, 1)  # the sign's centre lands where it should


def test_warp_without_a_turn_copies_the_texture():
    texture = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64)
    m = scene_canvas.pose(32, 32, 32 / scene_canvas.REACH, roll=0, yaw=0, pitch=0)
    whole = (slice(0, 64), slice(0, 64))
    assert np.array_equal(scene_canvas.warp(texture, m, whole), texture)


def test_nothing_is_painted_outside_the_canvas():
    canvas = np.zeros((10, 10), np.uint32)
    source = np.full((4, 4), scene_canvas.PAINTED | np.uint32(7), np.uint32)
    for box in ((-9, -9, -1, -1), (10, 0, 14, 4), (0, 10, 4, 14)):
        scene_canvas.blit(canvas, source, box, depth=2)
    assert not canvas.any()
    scene_canvas.blit(canvas, source, (-2, 8, 2, 12), depth=2)
    assert (canvas > 0).sum() == 4 and (canvas[8:, :2] > 0).all()


# --- bad input ---


def test_label_of():
    assert [scenes.label_of(name) for name in CLASSES] == EVERY_CLASS
    with pytest.raises(ValueError, match="got 'Stopp'. Did you mean 'stop'?"):
        scenes.label_of("Stopp")
    with pytest.raises(ValueError, match="14 sign classes; got 'xylophone'. See scenes.CLASSES"):
        scenes.label_of("xylophone")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"light": "nihgt"},
            "light must be one of day, dusk, night; got 'nihgt'. Did you mean 'night'",
        ),
        (
            {"weather": 3},
            "weather must be one of clear, fog, rain; got 3. The usual one is 'clear'",
        ),
        ({"blur_px": -1}, "blur_px must be a number from 0 to 8; got -1. 0 switches it off"),
        ({"noise": 25}, "noise must be a number from 0 to 0.5; got 25"),
        ({"exposure": 9.0}, "exposure must be a number from -4 to 4; got 9.0"),
        ({"perspective": 1.5}, "perspective must be a number from 0 to 1; got 1.5"),
        ({"occlusion": 1.0}, "occlusion must be a number from 0 to 0.9; got 1.0"),
        ({"occlusion": float("nan")}, "occlusion must be a number from 0 to 0.9; got nan"),
        ({"stickers": "two"}, "stickers must be a number from 0 to 8; got 'two'"),
        ({"stickers": 1.5}, "stickers must be a whole number; got 1.5. Try 2"),
    ],
)
def test_conditions_outside_their_range(settings, words):
    with pytest.raises(ValueError, match=words):
        Conditions(**settings)


def test_conditions_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Conditions().light = "night"
    assert Conditions(blur_px=np.float32(0.5)).blur_px == 0.5


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 14], ValueError, r"labels must lie in 0 to 13; got 14. scenes.CLASSES\[label\]"),
        ([-1], ValueError, "0 to 13; got -1"),
        (["stop"], TypeError, r"whole numbers; got names: \['stop'\]. Try \[scenes.label_of"),
        ([0.5], TypeError, r"row of whole numbers \(N,\); got torch.float32 of shape \(1,\)"),
        (3, TypeError, r"of shape \(\). For one crop use \[label\]"),
        (torch.zeros(2, 2, dtype=torch.int64), TypeError, r"of shape \(2, 2\)"),
    ],
)
def test_bad_labels(labels, error, words):
    with pytest.raises(error, match=words):
        scenes.draw_signs(labels)


@pytest.mark.parametrize("image_size", [32, (32,), (7, 32), (32, 32, 3), (32.0, 32.0), "32"])
def test_bad_sizes(image_size):
    words = r"image_size must be \(height, width\), whole pixels, 8 or more each; got .*\(32, 32\)"
    with pytest.raises(ValueError, match=words):
        scenes.draw_signs([0], image_size=image_size)
    with pytest.raises(ValueError, match=words):
        scenes.draw_streets(1, image_size=image_size)


def test_bad_number_of_conditions():
    with pytest.raises(ValueError, match="each of the 3 pictures; got 2. None draws the natural"):
        scenes.draw_signs([0, 1, 2], conditions=[Conditions()] * 2)
    with pytest.raises(ValueError, match="each of the 1 pictures; got 0"):
        scenes.draw_streets(1, conditions=[])
    with pytest.raises(TypeError, match="must be scenes.Conditions.*got 'night'.*light=\"night\""):
        scenes.draw_streets(1, conditions="night")


def test_bad_counts_and_seeds():
    with pytest.raises(ValueError, match="num_scenes must be 0 or more; got -1. For one picture"):
        scenes.draw_streets(-1)
    with pytest.raises(TypeError, match=r"num_scenes must be a whole number; got 2.0. For a float"):
        scenes.draw_streets(2.0)
    with pytest.raises(TypeError, match="seed must be a whole number; got None"):
        scenes.draw_signs([0], seed=None)
    with pytest.raises(TypeError, match="n must be a whole number; got 'ten'"):
        scenes.sample_conditions("ten", seed=0)


# --- what the set is for ---


def test_a_linear_model_learns_something_but_not_enough():
    """Ridge regression on pixels: far above chance (0.07), far below a small network (0.95)."""
    train, test = (
        scenes.draw_signs([k % 14 for k in range(n)], seed=seed)
        for n, seed in ((1400, 1), (560, 2))
    )
    x, y = (batch.images.flatten(1).double() / 255 - 0.5 for batch in (train, test))
    targets = torch.nn.functional.one_hot(train.labels).double()
    weights = torch.linalg.solve(x @ x.T + 300 * torch.eye(len(x)).double(), targets)
    accuracy = ((y @ x.T @ weights).argmax(dim=1) == test.labels).double().mean()
    assert 0.25 < accuracy < 0.75


def rate(draw, n: int) -> float:
    """Pictures a second of one processor, the best of three."""
    draw()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        draw()
        seconds.append(time.process_time() - start)
    return n / min(seconds)


def test_drawing_is_fast():
    labels = [k % 14 for k in range(400)]
    assert rate(lambda: scenes.draw_signs(labels), 400) >= 1000
    assert rate(lambda: scenes.draw_streets(60), 60) >= 150
