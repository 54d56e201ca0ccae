"""Notebooks are run in a fresh kernel and stored cleanly, or left alone."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from imgrec_lab.course import notebooks

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def store(folder: Path, *sources: str) -> Path:
    """A notebook of lesson 00 with these code cells, not run yet."""
    path = folder / "00_start_here.ipynb"
    cells = [new_markdown_cell("# Start here"), *map(new_code_cell, sources)]
    nbformat.write(new_notebook(cells=cells, metadata={"widgets": {"state": 1}}), path)
    return path


def test_regenerate_stores_outputs_counts_and_nothing_of_this_machine(tmp_path):
    path = store(
        tmp_path,
        "import os\nprint(os.environ['OMP_NUM_THREADS'], os.path.basename(os.getcwd()))",
        "import ipywidgets\nipywidgets.IntSlider(3)",
    )
    result = notebooks.regenerate(path)
    assert result.failure == "" and "passed" in str(result) and 0 < result.minutes < 2
    stored = json.loads(path.read_text())
    first, second = stored["cells"][1:]
    assert "".join(first["outputs"][0]["text"]) == f"1 {tmp_path.name}\n"
    assert [first["execution_count"], second["execution_count"]] == [1, 2]
    assert list(second["outputs"][0]["data"]) == ["text/plain"]
    assert set(stored["metadata"]) == {"kernelspec", "language_info"}
    assert stored["metadata"]["language_info"] == {"name": "python"}
    assert "Open in Colab" in "".join(stored["cells"][0]["source"])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("y = 1\n1 / 0", "code cell 2 `y = 1`: ZeroDivisionError: division by zero"),
        ("import os\nos._exit(1)", "code cell 2 `import os`: DeadKernelError"),
    ],
)
def test_regenerate_keeps_the_old_file_when_a_cell_fails(source, sentence, tmp_path):
    path = store(tmp_path, "x = 1", source, "print(x)")
    before = path.read_bytes()
    result = notebooks.regenerate(path)
    assert sentence in str(result) and "FAILED" in str(result)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_cell_that_does_not_end_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "CELL_TIMEOUT_SECONDS", 1)
    path = store(tmp_path, "x = 1", "import time\ntime.sleep(60)")
    assert "code cell 2 `import time`: CellTimeoutError" in notebooks.regenerate(path).failure


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path):
    path = store(tmp_path, "x = 1")
    before = path.read_bytes()
    with pytest.raises(Exception, match="not JSON serializable"):
        notebooks.write(new_notebook(metadata={"bad": object()}), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_clean_takes_views_and_timings_out_and_leaves_text():
    data = {"text/plain": "IntSlider(value=3)", WIDGET_VIEW: {"model_id": "1"}}
    cell = new_code_cell("1", outputs=[new_output("display_data", data=data)])
    cell.metadata.update(execution={"start": "now"}, tags=["nbval-ignore-output"])
    notebook = notebooks.clean(new_notebook(cells=[cell]))
    assert notebook.cells[0].outputs[0].data == {"text/plain": "IntSlider(value=3)"}
    assert notebook.cells[0].metadata == {"tags": ["nbval-ignore-output"]}
    assert notebook.metadata.kernelspec.name == "python3"


def test_reading_a_notebook_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="a notebook must lie at .*; there is none"):
        notebooks.read(tmp_path / "00_start_here.ipynb")
