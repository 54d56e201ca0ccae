"""A training step on torch's ``meta`` device, where tensors have a shape and no numbers.

Nothing is computed or allocated, so a step can be rehearsed that would not fit this machine. What
is to be learned of it, a mode that sees every operation finds out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

LossFn = Callable[[Any, Any], Tensor]
MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
Watch = TypeVar("Watch", bound=TorchDispatchMode)
_PRECISIONS = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Step:
    """One training step that can be taken again and again, on the meta device."""

    model: nn.Module
    optimizer: Optimizer
    images: Tensor
    targets: Any
    loss_fn: LossFn
    precision: torch.dtype

    def __call__(self) -> None:
        self.optimizer.zero_grad()
        self._loss().backward()
        self.optimizer.step()

    def _loss(self) -> Tensor:
        with _Autocast(self.precision):
            outputs = self.model(self.images)
        return self.loss_fn(_in_full(outputs), self.targets)

    def parts(self) -> dict[str, list[Tensor]]:
        """The tensors that are there between two steps, by what they are for."""
        weights = [*self.model.parameters()]
        return {
            "parameters": [*weights, *self.model.buffers()],
            "gradients": [weight.grad for weight in weights if weight.grad is not None],
            "optimizer": tensors(list(self.optimizer.state.values())),
            "batch": tensors([self.images, self.targets]),
        }


def rehearse(
    watch: Callable[[Step], Watch],
    build: Callable[[], nn.Module],
    images: Tensor,
    targets: Any,
    *,
    loss_fn: LossFn,
    optimizer: MakeOptimizer,
    precision: torch.dtype,
) -> tuple[Step, Watch]:
    """Take two steps and watch the second, when the optimizer has its state.

    Args:
        watch: makes the mode that sees the operations of the second step.
        build, images, targets, loss_fn, optimizer, precision: as in ``bench.memory_profile``.

    Raises:
        TypeError: if ``build`` makes no model, or images are not floating point.
        ValueError: if the precision is none, or the step does not run without numbers.
    """
    _check(build, images, precision)
    images, targets = tree_map_only(Tensor, lambda value: value.to("meta"), (images, targets))
    if images.dim() == 4:
        images = images.to(memory_format=torch.channels_last)
    try:
        with torch.device("meta"):
            model = build().train()
        model.to("meta").to(memory_format=torch.channels_last)  # also what NumPy made, say
        step = Step(model, optimizer(model.parameters()), images, targets, loss_fn, precision)
        step()
        with watch(step) as watched:
            step()
    except (NotImplementedError, RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            "model, loss and optimizer must run on images of this shape, and without numbers; they "
            f"failed with: {reason} If they do run on real ones, measure instead: "
            "bench.measure_memory, bench.measure."
        ) from error
    return step, watched


def tensors(values: Any) -> list[Tensor]:
    """All tensors in lists, tuples and dicts."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def _check(build: Any, images: Any, precision: Any) -> None:
    if isinstance(build, nn.Module) or not callable(build):
        raise TypeError(
            f"build must be a function that makes the model; got a {type(build).__name__}. Try "
            "lambda: models.TinyCNN(14)."
        )
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor of floating-point numbers; got {kind}.")
    if precision not in _PRECISIONS:
        raise ValueError(
            f"precision must be one of {', '.join(map(str, _PRECISIONS))}; got {precision!r}."
        )


class _Autocast(TorchFunctionMode):
    """What ``torch.autocast`` does to the heavy operations; it does not know the meta device."""

    _HEAVY = {
        F.conv1d, F.conv2d, F.conv3d, F.conv_transpose2d, F.linear,
        F.scaled_dot_product_attention, torch.matmul, torch.bmm, torch.mm,
        Tensor.matmul, Tensor.__matmul__,
    }  # fmt: skip

    def __init__(self, precision: torch.dtype):
        super().__init__()
        self.precision = precision

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.precision != torch.float32 and function in self._HEAVY:
            args, kwargs = tree_map(self._cast, (args, kwargs))
        return function(*args, **kwargs)

    def _cast(self, value: Any) -> Any:
        full = isinstance(value, Tensor) and value.dtype == torch.float32
        return value.to(self.precision) if full else value


def _in_full(outputs: Any) -> Any:
    """Half-precision outputs as float32, in which losses are computed."""
    return tree_map_only(
        Tensor, lambda value: value.float() if value.is_floating_point() else value, outputs
    )
