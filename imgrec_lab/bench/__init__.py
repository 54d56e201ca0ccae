"""Benchmarks: honest timing, the machine's limits, memory of a training step, published cards."""

from imgrec_lab.bench.cards import CARDS, Card, find_card
from imgrec_lab.bench.container_limits import Limits, limits
from imgrec_lab.bench.memory_measured import measure_memory
from imgrec_lab.bench.memory_rehearsal import MemoryUse, rehearse_memory
from imgrec_lab.bench.timing import Timing, measure

__all__ = [
    "CARDS",
    "Card",
    "Limits",
    "MemoryUse",
    "Timing",
    "find_card",
    "limits",
    "measure",
    "measure_memory",
    "rehearse_memory",
]
