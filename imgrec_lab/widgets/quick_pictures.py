"""Pictures that are drawn on again at every move of a slider: made small once."""

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import INK


class Backdrop:
    """A picture that boxes are drawn on, no larger than the screen shows it.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        most_px: the longest side that is kept, pixels; coordinates stay those of the image.
    """

    def __init__(self, image: Tensor, *, most_px: int = 440):
        pixels = torch.from_numpy(figures.paint_picture(image)).permute(2, 0, 1)  # (3, H, W)
        self.height, self.width = pixels.shape[1:]
        scale = most_px / max(self.height, self.width)
        if scale < 1:
            size = [max(1, round(side * scale)) for side in (self.height, self.width)]
            pixels = F.interpolate(pixels[None].float(), size, mode="area")[0]
        self.pixels = np.uint8(255 * pixels.permute(1, 2, 0).numpy() + 0.5)  # (H', W', 3)

    def show(self, ax: Axes, title: str) -> None:
        """Paint it on ``ax``, without axes, the title above."""
        extent = (-0.5, self.width - 0.5, self.height - 0.5, -0.5)
        ax.imshow(self.pixels, extent=extent, interpolation="nearest")
        ax.set_axis_off()
        ax.set_anchor("NW")
        ax.set_title(title, loc="left", fontsize=11, color=INK)
