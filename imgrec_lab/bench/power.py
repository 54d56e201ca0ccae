"""The energy that something takes, where the hardware counts it: ``bench.energy``."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imgrec_lab import runtime
from imgrec_lab.bench import gpu_driver
from imgrec_lab.bench.gpu_driver import Untold
from imgrec_lab.bench.timing import clock, measure

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class Energy:
    """What one call took, or why that is not known.

    Attributes:
        joules: by the hardware's counter, with what it takes when idle; None if nothing counts.
        seconds: of one call, while that was counted; None likewise.
        source: what was counted.
        reason: why it is not known; empty if it is.
    """

    joules: float | None
    seconds: float | None
    source: str
    reason: str = ""

    @property
    def watts(self) -> float | None:
        return None if self.joules is None else self.joules / self.seconds


def energy(
    fn: Callable[[], Any],
    device: torch.device | str | None = None,
    *,
    seconds: float = 1.0,
    powercap: Path = _POWERCAP,
) -> Energy:
    """Joules of one call of ``fn``, from many calls between two readings of a counter.

    Counted is all that the GPU's board, or the processor's packages, take in that time, also for
    other programs; the rest of the machine is not.

    Args:
        fn: takes nothing; it is called at least six times.
        device: that it runs on, by default the fastest here. NVIDIA's GPUs tell through the
            package nvidia-ml-py, processors through Linux' powercap, others not at all.
        seconds: how long to repeat it at least; counters move every 1 to 100 ms.
        powercap: where Linux shows the processor's counters.

    Raises:
        ValueError: if ``seconds`` are below 0.1 or endless.
    """
    if not 0.1 <= seconds < math.inf:
        raise ValueError(
            f"seconds must be at least 0.1, for slow counters, and finite; got {seconds}. Try 1."
        )
    device = runtime.pick_device() if device is None else torch.device(device)
    source = {"cuda": "the GPU", "cpu": "the processor"}.get(device.type, "this machine")
    try:
        counter = _counter(device, powercap)
        calls, spent, joules = _counted(fn, counter, seconds)
    except Untold as reason:
        return Energy(None, None, source, str(reason))
    if not joules > 0:
        return Energy(None, None, source, f"its counter stood still for {spent:.1f} s.")
    return Energy(joules / calls, spent / calls, source)


def _counted(
    fn: Callable[[], Any], counter: Callable[[], float], seconds: float
) -> tuple[int, float, float]:
    """Calls, seconds and joules between two readings."""
    block = measure(fn, least_seconds=0, most_seconds=0.05).calls  # and fn is warm then
    calls, before, start = 0, counter(), clock()
    while clock() - start < seconds:
        for _ in range(block):
            fn()
        calls += block
    return calls, clock() - start, counter() - before


def _counter(device: torch.device, powercap: Path) -> Callable[[], float]:
    """What reads joules, from any start."""
    if device.type == "cuda":
        gpu_driver.energy_joules(device)  # does it answer?
        return lambda: gpu_driver.energy_joules(device)
    if device.type != "cpu":
        raise Untold(f"this machine does not tell the energy of {device.type}.")
    packages = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if _is_package(zone)]
    if not packages:
        raise Untold("this machine does not tell: no counter of its processor in Linux' powercap.")
    return _Packages(packages)


def _is_package(zone: Path) -> bool:
    """Zones inside a package are counted with it already, ``psys`` counts packages again."""
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False


class _Packages:
    """Joules of all packages since it was made; their counters begin again at a largest value."""

    def __init__(self, zones: list[Path]):
        self.zones, self.joules = zones, 0.0
        self.ranges_uj = [_microjoules(zone / "max_energy_range_uj") for zone in zones]
        self.last_uj = self._read()

    def __call__(self) -> float:
        now = self._read()
        for last, new, most in zip(self.last_uj, now, self.ranges_uj, strict=True):
            self.joules += ((new - last) % (most + 1)) / 1e6
        self.last_uj = now
        return self.joules

    def _read(self) -> list[int]:
        return [_microjoules(zone / "energy_uj") for zone in self.zones]


def _microjoules(path: Path) -> int:
    try:
        return int(path.read_text())
    except PermissionError:
        raise Untold(
            "no permission to read the processor's counter: Linux shows it to root only, since it "
            "betrays what other programs do. Try again as root, with sudo."
        ) from None
    except (OSError, ValueError) as error:
        kind = type(error).__name__
        raise Untold(f"the processor's counter cannot be read ({kind}).") from None
