"""Lesson records and the texts made from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imgrec_lab.course import lessons, notebooks

ROOT = Path(__file__).resolve().parent.parent


def test_names_are_numbered_in_reading_order_and_prerequisites_come_before():
    names = [lesson.name for lesson in lessons.LESSONS]
    assert [name[:2] for name in names] == [f"{number:02}" for number in range(len(names))]
    for lesson in lessons.LESSONS:
        assert all(needed in names[: names.index(lesson.name)] for needed in lesson.prerequisites)


def test_written_lessons_say_what_they_cost_and_use_modules_that_exist():
    for lesson in lessons.written():
        assert lesson.minutes_cpu and lesson.modules
        assert lesson.accelerator in {"none", "optional", "recommended"}
        assert lesson.difficulty in {1, 2, 3}
        for name in lesson.modules:
            assert (ROOT / lessons.source_of(name)).exists(), name


def test_find_gives_the_lesson_or_the_nearest_name():
    assert lessons.find("00_start_here") is lessons.LESSONS[0]
    with pytest.raises(ValueError, match=r"got '00_start'. Did you mean '00_start_here'\?"):
        lessons.find("00_start")
    with pytest.raises(ValueError, match="Choose from 00_start_here, 01_fundamentals"):
        lessons.find("qqqq")


def test_badge_opens_the_notebook_in_colab():
    badge = lessons.badge(lessons.find("01_fundamentals"))
    assert badge.startswith("[![Open in Colab](")
    assert badge.endswith(f"{lessons.REPOSITORY}/blob/main/notebooks/01_fundamentals.ipynb)")


def test_setup_cells_differ_in_the_name_only():
    first, second = lessons.setup_cell("00_start_here"), lessons.setup_cell("01_fundamentals")
    assert first.replace("00_start_here", "01_fundamentals") == second
    assert 'course.setup("00_start_here")' in first


def test_setup_cell_installs_this_package_at_a_tag_and_nothing_else():
    lines = lessons.setup_cell("00_start_here").splitlines()
    (pip,) = [line for line in lines if "pip" in line]
    assert "--no-deps" in pip
    assert pip.endswith(f"/{lessons.REPOSITORY}/archive/v0.1.0.zip")
    assert not any(word in pip for word in ("torch", "ipywidgets", "--upgrade"))
    assert lines[lines.index(pip) - 1].startswith("if ")


def test_setup_cell_leaves_pip_alone_where_the_package_is_there(monkeypatch):
    from IPython.core.inputtransformer2 import TransformerManager

    shown = []
    monkeypatch.setattr("imgrec_lab.course.setup", shown.append)
    cell = TransformerManager().transform_cell(lessons.setup_cell("00_start_here"))
    assert "get_ipython()" in cell  # so calling pip would raise a NameError here
    exec(compile(cell, "setup cell", "exec"), {})
    assert shown == ["00_start_here"]


def test_repository_can_be_named_by_the_environment():
    code = (
        "from imgrec_lab.course import lessons; print(lessons.badge(lessons.find('00_start_here')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "IMGREC_REPOSITORY": "ada/course"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "github/ada/course/blob/main/notebooks/00_start_here.ipynb" in found.stdout


def test_readme_table_links_written_lessons_and_marks_planned_ones():
    rows = lessons.readme_table().splitlines()[2:]
    assert len(rows) == len(lessons.LESSONS)
    for lesson, row in zip(lessons.LESSONS, rows, strict=True):
        assert lesson.question in row
        assert ("| planned |" in row) == lesson.planned
        assert (lesson.path in row) != lesson.planned


def test_module_map_names_every_written_lesson():
    rows = lessons.module_map().splitlines()[2:]
    assert len(rows) == len(lessons.written())
    assert "[`train`](imgrec_lab/train)" in rows[0]


README = """before
<!-- lessons:begin -->
old
<!-- lessons:end -->
between
<!-- modules:begin --><!-- modules:end -->
after
"""


def test_refresh_readme_changes_only_what_lies_between_the_markers():
    new = lessons.refresh_readme(README)
    assert "old" not in new and lessons.readme_table() in new and lessons.module_map() in new
    assert new.startswith("before\n<!-- lessons:begin -->\n|")
    assert "-->\nbetween\n<!--" in new and new.endswith("-->\nafter\n")
    assert lessons.refresh_readme(new) == new


def test_refresh_readme_says_which_marker_is_missing():
    with pytest.raises(ValueError, match="must hold the lines <!-- modules:begin -->"):
        lessons.refresh_readme(README.replace("<!-- modules:begin -->", ""))


def test_readme_badges_and_setup_cells_are_fresh():
    stale = [path.name for path in notebooks.refresh_course(ROOT, write_back=False)]
    assert stale == [], "run `make readme`"


def test_without_the_course_around_it_the_package_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(lessons, "__file__", str(tmp_path / "imgrec_lab" / "lessons.py"))
    with pytest.raises(FileNotFoundError, match="must run inside a clone of the course"):
        lessons.repository_root()


def test_course_map_links_what_is_written_and_names_what_is_to_come():
    rows = lessons.course_map().splitlines()[2:]
    assert len(rows) == len(lessons.LESSONS)
    assert rows[0].startswith("| [00_start_here](00_start_here.ipynb) | Does my machine work")
    assert rows[-1].startswith("| 12_capstone (to come) |")
