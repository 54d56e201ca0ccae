"""From boxes to what each location of a dense detector must answer, and back.

A location is the centre of a cell of a feature map. It answers for at most one box, by the
distances from itself to the four sides, in strides.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

NOTHING = -1
_REACH = 1.5  # strides from a box's centre within which locations answer for it
_LARGEST = 6.0  # strides: a box with a longer side belongs to the next, coarser feature map


def locations(
    image_size: tuple[int, int], strides: Sequence[int], *, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """The centres of all cells of all feature maps, finest map first, row by row.

    Args:
        image_size: (height, width), pixels; a map covers the picture with whole cells.
        strides: pixels from one cell to the next, one a map.

    Returns:
        points (A, 2) as (x, y), pixels, and the stride of each (A,), pixels.
    """
    points, sizes = [], []
    for stride in strides:
        rows, columns = (-(-side // stride) for side in image_size)
        y = (torch.arange(rows, device=device) + 0.5) * stride
        x = (torch.arange(columns, device=device) + 0.5) * stride
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (rows, columns, 2)
        points.append(grid.reshape(-1, 2))
        sizes.append(torch.full((rows * columns,), float(stride), device=device))
    return torch.cat(points), torch.cat(sizes)


def assign(points: Tensor, strides: Tensor, boxes: Tensor) -> Tensor:
    """Which box each location answers for: one it lies in the middle of, the smallest of several.

    Args:
        points: (A, 2) x and y, pixels.
        strides: (A,) pixels, doubling from map to map; a box is for the map that suits its size.
        boxes: (M, 4) xyxy pixels, or (N, M, 4) for a batch; empty boxes are nobody's.

    Returns:
        (A,) or (N, A) int64, the index of a box, or -1 for background.

    Source: Tian et al. 2019 (FCOS), https://arxiv.org/abs/1904.01355.
    """
    if boxes.shape[-2] == 0:
        return torch.full((*boxes.shape[:-2], len(points)), NOTHING, device=points.device)
    x1, y1, x2, y2 = boxes[..., None, :, :].unbind(dim=-1)  # (..., 1, M) each
    x, y = points[:, None].unbind(dim=-1)  # (A, 1) each
    inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)  # (..., A, M)
    reach = _REACH * strides[:, None]
    near = ((x - (x1 + x2) / 2).abs() < reach) & ((y - (y1 + y2) / 2).abs() < reach)
    longest = torch.maximum(x2 - x1, y2 - y1)  # (..., 1, M)
    finest, coarsest = strides.min(), strides.max()
    fits = (longest <= _LARGEST * strides[:, None]) | (strides[:, None] == coarsest)
    fits &= (longest > _LARGEST / 2 * strides[:, None]) | (strides[:, None] == finest)
    area = (x2 - x1) * (y2 - y1)
    smallest, index = area.where(inside & near & fits, torch.inf).min(dim=-1)  # (..., A)
    return index.where(smallest < torch.inf, NOTHING)


def encode(boxes: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Distances from each location to the left, top, right and bottom of its box, in strides.

    Args:
        boxes: (..., A, 4) xyxy pixels, one a location.
        points: (A, 2) x and y, pixels.
        strides: (A,) pixels.

    Returns:
        (..., A, 4), negative where a location lies outside.
    """
    corners = torch.cat([points - boxes[..., :2], boxes[..., 2:] - points], dim=-1)
    return corners / strides[:, None]


def decode(distances: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """The boxes that distances in strides stand for: ``encode`` the other way round.

    Args:
        distances: (..., A, 4) left, top, right, bottom, in strides.
        points: (A, 2) x and y, pixels.
        strides: (A,) pixels.

    Returns:
        (..., A, 4) xyxy pixels.
    """
    pixels = distances * strides[:, None]
    return torch.cat([points - pixels[..., :2], points + pixels[..., 2:]], dim=-1)
