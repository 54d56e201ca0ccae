"""Run notebooks from a fresh kernel and store them so that two runs compare equal.

nbclient and nbformat are development tools: they are imported where they are used, so that a
learner's machine does without them.
"""

import base64
import io
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from imgrec_lab import atomic_files
from imgrec_lab.course import lessons

# What every checked run is started with. One thread, because sums change in their last digits
# with the number of threads, and float32, because only some processors multiply bfloat16; the
# others keep albumentations (offline) and the kernel from warning on stderr, and progress bars out
# of the stored outputs.
CHECKED_ENVIRONMENT: dict[str, str] = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "IMGREC_THREADS": "1",
    "IMGREC_PRECISION": "float32",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TQDM_DISABLE": "1",
}

CELL_TIMEOUT_SECONDS = 300

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")


class NotebookError(RuntimeError):
    """A cell failed, ran out of time or lost its kernel; the message says which and why."""


@dataclass(frozen=True)
class Run:
    """How one notebook ran: ``failure`` is empty where every cell passed."""

    path: Path
    minutes: float
    failure: str = ""

    def __str__(self) -> str:
        verdict = f"FAILED, {self.failure}" if self.failure else "passed"
        return f"{self.path.name}: {verdict} ({self.minutes:.1f} minutes)"


def every(root: Path) -> list[Path]:
    """The notebooks of the course at ``root``, in the order they are read.

    Raises:
        FileNotFoundError: if there is none.
    """
    paths = sorted((root / "notebooks").glob("*.ipynb"))
    if not paths:
        raise FileNotFoundError("notebooks/ must hold at least one .ipynb file; it holds none.")
    return paths


def read(path: str | Path) -> Any:
    """The notebook at ``path`` as nbformat's dictionary, version 4.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    import nbformat

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"a notebook must lie at {path}; there is none. Try `imgrec-lab notebooks` without "
            "a name to run them all."
        )
    return nbformat.read(path, as_version=4)


def write(notebook: Any, path: str | Path) -> None:
    """Store ``notebook`` at ``path``: all of it, or the old file stays as it was."""
    import nbformat

    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    atomic_files.write_text(Path(path), text)


def clean(notebook: Any) -> Any:
    """Take out, in place, what changes from run to run or from machine to machine.

    Widget state can keep GitHub from showing the file, and a stored widget view points at a model
    that died with its kernel: both go, the widget's text stays.
    """
    notebook.metadata.clear()
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata["language_info"] = {"name": "python"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(_WIDGET_VIEW, None)
            output.get("metadata", {}).pop(_WIDGET_VIEW, None)
    return notebook


def shrink_figures(notebook: Any) -> Any:
    """Store figures in 256 colours, in place: a third of the bytes, and nearly the same to see.

    A lesson stays a file that GitHub shows and a telephone loads; who runs it sees all colours.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                png = base64.b64decode(data["image/png"])
                smaller = min(png, _in_256_colors(png), key=len)
                data["image/png"] = base64.b64encode(smaller).decode("ascii")
    return notebook


def _in_256_colors(png: bytes) -> bytes:
    """The picture with a palette; what shows through stays as it is, for a palette has no such."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = image.convert("RGBA")
    if pixels.getextrema()[3] != (255, 255):
        return png
    file = io.BytesIO()
    # The usual method, median cut, gives rare colours away, such as the yellow of a few signs.
    palette = pixels.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
    palette.save(file, "PNG", optimize=True)
    return file.getvalue()


def refresh(notebook: Any, name: str) -> Any:
    """Write the lesson's badge and setup cell anew, in place; outputs stay."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _with_badge(cell.source, lessons.badge(lessons.find(name)))
            break
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if "course.setup(" in cell.source:
                cell.source = lessons.setup_cell(name)
            break
    return notebook


def _with_badge(source: str, badge: str) -> str:
    if _BADGE.search(source):
        return _BADGE.sub(lambda _: badge, source, count=1)
    heading, _, rest = source.partition("\n")
    return f"{heading}\n\n{badge}\n{rest}".rstrip()


def refresh_course(root: Path, *, write_back: bool) -> list[Path]:
    """The README and notebooks whose generated parts are stale, rewritten if ``write_back``."""
    stale, paths = [], every(root)
    readme = root / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = lessons.refresh_readme(old)
    if new != old:
        stale.append(readme)
        if write_back:
            readme.write_text(new, encoding="utf-8", newline="\n")
    for path in paths:
        notebook = read(path)
        if notebook != refresh(fresh := read(path), path.stem):
            stale.append(path)
            if write_back:
                write(fresh, path)
    return stale


def execute(notebook: Any, *, folder: str | Path, python: str = sys.executable) -> Any:
    """Run every cell of ``notebook`` in a fresh kernel with ``CHECKED_ENVIRONMENT``, in place.

    Args:
        notebook: nbformat's dictionary; its outputs are replaced.
        folder: the working directory of the kernel.
        python: the interpreter that the kernel runs on.

    Raises:
        NotebookError: at the first cell that fails.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    begun = [0]

    class Client(NotebookClient):
        def create_kernel_manager(self) -> Any:
            self.km = _kernel_manager(python)
            return self.km

    client = Client(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        record_timing=False,
        store_widget_state=False,
        on_cell_start=lambda cell, cell_index: begun.append(cell_index),
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        return client.execute(env={**os.environ, **CHECKED_ENVIRONMENT})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(_describe(error, notebook.cells, begun[-1])) from error


def _kernel_manager(python: str) -> Any:
    """A manager whose kernel runs on ``python``, whatever kernels are registered here."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

    class OneKernel(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(argv=command, display_name="Python 3", language="python")

    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=OneKernel())


def regenerate(path: str | Path) -> Run:
    """Run the notebook at ``path`` and store its outputs; a failure leaves the file as it was."""
    path = Path(path)
    notebook = refresh(read(path), path.stem)
    start = time.perf_counter()
    try:
        execute(notebook, folder=path.parent)
    except NotebookError as error:
        return Run(path, _minutes_since(start), str(error))
    write(shrink_figures(clean(notebook)), path)
    return Run(path, _minutes_since(start))


def _minutes_since(start: float) -> float:
    return (time.perf_counter() - start) / 60


def _describe(error: Exception, cells: Sequence[Any], index: int) -> str:
    """Which cell stopped the run and why, in one line."""
    number = sum(cell.cell_type == "code" for cell in cells[: index + 1])
    first_line = cells[index].source.strip().partition("\n")[0]
    name = getattr(error, "ename", type(error).__name__)
    reason = getattr(error, "evalue", str(error)).strip().partition("\n")[0]
    return f"code cell {number} `{first_line}`: {name}: {reason}"
