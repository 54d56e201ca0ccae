"""What lesson 02 measures with: sets made worse on purpose, and one way to learn from them.

Every comparison trains the same small network on the same number of shown pictures, so that only
the data differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from imgrec_lab import box_ops, datasets, models, runtime, scenes, train
from imgrec_lab.audit import label_errors
from imgrec_lab.datasets import ImageSet

DAY = scenes.Conditions()
KINDS = {
    "clear day": DAY,
    "night": replace(DAY, light="night", noise=0.05),
    "fog": replace(DAY, weather="fog"),
    "blur": replace(DAY, blur_px=1.2),
    "hidden": replace(DAY, occlusion=0.3),
}
FRAMES, FILMED_SIGNS = 10, 140
SIGN_OF_FRAME = list(range(FILMED_SIGNS)) * FRAMES  # which sign each picture of ``film`` shows
_SPEED_LIMITS = 3  # the first classes, which differ in a digit


def learn(
    data: ImageSet, tests: Mapping[str, ImageSet], *, seed: int, shown: int = 9_000
) -> dict[str, float]:
    """Train a small network on ``data`` and return its accuracy on each test set.

    Args:
        data: pictures of 16 x 16 pixels or more.
        tests: sets with the same classes, by name.
        seed: of the first weights and the order of the pictures.
        shown: pictures shown in training, whether they are new or old.
    """
    runtime.seed_everything(seed)
    model = models.QuickCNN(len(data.classes), widths=(8, 32, 64))
    loader = datasets.make_loader(data, batch_size=64, shuffle=True, seed=seed)
    train.fit(model, loader, epochs=max(1, shown // len(data)), lr=0.015)
    return {
        name: train.evaluate(model, datasets.make_loader(test)).accuracy
        for name, test in tests.items()
    }


def learn_each(
    sets: Iterable[ImageSet], tests: Mapping[str, ImageSet], *, seeds: Iterable[int]
) -> dict[str, list[float]]:
    """``learn`` from each set with the seed that belongs to it: the scores by test set."""
    rows = [learn(data, tests, seed=seed) for data, seed in zip(sets, seeds, strict=True)]
    return {name: [row[name] for row in rows] for name in tests}


def learn_boxes(
    crops: scenes.SignBatch, boxes: Tensor, new_crops: scenes.SignBatch, *, seed: int
) -> float:
    """Train the same network to say where a sign is; its mean IoU with the truth on new crops.

    Args:
        crops: N pictures to learn from.
        boxes: (N, 4) xyxy pixels that it is told, right or wrong.
        new_crops: to be tested on, with their true boxes.
        seed: of the first weights and the order of the pictures.
    """
    runtime.seed_everything(seed)
    model = models.QuickCNN(4, widths=(8, 32, 64))
    side_px = crops.images.shape[-1]
    rounds = [rows for _ in range(6) for rows in torch.randperm(len(boxes)).split(64)]
    batches = [(crops.images[rows].float() / 255, boxes[rows] / side_px) for rows in rounds]
    train.fit(model, batches, epochs=1, lr=0.015, loss_fn=F.l1_loss, score_fn=None)
    with torch.no_grad():
        found = model.eval()(new_crops.images.float() / 255)  # (N, 4), fractions of the side
    return box_ops.iou(found * side_px, new_crops.boxes).diagonal().mean().item()


def some(data: ImageSet, number: int, *, seed: int) -> ImageSet:
    """``number`` of the pictures, chosen at random."""
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    return data[order[:number]]


def mislabelled(data: ImageSet, share: float, *, seed: int) -> ImageSet:
    """The same pictures with a share of wrong labels, each wrong class equally likely."""
    labels = label_errors.plant(
        data.labels, fraction=share, num_classes=len(data.classes), seed=seed
    )
    return replace(data, labels=labels)


def annotate(
    targets: Sequence[box_ops.Target],
    *,
    error_px: float,
    missed: float,
    misread: float,
    image_size: tuple[int, int],
    seed: int,
) -> list[box_ops.Target]:
    """What a person would mark who is not exact.

    Args:
        targets: what is there, a picture each.
        error_px: standard deviation of each edge, pixels.
        missed: probability of overlooking a sign.
        misread: probability of taking one speed limit for the next.
        image_size: (height, width), pixels; nothing is marked outside.
        seed: the same person on the same day.
    """
    generator = torch.Generator().manual_seed(seed)
    marked = []
    for target in targets:
        seen = torch.rand(len(target["boxes"]), generator=generator) >= missed
        boxes, labels = target["boxes"][seen], target["labels"][seen].clone()
        boxes = boxes + error_px * torch.randn(boxes.shape, generator=generator)
        wrong = torch.rand(len(labels), generator=generator) < misread
        wrong &= labels < _SPEED_LIMITS
        labels[wrong] = (labels[wrong] + 1) % _SPEED_LIMITS
        marked.append({"boxes": box_ops.clip(boxes.round(), image_size), "labels": labels})
    return marked


def careless(boxes: Tensor, amount: float, *, seed: int = 5) -> Tensor:
    """Boxes (N, 4) with every edge off by about ``amount`` of the box's side, either way."""
    errors = torch.randn(boxes.shape, generator=torch.Generator().manual_seed(seed))
    return boxes + amount * errors * _sides(boxes)


def generous(boxes: Tensor, amount: float) -> Tensor:
    """Boxes (N, 4) that are all too large by ``amount`` of their sides, half of it at each edge."""
    return boxes + amount / 2 * _sides(boxes) * torch.tensor([-1.0, -1.0, 1.0, 1.0])


def _sides(boxes: Tensor) -> Tensor:
    """(N, 4): width, height, and both again."""
    return (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)


def drawn(conditions: Sequence[scenes.Conditions], *, seed: int) -> ImageSet:
    """A sign under each of these conditions, the classes in turn."""
    labels = torch.arange(len(conditions)) % len(scenes.CLASSES)
    batch = scenes.draw_signs(labels, conditions=conditions, seed=seed)
    return ImageSet(batch.images, batch.labels, scenes.CLASSES)


def in_any_weather(number: int, *, light: str, seed: int) -> ImageSet:
    """Signs in one light ("day", "night"), in all kinds of weather, blurred and half hidden."""
    natural = scenes.sample_conditions(number, seed=seed)
    return drawn([replace(conditions, light=light) for conditions in natural], seed=seed)


def film(*, seed: int) -> ImageSet:
    """A camera's ten frames of 140 signs, all of the first frame first: 1,400 pictures.

    The frames of a sign differ in exposure and noise alone; ``SIGN_OF_FRAME`` says which sign
    each shows.
    """
    natural = scenes.sample_conditions(FILMED_SIGNS, seed=seed)
    frames = [
        drawn([_exposed(conditions, (number - FRAMES / 2) / 10) for conditions in natural],
              seed=seed)
        for number in range(FRAMES)
    ]  # fmt: skip
    return together(*frames)


def _exposed(conditions: scenes.Conditions, stops: float) -> scenes.Conditions:
    return replace(conditions, exposure=stops, noise=min(0.5, conditions.noise + 0.02))


def together(*sets: ImageSet) -> ImageSet:
    """All pictures of sets with the same classes, as one set."""
    images = torch.cat([part.images for part in sets])
    return replace(sets[0], images=images, labels=torch.cat([part.labels for part in sets]))
