"""Windows cut out round objects: most of a large picture is background that teaches little."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.augment import checking
from imgrec_lab.box_ops import Target


@dataclass(frozen=True)
class Windows:
    """Cuts one window out of each picture, most often round one of its objects; nothing is resized.

    A convolutional detector that learned from windows of 80 pixels works on pictures of any size,
    and learns several times faster, since a step spends its time where the objects are. ``fit``
    takes it as ``augment``, alone or in a ``chain``.

    Attributes:
        size: (height, width) of a window, pixels; a multiple of the detector's largest stride.
        background: the share of windows that lie anywhere, whatever is there.
        min_visibility: an object of which less is left within its window is left out, 0 to 1.

    Source: Singh et al. 2018 (SNIPER), https://arxiv.org/abs/1805.09300.
    """

    size: tuple[int, int] = (80, 80)
    background: float = 0.2
    min_visibility: float = 0.4

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, Sequence) else ()
        if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
            raise ValueError(
                f"size must be (height, width), pixels; got {self.size}. Try (80, 80)."
            )
        checking.check_number("background", self.background, 0, 1, "Try 0.2.")
        checking.check_number("min_visibility", self.min_visibility, 0, 1, "Try 0.4.")

    def __call__(self, images: Tensor, targets: Sequence[Target]) -> tuple[Tensor, list[Target]]:
        """Draw a window for each picture, from torch's global generator, and cut.

        Args:
            images: (N, C, H, W) uint8, or floating point in [0, 1], not smaller than a window.
            targets: N of them.

        Returns:
            images (N, C, height, width), and targets without what lies outside of them.

        Raises:
            TypeError, ValueError: if images or targets are not of that kind.
        """
        checking.check_images(images)
        _check_targets(targets, images)
        height, width = images.shape[2:]
        if height < self.size[0] or width < self.size[1]:
            raise ValueError(
                f"images must be at least as large as a window, {self.size[0]} x {self.size[1]}; "
                f"got {height} x {width}. Choose a smaller size."
            )
        corners = self._draw(targets, (height, width))  # (N, 2)
        return _cut(images, corners.to(images.device), self.size), [
            self._moved(target, corner)
            for target, corner in zip(targets, corners.tolist(), strict=True)
        ]

    def _draw(self, targets: Sequence[Target], image_size: tuple[int, int]) -> Tensor:
        """The top left corner of each window, (N, 2) int64 as (x, y)."""
        side = torch.tensor(self.size[::-1])
        last = torch.tensor(image_size[::-1]) - side  # the corner furthest right and down
        chances = torch.rand(len(targets), 4)
        first, end = torch.zeros(len(targets), 2), last.repeat(len(targets), 1).float()
        for row, target in enumerate(targets):
            if len(target["boxes"]) and chances[row, 0] >= self.background:
                chosen = int(chances[row, 1] * len(target["boxes"]))
                box = target["boxes"][chosen].cpu()
                first[row], end[row] = box[2:].ceil() - side, box[:2].floor()  # all of it inside
        low, high = torch.minimum(first, end), torch.maximum(first, end)  # where a box is larger
        drawn = low + chances[:, 2:] * (high - low + 1)
        return drawn.floor().long().clamp(min=0).minimum(last)

    def _moved(self, target: Target, corner: Sequence[int]) -> Target:
        x, y = corner
        moved = target["boxes"] - target["boxes"].new_tensor([x, y, x, y])
        boxes = box_ops.clip(moved, self.size)
        kept = box_ops.area(boxes) >= self.min_visibility * box_ops.area(moved)
        kept &= box_ops.area(boxes) > 0
        cut: Target = {"boxes": boxes[kept], "labels": target["labels"][kept]}
        if "masks" in target:
            height, width = self.size
            cut["masks"] = target["masks"][kept, y : y + height, x : x + width]
        return cut


def _check_targets(targets: Sequence[Target], images: Tensor) -> None:
    if not isinstance(targets, list | tuple):
        raise TypeError(
            "targets must be a list of N targets with boxes; got a "
            f"{type(targets).__name__}. For pictures with one label use augment.Crop."
        )
    if len(targets) != len(images):
        raise ValueError(
            f"targets must be one for each of {len(images)} images; got {len(targets)}."
        )
    for target in targets:
        checking.check_target(target, tuple(images.shape[2:]))


def _cut(images: Tensor, corners: Tensor, size: tuple[int, int]) -> Tensor:
    """One window of each picture, (N, C, height, width), in the layout that convolutions like."""
    columns = corners[:, :1] + torch.arange(size[1], device=images.device)  # (N, width)
    rows = corners[:, 1:] + torch.arange(size[0], device=images.device)  # (N, height)
    picture = torch.arange(len(images), device=images.device)[:, None, None]
    pixels = images[picture, :, rows[:, :, None], columns[:, None, :]]  # (N, height, width, C)
    return pixels.permute(0, 3, 1, 2)
