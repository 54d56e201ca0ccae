"""Finds the same picture again after it was resized, recompressed, cropped a little or relit.

Three sieves, each finer and dearer than the one before, work on thumbnails of 32 x 32 pixels:

1. descriptors of low frequencies, which a small crop hardly changes, name each picture's nearest
   neighbours;
2. one tangent step (Simard et al. 1993) asks whether a slight shift and stretch explains the rest;
3. a few such steps lay one picture exactly upon the other, and their details are compared.

Memory grows with the number of pictures, not with its square; time with the square, but slowly:
60,000 pictures make 1.8 billion pairs of 33 numbers, one matrix product.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE_PX = 32  # of a thumbnail
NEIGHBOURS = 8  # pictures that the first sieve keeps for each one
MIN_DESCRIPTOR, MIN_FIT, MIN_DETAIL = 0.93, 0.88, 0.95  # what each sieve lets through
MIN_CONTRAST = 3.0  # grey levels (of 255); a flatter picture has nothing to be recognised by
_LUMA = (0.299, 0.587, 0.114)
_BLUR_PX = (1.0, 3.0)  # details lie between these two
_STEPS = 3  # of alignment
_MOST_STRETCH = 1.15  # a crop of a tenth stretches by 1 / 0.9 = 1.11
_ROWS = 256  # pictures compared with all others at a time
_GROUP = 64  # of those, so many are judged by their best
_PAIRS = 1024  # pairs aligned at a time


class Pair(NamedTuple):
    """Two pictures that show the same, as indices, and how alike their details are (at most 1)."""

    first: int
    second: int
    similarity: float


def find_pairs(thumbnails: Tensor) -> list[Pair]:
    """Every pair of pictures that are the same but for size, quality, light or a small crop.

    Args:
        thumbnails: (N, 3, 32, 32) uint8, each picture squeezed to a square.

    Returns:
        Pairs with first < second, in that order.

    Sources: tangent distance, Simard, LeCun and Denker 1993, https://papers.nips.cc/paper/656;
    alignment, Lucas and Kanade 1981.
    """
    pairs = candidates(descriptors(thumbnails))
    half = [F.avg_pool2d(blur(luma(block), 1.5), 2) for block in thumbnails.split(_PAIRS)]
    half = torch.cat(half) if half else torch.zeros(0, 1, SIDE_PX // 2, SIDE_PX // 2)
    kept: list[Pair] = []
    for first, second in zip(*(column.split(_PAIRS) for column in pairs), strict=True):
        fits = torch.maximum(
            tangent_step(half[first], half[second]).fit, tangent_step(half[second], half[first]).fit
        )
        first, second = first[fits >= MIN_FIT], second[fits >= MIN_FIT]
        if not len(first):
            continue
        alike = similarity(luma(thumbnails[first]), luma(thumbnails[second]))
        found = alike >= MIN_DETAIL
        rows = (first[found].tolist(), second[found].tolist(), alike[found].tolist())
        kept += map(Pair, *rows)
    return sorted(kept)


def descriptors(thumbnails: Tensor) -> Tensor:
    """(N, 33) float32 of unit length: the lowest cosine frequencies of grey and colour.

    Means are left out of the grey ones and lengths divided away, so light and contrast cancel;
    a picture without contrast gets zeros, which resemble nothing.
    """
    waves = _cosines(5)  # (5, 32)
    grey, colour = _frequencies(5, constant=False), _frequencies(3, constant=True)
    rows = []
    for block in thumbnails.split(_PAIRS):
        waved = waves @ block.float() @ waves.T  # (n, 3, 5, 5): red, green, blue
        bright = luma(waved)  # (n, 1, 5, 5); a sum of channels, so it may be taken afterwards
        red, blue = waved[:, :1] - bright, waved[:, 2:] - bright
        parts = ((bright, grey), (blue, colour), (red, colour))
        values = torch.cat([part[:, 0][:, *places] for part, places in parts], dim=1)
        flat = values.norm(dim=1, keepdim=True) < MIN_CONTRAST * SIDE_PX
        rows.append(F.normalize(values).masked_fill(flat, 0))
    return torch.cat(rows) if rows else torch.zeros(0, 33)


def candidates(descriptors: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of a picture and one of its nearest neighbours: (P,) and (P,) int64, first < second."""
    count = len(descriptors)
    groups = -(-count // _GROUP)
    everything = F.pad(descriptors, (0, 0, 0, groups * _GROUP - count))  # zeros resemble nothing
    cosines = torch.empty(min(_ROWS, count), len(everything))  # made once: it is large
    keys = [torch.zeros(0, dtype=torch.int64)]
    for start in range(0, count, _ROWS):
        rows = torch.arange(start, min(start + _ROWS, count))
        block = torch.mm(descriptors[rows], everything.T, out=cosines[: len(rows)])
        block[rows - start, rows] = -1
        best, place = _largest(block.view(len(rows), groups, _GROUP), min(NEIGHBOURS, count))
        near = best >= MIN_DESCRIPTOR
        first, second = rows[:, None].expand_as(place)[near], place[near]
        keys.append(torch.minimum(first, second) * count + torch.maximum(first, second))
    keys = torch.cat(keys).unique()
    return keys // max(count, 1), keys % max(count, 1)


def _largest(values: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The largest of each row of (n, groups, size) and their places: they lie in the groups with
    the largest maxima, so that few numbers have to be sorted."""
    groups = values.amax(dim=2).topk(min(number, values.shape[1]), dim=1).indices  # (n, g)
    chosen = values.gather(1, groups[..., None].expand(-1, -1, _GROUP)).flatten(1)
    best, place = chosen.topk(number, dim=1)
    return best, groups.gather(1, place // _GROUP) * _GROUP + place % _GROUP


class Step(NamedTuple):
    """The best slight change of one picture towards another.

    Attributes:
        fit: (n,) share of the other picture's variance that it explains.
        stretch: (n, 2) relative, along x and y.
        shift: (n, 2), in half widths and half heights.
    """

    fit: Tensor
    stretch: Tensor
    shift: Tensor


def tangent_step(pictures: Tensor, others: Tensor) -> Step:
    """Fit ``others`` by ``pictures``, slightly shifted, stretched and relit: least squares.

    Args:
        pictures, others: (n, 1, H, W) float32.
    """
    n, _, height, width = pictures.shape
    padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) * (width / 4)  # d / d half width
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) * (height / 4)
    x, y = _centres(width), _centres(height)[:, None]
    ways = (pictures, torch.ones_like(pictures), along_x * x, along_y * y, along_x, along_y)
    tangents = torch.stack([way.flatten(1) for way in ways], dim=2)  # (n, H * W, 6)
    wanted = others.flatten(1)[..., None]  # (n, H * W, 1)
    products = tangents.transpose(1, 2) @ tangents + 1e-3 * torch.eye(6)  # (n, 6, 6)
    amounts = torch.linalg.solve(products, tangents.transpose(1, 2) @ wanted)  # (n, 6, 1)
    left = (wanted - tangents @ amounts).square().sum((1, 2))
    total = (wanted - wanted.mean(1, keepdim=True)).square().sum((1, 2))
    amounts = amounts[..., 0] / amounts[:, :1, 0].clamp_min(0.2)  # undo the change of contrast
    return Step(1 - left / total.clamp_min(1), amounts[:, 2:4], amounts[:, 4:6])


def similarity(pictures: Tensor, others: Tensor) -> Tensor:
    """Correlation of details after the best shift, stretch and change of light: (n,), at most 1.

    Args:
        pictures, others: (n, 1, 32, 32) float32.
    """
    stretch, shift = torch.ones(len(pictures), 2), torch.zeros(len(pictures), 2)
    for number in range(_STEPS):
        blur_px = 2.0 if number < 2 else 1.0  # from coarse to fine
        moved = blur(warped(pictures, stretch, shift), blur_px)
        step = tangent_step(moved, blur(others, blur_px))
        shift = shift + stretch * step.shift
        stretch = (stretch * (1 + step.stretch)).clamp(1 / _MOST_STRETCH, _MOST_STRETCH)
        shift = shift.clamp(1 - _MOST_STRETCH, _MOST_STRETCH - 1)
    inside = overlap(stretch, shift)  # (n, 1, 32, 32)
    moved = warped(pictures, stretch, shift)
    return _correlation(details(moved), details(others), inside)


def warped(pictures: Tensor, stretch: Tensor, shift: Tensor) -> Tensor:
    """``pictures`` sampled at ``stretch * (x, y) + shift``; (n, 1, H, W) as they came."""
    across = torch.zeros(len(pictures))
    rows = [
        torch.stack([stretch[:, 0], across, shift[:, 0]], dim=1),
        torch.stack([across, stretch[:, 1], shift[:, 1]], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)


def overlap(stretch: Tensor, shift: Tensor) -> Tensor:
    """1.0 where a warped picture has pixels of its own, 0.0 elsewhere: (n, 1, 32, 32)."""
    places = stretch[..., None] * _centres(SIDE_PX) + shift[..., None]  # (n, 2, 32)
    inside = (places.abs() <= 1).float()
    return (inside[:, 1, :, None] * inside[:, 0, None, :])[:, None]


def details(grey: Tensor) -> Tensor:
    """What lies between two blurs: no noise or compression, and no light that falls unevenly."""
    fine, coarse = _BLUR_PX
    return blur(grey, fine) - blur(grey, coarse)


def luma(pixels: Tensor) -> Tensor:
    """Brightness (N, 1, H, W) float32 of (N, 3, H, W), weighted as JPEG does."""
    red, green, blue = pixels.float().split(1, dim=1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def blur(grey: Tensor, sigma_px: float) -> Tensor:
    """Gaussian blur of square pictures (N, 1, S, S), the border repeated."""
    weights = _blur_weights(grey.shape[-1], sigma_px)
    return weights @ grey @ weights.T


@functools.cache
def _blur_weights(side: int, sigma_px: float) -> Tensor:
    """(S, S): how much each pixel of a row counts for each; as a matrix it beats a convolution."""
    reach = math.ceil(3 * sigma_px)
    steps = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-steps.square() / (2 * sigma_px**2))
    sources = (torch.arange(side)[:, None] + steps).clamp(0, side - 1)  # (S, 2 reach + 1)
    weights = torch.zeros(side, side)
    return weights.scatter_add_(1, sources, (kernel / kernel.sum()).expand(side, -1))


def _correlation(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    total = weight.sum((1, 2, 3))
    a = (a - ((a * weight).sum((1, 2, 3)) / total)[:, None, None, None]) * weight
    b = (b - ((b * weight).sum((1, 2, 3)) / total)[:, None, None, None]) * weight
    norms = a.square().sum((1, 2, 3)) * b.square().sum((1, 2, 3))
    return (a * b).sum((1, 2, 3)) / norms.sqrt().clamp_min(1e-6)


def _centres(count: int) -> Tensor:
    """Pixel centres from -1 to 1."""
    return (torch.arange(count) + 0.5) * (2 / count) - 1


def _cosines(count: int) -> Tensor:
    """The lowest waves of the cosine transform, of unit length: (count, 32)."""
    waves = torch.cos(math.pi / 2 * torch.arange(count)[:, None] * (_centres(SIDE_PX) + 1))
    return F.normalize(waves)


def _frequencies(highest: int, *, constant: bool) -> tuple[list[int], list[int]]:
    """Rows and columns (i, j) with i + j <= highest."""
    pairs = [(i, j) for i in range(highest) for j in range(highest) if i + j <= highest]
    return tuple(map(list, zip(*(pairs if constant else pairs[1:]), strict=True)))
