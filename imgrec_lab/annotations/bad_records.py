"""What readers share: a record that cannot be used, and values checked on the way in.

A reader works record by record. Where one cannot be used it raises ``BadRecord``; the loop around
it makes a finding of that and goes on with the next.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from imgrec_lab.annotations.findings import Finding, Kind

PLACES = 8  # decimals of a pixel that are kept: arithmetic in fractions is exact to more than that
MOST_MIB = 2048
MOST_PIXELS = 2**30  # a mask of more would not fit in memory, whatever a label says
_PARTS = 10**PLACES
_FAR_PX = 1e7  # beyond it there is no noise to round
_BEYOND_PX = 1e12  # no picture is as large


class BadRecord(ValueError):
    """A record that has to be left out: why, and what to do."""

    def __init__(self, reason: str, advice: str, kind: Kind = "bad-record"):
        super().__init__(reason)
        self.reason, self.advice, self.kind = reason, advice, kind

    def found_in(self, file: str, where: str = "") -> Finding:
        """The finding: ``where`` is the place in the file, such as "line 7"."""
        reason = f"{where}: {self.reason}" if where else self.reason
        return Finding(self.kind, printable(file), printable(reason), self.advice)


@contextlib.contextmanager
def needed(path: Path) -> Iterator[None]:
    """Without the file ``path`` nothing can be done: a BadRecord becomes an error that names it."""
    try:
        yield
    except BadRecord as error:
        reason, advice = printable(error.reason), error.advice
        raise ValueError(f"{path} cannot be used: it {reason}. {advice}") from error


@contextlib.contextmanager
def kept(path: Path) -> Iterator[None]:
    """Nobody may write over ``path`` unread: a BadRecord becomes an error that names it."""
    try:
        yield
    except BadRecord as error:
        reason = printable(error.reason)
        raise ValueError(
            f"{path} cannot be read; repair or remove it, since saving would write over it. "
            f"It {reason}."
        ) from error


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


def peek(path: Path, num_bytes: int, *, from_end: bool = False) -> bytes:
    """The first or last bytes of a file, to see what it is; none where it cannot be opened."""
    try:
        with path.open("rb") as file:
            if from_end:
                file.seek(max(0, path.stat().st_size - num_bytes))
            return file.read(num_bytes)
    except OSError:
        return b""


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
    """(height, width), or None unless both are whole numbers of 1 or more, and believable."""
    try:
        sides = numbers((height, width), "the size")
    except BadRecord:
        return None
    whole = min(sides) >= 1 and all(side == int(side) for side in sides)
    return (int(sides[0]), int(sides[1])) if whole and math.prod(sides) <= MOST_PIXELS else None


def check_text(text: str, name: str) -> None:
    """Raise BadRecord if no file could hold ``text``, such as a file's name that is not UTF-8."""
    if text != printable(text):
        raise BadRecord(f"{name} is not UTF-8 text: {printable(text)}", "Rename it.")


def printable(text: str) -> str:
    """The text, with what UTF-8 has no bytes for spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def numbers(values: Iterable[object], name: str) -> tuple[float, ...]:
    """Finite numbers, from numbers or text.

    Raises:
        BadRecord: naming ``name``, where one is no number, NaN, infinite or beyond all pictures.
    """
    values = tuple(values)
    try:
        found = tuple(map(float, values))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = (math.nan,)
    if not all([-_BEYOND_PX < value < _BEYOND_PX for value in found]):
        shown = ", ".join([f"{value!s:.20}" for value in values[:8]])
        raise BadRecord(f"{name} must be finite numbers; got {shown}", "Mark the object again.")
    return found


def pixels(values: Iterable[float]) -> tuple[float, ...]:
    """Coordinates without the noise of arithmetic: 12.000000000000002 becomes 12."""
    # round(value, 8) gives the same and takes several times as long; a division is exact to the
    # last bit, so that this is the very number that the decimals stand for.
    return tuple([round(v * _PARTS) / _PARTS if -_FAR_PX < v < _FAR_PX else v for v in values])


def plain(value: float) -> int | float:
    """12.0 as 12, so that it is written without decimals; 12.5 as it is."""
    return int(value) if value == int(value) else value
