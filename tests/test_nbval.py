"""Bare `pytest --nbval notebooks` finds its settings, and they let through only what may vary."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from imgrec_lab.course import notebooks

ROOT = Path(__file__).resolve().parent.parent


def sanitize(text: str) -> str:
    """What nbval compares in place of ``text``."""
    pairs = re.findall(
        "^regex: (.*)$\n^replace: (.*)$",
        (ROOT / "tests" / "nbval_sanitize.cfg").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert len(pairs) == 8
    for regex, replacement in pairs:
        text = re.sub(regex, replacement, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("test accuracy: 0.957, expected 0.94-0.98", "test accuracy: 0.941, expected 0.94-0.98"),
        ("signs: 57, expected 50-60", "signs: 1,234, expected 50-60"),
        ("drop: -0.120, expected -0.2-0", "drop: 0.000, expected -0.2-0"),
        ("3,870 images/s", "1,100.5 images/s"),
        ("2.6k images per second", "190 images per second"),
        ("took 3.2 s", "took 14 s"),
        ("1.2 ms a picture", "0.7 ms a picture"),
        ("about 3 minutes", "about 2.5 minutes"),
        (" 40%|████  | 2/5 [00:01<00:02, 1.3it/s]", "100%|██████| 5/5 [00:03<00:00, 9.9it/s]"),
        ("<function f at 0x7f1a>", "<function f at 0x55D0>"),
        ("ipykernel_12/345.py:3", "ipykernel_9/1.py:7"),
        ("3.1 GiB free", "17.9 GiB free"),
        ("<Figure size 828x503.2 with 1 Axes>", "<Figure size 828x519.2 with 1 Axes>"),
    ],
)
def test_what_may_vary_compares_equal(one: str, other: str):
    assert sanitize(one) == sanitize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("accuracy: 0.957", "accuracy: 0.941"),
        ("test accuracy: 0.957, expected 0.94-0.98", "test accuracy: 0.957, expected 0.90-0.98"),
        ("test accuracy: 0.957, expected 0.94-0.98", "train accuracy: 0.957, expected 0.94-0.98"),
        ("tensor([1, 2])", "tensor([1, 3])"),
        ("57 of 60 images", "58 of 60 images"),
        ("12 signs, 3 scenes", "12 signs, 4 scenes"),
        ("2,378 parameters", "2,379 parameters"),
        ("<Figure size 828x503.2 with 1 Axes>", "<Figure size 828x503.2 with 2 Axes>"),
    ],
)
def test_what_must_not_vary_compares_different(one: str, other: str):
    assert sanitize(one) != sanitize(other)


def run_pytest(folder: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """pytest as a learner calls it, on what lies in ``folder``, from ``cwd``."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, str(folder)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.fixture
def folder():
    """A folder inside the repository, where conftest.py is found, with one notebook."""
    folder = ROOT / "tests" / "artifacts" / "nbval"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def stored(source: str, text: str) -> nbformat.NotebookNode:
    output = new_output("stream", name="stdout", text=text)
    cell = new_code_cell(source, execution_count=1, outputs=[output])
    return notebooks.clean(new_notebook(cells=[cell]))


SOURCE = """\
import os
from imgrec_lab import course
print(os.environ["OMP_NUM_THREADS"], os.environ["NO_ALBUMENTATIONS_UPDATE"])
course.expect("accuracy", 0.957, 0.94, 0.98)"""


def test_bare_nbval_works_from_another_folder_and_sees_a_wrong_output(folder: Path, tmp_path: Path):
    right = "1 1\naccuracy: 0.941, expected 0.94-0.98\n"
    nbformat.write(stored(SOURCE, right), folder / "right.ipynb")
    nbformat.write(stored(SOURCE, right.replace("0.98", "0.99")), folder / "wrong.ipynb")
    result = run_pytest(folder, "--nbval", cwd=tmp_path)
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout, result.stdout
    assert "wrong.ipynb::Cell 0" in result.stdout and "right.ipynb::Cell 0" not in result.stdout


def test_pytest_starts_where_nbval_is_not_installed(tmp_path: Path):
    test = ROOT / "tests" / "test_packaging.py"
    result = run_pytest(test, "-p", "no:nbval", "--collect-only", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
