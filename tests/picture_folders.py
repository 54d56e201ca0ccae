"""Folders of pictures that tests train on."""

from pathlib import Path

import torch
from PIL import Image


def reddish_and_bluish(root: Path, *, per_class: int) -> Path:
    """Noise of 16 x 16 pixels as PNG files in ``root``/red and ``root``/blue; returns ``root``."""
    generator = torch.Generator().manual_seed(0)
    for channel, name in ((0, "red"), (2, "blue")):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = torch.randint(0, 156, (16, 16, 3), generator=generator, dtype=torch.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels.numpy()).save(root / name / f"{index}.png")
    return root
