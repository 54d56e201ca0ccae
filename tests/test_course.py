"""The contract, the setup call and the command."""

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from imgrec_lab import course
from imgrec_lab.course import lessons, notebooks


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (0.957, "test accuracy: 0.957, expected 0-2000\n"),
        (torch.tensor(0.5), "test accuracy: 0.500, expected 0-2000\n"),
        (0, "test accuracy: 0.000, expected 0-2000\n"),
        (1.0, "test accuracy: 1.000, expected 0-2000\n"),
        (57, "test accuracy: 57, expected 0-2000\n"),
        (1234.5, "test accuracy: 1,234, expected 0-2000\n"),
    ],
)
def test_expect_prints_the_number_and_its_band(value, line, capsys):
    assert course.expect("test accuracy", value, 0, 2000) is None
    assert capsys.readouterr().out == line


def test_expect_takes_the_edges_of_the_band(capsys):
    course.expect("a", 0.94, 0.94, 0.98)
    course.expect("a", 0.98, 0.94, 0.98)
    assert capsys.readouterr().out.count("expected 0.94-0.98") == 2


@pytest.mark.parametrize("value", [0.9399999, 0.9800001, float("inf"), -0.95])
def test_expect_raises_outside_the_band(value, capsys):
    with pytest.raises(course.ContractError, match=r"came out as .*, expected 0.94-0.98. Restart"):
        course.expect("test accuracy", value, 0.94, 0.98)
    assert capsys.readouterr().out == ""


def test_expect_raises_for_nan_and_says_what_to_try():
    with pytest.raises(course.ContractError, match="loss came out as nan, .* try a smaller lr"):
        course.expect("loss", float("nan"), 0, 1)


def test_a_broken_contract_is_an_assertion_error():
    assert issubclass(course.ContractError, AssertionError)


@pytest.mark.parametrize("band", [(1, 0), (float("nan"), 1)])
def test_expect_refuses_a_band_that_nothing_can_meet(band):
    with pytest.raises(ValueError, match="low must not be above high; got low="):
        course.expect("a", 0.5, *band)


def test_setup_shows_one_table(capsys, monkeypatch):
    monkeypatch.delenv("IMGREC_THREADS", raising=False)
    course.setup("00_start_here")
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("Python", "torch", "device", "ipywidgets", "minutes"))


def test_setup_names_the_lesson_that_was_meant():
    with pytest.raises(ValueError, match="Did you mean '01_fundamentals'"):
        course.setup("1_fundamentals")


def test_command_without_a_subcommand_explains_itself(capsys):
    with pytest.raises(SystemExit) as stop:
        course.main([])
    assert stop.value.code == 2
    assert "usage: imgrec-lab" in capsys.readouterr().err


def test_command_answers_a_missing_notebook_in_one_sentence(capsys, tmp_path):
    assert course.main(["notebooks", str(tmp_path / "09_none.ipynb")]) == 2
    answer = capsys.readouterr().err
    assert answer.startswith("imgrec-lab: a notebook must lie at ") and answer.count("\n") == 1


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A small clone: a README with empty blocks and one notebook that was never made fresh."""
    (tmp_path / "notebooks").mkdir()
    markers = "".join(
        f"<!-- {name}:begin --><!-- {name}:end -->" for name in ("lessons", "modules")
    )
    (tmp_path / "README.md").write_text(f"# Title\n{markers}\n")
    cells = [new_markdown_cell("# Start\n\nText."), new_code_cell('course.setup("x")')]
    nbformat.write(new_notebook(cells=cells), tmp_path / "notebooks" / "00_start_here.ipynb")
    monkeypatch.setattr(lessons, "repository_root", lambda: tmp_path)
    return tmp_path


def test_readme_command_writes_tables_badge_and_setup_cell(clone, capsys):
    assert course.main(["readme", "--check"]) == 1
    assert capsys.readouterr().out == "stale: README.md\nstale: 00_start_here.ipynb\n"
    assert course.main(["readme"]) == 0
    assert capsys.readouterr().out.startswith("rewritten: README.md")
    assert lessons.readme_table() in (clone / "README.md").read_text()
    title, setup = notebooks.read(clone / "notebooks" / "00_start_here.ipynb").cells
    badge = lessons.badge(lessons.find("00_start_here"))
    assert title.source == f"# Start\n\n{badge}\n\nText."
    assert setup.source == lessons.setup_cell("00_start_here")
    assert course.main(["readme", "--check"]) == 0


def test_readme_command_replaces_the_badge_of_another_repository(clone, monkeypatch):
    course.main(["readme"])
    monkeypatch.setattr(lessons, "REPOSITORY", "ada/fork")
    assert course.main(["readme"]) == 0
    title, setup = notebooks.read(clone / "notebooks" / "00_start_here.ipynb").cells
    assert title.source.count("colab-badge") == 1 and "ada/fork" in title.source
    assert "ada/fork/archive" in setup.source


def test_commands_say_when_there_is_no_notebook(clone, capsys):
    (clone / "notebooks" / "00_start_here.ipynb").unlink()
    assert course.main(["notebooks"]) == 2
    assert "must hold at least one .ipynb file" in capsys.readouterr().err
