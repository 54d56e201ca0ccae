"""The exercises of the course, one module a lesson; a notebook imports its own as ``ex``."""

import importlib

from imgrec_lab.checks import Exercise

MODULES = {
    "00_start_here": "start_here",
    "01_fundamentals": "fundamentals",
    "02_data": "preparation",
    "03_training": "training",
    "04_augmentation": "augmentation",
    "07_localisation_vs_detection": "localisation",
    "09_hardware": "hardware",
}


def in_lesson(lesson: str) -> tuple[Exercise, ...]:
    """The exercises of a lesson, in the order in which they stand there.

    Args:
        lesson: the name of its notebook, e.g. "01_fundamentals".

    Raises:
        ValueError: if the lesson has no exercises.
    """
    if lesson not in MODULES:
        raise ValueError(f"lesson must be one of {', '.join(MODULES)}; got {lesson!r}.")
    return importlib.import_module(f"imgrec_lab.exercises.{MODULES[lesson]}").EXERCISES
