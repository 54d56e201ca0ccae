"""Lessons in a real JupyterLab in headless Chromium: cells run, a widget moves, its picture too.

A lesson marks the widget to move with the cell tag ``browser``: a cell near the top that shows a
slider, a menu or buttons together with a picture that changes with it.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imgrec_lab.course import notebooks

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "tests" / "artifacts"
LESSONS = ("00_start_here", "04_augmentation", "07_localisation_vs_detection", "09_hardware")
TAG = "browser"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60
CELL_SECONDS = 120
EFFECT_SECONDS = 30

# Every cell is in the page, in view or not; and no question about news covers the notebook.
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": '{"windowingMode": "none"}',
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": '{"fetchNews": "false"}',
}


@pytest.fixture
def chromium() -> str:
    """Where Chromium lies; its absence skips the test, or fails it where it must be there."""
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        reason = "no Chromium on this machine: apt-get install chromium"
        if os.environ.get("IMGREC_REQUIRE_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def jupyter(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves a copy of the notebooks on a loopback port."""
    folder = tmp_path / "course"
    for lesson in LESSONS:
        copy_unrun(f"{lesson}.ipynb", folder / "notebooks")
    for name, text in SETTINGS.items():
        path = tmp_path / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(folder, port, tmp_path) as address:
        yield address


def copy_unrun(name: str, folder: Path) -> None:
    """Copy a notebook without its outputs: what is then on the screen comes from this run."""
    notebook = notebooks.read(ROOT / "notebooks" / name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    folder.mkdir(parents=True, exist_ok=True)
    notebooks.write(notebook, folder / name)


@contextmanager
def serving(folder: Path, port: int, scratch: Path) -> Iterator[str]:
    """JupyterLab with ``folder`` as its root; its log is kept beside the screenshots."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
    command += ["--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"]
    environment = {
        **os.environ,
        **notebooks.CHECKED_ENVIRONMENT,
        "JUPYTERLAB_SETTINGS_DIR": str(scratch / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(scratch / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
    }
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    with (ARTIFACTS / "jupyterlab.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(address: str, server: subprocess.Popen) -> None:
    """Return when ``address`` answers; fail when the server ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, f"JupyterLab ended; see {ARTIFACTS.name}/jupyterlab.log"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not answer within {START_SECONDS} s")


def marked_cell(path: Path) -> tuple[int, int]:
    """Index of the marked cell among all cells, and how many code cells come up to it."""
    cells = notebooks.read(path).cells
    marked = [i for i, cell in enumerate(cells) if TAG in cell.metadata.get("tags", [])]
    assert len(marked) == 1, f"{path.name} must have one cell with the tag {TAG!r}; has {marked}"
    index = marked[0]
    return index, sum(cell.cell_type == "code" for cell in cells[: index + 1])


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_widget_of_a_lesson_moves_its_picture(chromium: str, jupyter: str, lesson: str):
    sync_api = pytest.importorskip("playwright.sync_api")
    index, runs = marked_cell(ROOT / "notebooks" / f"{lesson}.ipynb")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        try:
            address = f"{jupyter}/lab/tree/notebooks/{lesson}.ipynb"
            drive(page, address, index=index, runs=runs)
        finally:
            page.screenshot(path=ARTIFACTS / f"{lesson}.png")
            browser.close()


def drive(page: Any, address: str, *, index: int, runs: int) -> None:
    """Open the lesson, run its cells up to the marked one, move the widget, see the effect."""
    page.goto(address)
    cells = page.locator(".jp-Notebook .jp-Cell")
    cells.first.wait_for(timeout=START_SECONDS * 1000)
    page.get_by_text(re.compile(r"\| Idle$")).first.wait_for(timeout=START_SECONDS * 1000)
    run_up_to(page, cells, index, runs)
    output = cells.nth(index).locator(".jp-OutputArea")
    picture = output.locator("img").first
    picture.scroll_into_view_if_needed(timeout=EFFECT_SECONDS * 1000)
    before = settled(page, picture)
    move(output)
    deadline = time.monotonic() + EFFECT_SECONDS
    while look(page, picture) == before:
        assert time.monotonic() < deadline, "the picture must change when the widget is moved"
        page.wait_for_timeout(200)


def run_up_to(page: Any, cells: Any, index: int, runs: int) -> None:
    """Press Shift+Enter on every cell up to ``index``; each must end without an error."""
    cells.first.locator(".jp-Cell-inputWrapper").click()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+Home")
    for _ in range(index + 1):
        page.keyboard.press("Shift+Enter")
    prompt = cells.nth(index).locator(".jp-InputPrompt")
    deadline = time.monotonic() + CELL_SECONDS
    while prompt.inner_text().strip() != f"[{runs}]:":
        shown = prompt.inner_text()
        assert time.monotonic() < deadline, f"cell {index} must have run; its prompt is {shown}"
        page.wait_for_timeout(200)
    for number in range(index + 1):
        error = cells.nth(number).locator('[data-mime-type="application/vnd.jupyter.error"]')
        assert error.count() == 0, f"cell {number} failed: {error.first.inner_text()[-300:]}"


def settled(page: Any, picture: Any) -> bytes:
    """The picture once it no longer moves or grows of itself."""
    deadline, seen = time.monotonic() + EFFECT_SECONDS, b""
    while (now := look(page, picture)) != seen:
        assert time.monotonic() < deadline, "the picture must come to rest before it is tested"
        seen = now
        page.wait_for_timeout(700)
    return seen


def look(page: Any, picture: Any) -> bytes:
    """The pixels of the picture as they are on the screen."""
    page.mouse.move(0, 0)
    return picture.screenshot()


def move(output: Any) -> None:
    """Move the first control that the cell shows, whichever kind it is."""
    slider = output.locator(".noUi-handle").first
    menu = output.locator("select").first
    button = output.locator(".widget-toggle-button:not(.mod-active)").first
    if slider.count():
        slider.focus()
        for _ in range(3):
            slider.press("ArrowRight")
    elif menu.count():
        options = menu.locator("option").all_inner_texts()
        menu.select_option(label=options[-1])
    elif button.count():
        button.click()
    else:
        pytest.fail("the marked cell must show a slider, a menu or toggle buttons")
