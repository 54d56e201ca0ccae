"""Training: the loop (``fit``), learning rates, checkpoints.

A loader is any sized iterable of ``(images, targets)`` batches; ``datasets.make_loader`` gives one.
``torch.compile`` is one line before the run: ``model.compile()``.
"""

from imgrec_lab.train.learning_rates import (
    average_of_steps,
    clip_gradients,
    constant,
    cosine,
    default_optimizer,
    one_cycle,
    rates_of,
    stop_early,
)
from imgrec_lab.train.range_test import RangeTest, lr_range_test
from imgrec_lab.train.stopwatch import Stopwatch
from imgrec_lab.train.training_loop import (
    Augment,
    Loader,
    LossFn,
    ScoreFn,
    evaluate,
    fit,
    predict,
    right_answers,
    train_one_epoch,
)

__all__ = [
    "Augment",
    "Loader",
    "LossFn",
    "RangeTest",
    "ScoreFn",
    "Stopwatch",
    "average_of_steps",
    "clip_gradients",
    "constant",
    "cosine",
    "default_optimizer",
    "evaluate",
    "fit",
    "lr_range_test",
    "one_cycle",
    "predict",
    "rates_of",
    "right_answers",
    "stop_early",
    "train_one_epoch",
]
