"""One clear sentence in place of a disk that fills up half-way."""

import shutil
from pathlib import Path

ADVICE = "make room, or set IMGREC_DATA to a folder on another disk"


def check(folder: Path, num_bytes: int, what: str) -> None:
    """Raise OSError unless ``num_bytes`` more fit on the disk that ``folder`` lies on.

    Args:
        folder: an existing one.
        num_bytes: what is about to be written.
        what: for the sentence, such as "downloading a.zip".
    """
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise OSError(
            f"{what} needs {megabytes(num_bytes)} MB, and {folder} has {megabytes(free)} MB "
            f"free: {ADVICE}"
        )


def megabytes(num_bytes: int) -> str:
    """Bytes as megabytes, such as "0", "0.4" or "1,200"; anything at all is at least "0.1"."""
    value = num_bytes / 1e6
    return f"{value:,.0f}" if value >= 10 or num_bytes == 0 else f"{max(value, 0.1):.1f}"
