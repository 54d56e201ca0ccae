"""Where data lies on this machine, and how it gets there whole or not at all."""

import contextlib
import errno
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from imgrec_lab import atomic_files

_FORMAT = 1  # of cached files; raise it when what is written changes
_STALE_SECONDS = 3600  # a temporary file older than this was left by a process that was killed


def data_dir() -> Path:
    """The one folder that data is cached in; it need not exist yet.

    ``IMGREC_DATA`` where it is set, ``datasets/cache`` where the package runs from its
    repository, else the user's own cache folder.
    """
    if os.environ.get("IMGREC_DATA"):
        return Path(os.environ["IMGREC_DATA"]).expanduser()
    repository = Path(__file__).resolve().parents[2]
    if (repository / "pyproject.toml").is_file() and (repository / "datasets").is_dir():
        return repository / "datasets" / "cache"
    return _user_cache() / "imgrec_lab"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))


def cached(name: str, *, key: str, build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``build`` returns, read from the cache where it was written before.

    A file that cannot be read is built again; where none can be written, the values are returned
    all the same, with one warning.

    Args:
        name: of the file, such as "signs-32x32"; an older key under the same name is removed.
        key: changes whenever the content would; see ``fingerprint``.
        build: returns tensors, strings and numbers in dicts and lists.
    """
    path = data_dir() / f"{name}-{key}.pt"
    if path.is_file():
        try:
            return torch.load(path, weights_only=True)
        except Exception as error:  # a damaged file may raise anything inside torch.load
            warnings.warn(f"{path} is damaged ({error}); it is made again.", stacklevel=2)
    values = build()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_atomically(path, lambda file: torch.save(values, file))
        _remove_others(path, name)
    except (OSError, RuntimeError) as error:  # torch reports some full disks as RuntimeError
        _warn_once(
            f"{path.parent} cannot be written ({error}), so data is made anew in each session. "
            "Set IMGREC_DATA to a folder with space."
        )
    return values


def fill_folder(path: Path, fill: Callable[[Path], None]) -> Path:
    """``atomic_files.fill_folder`` where another process may be faster: its folder is as good.

    Returns:
        ``path``, which is there.

    Raises:
        OSError: if it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    try:
        atomic_files.fill_folder(path, fill)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not path.is_dir():
            raise
    return path


def working_dir() -> Path:
    """``data_dir`` where it can be written, else a folder that lasts as long as this process."""
    folder = data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        _warn_once(
            f"{folder} cannot be written ({error}), so downloads last only for this session. "
            "Set IMGREC_DATA to a folder with space."
        )
        return Path(_temporary_dir().name)


def fingerprint(*parts: object) -> str:
    """Twelve hex digits that change when any part does."""
    return hashlib.sha256(repr((_FORMAT, *parts)).encode()).hexdigest()[:12]


def source_hash(*modules: str) -> str:
    """A hash of the source of modules of this package, such as "scenes", folders with all files."""
    package = Path(__file__).parents[1]
    files = [file for name in modules for file in sorted(package.glob(f"{name}/**/*.py"))]
    files += [package / f"{name}.py" for name in modules if (package / f"{name}.py").is_file()]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _remove_others(path: Path, name: str) -> None:
    """Remove files of the same name with another key, and temporary files that were abandoned."""
    length = len(path.name)
    others = [other for other in path.parent.glob(f"{name}-*.pt") if len(other.name) == length]
    for other in others:
        if other != path:
            _remove(other)
    remove_abandoned(path.parent)


def remove_abandoned(folder: Path) -> None:
    """Remove what processes that were killed an hour ago or earlier left half written."""
    for part in folder.glob(".*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # another process may be reading it, or was faster
            path.unlink()


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, stacklevel=4)


@functools.cache
def _temporary_dir() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="imgrec_lab-")
