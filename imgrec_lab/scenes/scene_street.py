"""A street without signs: camera, ground, houses, trees, cars, people and lamps, for ``scenes``.

World: metres, X to the right of the camera, Y up from the ground, z ahead. A point lands on
the canvas at x = centre + focal * X / z and y = horizon + focal * (EYE_M - Y) / z.
"""

import random
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from imgrec_lab.scenes import scene_canvas, scene_light, scene_parts
from imgrec_lab.scenes.scene_light import Lamp

EYE_M = 1.5  # the camera's height
PAVEMENTS = ((158, 154, 148), (146, 144, 142), (170, 162, 150), (128, 132, 136))
VERGES = ((108, 128, 76), (122, 134, 84), (150, 146, 120))  # behind the pavement
ASPHALTS = ((82, 84, 88), (92, 92, 94), (74, 76, 82), (102, 100, 98))
ROAD_PAINT = (228, 228, 222)


@dataclass(frozen=True)
class Street:
    """A painted street, and what is needed to put more into it.

    Attributes:
        canvas: (2H, 2W) packed colours and depths.
        centre, horizon: the vanishing point, canvas pixels.
        focal: canvas pixels a metre at a distance of one metre.
        kerbs: X of the road's left and right edge, metres.
        walls: X of the houses' fronts on the left and on the right, metres.
        light: "day", "dusk" or "night".
        lamps: what shines, in picture pixels.
    """

    canvas: np.ndarray
    centre: float
    horizon: int
    focal: float
    kerbs: tuple[float, float]
    walls: tuple[float, float]
    light: str
    lamps: list[Lamp] = field(default_factory=list)

    def place(self, X: float, Y: float, z: float) -> tuple[float, float]:
        """Where a point of the world lands on the canvas, pixels."""
        scale = self.focal / z
        return self.centre + scale * X, self.horizon + scale * (EYE_M - Y)


def paint(canvas: np.ndarray, *, light: str, overcast: bool, rng: random.Random) -> Street:
    """Paint a street on an empty canvas of (2H, 2W) packed pixels."""
    height, width = canvas.shape
    near, far = rng.uniform(0.8, 1.7), rng.uniform(2.8, 5.5)  # the camera keeps to one side
    kerbs = (-far, near) if rng.random() < 0.7 else (-near, far)
    street = Street(
        canvas=canvas,
        centre=width * rng.uniform(0.36, 0.64),
        horizon=2 * round(height * rng.uniform(0.48, 0.58) / 2),
        focal=1.1 * (height * width) ** 0.5,
        kerbs=kerbs,
        walls=(kerbs[0] - rng.uniform(2, 3.5), kerbs[1] + rng.uniform(2, 3.5)),
        light=light,
    )
    _sky(street, overcast, rng)
    _ground(street, rng)
    _far_end(street, rng)
    sunny_side = rng.choice((0, 1))
    for side in (0, 1):
        if rng.random() < 0.92:
            _houses(street, side, side == sunny_side or overcast, rng)
    _furniture(street, rng)
    return street


def _sky(street: Street, overcast: bool, rng: random.Random) -> None:
    """Fill the canvas down to the horizon."""
    height, width = street.canvas.shape
    variant = rng.randrange(scene_parts.SKIES)
    sky = scene_parts.sky(street.light, overcast, variant, 5 * height // 8, width)
    sky = sky if rng.random() < 0.5 else sky[:, ::-1]
    street.canvas[: street.horizon] = sky[-street.horizon :]


def _ground(street: Street, rng: random.Random) -> None:
    """Pavements, road and markings; each row of the ground has its own depth."""
    height, width = street.canvas.shape
    tall = height - street.horizon
    image = Image.new("RGBA", (width, tall), (*rng.choice(VERGES), 0))
    _markings(street, ImageDraw.Draw(image), rng)
    grain = scene_parts.grain(height, width)[rng.randrange(street.horizon) :][:tall]
    ground = scene_canvas.pack(np.asarray(image)) - grain
    metres = street.focal * EYE_M / (np.arange(tall) + 0.5)
    codes = scene_canvas.depth_codes(metres)[:, None]  # (rows, 1)
    np.add(ground, codes << np.uint32(24), out=street.canvas[street.horizon :])


def _markings(street: Street, draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Slabs, kerbs, asphalt, edge lines, a dashed middle line, perhaps a zebra crossing."""

    centre, focal = street.centre, street.focal

    def patch(x1: float, x2: float, z1: float, z2: float, fill: tuple[int, int, int]) -> None:
        near, far = focal / z1, focal / z2  # canvas pixels a metre
        y1, y2 = EYE_M * near, EYE_M * far
        corners = (centre + x1 * near, y1, centre + x2 * near, y1, centre + x2 * far, y2)
        draw.polygon((*corners, centre + x1 * far, y2), fill=(*fill, 0))

    (left, right), (far_left, far_right) = street.kerbs, street.walls
    slab = rng.choice(PAVEMENTS)
    patch(far_left, far_right, 1, 400, slab)
    for z in (2.2, 3.4, 4.6, 5.8, 7.0, 8.2, 9.4, 10.6):  # joints between slabs
        y = EYE_M * focal / z
        ends = centre + far_left * focal / z, centre + far_right * focal / z
        draw.line((ends[0], y, ends[1], y), fill=(*scene_parts.tone(slab, 0.82), 0))
    patch(left - 0.2, right + 0.2, 1, 400, scene_parts.tone(slab, 1.16))
    patch(left - 0.03, right + 0.03, 1, 400, (64, 64, 66))
    patch(left, right, 1, 400, rng.choice(ASPHALTS))
    if rng.random() < 0.5:
        patch(left + 0.15, left + 0.27, 1, 200, ROAD_PAINT)
        patch(right - 0.27, right - 0.15, 1, 200, ROAD_PAINT)
    middle, start = (left + right) / 2, rng.uniform(1.5, 4.5)
    for k in range(8):
        patch(middle - 0.06, middle + 0.06, start + 5 * k, start + 5 * k + 2.5, ROAD_PAINT)
    if rng.random() < 0.3:
        z = rng.uniform(6, 14)
        for k in range(int((right - left - 0.3) / 0.9)):
            x = left + 0.3 + 0.9 * k
            patch(x, x + 0.45, z, z + 2.5, ROAD_PAINT)


def _far_end(street: Street, rng: random.Random) -> None:
    """Hills, woods or a skyline where the street ends, 120 m away."""
    height, width = street.canvas.shape
    row = scene_light.smooth_tile()[rng.randrange(256)]
    tops = row.take(np.arange(width) // 2 + rng.randrange(256) & 255)
    if rng.random() < 0.4:
        tops = tops[::9].repeat(9)[:width]  # roofs instead of tree tops
    tops = (np.float32(0.035) + np.float32(0.10) * tops) * np.float32(height)
    reach = int(0.14 * height)
    rgb = rng.choice(((86, 108, 84), (112, 118, 124), (98, 112, 122)))
    fill = scene_canvas.colour(rgb, scene_canvas.depth_code(120.0))
    band = street.canvas[street.horizon - reach : street.horizon]
    above = np.arange(reach, 0, -1, dtype=np.float32)[:, None]
    np.copyto(band, fill, where=above <= tops)


def _houses(street: Street, side: int, sunny: bool, rng: random.Random) -> None:
    """The row of houses on one side, seen in perspective."""
    height, width = street.canvas.shape
    wall = street.walls[side]
    source = scene_parts.facades(rng.randrange(scene_parts.FACADES), street.light, sunny)
    end = 2 * round((street.centre + street.focal * wall / 70) / 2)  # the row ends 70 m ahead
    first, last = (max(0, end), width) if side else (0, min(end, width))
    if first >= last:
        return
    columns = np.arange(first, last, 2) + 1  # upright lines need no smoothing: every other column
    metres = street.focal * wall / (columns - street.centre)
    along = ((metres + rng.uniform(0, 60)) * scene_parts.PER_METRE).astype(np.int32)
    along %= np.int32(source.shape[1])
    texels = (metres * (scene_parts.PER_METRE / street.focal)).astype(np.float32)  # a canvas pixel
    foot = min(height, int(street.horizon + street.focal * EYE_M / abs(metres).min()) + 1)
    rows = np.arange(-street.horizon, foot - street.horizon, dtype=np.float32)[:, None]
    up = rows * texels  # (rows, columns)
    up += np.float32(source.shape[0] - EYE_M * scene_parts.PER_METRE)
    up = up.clip(0, source.shape[0] - 1, out=up).astype(np.int32)  # both edge rows are empty
    up *= np.int32(source.shape[1])
    up += along
    picture = source.ravel().take(up)
    painted = picture > scene_canvas.COLOUR
    picture &= np.uint32(0x01FFFFFF)
    picture |= scene_canvas.depth_codes(metres) << np.uint32(24)
    for k in (0, 1):
        np.copyto(street.canvas[:foot, first + k : last : 2], picture, where=painted)


def _furniture(street: Street, rng: random.Random) -> None:
    """Trees, cars, people, lamp posts and adverts, the farthest first."""
    things: list[tuple[float, float, str]] = []
    spacing, leafy = rng.uniform(7, 14), rng.random() < 0.6
    for side, kerb in ((-1, street.kerbs[0]), (1, street.kerbs[1])):
        for k in range(4):
            z = 5 + spacing * (k + rng.random())
            if leafy and rng.random() < 0.7:
                things.append((z + 1.5, kerb + side * rng.uniform(1.0, 1.4), "tree"))
            if rng.random() < 0.33:
                things.append((z, kerb - side * 1.0, "car"))
            if rng.random() < 0.16:
                things.append((z, kerb + side * 0.7, "advert"))
            if rng.random() < 0.22:
                things.append((z + 1, kerb + side * rng.uniform(0.6, 1.6), "person"))
        if rng.random() < 0.7:
            things += [(9 + 15 * k + spacing / 3, kerb + side * 0.6, "lamp") for k in range(3)]
    for z, X, kind in sorted(things, reverse=True):
        _PAINTERS[kind](street, X, z, rng)


def _stand(
    street: Street, source: np.ndarray, X: float, z: float, metres: float, foot: float = 0.0
) -> None:
    """Paint a part of this height in metres, its foot this high above the ground."""
    x, y = street.place(X, foot, z)
    tall = metres * street.focal / z
    half = tall * source.shape[1] / source.shape[0] / 2
    box = (round(x - half), round(y - tall), round(x + half), round(y))
    if box[2] - box[0] >= 1 and box[3] - box[1] >= 2:
        scene_canvas.blit(street.canvas, source, box, depth=scene_canvas.depth_code(z))


def _tree(street: Street, X: float, z: float, rng: random.Random) -> None:
    source = scene_parts.tree(rng.randrange(scene_parts.TREES))
    _stand(street, source, X, z, rng.uniform(4.5, 7.5))


def _person(street: Street, X: float, z: float, rng: random.Random) -> None:
    _stand(street, scene_parts.person(rng.randrange(scene_parts.PEOPLE)), X, z, 1.75)


def _car(street: Street, X: float, z: float, rng: random.Random) -> None:
    """Seen from behind on the right; from the front on the left, unless the street is one-way."""
    left, right = street.kerbs
    same_way = (
        left + right < 2 * X or -left < right
    )  # the camera keeps left only in one-way streets
    source = scene_parts.car(rng.randrange(scene_parts.CARS), same_way)
    _stand(street, source, X, z, 1.55)
    parked = rng.random() < 0.4
    if street.light == "day" or parked:
        return
    scale, rgb = street.focal / z / 2, (170.0, 20.0, 10.0) if same_way else (215.0, 205.0, 180.0)
    x, y = street.place(X, 0.95, z)
    for side in (-0.66, 0.66):
        street.lamps.append(Lamp(x / 2 + side * scale, y / 2, 0.8 * scale, rgb))


def _lamp(street: Street, X: float, z: float, rng: random.Random) -> None:
    """A lamp post whose arm reaches over the road."""
    pole(street, X, z, 6.0, width_m=0.14, rgb=(86, 92, 96))
    scale = street.focal / z
    arm = -1.1 if X > 0 else 1.1
    x, y = street.place(X + arm, 6.0, z)
    (x1, x2), y1 = sorted((round(x), round(x - arm * scale))), round(y)
    fill = scene_canvas.colour((92, 96, 96), scene_canvas.depth_code(z))
    rows = slice(max(0, y1), max(0, y1 + max(1, round(0.12 * scale))))
    street.canvas[rows, max(0, x1) : max(0, x2)] = fill
    if street.light != "day":
        ground = street.place(X, 0, z)[1] / 2
        street.lamps.append(
            Lamp(x / 2, y / 2 + 1, 0.7 * scale, (255.0, 214.0, 150.0), 1.9 * scale, ground)
        )


def _advert(street: Street, X: float, z: float, rng: random.Random) -> None:
    foot = rng.uniform(1.2, 2.2)
    pole(street, X, z, foot + 0.4)
    source = scene_parts.advert(rng.randrange(scene_parts.ADVERTS))
    _stand(street, source, X, z, rng.uniform(0.6, 0.9), foot)


_PAINTERS = {"tree": _tree, "car": _car, "lamp": _lamp, "advert": _advert, "person": _person}


def pole(
    street: Street,
    X: float,
    z: float,
    top: float,
    *,
    width_m: float = 0.08,
    rgb: tuple[int, int, int] = (140, 144, 146),
) -> None:
    """An upright tube from the ground to a height of ``top`` metres."""
    x, y1 = street.place(X, top, z)
    y2 = street.place(X, 0, z)[1]
    wide = max(2, round(width_m * street.focal / z))
    first = round(x - wide / 2)
    row = scene_parts.tube(wide, rgb, scene_canvas.depth_code(z))
    row = row[max(0, -first) : max(0, street.canvas.shape[1] - first)]
    first = max(0, first)
    street.canvas[max(0, round(y1)) : max(0, round(y2)), first : first + len(row)] = row
