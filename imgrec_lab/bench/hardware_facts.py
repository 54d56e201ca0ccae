"""What is in this machine, and whether others use it: ``bench.machine_facts``.

Nothing here names the host, its users or its folders, so that reports can be published.
"""

import math
from dataclasses import dataclass

import torch

import imgrec_lab
from imgrec_lab import runtime
from imgrec_lab.bench import gpu_driver
from imgrec_lab.bench.cards import known_card
from imgrec_lab.bench.container_limits import limits
from imgrec_lab.bench.gpu_driver import Untold

_CONTEXT_GIB = 1.0  # more than CUDA itself takes for a process, 0.3 to 0.6 GiB
_BUSY = 0.1


@dataclass(frozen=True)
class Gpu:
    """One CUDA GPU; ``free_gib`` is None where only a context on it could tell."""

    name: str
    memory_gib: float
    free_gib: float | None
    compute_capability: str
    measured: bool


@dataclass(frozen=True)
class Facts:
    """What a measurement on this machine has to be quoted with.

    Attributes:
        device: that is measured, as its maker calls it.
        kind: "cpu", "cuda" or "mps".
        precision: that training picks here: bfloat16 only where it is native.
        processor: its name, and the threads that torch runs on it.
        instructions: the widest set that torch uses on it, such as AVX2.
        gpus: all that torch can see.
        note: which of several GPUs is measured; empty where there is no choice.
        card: the name in ``bench.CARDS``; empty if the device is none of them.
        warnings: what makes measurements doubtful.
    """

    device: str
    kind: str
    precision: str
    processor: str
    instructions: str
    gpus: tuple[Gpu, ...]
    note: str
    card: str
    system: str
    python: str
    torch: str
    torchvision: str
    imgrec_lab: str
    warnings: tuple[str, ...]


def machine_facts(device: torch.device | str | None = None) -> Facts:
    """Look at the machine before it is measured, and change nothing.

    Args:
        device: that will be measured, by default the fastest here.
    """
    device = runtime.find_device(device)
    versions, name = runtime.report(), runtime.device_name(device)
    gpus, card = _gpus(device), known_card(name)
    return Facts(
        device=name,
        kind=device.type,
        precision=str(runtime.pick_precision(device)),
        processor=runtime.device_name(torch.device("cpu")),
        instructions=torch.backends.cpu.get_cpu_capability(),
        gpus=gpus,
        note=_note(gpus),
        card=card.name if card else "",
        **{key: versions[key] for key in ("system", "python", "torch", "torchvision")},
        imgrec_lab=imgrec_lab.__version__,
        warnings=(*_crowded_threads(), *_use_by_others(device)),
    )


def _gpus(device: torch.device) -> tuple[Gpu, ...]:
    found = []
    for index in range(torch.cuda.device_count()):
        this, measured = torch.device("cuda", index), index == _index(device)
        properties = torch.cuda.get_device_properties(this)
        found.append(
            Gpu(
                name=properties.name,
                memory_gib=properties.total_memory / 2**30,
                free_gib=_free_gib(this, measured),
                compute_capability=f"{properties.major}.{properties.minor}",
                measured=measured,
            )
        )
    return tuple(found)


def _index(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    return torch.cuda.current_device() if device.index is None else device.index


def _free_gib(gpu: torch.device, measured: bool) -> float | None:
    if measured:
        return runtime.available_memory_gib(gpu)
    try:
        return gpu_driver.free_gib(gpu)
    except Untold:
        return None


def _note(gpus: tuple[Gpu, ...]) -> str:
    measured = [index for index, gpu in enumerate(gpus) if gpu.measured]
    if len(gpus) < 2 or not measured:
        return ""
    return f"of {len(gpus)} GPUs, number {measured[0]} is measured; the others are not used"


def _crowded_threads() -> list[str]:
    threads, cores = torch.get_num_threads(), math.ceil(limits().cores)
    if threads <= cores:
        return []
    return [
        f"torch runs {threads} threads where {cores} cores count: they wait for each other. Set "
        f"OMP_NUM_THREADS={cores} before Python starts."
    ]


def _use_by_others(device: torch.device) -> list[str]:
    """Signs that another program uses the GPU; of a processor, timings themselves tell."""
    if device.type != "cuda":
        return []
    found = []
    free, total = torch.cuda.mem_get_info(device)
    taken_gib = (total - free - torch.cuda.memory_reserved(device)) / 2**30
    if taken_gib > _CONTEXT_GIB:
        found.append(
            f"the GPU is in use by others: {taken_gib:.1f} GiB of its memory are taken, not by "
            "this program. Close other notebooks and programs that use it (nvidia-smi lists them)."
        )
    try:
        busy = gpu_driver.busy_fraction(device)
    except Untold:
        return found
    if busy > _BUSY:
        found.append(
            f"the GPU is in use by others: it was busy for {busy:.0%} of the second before. Wait "
            "until it is idle, and measure again."
        )
    return found
