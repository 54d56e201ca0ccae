"""The summary of `make test` counts what happened and hides no failure."""

import subprocess
from pathlib import Path

import overlay
import pytest
import run_all


def report(folder: Path, text: str) -> Path:
    path = folder / "report.xml"
    path.write_text(text)
    return path


SUITE = '<testsuites><testsuite tests="9" failures="{}" errors="{}" skipped="2"/></testsuites>'


@pytest.mark.parametrize(
    ("failures", "errors", "status", "text"),
    [
        (0, 0, 0, "7 passed, 0 failed, 2 skipped"),
        (2, 1, 1, "4 passed, 3 failed, 2 skipped"),
        (0, 0, 3, "7 passed, 1 failed, 2 skipped"),  # pytest itself broke after the last test
    ],
)
def test_report_is_counted(failures, errors, status, text, tmp_path):
    path = report(tmp_path, SUITE.format(failures, errors))
    assert str(run_all.read_report(path, status)) == text


def test_a_stage_without_a_report_has_failed(tmp_path):
    assert str(run_all.read_report(tmp_path / "none.xml", 5)) == "0 passed, 1 failed"


def test_main_runs_the_named_stages_and_ends_with_the_plain_line(monkeypatch, capsys):
    monkeypatch.setattr(
        run_all,
        "STAGES",
        {
            "good": lambda: run_all.Counts(passed=3),
            "bad": lambda: run_all.Counts(passed=1, failed=2),
            "absent": lambda: run_all.Counts(skipped=1),
        },
    )
    assert run_all.main([]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "4 passed, 2 failed, 1 skipped"
    assert [line.split()[1] for line in lines[-6:-2]] == ["passed", "FAILED", "skipped", "FAILED"]
    assert run_all.main(["good"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 0 failed"
    with pytest.raises(SystemExit):
        run_all.main(["other"])
    assert "must be one of good, bad, absent; got other" in capsys.readouterr().err


def test_each_stage_is_started_with_fixed_threads(monkeypatch):
    seen = {}
    monkeypatch.setattr(subprocess, "call", lambda words, cwd, env: seen.update(env) or 0)
    assert run_all.lint() == run_all.Counts(passed=2)
    assert seen["OMP_NUM_THREADS"] == "1"


def test_overlay_reports_each_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(overlay, "overlay_python", lambda: Path("python"))
    monkeypatch.setattr(overlay, "run", lambda path, python: "" if path.stem == "a" else 'cell "2"')
    path = tmp_path / "report.xml"
    assert overlay.main(["a.ipynb", "b.ipynb", "--junitxml", str(path)]) == 1
    assert str(run_all.read_report(path, 1)) == "1 passed, 1 failed"
    assert 'b.ipynb with ipywidgets 7.7.1: cell "2"' in capsys.readouterr().out
    assert overlay.main(["a.ipynb"]) == 0


def test_overlay_answers_a_missing_notebook(tmp_path):
    assert "no such notebook" in overlay.run(tmp_path / "none.ipynb", Path("python"))
