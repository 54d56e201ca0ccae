"""The exercises of lesson 09: time, limits and memory of training, and several GPUs."""

from imgrec_lab.exercises.accumulation_exercises import accumulate
from imgrec_lab.exercises.memory_exercises import training_gib
from imgrec_lab.exercises.ring_exercises import all_reduce_ms
from imgrec_lab.exercises.roofline_exercises import attainable_gflops
from imgrec_lab.exercises.speedup_exercises import project_speedup
from imgrec_lab.exercises.timing_exercises import honest_ms

__all__ = [
    "EXERCISES",
    "accumulate",
    "all_reduce_ms",
    "attainable_gflops",
    "honest_ms",
    "project_speedup",
    "training_gib",
]

EXERCISES = (
    honest_ms,
    attainable_gflops,
    accumulate,
    training_gib,
    project_speedup,
    all_reduce_ms,
)
