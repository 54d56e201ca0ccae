"""The work and the memory of a training step with any batch, from two rehearsals of it."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from imgrec_lab.bench.memory_rehearsal import MemoryUse, memory_profile
from imgrec_lab.bench.work import Operation, Work, count_work

_SMALL, _LARGE = 2, 1024  # batches that are rehearsed


@dataclass(frozen=True)
class StepForecast:
    """One step with a small batch and one with a large one, and what follows for any other."""

    few: Work
    many: Work
    emptiest: MemoryUse  # with the small batch: weights and their update fill the memory
    fullest: MemoryUse

    def work(self, batch_size: int) -> Work:
        """Operations of a step with another batch: arithmetic and traffic grow in a line."""
        share = (batch_size - _SMALL) / (_LARGE - _SMALL)
        pairs = zip(self.few.operations, self.many.operations, strict=True)
        return Work(tuple(_between(a, b, share) for a, b in pairs), batch_size)

    def memory(self, batch_size: int) -> MemoryUse:
        """Activations grow with the batch; until they do, the update of the weights decides.

        Gradients and copies of weights that are there meanwhile are taken to grow too: of small
        batches a little is missing, less than the weights take.
        """
        grown = self.fullest
        share = batch_size / _LARGE
        batch, activations = share * grown.batch_mib, share * grown.activations_mib
        peak = self._fixed_mib() + batch + activations
        if peak > self.emptiest.peak_mib:
            return replace(grown, batch_mib=batch, activations_mib=activations, peak_mib=peak)
        return self.emptiest

    def largest_batch(self, room_mib: float) -> int:
        """The last one whose fullest moment has room; 0 where not even one picture has."""
        if self.emptiest.peak_mib > room_mib:
            return 0
        each = (self.fullest.batch_mib + self.fullest.activations_mib) / _LARGE
        return math.floor((room_mib - self._fixed_mib()) / each)

    def _fixed_mib(self) -> float:
        full = self.fullest
        return full.peak_mib - full.batch_mib - full.activations_mib


def _between(few: Operation, many: Operation, share: float) -> Operation:
    return replace(
        few,
        flops=max(0, round(few.flops + share * (many.flops - few.flops))),
        bytes=max(0, round(few.bytes + share * (many.bytes - few.bytes))),
    )


@functools.lru_cache(maxsize=64)
def forecast_step(
    build: Callable[[], nn.Module], image_size: tuple[int, int], dtype: torch.dtype
) -> StepForecast:
    """Rehearse AdamW's step of a classifier, once for each function, size and precision.

    Errors: as ``bench.memory_profile``.
    """
    found = []
    for count in (count_work, memory_profile):
        for batch_size in (_SMALL, _LARGE):
            images = torch.empty(batch_size, 3, *image_size, device="meta")
            labels = torch.zeros(batch_size, dtype=torch.int64, device="meta")
            found.append(count(build, images, labels, optimizer=_adamw, precision=dtype))
    return StepForecast(*found)


def _adamw(weights) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, foreach=True)  # as on a GPU: all weights at once
