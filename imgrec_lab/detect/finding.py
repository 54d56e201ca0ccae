"""From pictures of any size to what is in them, and how well that is done."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab import box_ops, metrics, runtime
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.detect import target_checks

_BATCH_PIXELS = 2**20  # pictures of one size are looked at together, up to so many pixels


@torch.no_grad()
def predict(
    model: nn.Module,
    images: Tensor | Sequence[Tensor],
    *,
    score_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> list[Detections]:
    """What ``model`` finds in each picture, on the CPU, the surest first.

    Objects should be about as large, in pixels, as those that the model learned from; pictures
    are padded where a side is no multiple of a ``Detector``'s strides, never resized.

    Args:
        model: a ``Detector``, ``Localiser`` or ``TorchvisionDetector``.
        images: (N, C, H, W), or pictures (C, H, W) of any sizes; uint8, or float in [0, 1].
        score_threshold: what is less sure is left out, 0 to 1.
        iou_threshold: of two boxes of one class that share more, the surer stays, 0 to 1.
        max_detections: at most so many a picture.

    Raises:
        TypeError, ValueError: if there is something else than pictures, or a threshold makes no
            sense.
    """
    _check_finder(model)
    target_checks.check_pictures(images)
    target_checks.check_fraction("score_threshold", score_threshold)
    target_checks.check_fraction("iou_threshold", iou_threshold)
    target_checks.check_count("max_detections", max_detections, "Try 100.")
    weight = next(model.parameters())
    device, precision = weight.device, runtime.pick_precision(weight.device)
    multiple = max(getattr(model, "strides", (1,)))  # no strides: it takes any size as it is
    model.eval()
    found: dict[int, Detections] = {}
    for group in _alike(images, multiple):
        batch = torch.stack([_padded(images[index], multiple) for index in group])
        batch = batch.to(device, weight.dtype, memory_format=torch.channels_last)
        with precision.autocast(device):
            answers = model.detections(
                batch,
                score_threshold=score_threshold,
                iou_threshold=iou_threshold,
                max_detections=max_detections,
            )
        for index, answer in zip(group, answers, strict=True):
            found[index] = _within(answer, tuple(images[index].shape[1:]))
    return [found[index] for index in range(len(images))]


def evaluate(
    model: nn.Module, loader: Iterable[tuple[Tensor, Any]], *, iou_threshold: float = 0.5
) -> metrics.DetectionScores:
    """Average precision and recall of ``model`` over ``loader``, with nothing learned.

    Args:
        model: as for ``predict``.
        loader: yields images (N, C, H, W) and N targets.
        iou_threshold: of the suppression.
    """
    _check_finder(model)
    found, targets = [], []
    for images, part in loader:
        target_checks.check_targets(part, len(images), model.num_classes)
        answers = predict(model, images, score_threshold=0.01, iou_threshold=iou_threshold)
        found += map(_compared, answers)
        targets += map(_compared, part)
    return metrics.mean_average_precision(found, targets, num_classes=model.num_classes)


def _check_finder(model: nn.Module) -> None:
    if not isinstance(model, nn.Module) or not hasattr(model, "detections"):
        raise TypeError(
            "model must find objects, by its method detections: a Detector, a Localiser or a "
            f"TorchvisionDetector; got {type(model).__name__}. Classifiers go to train.predict."
        )


def _compared(values: Detections | Target) -> dict[str, Tensor]:
    """What average precision looks at; the masks of a whole set would fill the memory."""
    keys = ("boxes", "scores", "labels", "crowd")
    return {key: values[key].cpu() for key in keys if key in values}


def _alike(images: Tensor | Sequence[Tensor], multiple: int) -> list[list[int]]:
    """Indices of pictures that have one size after padding, in parts that fit into memory."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        sizes.setdefault(
            (len(image), *(_rounded(side, multiple) for side in image.shape[1:])), []
        ).append(index)
    groups = []
    for (_, height, width), indices in sizes.items():
        step = max(1, _BATCH_PIXELS // (height * width))
        groups += [indices[first : first + step] for first in range(0, len(indices), step)]
    return groups


def _rounded(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _padded(image: Tensor, multiple: int) -> Tensor:
    """As float, filled up with its mean colour, below and to the right, to whole strides."""
    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    height, width = image.shape[1:]
    below, right = _rounded(height, multiple) - height, _rounded(width, multiple) - width
    if not below and not right:
        return pixels
    mean = pixels.mean(dim=(1, 2), keepdim=True)  # repeated edges look like things
    return F.pad(pixels - mean, (0, right, 0, below)) + mean


def _within(found: Detections, image_size: tuple[int, int]) -> Detections:
    """On the CPU, cut off at the picture's edges, and without what lies beyond them."""
    found = {key: value.cpu() for key, value in found.items()}
    found["boxes"] = box_ops.clip(found["boxes"].float(), image_size)
    if "masks" in found:
        height, width = image_size
        found["masks"] = found["masks"][:, :height, :width]
    inside = box_ops.area(found["boxes"]) > 0
    return {key: value[inside] for key, value in found.items()}
