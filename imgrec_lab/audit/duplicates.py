"""The same picture twice: copies, near copies, and those that stand in two parts of a set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from torch import Tensor

from imgrec_lab.annotations import picture_files
from imgrec_lab.annotations.findings import Finding, Kind
from imgrec_lab.audit import near_duplicates
from imgrec_lab.audit.picture_facts import Facts


def check_duplicates(facts: Sequence[Facts], thumbnails: Tensor) -> list[Finding]:
    """Findings of the kinds exact-duplicate, near-duplicate and leak, one a superfluous picture.

    A picture is superfluous if one before it is the same; those for training come first, so that
    of a leaking pair the test picture is named.

    Args:
        facts: of N pictures.
        thumbnails: (N, 3, 32, 32) uint8.
    """
    order = sorted(range(len(facts)), key=lambda index: _order(facts[index]))
    rank = {index: place for place, index in enumerate(order)}
    exact: dict[int, list[int]] = {}  # picture -> the same before it, the first of each part
    firsts: dict[str, dict[str | None, int]] = defaultdict(dict)  # digest -> part -> picture
    for index in order:
        if facts[index].digest:
            same = firsts[facts[index].digest]
            exact[index] = list(same.values())
            same.setdefault(facts[index].split, index)
    singles = sorted(min(same.values(), key=rank.__getitem__) for same in firsts.values())
    near: dict[int, list[int]] = defaultdict(list)
    for pair in near_duplicates.find_pairs(thumbnails[singles]):
        one, other = sorted((singles[pair.first], singles[pair.second]), key=rank.__getitem__)
        near[other].append(one)
    return [
        _finding(facts, index, exact[index], near[index])
        for index in order
        if exact.get(index) or near[index]
    ]


def _order(picture: Facts) -> tuple[int, str, str]:
    return *picture_files.split_order(picture.split), picture.file


def _finding(
    facts: Sequence[Facts], index: int, exact: Sequence[int], near: Sequence[int]
) -> Finding:
    picture, same = facts[index], [facts[other] for other in (exact or near)]
    shown = same[0]
    how = "the same pixels as" if exact else "nearly the same picture as"
    reason = f"{how} {shown.file}" + (f" and {len(same) - 1} more" if len(same) > 1 else "")
    kind: Kind = "exact-duplicate" if exact else "near-duplicate"
    advice = "Keep one of them."
    elsewhere = [other for other in same if other.split not in (None, picture.split)]
    if elsewhere and picture.split is not None:
        kind, advice = "leak", f"Remove it from {picture.split}: the score there would flatter."
        shown = elsewhere[0]
        reason = f"{how} {shown.file} in {shown.split}"
    different = [other for other in same if other.classes != picture.classes]
    if different:
        where = "there" if different[0] == shown else f"in {different[0].file}"
        reason += f", but labelled {_named(picture)} here, {_named(different[0])} {where}"
        advice += " Their labels differ: look which is right."
    return Finding(kind, picture.file, reason, advice, tuple(other.file for other in same))


def _named(picture: Facts) -> str:
    return " and ".join(picture.classes) or "nothing"
