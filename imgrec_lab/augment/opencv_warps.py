"""Pictures on the CPU moved, recoloured and blurred in one pass each, over OpenCV.

A picture is read once, worked on while it lies in the processor's cache, and written once. OpenCV
shares the rows of larger pictures among threads of its own.
"""

import operator

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
    result = torch.empty(source.shape, dtype=source.dtype)  # plain strides even for 1 x 1 pixels
    N, H, W, C = source.shape
    pictures, targets = _pictures(source), _pictures(result)
    moved = np.empty(pictures.shape[1:], pictures.dtype)  # between two steps, in the cache
    centred = None if maps is None else _in_pixel_centres(maps)
    matrices, weights = (None, None) if colors is None else _matrices(colors, C)
    sigmas = [0.0] * N if sigma_px is None else sigma_px.tolist()
    fill = (GREY * (255 if images.dtype == torch.uint8 else 1),) * 3
    for row in range(N):
        picture, target = pictures[row], targets[row]
        if centred is not None:
            picture = cv2.warpAffine(
                picture, centred[row], (W, H), dst=target if colors is None else moved,
                flags=cv2.INTER_LINEAR, borderMode=_BORDERS[border], borderValue=fill,
            )  # fmt: skip
        if matrices is not None:
            means = cv2.mean(picture)  # always four
            matrices[row, :, C] = sum(map(operator.mul, weights[row], means))
            picture = cv2.transform(picture, matrices[row], dst=target)
        if sigmas[row] > 0:
            if matrices is not None and result.is_floating_point():
                np.clip(picture, 0, 1, out=picture)  # light beyond white is lost before the lens
            side = (2 * blur_reach(sigmas[row]) + 1,) * 2
            cv2.GaussianBlur(picture, side, sigmas[row], dst=target, borderType=cv2.BORDER_REFLECT)
        elif centred is None and matrices is None:
            target[...] = picture
    if colors is not None and result.is_floating_point():
        result.clamp_(0, 1)
    return result.permute(0, 3, 1, 2)


def _pictures(batch: Tensor) -> np.ndarray:
    """(N, H, W, 3), or (N, H, W) for grey pictures, sharing the memory of ``batch``."""
    return batch.numpy() if batch.shape[3] > 1 else batch.numpy()[..., 0]


def _in_pixel_centres(maps: Tensor) -> np.ndarray:
    """(N, 2, 3) with the origin in the centre of the first pixel, as OpenCV counts."""
    maps = maps[:, :2].clone()
    maps[:, :, 2] += maps[:, :, :2].sum(dim=2) / 2 - 0.5
    return maps.numpy()


def _matrices(colors: Colors, channels: int) -> tuple[np.ndarray, list[list[float]]]:
    """(N, C, C + 1) whose last column is free, and the weights (N, C) of the picture's means."""
    pixel, mean = colors.matrices(channels)
    free = torch.zeros_like(pixel[..., :1])
    return torch.cat([pixel, free], dim=2).float().numpy(), mean.tolist()
