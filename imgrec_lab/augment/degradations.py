"""What lens, sensor and things in the way do to pictures, on the pictures' device."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from imgrec_lab.augment.geometry import GREY


def blur_reach(sigma_px: float) -> int:
    """How many pixels to each side a blur looks: three standard deviations."""
    return math.ceil(3 * sigma_px)


def gaussian_blur(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Each picture (N, C, H, W) blurred by its own standard deviation (N,), in pixels."""
    N, C, H, W = images.shape
    reach = blur_reach(float(sigma_px.max()))
    places = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (places / sigma_px[:, None].clamp(min=1e-3)).square())  # (N, P)
    own_reach = (3 * sigma_px).ceil()[:, None]
    weights = weights.where(places.abs() <= own_reach, 0)
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(images)
    kernels = weights.repeat_interleave(C, dim=0)[:, None]  # (N * C, 1, P)
    planes = images.reshape(1, N * C, H, W)
    # "symmetric" repeats the edge pixel, which F.pad cannot do for all dimensions at once.
    planes = planes[:, :, _mirrored(H, reach)][:, :, :, _mirrored(W, reach)]
    planes = F.conv2d(planes, kernels[:, :, :, None], groups=N * C)
    planes = F.conv2d(planes, kernels[:, :, None, :], groups=N * C)
    return planes.reshape(N, C, H, W)


def _mirrored(length: int, reach: int) -> Tensor:
    """The rows that a picture of ``length`` rows continues with beyond both of its edges."""
    place = torch.arange(-reach, length + reach) % (2 * length)
    return torch.where(place < length, place, 2 * length - 1 - place)


def add_noise(images: Tensor, std: Tensor, *, seed: int) -> Tensor:
    """Pictures (N, C, H, W) with normal noise of their own standard deviation (N,).

    The same seed gives the same noise on the same kind of device, for float and uint8 alike.
    """
    generator = torch.Generator(images.device).manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    noise *= std.to(noise)[:, None, None, None]
    if images.dtype == torch.uint8:
        return (images + 255 * noise).round_().clamp_(0, 255).to(torch.uint8)
    return (images + noise).clamp_(0, 1).to(images.dtype)


def cover_(images: Tensor, boxes: Tensor) -> Tensor:
    """Paint a grey box (N, 4), xyxy whole pixels, into each picture (N, C, H, W), in place."""
    grey = 128 if images.dtype == torch.uint8 else GREY
    if images.device.type != "cpu" or images.dtype not in (torch.uint8, torch.float32):
        hidden = covered(boxes, images.shape[2:]).to(images.device)[:, None]  # (N, 1, H, W)
        return images.masked_fill_(hidden, grey)
    for picture, (x1, y1, x2, y2) in zip(images.numpy(), boxes.long().tolist(), strict=True):
        picture[:, y1:y2, x1:x2] = grey
    return images


def covered(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """The pixels inside the boxes (N, 4): (N, H, W) bool."""
    height, width = image_size
    x1, y1, x2, y2 = boxes.T[:, :, None]  # (N, 1) each
    rows, columns = torch.arange(height), torch.arange(width)
    in_rows, in_columns = (rows >= y1) & (rows < y2), (columns >= x1) & (columns < x2)
    return in_rows[:, :, None] & in_columns[:, None, :]
