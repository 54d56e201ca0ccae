"""What targets and pictures must be made of, in sentences that say what came and what to try."""

import numbers
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target

_SLACK = 1e-3  # a resized picture may leave [0, 1] by a hair


def check_outputs(outputs: Any, keys: Sequence[str], model: str) -> None:
    """TypeError unless ``outputs`` hold ``keys``, as those of a ``model`` do."""
    if not isinstance(outputs, dict) or not set(keys) <= outputs.keys():
        came = ", ".join(outputs) if isinstance(outputs, dict) else f"a {type(outputs).__name__}"
        raise TypeError(
            f"outputs must be those of a {model}: {', '.join(keys)}; got {came}. Each model has "
            "its own loss: detect.detection_loss, detect.localisation_loss, or model.loss."
        )


def check_targets(targets: Sequence[Target], count: int, num_classes: int) -> None:
    """TypeError or ValueError unless there is one target a picture, with boxes and labels that fit.

    The numbers themselves are looked at on the CPU only: a GPU would have to be waited for.
    """
    if not isinstance(targets, list | tuple):
        raise TypeError(
            "targets must be a list of dicts, one a picture, with boxes and labels; got a "
            f"{type(targets).__name__}. A set with boxes is a datasets.SceneSet, and make_loader "
            "gives its targets."
        )
    if len(targets) != count:
        raise ValueError(f"targets must hold one a picture: {count}; got {len(targets)}.")
    for index, target in enumerate(targets):
        _check_kinds(target, index)
        boxes, labels = target["boxes"], target["labels"]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
            raise ValueError(
                f"targets[{index}] must have boxes (M, 4) and labels (M,); got "
                f"{tuple(boxes.shape)} and {tuple(labels.shape)}. For no object use "
                "torch.zeros(0, 4) and torch.zeros(0, dtype=torch.int64)."
            )
        if boxes.device.type == "cpu":
            _check_numbers(boxes, labels, index, num_classes)


def _check_kinds(target: Target, index: int) -> None:
    parts = [target.get(key) if isinstance(target, dict) else None for key in ("boxes", "labels")]
    if not all(isinstance(part, Tensor) for part in parts):
        raise TypeError(
            f"each target must be a dict with the tensors boxes and labels; targets[{index}] is "
            "not. Try torch.as_tensor(...) for what is a list."
        )
    boxes, labels = parts
    if not boxes.is_floating_point() or labels.dtype != torch.int64:
        raise TypeError(
            f"boxes must be floating point and labels int64; targets[{index}] has {boxes.dtype} "
            f"and {labels.dtype}. Try boxes.float() and labels.long()."
        )


def _check_numbers(boxes: Tensor, labels: Tensor, index: int, num_classes: int) -> None:
    if not boxes.isfinite().all():
        raise ValueError(
            f"boxes must be finite numbers; targets[{index}] has NaN or infinity. "
            "audit.audit(folder) names such boxes."
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, as the model has {num_classes} classes; "
            f"targets[{index}] has {labels.min()}..{labels.max()}. Build the model with "
            "num_classes=len(classes), or correct the labels."
        )


def check_fraction(name: str, value: float) -> None:
    """ValueError unless ``value`` is a number from 0 to 1."""
    if not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number in [0, 1]; got {value!r}. Try 0.5.")


def check_count(name: str, value: int, advice: str) -> None:
    """ValueError unless ``value`` is a whole number of 1 or more."""
    if not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}. {advice}")


def check_pictures(images: Tensor | Sequence[Tensor]) -> None:
    """TypeError or ValueError unless these are pictures (C, H, W), uint8 or float in [0, 1].

    The range is looked at on the CPU only: a GPU would have to be waited for.
    """
    if not isinstance(images, Tensor | list | tuple):
        raise TypeError(
            "images must be a batch (N, C, H, W), or a list of pictures (C, H, W); got "
            f"{type(images).__name__}. Of a set take its images, of one picture make [image]."
        )
    for index, image in enumerate(images):
        if not isinstance(image, Tensor):
            raise TypeError(
                f"images must be tensors (C, H, W); got {type(image).__name__} at index {index}. "
                "Try image_files.read_image(path), or torch.as_tensor(array).permute(2, 0, 1)."
            )
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise TypeError(
                f"images must be uint8, or floating point in [0, 1]; got {image.dtype} at index "
                f"{index}. Try image.to(torch.uint8), or image.float() for pixels of 0 and 1."
            )
        if image.ndim != 3 or 0 in image.shape:
            raise ValueError(
                f"each picture must have shape (C, H, W) with no side of 0; got "
                f"{tuple(image.shape)} at index {index}. For one picture use images[None]."
            )
        if image.is_floating_point() and image.device.type == "cpu":
            _check_range(image, index)


def _check_range(image: Tensor, index: int) -> None:
    low, high = (bound.item() for bound in image.aminmax())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # also where one is NaN
        raise ValueError(
            f"images in floating point must lie in [0, 1]; got {low:.4g} to {high:.4g} at index "
            f"{index}. Try image / 255; a model normalises by itself."
        )
