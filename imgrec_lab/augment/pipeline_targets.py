"""Between our tensors and albumentations' arrays: pictures and targets, checked on the way."""

from numbers import Integral

import cv2
import numpy as np
import torch
from torch import Tensor

from imgrec_lab.box_ops import Target

KEYS = ("boxes", "labels", "masks", "keypoints", "visible")


def to_array(image: Tensor) -> np.ndarray:
    """(C, H, W) as (H, W, 3) that shares no memory with it; a grey picture as three equal channels.

    Raises:
        TypeError, ValueError: if it is no picture that a pipeline takes.
    """
    check_image(image)
    planes = tuple(image.numpy())  # C of (H, W)
    return cv2.merge(planes if len(planes) == 3 else planes * 3)  # much faster than a transpose


def to_image(pixels: np.ndarray, like: Tensor) -> Tensor:
    """(H, W, 3) as (C, H, W) with the dtype and the number of channels of ``like``.

    Raises:
        TypeError, ValueError: if the pipeline has made something else than a picture of that kind.
    """
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(
            "a pipeline must keep the channels of its pictures; one came out as "
            f"{getattr(pixels, 'shape', type(pixels).__name__)}. Take the step out that changes it."
        )
    planes = np.empty((3, *pixels.shape[:2]), pixels.dtype)
    cv2.split(pixels, list(planes))  # writes into them
    image = torch.from_numpy(planes)[: len(like)]
    if image.dtype != like.dtype:
        raise TypeError(
            f"a pipeline must keep the dtype of its pictures; {like.dtype} became {image.dtype}. "
            "Take the step out that converts; a SeededSet gives float32 in [0, 1]."
        )
    return image.clamp_(0, 1) if image.is_floating_point() else image


def check_image(image: Tensor) -> None:
    """Raise unless ``image`` is (C, H, W) on the CPU, uint8 or float32 in [0, 1], C = 1 or 3."""
    if not isinstance(image, Tensor):
        raise TypeError(
            f"image must be a tensor (C, H, W); got {type(image).__name__}. "
            "Try torchvision.transforms.v2.functional.pil_to_tensor(picture)."
        )
    if image.ndim != 3 or len(image) not in (1, 3) or 0 in image.shape:
        advice = "Drop the alpha channel with image[:3]." if image.shape[:1] == (4,) else ""
        advice = advice or "For a batch, call the pipeline for each picture."
        raise ValueError(
            f"image must have shape (C, H, W) with C = 1 or 3; got {tuple(image.shape)}. {advice}"
        )
    if image.device.type != "cpu":
        raise ValueError(
            f"image must lie on the CPU, where albumentations works; got {image.device}. "
            "A Policy works on any device."
        )
    if image.dtype not in (torch.uint8, torch.float32):
        raise TypeError(
            f"image must be uint8 or float32; got {image.dtype}. Try image.float() for fractions."
        )
    if image.dtype == torch.float32:
        low, high = (value.item() for value in image.aminmax())
        if not (low >= 0 and high <= 1):  # also where a value is NaN
            raise ValueError(
                f"a float32 image must lie in [0, 1]; got {low:g} to {high:g}. "
                "For values of 0 to 255 use image.to(torch.uint8) or image / 255."
            )


def is_label(target: object) -> bool:
    """Whether ``target`` is one class index, as a whole number or a tensor without dimensions."""
    if isinstance(target, Tensor):
        return target.ndim == 0 and not target.is_floating_point() and target.dtype != torch.bool
    return isinstance(target, Integral) and not isinstance(target, bool)


def check_target(target: Target, image_size: tuple[int, int]) -> None:
    """Raise unless ``target`` is a dict of boxes and labels, and masks or keypoints that fit.

    Raises:
        TypeError, ValueError: what must hold, what came, what to try.
    """
    if not isinstance(target, dict):
        raise TypeError(
            f"target must be a label or a dict of boxes and labels; got {type(target).__name__}."
        )
    unknown = [key for key in target if key not in KEYS]
    missing = [key for key in KEYS[:2] if key not in target]
    if unknown or missing:
        problem = f"lacks {missing[0]!r}" if missing else f"has {unknown[0]!r}"
        raise ValueError(
            f"target must have the keys boxes and labels, and may have masks, keypoints and "
            f"visible; it {problem}. Keep other facts outside of it."
        )
    _check_boxes(target["boxes"])
    _check_labels(target["labels"], len(target["boxes"]))
    if "masks" in target:
        _check_masks(target["masks"], len(target["boxes"]), image_size)
    if "keypoints" in target or "visible" in target:
        _check_keypoints(target.get("keypoints"), target.get("visible"))


def _check_boxes(boxes: Tensor) -> None:
    _check_tensor("boxes", boxes, (None, 4))
    if not boxes.is_floating_point():
        raise TypeError(f"boxes must be float32; got {boxes.dtype}. Try boxes.float().")
    if not boxes.isfinite().all():
        raise ValueError("boxes must be finite; one holds NaN or infinity. Leave that box out.")
    wrong = (boxes[:, 2:] < boxes[:, :2]).any(dim=1).nonzero()[:, 0]
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"boxes must have x1 <= x2 and y1 <= y2; box {row} is {boxes[row].tolist()}. "
            "From x, y, width, height make x, y, x + width, y + height."
        )


def _check_labels(labels: Tensor, count: int) -> None:
    _check_tensor("labels", labels, (count,))
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be int64; got {labels.dtype}. Try labels.long().")


def _check_masks(masks: Tensor, count: int, image_size: tuple[int, int]) -> None:
    _check_tensor("masks", masks, (count, *image_size))
    if masks.dtype != torch.bool:
        raise TypeError(f"masks must be bool; got {masks.dtype}. Try masks > 0.5.")


def _check_keypoints(keypoints: Tensor | None, visible: Tensor | None) -> None:
    if keypoints is None:
        raise ValueError("visible must stand beside keypoints; target has no keypoints.")
    _check_tensor("keypoints", keypoints, (None, 2))
    if not keypoints.is_floating_point():
        raise TypeError(f"keypoints must be float32; got {keypoints.dtype}. Try keypoints.float().")
    if not keypoints.isfinite().all():
        raise ValueError(
            "keypoints must be finite; one holds NaN or infinity. Give an unknown one any place "
            "and visible = False."
        )
    if visible is not None:
        _check_tensor("visible", visible, (len(keypoints),))
        if visible.dtype != torch.bool:
            raise TypeError(f"visible must be bool; got {visible.dtype}. Try visible > 0.")


def _check_tensor(name: str, value: Tensor, shape: tuple[int | None, ...]) -> None:
    letters = {"boxes": "M", "keypoints": "P"}
    wanted = ", ".join(letters[name] if side is None else str(side) for side in shape)
    wanted += "," * (len(shape) == 1)
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} must be a tensor ({wanted}); got {type(value).__name__}. "
            "Try torch.as_tensor(...)."
        )
    fits = value.ndim == len(shape) and all(
        side is None or side == found for side, found in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name} must have shape ({wanted}) beside this picture and its boxes; "
            f"got {tuple(value.shape)}. For one use {name}[None]."
        )


def to_data(target: Target, image_size: tuple[int, int]) -> dict[str, np.ndarray]:
    """A checked target as what albumentations calls bboxes, index, masks and keypoints.

    Boxes are cut to the picture, and those with nothing in it are left out; ``index`` says for each
    box which object of ``target`` it is. Keypoints are measured from the centre of the first pixel.
    """
    height, width = image_size
    edge = torch.tensor([width, height, width, height], dtype=torch.float32)
    boxes = target["boxes"].float().clamp(min=torch.zeros(4), max=edge)  # (M, 4)
    index = (boxes[:, 2:] > boxes[:, :2]).all(dim=1).nonzero()[:, 0]
    data = {"bboxes": boxes[index].numpy(), "index": index.numpy()}
    if "masks" in target and len(target["masks"]):
        data["masks"] = target["masks"].to(torch.uint8).numpy()  # a copy: (M, H, W)
    if "keypoints" in target:
        data["keypoints"] = target["keypoints"].float().numpy() - 0.5
    else:
        data["keypoints"] = np.zeros((0, 2), np.float32)
    return data


def to_target(data: dict, target: Target) -> Target:
    """What albumentations has made of ``target``, with its keys; see Pipeline for what is kept."""
    height, width = data["image"].shape[:2]
    index = torch.as_tensor(np.asarray(data["index"], dtype=np.int64))  # (M',)
    boxes = np.asarray(data["bboxes"], dtype=np.float32).reshape(-1, 4)
    result = {"boxes": torch.from_numpy(boxes), "labels": target["labels"].long()[index]}
    if "masks" in target:
        masks = data.get("masks", np.zeros((0, height, width), np.uint8))
        result["masks"] = torch.from_numpy(np.asarray(masks)).bool()[index]
    if "keypoints" in target:
        points = np.asarray(data["keypoints"], dtype=np.float32).reshape(-1, 2) + 0.5
        inside = ((points >= 0) & (points < (width, height))).all(axis=1)
        result["keypoints"] = torch.from_numpy(points)
        result["visible"] = torch.from_numpy(inside)
        if "visible" in target:
            result["visible"] &= target["visible"]
    return result
