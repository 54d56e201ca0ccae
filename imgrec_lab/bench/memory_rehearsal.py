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
from torch.utils._pytree import tree_leaves

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

    Args:
        build: makes the model; it is called where tensors have no numbers.
        images: (N, C, H, W); only the shape counts, so ``torch.empty(..., device="meta")`` will do.
        targets: what ``loss_fn`` takes as its second argument, in tensors, lists and dicts.
        loss_fn: (outputs, targets) to a scalar.
        optimizer: takes the parameters.

    Raises:
        ValueError: if the step asks for numbers, which are not there; names the operation.
    """
    with torch.device("meta"):
        model = build().train()
    model.to("meta", memory_format=torch.channels_last)  # what was made from NumPy, say
    images, targets = _on_meta(images), _on_meta(targets)
    images = images.to(memory_format=torch.channels_last) if images.dim() == 4 else images
    steps = optimizer(model.parameters())

    def step() -> None:
        steps.zero_grad()
        loss_fn(model(images), targets).backward()
        steps.step()

    try:
        step()  # now the optimizer keeps what it keeps
        peak = _rehearsed(step, model, steps, images, targets).peak
        full = _rehearsed(step, model, steps, images, targets, stop_at=peak)
    except (NotImplementedError, RuntimeError) as error:
        raise ValueError(
            "the model must be one whose step can run without numbers; it failed with: "
            f"{str(error).splitlines()[0]}. Measure it instead: bench.measure_memory."
        ) from error
    return _use(full, model, steps, images, targets)


class _Alive(TorchDispatchMode):
    """Counts the bytes of all storages that operations made and that are still alive."""

    def __init__(self, first: Iterable[Tensor], *, stop_at: int | None = None):
        super().__init__()
        self.now = self.peak = 0
        self.stop_at, self.at_peak = stop_at, {}  # what was alive then: number -> bytes
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
        self.peak = max(self.peak, self.now)
        if self.now == self.stop_at and not self.at_peak:
            self.at_peak = dict(self.alive.values())

    def _forget(self, key: int) -> None:
        self.now -= self.alive.pop(key)[1]


def _rehearsed(
    step: Callable[[], None],
    model: nn.Module,
    optimizer: Optimizer,
    images: Tensor,
    targets: Any,
    *,
    stop_at: int | None = None,
) -> _Alive:
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    kept = [*_weights(model), *_state(optimizer), *gradients, *_tensors([images, targets])]
    with _Alive(kept, stop_at=stop_at) as alive:
        del kept, gradients  # or the old gradients would never go
        step()
    return alive


def _use(
    alive: _Alive, model: nn.Module, optimizer: Optimizer, images: Tensor, targets: Any
) -> MemoryUse:
    """What was alive at the peak, by what it is for."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    parts = {
        "parameters_mib": _weights(model),
        "gradients_mib": gradients,
        "optimizer_mib": _state(optimizer),
        "batch_mib": _tensors([images, targets]),
    }
    sizes = {}
    for name, tensors in parts.items():
        numbers = {alive.alive[tensor.untyped_storage()._cdata][0] for tensor in tensors}
        sizes[name] = sum(alive.at_peak.get(number, 0) for number in numbers) / 2**20
    peak = sum(alive.at_peak.values()) / 2**20
    return MemoryUse(**sizes, activations_mib=peak - sum(sizes.values()), peak_mib=peak)


def _weights(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _state(optimizer: Optimizer) -> list[Tensor]:
    return [v for state in optimizer.state.values() for v in state.values() if _is_tensor(v)]


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if _is_tensor(value)]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _on_meta(values: Any) -> Any:
    return torch.utils._pytree.tree_map(
        lambda value: value.to("meta") if _is_tensor(value) else value, values
    )
