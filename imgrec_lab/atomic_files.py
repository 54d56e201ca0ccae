"""Files that are written whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it.

    A reader sees the old file or the whole new one; a killed process or a full disk leaves at
    most a temporary file, which nothing reads.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # a classroom may share the folder
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """``text`` as UTF-8 in the file ``path``, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))


def fill_folder(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` fill a temporary folder beside ``path``, then rename it.

    ``path`` must not be there, or be an empty folder; it is then there whole or not at all.

    Raises:
        OSError: with ``errno.EEXIST`` or ``ENOTEMPTY`` if ``path`` is a folder that is not empty.
    """
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    try:
        fill(temporary)
        temporary.chmod(0o755)
        if path.is_dir():
            path.rmdir()  # where it is not empty this refuses; Windows renames onto no folder
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
