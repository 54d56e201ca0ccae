"""Takes host, user and folders out of sentences that will be published."""

import contextlib
import getpass
import platform
import re
from pathlib import Path
from typing import Any

_PATH = re.compile(r"""(?<![\w.)])(?:~|[A-Za-z]:)?[/\\][^\s'",;:()<>]+""")  # not the / of GB/s
_SAID = {"root", "user", "localhost"}  # that sentences say for other reasons, and betray nobody


def anonymous(value: Any) -> Any:
    """The same lists and dicts, with ``(path)`` and ``(name)`` in their strings."""
    if isinstance(value, dict):
        return {key: anonymous(item) for key, item in value.items()}
    if isinstance(value, list):
        return [anonymous(item) for item in value]
    return _without_names(value) if isinstance(value, str) else value


def _without_names(text: str) -> str:
    text = _PATH.sub("(path)", text.replace(str(Path.home()), "/home"))
    for name in _names():
        text = re.sub(rf"\b{re.escape(name)}\b", "(name)", text)
    return text


def _names() -> list[str]:
    """Of this host and user, the longest first: one may be a part of another."""
    host = platform.node()
    names = {host, host.partition(".")[0], Path.home().name}
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without an entry, Windows
        names.add(getpass.getuser())
    return sorted((name for name in names - _SAID if len(name) > 2), key=len, reverse=True)
