"""Numbers that say how well a model does, and how sure we may be of them."""

from imgrec_lab.metrics.class_counts import cohen_kappa, confusion_matrix
from imgrec_lab.metrics.detection_scores import DetectionScores, mean_average_precision
from imgrec_lab.metrics.error_kinds import DetectionErrors, ErrorKind, detection_errors
from imgrec_lab.metrics.intervals import Estimate, mean_interval
from imgrec_lab.metrics.ranked_precision import (
    PrecisionRecall,
    average_precision,
    match_detections,
    precision_recall,
)

__all__ = [
    "DetectionErrors", "DetectionScores", "ErrorKind", "Estimate", "PrecisionRecall",
    "average_precision", "cohen_kappa", "confusion_matrix", "detection_errors",
    "match_detections", "mean_average_precision", "mean_interval", "precision_recall",
]  # fmt: skip
