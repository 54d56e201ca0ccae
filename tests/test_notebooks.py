"""Every notebook keeps to the rules, and the rules find what breaks them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import notebook_rules
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from imgrec_lab.course import lessons, notebooks

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAME = "00_start_here"


def test_every_written_lesson_has_its_notebook_and_no_other_is_there():
    assert [path.stem for path in NOTEBOOKS] == [lesson.name for lesson in lessons.written()]
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path: Path):
    assert notebook_rules.problems(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_has_been_stored_by_the_command(path: Path):
    notebook = notebooks.read(path)
    assert notebook == notebooks.clean(notebooks.read(path))


def good_notebook() -> Any:
    """A notebook that keeps every rule."""
    badge = lessons.badge(lessons.find(NAME))
    cells = [new_markdown_cell(f"# Start here\n\n{badge}\n\n{'word ' * 1000}")]
    setup = new_code_cell(lessons.setup_cell(NAME), metadata={"tags": ["nbval-ignore-output"]})
    cells.append(setup)
    cells += [new_code_cell(f"print({i})") for i in range(19)]
    for count, cell in enumerate(cells[1:], start=1):
        cell.execution_count = count
        cell.outputs = [new_output("stream", name="stdout", text=f"{count}\n")]
    return notebooks.clean(new_notebook(cells=cells, nbformat_minor=5))


def problems_after(change: Callable[[Any], object], folder: Path) -> list[str]:
    notebook = good_notebook()
    change(notebook)
    path = folder / f"{NAME}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return notebook_rules.problems(path)


def test_a_good_notebook_has_no_problem(tmp_path: Path):
    assert problems_after(lambda notebook: None, tmp_path) == []


def give(index: int, **values: Any) -> Callable[[Any], object]:
    """A change that sets values of one cell."""
    return lambda notebook: notebook.cells[index].update(values)


def output(kind: str, **values: Any) -> Callable[[Any], object]:
    """A change that gives the third cell one more output."""
    return lambda notebook: notebook.cells[2].outputs.append(new_output(kind, **values))


def add_cells(notebook: Any, count: int) -> None:
    """Put ``count`` cells, with prose for them, behind the 20 that are there."""
    notebook.cells[0].source += "word " * 50 * count
    notebook.cells += [new_code_cell("1", execution_count=21 + i) for i in range(count)]


BROKEN: dict[str, tuple[Callable[[Any], object], str]] = {
    "old format": (lambda n: n.update(nbformat_minor=4), "must be nbformat 4.5; it is 4.4"),
    "semicolon": (give(3, source="plot();"), "code cell 3 must not end in ';': assign the result"),
    "no cell id": (lambda n: n.cells[3].pop("id"), "every cell must have an id"),
    "no outputs": (lambda n: n.cells[3].pop("outputs"), "not a valid notebook"),
    "widget state": (lambda n: n.metadata.update(widgets={}), "metadata.widgets must be dropped"),
    "other kernel": (
        lambda n: n.metadata.kernelspec.update(name="venv"),
        "kernelspec must be python3",
    ),
    "python version": (
        lambda n: n.metadata.language_info.update(version="3.11.2"),
        "language_info must hold the name only",
    ),
    "cleared": (give(3, execution_count=None), "execution counts must be 1..20"),
    "run twice": (give(3, execution_count=31), "execution counts must be 1..20"),
    "few cells": (lambda n: n.cells.pop(), "must be 20-40 code cells; there are 19"),
    "many cells": (
        lambda n: add_cells(n, 21),
        "must be 20-40 code cells; there are 41",
    ),
    "long cell": (
        give(4, source="x = 1\n" * 26),
        "code cell 4 must have at most 25 lines, not 26",
    ),
    "long cells": (
        lambda n: [cell.update(source="x = 1\n" * 7) for cell in n.cells[2:]],
        "median cell must have at most 6 lines; it has 7",
    ),
    "little prose": (
        lambda n: n.cells[0].update(source=n.cells[0].source.replace("word ", "", 600)),
        "must be 40-90 words of prose per code cell; there are 20",
    ),
    "much prose": (
        lambda n: n.cells[0].update(source=n.cells[0].source + "word " * 1000),
        "must be 40-90 words of prose per code cell; there are 100",
    ),
    "stderr": (output("stream", name="stderr", text="Warning"), "wrote to stderr: 'Warning'"),
    "error": (output("error", ename="OSError", evalue="no"), "code cell 2 failed: OSError: no"),
    "widget view": (
        output("display_data", data={"application/vnd.jupyter.widget-view+json": {}}),
        "keeps a widget view",
    ),
    "path in source": (give(5, source='open("/home/ada/x.png")'), "'/home/ada/x.png'"),
    "path in output": (
        output("display_data", data={"text/plain": "in /root/.cache/x"}),
        "'/root/.cache/x'",
    ),
    "path on Windows": (give(5, source=r'open("C:\Users\ada")'), "names a path of one machine"),
    "no title": (
        lambda n: n.cells[0].update(source="Hello. " + n.cells[0].source),
        "first cell must be the title",
    ),
    "no badge": (give(0, source="# Title\n" + "word " * 1000), "must hold the Colab badge"),
    "other setup": (give(1, source="import torch"), "first code cell must be the setup cell"),
    "setup checked": (give(1, metadata={}), "must carry the tag nbval-ignore-output"),
    "heavy": (
        output("display_data", data={"image/png": "A" * 1_500_000}),
        "must be under 1.5 MB; it is 1.5 MB",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_rule_finds_what_breaks_it(case: str, tmp_path: Path):
    change, sentence = BROKEN[case]
    found = problems_after(change, tmp_path)
    assert len(found) == 1
    assert sentence in found[0]


def test_an_exception_that_is_meant_is_no_problem(tmp_path: Path):
    def show_an_error(notebook: Any) -> None:
        notebook.cells[2].metadata["tags"] = ["raises-exception"]
        notebook.cells[2].outputs = [new_output("error", ename="ValueError", evalue="too small")]

    assert problems_after(show_an_error, tmp_path) == []


def test_an_empty_notebook_is_answered_in_sentences(tmp_path: Path):
    path = tmp_path / f"{NAME}.ipynb"
    nbformat.write(notebooks.clean(new_notebook(nbformat_minor=5)), path)
    found = notebook_rules.problems(path)
    assert any("20-40 code cells; there are 0" in problem for problem in found)
    assert any("setup cell" in problem for problem in found)


def test_words_are_counted_without_addresses():
    assert notebook_rules.count_words("See [the map](https://a.b/c-d) <br> now") == 4
