"""The exercises of lesson 02: boxes, annotators, copies, leaks and doubtful labels."""

from imgrec_lab.exercises.doubt_exercises import doubted
from imgrec_lab.exercises.label_exercises import cohen_kappa, yolo_row
from imgrec_lab.exercises.leak_exercises import bits_apart, leaking

__all__ = ["EXERCISES", "bits_apart", "cohen_kappa", "doubted", "leaking", "yolo_row"]

EXERCISES = (cohen_kappa, yolo_row, bits_apart, leaking, doubted)
