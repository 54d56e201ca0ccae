"""The lessons as data: one record each, from which badges, tables and setup cells are made."""

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from imgrec_lab import __version__

# The one place that says where the course lives. A fork changes this line (or sets the variable)
# and runs ``imgrec-lab readme``, which rewrites every badge, link and setup cell.
REPOSITORY = os.environ.get("IMGREC_REPOSITORY", "imgrec-lab/imgrec_lab")


@dataclass(frozen=True)
class Lesson:
    """What a learner, the README and the setup table need to know about one notebook.

    Attributes:
        name: file name without ending, such as ``01_fundamentals``.
        title: the heading of the notebook.
        question: what the lesson answers, as a question.
        minutes_cpu: running time from top to bottom on 2 CPU cores; None until it is measured.
        minutes_gpu: the same with one GPU.
        accelerator: ``none`` (a GPU changes nothing), ``optional`` or ``recommended``.
        data: what it learns from and whether anything is downloaded.
        prerequisites: names of the lessons that it builds on.
        modules: modules of ``imgrec_lab`` that it teaches with, without the package's name.
        difficulty: 1 (first steps) to 3 (takes some staying power).
        planned: true while there is no notebook yet.
    """

    name: str
    title: str
    question: str
    minutes_cpu: float | None = None
    minutes_gpu: float | None = None
    accelerator: str = "optional"
    data: str = "drawn from code, no download"
    prerequisites: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    difficulty: int = 1
    planned: bool = False

    @property
    def path(self) -> str:
        """Where the notebook lies, from the root of the repository."""
        return f"notebooks/{self.name}.ipynb"


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        name="00_start_here",
        title="Start here",
        question="Does my machine work, and what can this do?",
        minutes_cpu=2,
        modules=("datasets", "models", "train", "metrics", "plots", "widgets", "checks"),
    ),
    Lesson(
        name="01_fundamentals",
        title="Fundamentals",
        question="How does a picture become a decision?",
        minutes_cpu=4,
        data="drawn from code and carried by scikit-learn, no download",
        prerequisites=("00_start_here",),
        modules=("datasets", "models", "train", "explain", "metrics", "plots", "widgets", "checks"),
    ),
    Lesson(
        name="02_data",
        title="Data",
        question="What does data quality buy?",
        minutes_cpu=3,
        prerequisites=("01_fundamentals",),
        modules=("annotations", "audit", "datasets", "box_ops", "metrics", "widgets", "checks"),
    ),
    Lesson(
        name="03_training",
        title="Training",
        question="What happens in a training loop, and where does the time go?",
        minutes_cpu=4,
        prerequisites=("01_fundamentals",),
        modules=("datasets", "augment", "models", "train", "metrics", "plots", "widgets", "checks"),
    ),
    Lesson(
        name="04_augmentation",
        title="Augmentation",
        question="Which augmentations help, and when do they hurt?",
        minutes_cpu=2,
        prerequisites=("03_training",),
        modules=("augment", "datasets", "train", "metrics", "plots", "widgets", "checks"),
        difficulty=2,
    ),
    Lesson(
        name="05_generalisation",
        title="Generalisation",
        question="Is it learning or memorising?",
        prerequisites=("03_training",),
        difficulty=2,
        planned=True,
    ),
    Lesson(
        name="06_architectures",
        title="Architectures",
        question="Which network should I use?",
        prerequisites=("03_training",),
        difficulty=2,
        planned=True,
    ),
    Lesson(
        name="07_localisation_vs_detection",
        title="Localisation against detection",
        question="Is it there, where is it, what and how many are they?",
        minutes_cpu=3,
        prerequisites=("03_training",),
        modules=("box_ops", "detect", "metrics", "augment", "train", "plots", "widgets", "checks"),
        difficulty=2,
    ),
    Lesson(
        name="08_detectors",
        title="Detectors",
        question="What did each generation of detector add?",
        prerequisites=("07_localisation_vs_detection",),
        accelerator="recommended",
        difficulty=3,
        planned=True,
    ),
    Lesson(
        name="09_hardware",
        title="Hardware",
        question="What does my hardware do for training, and what should I buy?",
        minutes_cpu=3,
        prerequisites=("03_training",),
        accelerator="recommended",
        data="made by code, no download",
        modules=("bench", "models", "runtime", "train", "plots", "widgets", "checks"),
        difficulty=2,
    ),
    Lesson(
        name="10_trust",
        title="Trust",
        question="May I rely on it?",
        prerequisites=("05_generalisation",),
        difficulty=3,
        planned=True,
    ),
    Lesson(
        name="11_deployment",
        title="Deployment",
        question="How do I use it outside a notebook?",
        prerequisites=("06_architectures",),
        difficulty=2,
        planned=True,
    ),
    Lesson(
        name="12_capstone",
        title="Capstone",
        question="Can I do it with my own pictures?",
        prerequisites=("02_data", "05_generalisation"),
        difficulty=3,
        planned=True,
    ),
)


def find(name: str) -> Lesson:
    """The lesson of that name.

    Raises:
        ValueError: if there is none, with the nearest name.
    """
    by_name = {lesson.name: lesson for lesson in LESSONS}
    if name in by_name:
        return by_name[name]
    near = difflib.get_close_matches(str(name), by_name, n=1, cutoff=0.4)
    hint = f"Did you mean {near[0]!r}?" if near else f"Choose from {', '.join(by_name)}."
    raise ValueError(f"name must be a lesson's name; got {name!r}. {hint}")


def written() -> tuple[Lesson, ...]:
    """The lessons that have a notebook."""
    return tuple(lesson for lesson in LESSONS if not lesson.planned)


def repository_root() -> Path:
    """The folder of the clone that this package runs from.

    Raises:
        FileNotFoundError: if the package was installed without the course around it.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "notebooks").is_dir():
        raise FileNotFoundError(
            "this command must run inside a clone of the course; imgrec_lab is installed without "
            "its notebooks/ folder here. Clone the repository and run `make lab` in it."
        )
    return root


def badge(lesson: Lesson) -> str:
    """Markdown that opens the lesson in Colab."""
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{REPOSITORY}/blob/main/{lesson.path})"
    )


SETUP_CELL = """\
import importlib.util

if importlib.util.find_spec("imgrec_lab") is None:  # Colab and Kaggle: adds this package only
    %pip install --quiet --no-deps https://github.com/{repository}/archive/v{version}.zip

from imgrec_lab import course

course.setup("{name}")"""


def setup_cell(name: str) -> str:
    """The first code cell of the lesson ``name``; only the name differs between lessons.

    ``--no-deps`` keeps pip away from torch and ipywidgets, which Colab and Kaggle bring in the
    versions that work there; ``course.setup`` then says if anything is missing or too old.
    """
    return SETUP_CELL.format(repository=REPOSITORY, version=__version__, name=find(name).name)


def readme_table() -> str:
    """The lesson table of the README: question, minutes and needs of each lesson."""
    rows = [
        "| lesson | question it answers | minutes on 2 CPU cores (GPU) | needs | open |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(rows + [_row(lesson) for lesson in LESSONS])


def _row(lesson: Lesson) -> str:
    if lesson.planned:
        return f"| {lesson.name} | {lesson.question} | planned | | |"
    needs = lesson.data
    if lesson.accelerator != "none":
        needs += f"; GPU {lesson.accelerator}"
    minutes = f"{minutes_text(lesson.minutes_cpu)} ({minutes_text(lesson.minutes_gpu)})"
    link = f"[{lesson.name}]({lesson.path})"
    return f"| {link} | {lesson.question} | {minutes} | {needs} | {badge(lesson)} |"


def minutes_text(minutes: float | None) -> str:
    """Minutes as a reader wants them: ``4``, ``1.5`` or ``not measured``."""
    return "not measured" if minutes is None else f"{minutes:g}"


def course_map() -> str:
    """Every lesson and its question as a Markdown table, for a notebook beside the others."""
    rows = ["| lesson | question it answers |", "|---|---|"]
    for lesson in LESSONS:
        name = (
            f"{lesson.name} (to come)"
            if lesson.planned
            else f"[{lesson.name}]({lesson.name}.ipynb)"
        )
        rows.append(f"| {name} | {lesson.question} |")
    return "\n".join(rows)


def module_map() -> str:
    """The table that says which modules each written lesson is taught with."""
    rows = ["| lesson | taught with |", "|---|---|"]
    for lesson in written():
        modules = ", ".join(f"[`{name}`]({source_of(name)})" for name in lesson.modules)
        rows.append(f"| [{lesson.name}]({lesson.path}) | {modules} |")
    return "\n".join(rows)


def source_of(module: str) -> str:
    """Where a module lies in the repository: a file, or a folder of files."""
    folder = Path(__file__).parents[1] / module
    return f"imgrec_lab/{module}" if folder.is_dir() else f"imgrec_lab/{module}.py"


def refresh_readme(text: str) -> str:
    """The README ``text`` with its generated blocks made anew.

    Raises:
        ValueError: if a block's markers are missing.
    """
    for name, body in {"lessons": readme_table(), "modules": module_map()}.items():
        text = _replace_block(text, name, body)
    return text


def _replace_block(text: str, name: str, body: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(
            f"README.md must hold the lines {begin} and {end}, in this order; "
            "one is missing. Put them back where the table belongs."
        )
    return f"{before}{begin}\n{body}\n{end}{after}"
