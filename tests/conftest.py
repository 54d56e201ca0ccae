"""What several test files need."""

from collections.abc import Iterator

import pytest


@pytest.fixture
def no_figures_left() -> Iterator[None]:
    """Draw without a screen, and close every figure afterwards."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"backend": "agg"}):
        plt.switch_backend("agg")
        yield
        plt.close("all")
