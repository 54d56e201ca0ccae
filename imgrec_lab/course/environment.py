"""The table that each lesson opens with: what it runs on, and what to mind about it."""

import html
import os
import sys
from dataclasses import dataclass
from importlib import metadata

from imgrec_lab.course import lessons


@dataclass(frozen=True)
class Table:
    """Rows of a name and a text, shown as a table in a notebook and as lines elsewhere."""

    rows: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:<{width}}  {text}" for name, text in self.rows)

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left">{}</td>'
        rows = (
            f'<tr><th style="text-align:left">{html.escape(name)}</th>'
            f"{cell.format(html.escape(text))}</tr>"
            for name, text in self.rows
        )
        return f"<table>{''.join(rows)}</table>"


def table(lesson: lessons.Lesson) -> Table:
    """What ``lesson`` runs on here; fixes the threads where ``IMGREC_THREADS`` is set.

    Raises:
        ValueError: if ``IMGREC_THREADS`` is not a positive integer.
    """
    problems = tuple(("please note", problem) for problem in _package_problems())
    try:
        from imgrec_lab import runtime
    except ImportError as error:
        advice = f"{error}. Choose the kernel of this course's .venv (made by `make lab`)."
        return Table((("please note", advice), *problems))
    _fix_threads()
    facts, device = runtime.report(), runtime.pick_device()
    rows = (
        ("Python", facts["python"]),
        ("torch", f"{facts['torch']}, torchvision {facts['torchvision']}"),
        ("device", facts["device"]),
        ("precision", facts["precision"]),
        ("CPU threads", facts["threads"]),
        ("widgets", f"ipywidgets {_version('ipywidgets')}"),
        ("data", _data_source(lesson)),
        ("expected minutes", _expected_minutes(lesson, device.type)),
    )
    return Table(rows + problems)


def _fix_threads() -> None:
    text = os.environ.get("IMGREC_THREADS")
    if not text:
        return
    if not (text.isdecimal() and int(text) > 0):
        raise ValueError(
            f"IMGREC_THREADS must be a whole number of CPU threads, at least 1; got {text!r}. "
            "Unset it to let torch choose."
        )
    from imgrec_lab import runtime

    runtime.use_threads(int(text))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _data_source(lesson: lessons.Lesson) -> str:
    mirror = "; IMGREC_MIRROR is set and asked first" if os.environ.get("IMGREC_MIRROR") else ""
    return lesson.data + mirror


def _expected_minutes(lesson: lessons.Lesson, device_type: str) -> str:
    if device_type != "cpu":
        return f"about {lessons.minutes_text(lesson.minutes_gpu)} on this GPU"
    text = f"about {lessons.minutes_text(lesson.minutes_cpu)} on 2 CPU cores"
    way = _way_to_a_gpu()
    return f"{text}, {lessons.minutes_text(lesson.minutes_gpu)} on a GPU: {way}" if way else text


def _way_to_a_gpu() -> str:
    """How to switch this hosted notebook to a GPU; empty where we do not know of one."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return "Settings > Accelerator, then run from the top"
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        return "Runtime > Change runtime type > T4 GPU, then run from the top"
    return ""


def _package_problems() -> list[str]:
    """One sentence for each dependency that is missing or outside the range it was tested in."""
    try:
        requirements = metadata.requires("imgrec_lab") or []
        from packaging.requirements import Requirement
    except (metadata.PackageNotFoundError, ImportError):
        return []  # run from the folder itself, without an install: nothing to compare with
    problems = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version(requirement.name)
        if found == "not installed":
            problems.append(f'{requirement.name} is missing: %pip install "{requirement}"')
        elif not requirement.specifier.contains(found, prereleases=True):
            problems.append(
                f"{requirement.name} is {found}, tested with {requirement.specifier}: the lesson "
                "may still run; if it does not, this is the first thing to look at"
            )
    return problems
