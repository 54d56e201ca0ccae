"""Random changes of pictures that keep their labels true: as values, on batches, in pipelines.

::

    policy = augment.Policy([augment.Rotate(15), augment.Brightness(0.3), augment.Cutout(0.25)])
    train.fit(model, loader, epochs=10, augment=policy)

Steps with capitals say what may be drawn; functions in lower case change a batch by given amounts.
``pipelines`` builds on albumentations, for what a batch cannot do (rain, fog, JPEG), boxes with
keypoints, and pictures of different sizes that worker processes read; ``seeded_sets`` repeats them
with any number of workers. Both are imported by name: they load albumentations.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from imgrec_lab.augment.batch_changes import (
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
from imgrec_lab.augment.draws import Draw
from imgrec_lab.augment.policies import Policy, load_policy
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

Augment = Callable[[Tensor, Any], tuple[Tensor, Any]]

__all__ = [
    "Augment", "Blur", "Brightness", "Contrast", "Crop", "CutMix", "Cutout", "Draw", "Flip",
    "MixUp", "Noise", "Policy", "Rotate", "Saturation", "Scale", "Step", "Translate", "blur",
    "brightness", "chain", "contrast", "crop", "cutmix", "cutout", "default_policy", "flip",
    "load_policy", "mixup", "noise", "rotate", "saturation", "scale", "translate",
]  # fmt: skip


def default_policy(*, flip: bool) -> Policy:
    """What helps most photographs a little and harms few: small moves, light, a covered part.

    Args:
        flip: whether mirrored pictures keep their labels. A cat does, a "turn left" sign does not.
    """
    steps = [Translate(0.125), Brightness(0.2), Contrast(0.2), Cutout(0.25, p=0.5)]
    return Policy([Flip(), *steps] if flip else steps)


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
