"""Run lessons under Colab's ipywidgets, ipykernel and IPython, over this environment's torch.

A second environment, ``.venv-colab``, holds only those packages; a ``.pth`` file puts the
site-packages of the environment that runs this script behind them. So it costs seconds, not
gigabytes, and everything that is not about widgets and kernels is the same as in the main run.
"""

import argparse
import hashlib
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.sax.saxutils import quoteattr

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from imgrec_lab.course import notebooks  # noqa: E402  the path has to be set first

LESSONS = (
    "00_start_here",
    "01_fundamentals",
    "02_data",
    "03_training",
    "04_augmentation",
    "07_localisation_vs_detection",
    "09_hardware",
)
OVERLAY = ROOT / ".venv-colab"
WIDGETS_VERSION = "7.7.1"

# Colab's versions of what decides how widgets and cells behave, with what these need and newer
# ones no longer do. Installed without dependencies, so nothing else can slip in.
PACKAGES = (
    f"ipywidgets=={WIDGETS_VERSION}",
    "ipykernel==6.17.1",
    "ipython==7.34.0",
    "traitlets==5.7.1",
    "tornado==6.5.7",
    "jupyter-client==7.4.9",
    "jupyter-core==5.9.1",
    "pyzmq==26.2.1",
    "anywidget==0.9.21",
    "widgetsnbextension==3.6.10",
    "jupyterlab-widgets==3.0.16",
    "ipython-genutils==0.2.0",
    "setuptools==75.2.0",
    "backcall==0.2.0",
    "decorator==5.2.1",
    "entrypoints==0.4",
    "nest-asyncio==1.6.0",
    "pickleshare==0.7.5",
)

FIRST_CELL = f"""\
import ipywidgets, ipykernel, IPython
found = (ipywidgets.__version__, ipykernel.__version__, IPython.__version__)
assert found == ("{WIDGETS_VERSION}", "6.17.1", "7.34.0"), found"""


def overlay_python() -> Path:
    """The interpreter of the overlay environment, which is built where it is missing or old."""
    folder = "Scripts" if sys.platform == "win32" else "bin"
    python = OVERLAY / folder / "python"
    stamp = OVERLAY / ".ready"
    recipe = "\n".join([sys.prefix, sys.version, *PACKAGES])
    wanted = hashlib.sha256(recipe.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return python
    venv.create(OVERLAY, clear=True, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", *PACKAGES], check=True)
    own = sysconfig.get_path("purelib", vars={"base": str(OVERLAY)})
    shared = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT)})
    Path(own, "shared.pth").write_text("\n".join(shared) + "\n")
    stamp.write_text(wanted)
    return python


def run(path: Path, python: Path) -> str:
    """Run the notebook at ``path`` on ``python`` and throw the outputs away; "" or the failure."""
    import nbformat

    if not path.is_file():
        return "there is no such notebook"
    notebook = notebooks.read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST_CELL))
    with tempfile.TemporaryDirectory() as folder:
        try:
            notebooks.execute(notebook, folder=folder, python=str(python))
        except notebooks.NotebookError as error:
            return str(error)
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the lessons, two at a time; 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: those with widgets")
    parser.add_argument("--junitxml", type=Path, help="where to write the result for other tools")
    args = parser.parse_args(argv)
    paths = args.notebooks or [ROOT / "notebooks" / f"{name}.ipynb" for name in LESSONS]
    python = overlay_python()
    with ThreadPoolExecutor(max_workers=2) as pool:
        failures = list(pool.map(lambda path: run(path, python), paths))
    for path, failure in zip(paths, failures, strict=True):
        print(f"{path.name} with ipywidgets {WIDGETS_VERSION}: {failure or 'passed'}")
    if args.junitxml:
        write_report(args.junitxml, paths, failures)
    return int(any(failures))


def write_report(report: Path, paths: Sequence[Path], failures: Sequence[str]) -> None:
    """The result as a JUnit file."""
    cases = [
        f"<testcase name={quoteattr(path.name)}>"
        + (f"<failure message={quoteattr(failure)}/>" if failure else "")
        + "</testcase>"
        for path, failure in zip(paths, failures, strict=True)
    ]
    failed = sum(map(bool, failures))
    head = f'<testsuite name="overlay" tests="{len(cases)}" failures="{failed}">'
    report.write_text(f"{head}{''.join(cases)}</testsuite>", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
