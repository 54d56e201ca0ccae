"""albumentations, imported so that it does not ask the network for a newer version of itself."""

import os
from collections.abc import Iterator, Sequence

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read while albumentations is imported

import albumentations as A  # noqa: E402

Transform = A.BasicTransform | A.BaseCompose

__all__ = ["A", "Transform", "walk"]


def walk(transforms: Sequence[Transform]) -> Iterator[Transform]:
    """The transforms, each before those inside of it."""
    for transform in transforms:
        yield transform
        if isinstance(transform, A.BaseCompose):
            yield from walk(transform.transforms)
