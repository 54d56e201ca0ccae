"""What stands in a street besides signs: skies, houses, trees, cars, people and adverts.

Each part is a packed texture (see ``scene_canvas``), drawn once with Pillow from its variant
number and kept.
"""

import functools
import random

import numpy as np
from PIL import Image, ImageDraw

from imgrec_lab.scenes import scene_canvas, scene_light, sign_shapes

RGB = tuple[int, int, int]
PER_METRE = 16  # texels of a facade
SKIES, FACADES, TREES, CARS, PEOPLE, ADVERTS = 5, 6, 6, 7, 6, 9  # how many variants there are

PLASTERS = (
    (222, 208, 180), (198, 176, 148), (186, 110, 86), (164, 98, 80), (214, 196, 140),
    (190, 200, 196), (206, 206, 202), (170, 178, 160), (226, 178, 146), (150, 150, 156),
)  # fmt: skip
SKY_COLOURS = {  # at the top, at the horizon, of a cloud, of an overcast sky
    "day": ((88, 146, 216), (206, 224, 238), (244, 246, 248), (190, 196, 203)),
    "dusk": ((62, 74, 124), (246, 168, 110), (214, 150, 132), (132, 116, 130)),
    "night": ((8, 12, 30), (38, 42, 66), (40, 42, 58), (30, 32, 44)),
}


def tone(rgb: RGB, factor: float) -> RGB:
    """A colour made darker or lighter."""
    r, g, b = (min(255, round(factor * channel)) for channel in rgb)
    return r, g, b


@functools.lru_cache(maxsize=32)
def sky(light: str, overcast: bool, variant: int, height: int, width: int) -> np.ndarray:
    """(height, width) packed, the horizon in the last row; it shines by itself."""
    top, low, cloud, grey = (np.array(rgb, np.float32) for rgb in SKY_COLOURS[light])
    down = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    clouds = np.roll(scene_light.smooth_tile(), (37 * variant, 91 * variant), (0, 1))[..., None]
    picture = top + (low - top) * down**1.5 + np.zeros_like(clouds)  # (256, 256, 3)
    if overcast:
        picture = grey * (np.float32(0.84) + np.float32(0.3) * clouds)
    else:
        picture += (cloud - picture) * ((clouds - np.float32(0.52)) * 4).clip(0, 0.85)
    if light == "night" and not overcast:
        stars = np.random.RandomState(variant).randint(0, (200, 256), (60, 2))
        picture[stars[:, 0], stars[:, 1]] = 190
    rgba = np.dstack([picture, np.ones_like(clouds)]).astype(np.uint8)
    return scene_canvas.stretch(scene_canvas.pack(rgba), height, width)


@functools.lru_cache(maxsize=4)
def grain(height: int, width: int) -> np.ndarray:
    """(height, width) packed grey speckle of 0 to 9, to take away from the ground."""
    fine = np.random.RandomState(23).randint(0, 6, (256, 256))
    speckle = (fine + 4 * scene_light.smooth_tile()).astype(np.uint32) * np.uint32(0x010101)
    return np.tile(speckle, (-(-height // 256), -(-width // 256)))[:height, :width].copy()


@functools.lru_cache(maxsize=4096)
def tube(wide: int, rgb: RGB, depth: int) -> np.ndarray:
    """(wide,) packed: the colours across an upright tube, lit from the left."""
    shades = [tone(rgb, 1.15 - 0.6 * (k + 0.5) / wide) for k in range(wide)]
    return np.array([scene_canvas.colour(shade, depth) for shade in shades], np.uint32)


@functools.cache
def facades(variant: int, light: str, sunny: bool) -> np.ndarray:
    """(15 m, 60 m) packed row of houses; empty above the roofs, in gaps, and in both edge rows."""
    if not sunny:
        bright = facades(variant, light, sunny=True)
        return bright - (bright >> np.uint32(2) & np.uint32(0x003F3F3F))  # three quarters of it
    rng = random.Random(f"facades {variant}")
    height, width = 15 * PER_METRE, 60 * PER_METRE
    image = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(image)
    x = 0
    while x < width:
        house = round(rng.uniform(6, 11) * PER_METRE)
        house = width - x if width - x - house < 6 * PER_METRE else house
        if rng.random() < 0.88:
            _house(draw, rng, (x, x + house), height - 1, light)
        x += house
    return scene_canvas.pack(np.asarray(image)).copy()


def _house(
    draw: ImageDraw.ImageDraw, rng: random.Random, sides: tuple[int, int], ground: int, light: str
) -> None:
    """One house front: plaster, roof, windows floor by floor, a door or a shop."""
    (x1, x2), floors = sides, rng.choice((2, 3, 3, 4))
    top = ground - round((3.3 * floors - rng.uniform(0, 1)) * PER_METRE)
    wall = rng.choice(PLASTERS)
    roof = rng.choice(((112, 62, 52), (84, 78, 80), (134, 84, 64)))
    bands = (
        (top - 12, top, roof), (top, ground - 1, wall), (top + 1, top + 3, tone(wall, 0.8)),
        (ground - 56, ground - 54, tone(wall, 0.86)), (ground - 9, ground - 1, tone(wall, 0.72)),
    )  # fmt: skip
    for y1, y2, rgb in bands:
        draw.rectangle((x1, y1, x2 - 1, y2), fill=(*rgb, 254))
    for x in range(x1, x2, 3):  # weathered plaster
        y = rng.randrange(top + 4, ground - 60)
        shade = tone(wall, rng.uniform(0.94, 1.04))
        draw.rectangle((x, y, x + 2, y + rng.randrange(8, 50)), fill=(*shade, 254))
    draw.rectangle((x2 - 2, top, x2 - 1, ground - 1), fill=(*tone(wall, 0.66), 254))
    lefts = range(x1 + 12, x2 - 24, rng.choice((32, 38, 44)))
    for floor in range(1, floors):
        for left in lefts:
            _window(draw, rng, left, ground - round((3.3 * floor + 2.4) * PER_METRE), wall, light)
    if rng.random() < 0.45:
        _shop(draw, rng, x1, x2, ground, light)
        return
    for left in lefts:
        _window(draw, rng, left, ground - 42, wall, light)
    door = rng.choice(lefts) + 23
    draw.rectangle((door - 2, ground - 40, door + 15, ground - 1), fill=(*tone(wall, 1.15), 254))
    draw.rectangle((door, ground - 38, door + 13, ground - 1), fill=(84, 58, 44, 254))


def _window(
    draw: ImageDraw.ImageDraw, rng: random.Random, x: int, y: int, wall: RGB, light: str
) -> None:
    """A framed window; at dusk some are lit, at night more."""
    lit = rng.random() < {"day": 0.0, "dusk": 0.3, "night": 0.4}[light]
    glass = rng.choice(((70, 84, 100), (92, 108, 126), (58, 66, 80)))
    warm = rng.choice(((255, 214, 130), (255, 190, 96), (232, 226, 196)))
    blind = rng.random()
    fill = (*tone(warm if lit else glass, 0.92), 255 if lit else 254)
    draw.rectangle((x - 2, y - 2, x + 20, y + 27), fill=(*tone(wall, 1.2), 254))
    draw.rectangle((x, y, x + 18, y + 25), fill=fill)
    if blind < 0.3:
        draw.rectangle((x, y, x + 18, y + 9), fill=(*tone(wall, 0.9), 254))
    elif not lit:  # the sky in the glass
        draw.polygon([(x, y), (x + 14, y), (x, y + 18)], fill=(*tone(glass, 1.3), 254))
    draw.line((x + 9, y, x + 9, y + 25), fill=(*tone(wall, 1.15), 254), width=2)
    draw.line((x, y + 8, x + 18, y + 8), fill=(*tone(wall, 1.15), 254), width=1)
    draw.rectangle((x - 3, y + 27, x + 21, y + 29), fill=(*tone(wall, 0.72), 254))


def _shop(
    draw: ImageDraw.ImageDraw, rng: random.Random, x1: int, x2: int, ground: int, light: str
) -> None:
    """Shop windows under a lettered board; its colours are those of signs."""
    paint = rng.choice(((180, 40, 44), (36, 86, 150), (46, 110, 72), (220, 170, 50), (90, 70, 110)))
    open_late = light != "day" and rng.random() < 0.6
    glass = (236, 206, 148, 255) if open_late else (84, 100, 112, 254)
    draw.rectangle((x1 + 4, ground - 40, x2 - 6, ground - 1), fill=(*tone(paint, 0.6), 254))
    for left in range(x1 + 7, x2 - 40, 34):
        draw.rectangle((left, ground - 38, left + 30, ground - 7), fill=glass)
        for x in range(left + 3, left + 27, 8):  # goods
            goods = tone(rng.choice(PLASTERS), rng.uniform(0.5, 0.9))
            high = rng.randrange(6, 18)
            draw.rectangle((x, ground - 8 - high, x + 5, ground - 8), fill=(*goods, glass[3]))
    draw.rectangle((x1 + 3, ground - 55, x2 - 5, ground - 41), fill=(*paint, 254))
    first, last = x1 + (x2 - x1) // 5, x2 - (x2 - x1) // 5
    for left in range(first, last, 9):  # letters, too far away to read
        high = rng.randrange(5, 9)
        draw.rectangle((left, ground - 44 - high, left + 5, ground - 44), fill=(236, 232, 222, 254))


@functools.cache
def tree(variant: int) -> np.ndarray:
    """(160, 112) packed: a trunk under a crown of many leaf clusters, on its shadow."""
    rng = random.Random(f"tree {variant}")
    image = Image.new("RGBA", (224, 320))
    draw = ImageDraw.Draw(image)
    draw.ellipse((62, 306, 164, 319), fill=(60, 60, 62, 255))
    draw.polygon([(100, 314), (106, 160), (118, 160), (126, 314)], fill=(78, 62, 48, 255))
    hues = ((52, 92, 40), (70, 104, 44), (44, 80, 48), (110, 104, 40), (60, 96, 56), (76, 112, 60))
    blobs = [(rng.gauss(112, 38), rng.gauss(108, 40)) for _ in range(70)]
    for shade, shift in ((0.60, 9), (0.80, 3), (1.05, -5), (1.30, -11)):
        for x, y in blobs:
            r = rng.uniform(7, 20) * (1.3 - 0.35 * shade)
            x = min(222 - r, max(2 + r, x + rng.uniform(-12, 12) + shift / 2))
            y = min(250 - r, max(2 + r, y + rng.uniform(-12, 12) + shift))
            rgb = tone(hues[variant % len(hues)], shade * rng.uniform(0.88, 1.12))
            draw.ellipse((x - r, y - 0.8 * r, x + r, y + 0.8 * r), fill=(*rgb, 255))
    return scene_canvas.texture(np.asarray(image.reduce(2)))


@functools.cache
def car(variant: int, same_way: bool) -> np.ndarray:
    """(68, 80) packed: a car 1.8 m wide on its shadow, from behind or from the front."""
    paints = ((176, 30, 36), (38, 76, 148), (228, 228, 226), (44, 46, 50), (150, 154, 160),
              (206, 172, 60), (60, 92, 84))  # fmt: skip
    paint = paints[variant % len(paints)]
    lights, grille = ((206, 28, 24), tone(paint, 0.62)) if same_way else (
        (250, 248, 232), (40, 42, 46))  # fmt: skip
    image = Image.new("RGBA", (320, 272))
    draw = ImageDraw.Draw(image)
    draw.ellipse((2, 232, 318, 271), fill=(46, 46, 50, 255))
    for x in (34, 234):
        draw.rounded_rectangle((x, 190, x + 52, 256), 8, fill=(24, 24, 26, 255))
    draw.polygon([(66, 104), (94, 20), (226, 20), (254, 104)], fill=(*tone(paint, 0.85), 255))
    draw.polygon([(84, 98), (104, 34), (216, 34), (236, 98)], fill=(52, 64, 76, 255))
    draw.polygon([(130, 98), (150, 34), (178, 34), (160, 98)], fill=(96, 110, 122, 255))
    draw.rounded_rectangle((22, 90, 298, 226), 30, fill=(*paint, 255))
    draw.rounded_rectangle((34, 92, 286, 104), 6, fill=(*tone(paint, 1.25), 255))
    draw.rectangle((24, 186, 296, 208), fill=(*grille, 255))
    for x in (30, 240):
        draw.rounded_rectangle((x, 116, x + 50, 148), 8, fill=(*lights, 255))
    draw.rectangle((124, 152, 196, 174), fill=(236, 236, 226, 255))
    return scene_canvas.texture(np.asarray(image.reduce(4)))


@functools.cache
def person(variant: int) -> np.ndarray:
    """(96, 40) packed: somebody on foot."""
    rng = random.Random(f"person {variant}")
    coat = ((178, 44, 48), (46, 70, 120), (66, 66, 70), (196, 160, 70), (80, 112, 84),
            (208, 204, 196))[variant % 6]  # fmt: skip
    legs = rng.choice(((40, 44, 60), (70, 62, 54)))
    skin = rng.choice(((224, 180, 150), (140, 96, 70)))
    image = Image.new("RGBA", (160, 384))
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 366, 130, 383), fill=(70, 70, 72, 255))
    stride = rng.randrange(8, 26)
    for side in (-1, 1):
        draw.line((80, 200, 80 + side * stride, 374), fill=(*legs, 255), width=30)
        arm = (80 + side * 22, 90, 80 + side * 40, 206)
        draw.line(arm, fill=(*tone(coat, 0.85), 255), width=20)
    draw.rounded_rectangle((48, 70, 112, 228), 22, fill=(*coat, 255))
    draw.ellipse((56, 8, 104, 66), fill=(*skin, 255))
    draw.pieslice((54, 4, 106, 62), 180, 360, fill=(52, 40, 32, 255))
    return scene_canvas.texture(np.asarray(image.reduce(4)))


@functools.cache
def advert(variant: int) -> np.ndarray:
    """(64, 64) packed: round, square and three-cornered boards that are not road signs."""
    red, blue, white = (204, 30, 40), (20, 90, 170), (244, 244, 240)
    green, orange, grey = (30, 130, 70), (236, 120, 30), (150, 152, 154)
    s = sign_shapes
    round_, square = s.disc(1), s.rounded([(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)], 0.1)
    wave = s.stroke(s.arc(-0.35, 0, 0.35, 0.3, 180, 360) + s.arc(0.35, 0, 0.35, 0.3, 180, 0), 0.2)
    cup = [[(-0.4, -0.3), (0.3, -0.3), (0.2, 0.5), (-0.3, 0.5)]]
    cup += s.stroke(s.arc(0.3, 0, 0.22, 0.2, -80, 80), 0.1)
    slice_ = s.rounded([(-0.8, -0.7), (0.8, -0.7), (0, 0.85)], 0.1)
    dots = s.disc(0.16, -0.25, -0.3) + s.disc(0.16, 0.25, -0.35) + s.disc(0.14, 0, 0.2)
    cross = s.rectangle(-0.22, -0.6, 0.22, 0.6) + s.rectangle(-0.6, -0.22, 0.6, 0.22)
    boards = [
        [(red, round_), (white, wave)],
        [(blue, round_), (white, s.disc(0.45)), (blue, s.disc(0.25))],
        [(white, round_), (blue, s.disc(0.9)), (white, cup)],
        [(orange, slice_), (red, dots)],
        [(white, square), (green, cross)],
        [(orange, square), (white, wave)],
        [(grey, round_), ((110, 112, 116), s.rectangle(-0.08, -1, 0.08, 1))],  # a sign's back
        [(red, round_), (orange, s.disc(0.7)), (white, cup)],
        [(blue, square), (orange, s.disc(0.5))],
    ]
    rgba = sign_shapes.rasterise(boards[variant % len(boards)], size=64, margin=1.0)
    return scene_canvas.texture(rgba)


@functools.cache
def leaves() -> np.ndarray:
    """(256, 256) packed foliage close up, without a seam."""
    rng = random.Random("leaves")
    image = Image.new("RGBA", (256, 256), (34, 56, 28, 254))
    draw = ImageDraw.Draw(image)
    for _ in range(2600):
        x, y, r = rng.uniform(0, 256), rng.uniform(0, 256), rng.uniform(2, 5)
        rgb = tone((62, 98, 44), rng.uniform(0.5, 1.4))
        for dx in (-256, 0, 256):
            for dy in (-256, 0, 256):
                box = (x + dx - r, y + dy - 0.6 * r, x + dx + r, y + dy + 0.6 * r)
                draw.ellipse(box, fill=(*rgb, 254))
    return scene_canvas.pack(np.asarray(image)).copy()
