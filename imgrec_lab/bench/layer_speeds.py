"""How fast each layer of a network really is: ``bench.measure_layers``."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from imgrec_lab.bench.timing import measure


@dataclass(frozen=True)
class LayerSpeed:
    """The forward pass of one layer on one batch.

    Attributes:
        name: where it stands in the network, such as ``body.0.conv1.0``.
        kind: the name of its class, such as ``Conv2d``.
        flops: of matrix products and convolutions, a multiply-add as 2; for other layers one for
            each number that comes out.
        bytes: of input, output and weights.
        ms: the median time of a call.
    """

    name: str
    kind: str
    flops: int
    bytes: int
    ms: float

    @property
    def intensity(self) -> float:
        """Floating-point operations for each byte."""
        return self.flops / self.bytes

    @property
    def gflops(self) -> float:
        """10^9 floating-point operations a second that were reached."""
        return self.flops / self.ms / 1e6


@torch.no_grad()
def measure_layers(
    model: nn.Module, images: Tensor, *, seconds: float = 0.05
) -> tuple[LayerSpeed, ...]:
    """Time each layer of a network by itself, in training mode, on what reaches it.

    Args:
        model: its innermost modules are its layers, each of which must take one tensor; its
            weights stay as they are, running statistics move on.
        images: (N, C, H, W), on the device of the model.
        seconds: for each layer.

    Raises:
        ValueError: if no layer computes anything.
    """
    inputs: dict[str, Tensor] = {}
    layers = {name: layer for name, layer in model.named_modules() if not [*layer.children()]}

    def keep(name: str, layer: nn.Module, args: tuple) -> None:  # a result would replace the input
        inputs.setdefault(name, args[0])

    hooks = [
        layer.register_forward_pre_hook(functools.partial(keep, name))
        for name, layer in layers.items()
    ]
    try:
        model.train()(images)
    finally:
        for hook in hooks:
            hook.remove()
    speeds = (_speed(name, layers[name], value, seconds) for name, value in inputs.items())
    if not (found := tuple(speed for speed in speeds if speed)):
        raise ValueError(
            "model must have a layer that computes something; "
            f"{type(model).__name__} only hands on its input."
        )
    return found


def _speed(name: str, layer: nn.Module, value: Tensor, seconds: float) -> LayerSpeed | None:
    """None for a layer that only hands on what it gets."""
    with FlopCounterMode(display=False) as counter:
        output = layer(value)
    if output.data_ptr() == value.data_ptr():
        return None
    weights = sum(weight.nbytes for weight in layer.parameters())
    timing = measure(lambda: layer(value), least_seconds=0, most_seconds=seconds)
    return LayerSpeed(
        name,
        type(layer).__name__,
        counter.get_total_flops() or output.numel(),
        value.nbytes + output.nbytes + weights,
        timing.median_ms,
    )
