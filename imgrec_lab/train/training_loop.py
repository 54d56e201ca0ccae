"""The training loop: one epoch, an evaluation, and ``fit``, which repeats the two.

A loader is any sized iterable of ``(images, labels)`` batches; ``datasets.make_loader`` gives one.
"""

import copy
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from tqdm.auto import tqdm

from imgrec_lab import runtime
from imgrec_lab.history import History, Score

LossFn = Callable[[Tensor, Tensor], Tensor]
Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Loader(Protocol):
    """Anything that can be counted and walked through, again and again, in batches."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


def default_optimizer(model: nn.Module, *, lr: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels (0.05) and leaves biases and norms alone."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def one_cycle(optimizer: torch.optim.Optimizer, *, steps: int) -> LambdaLR:
    """Each group's rate climbs to the value it has now, then falls to zero along a cosine.

    Args:
        optimizer: its rates become the highest ones, reached after a quarter of ``steps``.
        steps: batches in the whole run, at least 1.

    Source: Smith and Topin 2018, https://arxiv.org/abs/1708.07120.
    """
    warmup = max(1, steps // 4)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 + 0.5 * math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup))

    return LambdaLR(optimizer, share)


def train_one_epoch(
    model: nn.Module,
    loader: Loader,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler | None = None,
    scaler: torch.amp.GradScaler | None = None,
    *,
    loss_fn: LossFn = F.cross_entropy,
    augment: Augment | None = None,
) -> Score:
    """One pass over ``loader``, a step of ``optimizer`` and ``schedule`` after each batch.

    The arguments are those of ``fit``; ``scaler`` is ``runtime.gradient_scaler(device)``.
    """
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    scaler = scaler or runtime.gradient_scaler(device)
    sums = torch.zeros(3, device=device)  # loss, right answers, pictures: read once, at the end
    model.train()
    for step, (images, labels) in enumerate(loader):
        images, labels = _to(device, images, labels)
        if augment:
            images, labels = augment(images, labels)
        with precision.autocast(device):
            logits = model(images)
        if step == 0:
            _check_labels(labels, logits)
        loss = loss_fn(logits.float(), labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        if schedule:
            schedule.step()
        sums += _sums(logits, labels, loss)
    return _score(sums)


@torch.no_grad()
def evaluate(model: nn.Module, loader: Loader, *, loss_fn: LossFn = F.cross_entropy) -> Score:
    """Loss and accuracy of ``model`` over ``loader``, with nothing learned."""
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    sums = torch.zeros(3, device=device)
    model.eval()
    for step, (images, labels) in enumerate(loader):
        images, labels = _to(device, images, labels)
        with precision.autocast(device):
            logits = model(images)
        if step == 0:
            _check_labels(labels, logits)
        sums += _sums(logits, labels, loss_fn(logits.float(), labels))
    return _score(sums)


@torch.no_grad()
def predict(model: nn.Module, loader: Loader) -> Tensor:
    """Class probabilities (N, K) on the CPU for every picture of ``loader``, in its order."""
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    model.eval()
    probs = []
    for images, labels in loader:
        images, _ = _to(device, images, labels)
        with precision.autocast(device):
            logits = model(images)
        probs.append(logits.float().softmax(dim=1))
    return torch.cat(probs).cpu()


def fit(
    model: nn.Module,
    train_loader: Loader,
    val_loader: Loader | None = None,
    *,
    epochs: int,
    lr: float = 3e-3,
    optimizer: torch.optim.Optimizer | None = None,
    loss_fn: LossFn = F.cross_entropy,
    augment: Augment | None = None,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train ``model`` in place and leave it with the best weights that validation saw.

    Args:
        model: maps images float32 (N, C, H, W) in [0, 1] to logits (N, K).
        train_loader, val_loader: sized iterables of (images, labels) batches.
        epochs: passes over ``train_loader``, at least 1.
        lr: the highest rate, for the default optimizer.
        optimizer: default AdamW (``default_optimizer``); one of your own brings its own rates.
        loss_fn: (logits, labels) to a scalar, a mean over the batch.
        augment: (images, labels) to the same, on the device, for training batches only.
        on_epoch: called with the history so far after every epoch.

    Raises:
        TypeError: for a loader without a length, such as a generator.
        ValueError: for an empty loader, or weights, labels or a rate that cannot work.
        FloatingPointError: when the loss stops being a number; the best weights are kept.
    """
    _check_start(model, train_loader, epochs=epochs, lr=lr)
    device = runtime.pick_device()
    model.to(device, memory_format=torch.channels_last)
    optimizer = optimizer or default_optimizer(model, lr=lr)
    schedule = one_cycle(optimizer, steps=epochs * len(train_loader))
    scaler = runtime.gradient_scaler(device)
    history, best_weights = History(), copy.deepcopy(model.state_dict())
    try:
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            batches = _with_bar(train_loader, f"epoch {epoch}/{epochs}")
            trained = train_one_epoch(
                model, batches, optimizer, schedule, scaler, loss_fn=loss_fn, augment=augment
            )
            seconds = time.perf_counter() - start
            tested = evaluate(model, val_loader, loss_fn=loss_fn) if val_loader else None
            history = history.add(trained, tested, seconds=seconds)
            _check_finite(history, lr=lr)
            if history.best is history.epochs[-1]:
                best_weights = copy.deepcopy(model.state_dict())
            if on_epoch:
                on_epoch(history)
    except KeyboardInterrupt:
        history = replace(history, ended="interrupted")
        if not history.epochs:  # even an unfinished first epoch has taught it something
            best_weights = copy.deepcopy(model.state_dict())
    finally:
        model.load_state_dict(best_weights)
    return history


def _with_bar(loader: Loader, name: str) -> Loader:
    # tqdm's notebook bar does not read its own TQDM_DISABLE, which stored notebooks are run with.
    return tqdm(loader, desc=name, leave=False, disable="TQDM_DISABLE" in os.environ)


def _to(device: torch.device, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    # channels-last lets convolutions read neighbouring pixels in one go, on CPUs and GPUs alike.
    images = images.to(device, memory_format=torch.channels_last, non_blocking=True)
    return images, labels.to(device, non_blocking=True)


def _sums(logits: Tensor, labels: Tensor, loss: Tensor) -> Tensor:
    """Loss, right answers and pictures of one batch (3,), without waiting for the device."""
    right = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss.detach() * len(labels), right, torch.full_like(right, len(labels))])


def _score(sums: Tensor) -> Score:
    loss, right, count = sums.tolist()
    return Score(loss / count, right / count, int(count)) if count else Score(math.nan, math.nan, 0)


def _check_start(model: nn.Module, loader: Loader, *, epochs: int, lr: float) -> None:
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}.")
    if not 0 <= lr < math.inf:
        raise ValueError(f"lr must be a finite number, 0 or more; got {lr}. Try 3e-3.")
    if not hasattr(loader, "__len__"):
        raise TypeError(
            "train_loader must have a length and start anew each epoch; got "
            f"{type(loader).__name__}. Try list(...), or datasets.make_loader."
        )
    if len(loader) == 0:
        raise ValueError("train_loader must hold at least one batch; got none. Is the set empty?")
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(
                f"every weight must be a finite number; got NaN or infinity in {name!r}. "
                "Build the model anew, or load the last good checkpoint."
            )


def _check_labels(labels: Tensor, logits: Tensor) -> None:
    num_classes = logits.shape[1]
    if len(labels) == 0:
        raise ValueError(
            "each batch must hold at least one picture; got an empty one. Leave it out."
        )
    low, high = labels.min().item(), labels.max().item()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, as the model has {num_classes} outputs; got "
            f"{low}..{high}. Build the model with num_classes={high + 1}, or correct the labels."
        )


def _check_finite(history: History, *, lr: float) -> None:
    last = history.epochs[-1]
    if last.images_per_s == 0:
        raise ValueError(
            f"train_loader must yield pictures in every epoch; epoch {last.epoch} got none. Can "
            "its files be read, and does it start anew each time?"
        )
    if not math.isfinite(last.train_loss):
        raise FloatingPointError(
            f"the training loss must stay a finite number; it became {last.train_loss} in epoch "
            f"{last.epoch}. Most often the rate is too high: try lr={lr / 10:g}. If that does not "
            "help, look for NaN in the images. The model holds its best weights so far."
        )
