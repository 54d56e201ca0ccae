"""The exercises of lesson 04: mirrored labels, turned and cropped boxes, CutMix, paired gains."""

from imgrec_lab.exercises.crop_exercises import crop_boxes
from imgrec_lab.exercises.cutmix_exercises import cutmix
from imgrec_lab.exercises.gain_exercises import paired_gain
from imgrec_lab.exercises.mirror_exercises import flip_labels
from imgrec_lab.exercises.turn_exercises import rotate_box

__all__ = ["EXERCISES", "crop_boxes", "cutmix", "flip_labels", "paired_gain", "rotate_box"]

EXERCISES = (rotate_box, crop_boxes, flip_labels, paired_gain, cutmix)
