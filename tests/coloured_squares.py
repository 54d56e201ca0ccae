"""Grey pictures with red and blue rectangles: what the smallest detector learns in seconds."""

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target

COLOURS = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.2, 0.9]])  # of class 0 and 1
Batch = tuple[Tensor, list[Target]]


def draw(count: int, *, seed: int, most: int = 3, least: int = 0, size: int = 48) -> Batch:
    """Pictures (count, 3, size, size) with ``least`` to ``most`` rectangles, apart from each other.

    Each lies in a quarter of its picture.
    """
    generator = torch.Generator().manual_seed(seed)

    def number(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    images, half = 0.3 + 0.1 * torch.rand(count, 3, size, size, generator=generator), size // 2
    targets: list[Target] = []
    for image in images:
        quarters = torch.randperm(4, generator=generator)[: number(least, most + 1)].tolist()
        boxes, labels = torch.zeros(len(quarters), 4), torch.zeros(len(quarters), dtype=torch.int64)
        for row, quarter in enumerate(quarters):
            width, height = number(8, half - 2), number(8, half - 2)
            x = half * (quarter % 2) + number(0, half - width)
            y = half * (quarter // 2) + number(0, half - height)
            boxes[row], labels[row] = torch.tensor([x, y, x + width, y + height]), number(0, 2)
            image[:, y : y + height, x : x + width] = COLOURS[labels[row]][:, None, None]
        targets.append({"boxes": boxes, "labels": labels})
    return images, targets


def batches(images: Tensor, targets: list[Target], size: int) -> list[Batch]:
    """A loader that gives the same batches in the same order each time."""
    return [
        (images[start : start + size], targets[start : start + size])
        for start in range(0, len(images), size)
    ]
