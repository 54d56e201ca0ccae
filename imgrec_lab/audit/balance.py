"""Classes that are too rare to be learned, or that a part of the set does not have."""

from collections.abc import Mapping

from imgrec_lab.annotations.findings import Finding

RARE = 0.1  # of the most frequent class
ENOUGH = 10  # labels of the most frequent class, below which a gap may be chance


def check_balance(counts: Mapping[str | None, Mapping[str, int]]) -> list[Finding]:
    """Findings of the kind imbalance, one a class.

    Args:
        counts: part of the set (None where it has none) -> class -> number of labels.
    """
    classes = list(dict.fromkeys(name for part in counts.values() for name in part))
    totals = {name: sum(part.get(name, 0) for part in counts.values()) for name in classes}
    most = max(totals, key=totals.__getitem__, default="")
    found = []
    for name in classes if totals.get(most, 0) >= ENOUGH else ():
        reasons = []
        if totals[name] < RARE * totals[most]:
            reasons.append(f"{totals[name]:,} labels, where {most!r} has {totals[most]:,}")
        missing = [part for part, labels in counts.items() if not labels.get(name)]
        if totals[name] and missing:
            reasons.append(f"none in {', '.join(map(str, missing))}")
        if reasons:
            found.append(
                Finding(
                    "imbalance", name, "; ".join(reasons),
                    "Collect more of it, leave the class out, or weigh its loss.",
                )
            )  # fmt: skip
    return found
