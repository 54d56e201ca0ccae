"""What a training step has to do: arithmetic and memory traffic of each operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from imgrec_lab.bench.rehearsal import LossFn, MakeOptimizer, Step, rehearse, tensors

_FORWARD = ("conv", "pointwise", "depthwise", "norm")
KINDS = ("matmul", *_FORWARD, *(f"{kind} backward" for kind in _FORWARD), "memory")
_aten = torch.ops.aten
_PASSES = {  # batch norm must know a channel's mean before it can use it: its input is read twice
    _aten.native_batch_norm: 3 / 2,
    _aten.native_batch_norm_backward: 5 / 3,
}
_ALLOCATIONS = {_aten.empty, _aten.empty_like, _aten.new_empty, _aten.empty_strided}


@dataclass(frozen=True)
class Operation:
    """One call of a kernel.

    Attributes:
        name: torch's name for it, such as ``convolution_backward``.
        kind: one of ``KINDS``: "pointwise" convolutions look at one pixel, "depthwise" ones at one
            channel; "norm" is a batch norm, "memory" all else that only moves numbers.
        flops: floating-point operations of matrix products and convolutions; a multiply-add is 2.
        bytes: read and written, if each tensor passes once; those of a batch norm more often.
    """

    name: str
    kind: str
    flops: int
    bytes: int


@dataclass(frozen=True)
class Work:
    """All operations of one training step on ``pictures`` pictures, in their order."""

    operations: tuple[Operation, ...]
    pictures: int

    @property
    def flops(self) -> int:
        return sum(operation.flops for operation in self.operations)

    @property
    def bytes(self) -> int:
        return sum(operation.bytes for operation in self.operations)


def count_work(
    build: Callable[[], nn.Module],
    images: Tensor,
    targets: Any,
    *,
    loss_fn: LossFn = F.cross_entropy,
    optimizer: MakeOptimizer = torch.optim.AdamW,
    precision: torch.dtype = torch.float32,
) -> Work:
    """Count what one training step computes and moves; nothing is computed.

    The arithmetic is torch's own count (``torch.utils.flop_counter``), with one correction: the
    backward pass of a convolution costs as much as the forward pass for each gradient that is
    asked for, also where channels come in groups, which torch counts many times over.

    Arguments, errors: as ``bench.memory_profile``.
    """
    step, trace = rehearse(
        _Trace, build, images, targets, loss_fn=loss_fn, optimizer=optimizer, precision=precision
    )
    return Work(tuple(trace.operations), pictures=len(step.images))


class _Trace(TorchDispatchMode):
    """Notes each operation that is more than another view of the same numbers."""

    def __init__(self, step: Step):
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = operation(*args, **kwargs)
        packet = operation._overloadpacket
        inputs, outputs = tensors([args, kwargs]), tensors(result)
        if packet in _ALLOCATIONS or _is_view(operation, inputs, outputs):
            return result
        moved = sum(value.nbytes for value in inputs + outputs)
        self.operations.append(
            Operation(
                name=packet.__name__,
                kind=_kind(packet, args),
                flops=_flops(packet, args, kwargs, result),
                bytes=round(moved * _PASSES.get(packet, 1)),
            )
        )
        return result


def _is_view(operation: Any, inputs: list[Tensor], outputs: list[Tensor]) -> bool:
    if operation._schema.is_mutable:
        return False
    there = {value.untyped_storage()._cdata for value in inputs}
    return all(value.untyped_storage()._cdata in there for value in outputs)


def _kind(packet: Any, args: tuple) -> str:
    if packet is _aten.convolution:
        return _convolution_kind(args[1], args[8])
    if packet is _aten.convolution_backward:
        return f"{_convolution_kind(args[2], args[9])} backward"
    if packet in _PASSES:
        return "norm backward" if packet is _aten.native_batch_norm_backward else "norm"
    return "matmul" if packet in flop_registry else "memory"


def _convolution_kind(weight: Tensor, groups: int) -> str:
    if groups > 1 and weight.shape[1] == 1:
        return "depthwise"
    return "pointwise" if weight.shape[2:].numel() == 1 else "conv"


def _flops(packet: Any, args: tuple, kwargs: dict, result: Any) -> int:
    if packet is _aten.convolution_backward:
        gradient, images, weight, _, *shape, wanted = args  # stride, padding, ..., groups
        forward = flop_registry[_aten.convolution]
        once = forward(images, weight, None, *shape, out_val=gradient)
        return once * sum(wanted[:2])  # of input and of weight
    return flop_registry[packet](*args, **kwargs, out_val=result) if packet in flop_registry else 0
