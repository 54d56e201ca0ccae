"""What readers share: a record that cannot be used, and values checked on the way in.

A reader works record by record. Where one cannot be used it raises ``BadRecord``; the loop around
it makes a finding of that and goes on with the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from imgrec_lab.annotations.findings import Finding, Kind

PLACES = 8  # decimals of a pixel that are kept: arithmetic in fractions is exact to more than that
_PARTS = 10**PLACES
_FAR = 1e7  # pixels; beyond it nothing is left to round
MOST_MIB = 2048


class BadRecord(ValueError):
    """A record that has to be left out: why, and what to do."""

    def __init__(self, reason: str, advice: str, kind: Kind = "bad-record"):
        super().__init__(reason)
        self.reason, self.advice, self.kind = reason, advice, kind

    def found_in(self, file: str, where: str = "") -> Finding:
        """The finding: ``where`` is the place in the file, such as "line 7"."""
        return Finding(
            self.kind, file, f"{where}: {self.reason}" if where else self.reason, self.advice
        )

    def error_in(self, path: Path) -> ValueError:
        """The error to raise where nothing can be done without the file ``path``."""
        return ValueError(f"{path} cannot be used: it {self.reason}. {self.advice}")


def read_bytes(path: Path, *, most_mib: float = MOST_MIB) -> bytes:
    """The content of a file.

    Raises:
        BadRecord: if it cannot be opened or is larger than ``most_mib``.
    """
    try:
        size_mib = path.stat().st_size / 2**20
        if size_mib > most_mib:
            raise BadRecord(
                f"holds {size_mib:.1f} MiB, more than the {most_mib:g} MiB that labels may have",
                "Check that it is a file of labels.",
            )
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadRecord(f"cannot be opened: {reason}", "Check the file and its rights.") from error


def read_text(path: Path, *, most_mib: float = MOST_MIB) -> str:
    """A text file, with or without a byte order mark.

    Raises:
        BadRecord: as ``read_bytes``, or if it is not UTF-8.
    """
    content = read_bytes(path, most_mib=most_mib)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecord(
            f"is not UTF-8 text: byte {error.start} is 0x{content[error.start]:02x}",
            "Save it again as UTF-8.",
        ) from error


def whole_size(height: object, width: object) -> tuple[int, int] | None:
    """(height, width), or None unless both are whole numbers of 1 or more."""
    try:
        sides = numbers((height, width), "the size")
    except BadRecord:
        return None
    return (int(sides[0]), int(sides[1])) if all(s >= 1 and s == int(s) for s in sides) else None


def check_text(text: str, name: str) -> None:
    """Raise BadRecord if no file could hold ``text``, such as a file's name that is not UTF-8."""
    if text != _printable(text):
        raise BadRecord(f"{name} is not UTF-8 text: {_printable(text)}", "Rename it.")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def numbers(values: Iterable[object], name: str) -> tuple[float, ...]:
    """Finite numbers, from numbers or text.

    Raises:
        BadRecord: naming ``name``, where one is no number, NaN or infinite.
    """
    values = tuple(values)
    try:
        found = tuple(map(float, values))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        shown = ", ".join(map(str, values[:8]))
        raise BadRecord(f"{name} must be finite numbers; got {shown}", "Mark the object again.")
    return found


def pixels(values: Iterable[float]) -> tuple[float, ...]:
    """Coordinates without the noise of arithmetic: 12.000000000000002 becomes 12."""
    # round(value, 8) gives the same and takes several times as long; a division is exact to the
    # last bit, so that this is the very number that the decimals stand for.
    return tuple([round(v * _PARTS) / _PARTS if -_FAR < v < _FAR else v for v in values])


def plain(value: float) -> int | float:
    """12.0 as 12, so that it is written without decimals; 12.5 as it is."""
    return int(value) if value == int(value) else value
