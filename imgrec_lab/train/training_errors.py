"""What can go wrong in a run, said in one sentence: what must hold, what came, what to try."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from imgrec_lab.history import History

_HIGHEST_RATE = 100.0  # nothing learns above it; a 1e6 is a slip of the pen


def check_start(
    model: nn.Module,
    loader: Any,
    optimizer: Optimizer | None,
    *,
    epochs: int,
    accumulate: int,
    lr: float,
) -> None:
    """Everything that can be known to fail before the first step."""
    for name, number in (("epochs", epochs), ("accumulate", accumulate)):
        if not isinstance(number, int):
            raise TypeError(f"{name} must be a whole number; got {number!r}.")
        if number < 1:
            raise ValueError(f"{name} must be at least 1; got {number}.")
    rates = [group["lr"] for group in optimizer.param_groups] if optimizer else [lr]
    for rate in rates:
        if not 0 < rate <= _HIGHEST_RATE:
            raise ValueError(
                f"lr must lie above 0 and be at most {_HIGHEST_RATE:g}, or nothing is learned; got "
                f"{rate:g}. Try 3e-3."
            )
    if not hasattr(loader, "__len__"):
        raise TypeError(
            "train_loader must have a length and start anew each epoch; got "
            f"{type(loader).__name__}. Try list(...), or datasets.make_loader."
        )
    if len(loader) == 0:
        raise ValueError("train_loader must hold at least one batch; got none. Is the set empty?")
    _check_weights(model, optimizer)


def _check_weights(model: nn.Module, optimizer: Optimizer | None) -> None:
    weights = dict(model.named_parameters())
    if not any(weight.requires_grad for weight in weights.values()):
        raise ValueError(
            f"model must have weights that can learn; {type(model).__name__} has none. Give it a "
            "layer with weights, or set requires_grad on some."
        )
    for name, weight in weights.items():
        if not weight.isfinite().all():
            raise ValueError(
                f"every weight must be a finite number; got NaN or infinity in {name!r}. "
                "Build the model anew, or load the last good checkpoint."
            )
    if optimizer is not None:
        own = {id(weight) for weight in weights.values()}
        if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
            raise ValueError(
                "optimizer must hold weights of this model; got those of another one. Build it "
                "after the model: train.default_optimizer(model, lr=...)."
            )


def check_batch(outputs: Any, targets: Any) -> None:
    """Class labels must be whole numbers that name an output; other targets pass."""
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor) and outputs.dim() == 2):
        return
    num_classes = outputs.shape[1]
    if targets.dim() != 1 or num_classes == 1:
        return
    if len(targets) == 0:
        raise ValueError(
            "each batch must hold at least one picture; got an empty one. Leave it out."
        )
    if targets.is_floating_point():
        raise TypeError(
            f"labels must be whole numbers (int64); got {targets.dtype}. Try labels.long(), or, "
            f"for soft labels, shape (N, {num_classes})."
        )
    low, high = targets.min().item(), targets.max().item()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, as the model has {num_classes} outputs; got "
            f"{low}..{high}. Build the model with num_classes={high + 1}, or correct the labels."
        )


def check_epoch(history: History, *, val_count: int | None, lr: float) -> None:
    """The epoch that has just ended must have met pictures and given finite losses."""
    last = history.epochs[-1]
    counts = {"train_loader": last.images_per_s, "val_loader": val_count}
    for name, pictures in counts.items():
        if pictures == 0:
            raise ValueError(
                f"{name} must yield pictures in every epoch; epoch {last.epoch} got none. Can "
                "its files be read, and does it start anew each time?"
            )
    for name, loss in (("training", last.train_loss), ("validation", last.val_loss)):
        if loss is not None and not math.isfinite(loss):
            raise FloatingPointError(
                f"the {name} loss must stay a finite number; it became {loss} in epoch "
                f"{last.epoch}. Most often the rate is too high: try lr={lr / 10:g}. If that does "
                "not help, look for NaN in the images. The model holds its best weights so far."
            )


@contextmanager
def explained(model: nn.Module, loader: Any, loss_fn: Callable) -> Iterator[None]:
    """Known errors of torch, raised within the block, come out as sentences."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        text = str(error)
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:
            raise MemoryError(_advice_on_memory(model, loader, loss_fn)) from error
        if "more than 1 value per channel" in text:
            raise ValueError(
                "each training batch must hold at least 2 pictures, as batch norm compares them; "
                "got 1. Choose a batch_size that does not leave a single one for the last batch."
            ) from error
        if isinstance(error, IndexError) and "out of bounds" in text:
            raise ValueError(
                f"labels must name one of the model's outputs in every batch; torch says: {text} "
                "Build the model with more classes, or correct the labels."
            ) from error
        raise


def _advice_on_memory(model: nn.Module, loader: Any, loss_fn: Callable) -> str:
    """Try smaller and smaller parts of a batch, and say which would have fitted."""
    device = next(model.parameters()).device
    images, targets = next(iter(loader))
    size = len(images)
    fits = size // 2
    while fits and not _fits(model, images[:fits].to(device), targets[:fits], loss_fn):
        fits //= 2
    advice = "Not even one picture fits: choose a smaller picture or a smaller network."
    if fits:
        accumulate = math.ceil(size / fits)
        advice = (
            f"A batch of {fits} fits; with accumulate={accumulate} it learns like one of "
            f"{fits * accumulate}."
        )
    return f"a training step must fit into the memory of {device}; batches of {size} do not. " + (
        advice
    )


def _fits(model: nn.Module, images: Tensor, targets: Any, loss_fn: Callable) -> bool:
    if isinstance(targets, Tensor):
        targets = targets.to(images.device)
    try:
        loss_fn(model(images), targets).backward()
    except RuntimeError:
        return False
    finally:
        model.zero_grad()
        if images.device.type == "cuda":
            torch.cuda.empty_cache()
    return True
