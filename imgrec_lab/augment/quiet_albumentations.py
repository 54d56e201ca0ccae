"""albumentations, imported so that it does not ask the network for a newer version of itself."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read while albumentations is imported

import albumentations as A  # noqa: E402

Transform = A.BasicTransform | A.BaseCompose

__all__ = ["A", "Transform"]
