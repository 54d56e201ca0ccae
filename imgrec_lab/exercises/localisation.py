"""The exercises of lesson 07: boxes, their overlap, a detector's steps, average precision."""

from imgrec_lab.exercises.assignment_exercises import assign_inside
from imgrec_lab.exercises.conversion_exercises import cxcywh_to_xyxy
from imgrec_lab.exercises.curve_exercises import precision_recall
from imgrec_lab.exercises.decoding_exercises import decode
from imgrec_lab.exercises.overlap_exercises import iou
from imgrec_lab.exercises.precision_exercises import average_precision
from imgrec_lab.exercises.suppression_exercises import nms

__all__ = [
    "EXERCISES",
    "assign_inside",
    "average_precision",
    "cxcywh_to_xyxy",
    "decode",
    "iou",
    "nms",
    "precision_recall",
]

EXERCISES = (
    cxcywh_to_xyxy,
    iou,
    assign_inside,
    decode,
    nms,
    precision_recall,
    average_precision,
)
