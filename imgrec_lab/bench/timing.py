"""How long something takes, and how sure that is: ``bench.measure``."""

import math
import statistics
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

_LEAST_BLOCK_S = 2e-3  # a clock and a synchronisation take microseconds: well below 1 % of it
_LEAST_BLOCKS = 11
_WARM_UP_S = 0.05
_OUTLIER, _DRIFT = 1.5, 0.05  # times the median; change of the median between thirds of the run


@dataclass(frozen=True)
class Timing:
    """The time of one call, from many blocks of calls.

    Attributes:
        times_ms: one a block, in the order in which they were measured.
        calls: of the function in each block.
        warnings: what makes the median doubtful, in words; empty for a quiet run.
    """

    times_ms: tuple[float, ...]
    calls: int
    warnings: tuple[str, ...] = ()

    @property
    def median_ms(self) -> float:
        return statistics.median(self.times_ms)

    @property
    def quartiles_ms(self) -> tuple[float, float]:
        """A quarter of the blocks was faster than the first, a quarter slower than the second."""
        low, _, high = statistics.quantiles(self.times_ms, n=4, method="inclusive")
        return low, high

    @property
    def interval_ms(self) -> tuple[float, float]:
        """Where the true median lies, with a confidence of 95 % from six blocks on.

        No shape of the noise is assumed, but that blocks do not depend on each other. A run that
        ended as soon as this was narrow covers the median a little less often: about 92 %.

        Source: Conover 1999, Practical nonparametric statistics, chapter 3 (order statistics).
        """
        return _median_interval(self.times_ms)

    def __str__(self) -> str:
        low, high = self.interval_ms
        unit, size = ("s", 1000) if self.median_ms >= 10_000 else ("ms", 1)
        median, low, high = (f"{value / size:.4g}" for value in (self.median_ms, low, high))
        text = f"{median} {unit} ({low} to {high}, {len(self.times_ms)} blocks)"
        return "; ".join([text, *self.warnings])


def measure(
    fn: Callable[[], Any],
    *,
    interval: float = 0.02,
    least_seconds: float = 0.2,
    most_seconds: float = 2.0,
) -> Timing:
    """Time ``fn`` rightly: warm it up, wait for the device, repeat until the median is known.

    Blocks of calls are timed, and a GPU is waited for before and after each.
    ``torch.utils.benchmark.Timer`` measures the same; it calls ``fn`` twice more for each block.

    Args:
        fn: what to time; takes nothing, and is called many times.
        interval: half the width of the 95 % interval of the median, as a fraction of it, at which
            the run may end.
        least_seconds, most_seconds: how long the run takes at least, and after how long it ends
            although the interval is still too wide (with a warning).

    Raises:
        TypeError: if ``fn`` cannot be called.
        ValueError: if ``interval`` or the seconds make no sense.
    """
    if not callable(fn):
        raise TypeError(
            f"fn must be a function without arguments; got a {type(fn).__name__}. Try "
            "measure(lambda: model(images))."
        )
    if not 0 < interval < 1:
        raise ValueError(f"interval must lie between 0 and 1; got {interval}. Try 0.02.")
    if not 0 <= least_seconds <= most_seconds or not 0 < most_seconds < math.inf:
        raise ValueError(
            "least_seconds must not be negative, nor above most_seconds; got "
            f"{least_seconds} and {most_seconds}. Try 0.2 and 2."
        )
    timer = timeit.Timer(fn, timer=clock)
    calls = _warm_up(timer)
    times: list[float] = []  # seconds a call
    spent = 0.0
    while spent < most_seconds or len(times) < 3:
        times.append(timer.timeit(calls) / calls)
        spent += times[-1] * calls
        enough = len(times) >= _LEAST_BLOCKS and spent >= least_seconds
        if enough and _relative_interval(times) <= interval:
            break
    return Timing(tuple(1000 * t for t in times), calls, _doubts(times, interval))


def clock() -> float:
    """Seconds, after all that a GPU has been asked for is done."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter()


def _warm_up(timer: timeit.Timer) -> int:
    """How many calls make a block, found while caches, clocks and allocators warm up."""
    timer.timeit(1)  # compiles and allocates: says nothing of later calls
    calls, spent = 1, 0.0
    while True:
        block = timer.timeit(calls)
        spent += block
        if block >= _LEAST_BLOCK_S and spent >= _WARM_UP_S:
            return calls
        if block < _LEAST_BLOCK_S:
            calls = max(calls + 1, math.ceil(1.2 * calls * _LEAST_BLOCK_S / max(block, 1e-7)))


def _median_interval(times: tuple[float, ...] | list[float]) -> tuple[float, float]:
    ordered, count = sorted(times), len(times)
    reach = 1.96 * math.sqrt(count) / 2  # ranks, by the normal limit of the binomial
    low = max(0, math.floor((count - 1) / 2 - reach))
    high = min(count - 1, math.ceil((count - 1) / 2 + reach))
    return ordered[low], ordered[high]


def _relative_interval(times: list[float]) -> float:
    low, high = _median_interval(times)
    return (high - low) / 2 / statistics.median(times)


def _doubts(times: list[float], interval: float) -> tuple[str, ...]:
    """What makes the median of such a run doubtful."""
    median, third, found = statistics.median(times), len(times) // 3, []
    if (count := len(times)) < 6:
        sure = 1 - 0.5 ** (count - 1)
        found.append(f"{count} blocks only: the interval holds with {sure:.0%}, not with 95 %")
    if (reached := _relative_interval(times)) > interval:
        found.append(
            f"the interval is ±{reached:.1%}, not ±{interval:.1%}: other work, or too short"
        )
    slow = sum(t > _OUTLIER * median for t in times) / len(times)
    if slow > 0.05:
        found.append(f"{slow:.0%} of the blocks took over {_OUTLIER} times the median: other work")
    if third >= 4:
        change = statistics.median(times[-third:]) / statistics.median(times[:third]) - 1
        if abs(change) > _DRIFT:
            way = "slower" if change > 0 else "faster"
            found.append(
                f"it ended {abs(change):.0%} {way} than it began: throttling, or other work"
            )
    return tuple(found)
