"""``python -m imgrec_lab.course`` does what ``imgrec-lab`` does."""

import sys

from imgrec_lab.course import main

sys.exit(main())
