"""Our pictures and targets as albumentations' arrays, and back."""

import cv2
import numpy as np
import torch
from torch import Tensor

from imgrec_lab import box_ops
from imgrec_lab.augment.checking import check_image
from imgrec_lab.box_ops import Target


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


def to_data(target: Target, image_size: tuple[int, int]) -> dict[str, np.ndarray]:
    """A checked target as what albumentations calls bboxes, index, masks and keypoints.

    Boxes are cut to the picture, and those with nothing in it are left out; ``index`` says for each
    box which object of ``target`` it is. Keypoints are measured from the centre of the first pixel.
    """
    boxes = box_ops.clip(target["boxes"].float(), image_size)  # (M, 4)
    index = (boxes[:, 2:] > boxes[:, :2]).all(dim=1).nonzero()[:, 0]
    data = {"bboxes": boxes[index].numpy(), "index": index.numpy()}
    if "masks" in target and len(target["masks"]):
        data["masks"] = target["masks"].to(torch.uint8, copy=True).numpy()  # (M, H, W)
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
