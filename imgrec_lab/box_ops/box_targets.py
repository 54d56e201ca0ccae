"""What is in a picture, and what a model found in it: the two dicts that detection passes on."""

from typing import NotRequired, TypedDict

from torch import Tensor


class Target(TypedDict):
    """What one picture shows, under the keys that torchvision's detectors use.

    Attributes:
        boxes: (M, 4) float32 xyxy pixels, half-open; (0, 4) where there is nothing.
        labels: (M,) int64, an index into the class names.
        masks: (M, H, W) bool, the visible pixels of each object.
        crowd: (M,) bool, groups that nobody counted; metrics neither ask for them nor punish
            what is found in them. Without it there are none.
    """

    boxes: Tensor
    labels: Tensor
    masks: NotRequired[Tensor]
    crowd: NotRequired[Tensor]


class Detections(TypedDict):
    """What a model found in one picture, the surest first.

    Attributes:
        boxes: (M, 4) float32 xyxy pixels, half-open; (0, 4) where nothing was found.
        scores: (M,) float32 in [0, 1].
        labels: (M,) int64, an index into the class names.
        masks: (M, H, W) bool, from models that cut out what they find.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: NotRequired[Tensor]
