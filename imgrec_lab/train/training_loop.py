"""The training loop: one epoch, an evaluation, and ``fit``, which repeats the two."""

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from imgrec_lab import processes, runtime
from imgrec_lab.history import History, Score
from imgrec_lab.train import learning_rates, training_errors
from imgrec_lab.train.checkpoints import Run

LossFn = Callable[[Any, Any], Tensor]
ScoreFn = Callable[[Any, Any], Tensor]
Augment = Callable[[Tensor, Any], tuple[Tensor, Any]]
Schedule = Callable[..., LRScheduler]


class Loader(Protocol):
    """Anything that can be counted and walked through, again and again, in batches."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]: ...


def right_answers(logits: Tensor, labels: Tensor) -> Tensor:
    """How many of a batch are named rightly: logits (N, K), labels (N,) or soft ones (N, K)."""
    labels = labels.argmax(dim=1) if labels.dim() == 2 else labels
    return (logits.argmax(dim=1) == labels).sum()


def train_one_epoch(
    model: nn.Module,
    loader: Loader,
    optimizer: Optimizer,
    schedule: LRScheduler | None = None,
    scaler: torch.amp.GradScaler | None = None,
    *,
    loss_fn: LossFn = F.cross_entropy,
    score_fn: ScoreFn | None = right_answers,
    augment: Augment | None = None,
    accumulate: int = 1,
    average: AveragedModel | None = None,
) -> Score:
    """One pass over ``loader``, a step of ``optimizer`` and ``schedule`` after each batch.

    The arguments are those of ``fit``; ``scaler`` is ``runtime.gradient_scaler(device)``, and
    ``average`` is ``learning_rates.average_of_steps(...)``.
    """
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    scaler = scaler or runtime.gradient_scaler(device)
    augment = _for_each_picture(augment)
    sums = torch.zeros(3, device=device)  # loss, right answers, pictures: read once, at the end
    model.train()
    optimizer.zero_grad()
    for step, (images, targets) in enumerate(loader, 1):
        images, targets = _to(device, images), _to(device, targets)
        if augment:
            images, targets = augment(images, targets)
        with precision.autocast(device):
            outputs = model(images)
        if step == 1:
            training_errors.check_batch(outputs, targets)
        loss = loss_fn(_in_full(outputs), targets)
        mine = processes.weight(len(images), device=device)  # 1 where one process trains
        scaler.scale(loss * mine / accumulate).backward()
        if step % accumulate == 0 or step == len(loader):
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            if schedule:
                schedule.step()
            if average:
                average.update_parameters(model)
        sums += _sums(outputs, targets, loss, score_fn, len(images))
    return _score(sums, score_fn)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    loader: Loader,
    *,
    loss_fn: LossFn = F.cross_entropy,
    score_fn: ScoreFn | None = right_answers,
) -> Score:
    """Loss and accuracy of ``model`` over ``loader``, with nothing learned."""
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    sums = torch.zeros(3, device=device)
    model.eval()
    for step, (images, targets) in enumerate(loader):
        images, targets = _to(device, images), _to(device, targets)
        with precision.autocast(device):
            outputs = model(images)
        if step == 0:
            training_errors.check_batch(outputs, targets)
        loss = loss_fn(_in_full(outputs), targets)
        sums += _sums(outputs, targets, loss, score_fn, len(images))
    return _score(sums, score_fn)


@torch.no_grad()
def predict(model: nn.Module, loader: Loader) -> Tensor:
    """Class probabilities (N, K) on the CPU for every picture of ``loader``, in its order."""
    device = next(model.parameters()).device
    precision = runtime.pick_precision(device)
    model.eval()
    probs = []
    for images, _ in loader:
        with precision.autocast(device):
            logits = model(_to(device, images))
        probs.append(logits.float().softmax(dim=1))
    return torch.cat(probs).cpu()


def fit(
    model: nn.Module,
    train_loader: Loader,
    val_loader: Loader | None = None,
    *,
    epochs: int,
    lr: float = 3e-3,
    optimizer: Optimizer | None = None,
    schedule: Schedule = learning_rates.one_cycle,
    loss_fn: LossFn = F.cross_entropy,
    score_fn: ScoreFn | None = right_answers,
    augment: Augment | None = None,
    accumulate: int = 1,
    ema_decay: float | None = None,
    checkpoint: str | Path | None = None,
    on_epoch: Callable[[History], Any] | None = None,
) -> History:
    """Train ``model`` in place and leave it with the best weights that validation saw.

    Args:
        model: maps images float32 (N, C, H, W) in [0, 1] to logits (N, K) or other outputs.
        train_loader, val_loader: sized iterables of (images, targets) batches.
        epochs: passes over ``train_loader``, at least 1.
        lr: the highest rate, for the default optimizer.
        optimizer: default AdamW (``default_optimizer``); one of your own brings its own rates.
        schedule: ``one_cycle``, ``cosine``, ``constant``, or a function like them.
        loss_fn: (outputs, targets) to a scalar, a mean over the batch.
        score_fn: (outputs, targets) to how many are right, a sum; None counts nothing.
        augment: (images, targets) to the same, on the device, for training batches only; an
            ``augment.Policy``, a transform of torchvision's v2, or a function.
        accumulate: batches whose gradients are averaged for one step of the optimizer.
        ema_decay: if given, a moving average of the weights is judged and kept.
        checkpoint: a file, written after every epoch; if it is there, its run goes on.
        on_epoch: called with the history after every epoch; a true answer ends the run.

    Raises:
        TypeError, ValueError: for ingredients that cannot work.
        FloatingPointError, MemoryError: with advice; the best weights are kept.
    """
    training_errors.check_start(
        model, train_loader, optimizer, epochs=epochs, accumulate=accumulate, lr=lr
    )
    device = runtime.pick_device()
    model.to(device, memory_format=torch.channels_last)
    optimizer = optimizer or learning_rates.default_optimizer(model, lr=lr)
    steps = epochs * math.ceil(len(train_loader) / accumulate)
    schedule = schedule(optimizer, steps=steps)
    scaler = runtime.gradient_scaler(device)
    average = learning_rates.average_of_steps(model, decay=ema_decay) if ema_decay else None
    run = Run(model, train_loader, epochs, steps, optimizer, schedule, scaler, average)
    run.begin(checkpoint)
    replica = processes.joined(model)
    try:
        with training_errors.explained(model, train_loader, loss_fn):
            for epoch in run.epochs_left():
                start, batches = time.perf_counter(), _with_bar(train_loader, epoch, epochs)
                trained = train_one_epoch(
                    replica, batches, optimizer, schedule, scaler, loss_fn=loss_fn,
                    score_fn=score_fn, augment=augment, accumulate=accumulate, average=average,
                )  # fmt: skip
                seconds, tested = time.perf_counter() - start, None
                if val_loader:
                    tested = evaluate(run.judged, val_loader, loss_fn=loss_fn, score_fn=score_fn)
                run.add(trained, tested, seconds=seconds)
                if on_epoch and on_epoch(run.history):
                    run.end("stopped early")
                    break
    except KeyboardInterrupt:
        run.end("interrupted")
    finally:
        model.load_state_dict(run.best_weights)
    return run.history


def _with_bar(loader: Loader, epoch: int, epochs: int) -> Loader:
    # tqdm's notebook bar does not read its own TQDM_DISABLE, which stored notebooks are run with.
    hidden = "TQDM_DISABLE" in os.environ or processes.rank() > 0
    return tqdm(loader, desc=f"epoch {epoch}/{epochs}", leave=False, disable=hidden)


def _for_each_picture(augment: Augment | None) -> Augment | None:
    """``augment``, where torchvision's transforms draw for each picture and not once a batch."""
    if augment is None or "torchvision.transforms" not in sys.modules:
        return augment
    from imgrec_lab.augment import chain  # here, so that not every run loads OpenCV

    return chain(augment)


def _to(device: torch.device, value: Any) -> Any:
    """A tensor, or all tensors in lists and dicts, on ``device``; pictures in channels-last."""
    if isinstance(value, Tensor):
        # Convolutions then read neighbouring pixels in one go, on CPUs and GPUs alike.
        layout = torch.channels_last if value.dim() == 4 else torch.preserve_format
        return value.to(device, memory_format=layout, non_blocking=True)
    if isinstance(value, dict):
        return {key: _to(device, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_to(device, part) for part in value]
    raise TypeError(
        f"batches must be made of tensors; got {type(value).__name__}. Try torch.as_tensor(...)."
    )


def _in_full(outputs: Any) -> Any:
    """Half-precision outputs as float32, in which losses are computed."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.is_floating_point() else outputs
    if isinstance(outputs, dict):
        return {key: _in_full(part) for key, part in outputs.items()}
    return [_in_full(part) for part in outputs]


def _sums(
    outputs: Any, targets: Any, loss: Tensor, score_fn: ScoreFn | None, pictures: int
) -> Tensor:
    """Loss, right answers and pictures of one batch (3,), without waiting for the device."""
    right = score_fn(outputs, targets) if score_fn else torch.zeros_like(loss)
    return torch.stack([loss.detach() * pictures, right, torch.full_like(right, pictures)])


def _score(sums: Tensor, score_fn: ScoreFn | None) -> Score:
    loss, right, count = processes.total(sums).tolist()
    if not count:
        return Score(math.nan, math.nan, 0)
    return Score(loss / count, right / count if score_fn else None, int(count))
