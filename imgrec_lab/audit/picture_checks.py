"""Pictures that cannot be read, or that are not what the rest of the set is."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from PIL import Image

from imgrec_lab.annotations.findings import Finding
from imgrec_lab.audit.picture_facts import Facts

LEAST_PX = 8  # a shorter side leaves nothing to a network that halves the picture three times
MOST_TIMES = 8  # longer or shorter than the set's median side by this factor is odd
_EVERYDAY = {"RGB", "L"}
_MODES = {
    "CMYK": "print colours (CMYK)", "P": "a palette", "1": "black and white only",
    "L": "grey, where the others are in colour", "RGB": "in colour, where the others are grey",
    "RGBA": "transparency", "LA": "transparency", "F": "floating-point pixels",
}  # fmt: skip


def check_pictures(facts: Sequence[Facts]) -> list[Finding]:
    """Findings of the kinds unreadable, truncated, wrong-extension, odd-mode and odd-size."""
    readable = [picture for picture in facts if not picture.problem]
    usual_mode = Counter(picture.mode for picture in readable).most_common(1)
    sides = [side for picture in readable for side in (picture.height, picture.width)]
    median = statistics.median(sides) if sides else 0
    found: list[Finding | None] = []
    for picture in facts:
        if picture.problem:
            found.append(_unreadable(picture))
            continue
        found += [_wrong_extension(picture), _odd_size(picture, median)]
        found.append(_odd_mode(picture, usual_mode[0][0]))
    return [finding for finding in found if finding is not None]


def _unreadable(picture: Facts) -> Finding:
    if picture.opened:
        return Finding(
            "truncated", picture.file, f"it begins as {picture.format or 'a picture'}, but "
            f"{picture.problem}", "Copy the original again, or remove the file.",
        )  # fmt: skip
    return Finding(
        "unreadable", picture.file, picture.problem, "Replace it by a picture, or remove it."
    )


def _wrong_extension(picture: Facts) -> Finding | None:
    suffix = PurePosixPath(picture.file).suffix.lower()
    meant = Image.registered_extensions().get(suffix)
    if not picture.format or picture.format == meant or {picture.format, meant} == {"MPO", "JPEG"}:
        return None
    named = f", not {meant or suffix}" if suffix else ", and its name has no ending"
    return Finding(
        "wrong-extension", picture.file, f"it holds {picture.format}{named}",
        "Rename it; some programs go by the name and fail.",
    )  # fmt: skip


def _odd_mode(picture: Facts, usual: str) -> Finding | None:
    mode = picture.mode
    if mode == usual or not mode or (mode in _EVERYDAY and usual not in _EVERYDAY):
        return None
    said = _MODES.get(mode) or (
        "transparency" if "transparency" in mode else f"deep pixels ({mode})"
    )
    return Finding(
        "odd-mode", picture.file, f"{said}, mode {mode}; most others have {usual}",
        "Look whether it is read as it is meant; else save it as RGB.",
    )  # fmt: skip


def _odd_size(picture: Facts, median: float) -> Finding | None:
    size = f"{picture.height} x {picture.width} px"
    if min(picture.height, picture.width) < LEAST_PX:
        return Finding(
            "odd-size", picture.file, f"{size}, under {LEAST_PX} px",
            "Remove it, or get it in a higher resolution.",
        )  # fmt: skip
    times = max(median / min(picture.height, picture.width),
                max(picture.height, picture.width) / median)  # fmt: skip
    if times < MOST_TIMES:
        return None
    return Finding(
        "odd-size", picture.file, f"{size}; the sides of this set have a median of {median:g} px",
        "Look whether it belongs here.",
    )  # fmt: skip
