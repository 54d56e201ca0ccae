"""Settings for the whole test run, and nbval's where notebooks are checked.

They stand here and not in ``addopts`` because pytest refuses options it does not know, and nbval is
not installed everywhere. Whatever the command line says itself is kept.
"""

import os
from pathlib import Path

import pytest

from imgrec_lab.course import notebooks

ROOT = Path(__file__).resolve().parent
NBVAL_DEFAULT_TIMEOUT_SECONDS = 2000  # nobody wants to wait 33 minutes for an endless cell


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Fill in nbval's settings where ``--nbval`` or ``--nbval-lax`` was given."""
    option = config.option
    if not (getattr(option, "nbval", False) or getattr(option, "nbval_lax", False)):
        return
    for name, value in notebooks.CHECKED_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if option.nbval_sanitize_with is None:
        option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")
    if option.nbval_kernel_name is None:
        option.nbval_current_env = True
    if option.nbval_cell_timeout == NBVAL_DEFAULT_TIMEOUT_SECONDS:
        option.nbval_cell_timeout = notebooks.CELL_TIMEOUT_SECONDS
