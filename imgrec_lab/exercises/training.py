"""The exercises of lesson 03: a training loop, its rate and its scores; then the bug museum."""

from imgrec_lab.exercises import bug_museum
from imgrec_lab.exercises.training_rates import momentum_step, one_cycle_rate
from imgrec_lab.exercises.training_scores import recall_per_class, should_stop
from imgrec_lab.exercises.training_steps import mean_loss, train_step

__all__ = [
    "EXERCISES",
    "bug_museum",
    "mean_loss",
    "momentum_step",
    "one_cycle_rate",
    "recall_per_class",
    "should_stop",
    "train_step",
]

EXERCISES = (train_step, momentum_step, one_cycle_rate, mean_loss, recall_per_class, should_stop)
