"""The annotator in a real JupyterLab in headless Chromium: boxes drawn by mouse reach Python."""

import ast
import re
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
import test_browser
from PIL import Image
from test_browser import (
    ARTIFACTS,
    CHROMIUM_FLAGS,
    EFFECT_SECONDS,
    SETTINGS,
    START_SECONDS,
    chromium,  # noqa: F401  a fixture
)

from imgrec_lab import annotations, scenes
from imgrec_lab.box_ops import Target

pytestmark = pytest.mark.browser

SIZE = 128
CANVAS = ".imgrec-annotator svg"
OPEN = """\
from imgrec_lab import scenes
from imgrec_lab.widgets import widget_annotator
annotator = widget_annotator.annotator("streets", classes=scenes.CLASSES)
annotator"""
TELL = "print([(item.label, *map(int, item.box)) for item in annotator.desk.instances])"
FALLBACK = 'widget_annotator.annotator("streets", fallback=True)'


@pytest.fixture
def streets() -> scenes.StreetBatch:
    """Three scenes with two signs or more each."""
    batch = scenes.draw_streets(24, image_size=(SIZE, SIZE), seed=1)
    crowded = [i for i, target in enumerate(batch.targets) if len(target["boxes"]) > 1][:3]
    return scenes.StreetBatch(batch.images[crowded], [batch.targets[i] for i in crowded])


@pytest.fixture
def folder(tmp_path: Path, streets: scenes.StreetBatch) -> Path:
    """What JupyterLab shows: the scenes as files, and a notebook that annotates them."""
    folder = tmp_path / "lab"
    write_lab(folder, streets, [OPEN, TELL, FALLBACK])
    return folder


def write_lab(folder: Path, streets: scenes.StreetBatch, cells: Sequence[str]) -> None:
    (folder / "streets").mkdir(parents=True)
    for number, image in enumerate(streets.images):
        pixels = image.permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / "streets" / f"{number:02d}.png")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "boxes.ipynb")


@pytest.fixture
def jupyter(folder: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab with ``folder`` as its root."""
    for name, text in SETTINGS.items():
        path = tmp_path / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with test_browser.serving(folder, port, tmp_path) as address:
        yield address


def test_boxes_drawn_by_mouse_arrive_in_python_and_on_disk(
    chromium: str,  # noqa: F811
    jupyter: str,
    folder: Path,
    streets: scenes.StreetBatch,
):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1150})
        page.set_default_timeout(EFFECT_SECONDS * 1000)
        try:
            cells = open_notebook(page, jupyter)
            annotate(page, folder / "streets", streets)
            keep_keys_to_itself(page, cells)
            page.screenshot(path=ARTIFACTS / "annotator.png")
            assert tell(page, cells) == labels_of(streets.targets[1])
            move_sliders(page, cells, folder / "streets")
        finally:
            page.screenshot(path=ARTIFACTS / "annotator_end.png")
            browser.close()


def open_notebook(page: Any, address: str) -> Any:
    """Run the first cell of the notebook, which shows the annotator; the cells."""
    page.goto(f"{address}/lab/tree/boxes.ipynb")
    cells = page.locator(".jp-Notebook .jp-Cell")
    cells.first.wait_for(timeout=START_SECONDS * 1000)
    page.get_by_text(re.compile(r"\| Idle$")).first.wait_for(timeout=START_SECONDS * 1000)
    test_browser.run_up_to(page, cells, 0, 1)
    page.locator(CANVAS).scroll_into_view_if_needed()
    return cells


def annotate(page: Any, folder: Path, streets: scenes.StreetBatch) -> None:
    """Draw every sign of two scenes, turn the page between them, undo, redo and delete."""
    expect = pytest.importorskip("playwright.sync_api").expect
    draw_all(page, folder, 0, streets.targets[0])
    page.keyboard.press("n")
    page.get_by_text("Picture 2 of 3").wait_for()
    truth = labels_of(streets.targets[1])
    draw_all(page, folder, 1, streets.targets[1])
    redo = page.get_by_role("button", name="Redo")
    page.keyboard.press("Control+z")
    wait_for(folder, 1, truth[:-1])
    expect(redo).to_be_enabled()  # the page has caught up with Python
    page.keyboard.press("Control+Shift+Z")
    wait_for(folder, 1, truth)
    expect(redo).to_be_disabled()
    page.keyboard.press("Delete")  # what was done again is selected
    wait_for(folder, 1, truth[:-1])
    page.get_by_role("button", name="Undo").click()
    wait_for(folder, 1, truth)


def draw_all(page: Any, folder: Path, index: int, target: Target) -> None:
    """Choose the class of each sign of picture ``index``, then drag from corner to corner."""
    truth = labels_of(target)
    for number, (label, *box) in enumerate(truth, 1):
        page.keyboard.press("Escape")  # nothing is selected
        page.locator(".palette button").nth(label).click()
        page.mouse.move(*on_screen(page, *box[:2]))
        page.mouse.down()
        page.mouse.move(*on_screen(page, *box[2:]), steps=4)
        page.mouse.up()
        wait_for(folder, index, truth[:number])


def on_screen(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of the picture lies in the window; just inside at the picture's far edges."""
    frame = page.locator(CANVAS).bounding_box()
    left, top = (min(max(at * frame["width"] / SIZE, 1), frame["width"] - 1) for at in (x, y))
    return frame["x"] + left, frame["y"] + top


def labels_of(target: Target) -> list[tuple[int, ...]]:
    """(label, x1, y1, x2, y2) of each sign, whole pixels."""
    boxes = target["boxes"].int().tolist()
    return [(label, *box) for label, box in zip(target["labels"].tolist(), boxes, strict=True)]


def wait_for(folder: Path, index: int, expected: list[tuple[int, ...]]) -> None:
    """Return when the file of labels says so of picture ``index``."""
    deadline = time.monotonic() + EFFECT_SECONDS
    while (found := saved(folder, index)) != expected:
        assert time.monotonic() < deadline, f"picture {index} must have {expected}; has {found}"
        time.sleep(0.05)


def saved(folder: Path, index: int) -> list[tuple[int, ...]]:
    if not (folder / "annotations" / "instances.json").exists():
        return []
    known = annotations.read(folder)
    label_of = [scenes.CLASSES.index(name) for name in known.classes]
    items = known.pictures[index].instances
    return [(label_of[item.label], *map(int, item.box)) for item in items]


def keep_keys_to_itself(page: Any, cells: Any) -> None:
    """JupyterLab's one-letter commands must not reach the notebook while a box is worked on."""
    sources = cells.locator(".cm-content").all_inner_texts()
    for focus in (page.locator(CANVAS), page.get_by_role("button", name="Redo")):
        focus.focus()
        for key in ("d", "d", "x", "z", "a", "b", "m", "0", "0"):
            page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert cells.locator(".cm-content").all_inner_texts() == sources
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".jp-Notebook .jp-MarkdownCell").count() == 0


def run_cell(page: Any, cell: Any) -> Any:
    """Run one cell; what it puts out."""
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    output = cell.locator(".jp-OutputArea-output")
    output.first.wait_for()
    return output


def tell(page: Any, cells: Any) -> list[tuple[int, ...]]:
    """The boxes as a cell prints them."""
    return ast.literal_eval(run_cell(page, cells.nth(1)).inner_text())


def move_sliders(page: Any, cells: Any, folder: Path) -> None:
    """The fallback opens where the other one stopped, adds a box and moves its left edge."""
    output = run_cell(page, cells.nth(2))
    output.get_by_text("Picture 3 of 3").wait_for()
    output.get_by_role("button", name="Add box").click()
    wait_for(folder, 2, [(0, 43, 43, 85, 85)])
    output.get_by_text("43 – 85").first.wait_for()  # the sliders can be moved now
    output.locator(".noUi-handle").first.press("ArrowRight")
    wait_for(folder, 2, [(0, 44, 43, 85, 85)])
    output.scroll_into_view_if_needed()
