"""What detections and targets must be before they can be compared."""

from collections.abc import Sequence

import torch
from torch import Tensor

from imgrec_lab.box_ops import Detections, Target


def check_threshold(value: float, name: str) -> None:
    """Refuse what is not a share."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie in [0, 1]; got {value}. Try 0.5.")


def check_finite(values: Tensor, name: str) -> None:
    """Refuse NaN, which would be ranked first without a word, and infinity."""
    if not values.isfinite().all():
        raise ValueError(
            f"{name} must be finite; some are NaN or infinite. Did the training diverge, or is a "
            "label damaged?"
        )


def checked(
    detections: Sequence[Detections], targets: Sequence[Target], num_classes: int
) -> tuple[list[Detections], list[Target]]:
    """Both on the CPU, with ``crowd``; refuses what cannot be compared."""
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1; got {num_classes}. Try len(classes).")
    if len(detections) != len(targets):
        raise ValueError(
            "detections and targets must be equally many, one a picture; "
            f"got {len(detections)} and {len(targets)}."
        )
    if not targets:
        raise ValueError("detections and targets must hold at least one picture; got none.")
    found = [
        _checked(each, f"detections[{number}]", ("boxes", "labels", "scores"), num_classes)
        for number, each in enumerate(detections)
    ]
    there = [
        _checked(each, f"targets[{number}]", ("boxes", "labels"), num_classes)
        for number, each in enumerate(targets)
    ]
    for number, target in enumerate(targets):
        there[number]["crowd"] = _crowd(target, f"targets[{number}]")
    return found, there


def _crowd(target: Target, name: str) -> Tensor:
    labels = target["labels"]
    crowd = target.get("crowd", torch.zeros_like(labels))
    if crowd.shape != labels.shape:
        raise ValueError(
            f"{name}['crowd'] must have shape {tuple(labels.shape)}, one a box; "
            f"got {tuple(crowd.shape)}."
        )
    return crowd.detach().cpu().bool()


def _checked(
    values: Detections | Target, name: str, keys: tuple[str, ...], num_classes: int
) -> dict[str, Tensor]:
    if missing := [key for key in keys if key not in values]:
        raise ValueError(f"{name} must hold {', '.join(keys)}; {missing[0]} is missing.")
    values = {key: values[key].detach().cpu() for key in keys}
    if values["boxes"].shape[1:] != (4,):
        raise ValueError(
            f"{name}['boxes'] must have shape (M, 4); got {tuple(values['boxes'].shape)}."
        )
    for key in keys[1:]:
        if values[key].shape != values["boxes"].shape[:1]:
            raise ValueError(
                f"{name}[{key!r}] must have shape ({len(values['boxes'])},), one a box; "
                f"got {tuple(values[key].shape)}."
            )
    for key in ("boxes", "scores"):
        if key in values:
            check_finite(values[key], f"{name}[{key!r}]")
    labels = values["labels"]
    if labels.is_floating_point():
        raise TypeError(f"{name}['labels'] must be int64; got {labels.dtype}.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"{name}['labels'] must lie in 0..{num_classes - 1}; got {labels.min()}.."
            f"{labels.max()}. Where a model counts the background as 0, subtract 1."
        )
    return {**values, "labels": labels.long()}
