"""Notebooks are run in a fresh kernel and stored cleanly, or left alone."""

import base64
import io
import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

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


def png_of(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def shrunk(png: str) -> str:
    cell = new_code_cell("1", outputs=[new_output("display_data", data={"image/png": png})])
    notebook = notebooks.shrink_figures(new_notebook(cells=[cell]))
    return notebook.cells[0].outputs[0].data["image/png"]


def pixels_of(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")).astype(int)


def test_figures_are_stored_in_256_colours_that_look_alike():
    y, x = np.mgrid[:120, :160]
    grain = np.random.default_rng(0).integers(0, 8, size=x.shape)
    picture = np.stack([x, y, (x + y) // 2, x], axis=-1) + grain[..., None]
    picture[..., 3] = 255
    picture[10:12, 10:14, :3] = yellow = (255, 220, 0)  # a colour that is rare here
    before, after = png_of(picture.astype(np.uint8)), shrunk(png_of(picture.astype(np.uint8)))
    assert len(after) < 0.7 * len(before)
    assert len(np.unique(pixels_of(after).reshape(-1, 4), axis=0)) <= 256
    assert np.abs(pixels_of(after) - pixels_of(before)).mean() < 4
    assert np.abs(pixels_of(after)[10:12, 10:14, :3] - yellow).max() < 25
    assert shrunk(after) == after, "a second time nothing is left to take"


def test_figures_of_few_colours_and_those_that_show_through_stay_as_they_are():
    few = np.zeros((8, 8, 4), dtype=np.uint8)
    few[..., 3], few[:4, :, 0] = 255, 200
    assert (pixels_of(shrunk(png_of(few))) == few).all()
    few[..., 3] = 100
    assert shrunk(png_of(few)) == png_of(few)


def test_reading_a_notebook_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="a notebook must lie at .*; there is none"):
        notebooks.read(tmp_path / "00_start_here.ipynb")
