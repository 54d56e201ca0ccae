"""Random changes of pictures that keep their labels true, in three ways.

Drawn anew for each picture of a batch, on the batch's device, boxes and masks in step::

    policy = augment.Policy([augment.Rotate(15), augment.Brightness(0.3), augment.Cutout(0.25)])
    train.fit(model, loader, epochs=10, augment=policy)

By given amounts, one a picture or one for all; capitals draw, lower case does as it is told::

    turned = augment.rotate(images, torch.tensor([10.0, -10.0]))

Picture by picture in worker processes, for what a batch cannot do: rain, fog, JPEG, keypoints,
pictures of different sizes. Both modules load albumentations, so they are imported by name::

    pipeline = pipelines.Pipeline([pipelines.crop((64, 64)), pipelines.weather()])
    data = seeded_sets.SeededSet(pictures, pipeline, seed=0)  # repeats with any number of workers

``train.fit`` and ``SeededSet`` take transforms of ``torchvision.transforms.v2`` as well.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from imgrec_lab.augment.draws import Draw
from imgrec_lab.augment.functional import (
    blur,
    brightness,
    contrast,
    crop,
    cutmix,
    cutout,
    flip,
    mixup,
    noise,
    rotate,
    saturation,
    scale,
    translate,
)
from imgrec_lab.augment.policies import Policy, default_policy, load_policy
from imgrec_lab.augment.steps import (
    Blur,
    Brightness,
    Contrast,
    Crop,
    CutMix,
    Cutout,
    Flip,
    MixUp,
    Noise,
    Rotate,
    Saturation,
    Scale,
    Step,
    Translate,
)
from imgrec_lab.augment.torchvision_transforms import PerPicture, is_torchvision
from imgrec_lab.augment.windows import Windows

Augment = Callable[[Tensor, Any], tuple[Tensor, Any]]

__all__ = [
    "Augment", "Blur", "Brightness", "Contrast", "Crop", "CutMix", "Cutout", "Draw", "Flip",
    "MixUp", "Noise", "Policy", "Rotate", "Saturation", "Scale", "Step", "Translate", "Windows",
    "blur", "brightness", "chain", "contrast", "crop", "cutmix", "cutout", "default_policy", "flip",
    "load_policy", "mixup", "noise", "rotate", "saturation", "scale", "translate",
]  # fmt: skip


def chain(*augments: Augment) -> Augment:
    """The given augmentations one after the other, as one; none at all changes nothing.

    A transform of ``torchvision.transforms.v2`` is drawn anew for each picture, and moves boxes and
    masks with it.
    """
    augments = tuple(PerPicture(each) if is_torchvision(each) else each for each in augments)

    def run(images: Tensor, targets: Any) -> tuple[Tensor, Any]:
        for augment in augments:
            images, targets = augment(images, targets)
        return images, targets

    return run
