"""The roofs of the machine at hand, measured: ``bench.roofline``."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab import runtime
from imgrec_lab.bench import tf32
from imgrec_lab.bench.rooflines import Roofline
from imgrec_lab.bench.timing import Timing, measure
from imgrec_lab.bench.training_steps import training_step
from imgrec_lab.bench.work import count_work

Job = tuple[Callable[[], Any], int]  # a call, and its floating-point operations

_LONG_ENOUGH_MS, _DOUBLINGS = 1.0, 9
_REFERENCE = (16, 3, 96, 96)  # pictures for the reference network
_BEYOND_CACHES = 2**28  # bytes, more than any processor keeps close


def roofline(device: torch.device | str | None = None, *, seconds: float = 0.2) -> Roofline:
    """Measure the roofs of a device: matrix products, convolutions, memory, calls.

    Half precision is measured also where it is emulated, since that is worth knowing. Sizes grow
    until a call takes about a millisecond.

    Args:
        device: default the fastest here.
        seconds: for each of the measurements, of which there are about forty.

    Raises:
        ValueError: if ``seconds`` is not above 0, or infinite.
    """
    device = runtime.find_device(device)
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be above 0 and finite; got {seconds}. Try 0.2.")
    gflops = {}
    for precision, dtype in _precisions(device).items():
        with tf32.allowed(precision == "tf32"):
            gflops[precision] = _rates(device, dtype, seconds)
    roof = Roofline(
        runtime.device_name(device),
        gflops,
        bandwidth_gb_s=tuple(_bandwidths(device, seconds)),
        norm_gb_s=_norm_speeds(device, seconds),
        launch_us=_launches(device, seconds),
        overlaps=device.type != "cpu",
        reached={"float32": 1.0},
    )
    return replace(roof, reached=_reached(roof, device, seconds))


def _precisions(device: torch.device) -> dict[str, torch.dtype]:
    found = {"float32": torch.float32}
    if tf32.available(device):
        found["tf32"] = torch.float32
    return found | {"bfloat16": torch.bfloat16, "float16": torch.float16}


def _rates(device: torch.device, dtype: torch.dtype, seconds: float) -> dict[str, float]:
    """10^9 floating-point operations a second of each kind of operation."""
    jobs = {kind: _grown(functools.partial(make, device, dtype)) for kind, make in _MAKERS.items()}
    return {
        kind: flops / _timed(call, seconds).median_ms / 1e6 for kind, (call, flops) in jobs.items()
    }


def _grown(make: Callable[[int], Job]) -> Job:
    """The first of ever larger jobs that takes a while."""
    for power in range(_DOUBLINGS):
        call, flops = make(2**power)
        if min(_timed(call, 0.01).times_ms) >= _LONG_ENOUGH_MS:
            break
    return call, flops


def _product(device: torch.device, dtype: torch.dtype, factor: int) -> Job:
    side = 64 * factor
    a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2 * side**3


def _convolution(
    device: torch.device, dtype: torch.dtype, pictures: int, shape: tuple[int, int] = (128, 28),
    *, backward: bool, depthwise: bool = False, side: int = 3,
) -> Job:  # fmt: skip
    """A convolution in the middle of a ResNet, or one with a kernel for each channel."""
    channels, size = shape
    groups = channels if depthwise else 1
    images, weight = (
        torch.rand(sizes, device=device)
        .to(dtype, memory_format=torch.channels_last)
        .requires_grad_(backward)
        for sizes in (
            (pictures, channels, size, size),
            (channels, channels // groups, side, side),
        )
    )
    call = functools.partial(F.conv2d, images, weight, padding=side // 2, groups=groups)
    flops = 2 * weight.numel() * pictures * size**2
    return (_backward(call(), images, weight), 2 * flops) if backward else (call, flops)


def _backward(outputs: Tensor, *inputs: Tensor) -> Callable[[], Any]:
    gradient = torch.ones_like(outputs)
    return lambda: torch.autograd.grad(outputs, inputs, gradient, retain_graph=True)


_MAKERS: dict[str, Callable[..., Job]] = {
    "matmul": _product,
    "conv": functools.partial(_convolution, backward=False),
    "conv backward": functools.partial(_convolution, backward=True),
    "pointwise": functools.partial(_convolution, backward=False, side=1),
    "pointwise backward": functools.partial(_convolution, backward=True, side=1),
    "depthwise": functools.partial(_convolution, backward=False, depthwise=True),
    "depthwise backward": functools.partial(_convolution, backward=True, depthwise=True),
}


def _bandwidths(device: torch.device, seconds: float) -> Iterator[tuple[int, float]]:
    """Bytes moved by a sum of two tensors into a new one, and 10^9 of them a second.

    Many pairs take turns, as in a training step: what is read was written long ago, and has left
    the caches.
    """
    for power in range(12, 27, 2):
        num_bytes = 3 * 4 * 2**power
        many = max(1, _BEYOND_CACHES // num_bytes)
        turns = itertools.cycle(torch.rand(many, 2, 2**power, device=device).unbind())
        timing = _timed(lambda turns=turns: torch.add(*next(turns)), seconds)
        yield num_bytes, num_bytes / timing.median_ms / 1e6
        if min(timing.times_ms) >= 4 * _LONG_ENOUGH_MS:
            return


def _norm_speeds(device: torch.device, seconds: float) -> dict[str, float]:
    """10^9 bytes a second of a batch norm, many in turns, as ``count_work`` counts its bytes."""
    shape, norm = (8, 128, 28, 28), nn.BatchNorm2d(128).to(device)
    num_bytes = 4 * math.prod(shape)
    many = max(1, _BEYOND_CACHES // num_bytes)
    images = [
        torch.rand(shape, device=device).to(memory_format=torch.channels_last).requires_grad_()
        for _ in range(many)
    ]
    forward = itertools.cycle([functools.partial(norm, image) for image in images])
    backward = itertools.cycle([_backward(norm(image), image) for image in images])
    return {
        "norm": 3 * num_bytes / _timed(lambda: next(forward)(), seconds).median_ms / 1e6,
        "norm backward": 5 * num_bytes / _timed(lambda: next(backward)(), seconds).median_ms / 1e6,
    }


def _launches(device: torch.device, seconds: float) -> dict[str, float]:
    """Microseconds of a call of each kind that has next to nothing to do."""
    found = {}
    for kind, make in _MAKERS.items():
        smallest = (1,) if kind == "matmul" else (8, (32, 2))
        call, _ = make(device, torch.float32, *smallest)
        found[kind] = 1000 * _timed(call, seconds).median_ms
    step_us = _idle_step_us(device, seconds)
    return found | dict.fromkeys(("norm", "norm backward", "memory"), step_us)


def _idle_step_us(device: torch.device, seconds: float) -> float:
    """Microseconds for each operation of a training step that computes next to nothing."""
    work = count_work(_idle_network, torch.zeros(1, 1), None, loss_fn=_total)
    model, image = _idle_network().to(device), torch.zeros(1, 1, device=device)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        optimizer.zero_grad()
        _total(model(image), None).backward()
        optimizer.step()

    return 1000 * _timed(step, seconds).median_ms / len(work.operations)


def _reached(roof: Roofline, device: torch.device, seconds: float) -> dict[str, float]:
    """The roof's time for a training step of a common network, as a part of the measured time."""
    from torchvision.models import resnet18

    found = {}
    images = torch.rand(_REFERENCE, device=device)
    labels = torch.zeros(len(images), dtype=torch.long, device=device)
    for name, precision in _trainable(device).items():
        with tf32.allowed(name == "tf32"):
            step = training_step(resnet18(), images, labels, precision=precision)
            timing = measure(step, least_seconds=seconds, most_seconds=5 * seconds)
        work = count_work(resnet18, images, labels, precision=precision.dtype)
        found[name] = 1000 * roof.roof_seconds(work, name) / timing.median_ms
    return found


def _trainable(device: torch.device) -> dict[str, runtime.Precision]:
    """float32, and what training would choose here."""
    full, chosen = runtime.Precision(torch.float32), runtime.pick_precision(device)
    found = {"float32": full}
    if tf32.available(device):
        found["tf32"] = full
    return found | {str(chosen.dtype).removeprefix("torch."): chosen}


def _idle_network() -> nn.Module:
    return nn.Sequential(*(nn.Linear(1, 1) for _ in range(20)))


def _total(outputs: Tensor, targets: None) -> Tensor:
    return outputs.sum()


def _timed(call: Callable[[], Any], seconds: float) -> Timing:
    return measure(call, least_seconds=seconds / 2, most_seconds=seconds)
