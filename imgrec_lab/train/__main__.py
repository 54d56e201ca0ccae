"""``imgrec-lab train`` for many processes: ``torchrun --nproc-per-node=2 -m imgrec_lab.train``."""

import sys

from imgrec_lab import course

sys.exit(course.main(["train", *sys.argv[1:]]))
