"""Posts with one or two signs along a painted street, for ``scenes``."""

import math
import random
from typing import NamedTuple

import numpy as np

from imgrec_lab.scenes import scene_canvas, scene_signs, scene_street, sign_shapes
from imgrec_lab.scenes.scene_canvas import Window
from imgrec_lab.scenes.scene_conditions import Conditions

SMALLEST_PX = 9  # across; a smaller sign could not be named, and its label would be a lie
FARTHEST_M = {"clear": 26.0, "rain": 20.0, "fog": 13.0}  # farther ones could not be seen
HOW_MANY = (8, 26, 28, 20, 12, 6)  # of 100 scenes, those with 0, 1, ... 5 signs


class Post(NamedTuple):
    """A post and the heights of the signs on it, metres; the radius in canvas pixels."""

    z: float
    X: float
    size_m: float
    radius: float
    heights: tuple[float, ...]


def put_up(
    street: scene_street.Street, conditions: Conditions, rng: random.Random
) -> tuple[list[int], np.ndarray, list[Window]]:
    """Put 0 to 5 signs into a street, the farthest first.

    Args:
        street: painted; its canvas is written to.
        conditions: perspective, stickers and occlusion of the signs.
        rng: where the random numbers come from.

    Returns:
        The labels; (2H, 2W) uint8, which is k + 1 where sign k is visible; each sign's window.
    """
    owner = np.zeros(street.canvas.shape, np.uint8)
    labels: list[int] = []
    windows: list[Window] = []
    wanted = rng.choices(range(len(HOW_MANY)), HOW_MANY)[0]
    for post in _sample_posts(street, wanted, conditions, rng):
        scene_street.pole(street, post.X, post.z, post.heights[0] + 0.5 * post.size_m)
        kinds = rng.sample(range(len(sign_shapes.CLASSES)), len(post.heights))  # no sign twice
        for label, height in zip(kinds, post.heights, strict=True):
            own_rng = random.Random(rng.getrandbits(32))  # a sticker here moves nothing there
            window, shown = _sign(street, post, height, label, owner, conditions, own_rng)
            labels.append(label)
            windows.append(window)
            owner[window][shown] = len(labels)
    return labels, owner, windows


def _sign(
    street: scene_street.Street,
    post: Post,
    height: float,
    label: int,
    owner: np.ndarray,
    conditions: Conditions,
    rng: random.Random,
) -> tuple[Window, np.ndarray]:
    """One sign on its post, and what hides it: its window and where it is visible."""
    x, y = street.place(post.X, height, post.z)
    depth = scene_canvas.depth_code(post.z)
    angles = scene_signs.sample_angles(conditions.perspective, rng)
    pose = scene_canvas.pose(x, y, post.radius, **angles)
    window, shown = scene_signs.hang(
        street.canvas, label, pose, post.radius, depth=depth, stickers=conditions.stickers, rng=rng
    )
    if conditions.occlusion > 0:
        shown = scene_signs.hide(
            street.canvas, window, shown, conditions.occlusion,
            spared=owner > 0, spread=2.0, depth=depth, rng=rng,
        )  # fmt: skip
    return window, shown


def _sample_posts(
    street: scene_street.Street, wanted: int, conditions: Conditions, rng: random.Random
) -> list[Post]:
    """Posts for at most ``wanted`` signs, side by side in the picture, the farthest first."""
    posts: list[Post] = []
    taken: list[tuple[float, float]] = []  # columns of the canvas
    open_places = wanted
    for _ in range(5 * wanted):
        post = _sample_post(street, open_places, conditions, rng) if open_places else None
        if post is None:
            continue
        x, reach = street.place(post.X, 0, post.z)[0], 1.12 * post.radius
        if all(x + reach < left or x - reach > right for left, right in taken):
            posts.append(post)
            taken.append((x - reach, x + reach))
            open_places -= len(post.heights)
    return sorted(posts, reverse=True)


def _sample_post(
    street: scene_street.Street, open_places: int, conditions: Conditions, rng: random.Random
) -> Post | None:
    """One post whose signs lie inside the picture and are large enough; None if none fits."""
    side = rng.choice((0, 1))
    X = street.kerbs[side] + (2 * side - 1) * rng.uniform(0.35, 1.0)
    height, size_m = rng.uniform(2.0, 2.7), rng.uniform(0.36, 0.48)  # half its size
    room = street.canvas.shape[1] - street.centre if side else street.centre
    across = room / (abs(X) + 1.05 * size_m)  # canvas pixels a metre where it just fits
    upward = street.horizon / (height + 1.05 * size_m - scene_street.EYE_M)
    largest = size_m * min(across, upward)
    turned = math.cos(math.radians(60 * conditions.perspective))
    smallest = max(
        SMALLEST_PX / math.sqrt(turned * (1 - conditions.occlusion)),
        street.focal * size_m / FARTHEST_M[conditions.weather],
    )
    two, how_large = rng.random() < 0.25 and open_places >= 2, rng.random()
    if largest < smallest:
        return None
    radius = smallest * (largest / smallest) ** how_large
    heights = (height, height - 2.1 * size_m) if two else (height,)
    return Post(street.focal * size_m / radius, X, size_m, radius, heights)
