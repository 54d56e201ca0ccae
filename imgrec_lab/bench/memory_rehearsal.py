"""The memory that a training step will need, found out without computing or allocating anything.

The step runs on torch's ``meta`` device, where tensors have a shape and no numbers. A mode that
sees every operation counts what is alive after each.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

LossFn = Callable[[Any, Any], Tensor]


@dataclass(frozen=True)
class MemoryUse:
    """What lies in memory at the fullest moment of one training step, in MiB.

    Attributes:
        parameters_mib: weights, and running statistics.
        gradients_mib: those that are there at that moment; there are none before the first step.
        optimizer_mib: what the optimizer keeps of earlier steps, two numbers a weight for Adam.
        batch_mib: pictures and targets.
        activations_mib: all the rest: what layers keep for the way back, and what is on its way.
        peak_mib: the sum.
    """

    parameters_mib: float
    gradients_mib: float
    optimizer_mib: float
    batch_mib: float
    activations_mib: float
    peak_mib: float


def rehearse_memory(
    build: Callable[[], nn.Module],
    images: Tensor,
    targets: Any,
    *,
    loss_fn: LossFn = F.cross_entropy,
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.AdamW,
) -> MemoryUse:
    """Predict the memory of one training step in float32, after the first.

    Kernels may need room of their own beside it: a convolution that must first bring its input
    into another layout, say. Models in channels-last, as ``train.fit`` keeps them, need little.
    Attention is counted with its whole table of queries by keys, which fused kernels never keep:
    measure a transformer instead. On a GPU torch's optimizers take all weights at once and need
    more; rehearse ``optimizer=lambda weights: torch.optim.AdamW(weights, foreach=True)``.

    Args:
        build: makes the model; it is called where tensors have no numbers.
        images: (N, C, H, W) floating point; no number is read, so
            ``torch.empty(..., device="meta")`` will do.
        targets: what ``loss_fn`` takes as its second argument, in tensors, lists and dicts.
        loss_fn: (outputs, targets) to a scalar.
        optimizer: takes the parameters.

    Raises:
        TypeError: if ``build`` makes no model, or images are not floating point.
        ValueError: if the step does not run, or asks for numbers, which are not there.
    """
    if isinstance(build, nn.Module) or not callable(build):
        raise TypeError(
            f"build must be a function that makes the model; got a {type(build).__name__}. Try "
            "lambda: models.TinyCNN(14)."
        )
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor of floating-point numbers; got {kind}.")
    images, targets = tree_map_only(Tensor, lambda value: value.to("meta"), (images, targets))
    if images.dim() == 4:
        images = images.to(memory_format=torch.channels_last)
    try:
        return _rehearsed(build, images, targets, loss_fn, optimizer)
    except (NotImplementedError, RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            "model, loss and optimizer must run on images of this shape, and without numbers; they "
            f"failed with: {reason} If they do run on real ones, use bench.measure_memory."
        ) from error


def _rehearsed(
    build: Callable[[], nn.Module],
    images: Tensor,
    targets: Any,
    loss_fn: LossFn,
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
) -> MemoryUse:
    """Two steps on the meta device: the second is looked at, when the optimizer has its state."""
    with torch.device("meta"):
        model = build().train()
    model.to("meta").to(memory_format=torch.channels_last)  # also what was made from NumPy, say
    steps = optimizer(model.parameters())

    def step() -> None:
        steps.zero_grad()
        loss_fn(model(images), targets).backward()
        steps.step()

    step()
    with _Alive(itertools.chain(*_parts(model, steps, images, targets).values())) as alive:
        step()
    return _use(alive, model, steps, images, targets)


class _Alive(TorchDispatchMode):
    """Counts the bytes of all storages that operations made and that are still alive."""

    def __init__(self, first: Iterable[Tensor]):
        super().__init__()
        self.now = self.peak = 0
        self.at_peak: dict[int, int] = {}  # what was alive then: number -> bytes
        self.alive: dict[int, tuple[int, int]] = {}  # address -> number, bytes
        self.numbers = itertools.count()  # addresses are used again and again, numbers are not
        for tensor in first:
            self._count(tensor)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        results = operation(*args, **(kwargs or {}))
        for value in tree_leaves(results):
            if isinstance(value, Tensor):
                self._count(value)
        return results

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) in self.alive:
            return
        self.alive[key] = next(self.numbers), storage.nbytes()
        weakref.finalize(storage, self._forget, key)
        self.now += storage.nbytes()
        if self.now > self.peak:
            self.peak, self.at_peak = self.now, dict(self.alive.values())

    def _forget(self, key: int) -> None:
        self.now -= self.alive.pop(key)[1]


def _use(
    alive: _Alive, model: nn.Module, optimizer: Optimizer, images: Tensor, targets: Any
) -> MemoryUse:
    """What was alive at the peak, by what it is for."""
    sizes = {}
    for name, tensors in _parts(model, optimizer, images, targets).items():
        numbers = {alive.alive[tensor.untyped_storage()._cdata][0] for tensor in tensors}
        sizes[name] = sum(alive.at_peak.get(number, 0) for number in numbers) / 2**20
    peak = alive.peak / 2**20
    return MemoryUse(**sizes, activations_mib=peak - sum(sizes.values()), peak_mib=peak)


def _parts(
    model: nn.Module, optimizer: Optimizer, images: Tensor, targets: Any
) -> dict[str, list[Tensor]]:
    """All tensors that have a name of their own in ``MemoryUse``."""
    return {
        "parameters_mib": [*model.parameters(), *model.buffers()],
        "gradients_mib": [w.grad for w in model.parameters() if w.grad is not None],
        "optimizer_mib": _tensors(list(optimizer.state.values())),
        "batch_mib": _tensors([images, targets]),
    }


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
