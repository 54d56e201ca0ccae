"""Everything that ``make test`` runs, stage by stage, and one summary at the end.

``python tests/run_all.py unit lint`` runs only the stages that are named.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imgrec_lab.course import notebooks  # noqa: E402  the path has to be set first


@dataclass(frozen=True)
class Counts:
    """How many checks of a stage went which way."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def call(*command: str) -> int:
    """Run ``command`` in the repository with fixed threads; returns its exit status."""
    print("$", " ".join(command), flush=True)
    return subprocess.call(command, cwd=ROOT, env={**os.environ, **notebooks.CHECKED_ENVIRONMENT})


def lint() -> Counts:
    """ruff's rules and ruff's layout, for modules and notebooks alike."""
    ruff = [sys.executable, "-m", "ruff"]
    failed = sum(call(*ruff, *words) != 0 for words in (["check", "."], ["format", "--check", "."]))
    return Counts(passed=2 - failed, failed=failed)


def pytest_stage(*words: str) -> Callable[[], Counts]:
    """A stage that runs pytest with ``words`` and counts what it reports."""

    def run() -> Counts:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            status = call(sys.executable, "-m", "pytest", "-q", *words, f"--junitxml={report}")
            return read_report(report, status)

    return run


def read_report(report: Path, status: int) -> Counts:
    """The counts of a JUnit file; a bad exit status without a failed test counts as one failure."""
    counts = Counts()
    if report.is_file():
        for suite in ElementTree.parse(report).iter("testsuite"):
            failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            skipped = int(suite.get("skipped", 0))
            counts += Counts(int(suite.get("tests", 0)) - failed - skipped, failed, skipped)
    if status != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    return counts


def overlay() -> Counts:
    """Lessons under Colab's widget and kernel versions."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        status = call(sys.executable, "tests/overlay.py", "--junitxml", str(report))
        return read_report(report, status)


PARALLEL = ("-n", "2", "--dist")
STAGES: dict[str, Callable[[], Counts]] = {
    "lint": lint,
    "unit": pytest_stage("tests", "-m", "not browser", *PARALLEL, "loadfile"),
    "browser": pytest_stage("tests", "-m", "browser"),
    "notebooks": pytest_stage("--nbval", "notebooks", *PARALLEL, "loadscope"),
    "overlay": overlay,
}


def summary(results: dict[str, tuple[Counts, float]]) -> str:
    """One line a stage, and the plain line of totals."""
    lines = ["", f"{'stage':<11}{'result':<9}{'seconds':>8}   checks"]
    for name, (counts, seconds) in results.items():
        verdict = "FAILED" if counts.failed else "passed" if counts.passed else "skipped"
        lines.append(f"{name:<11}{verdict:<9}{seconds:>8.0f}   {counts}")
    total = sum((counts for counts, _ in results.values()), Counts())
    seconds = sum(seconds for _, seconds in results.values())
    lines.append(f"{'all':<11}{'FAILED' if total.failed else 'passed':<9}{seconds:>8.0f}")
    return "\n".join([*lines, "", str(total)])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    names = parser.parse_args(argv).stages or list(STAGES)
    if unknown := sorted(set(names) - set(STAGES)):
        parser.error(f"a stage must be one of {', '.join(STAGES)}; got {', '.join(unknown)}")
    results = {}
    for name in names:
        print(f"\n=== {name} ===", flush=True)
        start = time.perf_counter()
        counts = STAGES[name]()
        results[name] = (counts, time.perf_counter() - start)
    print(summary(results), flush=True)
    return int(any(counts.failed for counts, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
