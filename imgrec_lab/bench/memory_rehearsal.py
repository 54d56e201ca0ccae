"""The memory that a training step will need, found out before it is taken."""

import itertools
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from imgrec_lab.bench.rehearsal import LossFn, MakeOptimizer, Step, rehearse, tensors


@dataclass(frozen=True)
class MemoryUse:
    """What lies in memory at the fullest moment of one training step, in MiB.

    Attributes:
        parameters_mib: weights, and running statistics.
        gradients_mib: those that are there at that moment; there are none before the first step.
        optimizer_mib: what the optimizer keeps of earlier steps, two numbers a weight for Adam.
        batch_mib: pictures and targets.
        activations_mib: what layers keep for the way back, and what is on its way.
        workspace_mib: the room that the kernel at work then needs for itself.
        peak_mib: the sum.
    """

    parameters_mib: float
    gradients_mib: float
    optimizer_mib: float
    batch_mib: float
    activations_mib: float
    workspace_mib: float
    peak_mib: float

    @property
    def before_mib(self) -> float:
        """What lies there between two steps; ``bench.measure_memory`` says what a step adds."""
        return self.parameters_mib + self.optimizer_mib + self.batch_mib


def memory_profile(
    build: Callable[[], nn.Module],
    images: Tensor,
    targets: Any,
    *,
    loss_fn: LossFn = F.cross_entropy,
    optimizer: MakeOptimizer = torch.optim.AdamW,
    precision: torch.dtype = torch.float32,
) -> MemoryUse:
    """Predict the memory of one training step, after the first; nothing is computed or allocated.

    Models lie in channels-last, as ``train.fit`` keeps them; in the usual layout some kernels copy
    whole activations. The workspace is that of the CPU's convolutions, two copies of their weights
    on the way back; cuDNN chooses its own, often larger. Attention is counted with its whole table
    of queries by keys, which fused kernels never keep: measure a transformer instead. On a GPU
    torch's optimizers take all weights at once and need more; rehearse
    ``optimizer=lambda weights: torch.optim.AdamW(weights, foreach=True)``.

    Args:
        build: makes the model; it is called where tensors have no numbers.
        images: (N, C, H, W) floating point; no number is read, so
            ``torch.empty(..., device="meta")`` will do.
        targets: what ``loss_fn`` takes as its second argument, in tensors, lists and dicts.
        loss_fn: (outputs, targets) to a scalar.
        optimizer: takes the parameters.
        precision: float32, or what autocast computes in: bfloat16 or float16.

    Raises:
        TypeError: if ``build`` makes no model, or images are not floating point.
        ValueError: if the step does not run, or asks for numbers, which are not there.
    """
    step, alive = rehearse(
        _Alive, build, images, targets, loss_fn=loss_fn, optimizer=optimizer, precision=precision
    )
    return _use(alive, step)


class _Alive(TorchDispatchMode):
    """Counts the bytes of all storages that operations made and that are still alive."""

    def __init__(self, step: Step):
        super().__init__()
        self.now = self.peak = 0
        self.at_peak: dict[int, int] = {}  # what was alive then: number -> bytes
        self.workspace = 0  # bytes, at the peak
        self.alive: dict[int, tuple[int, int]] = {}  # address -> number, bytes
        self.numbers = itertools.count()  # addresses are used again and again, numbers are not
        for tensor in itertools.chain(*step.parts().values()):
            self._count(tensor)

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        results = operation(*args, **(kwargs or {}))
        for tensor in tensors(results):
            self._count(tensor)
        if operation is torch.ops.aten.convolution_backward.default:
            self._look(workspace=2 * args[2].nbytes)
        return results

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := storage._cdata) in self.alive:
            return
        self.alive[key] = next(self.numbers), storage.nbytes()
        weakref.finalize(storage, self._forget, key)
        self.now += storage.nbytes()
        self._look()

    def _look(self, workspace: int = 0) -> None:
        """Note what is there, if it was never so much."""
        if self.now + workspace > self.peak:
            self.peak, self.workspace = self.now + workspace, workspace
            self.at_peak = dict(self.alive.values())

    def _forget(self, key: int) -> None:
        self.now -= self.alive.pop(key)[1]


def _use(alive: _Alive, step: Step) -> MemoryUse:
    """What was alive at the peak, by what it is for."""
    sizes = {}
    for name, values in step.parts().items():
        numbers = {alive.alive[tensor.untyped_storage()._cdata][0] for tensor in values}
        sizes[f"{name}_mib"] = sum(alive.at_peak.get(number, 0) for number in numbers) / 2**20
    sizes["workspace_mib"] = alive.workspace / 2**20
    peak = alive.peak / 2**20
    return MemoryUse(**sizes, activations_mib=peak - sum(sizes.values()), peak_mib=peak)
