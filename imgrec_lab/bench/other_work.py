"""How much other programs keep the processor busy while something is measured.

One of them on one core is enough: threads that wait for each other then wait for it too, and a
call of microseconds takes milliseconds.
"""

import contextlib

import psutil

from imgrec_lab.bench.container_limits import Limits

_NOISE = 0.05  # of the cores: what an idle system itself does
_BUSY = ("user", "nice", "system", "irq", "softirq", "steal")


def others_seconds() -> float:
    """Processor seconds, over all cores, that others than this program have used so far."""
    times = psutil.cpu_times()
    return sum(getattr(times, kind, 0.0) for kind in _BUSY) - _own_seconds()


def _own_seconds() -> float:
    """Of this program and what it started; those that have ended count with it."""
    own = psutil.Process()
    total = sum(own.cpu_times()[:4])  # user, system, and the same of children that ended
    for child in own.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it may end just now
            total += sum(child.cpu_times()[:4])
    return total


def crowding(others: float, seconds: float, limits: Limits) -> str:
    """A sentence if others used so much that this program cannot have had its cores; else empty."""
    busy = others / max(seconds, 1.0)  # counters tick slowly: a short part says little
    if busy + limits.cores <= (1 + _NOISE) * limits.host_cores:
        return ""
    return f"other programs kept {busy:.1f} of {limits.host_cores} cores busy: end them first"
