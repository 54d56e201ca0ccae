"""Pictures on the CPU moved, recoloured and blurred in one pass each, over OpenCV.

A picture is read once, worked on while it lies in the processor's cache, and written once. Larger
pictures are shared among as many threads as torch uses, a whole picture each.
"""

import functools
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import Tensor

from imgrec_lab.augment.colors import Colors
from imgrec_lab.augment.degradations import blur_reach
from imgrec_lab.augment.geometry import GREY, Border

_BORDERS = {
    "reflect": cv2.BORDER_REFLECT,
    "edge": cv2.BORDER_REPLICATE,
    "grey": cv2.BORDER_CONSTANT,
}
_SHARED_PIXELS = 64 * 64  # smaller pictures are done before a second thread has begun
_ALONE = threading.Lock()


def develop(
    images: Tensor, maps: Tensor | None, colors: Colors | None, sigma_px: Tensor | None,
    *, border: Border,
) -> Tensor:  # fmt: skip
    """Pictures moved, then recoloured, then blurred; None leaves a step out.

    Args:
        images: (N, C, H, W) uint8, or float32 in [0, 1], on the CPU, C = 1 or 3.
        maps: (N, 3, 3), see ``geometry``.
        colors: see ``colors``.
        sigma_px: (N,), pixels; 0 leaves a picture sharp.
        border: see ``geometry.warp_images``.

    Returns:
        (N, C, H, W) of the same type, in channels-last layout.
    """
    source = images.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C); no copy of channels-last
    # NumPy's large arrays lie on large pages where Linux has them: many times fewer page faults.
    result = torch.from_numpy(np.empty(tuple(source.shape), source.numpy().dtype))
    N, H, W, C = source.shape
    work = (
        _pictures(source),
        _pictures(result),
        [None] * N if maps is None else list(_in_pixel_centres(maps)),
        [None] * N if colors is None else _matrices(colors, C),
        [0.0] * N if sigma_px is None else sigma_px.tolist(),
    )
    threads = torch.get_num_threads() if H * W >= _SHARED_PIXELS else 1
    rows = [slice(N * k // threads, N * (k + 1) // threads) for k in range(threads)]
    parts = [[column[some] for column in work] for some in rows]
    develop_some = functools.partial(_develop_some, border=_BORDERS[border])
    with _opencv_on_one_thread():
        if threads == 1:
            develop_some(parts[0])
        else:
            list(_pool(os.getpid(), threads).map(develop_some, parts))
    if colors is not None and result.is_floating_point():
        result.clamp_(0, 1)
    return result.permute(0, 3, 1, 2)


def _develop_some(part: list, *, border: int) -> None:
    """What ``develop`` does to some of the pictures; each is written to its target in place."""
    sources, targets, *changes = part
    if not len(sources):
        return
    size = sources.shape[2], sources.shape[1]
    whole = sources.dtype == np.uint8
    fill = (GREY * (255 if whole else 1),) * 3
    moved = np.empty_like(sources[0])  # between two steps, in the cache
    warp, mean, transform = cv2.warpAffine, cv2.mean, cv2.transform
    for picture, target, centred, recoloring, sigma in zip(sources, targets, *changes, strict=True):
        if centred is not None:
            place = target if recoloring is None else moved
            picture = warp(picture, centred, size, place, cv2.INTER_LINEAR, border, fill)
        if recoloring is not None:
            matrix, (red, green, blue) = recoloring
            means = mean(picture)  # always four
            matrix[:, -1] = red * means[0] + green * means[1] + blue * means[2]
            picture = transform(picture, matrix, target)
        if sigma > 0:
            if recoloring is not None and not whole:
                np.clip(picture, 0, 1, out=picture)  # light beyond white is lost before the lens
            side = (2 * blur_reach(sigma) + 1,) * 2
            cv2.GaussianBlur(picture, side, sigma, target, borderType=cv2.BORDER_REFLECT)
        elif picture is not target:
            target[...] = picture


@contextmanager
def _opencv_on_one_thread() -> Iterator[None]:
    """Keeps OpenCV from sharing the rows of a picture among threads of its own, which wait long."""
    with _ALONE:
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            cv2.setNumThreads(before)


@functools.cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    # Threads do not survive a fork, so each process has its own.
    return ThreadPoolExecutor(threads, thread_name_prefix="augment")


def _pictures(batch: Tensor) -> np.ndarray:
    """(N, H, W, 3), or (N, H, W) for grey pictures, sharing the memory of ``batch``."""
    return batch.numpy() if batch.shape[3] > 1 else batch.numpy()[..., 0]


def _in_pixel_centres(maps: Tensor) -> np.ndarray:
    """(N, 2, 3) with the origin in the centre of the first pixel, as OpenCV counts."""
    maps = maps[:, :2].clone()
    maps[:, :, 2] += maps[:, :, :2].sum(dim=2) / 2 - 0.5
    return maps.numpy()


def _matrices(colors: Colors, channels: int) -> list[tuple[np.ndarray, list[float]]]:
    """For each picture (C, C + 1) with a free last column, and the weights of its channels' means.

    There are always three weights: those of channels that are not there are 0.
    """
    pixel, mean = colors.matrices(channels)
    free = torch.zeros_like(pixel[..., :1])
    weights = torch.zeros(len(mean), 3).double()
    weights[:, :channels] = mean
    matrices = torch.cat([pixel, free], dim=2).float().numpy()
    return list(zip(matrices, weights.tolist(), strict=True))
