"""torchvision.transforms.v2 on our batches: each picture its own draw, boxes and masks in step.

Given plain tensors, a v2 transform does two things that look like success: it draws once for the
whole batch, and it turns the pictures but returns their boxes as they were, because boxes move only
where they come as ``tv_tensors.BoundingBoxes``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.augment.checking import check_target
from imgrec_lab.box_ops import Target

Targets = Tensor | Sequence[Target]


def is_torchvision(transform: object) -> bool:
    """Whether ``transform`` is one of torchvision's; does not import torchvision."""
    module = sys.modules.get("torchvision.transforms.v2")
    if module is not None and isinstance(transform, module.Transform):
        return True
    return type(transform).__module__.startswith("torchvision.transforms")


@dataclass(frozen=True)
class PerPicture:
    """``transform`` on a batch, drawn anew for each picture; MixUp and CutMix get the whole batch.

    ``PerPicture(transform)(images, targets)`` gives ``(images, targets)``: images (N, C, H, W)
    as the transform leaves them; targets are labels (N,), which come back as they are ((N, K) after
    MixUp or CutMix), or N dicts of boxes, labels and perhaps masks. Boxes are cut to the picture,
    those of no area are dropped with their labels and masks. Randomness comes from torch's global
    generator.

    Attributes:
        transform: of ``torchvision.transforms.v2``.

    Raises:
        TypeError: if ``transform`` is not of v2.
    """

    transform: Callable

    def __post_init__(self) -> None:
        check_transform(self.transform)

    def __call__(self, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
        if images.ndim != 4 or len(images) != len(targets):
            raise ValueError(
                "images must have shape (N, C, H, W), with N targets; got "
                f"{tuple(images.shape)} and {len(targets)}. For one picture use images[None]."
            )
        return _run(self.transform, images, targets)


def on_picture(
    transform: Callable, image: Tensor, target: Tensor | int | Target
) -> tuple[Tensor, Tensor | int | Target]:
    """One picture (C, H, W) and its label or target through a v2 transform.

    Raises:
        TypeError, ValueError: if the target is neither, or does not fit the picture.
    """
    from torchvision import tv_tensors

    picture = tv_tensors.Image(image)
    if not isinstance(target, dict):
        changed, label = transform(picture, target)
        return changed.as_subclass(Tensor), label
    changed, wrapped = transform(picture, _wrapped(target, tuple(image.shape[-2:])))
    return changed.as_subclass(Tensor), _plain(wrapped, tuple(changed.shape[-2:]))


def _run(transform: Callable, images: Tensor, targets: Targets) -> tuple[Tensor, Targets]:
    from torchvision.transforms import v2

    if _mixes(transform) and isinstance(transform, v2.Compose):
        for part in transform.transforms:  # what mixes pictures needs them all
            images, targets = _run(part, images, targets)
        return images, targets
    if _mixes(transform):
        if not isinstance(targets, Tensor):
            raise TypeError(
                "MixUp and CutMix need class labels (N,); got dicts of boxes. "
                "Leave them out for detection."
            )
        return transform(images, targets)
    pairs = [on_picture(transform, *pair) for pair in zip(images, targets, strict=True)]
    if not pairs:
        return images, targets
    changed = [image for image, _ in pairs]
    if len({image.shape for image in changed}) > 1:
        raise ValueError(
            "the pictures of a batch must have one size after a transform; got "
            f"{sorted({tuple(image.shape) for image in changed})}. End with v2.Resize((H, W))."
        )
    is_labels = isinstance(targets, Tensor)
    return torch.stack(changed), targets if is_labels else [target for _, target in pairs]


def _mixes(transform: object) -> bool:
    from torchvision.transforms import v2

    if isinstance(transform, v2.MixUp | v2.CutMix):
        return True
    return any(_mixes(part) for part in getattr(transform, "transforms", ()))


def _wrapped(target: Target, image_size: tuple[int, int]) -> dict:
    from torchvision import tv_tensors

    check_target(target, image_size)
    boxes = tv_tensors.BoundingBoxes(target["boxes"], format="XYXY", canvas_size=image_size)
    wrapped = {"boxes": boxes, "labels": target["labels"].long()}
    if "masks" in target:
        wrapped["masks"] = tv_tensors.Mask(target["masks"].to(torch.uint8))  # bool cannot be turned
    return wrapped


def _plain(wrapped: dict, image_size: tuple[int, int]) -> Target:
    boxes = box_ops.clip(wrapped["boxes"].as_subclass(Tensor).float(), image_size)  # (M, 4)
    kept = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)  # (M,)
    target = {"boxes": boxes[kept], "labels": wrapped["labels"][kept]}
    if "masks" in wrapped:
        target["masks"] = wrapped["masks"].as_subclass(Tensor).bool()[kept]
    return target


def check_transform(transform: object) -> None:
    """TypeError unless ``transform`` is one of ``torchvision.transforms.v2``."""
    from torchvision.transforms import v2

    if isinstance(transform, v2.Transform):
        return
    name = getattr(transform, "__name__", type(transform).__name__)
    advice = f"Try torchvision.transforms.v2.{name}." if hasattr(v2, name) else ""
    raise TypeError(
        "transform must be one of torchvision.transforms.v2, made with brackets; "
        f"got {name}. {advice}".rstrip()
    )
