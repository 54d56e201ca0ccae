"""What lesson 04 measures with: policies, test sets that differ in one thing, one way to learn.

Every run trains the same small network on 28,000 shown pictures, whatever happens to them on the
way, so that only the augmentation or the data differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from imgrec_lab import augment, box_ops, datasets, metrics, models, runtime, scenes, train
from imgrec_lab.augment import Policy, geometry
from imgrec_lab.course import quality
from imgrec_lab.datasets import ImageSet

SIDE_PX = 32
ASKEW_DEGREES = 45.0
_K = len(scenes.CLASSES)
_KEEPS_LABELS = (
    augment.Rotate(30, p=0.5), augment.Scale(0.5, p=0.5), augment.Brightness(0.3, p=0.5),
    augment.Contrast(0.8, p=0.5), augment.Cutout(0.4, p=0.5),
)  # fmt: skip
POLICIES: dict[str, Policy] = {
    "none": Policy([]),
    "flip": Policy([augment.Flip()]),
    "rotation": Policy([augment.Rotate(30)]),
    "zoom": Policy([augment.Scale(1.0)]),
    "crop": Policy([augment.Crop(0.5)]),
    "lighting": Policy([augment.Brightness(0.3), augment.Contrast(0.8), augment.Saturation(0.5)]),
    "blur and noise": Policy([augment.Blur(1.0), augment.Noise(0.15)]),
    "cutout": Policy([augment.Cutout(0.4)]),
    "MixUp": Policy([augment.MixUp(num_classes=_K, alpha=0.4)]),
    "CutMix": Policy([augment.CutMix(num_classes=_K)]),
    "random, 2 of 8": Policy(
        [augment.Rotate(30), augment.Scale(1.0), augment.Crop(0.5), augment.Brightness(0.3),
         augment.Contrast(0.8), augment.Blur(1.0), augment.Noise(0.15), augment.Cutout(0.4)],
        choose=2,
    ),
    "mixture": Policy(_KEEPS_LABELS),
    "mixture and flip": Policy((*_KEEPS_LABELS, augment.Flip())),
}  # fmt: skip


def training_set(seed: int, number: int = 1400) -> ImageSet:
    """Signs on a clear day, upright, sharp and near."""
    return quality.drawn([quality.DAY] * number, seed=seed)


def test_sets(number: int = 560, *, seed: int = 90) -> dict[str, ImageSet]:
    """Signs as in training ("clean"), and seven sets that each differ from it in one thing.

    Night pictures are a little noisy as well, and small signs come from street scenes.
    """
    day = quality.DAY
    conditions = {
        "clean": day,
        "night": replace(day, light="night", noise=0.05),
        "fog": replace(day, weather="fog"),
        "rain": replace(day, weather="rain"),
        "noise": replace(day, noise=0.3),
        "occluded": replace(day, occlusion=0.4),
    }
    sets = {name: quality.drawn([one] * number, seed=seed) for name, one in conditions.items()}
    sets["rotated"] = askew(number, seed=seed)
    sets["small"] = far_away(number, seed=seed)
    order = ("clean", "rotated", "small", "night", "fog", "rain", "noise", "occluded")
    return {name: sets[name] for name in order}


def askew(number: int, *, seed: int, degrees: float = ASKEW_DEGREES) -> ImageSet:
    """Signs photographed with the camera held askew, by up to ``degrees`` either way.

    They are drawn at twice the size, turned, and made smaller, so that turning does not blur them.
    """
    labels = torch.arange(number) % _K
    large = scenes.draw_signs(
        labels, image_size=(2 * SIDE_PX, 2 * SIDE_PX), conditions=quality.DAY, seed=seed
    ).images
    generator = torch.Generator().manual_seed(seed)
    angles = degrees * (2 * torch.rand(number, generator=generator) - 1)
    turned = F.avg_pool2d(augment.rotate(large, angles).float(), 2).round()
    return ImageSet(turned.to(torch.uint8), labels, scenes.CLASSES)


def far_away(number: int, *, seed: int) -> ImageSet:
    """Signs a third of the picture wide, cut from street scenes, with no other beside them."""
    images, labels = [], []
    streets = scenes.draw_streets(4 * number, conditions=quality.DAY, seed=seed)
    for image, target in zip(streets.images, streets.targets, strict=True):
        for row, (x, y) in _lonely(target["boxes"], image.shape[1:]):
            images.append(image[:, y : y + SIDE_PX, x : x + SIDE_PX])
            labels.append(target["labels"][row])
    return ImageSet(torch.stack(images[:number]), torch.stack(labels[:number]), scenes.CLASSES)


def drawn_signs(number: int, *, seed: int) -> ImageSet:
    """Signs by day in any weather: what can be drawn at will, in the trial of drawn and real."""
    return quality.in_any_weather(number, light="day", seed=seed)


def real_signs(number: int, *, seed: int) -> ImageSet:
    """Signs by night in any weather: they stand for real ones, since none like them is drawn."""
    return quality.in_any_weather(number, light="night", seed=seed)


def _lonely(boxes: Tensor, image_size: tuple[int, int]) -> Iterable[tuple[int, list[int]]]:
    """Objects that have a window of the street to themselves, with the window's corner x, y."""
    corners = ((boxes[:, :2] + boxes[:, 2:]) / 2 - SIDE_PX / 2).round().long()  # (M, 2)
    limit = torch.tensor([image_size[1], image_size[0]]) - SIDE_PX
    for row, corner in enumerate(corners):
        met = (boxes[:, :2] < corner + SIDE_PX) & (boxes[:, 2:] > corner)
        if (corner >= 0).all() and (corner <= limit).all() and met.all(dim=1).sum() == 1:
            yield row, corner.tolist()


def train_on(
    data: ImageSet, policy: Policy | None = None, *, seed: int, shown: int = 28_000
) -> nn.Module:
    """A small network trained on ``data``.

    Args:
        data: pictures of 32 x 32 pixels.
        policy: what happens to them on the way.
        seed: of the first weights, the order of the pictures and the policy's draws.
        shown: pictures shown in training, whether they are new or old: 440 steps of 64.

    Returns:
        The network, for pictures in [0, 1], in evaluation mode.
    """
    runtime.seed_everything(seed)
    model = models.QuickCNN(len(data.classes), widths=(16, 32, 64))
    loader = datasets.make_loader(data, batch_size=64, shuffle=True, seed=seed)
    train.fit(model, loader, epochs=max(1, round(shown / len(data))), lr=0.015, augment=policy)
    return model.eval()


def accuracies(model: nn.Module, tests: Mapping[str, ImageSet]) -> dict[str, float]:
    """The share of each test set that the model names rightly."""
    return {
        name: train.evaluate(model, datasets.make_loader(test)).accuracy
        for name, test in tests.items()
    }


def confusion(model: nn.Module, data: ImageSet) -> Tensor:
    """How often each class was taken for each: (K, K) counts, rows true classes."""
    predicted = train.predict(model, datasets.make_loader(data)).argmax(dim=1)
    return metrics.confusion_matrix(data.labels, predicted, num_classes=len(data.classes))


@torch.no_grad()
def asked(model: nn.Module, data: ImageSet, policy: Policy, times: int) -> float:
    """Accuracy of the model's mean probabilities over ``times`` draws of ``policy``."""
    torch.manual_seed(0)
    total = torch.zeros(len(data), len(data.classes))
    for _ in range(times):
        changed, labels = policy(data.images / 255, data.labels)
        total += train.predict(model, [(changed, labels)])
    return (total.argmax(dim=1) == data.labels).float().mean().item()


def tightness(
    targets: Sequence[box_ops.Target], degrees: float, shape: geometry.BoxShape
) -> Tensor:
    """How well boxes that were turned with their pictures fit what they hold.

    Args:
        targets: of square pictures, with masks.
        degrees: how far they are turned.
        shape: see ``geometry.warp_boxes``.

    Returns:
        (M,) IoU of each turned box with the box of the turned mask, for objects that stay whole.
    """
    ious = []
    for target in targets:
        side = target["masks"].shape[2]
        turn = geometry.rotation(torch.tensor([degrees]), (side, side))[0]
        boxes = geometry.warp_boxes(target["boxes"], turn, shape=shape)
        exact = box_ops.from_masks(geometry.warp_masks(target["masks"], turn))
        whole = (exact > 0).all(dim=1) & (exact < side).all(dim=1)
        ious.append(box_ops.iou(boxes, exact).diagonal()[whole])
    return torch.cat(ious)


class Shaken(Dataset):
    """Grey squares through an albumentations transform that is used as its manual shows it.

    The squares are alike, so each example, one row (8,) of it, shows what was drawn: what two
    worker processes draw can be compared.
    """

    def __init__(self, transform: Callable[..., dict], number: int = 8) -> None:
        self.transform, self.number = transform, number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> Tensor:
        square = np.full((8, 8, 3), 128, np.uint8)
        return torch.from_numpy(self.transform(image=square)["image"])[0, 0, 0]
