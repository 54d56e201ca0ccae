"""Affine maps of pictures: made, joined, and applied to pixels, masks and boxes.

A map (N, 3, 3) float64 takes a place of picture n to its place in the result, as a column
``(x, y, 1)``. Places are measured on pixel edges, as boxes are: pixel column 0 spans 0 to 1 and its
centre is 0.5. Joining maps is one matrix product, so a picture that is mirrored, turned, enlarged
and moved is still resampled only once.

What is computed for a draw stays on one thread: no batched matrix products, and NumPy's functions
where torch's would wake its threads, which then wait on the cores that OpenCV is about to use.
"""

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Border = Literal["reflect", "edge", "grey"]
BoxShape = Literal["rectangle", "ellipse"]
GREY = 0.5  # of white; what is filled in where there is no picture
_PADDING: dict[str, str] = {"reflect": "reflection", "edge": "border", "grey": "zeros"}


def mirror(mirrored: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Left and right exchanged where ``mirrored`` (N,) bool: (N, 3, 3)."""
    sign = 1.0 - 2.0 * _array(mirrored)
    centre = image_size[1] / 2
    return _maps(x_from_x=sign, x=centre - sign * centre)


def translation(offset_px: Tensor) -> Tensor:
    """Moved by ``offset_px`` (N, 2), to the right and down: (N, 3, 3)."""
    offset_px = _array(offset_px)
    return _maps(x=offset_px[:, 0], y=offset_px[:, 1])


def rotation(degrees: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Turned clockwise about the centre by ``degrees`` (N,): (N, 3, 3)."""
    angle = np.deg2rad(_array(degrees))
    cos, sin = np.cos(angle), np.sin(angle)
    y, x = image_size[0] / 2, image_size[1] / 2
    return _maps(
        x_from_x=cos, x_from_y=-sin, y_from_x=sin, y_from_y=cos,
        x=x - (cos * x - sin * y), y=y - (sin * x + cos * y),
    )  # fmt: skip


def scaling(factor: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Enlarged ``factor`` (N,) times about the centre: (N, 3, 3)."""
    factor = _array(factor)
    y, x = image_size[0] / 2, image_size[1] / 2
    return _maps(x_from_x=factor, y_from_y=factor, x=x - factor * x, y=y - factor * y)


def window(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The part inside ``boxes`` (N, 4) xyxy enlarged to the whole picture: (N, 3, 3)."""
    left, top, right, bottom = _array(boxes).T
    wider, higher = image_size[1] / (right - left), image_size[0] / (bottom - top)
    return _maps(x_from_x=wider, y_from_y=higher, x=-wider * left, y=-higher * top)


def _array(numbers: Tensor) -> np.ndarray:
    return np.asarray(numbers, dtype=np.float64)


def _maps(*, x_from_x=1.0, x_from_y=0.0, y_from_x=0.0, y_from_y=1.0, x=0.0, y=0.0) -> Tensor:
    """(N, 3, 3) from its entries, of which at least one is an array (N,)."""
    entries = (x_from_x, x_from_y, x, y_from_x, y_from_y, y)
    maps = np.zeros((len(next(filter(np.ndim, entries))), 9))
    for place, entry in enumerate(entries):
        maps[:, place] = entry
    maps[:, 8] = 1
    return torch.from_numpy(maps.reshape(-1, 3, 3))


def joined(first: Tensor, then: Tensor) -> Tensor:
    """One map for two in a row: (N, 3, 3)."""
    first, then = first.numpy(), then.numpy()
    return torch.from_numpy(sum(then[:, :, k : k + 1] * first[:, k : k + 1] for k in range(3)))


def warp_images(images: Tensor, maps: Tensor, *, border: Border = "reflect") -> Tensor:
    """Each picture moved by its map, in one bilinear resampling on the pictures' device.

    Args:
        images: (N, C, H, W) floating point.
        maps: (N, 3, 3), on the CPU.
        border: what lies outside of a picture: its mirror image, its edge drawn out, or grey.

    Returns:
        (N, C, H, W).
    """
    background = GREY if border == "grey" else 0.0
    grid = _sources(maps, images)
    moved = F.grid_sample(
        images - background, grid, padding_mode=_PADDING[border], align_corners=False
    )
    return moved + background


def warp_masks(masks: Tensor, one_map: Tensor) -> Tensor:
    """The masks of one picture (M, H, W) bool, moved as the picture is; nothing lies outside."""
    if not len(masks):
        return masks
    layers = masks[None].float()  # (1, M, H, W)
    grid = _sources(one_map[None], layers)
    return F.grid_sample(layers, grid, padding_mode="zeros", align_corners=False)[0] >= 0.5


def _sources(maps: Tensor, images: Tensor) -> Tensor:
    """Where each pixel of the result is found, (N, H, W, 2), in grid_sample's units of -1 to 1."""
    height, width = images.shape[2:]
    to_pixels = torch.tensor(
        [[width / 2, 0, width / 2], [0, height / 2, height / 2], [0, 0, 1]], dtype=torch.float64
    )
    back = torch.linalg.inv(to_pixels) @ torch.linalg.inv(maps) @ to_pixels  # (N, 3, 3)
    back = back[:, :2].to(images.device, images.dtype, non_blocking=True)
    return F.affine_grid(back, list(images.shape), align_corners=False)


def warp_boxes(boxes: Tensor, one_map: Tensor, *, shape: BoxShape = "rectangle") -> Tensor:
    """The upright boxes round the moved contents of the boxes of one picture, not clipped.

    Args:
        boxes: (M, 4) xyxy pixels.
        one_map: (3, 3).
        shape: "rectangle" keeps all four corners inside, so that a turned box grows; "ellipse"
            keeps the largest ellipse of the old box inside, which is tighter for round objects.

    Returns:
        (M, 4).
    """
    linear, offset = one_map[:2, :2].to(boxes), one_map[:2, 2].to(boxes)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + offset  # (M, 2)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    if shape == "ellipse":
        half = (half.square() @ linear.square().T).sqrt()
    else:
        half = half @ linear.abs().T
    return torch.cat([centre - half, centre + half], dim=1)
