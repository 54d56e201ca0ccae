"""The table that each lesson opens with."""

import sys
import types
from importlib import metadata

import pytest
import torch

from imgrec_lab import runtime
from imgrec_lab.course import environment, lessons

LESSON = lessons.find("00_start_here")


@pytest.fixture(autouse=True)
def plain_machine(monkeypatch):
    """No hosted notebook, no mirror, no fixed threads; the number of threads is put back."""
    for name in ("IMGREC_THREADS", "IMGREC_MIRROR", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def rows() -> dict[str, str]:
    return dict(environment.table(LESSON).rows)


def test_table_as_text_and_as_html():
    table = environment.Table((("a", "1 < 2"), ("long name", "b")))
    assert repr(table) == "a          1 < 2\nlong name  b"
    assert "1 &lt; 2</td></tr>" in table._repr_html_()
    assert table._repr_html_().count("<tr>") == 2


def test_table_has_the_agreed_rows():
    assert list(rows())[:8] == [
        "Python",
        "torch",
        "device",
        "precision",
        "CPU threads",
        "widgets",
        "data",
        "expected minutes",
    ]
    assert rows()["data"] == LESSON.data


def test_threads_are_fixed_where_asked_for(monkeypatch):
    monkeypatch.setenv("IMGREC_THREADS", "2")
    assert rows()["CPU threads"] == "2"
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_bad_thread_count_is_answered(text, monkeypatch):
    monkeypatch.setenv("IMGREC_THREADS", text)
    with pytest.raises(ValueError, match=f"whole number of CPU threads, at least 1; got '{text}'"):
        environment.table(LESSON)


def test_mirror_is_mentioned_without_its_path(monkeypatch):
    monkeypatch.setenv("IMGREC_MIRROR", "/home/ada/mirror")
    assert rows()["data"].endswith("IMGREC_MIRROR is set and asked first")


def test_minutes_follow_the_device(monkeypatch):
    monkeypatch.setattr(runtime, "pick_device", lambda: torch.device("cpu"))
    minutes = lessons.minutes_text(LESSON.minutes_cpu)
    assert rows()["expected minutes"] == f"about {minutes} on 2 CPU cores"
    facts = runtime.report()
    monkeypatch.setattr(runtime, "report", lambda: facts)
    monkeypatch.setattr(runtime, "pick_device", lambda: torch.device("cuda"))
    assert rows()["expected minutes"].endswith("on this GPU")


def test_colab_without_a_gpu_says_how_to_switch(monkeypatch):
    monkeypatch.setattr(runtime, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert "Runtime > Change runtime type > T4 GPU" in rows()["expected minutes"]
    monkeypatch.delitem(sys.modules, "google.colab")
    assert "Runtime" not in rows()["expected minutes"]
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    assert "Runtime > Change runtime type > T4 GPU" in rows()["expected minutes"]


def test_kaggle_without_a_gpu_says_how_to_switch(monkeypatch):
    monkeypatch.setattr(runtime, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert "Settings > Accelerator" in rows()["expected minutes"]


def needs(monkeypatch, *requirements: str) -> list[str]:
    """The notes that the table shows when the package requires ``requirements``."""
    monkeypatch.setattr(metadata, "requires", lambda name: list(requirements))
    return [text for name, text in environment.table(LESSON).rows if name == "please note"]


def test_old_and_missing_packages_are_noted_and_nothing_is_raised(monkeypatch):
    (old,) = needs(monkeypatch, "torch>=99", "numpy>=2.0")
    assert old.startswith(f"torch is {metadata.version('torch')}, tested with >=99")
    (missing,) = needs(monkeypatch, "no-such-package>=1")
    assert missing == 'no-such-package is missing: %pip install "no-such-package>=1"'


def test_extras_and_fitting_packages_are_not_noted(monkeypatch):
    assert needs(monkeypatch, "torch>=2.6", 'no-such-package>=1; extra == "gpu"') == []


def test_without_an_install_there_is_nothing_to_compare_with(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert "please note" not in rows()


def test_without_torch_the_table_says_which_kernel_to_choose(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "imgrec_lab.runtime")
    monkeypatch.delattr("imgrec_lab.runtime")
    assert "Choose the kernel of this course's .venv" in rows()["please note"]
