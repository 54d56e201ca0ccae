"""The machine that the code runs on: device, seeds, precision, threads, memory, report."""

import os
import platform
import random
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import metadata

import torch


@dataclass(frozen=True)
class Precision:
    """The number format that a training step computes in.

    Attributes:
        dtype: what matrix products and convolutions run in.
        scale_gradients: whether small gradients would vanish in ``dtype`` (true for float16),
            so that the loss has to be scaled up before ``backward`` and down again after.
    """

    dtype: torch.dtype
    scale_gradients: bool = False

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """A context in which ``device`` computes in this precision; nothing changes for float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.dtype)

    def __str__(self) -> str:
        name = str(self.dtype).removeprefix("torch.")
        return f"{name} with scaled gradients" if self.scale_gradients else name


def pick_device() -> torch.device:
    """The fastest device here: a CUDA GPU, else an Apple GPU, else the CPU.

    The environment variable ``IMGREC_DEVICE`` (``cpu``, ``cuda`` or ``mps``) decides instead.

    Raises:
        ValueError: if the variable names a device that is not here.
    """
    here = ["cpu"]  # the fastest comes last
    here += ["mps"] * torch.backends.mps.is_available() + ["cuda"] * torch.cuda.is_available()
    wanted = os.environ.get("IMGREC_DEVICE") or here[-1]
    if wanted not in here:
        raise ValueError(
            f"IMGREC_DEVICE must name a device of this machine: {', '.join(here)}; got {wanted!r}."
        )
    return torch.device(wanted)


def find_device(device: torch.device | str | None = None) -> torch.device:
    """``device`` if it is here; by default ``pick_device()``.

    Raises:
        ValueError: if it is not here; the sentence names those that are.
    """
    if device is None:
        return pick_device()
    here = ["cpu"] + ["mps"] * torch.backends.mps.is_available()
    here += ["cuda"] * torch.cuda.is_available()
    here += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if str(device) not in here:
        raise ValueError(f"device must be one of {', '.join(here)}; got {device}.")
    return torch.device(device)


def pick_precision(device: torch.device) -> Precision:
    """The fastest precision that trains safely on ``device``.

    bfloat16 where the hardware multiplies it natively, float16 with scaled gradients on older
    NVIDIA cards (a T4, say), float32 everywhere else: on a CPU without bfloat16 instructions an
    emulated half precision is slower than float32. The environment variable ``IMGREC_PRECISION``
    (``float32``, ``bfloat16`` or ``float16``) decides instead: float32 repeats on other machines.

    Raises:
        ValueError: if the variable names no precision.
    """
    if wanted := os.environ.get("IMGREC_PRECISION"):
        if wanted not in ("float32", "bfloat16", "float16"):
            raise ValueError(
                f"IMGREC_PRECISION must be float32, bfloat16 or float16; got {wanted!r}."
            )
        return Precision(getattr(torch, wanted), scale_gradients=wanted == "float16")
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return Precision(torch.bfloat16)
        return Precision(torch.float16, scale_gradients=True)
    if device.type == "cpu" and _cpu_multiplies_bfloat16():
        return Precision(torch.bfloat16)
    return Precision(torch.float32)


def _cpu_multiplies_bfloat16() -> bool:
    # torch names these queries with an underscore and has moved them before; absent means "no".
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, query, lambda: False)() for query in queries)


def gradient_scaler(device: torch.device) -> torch.amp.GradScaler:
    """The loss scaler that float16 training needs; on other devices it changes nothing."""
    enabled = pick_precision(device).scale_gradients
    return torch.amp.GradScaler(device.type, enabled=enabled)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators on every device.

    Raises:
        ValueError: if ``seed`` is not in [0, 2**32), the range that NumPy accepts.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in [0, 2**32); got {seed}. Try a small integer such as 0.")
    import numpy

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def use_threads(count: int) -> None:
    """Fix the number of CPU threads, which sums in a fixed order need to repeat to the last digit.

    Raises:
        ValueError: if ``count`` is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1 thread; got {count}.")
    torch.set_num_threads(count)


def available_memory_gib(device: torch.device | None = None) -> float:
    """Memory that can still be allocated on ``device`` (default: the CPU), in GiB."""
    if device is not None and device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**30
    import psutil

    return psutil.virtual_memory().available / 2**30


def device_name(device: torch.device) -> str:
    """The device as its maker calls it, such as ``NVIDIA T4`` or ``AMD EPYC, 2 threads``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    threads = torch.get_num_threads()
    return f"{_cpu_name()}, {threads} thread{'s' * (threads != 1)}"


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            names = [
                line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def report() -> dict[str, str]:
    """What a result must be quoted with: versions, device, precision, threads and memory."""
    device = pick_device()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "device": device_name(device),
        "precision": str(pick_precision(device)),
        "threads": str(torch.get_num_threads()),
        "cores": str(os.cpu_count()),
        "memory": f"{available_memory_gib(device):.1f} GiB free",
        "system": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
