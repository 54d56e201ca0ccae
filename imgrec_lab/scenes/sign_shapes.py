"""The fourteen road signs as vector shapes, and their pictures at several sizes.

A sign is a list of layers ``(colour, polygons)``, painted one over the other. Points
are ``(x, y)`` with x to the right and y down; the sign fills -1 to 1. Letters and
numerals are strokes, so no font is needed and every machine draws the same sign.
The proportions follow the German and Vienna Convention signs.
"""

import math

import numpy as np
from PIL import Image, ImageDraw

CLASSES: tuple[str, ...] = (
    "speed 30",
    "speed 50",
    "speed 80",
    "stop",
    "yield",
    "priority road",
    "no entry",
    "turn left",
    "turn right",
    "roundabout",
    "pedestrians",
    "roadworks",
    "parking",
    "no stopping",
)

RED, BLUE, YELLOW = (200, 22, 34), (0, 84, 166), (250, 190, 10)
WHITE, BLACK = (246, 246, 242), (22, 22, 26)

Points = list[tuple[float, float]]
Shape = list[Points]  # polygons painted in one colour
Layer = tuple[tuple[int, int, int], Shape]


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Points:
    """Points along an ellipse, clockwise from the right, from ``start`` to ``end`` in degrees."""
    steps = max(2, round(abs(end - start) / 6))
    angles = [math.radians(start + (end - start) * k / steps) for k in range(steps + 1)]
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


def disc(radius: float, cx: float = 0.0, cy: float = 0.0) -> Shape:
    """A filled circle."""
    return [arc(cx, cy, radius, radius, 0, 360)]


def rectangle(x1: float, y1: float, x2: float, y2: float) -> Shape:
    """A filled upright rectangle."""
    return [[(x1, y1), (x2, y1), (x2, y2), (x1, y2)]]


def stroke(points: Points, width: float) -> Shape:
    """A line of constant width with round joints and round ends."""
    shape: Shape = []
    for (x1, y1), (x2, y2) in zip(points, points[1:], strict=False):
        length = math.hypot(x2 - x1, y2 - y1) or 1.0
        dx, dy = (y1 - y2) / length * width / 2, (x2 - x1) / length * width / 2
        near = [(x1 - dx, y1 - dy), (x1 + dx, y1 + dy)]
        shape.append([*near, (x2 + dx, y2 + dy), (x2 - dx, y2 - dy)])
    for x, y in points:
        shape += disc(width / 2, x, y)
    return shape


def rounded(points: Points, radius: float) -> Shape:
    """A polygon grown by ``radius`` on every side, with round corners."""
    return [points, *stroke([*points, points[0]], 2 * radius)]


def moved(shape: Shape, dx: float, dy: float, sx: float = 1.0, sy: float | None = None) -> Shape:
    """The shape scaled by (sx, sy), then shifted by (dx, dy)."""
    sy = sx if sy is None else sy
    return [[(dx + sx * x, dy + sy * y) for x, y in points] for points in shape]


def mirrored(layers: list[Layer]) -> list[Layer]:
    """The sign as a mirror shows it."""
    return [(colour, moved(shape, 0, 0, -1, 1)) for colour, shape in layers]


_OVAL = arc(0, -0.42, 0.5, 0.58, 180, 360) + arc(0, 0.42, 0.5, 0.58, 0, 180) + [(-0.5, -0.42)]
_GLYPHS: dict[str, list[Points]] = {  # centre lines, x from -0.5 to 0.5, y from -1 to 1
    "0": [_OVAL],
    "3": [
        arc(0, -0.53, 0.47, 0.47, 205, 440),
        arc(0, 0.45, 0.5, 0.55, -80, 155),
        [(-0.05, -0.08), (0.08, -0.08)],
    ],
    "5": [[(0.42, -1), (-0.36, -1), (-0.42, -0.1), *arc(0, 0.37, 0.5, 0.63, 228, 515)]],
    "8": [arc(0, -0.54, 0.44, 0.46, 0, 360), arc(0, 0.46, 0.5, 0.54, 0, 360)],
    "S": [arc(0, -0.5, 0.47, 0.5, 335, 90) + arc(0, 0.5, 0.5, 0.5, 270, 515)],
    "T": [[(-0.5, -1), (0.5, -1)], [(0, -1), (0, 1)]],
    "O": [_OVAL],
    "P": [[(-0.5, 1), (-0.5, -1), *arc(0.05, -0.45, 0.47, 0.55, 270, 450), (-0.5, 0.1)]],
}


def text(
    characters: str, *, cap_height: float, glyph_width: float, pen: float, gap: float
) -> Shape:
    """A centred line of characters; ``pen`` is the stroke width, ``gap`` lies between strokes."""
    pitch = glyph_width + gap
    shape: Shape = []
    for k, character in enumerate(characters):
        cx = (k - (len(characters) - 1) / 2) * pitch
        for line in _GLYPHS[character]:
            sx, sy = glyph_width - pen, (cap_height - pen) / 2
            shape += stroke([(cx + sx * x, sy * y) for x, y in line], pen)
    return shape


def speed_limit(number: str) -> list[Layer]:
    """Red ring on a white disc with bold black numerals."""
    digits = text(number, cap_height=0.86, glyph_width=0.54, pen=0.155, gap=0.1)
    return [(WHITE, disc(1)), (RED, disc(0.965)), (WHITE, disc(0.765)), (BLACK, digits)]


def stop() -> list[Layer]:
    """Red octagon, white rim, STOP in white."""
    corner = 1 / math.cos(math.pi / 8)
    angles = [math.radians(22.5 + 45 * k) for k in range(8)]
    octagon = [(corner * math.cos(a), corner * math.sin(a)) for a in angles]
    letters = text("STOP", cap_height=0.66, glyph_width=0.36, pen=0.115, gap=0.075)
    return [(WHITE, [octagon]), (RED, moved([octagon], 0, 0, 0.93)), (WHITE, letters)]


def _triangle(half_width: float, cy: float) -> Points:
    """An upright equilateral triangle around its own centre, ``half_width`` to each side."""
    height = half_width * math.sqrt(3)
    return [(0, cy - 2 * height / 3), (half_width, cy + height / 3), (-half_width, cy + height / 3)]


def warning(figure: Shape) -> list[Layer]:
    """Red-bordered white triangle, point up, with a black figure."""
    figure = moved(figure, 0, 0.065, 0.86)
    outer = rounded(_triangle(0.88, 0.2), 0.12)
    red = rounded(_triangle(0.88, 0.2), 0.09)
    field = rounded(_triangle(0.63, 0.2), 0.03)
    return [(WHITE, outer), (RED, red), (WHITE, field), (BLACK, figure)]


def give_way() -> list[Layer]:
    """Red-bordered white triangle, point down."""
    layers = [(WHITE, 0.88, 0.12), (RED, 0.88, 0.09), (WHITE, 0.55, 0.03)]
    return [(c, moved(rounded(_triangle(w, 0.2), r), 0, 0, 1, -1)) for c, w, r in layers]


def priority_road() -> list[Layer]:
    """Yellow diamond in a white border with a fine dark edge."""
    layers = [(BLACK, 0.90, 0.1), (WHITE, 0.90, 0.07), (YELLOW, 0.62, 0.05)]
    return [(c, rounded([(0, -r), (r, 0), (0, r), (-r, 0)], corner)) for c, r, corner in layers]


def no_entry() -> list[Layer]:
    """Red disc with a white bar."""
    return [(WHITE, disc(1)), (RED, disc(0.965)), (WHITE, rectangle(-0.7, -0.19, 0.7, 0.19))]


def turn_right() -> list[Layer]:
    """Blue disc; a white arrow comes from below and bends to the right."""
    shaft = [(-0.36, 0.62), (-0.36, 0.2), *arc(-0.06, 0.2, 0.3, 0.3, 180, 270), (0.2, -0.1)]
    head = [(0.66, -0.1), (0.14, -0.54), (0.14, 0.34)]
    return [(WHITE, disc(1)), (BLUE, disc(0.955)), (WHITE, [*stroke(shaft, 0.25), head])]


def roundabout() -> list[Layer]:
    """Blue disc; three white arrows chase each other anticlockwise."""
    arrows: Shape = []
    for start in (30, 150, 270):
        arrows += stroke(arc(0, 0, 0.5, 0.5, start, start - 55), 0.22)
        tip, base = math.radians(start - 100), math.radians(start - 58)
        arrows.append(
            [(0.5 * math.cos(tip), 0.5 * math.sin(tip))]
            + [(r * math.cos(base), r * math.sin(base)) for r in (0.22, 0.8)]
        )
    return [(WHITE, disc(1)), (BLUE, disc(0.955)), (WHITE, arrows)]


def parking() -> list[Layer]:
    """Blue square with a white P."""
    square = [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]
    letter = text("P", cap_height=1.2, glyph_width=0.8, pen=0.25, gap=0)
    return [(WHITE, rounded(square, 0.1)), (BLUE, rounded(square, 0.05)), (WHITE, letter)]


def no_stopping() -> list[Layer]:
    """Blue disc in a red ring, crossed out twice in red."""
    cross = stroke([(-0.6, -0.6), (0.6, 0.6)], 0.19) + stroke([(-0.6, 0.6), (0.6, -0.6)], 0.19)
    return [(WHITE, disc(1)), (RED, disc(0.965)), (BLUE, disc(0.78)), (RED, cross)]


def walker() -> Shape:
    """A person walking over the stripes of a crossing."""
    shape = disc(0.105, -0.03, -0.42)
    shape += stroke([(0.0, -0.24), (0.03, 0.08)], 0.17)
    shape += stroke([(0.03, 0.08), (-0.1, 0.28), (-0.17, 0.5)], 0.1)
    shape += stroke([(0.03, 0.08), (0.14, 0.28), (0.24, 0.48)], 0.1)
    shape += stroke([(-0.02, -0.24), (-0.16, -0.08), (-0.24, 0.02)], 0.07)
    shape += stroke([(0.02, -0.24), (0.15, -0.06), (0.18, 0.06)], 0.07)
    for x in (-0.52, -0.32, 0.36, 0.56):
        shape += stroke([(x - 0.04, 0.62), (x + 0.04, 0.46)], 0.06)
    return shape


def worker() -> Shape:
    """A person digging into a heap."""
    shape = disc(0.1, 0.08, -0.4)
    shape += stroke([(0.1, -0.22), (0.24, 0.06)], 0.17)
    shape += stroke([(0.22, 0.08), (0.1, 0.3), (0.14, 0.56)], 0.1)
    shape += stroke([(0.26, 0.08), (0.36, 0.3), (0.4, 0.56)], 0.1)
    shape += stroke([(0.1, -0.18), (-0.06, 0.02), (-0.14, 0.1)], 0.07)
    shape += stroke([(0.12, -0.02), (-0.32, 0.32)], 0.05)
    shape.append([(-0.68, 0.62), (-0.5, 0.42), (-0.36, 0.3), (-0.2, 0.42), (-0.06, 0.62)])
    return shape


def layers_of(label: int) -> list[Layer]:
    """The painted layers of one class, bottom first; the first layer is the outline."""
    name = CLASSES[label]
    if name.startswith("speed"):
        return speed_limit(name.removeprefix("speed "))
    draw = {
        "stop": stop,
        "yield": give_way,
        "priority road": priority_road,
        "no entry": no_entry,
        "turn left": lambda: mirrored(turn_right()),
        "turn right": turn_right,
        "roundabout": roundabout,
        "pedestrians": lambda: warning(walker()),
        "roadworks": lambda: warning(worker()),
        "parking": parking,
        "no stopping": no_stopping,
    }
    return draw[name]()


def rasterise(layers: list[Layer], *, size: int, margin: float = 1.04) -> np.ndarray:
    """Paint layers into one picture, smoothed by drawing at four times the size.

    Args:
        layers: the first one is the outline.
        size: height and width of the result, pixels.
        margin: how far from the centre the picture reaches, in sign units.

    Returns:
        (size, size, 4) uint8 RGBA; the colour goes on beyond the outline.
    """
    big = 4 * size
    colours = Image.new("RGB", (big, big), layers[0][0])
    outline = Image.new("L", (big, big), 0)
    paint, cover = ImageDraw.Draw(colours), ImageDraw.Draw(outline)

    def to_pixels(points: Points) -> Points:
        return [((x / margin + 1) * big / 2, (y / margin + 1) * big / 2) for x, y in points]

    for colour, shape in layers:
        for points in shape:
            paint.polygon(to_pixels(points), fill=colour)
    for points in layers[0][1]:
        cover.polygon(to_pixels(points), fill=255)
    return np.dstack([np.asarray(colours.reduce(4)), np.asarray(outline.reduce(4))])
