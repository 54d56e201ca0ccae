"""Fast picture arithmetic on packed pixels, for ``scenes``.

A canvas is an (H, W) uint32 array; each pixel holds red, green, blue and a fourth byte, low
to high. In a texture the fourth byte is 0 where nothing is painted, 254 where something is,
255 where it shines by itself (a lit window). In a scene it is nearness (see ``depth_codes``), an
even number, plus 1 where something shines.

Scenes are painted at twice the size and halved at the end, which smooths every edge.
"""

import functools
import math

import numpy as np

Matrix = tuple[float, ...]  # nine numbers of a 3x3 homography, row by row
Window = tuple[slice, slice]  # rows and columns of a canvas
NEAREST_M = 2.5  # anything closer gets the largest depth code
COLOUR = np.uint32(0x00FFFFFF)
PAINTED = np.uint32(0xFE000000)
REACH = 1.04  # a sign's texture goes this far from its centre, in sign units


def depth_codes(metres: np.ndarray) -> np.ndarray:
    """Nearness as an even number, uint32: 254 at 2.5 m and closer, 0 at infinity."""
    return np.uint32(2) * (127 * NEAREST_M / np.maximum(metres, NEAREST_M)).astype(np.uint32)


def depth_code(metres: float) -> int:
    """``depth_codes`` of one number."""
    return 2 * int(127 * NEAREST_M / max(metres, NEAREST_M))


def colour(rgb: tuple[int, int, int], depth: int = 0) -> np.uint32:
    """One packed pixel."""
    return np.uint32(rgb[0] | rgb[1] << 8 | rgb[2] << 16 | depth << 24)


def pack(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 to (H, W) uint32."""
    return np.ascontiguousarray(rgba).view("<u4")[..., 0]


def unpack(canvas: np.ndarray) -> np.ndarray:
    """(..., H, W) uint32 to (..., H, W, 4) uint8, a view."""
    return canvas.view(np.uint8).reshape(*canvas.shape, 4)


def texture(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 to a packed texture: painted where alpha is 128 or more, else nothing."""
    return np.where(rgba[..., 3] >= 128, pack(rgba) & COLOUR | PAINTED, np.uint32(0))


def _average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Byte by byte mean of packed pixels: the bits they share plus half of those they do not."""
    half = a ^ b
    half &= np.uint32(0xFEFEFEFE)
    half >>= np.uint32(1)
    half += a & b
    return half


def halve(canvas: np.ndarray) -> np.ndarray:
    """(..., 2H, 2W) packed to (..., H, W): the mean of each 2x2 block."""
    rows = _average(canvas[..., 0::2, :], canvas[..., 1::2, :])  # (..., H, 2W)
    return _average(rows[..., 0::2], rows[..., 1::2])


def count_blocks(flags: np.ndarray) -> np.ndarray:
    """(..., 2H, 2W) bool, or uint8 of 0 and 1, to (..., H, W) uint8: how many of each 2x2."""
    cells = flags.view(np.uint8)
    rows = cells[..., 0::2, :] + cells[..., 1::2, :]
    return rows[..., 0::2] + rows[..., 1::2]


def pose(cx: float, cy: float, radius: float, *, roll: float, yaw: float, pitch: float) -> Matrix:
    """Homography that puts a flat sign (-1 to 1) on the canvas, seen from close by.

    Args:
        cx, cy: where its centre goes, pixels.
        radius: half its size when seen from the front, pixels.
        roll, yaw, pitch: turned in its plane, to the side, up; radians.
    """
    (cr, sr), (cw, sw), (cp, sp) = ((math.cos(a), math.sin(a)) for a in (roll, yaw, pitch))
    x_u, x_v = cw * cr, -cw * sr
    y_u, y_v = cp * sr + sp * sw * cr, cp * cr - sp * sw * sr
    z_u, z_v = 0.25 * (sp * sr - cp * sw * cr), 0.25 * (sp * cr + cp * sw * sr)
    return (
        radius * x_u + cx * z_u, radius * x_v + cx * z_v, cx,
        radius * y_u + cy * z_u, radius * y_v + cy * z_v, cy,
        z_u, z_v, 1.0,
    )  # fmt: skip


def inverse(m: Matrix) -> Matrix:
    """Inverse of a homography, up to scale: its adjugate."""
    a, b, c, d, e, f, g, h, i = m
    return (
        e * i - f * h, c * h - b * i, b * f - c * e,
        f * g - d * i, a * i - c * g, c * d - a * f,
        d * h - e * g, b * g - a * h, a * e - b * d,
    )  # fmt: skip


def window_of(m: Matrix, height: int, width: int) -> Window:
    """The part of the canvas that a posed sign touches, its corners at even pixels."""
    a, b, c, d, e, f, g, h, i = m
    corners = ((-REACH, -REACH), (REACH, -REACH), (REACH, REACH), (-REACH, REACH))
    points = [(a * u + b * v + c, d * u + e * v + f, g * u + h * v + i) for u, v in corners]
    xs, ys = [x / w for x, _, w in points], [y / w for _, y, w in points]
    return clipped(min(ys), max(ys), min(xs), max(xs), height, width)


def clipped(
    top: float, bottom: float, left: float, right: float, height: int, width: int
) -> Window:
    """The window between these edges that lies on the canvas, its corners at even pixels."""
    y1, x1 = max(0, int(top) & ~1), max(0, int(left) & ~1)
    y2, x2 = min(height, int(bottom) + 2 & ~1), min(width, int(right) + 2 & ~1)
    return slice(y1, max(y1, y2)), slice(x1, max(x1, x2))


def warp(source: np.ndarray, m: Matrix, window: Window) -> np.ndarray:
    """Look a square texture up through a pose, nearest texel, in one window of the canvas.

    Args:
        source: (T, T) packed texture that covers ±REACH and is empty along its edge.
        m: the pose, sign units to canvas pixels.
        window: which part of the canvas.

    Returns:
        The packed pixels of the window; 0 where the texture is empty.
    """
    size = len(source)
    per_unit, middle = size / (2 * REACH), size / 2  # texels
    a, b, c, d, e, f, g, h, i = inverse(m)
    ys = np.arange(window[0].start, window[0].stop, dtype=np.float32)[:, None] + np.float32(0.5)
    xs = np.arange(window[1].start, window[1].stop, dtype=np.float32) + np.float32(0.5)

    def plane(by_x: float, by_y: float, constant: float) -> np.ndarray:
        return np.float32(by_x) * xs + (np.float32(by_y) * ys + np.float32(constant))

    nearness = np.float32(1) / plane(g, h, i)
    texels = []
    for by_x, by_y, constant in ((a, b, c), (d, e, f)):  # column, then row
        numerator = zip((by_x, by_y, constant), (g, h, i), strict=True)
        place = plane(*(per_unit * of_unit + middle * weight for of_unit, weight in numerator))
        place *= nearness
        texels.append(place.clip(0, size - 1, out=place).astype(np.int32))
    column, row = texels
    row *= np.int32(size)
    row += column
    return source.ravel().take(row)


def resample(source: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The texels at these row and column numbers, (len(rows), len(columns)) packed."""
    return source.take(rows, axis=0).take(columns, axis=1)


@functools.lru_cache(maxsize=4096)
def _nearest(texels: int, pixels: int) -> np.ndarray:
    """(pixels,) which of so many texels each pixel shows; kept, so do not write to it."""
    return np.arange(pixels) * texels // pixels


def stretch(source: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest-texel resize of a packed texture."""
    return resample(source, _nearest(len(source), height), _nearest(source.shape[1], width))


def blit(
    canvas: np.ndarray, source: np.ndarray, box: tuple[int, int, int, int], *, depth: int
) -> None:
    """Stretch a texture into a box (x1, y1, x2, y2) of the canvas; the part outside is cut off."""
    x1, y1, x2, y2 = box
    target = canvas[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
    if target.size == 0:
        return
    top, left = max(0, -y1), max(0, -x1)
    rows = _nearest(source.shape[0], y2 - y1)[top : top + target.shape[0]]
    columns = _nearest(source.shape[1], x2 - x1)[left : left + target.shape[1]]
    picture = resample(source, rows, columns)
    np.copyto(target, at_depth(picture, depth), where=picture > COLOUR)


def at_depth(picture: np.ndarray, depth: int) -> np.ndarray:
    """Give a texture's pixels a depth code; what shines by itself stays marked."""
    picture = picture & np.uint32(0x01FFFFFF)
    picture |= np.uint32(depth << 24)
    return picture
