"""What one pass over a set's pictures finds out: each is opened once, and judged later."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imgrec_lab.annotations import picture_files
from imgrec_lab.datasets import image_files

THUMBNAIL_PX = 32  # a side


@dataclass(frozen=True, slots=True)
class Facts:
    """One picture as it was found.

    Attributes:
        file: its path below the data set, or its place in a set in memory, such as "train[7]".
        split: the part that it belongs to; None where the set has no parts.
        classes: what its labels say it shows, each name once.
        height, width: pixels; 0 where it could not be opened.
        format, mode: Pillow's names, such as "JPEG" and "RGB"; empty for sets in memory.
        digest: equal for pictures with equal pixels; empty where it could not be read.
        problem: why it could not be read; empty where it could.
        opened: whether it at least began as a picture.
    """

    file: str
    split: str | None = None
    classes: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    format: str = ""
    mode: str = ""
    digest: str = ""
    problem: str = ""
    opened: bool = False


def of_files(known: Sequence[Facts], root: Path) -> tuple[list[Facts], Tensor]:
    """Read every file once.

    Args:
        known: file, split and classes of N pictures.
        root: the folder that the files are relative to.

    Returns:
        facts: what is known of each, completed.
        thumbnails: (N, 3, 32, 32) uint8, squeezed to squares; zeros where one cannot be read.
    """
    thumbnails = torch.zeros(len(known), 3, THUMBNAIL_PX, THUMBNAIL_PX, dtype=torch.uint8)
    paths = [str(root / facts.file) for facts in known]

    def read(index: int) -> Facts:
        return _read(known[index], paths[index], thumbnails[index].numpy())

    with ThreadPoolExecutor(image_files.thread_count(paths)) as pool:
        return list(pool.map(read, range(len(known)), chunksize=128)), thumbnails


def of_images(known: Sequence[Facts], images: Tensor) -> tuple[list[Facts], Tensor]:
    """The same for pictures in memory, (N, C, H, W) uint8."""
    height, width = images.shape[2:]
    found = [
        replace(facts, height=height, width=width, digest=_digest(image.numpy()), opened=True)
        for facts, image in zip(known, images.cpu(), strict=True)
    ]
    return found, _thumbnails(images)


def _thumbnails(images: Tensor) -> Tensor:
    side = (THUMBNAIL_PX, THUMBNAIL_PX)
    if not len(images):
        return torch.zeros(0, 3, *side, dtype=torch.uint8)
    blocks = [
        torch.nn.functional.interpolate(block.float(), side, mode="bilinear", antialias=True)
        for block in images.cpu().split(1024)
    ]
    return torch.cat([block.round().to(torch.uint8).expand(-1, 3, -1, -1) for block in blocks])


def _read(known: Facts, path: str, thumbnail: np.ndarray) -> Facts:
    """Complete ``known``, and fill ``thumbnail`` (3, 32, 32) in place."""
    height = width = 0
    image_format, mode, data = "", "", b""
    try:
        with picture_files.open_file(path) as file:
            data = file.read()
        image = image_files.open_image(io.BytesIO(data))
        height, width, image_format = image.height, image.width, image.format or ""
        mode = image.mode + ("+transparency" if "transparency" in image.info else "")
        pixels = image_files.decode(image)  # (3, H, W)
        digest, problem = _digest(pixels), ""
        height, width = pixels.shape[1:]  # as it was held
        thumbnail[:] = _small(pixels)
    except Exception as error:  # a broken file may raise anything inside its decoder
        digest, problem = "", image_files.problem_of(error, data)
    return Facts(
        known.file, known.split, known.classes, height, width, image_format, mode, digest, problem,
        opened=bool(image_format),
    )  # fmt: skip


def _small(pixels: np.ndarray) -> np.ndarray:
    """(3, H, W) uint8 squeezed to (3, 32, 32)."""
    if pixels.shape[1:] == (THUMBNAIL_PX, THUMBNAIL_PX):
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    small = picture.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
    return np.asarray(small).transpose(2, 0, 1)


def _digest(pixels: np.ndarray) -> str:
    return hashlib.blake2b(
        repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16
    ).hexdigest()
