"""Brightness, contrast and saturation, joined into one linear map of each pixel.

With x a pixel, g(x) its grey value and m the mean grey value of the picture, any sequence of the
three is ``gain * (saturation * x + (1 - saturation) * g(x)) + lift * m``: three numbers a picture.
Values are limited to 0..1 once, at the end.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # grey as ITU-R BT.601 weighs it, and Pillow and OpenCV do


class Colors(NamedTuple):
    """One linear change of colour for each of N pictures.

    Attributes:
        gain, saturation, lift: (N,) float64 arrays; 1, 1 and 0 change nothing.
    """

    gain: np.ndarray
    saturation: np.ndarray
    lift: np.ndarray

    @classmethod
    def unchanged(cls, n: int) -> "Colors":
        """N pictures as they are."""
        return cls(np.ones(n), np.ones(n), np.zeros(n))

    def brighter(self, factor: np.ndarray) -> "Colors":
        """Every value times ``factor`` (N,)."""
        return self._replace(gain=self.gain * factor, lift=self.lift * factor)

    def contrasted(self, factor: np.ndarray) -> "Colors":
        """Distances from the picture's mean grey value times ``factor`` (N,)."""
        mean = self.gain + self.lift  # of the picture so far, in units of m
        return self._replace(gain=self.gain * factor, lift=mean + factor * (self.lift - mean))

    def saturated(self, factor: np.ndarray) -> "Colors":
        """Distances of each pixel from its own grey value times ``factor`` (N,)."""
        return self._replace(saturation=self.saturation * factor)

    def matrices(self, channels: int) -> tuple[Tensor, Tensor]:
        """The map as matrices: (N, C, C) for pixels and (N, C) for the picture's mean of each."""
        weights = np.array([RED, GREEN, BLUE] if channels == 3 else [1.0])
        own = (self.gain * self.saturation)[:, None, None] * np.eye(channels)
        grey = (self.gain * (1 - self.saturation))[:, None, None] * weights  # (N, 1, C)
        return torch.from_numpy(own + grey), torch.from_numpy(self.lift[:, None] * weights)


def recolor(images: Tensor, colors: Colors) -> Tensor:
    """Pictures with their colours changed, on their own device.

    Args:
        images: (N, C, H, W) floating point in [0, 1], C = 1 or 3.
        colors: one change for each.

    Returns:
        (N, C, H, W) in [0, 1].
    """
    N, C, H, W = images.shape
    pixel, mean = (part.to(images.device, images.dtype) for part in colors.matrices(C))
    lift = (mean * images.mean(dim=(2, 3))).sum(dim=1)[:, None, None]  # (N, 1, 1)
    mixed = pixel @ images.reshape(N, C, H * W) + lift
    return mixed.clamp(0, 1).reshape(N, C, H, W)
