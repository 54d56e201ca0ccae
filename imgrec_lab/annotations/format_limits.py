"""What a format has no place for, counted before it is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

from imgrec_lab.annotations import outlines, rle_masks
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture

Feature = Literal[
    "boxes smaller than the picture",
    "outlines",
    "boxes apart from their outline",
    "crowd marks",
    "difficult marks",
    "truncated marks",
    "classes without an instance",
]
_APART_PX = 1.0  # a box nearer than this to that of its outline is taken for the same


def losses(annotation_set: AnnotationSet, held: Collection[Feature]) -> list[str]:
    """What a format that holds only ``held`` leaves out, with counts: ``["outlines (12)"]``."""
    counts = {
        feature: sum(
            has(item, picture) for picture in annotation_set.pictures for item in picture.instances
        )
        for feature, has in _FEATURES.items()
        if feature not in held
    }
    if "classes without an instance" not in held:
        counts["classes without an instance"] = list(annotation_set.counts().values()).count(0)
    return [f"{feature} ({number:,})" for feature, number in counts.items() if number]


def _is_smaller(item: Instance, picture: Picture) -> bool:
    return item.box != (0, 0, picture.width, picture.height)


def _has_outline(item: Instance, picture: Picture) -> bool:
    return bool(item.polygons) or item.rle is not None


def _is_apart(item: Instance, picture: Picture) -> bool:
    """Whether the box is not the one that reading its outline alone would give."""
    size = picture.height, picture.width
    if item.rle is not None:
        tight = rle_masks.box(item.rle, *size)
        if not any(tight):  # an empty mask has no outline, so the box is what is written
            return False
    elif item.polygons:
        tight = outlines.box([outlines.as_one(item.polygons, *size)])
    else:
        return False
    return max(abs(a - b) for a, b in zip(item.box, tight, strict=True)) > _APART_PX


_FEATURES: dict[Feature, Callable[[Instance, Picture], bool]] = {
    "boxes smaller than the picture": _is_smaller,
    "outlines": _has_outline,
    "boxes apart from their outline": _is_apart,
    "crowd marks": lambda item, picture: item.crowd,
    "difficult marks": lambda item, picture: item.difficult,
    "truncated marks": lambda item, picture: item.truncated,
}
