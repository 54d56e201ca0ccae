"""Road signs and street scenes drawn from code, with exact labels, boxes and masks.

Every picture is a function of a seed, its index and a frozen ``Conditions`` value, so the
truth is known to the pixel and every difficulty is a dial. First the scene is painted flat
(colour and distance), then the signs go up, then something may get in front of them,
then light, weather and the camera have their turn.
"""

import difflib
import functools
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.box_ops import Target
from imgrec_lab.scenes import (
    scene_canvas,
    scene_conditions,
    scene_light,
    scene_posts,
    scene_signs,
    scene_street,
)
from imgrec_lab.scenes.scene_conditions import LIGHTS, WEATHERS, Conditions, sample_conditions
from imgrec_lab.scenes.sign_shapes import CLASSES

__all__ = [
    "CLASSES",
    "LIGHTS",
    "WEATHERS",
    "Conditions",
    "SignBatch",
    "StreetBatch",
    "draw_signs",
    "draw_streets",
    "label_of",
    "sample_conditions",
]


class SignBatch(NamedTuple):
    """N drawn crops.

    Attributes:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64, an index into ``CLASSES``.
        boxes: (N, 4) float32 xyxy pixels, half-open, tight to the masks.
        masks: (N, H, W) bool, the visible pixels of the sign.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor
    masks: Tensor


class StreetBatch(NamedTuple):
    """N drawn street scenes.

    Attributes:
        images: (N, 3, H, W) uint8.
        targets: one ``Target`` a scene, 0 to 5 signs each.
    """

    images: Tensor
    targets: list[Target]


def label_of(name: str) -> int:
    """The label of a class name.

    Args:
        name: one of ``CLASSES``.

    Raises:
        ValueError: if there is no such class; the nearest name is suggested.
    """
    if name in CLASSES:
        return CLASSES.index(name)
    near = difflib.get_close_matches(str(name).lower(), CLASSES, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}?" if near else "See scenes.CLASSES."
    raise ValueError(f"name must be one of the {len(CLASSES)} sign classes; got {name!r}. {hint}")


def draw_signs(
    labels: Sequence[int] | Tensor,
    *,
    image_size: tuple[int, int] = (32, 32),
    conditions: Conditions | Sequence[Conditions] | None = None,
    seed: int = 0,
) -> SignBatch:
    """Draw one crop for each label.

    Args:
        labels: (N,) whole numbers, indices into ``CLASSES``.
        image_size: (height, width), pixels, 8 or more.
        conditions: one value for all, one for each label, or None for the natural mix.
        seed: crop i depends on the seed, i, its label, its conditions and the size only; the
            same seed under other conditions is the same place.

    Raises:
        ValueError: if a label, the size or the number of conditions does not fit.
        TypeError: if the labels or the seed are not whole numbers.
    """
    seed = scene_conditions.whole("seed", seed)
    labels, (H, W) = _checked_labels(labels), scene_conditions.checked_size(image_size)
    conditions = scene_conditions.one_each(conditions, len(labels), seed)
    images = np.empty((len(labels), 3, H, W), np.uint8)
    masks = np.empty((len(labels), H, W), bool)
    for part in _parts(len(labels), H * W):
        rngs = [random.Random(f"sign {seed} {i}") for i in range(part.start, part.stop)]
        images[part], masks[part] = _crops(labels[part], H, W, conditions[part], rngs)
    seen = torch.from_numpy(masks)
    return SignBatch(torch.from_numpy(images), torch.tensor(labels), box_ops.from_masks(seen), seen)


def draw_streets(
    num_scenes: int,
    *,
    image_size: tuple[int, int] = (128, 128),
    conditions: Conditions | Sequence[Conditions] | None = None,
    seed: int = 0,
) -> StreetBatch:
    """Draw street scenes with 0 to 5 signs each.

    Args:
        num_scenes: N.
        image_size: (height, width), pixels, 8 or more; signs are at least 9 pixels across, so
            a picture under about 64 pixels has few.
        conditions: one value for all, one for each scene, or None for the natural mix.
        seed: scene i depends on the seed, i, its conditions and the size only; the same seed
            in another light is the same place.

    Raises:
        ValueError: if the size, num_scenes or the number of conditions does not fit.
        TypeError: if num_scenes or the seed is not a whole number.
    """
    seed = scene_conditions.whole("seed", seed)
    N, (H, W) = (
        scene_conditions.count("num_scenes", num_scenes),
        scene_conditions.checked_size(image_size),
    )
    conditions = scene_conditions.one_each(conditions, N, seed)
    images = np.empty((N, 3, H, W), np.uint8)
    targets: list[Target] = []
    for part in _parts(N, H * W):
        rngs = [random.Random(f"street {seed} {i}") for i in range(part.start, part.stop)]
        images[part], found = _scenes(H, W, conditions[part], rngs)
        targets += found
    return StreetBatch(torch.from_numpy(images), targets)


def _parts(n: int, pixels: int) -> list[slice]:
    """Slices of 0 to n whose pictures fit in a processor's cache together."""
    step = max(1, 2**16 // pixels)
    return [slice(first, min(first + step, n)) for first in range(0, n, step)]


def _crops(
    labels: list[int], H: int, W: int, conditions: list[Conditions], rngs: list[random.Random]
) -> tuple[np.ndarray, np.ndarray]:
    """A few crops: (N, 3, H, W) uint8 and their masks (N, H, W) bool."""
    canvases = np.empty((len(labels), 2 * H, 2 * W), np.uint32)
    seen = np.zeros(canvases.shape, bool)
    shots = scene_light.sample_shots(conditions, rngs)
    for i, (label, condition, rng) in enumerate(zip(labels, conditions, rngs, strict=True)):
        canvas, depth = canvases[i], scene_canvas.depth_code(rng.uniform(4, 12))
        _fill_backdrop(canvas, condition.light, rng)
        radius = min(H, W) * rng.uniform(0.56, 0.94)  # canvas pixels
        angles = scene_signs.sample_angles(condition.perspective, rng)
        x, y = (side + rng.uniform(-1, 1) * max(0.0, side - 0.9 * radius) for side in (W, H))
        pose = scene_canvas.pose(x, y, radius, **angles)
        scene_signs.crop_post(canvas, x, y, radius, depth=depth, rng=rng)
        window, shown = scene_signs.hang(
            canvas, label, pose, radius, depth=depth, stickers=condition.stickers, rng=rng
        )
        if condition.occlusion > 0:
            shown = scene_signs.hide(
                canvas, window, shown, condition.occlusion,
                spared=seen[i], spread=2.4, depth=depth, rng=rng,
            )  # fmt: skip
        seen[i][window] = shown
    covered = scene_canvas.count_blocks(seen)  # (N, H, W), 0 to 4
    pictures = _photograph(canvases, covered, None, conditions, shots)
    masks = covered >= 2
    masks |= (covered > 0) & ~masks.any(axis=(1, 2), keepdims=True)  # a speck is still a sign
    return pictures, masks


def _scenes(
    H: int, W: int, conditions: list[Conditions], rngs: list[random.Random]
) -> tuple[np.ndarray, list[Target]]:
    """A few street scenes: (N, 3, H, W) uint8 and their targets."""
    canvases = np.empty((len(conditions), 2 * H, 2 * W), np.uint32)
    covered = np.zeros((len(conditions), H, W), np.uint8)
    shots = scene_light.sample_shots(conditions, rngs)
    streets, labels, masks = [], [], []
    for i, (condition, rng) in enumerate(zip(conditions, rngs, strict=True)):
        overcast = condition.weather != "clear"
        street = scene_street.paint(canvases[i], light=condition.light, overcast=overcast, rng=rng)
        names, owner, windows = scene_posts.put_up(street, condition, rng)
        streets.append(street)
        labels.append(names)
        masks.append(_sign_masks(owner, windows, covered[i]))
    targets = _targets(labels, np.concatenate(masks))
    return _photograph(canvases, covered, streets, conditions, shots), targets


def _sign_masks(
    owner: np.ndarray, windows: list[scene_canvas.Window], covered: np.ndarray
) -> np.ndarray:
    """(M, H, W) bool, pixels that are at least half sign; adds to ``covered`` in place."""
    masks = np.zeros((len(windows), *covered.shape), bool)
    for k, (ys, xs) in enumerate(windows):
        half = slice(ys.start // 2, ys.stop // 2), slice(xs.start // 2, xs.stop // 2)
        count = scene_canvas.count_blocks(owner[ys, xs] == k + 1)
        covered[half] += count
        masks[k][half] = count >= 2
    return masks


def _targets(labels: list[list[int]], masks: np.ndarray) -> list[Target]:
    """One target a scene, from the labels of each and the masks of all, in order."""
    counts = [len(names) for names in labels]
    seen = torch.from_numpy(masks)
    boxes = box_ops.from_masks(seen).split(counts)
    names = torch.tensor([name for scene in labels for name in scene], dtype=torch.int64)
    return [
        {"boxes": of_scene, "labels": chosen, "masks": visible}
        for of_scene, chosen, visible in zip(
            boxes, names.split(counts), seen.split(counts), strict=True
        )
    ]


def _photograph(
    canvases: np.ndarray,
    covered: np.ndarray,
    streets: list[scene_street.Street] | None,
    conditions: list[Conditions],
    shots: list[scene_light.Shot],
) -> np.ndarray:
    """Light, weather and camera; ``covered`` (N, H, W) counts the sign's quarters of each pixel."""
    return scene_light.expose(
        canvases,
        signs=covered.astype(np.float32) * np.float32(0.25),
        lamps=[street.lamps for street in streets] if streets else [()] * len(shots),
        horizons=[street.horizon // 2 for street in streets] if streets else [None] * len(shots),
        conditions=conditions,
        shots=shots,
    )


_BACKDROPS = 12  # for each light


@functools.cache
def _backdrop(light: str, variant: int) -> np.ndarray:
    """(256, 256) packed: a street without signs, out of focus, to cut backgrounds from."""
    rng = random.Random(f"backdrop {light} {variant}")
    canvas = np.empty((256, 256), np.uint32)
    scene_street.paint(canvas, light=light, overcast=variant % 3 == 0, rng=rng)
    sharp = scene_canvas.unpack(canvas).transpose(2, 0, 1)  # (4, H, W)
    soft = scene_light.blur(sharp[None, :3].astype(np.float32), [1.8], reach=4)[0]
    return scene_canvas.pack(np.stack([*soft.astype(np.uint8), sharp[3]], axis=2)).copy()


def _fill_backdrop(canvas: np.ndarray, light: str, rng: random.Random) -> None:
    """Fill a crop's canvas with a random piece of a blurred street."""
    (height, width), source = canvas.shape, _backdrop(light, rng.randrange(_BACKDROPS))
    side = rng.uniform(60, 180)
    tall, wide = side * min(1, height / width), side * min(1, width / height)
    y, x = rng.uniform(0, 256 - tall), rng.uniform(0, 256 - wide)
    rows = (y + np.arange(height) * (tall / height)).astype(np.int32)
    columns = (x + np.arange(width) * (wide / width)).astype(np.int32)
    canvas[...] = scene_canvas.resample(source, rows, columns)


def _checked_labels(labels: Sequence[int] | Tensor) -> list[int]:
    """Labels as a list."""
    if isinstance(labels, str) or (
        isinstance(labels, Sequence) and any(isinstance(label, str) for label in labels)
    ):
        raise TypeError(
            f"labels must be whole numbers; got names: {labels!r}. "
            "Try [scenes.label_of(name) for name in names]."
        )
    array = torch.as_tensor(labels)
    whole = not (array.is_floating_point() or array.is_complex() or array.dtype == torch.bool)
    if array.ndim != 1 or not (whole or array.numel() == 0):
        raise TypeError(
            f"labels must be a row of whole numbers (N,); got {array.dtype} of shape "
            f"{tuple(array.shape)}. For one crop use [label]."
        )
    values = [int(value) for value in array.tolist()]
    for value in values:
        if not 0 <= value < len(CLASSES):
            raise ValueError(
                f"labels must lie in 0 to {len(CLASSES) - 1}; got {value}. "
                "scenes.CLASSES[label] names them."
            )
    return values
