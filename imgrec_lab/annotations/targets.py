"""One picture's labels as the tensors that detectors train on, and back."""

from __future__ import annotations

import numpy as np
import torch

from imgrec_lab.annotations import outlines, rle_masks
from imgrec_lab.annotations.records import Instance, Picture
from imgrec_lab.box_ops import Target


def target_of(picture: Picture) -> Target:
    """The labels of one picture as a detection target.

    Crowds and boxes without area are kept; leave them out before you train.

    Returns:
        boxes (M, 4) and labels (M,); also masks (M, H, W) if every instance has an outline.
    """
    boxes = torch.tensor([item.box for item in picture.instances], dtype=torch.float32)
    labels = torch.tensor([item.label for item in picture.instances], dtype=torch.int64)
    target = {"boxes": boxes.reshape(-1, 4), "labels": labels}
    if all(item.polygons or item.rle is not None for item in picture.instances):
        masks = torch.zeros(len(labels), picture.height, picture.width, dtype=torch.bool)
        for mask, item in zip(masks, picture.instances, strict=True):
            mask.copy_(torch.from_numpy(_mask(item, picture.height, picture.width)))
        target["masks"] = masks
    return target


def _mask(item: Instance, height: int, width: int) -> np.ndarray:
    if item.rle is not None:
        return rle_masks.decode(item.rle, height, width)
    return outlines.polygons_to_mask(item.polygons, height, width)


def instances_of(target: Target) -> tuple[Instance, ...]:
    """A detection target as instances; masks become run lengths.

    Args:
        target: boxes (M, 4), labels (M,) and perhaps masks (M, H, W) bool, on any device.
    """
    boxes, labels = target["boxes"].numpy(force=True), target["labels"].tolist()
    boxes = boxes.astype(str).astype(float).tolist()  # 12.3 in float32 comes out as 12.3
    masks = target["masks"].numpy(force=True) if "masks" in target else [None] * len(boxes)
    return tuple(
        Instance(label, tuple(box), rle=None if mask is None else rle_masks.encode(mask))
        for box, label, mask in zip(boxes, labels, masks, strict=True)
    )
