"""Light, weather and camera: from a flat painted canvas to a photograph, for ``scenes``.

The order is the physical one: light falls on surfaces, lamps and lit windows shine by
themselves, fog covers what is far, rain crosses the view, the lens blurs, the sensor adds
exposure and noise.
"""

import functools
import math
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from imgrec_lab.scenes import scene_canvas
from imgrec_lab.scenes.scene_conditions import Conditions

AMBIENT = {"day": (1.0, 1.0, 1.0), "dusk": (0.68, 0.58, 0.60), "night": (0.24, 0.26, 0.38)}
AIR = {"day": (206, 211, 214), "dusk": (166, 146, 148), "night": (52, 54, 66)}  # fog's colour


class Lamp(NamedTuple):
    """Something that shines; ``x``, ``y``, ``radius`` of its halo, all in picture pixels."""

    x: float
    y: float
    radius: float
    colour: tuple[float, float, float]
    pool: float = 0.0  # radius of what it lights up around it
    ground: float = 0.0  # the row where the ground below it is


@functools.cache
def noise_tile() -> np.ndarray:
    """(2**20,) float32 standard normal numbers, the sensor's noise."""
    return np.random.RandomState(20).standard_normal(2**20).astype(np.float32)


@functools.cache
def smooth_tile() -> np.ndarray:
    """(256, 256) float32 cloudy noise in 0 to 1 that repeats without a seam."""
    rng = np.random.RandomState(21)
    tile = np.zeros((256, 256), np.float32)
    for cells in (4, 8, 16, 32, 64, 128):
        grid = rng.random_sample((cells, cells)).astype(np.float32)
        grid = np.kron(grid, np.ones((256 // cells, 256 // cells), np.float32))
        reach = max(1, 128 // cells)
        for axis in (0, 1):
            for _ in range(2):
                shifts = range(-reach, reach + 1)
                grid = sum(np.roll(grid, k, axis) for k in shifts) / np.float32(2 * reach + 1)
        tile += (grid - grid.mean()) / grid.std() * np.float32(1 / cells**0.6)
    return (tile - tile.min()) / (tile.max() - tile.min())


@functools.cache
def halo(radius: int) -> np.ndarray:
    """(2R+1, 2R+1) float32: bright in the middle, fading to 0 at the radius."""
    place = np.arange(-radius, radius + 1, dtype=np.float32) / np.float32(radius + 0.5)
    r2 = place[:, None] ** 2 + place**2
    fall = np.clip(1 - r2, 0, 1)
    return fall**4 * np.float32(0.8) + fall**64 * np.float32(1.5)


@functools.cache
def transmission(per_metre: float) -> np.ndarray:
    """(256,) float32: the fraction of light that gets through, for each depth code."""
    metres = 127 * scene_canvas.NEAREST_M / np.maximum(np.arange(256) >> 1, 0.25)
    table = np.round(np.exp(-per_metre * metres), 4).astype(np.float32)
    table[:2] = 0.0 if per_metre > 0.02 else 1.0  # the sky: gone in fog, its own colour otherwise
    return table


@functools.cache
def streak_tile() -> np.ndarray:
    """(512, 512) float32: falling rain caught by the shutter, 0 to 1, slightly slanted."""
    rng = np.random.RandomState(22)
    tile = np.zeros((512, 512), np.float32)
    for _ in range(1500):
        y, x, length = rng.randint(512), rng.randint(512), rng.randint(10, 34)
        steps = np.arange(length)
        tile[(y + steps) % 512, (x - steps // 7) % 512] += rng.uniform(0.25, 0.9)
    return np.clip(tile, 0, 1)


class Shot(NamedTuple):
    """What chance decides about one photograph; drawn first, applied to a whole batch later."""

    per_metre: float  # how fast light is lost in the air
    gloss: float  # how much of the headlights a sign throws back
    tint: tuple[float, float, float]  # white balance is never exact
    rain: float  # strength of the streaks
    offset: tuple[int, int]  # where the rain is cut from its tile
    grain: int  # where the noise is cut from its tile


def sample_shots(conditions: Sequence[Conditions], rngs: Sequence[random.Random]) -> list[Shot]:
    """Draw the chances of each photograph, always the same number of them."""
    thickness = {"clear": (0.001, 0.004), "rain": (0.010, 0.018), "fog": (0.045, 0.080)}
    shots = []
    for condition, rng in zip(conditions, rngs, strict=True):
        warm = rng.uniform(-0.05, 0.05)
        shot = Shot(
            per_metre=round(rng.uniform(*thickness[condition.weather]), 3),
            gloss=rng.uniform(0.45, 0.9),
            tint=(1 + warm, 1.0, 1 - warm),
            rain=rng.uniform(0.3, 0.6),
            offset=(int(256 * rng.random()), int(256 * rng.random())),
            grain=int(2**18 * rng.random()),
        )
        shots.append(shot)
    return shots


def expose(
    canvases: np.ndarray,
    *,
    signs: np.ndarray,
    lamps: Sequence[Sequence[Lamp]],
    horizons: Sequence[int | None],
    conditions: Sequence[Conditions],
    shots: Sequence[Shot],
) -> np.ndarray:
    """Photograph painted canvases.

    Args:
        canvases: (N, 2H, 2W) packed colours and depths.
        signs: (N, H, W) float32, the fraction of each pixel that is sign.
        lamps: what shines into each picture.
        horizons: the first row of ground, for reflections in the rain; None has none.
        conditions: light, weather and camera of each picture.
        shots: the chances of each picture.

    Returns:
        (N, 3, H, W) uint8. Every picture comes out as it would alone.
    """
    small = scene_canvas.halve(canvases)  # (N, H, W)
    pictures = np.empty((len(small), 3, *small.shape[1:]), np.float32)
    for k in range(3):  # red, green, blue
        pictures[:, k] = (small >> np.uint32(8 * k) & np.uint32(255)).view(np.int32)
    depth = small >> np.uint32(24)  # (N, H, W)
    for i, condition in enumerate(conditions):
        if condition.light != "day":
            shine = scene_canvas.count_blocks((canvases[i] >> np.uint32(24)).astype(np.uint8) & 1)
            _light_up(pictures[i], depth[i], signs[i], shine, lamps[i], condition.light, shots[i])
        if condition.weather == "rain":
            _rain(pictures[i], horizons[i], condition.light, shots[i])
    _haze(pictures, depth, conditions, shots)
    return _camera(pictures, conditions, shots)


def _light_up(
    picture: np.ndarray,
    depth: np.ndarray,
    signs: np.ndarray,
    shine: np.ndarray,
    lamps: Sequence[Lamp],
    light: str,
    shot: Shot,
) -> None:
    """Multiply the colours (3, H, W) by the light that reaches them, in place; add halos."""
    night = light == "night"
    beam = signs * np.float32(shot.gloss if night else 0.35 * shot.gloss)  # (H, W)
    if night:
        beam += _headlight_reach()[depth] * _beam_width(depth.shape[1])
    bright = np.float32(0.8 if night else 0.3)
    for lamp in lamps:
        if lamp.pool > 0:  # it lights what stands around it and the ground below
            _add(beam, halo(_whole(lamp.pool)), lamp.x, lamp.y, bright)
            _add(beam, halo(_whole(1.5 * lamp.pool))[::4], lamp.x, lamp.ground, bright)
    lit = shine.astype(np.float32) * np.float32(0.25)  # 1 where it shines by itself
    for plane, ambient, warmth in zip(picture, AMBIENT[light], (1.0, 0.93, 0.80), strict=True):
        plane *= np.maximum(np.float32(ambient) + beam * np.float32(warmth), lit)
    for lamp in lamps:
        glow = np.array(lamp.colour, np.float32) * np.float32(1.0 if night else 0.7)
        _add(picture, halo(_whole(lamp.radius)), lamp.x, lamp.y, glow[:, None, None])


def _whole(radius: float) -> int:
    """A halo's radius in whole pixels; few sizes, so that they can be kept."""
    return max(1, min(round(radius), 80))


def _add(
    picture: np.ndarray, kernel: np.ndarray, x: float, y: float, strength: np.float32 | np.ndarray
) -> None:
    """Add a kernel centred at (x, y) to (..., H, W), in place; the part outside is cut off."""
    (height, width), (tall, wide) = picture.shape[-2:], kernel.shape
    top, left = round(y) - tall // 2, round(x) - wide // 2
    rows = slice(max(0, top), max(0, min(height, top + tall)))
    columns = slice(max(0, left), max(0, min(width, left + wide)))
    target = picture[..., rows, columns]
    if target.size:
        part = kernel[max(0, -top) :, max(0, -left) :]
        target += part[: target.shape[-2], : target.shape[-1]] * strength


@functools.cache
def _headlight_reach() -> np.ndarray:
    """(256,) float32: how much of the car's own headlights reaches each depth code."""
    metres = 127 * scene_canvas.NEAREST_M / np.maximum(np.arange(256) >> 1, 0.25)
    return np.round(0.6 * np.exp(-metres / 11), 4).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _beam_width(width: int) -> np.ndarray:
    """(W,) float32: headlights are brightest straight ahead."""
    place = np.linspace(-1, 1, width, dtype=np.float32)
    return np.float32(1) - np.float32(0.75) * place**2


def _rain(picture: np.ndarray, horizon: int | None, light: str, shot: Shot) -> None:
    """Reflect the street in the wet ground and draw streaks across the view, in place."""
    _, height, width = picture.shape
    if horizon is not None:
        ground = picture[:, horizon:]
        ground += (_smeared_mirror(picture, horizon) - ground) * np.float32(
            0.3 if light == "day" else 0.4
        )
    step = 1 if min(height, width) > 48 else 2
    (y, x), tile = shot.offset, streak_tile()
    rows = y + step * np.arange(height) & 511
    columns = x + step * np.arange(width) & 511
    streaks = scene_canvas.resample(tile, rows, columns) * np.float32(shot.rain) + np.float32(0.08)
    picture += (np.float32({"day": 196, "dusk": 150, "night": 90}[light]) - picture) * streaks


def _smeared_mirror(picture: np.ndarray, horizon: int) -> np.ndarray:
    """What wet asphalt shows of the rows above the horizon: upside down, drawn out in height."""
    height = picture.shape[1]
    smear = max(2, height // 8)  # so long that no sign can be read in it
    rows = 2 * horizon - np.arange(horizon, height + smear)
    sums = picture[:, rows.clip(0, horizon - 1)].cumsum(axis=1, dtype=np.float32)
    return (sums[:, smear:] - sums[:, :-smear]) / np.float32(smear)


def _haze(
    pictures: np.ndarray,
    depth: np.ndarray,
    conditions: Sequence[Conditions],
    shots: Sequence[Shot],
) -> None:
    """Mix in the colour of the air, more the farther away, in place."""
    tables = np.stack([transmission(shot.per_metre) for shot in shots])  # (N, 256)
    first = np.arange(0, tables.size, 256, dtype=np.uint32)[:, None, None]
    through = tables.ravel().take(depth + first)[:, None]  # (N, 1, H, W)
    air = np.array([AIR[c.light] for c in conditions], np.float32)[:, :, None, None]
    pictures -= air
    pictures *= through
    pictures += air


def _camera(
    pictures: np.ndarray, conditions: Sequence[Conditions], shots: Sequence[Shot]
) -> np.ndarray:
    """Blur, exposure and noise, then whole numbers."""
    reaches = [round(2.5 * c.blur_px + 0.4) for c in conditions]  # below 0.04 there is no blur
    for reach in sorted(set(reaches) - {0}):
        chosen = [i for i, other in enumerate(reaches) if other == reach]
        sigmas = [conditions[i].blur_px for i in chosen]
        pictures[chosen] = blur(pictures[chosen], sigmas, reach=reach)
    # The 2.2 undoes the display's gamma: one stop is twice the light, not twice the value.
    gains = np.array([2 ** (c.exposure / 2.2) for c in conditions])[:, None]
    tints = np.array([shot.tint for shot in shots])
    pictures *= (gains * tints).astype(np.float32)[:, :, None, None]
    for picture, condition, shot in zip(pictures, conditions, shots, strict=True):
        if condition.noise > 0:
            grain = noise_tile()[shot.grain : shot.grain + picture.size]
            grain = np.resize(grain, picture.shape) if len(grain) < picture.size else grain
            picture += grain.reshape(picture.shape) * np.float32(255 * condition.noise)
    return pictures.clip(0, 255, out=pictures).astype(np.uint8)


def blur(pictures: np.ndarray, sigmas: Sequence[float], *, reach: int) -> np.ndarray:
    """Gaussian blur of (N, C, H, W) float32; the edge pixels are repeated outwards.

    Args:
        pictures: what to blur.
        sigmas: the standard deviation for each picture, pixels.
        reach: where the Gaussian is cut off, pixels.
    """
    weights = [[math.exp(-0.5 * (k / sigma) ** 2) for k in range(reach + 1)] for sigma in sigmas]
    totals = [2 * sum(row) - row[0] for row in weights]
    table = (np.array(weights) / np.array(totals)[:, None]).astype(np.float32)
    table = table.T[..., None, None, None]  # (reach + 1, N, 1, 1, 1)
    for axis in (2, 3):
        length = pictures.shape[axis]
        place = np.arange(-reach, length + reach).clip(0, length - 1)
        padded = pictures.take(place, axis=axis)
        views = [
            padded[:, :, k : k + length] if axis == 2 else padded[..., k : k + length]
            for k in range(2 * reach + 1)
        ]
        pictures = views[reach] * table[0]
        for k in range(1, reach + 1):
            pair = views[reach - k] + views[reach + k]
            pair *= table[k]
            pictures += pair
    return pictures
