"""Boxes and detection targets: xyxy pixels, half-open.

A box is ``(x1, y1, x2, y2)``, measured on pixel edges: pixel column 0 spans 0 to 1.
So ``x2`` is the last covered column plus one, ``x2 - x1`` is the width in pixels, and
a box of one pixel has area 1.
"""

from imgrec_lab.box_ops.box_geometry import (
    area,
    clip,
    cxcywh_to_xyxy,
    from_masks,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from imgrec_lab.box_ops.box_overlap import giou, intersection, iou, match, paired_giou, paired_iou
from imgrec_lab.box_ops.box_suppression import nms
from imgrec_lab.box_ops.box_targets import Detections, Target

__all__ = [
    "Detections", "Target", "area", "clip", "cxcywh_to_xyxy", "from_masks", "giou",
    "intersection", "iou", "match", "nms", "paired_giou", "paired_iou", "xywh_to_xyxy",
    "xyxy_to_cxcywh", "xyxy_to_xywh",
]  # fmt: skip
