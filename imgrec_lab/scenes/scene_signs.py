"""Signs put into a painted scene: posed, weathered, stickered and partly hidden, for ``scenes``."""

import functools
import math
import random

import numpy as np

from imgrec_lab.scenes import scene_canvas, scene_light, scene_parts, sign_shapes
from imgrec_lab.scenes.scene_canvas import Window

AGES = 4  # from new to bleached by years of sun
_STICKERS = ((236, 226, 60), (240, 240, 236), (40, 160, 90), (230, 90, 160), (30, 30, 34))


@functools.cache
def sign_texture(label: int, size: int, age: int) -> np.ndarray:
    """(size, size) packed texture of a class; kept, so do not write to it."""
    fade = np.float32(0.08 * age)
    rgba = _sign_image(label, size).astype(np.float32)
    rgba[..., :3] += (np.float32(178) - rgba[..., :3]) * fade
    return scene_canvas.texture(rgba.astype(np.uint8))


@functools.cache
def _sign_image(label: int, size: int) -> np.ndarray:
    """(size, size, 4) uint8 RGBA; the small sizes are made from the one of 256."""
    if size >= 256:
        layers = sign_shapes.layers_of(label)
        return sign_shapes.rasterise(layers, size=size, margin=scene_canvas.REACH)
    larger = _sign_image(label, 256).reshape(size, 256 // size, size, 256 // size, 4)
    return larger.mean(axis=(1, 3)).astype(np.uint8)


def sample_angles(perspective: float, rng: random.Random) -> dict[str, float]:
    """Roll, yaw and pitch in radians; yaw grows to 60 degrees with ``perspective``."""
    side = rng.choice((-1, 1))
    return {
        "roll": math.radians(max(-12.0, min(12.0, rng.gauss(0, 4)))),
        "yaw": side * perspective * math.radians(rng.uniform(50, 60)),
        "pitch": perspective * math.radians(rng.uniform(-12, 22)),
    }


def hang(
    canvas: np.ndarray,
    label: int,
    pose: scene_canvas.Matrix,
    radius: float,
    *,
    depth: int,
    stickers: int,
    rng: random.Random,
) -> tuple[Window, np.ndarray]:
    """Paint one sign.

    Args:
        canvas: (2H, 2W) packed; written to.
        label: the class.
        pose: where it goes and how it is turned.
        radius: half its size seen from the front, canvas pixels.
        depth: its depth code.
        stickers: how many stickers it carries.
        rng: where the random numbers come from.

    Returns:
        A window of the canvas with even corners, and where in it the sign is, bool.
    """
    size = 32
    while size < 2 * scene_canvas.REACH * radius and size < 512:
        size *= 2
    source = sign_texture(label, size, rng.randrange(AGES))
    if stickers:
        source = _with_stickers(source, stickers, rng)
    window = scene_canvas.window_of(pose, *canvas.shape)
    picture = scene_canvas.warp(source, pose, window)
    shown = picture > scene_canvas.COLOUR
    np.copyto(canvas[window], scene_canvas.at_depth(picture, depth), where=shown)
    return window, shown


def _with_stickers(source: np.ndarray, stickers: int, rng: random.Random) -> np.ndarray:
    """A copy of a sign's texture with round and square stickers on it."""
    source, half = source.copy(), len(source) / 2
    for _ in range(stickers):
        angle, out = rng.uniform(0, 6.28), rng.uniform(0.1, 0.65) * half
        reach, tilt = rng.uniform(0.1, 0.19) * half, rng.uniform(-0.6, 0.6)
        x, y = half + out * math.cos(angle), half + out * math.sin(angle)
        top, left, side = int(y - 1.6 * reach), int(x - 1.6 * reach), int(3.2 * reach) + 2
        spot = source[max(0, top) : top + side, max(0, left) : left + side]
        dy = np.arange(max(0, top), max(0, top) + spot.shape[0])[:, None] - y
        dx = np.arange(max(0, left), max(0, left) + spot.shape[1]) - x
        if rng.random() < 0.5:
            inside = dx * dx + dy * dy < reach * reach
        else:
            inside = (abs(dx + tilt * dy) < 1.3 * reach) & (abs(dy - tilt * dx) < 0.8 * reach)
        spot[inside & (spot > 0)] = scene_canvas.colour(rng.choice(_STICKERS), depth=254)
    return source


def crop_post(
    canvas: np.ndarray, x: float, y: float, radius: float, *, depth: int, rng: random.Random
) -> None:
    """Paint the post behind a crop's sign, from its centre down."""
    first, wide = max(0, round(x - 0.1 * radius)), 1 + round(0.2 * radius)
    grey = rng.randrange(110, 165)
    column = canvas[max(0, round(y)) :, first : first + wide]
    row = scene_parts.tube(wide, (grey, grey, grey), depth)
    column[...] = row[: column.shape[1]]


def hide(
    canvas: np.ndarray,
    window: Window,
    shown: np.ndarray,
    fraction: float,
    *,
    spared: np.ndarray,
    spread: float,
    depth: int,
    rng: random.Random,
) -> np.ndarray:
    """Paint leaves or a post over exactly this fraction of a sign.

    Args:
        canvas: (2H, 2W) packed; written to.
        window: where on the canvas the sign is.
        shown: where in the window the sign is, bool.
        fraction: how much of it to hide.
        spared: (2H, 2W) bool, pixels that must stay as they are (other signs).
        spread: how far leaves reach around the sign's centre, in its radii.
        depth: the depth code of the occluder.
        rng: where the random numbers come from.

    Returns:
        Where in the window the sign is still visible, bool.
    """
    leaves = rng.random() < 0.65 or fraction > 0.5
    count = round(fraction * int(shown.sum()))
    if count == 0:
        return shown
    wide, rows, columns = _around(window, canvas.shape, spread if leaves else None)
    field, cover = (_foliage if leaves else _post)(rows, columns, spread, rng)
    top, left = window[0].start - wide[0].start, window[1].start - wide[1].start
    inner = (slice(top, top + shown.shape[0]), slice(left, left + shown.shape[1]))
    limit = np.partition(field[inner][shown], count - 1)[count - 1]
    hidden = (field <= limit) & ~spared[wide]
    np.copyto(canvas[wide], scene_canvas.at_depth(cover, depth), where=hidden)
    return shown & ~hidden[inner]


def _around(
    window: Window, shape: tuple[int, ...], spread: float | None
) -> tuple[Window, np.ndarray, np.ndarray]:
    """A wider window, and its rows (h, 1) and columns (w,) measured in the sign's radii."""
    (y1, y2), (x1, x2) = ((side.start, side.stop) for side in window)
    radius, y, x = max(y2 - y1, x2 - x1) / 2, (y1 + y2) / 2, (x1 + x2) / 2
    if spread is None:  # a post: only a little wider, but from top to bottom
        wide = scene_canvas.clipped(0, shape[0], x - 1.2 * radius, x + 1.2 * radius, *shape)
    else:
        reach = spread * radius
        wide = scene_canvas.clipped(y - reach, y + reach, x - reach, x + reach, *shape)
    rows = (np.arange(wide[0].start, wide[0].stop, dtype=np.float32) - np.float32(y))[:, None]
    columns = np.arange(wide[1].start, wide[1].stop, dtype=np.float32) - np.float32(x)
    return wide, rows / np.float32(radius), columns / np.float32(radius)


def _foliage(
    rows: np.ndarray, columns: np.ndarray, spread: float, rng: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """Leaves that reach in from one side: how late each pixel is covered, and the leaves."""
    angle = rng.uniform(-math.pi, 0.3)  # they hang in from above and from the sides
    toward_x, toward_y = math.cos(angle), math.sin(angle)
    step = np.float32(44)  # texels a radius
    y, x = rng.randrange(256), rng.randrange(256)
    row = (rows[:, 0] * step).astype(np.int32) + y & 255
    column = (columns * step).astype(np.int32) + x & 255
    clumps = scene_canvas.resample(scene_light.smooth_tile(), row, column)
    field = rows * np.float32(-toward_y) + columns * np.float32(-toward_x)
    field = field * np.float32(0.6) + np.float32(2.2) * clumps
    near = (rows - np.float32(0.8 * toward_y)) ** 2 + (columns - np.float32(0.8 * toward_x)) ** 2
    edge = np.float32((spread - 0.8) ** 2) * (np.float32(1.1) - clumps)
    field += np.maximum(near - edge, 0) * np.float32(4)  # so that the cluster ends in leaves
    return field, scene_canvas.resample(scene_parts.leaves(), row, column)


def _post(
    rows: np.ndarray, columns: np.ndarray, spread: float, rng: random.Random
) -> tuple[np.ndarray, np.ndarray]:
    """A post or a trunk in front: distance from its axis, and its rounded surface."""
    slope, shift = rng.gauss(0, 0.03), rng.uniform(-0.5, 0.5)
    across = columns - np.float32(shift) - rows * np.float32(slope)
    shade = (np.float32(1) - np.float32(1.2) * across).clip(0.45, 1.35)
    paint = rng.choice(((96, 98, 100), (92, 72, 54), (70, 76, 70)))
    r, g, b = ((np.float32(channel) * shade).astype(np.uint32) for channel in paint)
    return abs(across), r | g << np.uint32(8) | b << np.uint32(16)
