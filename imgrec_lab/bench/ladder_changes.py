"""The rows of the throughput ladder, and which of them a machine can climb."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from typing import Any

import torch

from imgrec_lab import runtime
from imgrec_lab.bench.container_limits import limits

_MOST_WORKERS = 8


@dataclass(frozen=True)
class Machine:
    """What decides which rows apply; ``capability`` is CUDA's, ``no_...`` say why not."""

    workers: int
    precision: runtime.Precision
    capability: tuple[int, int] | None
    no_half: str
    no_compiler: str


@dataclass(frozen=True)
class Change:
    """One row; ``why_not`` is empty where it applies."""

    name: str
    fields: dict[str, Any]  # of Setup
    setting: str = ""
    why_not: str = ""


def look_at(device: torch.device) -> Machine:
    """What is to be known of this machine and device."""
    precision = runtime.pick_precision(device)
    no_half = ""
    if precision.dtype == torch.float32:
        no_half = f"runtime.pick_precision trains in float32 on {device.type}"
        if os.environ.get("IMGREC_PRECISION"):
            no_half = "IMGREC_PRECISION asks for float32"
        elif device.type == "cpu":
            no_half = (
                "torch knows no bfloat16 instruction of this processor; emulated, it is slower"
            )
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    return Machine(
        workers=min(max(int(limits().cores), 1), _MOST_WORKERS),
        precision=precision,
        capability=capability,
        no_half=no_half,
        no_compiler=_no_compiler(device),
    )


def _no_compiler(device: torch.device) -> str:
    if device.type == "cuda":
        return "" if importlib.util.find_spec("triton") else "Triton is not installed"
    if device.type == "cpu":
        names = (os.environ.get("CXX", ""), "g++", "clang++", "cl")
        return "" if any(map(shutil.which, names)) else "no C++ compiler is here"
    return ""


def changes(machine: Machine, *, large: int, compiled: bool) -> list[Change]:
    """The rows from top to bottom, each with the reason for which it does not apply, if any."""
    half, workers, capability = machine.precision, machine.workers, machine.capability
    no_tf32 = no_graphs = "" if capability else "only on CUDA GPUs"
    if capability and capability < (8, 0):
        no_tf32 = f"from compute capability 8.0 on; this GPU has {capability[0]}.{capability[1]}"
    no_compile = machine.no_compiler if compiled else "left out by compiled=False"
    plural = "" if workers == 1 else "s"
    return [
        Change("plain loop", {}),
        Change("loader workers", {"workers": workers}, f"{workers} worker{plural}"),
        Change("resident data", {"resident": True}, "uint8, on the device"),
        Change("larger batch", {"batch_size": large}, f"{large} pictures"),
        Change("channels-last", {"channels_last": True}),
        Change("half precision", {"precision": half}, str(half), machine.no_half),
        Change("TF32", {"tf32": True}, "what is left in float32", no_tf32),
        Change("torch.compile", {"compiled": True}, why_not=no_compile),
        Change("CUDA graphs", {"graphs": True}, "forward and backward", no_graphs),
    ]
