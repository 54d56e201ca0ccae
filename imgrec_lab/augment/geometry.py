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


def identity(n: int) -> Tensor:
    """N maps (N, 3, 3) that leave everything where it is."""
    return torch.eye(3, dtype=torch.float64).expand(n, 3, 3)


def mirror(mirrored: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Left and right exchanged where ``mirrored`` (N,) bool: (N, 3, 3)."""
    return _about_centre(_diagonal(1 - 2 * mirrored.double(), torch.ones(())), image_size)


def translation(offset_px: Tensor) -> Tensor:
    """Moved by ``offset_px`` (N, 2), to the right and down: (N, 3, 3)."""
    maps = identity(len(offset_px)).clone()
    maps[:, :2, 2] = offset_px
    return maps


def rotation(degrees: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Turned clockwise about the centre by ``degrees`` (N,): (N, 3, 3)."""
    angle = np.deg2rad(degrees.double().numpy())
    maps = identity(len(degrees)).clone()
    maps[:, 0, 0] = maps[:, 1, 1] = torch.from_numpy(np.cos(angle))
    maps[:, 1, 0] = torch.from_numpy(np.sin(angle))
    maps[:, 0, 1] = -maps[:, 1, 0]
    return _about_centre(maps, image_size)


def scaling(factor: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Enlarged ``factor`` (N,) times about the centre: (N, 3, 3)."""
    return _about_centre(_diagonal(factor, factor), image_size)


def window(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The part inside ``boxes`` (N, 4) xyxy enlarged to the whole picture: (N, 3, 3)."""
    height, width = image_size
    zoom = torch.tensor([width, height]) / (boxes[:, 2:] - boxes[:, :2]).double()  # (N, 2)
    maps = _diagonal(zoom[:, 0], zoom[:, 1])
    maps[:, :2, 2] = -zoom * boxes[:, :2]
    return maps


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    maps = identity(len(x)).clone()
    maps[:, 0, 0], maps[:, 1, 1] = x, y
    return maps


def _about_centre(maps: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Maps made for a picture whose centre is the origin, for one whose corner is (in place)."""
    centre = torch.tensor([image_size[1] / 2, image_size[0] / 2], dtype=torch.float64)
    maps[:, :2, 2] += centre - (maps[:, :2, :2] * centre).sum(dim=2)
    return maps


def joined(first: Tensor, then: Tensor) -> Tensor:
    """One map for two in a row: (N, 3, 3)."""
    rows = (then[:, :, k : k + 1] * first[:, k : k + 1] for k in range(3))
    return sum(rows)


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
