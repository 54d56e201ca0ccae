"""What NVIDIA's driver tells of a GPU, through the optional package nvidia-ml-py."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_SLOWED_BY = {  # bits of the driver's answer; an idle GPU and a clock that was asked for are none
    0x04: "its power limit",
    0x08: "its hardware, which halves the clock",
    0x20: "its temperature",
    0x40: "its temperature, by hardware",
    0x80: "its power supply",
}


class Untold(Exception):
    """Why a machine does not tell something, as a sentence."""


def energy_joules(device: torch.device) -> float:
    """What the GPU has taken since its driver was loaded; the driver counts from Volta on."""
    with _driver(device) as (nvml, handle):
        return nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000


def busy_fraction(device: torch.device) -> float:
    """The part of the last moments, up to a second, in which some program used the GPU."""
    with _driver(device) as (nvml, handle):
        return nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100


def free_gib(device: torch.device) -> float:
    """Free memory, asked without making a context on the GPU, which would take some of it."""
    with _driver(device) as (nvml, handle):
        return nvml.nvmlDeviceGetMemoryInfo(handle).free / 2**30


def slowed_by(fn: Callable[[], Any], device: torch.device, *, seconds: float = 0.5) -> list[str]:
    """What holds the GPU's clock down while ``fn`` keeps it busy."""
    with _driver(device) as (nvml, handle):
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            fn()
        reasons = nvml.nvmlDeviceGetCurrentClocksEventReasons(handle)  # before it falls idle
    return [name for bit, name in _SLOWED_BY.items() if reasons & bit]


@contextmanager
def _driver(device: torch.device) -> Iterator[tuple[Any, Any]]:
    """The module and its handle of the GPU that torch calls ``device``.

    Raises:
        Untold: if package or driver are missing, or the driver does not answer.
    """
    try:
        import pynvml
    except ImportError:
        raise Untold(
            "the package nvidia-ml-py, which asks NVIDIA's driver, is not installed. Try "
            "pip install nvidia-ml-py."
        ) from None
    try:
        pynvml.nvmlInit()  # it stays open, as torch leaves it too: opening again takes long
        # torch counts only the GPUs that it may see, the driver counts all
        uuid = torch.cuda.get_device_properties(device).uuid
        yield pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError as error:
        raise Untold(_sentence(str(error))) from None


def _sentence(answer: str) -> str:
    known = {
        "Not Supported": "this GPU does not tell; Volta and later do, unless they are virtual.",
        "Insufficient Permissions": "no permission to ask the driver. Ask who runs this machine.",
        "Driver Not Loaded": "NVIDIA's driver is not loaded.",
        "NVML Shared Library Not Found": "the driver's library NVML is not installed.",
    }
    return known.get(answer, f"NVIDIA's driver does not tell: {answer}.")
