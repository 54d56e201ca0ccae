"""The exercises of lesson 01: from pixels to a decision, by hand."""

from imgrec_lab.exercises.layer_sizes import output_size, receptive_field
from imgrec_lab.exercises.losses import cross_entropy
from imgrec_lab.exercises.windows import conv2d, max_pool2d

EXERCISES = (conv2d, max_pool2d, output_size, cross_entropy, receptive_field)
