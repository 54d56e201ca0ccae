"""Albumentations on our tensors and targets: checked, repeatable, and saved as JSON.

albumentations' own ``set_random_seed`` gives every transform the same stream of random numbers, so
that two flips with p=0.5 always happen together. A Pipeline has one stream for all of its
transforms, started anew from a seed for each picture: the result depends on the picture and the
seed alone, in whatever process and order pictures come.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from numbers import Integral

import cv2
import numpy as np
import torch
from torch import Tensor

from imgrec_lab.augment import pipeline_arrays, pipeline_texts
from imgrec_lab.augment.checking import check_count, check_number, check_target
from imgrec_lab.augment.pipeline_steps import (
    camera,
    checked,
    crop,
    erase,
    lighting,
    orientation,
    refuse_unknown,
    weather,
)
from imgrec_lab.augment.quiet_albumentations import A, Transform, walk
from imgrec_lab.box_ops import Target

__all__ = [
    "Pipeline", "camera", "checked", "crop", "erase", "lighting", "orientation", "weather",
]  # fmt: skip

_REPEATING = (cv2.BORDER_REFLECT, cv2.BORDER_REFLECT_101, cv2.BORDER_WRAP)
_LEAST_PX = 1e-3  # albumentations would let a box of no area pass, and then fail on it


class Pipeline:
    """Albumentations transforms, one after the other, for one picture at a time.

    Args:
        transforms: of this module or of albumentations, mixed as you like; they are copied.
        min_visibility: a box stays if, after each transform, at least this share of its area is
            still in the picture; 0 to 1.

    Raises:
        TypeError: if one of them is no albumentations transform, has been given an argument that it
            does not know, or makes something else than a picture in [0, 1].
        ValueError: if ``min_visibility`` is outside its range.

    One call at a time: give each thread a copy (each process of a DataLoader has one).
    """

    def __init__(self, transforms: Sequence[Transform], *, min_visibility: float = 0.1) -> None:
        _check_transforms(transforms)
        check_number("min_visibility", min_visibility, 0, 1, "Try 0.1.")
        self.transforms = tuple(copy.deepcopy(list(transforms)))
        self.min_visibility = min_visibility
        self._for_labels = A.Compose(list(self.transforms))
        boxes = A.BboxParams(
            format="pascal_voc", label_fields=["index"], clip=True, filter_invalid_bboxes=True,
            min_visibility=min_visibility, min_width=_LEAST_PX, min_height=_LEAST_PX,
        )  # fmt: skip
        # The last one takes boxes and keypoints where no other does; without it, a warning.
        self._for_targets = A.Compose(
            [*self.transforms, A.NoOp(p=1.0)],
            bbox_params=boxes,
            keypoint_params=A.KeypointParams(format="xy", remove_invisible=False),
        )

    def __call__(
        self, image: Tensor, target: int | Tensor | Target, *, seed: int | None = None
    ) -> tuple[Tensor, int | Tensor | Target]:
        """A changed copy of the picture, and its target to match.

        Args:
            image: (C, H, W) uint8, or float32 in [0, 1], C = 1 or 3, on the CPU. A grey picture is
                run as three equal channels, of which the first comes back.
            target: a class index, which comes back as it is; or a dict of boxes (M, 4) and labels
                (M,), perhaps masks (M, H, W), keypoints (P, 2) and visible (P,) bool.
                Keypoints are x, y in pixels on the boxes' scale: the first pixel's centre is 0.5.
            seed: 0 or more; the same gives the same result. None draws one from torch's global
                generator.

        Returns:
            The picture, with the dtype and channels it had, and the target with the keys it had.
            Boxes are cut to the picture; those of no area or too little visibility are dropped,
            with their labels and masks. All keypoints stay, and ``visible``, added where it was not
            given, says which of them lie in the picture (and were visible before).

        Raises:
            TypeError, ValueError: if the picture, the target or the seed is none of these.
        """
        pixels = pipeline_arrays.to_array(image)  # (H, W, 3)
        if _is_label(target):
            self._start(self._for_labels, seed)
            changed = self._for_labels(image=pixels)["image"]
            return pipeline_arrays.to_image(changed, image), target
        image_size = tuple(image.shape[1:])
        check_target(target, image_size, keypoints=True)
        self._check_borders()
        self._start(self._for_targets, seed)
        data = self._for_targets(image=pixels, **pipeline_arrays.to_data(target, image_size))
        changed = pipeline_arrays.to_image(data["image"], image)
        return changed, pipeline_arrays.to_target(data, target)

    @staticmethod
    def _start(compose: A.Compose, seed: int | None) -> None:
        """One stream of random numbers for all of the transforms, from its beginning."""
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        check_count("seed", seed)
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def _check_borders(self) -> None:
        for transform in walk(self.transforms):
            if getattr(transform, "border_mode", None) in _REPEATING:
                raise ValueError(
                    "with boxes, a border must not repeat the picture, where objects show twice; "
                    f"{type(transform).__name__} has border_mode={transform.border_mode}. "
                    "Try cv2.BORDER_CONSTANT or cv2.BORDER_REPLICATE."
                )

    def __repr__(self) -> str:
        parts = "".join(f"    {pipeline_texts.describe(t, '    ')},\n" for t in self.transforms)
        listed = f"[\n{parts}]" if parts else "[]"
        return f"Pipeline({listed}, min_visibility={self.min_visibility})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def to_json(self) -> str:
        """The pipeline as text that ``Pipeline.from_json`` reads.

        Raises:
            TypeError: if a transform holds a function or an array, which cannot be saved.
        """
        return pipeline_texts.to_json(self.transforms, self.min_visibility)

    @classmethod
    def from_json(cls, text: str) -> Pipeline:
        """The pipeline that ``to_json`` wrote.

        Raises:
            ValueError: if the text is something else, or comes from another version.
        """
        transforms, min_visibility = pipeline_texts.from_json(text)
        return cls(transforms, min_visibility=min_visibility)


def _is_label(target: object) -> bool:
    """Whether ``target`` is one class index, as a whole number or a tensor without dimensions."""
    if isinstance(target, Tensor):
        return target.ndim == 0 and not target.is_floating_point() and target.dtype != torch.bool
    return isinstance(target, Integral) and not isinstance(target, bool)


def _check_transforms(transforms: Sequence[Transform]) -> None:
    if not isinstance(transforms, list | tuple):
        raise TypeError(
            f"transforms must be a list; got {type(transforms).__name__}. "
            "For one transform use Pipeline([transform])."
        )
    converters = (A.Normalize, A.ToFloat, A.FromFloat, A.ToTensorV2, A.ToTensor3D)
    for transform in walk(transforms):
        if not isinstance(transform, Transform):
            raise TypeError(
                "transforms must be albumentations transforms; got "
                f"{getattr(transform, '__name__', type(transform).__name__)}. "
                "Write A.HorizontalFlip(), with brackets; a SeededSet takes torchvision's."
            )
        if isinstance(transform, converters):
            raise TypeError(
                "a pipeline must leave pictures in [0, 1] with their dtype; got "
                f"{type(transform).__name__}. Leave it out: the model's first layer normalises."
            )
        unknown = getattr(transform, "invalid_args", [])
        if unknown:
            known = list(transform.get_transform_init_args_names())
            refuse_unknown(type(transform).__name__, unknown, known)
