"""How many cores and how much memory this process may use, which may be less than the host has."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

_GROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


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


def limits(groups: Path = _GROUPS, own: Path = _OWN) -> Limits:
    """The limits of this process: the host's, less what affinity and containers take away.

    Args:
        groups: where Linux shows control groups, of version 2 or 1; elsewhere there are none.
        own: where it says which of them this process is in; those above count too.
    """
    host_cores, host_bytes = os.cpu_count() or 1, psutil.virtual_memory().total
    cores = [float(host_cores), *_quotas(groups, own)]
    if hasattr(os, "sched_getaffinity"):
        cores.append(len(os.sched_getaffinity(0)))
    memory = [host_bytes, *_memory_caps(groups, own)]
    return Limits(min(cores), min(memory) / 2**30, host_cores, host_bytes / 2**30)


def _quotas(groups: Path, own: Path) -> list[float]:
    """Cores that each control group's quota is worth, where it has one."""
    pairs = [_words(folder / "cpu.max") for folder in _folders(groups, own, "")]
    for folder in _folders(groups / "cpu", own, "cpu"):
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        pairs.append([word for name in names for word in _words(folder / name)])
    # "200000 100000", microseconds; no quota is "max" in version 2, "-1" in version 1
    limited = [pair for pair in pairs if len(pair) == 2 and pair[0].isdigit()]
    return [int(quota) / int(period) for quota, period in limited]


def _memory_caps(groups: Path, own: Path) -> list[int]:
    words = [word for folder in _folders(groups, own, "") for word in _words(folder / "memory.max")]
    for folder in _folders(groups / "memory", own, "memory"):
        words += _words(folder / "memory.limit_in_bytes")
    return [int(word) for word in words if word.isdigit()]  # version 1 says 2**63 for none


def _folders(root: Path, own: Path, kind: str) -> list[Path]:
    """The control group of this process and all above it; kind "" is version 2."""
    path = "/"
    for line in _words(own):  # "4:memory:/a/b", or "0::/a/b" in version 2
        if line.count(":") >= 2 and kind in line.split(":")[1].split(","):
            path = line.split(":", 2)[2]
    parts = PurePosixPath(path).parts[1:]
    return [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
