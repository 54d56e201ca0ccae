"""What a notebook of the course must keep to; each rule returns sentences, empty where it holds."""

import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from imgrec_lab.course import lessons

CODE_CELLS = (20, 40)
MEDIAN_LINES = 6
MOST_LINES = 25
WORDS_PER_CODE_CELL = (40, 90)
MOST_BYTES = 1_500_000

_MACHINE_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|Users|tmp|work|private|content|kaggle|var|mnt)/[\w.][^\s'\"<>)]*"
    r"|\b[A-Z]:\\\\?Users\\"
)


def problems(path: Path) -> list[str]:
    """Everything that is wrong with the notebook at ``path``."""
    # nbformat.read would mend a missing id in passing; what lies in the file is what counts.
    notebook = nbformat.v4.reads(path.read_text(encoding="utf-8"))
    found = format_problems(notebook)
    if found:
        return found
    rules = (
        count_problems,
        length_problems,
        semicolon_problems,
        prose_problems,
        output_problems,
        path_problems,
    )
    found = [problem for rule in rules for problem in rule(notebook)]
    return found + opening_problems(notebook, path.stem) + size_problems(path.stat().st_size)


def code_cells(notebook: Any) -> list[Any]:
    """The code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def format_problems(notebook: Any) -> list[str]:
    """nbformat 4.5 with cell ids, and metadata that says nothing about one machine."""
    version = (notebook.nbformat, notebook.nbformat_minor)
    if version != (4, 5):
        return [f"the format must be nbformat 4.5; it is {version[0]}.{version[1]}"]
    if any("id" not in cell for cell in notebook.cells):
        return ["every cell must have an id. Run `make notebooks`"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"it is not a valid notebook: {str(error).splitlines()[0]}"]
    found = []
    if "widgets" in notebook.metadata:
        found.append("metadata.widgets must be dropped: GitHub may refuse to show the file")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("the kernelspec must be python3")
    if set(notebook.metadata.get("language_info", {})) != {"name"}:
        found.append("language_info must hold the name only, not one machine's Python version")
    return found


def count_problems(notebook: Any) -> list[str]:
    """Execution counts 1..N: run once, from the top, in a fresh kernel."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts == list(range(1, len(counts) + 1)):
        return []
    return [f"execution counts must be 1..{len(counts)}; they are {counts}. Run `make notebooks`"]


def length_problems(notebook: Any) -> list[str]:
    """Many short cells rather than few long ones."""
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    low, high = CODE_CELLS
    found = []
    if not low <= len(lengths) <= high:
        found.append(f"there must be {low}-{high} code cells; there are {len(lengths)}")
    median = statistics.median(lengths or [0])
    if median > MEDIAN_LINES:
        found.append(f"the median cell must have at most {MEDIAN_LINES} lines; it has {median:g}")
    for number, length in enumerate(lengths, start=1):
        if length > MOST_LINES:
            found.append(f"code cell {number} must have at most {MOST_LINES} lines, not {length}")
    return found


def semicolon_problems(notebook: Any) -> list[str]:
    """No ``;`` at the end of a cell: nbval runs cells without history, where it hides nothing."""
    return [
        f"code cell {number} must not end in ';': assign the result, as in `ax = plots.curves(...)`"
        for number, cell in enumerate(code_cells(notebook), start=1)
        if cell.source.rstrip().endswith(";")
    ]


def prose_problems(notebook: Any) -> list[str]:
    """Enough words to learn from and few enough to read."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    per_cell = count_words(prose) / max(1, len(code_cells(notebook)))
    low, high = WORDS_PER_CODE_CELL
    if low <= per_cell <= high:
        return []
    return [f"there must be {low}-{high} words of prose per code cell; there are {per_cell:.0f}"]


def count_words(markdown: str) -> int:
    """Words that a reader reads: no addresses of links or pictures, no HTML tags."""
    text = re.sub(r"\]\([^)]*\)", "]", markdown)
    text = re.sub(r"<[^>]*>|https?://\S+", " ", text)
    return len(re.findall(r"\w[\w'’.-]*", text))


def output_problems(notebook: Any) -> list[str]:
    """No stderr, no error that was not meant, no view of a widget that died with its kernel."""
    found = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        meant = "raises-exception" in cell.metadata.get("tags", [])
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"code cell {number} wrote to stderr: {output.text[:80]!r}")
            if output.output_type == "error" and not meant:
                found.append(f"code cell {number} failed: {output.ename}: {output.evalue[:80]}")
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                found.append(f"code cell {number} keeps a widget view. Run `make notebooks`")
    return found


def path_problems(notebook: Any) -> list[str]:
    """No path of the machine that it was written on, in no source and no output."""
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        for text in (cell.source, *output_texts(cell)):
            if match := _MACHINE_PATH.search(text):
                found.append(f"cell {number} names a path of one machine: {match[0]!r}")
    return found


def output_texts(cell: Any) -> Iterator[str]:
    """Every text that a reader may see under a cell; pictures are left out."""
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield "\n".join(output.get("traceback", []))
        for kind, data in output.get("data", {}).items():
            if isinstance(data, str) and not kind.startswith("image/"):
                yield data


def opening_problems(notebook: Any, name: str) -> list[str]:
    """The badge that opens this very file, and the setup cell that all lessons share."""
    found = []
    first = notebook.cells[0] if notebook.cells else {"cell_type": "none", "source": ""}
    if first["cell_type"] != "markdown" or not first["source"].startswith("# "):
        found.append("the first cell must be the title, a markdown cell that begins with '# '")
    if lessons.badge(lessons.find(name)) not in first["source"]:
        found.append("the first cell must hold the Colab badge of this file. Run `make readme`")
    setup = (code_cells(notebook) or [{"source": "", "metadata": {}}])[0]
    if setup["source"] != lessons.setup_cell(name):
        found.append("the first code cell must be the setup cell. Run `make readme`")
    if "nbval-ignore-output" not in setup["metadata"].get("tags", []):
        found.append("the setup cell must carry the tag nbval-ignore-output: its table varies")
    return found


def size_problems(size_bytes: int) -> list[str]:
    """Small enough for GitHub to show and for a telephone to load."""
    if size_bytes < MOST_BYTES:
        return []
    megabytes = size_bytes / 1e6
    return [
        f"the file must be under {MOST_BYTES / 1e6} MB; it is {megabytes:.1f} MB. Use fewer dpi"
    ]
