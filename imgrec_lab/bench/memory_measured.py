"""The memory that a training step took: ``bench.measure_memory``."""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch

_LOG = re.compile(r"\w+\.cpp:\d+\] ")  # where a line of torch's own log comes from


def measure_memory(step: Callable[[], Any], device: torch.device | str) -> float:
    """How much more memory than before lay there at the fullest moment of ``step``, in MiB.

    On a GPU torch's allocator says so. On the CPU torch's profiler reports every allocation and
    release of torch's allocator, in order; what libraries take elsewhere is not seen.

    Args:
        step: takes nothing. Call it once before, if the first time is different: an optimizer
            makes its own tensors then.
        device: that the step runs on, a CUDA GPU or the CPU.

    Raises:
        ValueError: if the device cannot tell.
    """
    device = torch.device(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        step()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if device.type != "cpu":
        raise ValueError(f"device must be a CUDA GPU or the CPU, which can tell; got {device}.")
    now = peak = 0
    for num_bytes in _allocations(step):
        now += num_bytes
        peak = max(peak, now)
    return peak / 2**20


def _allocations(step: Callable[[], Any]) -> list[int]:
    """Bytes of each allocation on the CPU, below zero for a release, in their order."""
    from torch.profiler import ProfilerActivity, profile

    profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True)
    with _without_logs(), profiler:
        step()
    events = profiler.profiler.kineto_results.events()
    found = [event for event in events if event.name() == "[memory]"]
    return [event.nbytes() for event in sorted(found, key=lambda event: event.start_ns())]


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """The profiler's library logs past Python, where nobody needs it; all else is written after."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.write("".join(line for line in lines if not _LOG.search(line)))
