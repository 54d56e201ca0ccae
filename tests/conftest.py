"""What several test files need."""

import os
from collections.abc import Iterator

import pytest

# Tests that compare sums with sums need full precision, whatever the processor multiplies.
os.environ.setdefault("IMGREC_PRECISION", "float32")


@pytest.fixture
def no_figures_left() -> Iterator[None]:
    """Draw without a screen, and close every figure afterwards."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "agg"}):
        plt.switch_backend("agg")
        yield
        plt.close("all")
