"""What comes in is checked here: numbers, choices, pictures and targets, each with advice."""

import math
import numbers
from collections.abc import Sequence

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target

_ADVICE = {  # where a part of a target has another shape
    "boxes": "For one box use boxes[None], for none torch.zeros(0, 4).",
    "labels": "Each box has one.",
    "masks": "Each box has one, as large as the picture.",
    "keypoints": "What a third column says goes into visible.",
    "visible": "Each keypoint has one.",
}


def check_number(name: str, value: object, low: float, high: float, advice: str) -> None:
    """ValueError unless ``value`` is a finite number from ``low`` to ``high``."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g} to {high:g}; got {value!r}. {advice}")


def check_count(name: str, value: object) -> None:
    """ValueError unless ``value`` is a whole number of 0 or more."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more; got {value!r}. Try 0.")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")


# ---------------------------------------------------------------------------------------- pictures


def check_images(images: Tensor) -> None:
    """TypeError or ValueError unless ``images`` are a batch as the package has them.

    That is (N, C, H, W) uint8, or floating point in [0, 1], with C = 1 or 3, on any device.
    """
    _check_pixels("images", images, "(N, C, H, W)", "For one picture use images[None]")
    if images.is_floating_point() and images.device.type == "cpu":
        # A batch in other units shows it in its first picture; a resized one may be off by a hair.
        _check_range("images", images[:1], slack=1e-3)


def check_image(image: Tensor) -> None:
    """TypeError or ValueError unless ``image`` is a picture that albumentations can work on.

    That is (C, H, W) uint8, or float32 in [0, 1], with C = 1 or 3, on the CPU.
    """
    _check_pixels("image", image, "(C, H, W)", "For a batch call the pipeline for each picture")
    if image.device.type != "cpu":
        raise ValueError(
            f"image must lie on the CPU, where albumentations works; got {image.device}. "
            "A Policy works on any device."
        )
    if image.dtype not in (torch.uint8, torch.float32):
        raise TypeError(f"image must be uint8 or float32; got {image.dtype}. Try image.float().")
    if image.is_floating_point():
        _check_range("image", image, slack=0.0)


def _check_pixels(name: str, pixels: Tensor, shape: str, advice: str) -> None:
    if not isinstance(pixels, Tensor):
        raise TypeError(
            f"{name} must be a tensor {shape}; got {type(pixels).__name__}. "
            "Try torch.as_tensor(...), channels first."
        )
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise TypeError(
            f"{name} must be uint8, or floating point in [0, 1]; got {pixels.dtype}. "
            f"Try {name}.float() / 255."
        )
    if pixels.requires_grad:
        raise ValueError(
            f"{name} must not require gradients: none flow through an augmentation. "
            f"Try {name}.detach()."
        )
    fits = pixels.ndim == shape.count(",") + 1 and pixels.shape[-3] in (1, 3)
    if not fits or 0 in pixels.shape[-2:]:
        raise ValueError(
            f"{name} must have shape {shape} with C = 1 (grey) or 3 (RGB); got "
            f"{tuple(pixels.shape)}. {advice}; to drop an alpha channel use "
            f"{name}{'[:, :3]' if name == 'images' else '[:3]'}."
        )


def _check_range(name: str, pixels: Tensor, *, slack: float) -> None:
    if not pixels.numel():
        return
    low, high = (bound.item() for bound in pixels.aminmax())
    if not (low >= -slack and high <= 1 + slack):  # also where one is NaN
        raise ValueError(
            f"{name} in floating point must lie in [0, 1]; got {low:.8g} to {high:.8g}. "
            f"Try {name} / 255, and augment before anything is normalised."
        )


# ----------------------------------------------------------------------------------------- targets


def check_target(target: Target, image_size: tuple[int, int], *, keypoints: bool = False) -> None:
    """TypeError or ValueError unless ``target`` fits a picture of (height, width) pixels.

    Args:
        target: boxes (M, 4) floating point xyxy pixels and labels (M,) whole numbers; perhaps
            masks (M, H, W) bool, or uint8 as torchvision has them.
        image_size: (height, width), pixels.
        keypoints: whether it may also hold keypoints (P, 2) xy pixels, and visible (P,) bool.
    """
    if not isinstance(target, dict):
        raise TypeError(
            f"a target must be a dict of boxes and labels; got {type(target).__name__}. "
            "For classes alone pass whole numbers."
        )
    _check_keys(target, keypoints)
    _check_boxes(target["boxes"])
    count = len(target["boxes"])
    _check_part("labels", target["labels"], (count,))
    _check_kind("labels", target["labels"], "whole numbers", "labels.long()")
    if "masks" in target:
        _check_part("masks", target["masks"], (count, *image_size))
        if target["masks"].dtype != torch.uint8:
            _check_kind("masks", target["masks"], "bool", "masks > 0.5")
    if "keypoints" in target or "visible" in target:
        _check_keypoints(target.get("keypoints"), target.get("visible"))


def _check_keys(target: Target, keypoints: bool) -> None:
    known = ["boxes", "labels", "masks"] + ["keypoints", "visible"] * keypoints
    if missing := [key for key in ("boxes", "labels") if key not in target]:
        raise ValueError(
            f"a target must have boxes and labels; got {', '.join(map(str, target)) or 'neither'}. "
            f"Add {missing[0]}."
        )
    if unknown := [key for key in target if key not in known]:
        raise ValueError(
            f"a target may hold {', '.join(known)}; got also {', '.join(map(str, unknown))}, which "
            "would no longer fit the picture. Keep it elsewhere"
            + ("; a Pipeline moves keypoints." if "keypoints" in unknown else ".")
        )


def _check_boxes(boxes: Tensor) -> None:
    _check_part("boxes", boxes, ("M", 4))
    _check_kind("boxes", boxes, "floating point", "boxes.float()")
    if not boxes.isfinite().all():
        raise ValueError("boxes must be finite, xyxy pixels; got NaN or infinity. Leave them out.")
    ordered = boxes[:, 2:] >= boxes[:, :2]  # (M, 2)
    if not ordered.all():
        row = int((~ordered).nonzero()[0, 0])
        raise ValueError(
            f"boxes must have x1 <= x2 and y1 <= y2; got {boxes[row].tolist()} in row {row}. "
            "From x, y, width, height make x, y, x + width, y + height."
        )


def _check_keypoints(keypoints: Tensor | None, visible: Tensor | None) -> None:
    if keypoints is None:
        raise ValueError(
            "visible must stand beside keypoints; got it alone. Add keypoints (P, 2), or leave it "
            "out."
        )
    _check_part("keypoints", keypoints, ("P", 2))
    _check_kind("keypoints", keypoints, "floating point", "keypoints.float()")
    if not keypoints.isfinite().all():
        raise ValueError(
            "keypoints must be finite, xy pixels; got NaN or infinity. Give an unknown one any "
            "place and visible = False."
        )
    if visible is not None:
        _check_part("visible", visible, (len(keypoints),))
        _check_kind("visible", visible, "bool", "visible > 0")


def _check_part(name: str, value: Tensor, shape: tuple[int | str, ...]) -> None:
    """A tensor of that shape; a letter stands for any number."""
    wanted = str(shape).replace("'", "")
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} must be a tensor {wanted}; got {type(value).__name__}. "
            "Try torch.as_tensor(...)."
        )
    found = value.shape
    pairs = zip(shape, found, strict=False)
    if len(found) != len(shape) or any(w != f for w, f in pairs if not isinstance(w, str)):
        raise ValueError(f"{name} must have shape {wanted}; got {tuple(found)}. {_ADVICE[name]}")


def _check_kind(name: str, value: Tensor, kind: str, advice: str) -> None:
    """A tensor of bool, of whole numbers or of floating point."""
    found = "floating point" if value.is_floating_point() else "whole numbers"
    found = "bool" if value.dtype == torch.bool else found
    if found != kind:
        raise TypeError(f"{name} must be {kind}; got {value.dtype}. Try {advice}.")
