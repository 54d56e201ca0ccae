"""Training runs to be told apart by what they show: a healthy one, and six with one bug each.

Each is a whole loop, to be read beside ``healthy`` once it has been diagnosed. Network and pictures
are few and small, so that a run takes seconds, and stay on the CPU, so that all see alike curves.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab import datasets, models

EPOCHS = 8
BATCH, VAL_BATCH = 40, 20  # pictures; a batch of validation holds a single class
PER_CLASS = (40, 20, 50)  # to train on, for validation, fresh


class Epoch(NamedTuple):
    """Means over the pictures of one epoch; ``gradient`` is the length of the gradient."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    gradient: float


@dataclass(frozen=True)
class Curves:
    """What a run shows, epoch by epoch; ``plots.curves`` draws it.

    Attributes:
        epochs: validation pictures are evaluated class by class, as they lie in their folders.
        fresh_loss, fresh_accuracy: at the end, on pictures in mixed order that were kept apart.
    """

    epochs: tuple[Epoch, ...]
    fresh_loss: float
    fresh_accuracy: float

    def __str__(self) -> str:
        lines = [
            f"{row.epoch:5d}  {row.train_loss:10.2f}  {row.train_accuracy:9.2f}"
            f"  {row.val_loss:8.2f}  {row.val_accuracy:7.2f}  {row.gradient:8.1f}"
            for row in self.epochs
        ]
        head = "epoch  train loss  train acc  val loss  val acc  gradient"
        fresh = f"fresh pictures: loss {self.fresh_loss:.2f}, accuracy {self.fresh_accuracy:.2f}"
        return "\n".join([head, *lines, fresh])


class Pictures(NamedTuple):
    """Images float32 (N, C, H, W) in [0, 1] and labels (N,)."""

    images: Tensor
    labels: Tensor


class _Log:
    """The epochs so far, and the sums of the one that is going on."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.sums = torch.zeros(4)  # loss, right answers, length of the gradient, pictures

    def step(self, model: nn.Module, logits: Tensor, loss: Tensor, labels: Tensor) -> None:
        right = (logits.argmax(dim=1) == labels).sum()
        count = torch.full_like(right, len(labels))
        gradient = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        self.sums += torch.stack([loss.detach() * count, right, gradient * count, count])

    def epoch(self, val_loss: float, val_accuracy: float) -> None:
        *sums, count = self.sums.tolist()
        loss, accuracy, gradient = (total / count for total in sums)
        number = len(self.epochs) + 1
        self.epochs.append(Epoch(number, loss, accuracy, val_loss, val_accuracy, gradient))
        self.sums = torch.zeros(4)

    def curves(self, fresh_loss: float, fresh_accuracy: float) -> Curves:
        return Curves(tuple(self.epochs), fresh_loss, fresh_accuracy)


def _pictures() -> tuple[Pictures, Pictures, Pictures]:
    """Drawn signs: to train on, for validation, and fresh ones in mixed order."""
    splits = datasets.load("signs")
    train, val, fresh = map(_class_by_class, splits, PER_CLASS)
    order = torch.randperm(len(fresh.labels), generator=torch.Generator().manual_seed(0))
    return train, val, Pictures(fresh.images[order], fresh.labels[order])


def _class_by_class(signs: datasets.ImageSet, per_class: int) -> Pictures:
    places = [(signs.labels == k).nonzero()[:per_class, 0] for k in range(len(signs.classes))]
    chosen = torch.cat(places)
    return Pictures(signs.images[chosen].float() / 255, signs.labels[chosen])


def _start(seed: int) -> tuple[nn.Module, torch.optim.Optimizer, torch.Generator]:
    """A fresh network, its optimizer, and what shuffles."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.QuickCNN(14, widths=(8, 32, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    return model, optimizer, torch.Generator().manual_seed(seed)


def _batches(*tensors: Tensor, generator: torch.Generator) -> Iterator[tuple[Tensor, ...]]:
    """Batches of the tensors, all of them shuffled in the same order."""
    for batch in torch.randperm(len(tensors[0]), generator=generator).split(BATCH):
        yield tuple(tensor[batch] for tensor in tensors)


@torch.no_grad()
def _score(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Loss and accuracy, in the mode in which the model is."""
    logits = torch.cat([model(batch) for batch in images.split(VAL_BATCH)])
    accuracy = (logits.argmax(dim=1) == labels).float().mean()
    return F.cross_entropy(logits, labels).item(), accuracy.item()


def healthy(seed: int = 0) -> Curves:
    """A run without a bug, to compare the exhibits with."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*train, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))


def exhibit_a(seed: int = 0) -> Curves:
    """Exhibit A of the bug museum."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        shuffled = (_batches(tensor, generator=generator) for tensor in train)
        for (images,), (labels,) in zip(*shuffled, strict=True):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))


def exhibit_b(seed: int = 0) -> Curves:
    """Exhibit B of the bug museum."""
    train, val, fresh = _pictures()
    everything = Pictures(*(torch.cat(both) for both in zip(train, val, strict=True)))
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*everything, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))


def exhibit_c(seed: int = 0) -> Curves:
    """Exhibit C of the bug museum."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*train, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))


def exhibit_d(seed: int = 0) -> Curves:
    """Exhibit D of the bug museum."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*train, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, val.images / 255, val.labels))
    return log.curves(*_score(model, fresh.images / 255, fresh.labels))


def exhibit_e(seed: int = 0) -> Curves:
    """Exhibit E of the bug museum."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*train, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits.softmax(dim=1), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        model.eval()
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))


def exhibit_f(seed: int = 0) -> Curves:
    """Exhibit F of the bug museum."""
    train, val, fresh = _pictures()
    model, optimizer, generator = _start(seed)
    log = _Log()
    for _ in range(EPOCHS):
        model.train()
        for images, labels in _batches(*train, generator=generator):
            logits = model(images)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.step(model, logits, loss, labels)
        log.epoch(*_score(model, *val))
    return log.curves(*_score(model, *fresh))
