"""TF32: float32 products whose factors are rounded to ten bits, on NVIDIA GPUs from Ampere on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


def available(device: torch.device) -> bool:
    """Whether ``device`` multiplies in TF32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def allow(yes: bool) -> None:
    """Whether CUDA may use TF32; where nobody says so, torch lets convolutions."""
    torch.backends.cuda.matmul.allow_tf32 = yes
    torch.backends.cudnn.allow_tf32 = yes


@contextmanager
def allowed(yes: bool) -> Iterator[None]:
    """Allow or forbid TF32 meanwhile."""
    with kept():
        allow(yes)
        yield


@contextmanager
def kept() -> Iterator[None]:
    """Leave torch's settings of TF32 as they were, also after an error."""
    # torch 2.9 gave each switch a word beside it, and refuses to read a switch that disagrees
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    parts = [torch.backends.cuda.matmul, getattr(mkldnn, "matmul", None)]
    parts += [getattr(cudnn, name, None) for name in ("conv", "rnn")]
    words = [(part, part.fp32_precision) for part in parts if hasattr(part, "fp32_precision")]
    products = _unless_refused(torch.get_float32_matmul_precision, "highest")
    convolutions = _unless_refused(lambda: cudnn.allow_tf32, False)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32 = convolutions
        for part, word in words:
            part.fp32_precision = word


def _unless_refused(read: Callable[[], Any], otherwise: Any) -> Any:
    try:
        return read()
    except RuntimeError:
        return otherwise
