"""What lessons show of measured runs: the files of ``results/``, or the copies in the package."""

import itertools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_FOLDERS = (_HERE.parents[1] / "results", _HERE / "measured")  # in a clone, in an installation


def read(name: str) -> dict[str, Any]:
    """What ``results/NAME.json`` holds.

    Args:
        name: without the ending, such as "lesson_04_table".

    Raises:
        FileNotFoundError: if nothing was measured under that name.
    """
    for folder in _FOLDERS:
        if (path := folder / f"{name}.json").is_file():
            return json.loads(path.read_text("utf-8"))
    raise FileNotFoundError(
        f"name must be that of a file in results/, without .json; got {name!r}. In a clone, "
        f"python results/{name}.py measures it."
    )


def machines() -> list[Path]:
    """The report files of other machines, for ``bench.read_reports``."""
    return sorted(path for folder in _FOLDERS for path in (folder / "machines").glob("*.json"))


def band(scores: Sequence[float], runs: int) -> tuple[float, float]:
    """Where the mean of new runs must lie if nothing but chance differs from the stored ones.

    Args:
        scores: stored accuracies, one a seed, at least two.
        runs: how many new ones.

    Returns:
        the stored mean ± six standard errors of the difference of both means, and at least
        ± 0.02; within 0 to 1, to three digits.
    """
    error = statistics.stdev(scores) * (1 / len(scores) + 1 / runs) ** 0.5
    mean, reach = statistics.mean(scores), max(6 * error, 0.02)
    return round(max(0, mean - reach), 3), round(min(1, mean + reach), 3)


def swept(dial: str, tests: Iterable[str]) -> dict[str, dict[float, list[float]]]:
    """Stored accuracies over the strength of one augmentation, a line for each test set."""
    scores = read("lesson_04_sweeps")["strength"][dial]
    return {
        f"tested on {test}": {float(value): seeds for value, seeds in scores[test].items()}
        for test in tests
    }


def drawn_for_real() -> dict[str, dict[float, list[float]]]:
    """Stored accuracies on real signs over the number of them in training, a line for each set."""
    stored = read("lesson_04_sweeps")["drawn_for_real"]["scores"]
    return {
        kind: {float(number): seeds for number, seeds in line.items()}
        for kind, line in stored.items()
    }


def same_as_real(scores: Mapping[str, Mapping[float, Sequence[float]]], number: float) -> float:
    """How many real pictures alone reach what ``number`` of them and the drawn ones reach.

    Between two measured numbers a straight line is drawn, on an axis of factors.
    """
    reached = statistics.mean(scores["real and drawn"][number])
    alone = {n: statistics.mean(seeds) for n, seeds in scores["real only"].items()}
    for (fewer, low), (more, high) in itertools.pairwise(alone.items()):
        if low <= reached <= high:
            return fewer * (more / fewer) ** ((reached - low) / (high - low))
    raise ValueError(
        f"{number:g} real pictures and the drawn ones reach {reached:.3f}; real ones alone were "
        f"measured from {min(alone.values()):.3f} to {max(alone.values()):.3f}. Measure more."
    )
