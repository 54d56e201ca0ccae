"""What a set of pictures must be made of, in sentences that say what came and what to try."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """The class names as a tuple; TypeError or ValueError unless they are different names."""
    if isinstance(classes, str) or not all(isinstance(name, str) for name in classes):
        raise TypeError(
            f"classes must be a sequence of names; got {classes!r}. Try ('cat', 'dog')."
        )
    repeated = [name for name, times in Counter(classes).items() if times > 1]
    if repeated:
        raise ValueError(f"class names must differ; {repeated[0]!r} came more than once.")
    return tuple(classes)


def check_images(images: Tensor) -> None:
    """Raise TypeError or ValueError unless these are uint8 pictures (N, C, H, W), C = 1 or 3."""
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a uint8 tensor (N, C, H, W); got {type(images).__name__}. "
            "Try torch.as_tensor(images)."
        )
    if images.dtype != torch.uint8:
        raise TypeError(
            f"images must be uint8 in 0..255; got {images.dtype}. "
            "For floats in [0, 1] use (images * 255).round().to(torch.uint8)."
        )
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise ValueError(
            f"images must have shape (N, C, H, W) with C = 1 (grey) or 3 (RGB); got {shape}. "
            + _shape_advice(shape)
        )


def _shape_advice(shape: tuple[int, ...]) -> str:
    if len(shape) == 3:
        return "For one picture use images[None], for grey pictures images[:, None]."
    if len(shape) == 4 and shape[3] in (1, 3):
        return "For (N, H, W, C) use images.permute(0, 3, 1, 2)."
    if len(shape) == 4 and shape[1] == 4:
        return "For RGBA use images[:, :3]."
    return "Try image_files.read_image, which brings any file to this shape."


def check_labels(labels: Tensor, count: int, classes: tuple[str, ...]) -> None:
    """Raise TypeError or ValueError unless labels are (count,) int64 indices into ``classes``."""
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64:
        came = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"labels must be an int64 tensor; got {came}. Try torch.as_tensor(labels).")
    if labels.shape != (count,):
        raise ValueError(
            f"labels must have shape (N,) = ({count},), one a picture; got {tuple(labels.shape)}."
        )
    _check_range(labels, classes, "labels")


def _check_range(labels: Tensor, classes: tuple[str, ...], what: str) -> None:
    outside = (labels < 0) | (labels >= len(classes))
    if outside.any():
        first = int(outside.nonzero()[0, 0])
        raise ValueError(
            f"{what} must lie in 0..{len(classes) - 1} for {len(classes)} classes; "
            f"got {int(labels[first])} at index {first}. Name every class, or drop the image."
        )


def check_targets(targets: list[Target], count: int, classes: tuple[str, ...]) -> None:
    """Raise TypeError or ValueError unless each scene has boxes (M, 4) and labels (M,) that fit."""
    if len(targets) != count:
        raise ValueError(f"targets must hold one target a scene: {count}; got {len(targets)}.")
    for index, target in enumerate(targets):
        boxes, labels = target["boxes"], target["labels"]
        if boxes.dtype != torch.float32 or labels.dtype != torch.int64:
            raise TypeError(
                f"boxes must be float32 and labels int64; got {boxes.dtype} and {labels.dtype} in "
                f"targets[{index}]. Try boxes.float() and labels.long()."
            )
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(
                f"boxes must have shape (M, 4), xyxy pixels; got {tuple(boxes.shape)} in "
                f"targets[{index}]. For no object use torch.zeros(0, 4)."
            )
        if labels.shape != (len(boxes),):
            raise ValueError(
                f"each box needs one label; got {len(boxes)} boxes and labels "
                f"{tuple(labels.shape)} in targets[{index}]."
            )
        _check_range(labels, classes, f"targets[{index}]['labels']")
