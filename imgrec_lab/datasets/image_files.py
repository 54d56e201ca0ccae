"""Reads any picture file into ``uint8 (C, H, W)``, or says in one sentence why it cannot.

Folders from real life hold phone photos that lie on their side, scans of 16 bits, palettes,
transparent logos, print colours, half-copied files and text files that are named ``.jpg``. Every
one of them either becomes a picture of the asked size or is reported; none is dropped in silence.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from imgrec_lab.annotations import picture_files

Fit = Literal["crop", "pad", "stretch"]

MAX_MEGAPIXELS = 89  # above it only JPEG is read, which can be decoded at a fraction of its size
_SMALL_FILE_BYTES = 16 * 1024  # below it Python's own work dominates and a second thread slows it
_BLOCK = 128  # files a task
_ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held


class Unreadable(NamedTuple):
    """A file that was left out, and why."""

    path: str
    reason: str


def read_image(
    source: str | os.PathLike | bytes,
    *,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    fit: Fit = "crop",
) -> Tensor:
    """Read one picture of any format, size and mode.

    Turned as the camera was held, transparency laid on white, 16 bits scaled to 8, the first
    frame of an animation. Resized with antialiasing where the size differs.

    Args:
        source: a path, or the bytes of a file (an upload, say).
        image_size: (height, width) in pixels; None keeps the picture's own.
        channels: 3 for RGB or 1 for grey.
        fit: how another aspect ratio is met: "crop" keeps the largest centre part of the right
            shape, "pad" keeps everything and adds black bars, "stretch" distorts.

    Returns:
        (C, H, W) uint8.

    Raises:
        ValueError: if the file cannot be read as a picture, with the reason.
    """
    check_options(image_size=image_size, channels=channels, fit=fit)
    name = "these bytes" if isinstance(source, bytes) else str(source)
    try:
        return torch.from_numpy(_read(source, image_size, channels, fit).copy())
    except _ReadError as error:
        raise ValueError(
            f"{name} cannot be read as a picture: {error}. Try opening it in an image viewer."
        ) from error.__cause__


def read_images(
    paths: Sequence[str],
    *,
    image_size: tuple[int, int],
    channels: int = 3,
    fit: Fit = "crop",
) -> tuple[Tensor, dict[int, str]]:
    """Read many files into one tensor that is allocated once.

    Returns:
        images: (N, C, H, W) uint8; rows of unreadable files hold zeros.
        reasons: why a file could not be read, by its index in ``paths``.
    """
    check_options(image_size=image_size, channels=channels, fit=fit)
    images = np.zeros((len(paths), channels, *image_size), dtype=np.uint8)
    reasons: dict[int, str] = {}

    def read_block(start: int) -> None:
        for index in range(start, min(start + _BLOCK, len(paths))):
            try:
                images[index] = _read(paths[index], image_size, channels, fit)
            except _ReadError as error:
                reasons[index] = str(error)

    blocks = range(0, len(paths), _BLOCK)
    with ThreadPoolExecutor(thread_count(paths)) as pool:
        list(pool.map(read_block, blocks))
    return torch.from_numpy(images), dict(sorted(reasons.items()))


def header_problem(path: str) -> str | None:
    """Why ``path`` cannot be a picture, judged by its first bytes; None where it may be one.

    Some hundred times cheaper than decoding a photograph; a file cut short is not noticed.
    """
    try:
        with picture_files.open_file(path) as file:
            open_image(file).close()
    except Exception as error:
        return problem_of(error, _first_bytes(path))
    return None


def thread_count(paths: Sequence[str]) -> int:
    """Threads that read these files fastest: one for tiny files, else one a core, at most 8."""
    sample = paths[:: max(1, len(paths) // 32)]
    sizes = [os.path.getsize(path) for path in sample if os.path.isfile(path)]
    if not sizes or sum(sizes) / len(sizes) < _SMALL_FILE_BYTES:
        return 1
    return min(8, os.cpu_count() or 1)


def check_options(*, image_size: tuple[int, int] | None, channels: int, fit: str) -> None:
    """Raise ValueError unless these options describe a picture."""
    if image_size is not None:
        check_image_size(image_size)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB); got {channels!r}.")
    if fit not in get_args(Fit):
        raise ValueError(
            f"fit must be one of {', '.join(get_args(Fit))}; got {fit!r}. "
            "Try 'crop', which keeps shapes undistorted."
        )


def check_image_size(image_size: tuple[int, int]) -> None:
    """Raise ValueError unless ``image_size`` is (height, width) in whole pixels."""
    pair = isinstance(image_size, Sequence) and len(image_size) == 2
    if not pair or not all(isinstance(side, int) and side >= 1 for side in image_size):
        raise ValueError(
            f"image_size must be (height, width) in whole pixels; got {image_size!r}. Try (32, 32)."
        )


def placing(
    size: tuple[int, int], image_size: tuple[int, int], fit: Fit
) -> tuple[float, float, float, float]:
    """Where the pixels of a picture of one size lie once it was brought to another.

    Args:
        size: (height, width) of the picture in its file, pixels.
        image_size: (height, width) that it is brought to.
        fit: see ``read_image``.

    Returns:
        (scale_x, scale_y, left, top): x becomes ``x * scale_x + left``, and y likewise.
    """
    (height, width), (new_height, new_width) = size, image_size
    if fit == "pad":
        (left, top), (inner_width, inner_height) = _padding((width, height), image_size)
        return inner_width / width, inner_height / height, left, top
    x1, y1, x2, y2 = (0, 0, width, height)
    if fit == "crop":
        x1, y1, x2, y2 = _centre_box((width, height), new_width / new_height)
    scale_x, scale_y = new_width / (x2 - x1), new_height / (y2 - y1)
    return scale_x, scale_y, -x1 * scale_x, -y1 * scale_y


class _ReadError(Exception):
    """Carries the reason from the decoder to the public edge."""


def _read(
    source: str | os.PathLike | bytes, image_size: tuple[int, int] | None, channels: int, fit: Fit
) -> np.ndarray:
    data = b""
    try:
        data = source if isinstance(source, bytes) else _contents(source)
        return decode(open_image(io.BytesIO(data)), image_size, channels, fit)
    except Exception as error:  # a broken file may raise anything inside its decoder
        raise _ReadError(problem_of(error, data)) from error


def _contents(path: str | os.PathLike) -> bytes:
    with picture_files.open_file(path) as file:
        return file.read()


def open_image(file: io.BufferedIOBase) -> Image.Image:
    """A picture whose header was read and whose pixels were not; too large a one raises."""
    image = Image.open(file)
    if image.width * image.height > MAX_MEGAPIXELS * 1e6 and image.format != "JPEG":
        raise Image.DecompressionBombError
    return image


def decode(
    image: Image.Image,
    image_size: tuple[int, int] | None = None,
    channels: int = 3,
    fit: Fit = "crop",
) -> np.ndarray:
    """The pixels (C, H, W) uint8 of an opened picture; the options are those of ``read_image``."""
    if image_size is not None and image.format == "JPEG":
        # Twice what is needed leaves the antialiasing to us; the cover holds in either orientation.
        scale = 2 * max(image_size) / min(image.size)
        if scale < 1:
            image.draft(None, (int(image.width * scale) + 1, int(image.height * scale) + 1))
    image.load()
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    image = _eight_bits(image, "RGB" if channels == 3 else "L")
    if image_size is not None and image.size != (image_size[1], image_size[0]):
        image = _resized(image, image_size, fit)
    pixels = np.frombuffer(image.tobytes(), dtype=np.uint8)  # faster than asarray for tiny ones
    return pixels.reshape(image.height, image.width, channels).transpose(2, 0, 1)  # (C, H, W)


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    """The picture in ``mode``, with transparency on white and deep pixels scaled, not clipped."""
    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_scaled(np.asarray(image)))
    elif image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        picture = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), picture)
    return image if image.mode == mode else image.convert(mode)


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Deep grey pixels (H, W) to uint8: by their format's range, or their own where it has none."""
    full = 1 if pixels.dtype.kind == "f" else 65535
    pixels = pixels.astype(np.float64)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds NaN or infinite pixels")
    low, high = pixels.min(), pixels.max()
    if low >= 0 and high <= full:
        low, high = 0, full
    return np.round((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)


def _resized(image: Image.Image, image_size: tuple[int, int], fit: Fit) -> Image.Image:
    height, width = image_size
    if fit == "pad":
        corner, inner = _padding(image.size, image_size)
        canvas = Image.new(image.mode, (width, height))
        canvas.paste(image.resize(inner, Image.Resampling.BICUBIC, reducing_gap=3.0), corner)
        return canvas
    box = _centre_box(image.size, width / height) if fit == "crop" else None
    return image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)


def _padding(
    size: tuple[int, int], image_size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(left, top) and (width, height) of a whole picture (width, height) between black bars."""
    height, width = image_size
    scale = min(width / size[0], height / size[1])
    inner = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return ((width - inner[0]) // 2, (height - inner[1]) // 2), inner


def _centre_box(size: tuple[int, int], aspect_ratio: float) -> tuple[float, float, float, float]:
    """The largest centred (left, top, right, bottom) of this width / height inside ``size``."""
    width, height = size
    box_width = min(width, height * aspect_ratio)
    box_height = min(height, width / aspect_ratio)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height


def problem_of(error: Exception, data: bytes) -> str:
    """Why a picture could not be read, never empty.

    Args:
        error: what opening or decoding it raised.
        data: its content, or the first bytes of it; empty where there is none.
    """
    if isinstance(error, Image.DecompressionBombError):
        return f"too large to decode safely (limit {MAX_MEGAPIXELS} megapixels): make it smaller"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return f"not a picture that Pillow knows (it begins with {data[:12]!r})"
    return str(error) or type(error).__name__


def _first_bytes(path: str) -> bytes:
    try:
        with picture_files.open_file(path) as file:
            return file.read(12)
    except OSError:
        return b""
