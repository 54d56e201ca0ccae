"""Checks of what comes in, with advice: amounts of a step, pictures, targets."""

import math
import numbers

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target


def check_number(name: str, value: object, low: float, high: float, advice: str) -> None:
    """ValueError unless ``value`` is a finite number from ``low`` to ``high``."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g} to {high:g}; got {value!r}. {advice}")


def check_images(
    images: Tensor, count: int | None = None, image_size: tuple[int, int] | None = None
) -> None:
    """TypeError or ValueError unless ``images`` are a batch of pictures as the package has them."""
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a tensor (N, C, H, W); got {type(images).__name__}. "
            "Try torch.as_tensor(...), channels first."
        )
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(
            f"images must be uint8, or floating point in [0, 1]; got {images.dtype}. "
            "Try images.float() / 255."
        )
    if images.requires_grad:
        raise ValueError(
            "images must not require gradients: none flow through an augmentation. Try "
            "images.detach()."
        )
    if images.dim() != 4 or images.shape[1] not in (1, 3) or 0 in images.shape[2:]:
        raise ValueError(
            "images must have shape (N, C, H, W) with C = 1 (grey) or 3 (RGB); got "
            f"{tuple(images.shape)}. For one picture use images[None]; to drop an alpha channel "
            "use images[:, :3]."
        )
    if count is not None and (len(images), *images.shape[2:]) != (count, *image_size):
        raise ValueError(
            f"the draw was made for {count} pictures of {image_size[0]} x {image_size[1]} pixels; "
            f"got {len(images)} of {images.shape[2]} x {images.shape[3]}. Draw again for these."
        )
    if images.is_floating_point() and images.device.type == "cpu":
        _check_range(images[:1])  # a batch in other units shows it in its first picture


def _check_range(image: Tensor) -> None:
    if not image.numel():
        return
    low, high = (bound.item() for bound in image.aminmax())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # also where one is NaN
        raise ValueError(
            f"floating-point images must lie in [0, 1]; got {low:g} to {high:g}. Try images / 255, "
            "and augment before anything is normalised."
        )


def check_target(target: Target, image_size: tuple[int, int]) -> None:
    """TypeError or ValueError unless ``target`` fits a picture of that size."""
    if not isinstance(target, dict) or not {"boxes", "labels"} <= set(target):
        kind = sorted(target) if isinstance(target, dict) else type(target).__name__
        raise TypeError(f"a target must be a dict with boxes and labels; got {kind}.")
    if unknown := sorted(set(target) - {"boxes", "labels", "masks"}):
        raise ValueError(
            f"a target may hold boxes, labels and masks; got also {', '.join(unknown)}, which "
            "would no longer fit. Take it out before the augmentation."
        )
    if wrong := [key for key, value in target.items() if not isinstance(value, Tensor)]:
        raise TypeError(
            f"a target must hold tensors; got {type(target[wrong[0]]).__name__} for {wrong[0]}. "
            "Try torch.as_tensor(...)."
        )
    boxes, labels = target["boxes"], target["labels"]
    if boxes.shape[1:] != (4,) or labels.shape != boxes.shape[:1]:
        raise ValueError(
            "a target must have boxes (M, 4) and labels (M,); got "
            f"{tuple(boxes.shape)} and {tuple(labels.shape)}. No objects: torch.zeros(0, 4)."
        )
    if not boxes.isfinite().all():
        raise ValueError("boxes must be finite numbers, xyxy pixels; got NaN or infinity.")
    if "masks" in target and tuple(target["masks"].shape) != (len(boxes), *image_size):
        raise ValueError(
            f"masks must have shape (M, H, W) = {(len(boxes), *image_size)}, the size of the "
            f"picture; got {tuple(target['masks'].shape)}."
        )
