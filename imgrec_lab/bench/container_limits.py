"""How many cores and how much memory this process may use, which may be less than the host has."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Limits:
    """What counts for a program that runs here.

    Attributes:
        cores: that this process may keep busy at once; a fraction where a container has a quota.
        memory_gib: that it may hold.
        host_cores, host_memory_gib: what the whole machine has.
    """

    cores: float
    memory_gib: float
    host_cores: int
    host_memory_gib: float

    def __str__(self) -> str:
        cores, memory = f"{self.cores:g} cores", f"{self.memory_gib:.1f} GiB of memory"
        if self.cores < self.host_cores:
            cores += f" (the host has {self.host_cores})"
        if self.memory_gib < 0.99 * self.host_memory_gib:
            memory += f" (the host has {self.host_memory_gib:.1f})"
        return f"{cores}, {memory}"


def limits(groups: Path = _GROUPS) -> Limits:
    """The limits of this process: the host's, less what affinity and containers take away.

    Args:
        groups: where Linux shows control groups, of version 2 or 1; elsewhere there are none.
    """
    host_cores, host_bytes = os.cpu_count() or 1, psutil.virtual_memory().total
    cores = [float(host_cores), *_quotas(groups)]
    if hasattr(os, "sched_getaffinity"):
        cores.append(len(os.sched_getaffinity(0)))
    memory = [host_bytes, *_memory_caps(groups)]
    return Limits(min(cores), min(memory) / 2**30, host_cores, host_bytes / 2**30)


def _quotas(groups: Path) -> list[float]:
    """Cores that the control group's quota is worth; nothing where it has none."""
    newer = _words(groups / "cpu.max")  # "200000 100000" or "max 100000", microseconds
    older = _words(groups / "cpu/cpu.cfs_quota_us") + _words(groups / "cpu/cpu.cfs_period_us")
    pairs = [words for words in (newer, older) if len(words) == 2 and words[0].isdigit()]
    return [int(quota) / int(period) for quota, period in pairs]  # "-1" is no quota either


def _memory_caps(groups: Path) -> list[int]:
    words = _words(groups / "memory.max") + _words(groups / "memory/memory.limit_in_bytes")
    return [int(word) for word in words if word.isdigit()]  # version 1 says 2**63 for none


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
