"""``imgrec-lab data``: the table, fetching, the audit's exit status, and data set cards."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import picture_folders
import pytest
from small_archives import zip_of

from imgrec_lab import course, datasets
from imgrec_lab.annotations import AnnotationSet, Finding, Instance, Picture
from imgrec_lab.course import dataset_card
from imgrec_lab.datasets import downloads, registry

DATASETS = Path(__file__).parents[1] / "datasets"
README = DATASETS / "README.md"
PUBLIC = [card for card in registry.CARDS if card.files]


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    def offline(*args):
        raise OSError("no network here")

    monkeypatch.setattr(downloads, "_receive", offline)
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("IMGREC_MIRROR", raising=False)


@pytest.fixture
def raccoons(tmp_path, monkeypatch):
    """A mirror that holds one raccoon, and a card that says so."""
    top = "raccoon_dataset-master"
    folder = tmp_path / "mirror"
    picture_folders.reddish_and_bluish(tmp_path / "noise", per_class=1)
    folder.mkdir()
    picture = (tmp_path / "noise" / "red" / "0.png").read_bytes()
    label = (
        b"<annotation><filename>1.png</filename><size><width>16</width><height>16</height></size>"
        b"<object><name>raccoon</name><bndbox><xmin>2</xmin><ymin>3</ymin><xmax>9</xmax>"
        b"<ymax>12</ymax></bndbox></object></annotation>"
    )
    files = {f"{top}/images/1.png": picture, f"{top}/annotations/1.xml": label}
    (folder / "raccoon_dataset-master.zip").write_bytes(zip_of(files))
    monkeypatch.setenv("IMGREC_MIRROR", str(folder))
    monkeypatch.setitem(registry.find_card("raccoon").contents, "images/*.jpg", 0)
    monkeypatch.setitem(registry.find_card("raccoon").contents, "annotations/*.xml", 1)
    return tmp_path / "data" / "raw" / "raccoon"


# ---- list and get


def test_list_shows_every_set_and_whether_it_is_here(capsys, tmp_path):
    (tmp_path / "data" / "raw" / "cifar10-folder").mkdir(parents=True)
    assert course.main(["data", "list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["name", "pictures", "MB", "here", "what", "licence"]
    assert [row.split()[:4] for row in rows[:5]] == [
        ["signs", "6,300", "0", "always"],
        ["streets", "1,600", "0", "always"],
        ["digits", "1,797", "0", "always"],
        ["cifar10", "60,000", "170", "yes"],
        ["gtsrb", "39,270", "277", "no"],
    ]
    assert [row.split()[0] for row in rows] == list(datasets.NAMES)
    assert rows[-1].endswith("MIT (the collection; the rights of each photograph are not stated)")


def test_list_looks_but_makes_nothing(capsys, tmp_path):
    course.main(["data", "list"])
    assert not (tmp_path / "data").exists()


def test_get_says_where_each_set_lies(raccoons, capsys):
    assert course.main(["data", "get", "signs", "raccoon"]) == 0
    assert capsys.readouterr().out == (
        f"signs: nothing to get; datasets.load('signs') works offline\nraccoon: {raccoons}\n"
    )
    assert (raccoons / "images" / "1.png").is_file()


def test_get_goes_on_after_a_set_that_cannot_be_had(raccoons, capsys):
    assert course.main(["data", "get", "pets", "raccoon"]) == 2
    shown = capsys.readouterr()
    assert shown.out == f"raccoon: {raccoons}\n"
    assert shown.err.startswith("imgrec-lab: Oxford-IIIT Pet (Parkhi et al. 2012) could not be had")
    assert shown.err.count("\n") == 1


def test_a_wrong_name_stops_before_the_first_download(raccoons, capsys):
    assert course.main(["data", "get", "raccoon", "racoon"]) == 2
    assert "got 'racoon'. Did you mean 'raccoon'?" in capsys.readouterr().err
    assert not raccoons.exists()


def test_data_without_a_subcommand_explains_itself(capsys):
    with pytest.raises(SystemExit) as stop:
        course.main(["data"])
    assert stop.value.code == 2
    assert "usage: imgrec-lab data" in capsys.readouterr().err


# ---- check

LEAK = Finding("leak", "test/a.png", "the same picture as train/b.png", "remove one", ("train/b",))


def test_check_of_a_clean_set_has_status_0(capsys):
    assert course.main(["data", "check", str(DATASETS / "sample" / "signs")]) == 0
    assert capsys.readouterr().out == ("signs: 36 pictures in 2 parts, 3 classes; nothing found\n")


def test_check_of_a_faulty_set_has_status_1_and_writes_json(tmp_path, capsys):
    out = tmp_path / "findings.json"
    faulty = DATASETS / "sample_faulty" / "signs"
    assert course.main(["data", "check", str(faulty), "--json", str(out)]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("signs: 52 pictures in 2 parts, 4 classes; 16 findings\n")
    assert "\nleak (2)\n  test/roundabout/again.png: the same pixels as train/" in shown
    assert json.loads(out.read_text("utf-8"))["kinds"]["leak"] == 2


def test_check_takes_the_name_of_a_set_with_label_files(raccoons, capsys):
    assert course.main(["data", "check", "raccoon"]) == 0
    assert capsys.readouterr().out == "raccoon: 1 pictures, 1 classes; nothing found\n"


def test_check_takes_the_name_of_a_set_in_memory(capsys):
    assert course.main(["data", "check", "digits"]) == 1  # at 8 x 8 pixels many are nearly alike
    assert capsys.readouterr().out.startswith("digits: 1,797 pictures in 3 parts, 10 classes; ")


@pytest.mark.parametrize("command", ["check", "card"])
def test_what_is_neither_path_nor_name_is_answered_with_status_2(command, capsys):
    assert course.main(["data", command, "racoon"]) == 2
    assert capsys.readouterr().err == (
        "imgrec-lab: there is no file or folder racoon, and as a set's name must be one of 10 data "
        "sets; got 'racoon'. Did you mean 'raccoon'?\n"
    )


@pytest.mark.parametrize("command", ["check", "card"])
def test_nothing_is_not_the_current_folder(command, capsys):
    assert course.main(["data", command, ""]) == 2
    assert capsys.readouterr().err == (
        "imgrec-lab: name a folder, a label file or a set; got nothing. Try . for this one.\n"
    )


@pytest.mark.parametrize("out", ["missing/findings.json", ""])
def test_where_findings_go_is_checked_before_the_audit(out, tmp_path, capsys):
    signs = str(DATASETS / "sample" / "signs")
    assert course.main(["data", "check", signs, "--json", str(tmp_path / out)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "--json must be a file in a folder that is there; got " in shown.err


@pytest.mark.parametrize("command", ["check", "card"])
def test_a_blank_class_has_status_2(command, tmp_path, capsys):
    folder = picture_folders.reddish_and_bluish(tmp_path / "noise", per_class=1)
    (folder / "red").rename(folder / " ")
    assert course.main(["data", command, str(folder)]) == 2
    assert "class names must be text that is not empty; got ' '" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["list"], ["card", "signs"]])
def test_a_reader_that_leaves_ends_the_command_quietly(arguments):
    code = "import sys; from imgrec_lab import course; sys.exit(course.main(sys.argv[1:]))"
    reading, writing = os.pipe()
    os.close(reading)
    env = os.environ | {"PYTHONPATH": str(README.parents[1])}
    command = [sys.executable, "-c", code, "data", *arguments]
    done = subprocess.run(command, env=env, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


# ---- cards


def instance(label: int) -> Instance:
    return Instance(label, (0.0, 0.0, 4.0, 4.0))


LABELLED = AnnotationSet(
    (
        Picture("images/c.png", 100, 200, (instance(1),), "test"),
        Picture("images/a.jpg", 480, 640, (instance(0), instance(0), instance(1)), "train"),
        Picture("images/b.JPG", 480, 640, (), "train"),
    ),
    ("red | cell", "white cell"),
)


def test_a_card_counts_what_can_be_counted():
    card = dataset_card.dataset_card(LABELLED, name="cells", findings=[LEAK, LEAK])
    assert card.startswith("# cells\n\n- What: *to be filled in*: who took these pictures")
    assert "- Licence: *to be filled in*" in card
    sizes = "100 to 480 pixels high and 200 to 640 wide, most often 480 x 640 (2 pictures)"
    assert f"- Pictures: 3, {sizes}; 2 .jpg, 1 .png." in " ".join(card.split())
    assert "- Classes: 2, 4 labels." in card
    assert (
        "| labels of class | train | test | all |\n"
        "|---|---:|---:|---:|\n"
        "| pictures | 2 | 1 | 3 |\n"
        "| `red \\| cell` | 2 | 0 | 2 |\n"
        "| `white cell` | 1 | 1 | 2 |\n"
    ) in card
    assert card.endswith(
        "## Findings of the audit\n\n"
        "- leak: 2, such as `test/a.png`: the same picture as train/b.png\n"
    )


def test_a_card_of_a_set_that_is_not_split():
    pictures = tuple(Picture(f"{k}.png", 8, 9, (instance(0),)) for k in range(2))
    card = dataset_card.dataset_card(AnnotationSet(pictures, ("cat",)), name="cats", findings=[])
    assert "- Pictures: 2, all 8 x 9 pixels (height x width); 2 .png." in card
    assert "| labels of class | not split |\n|---|---:|\n| pictures | 2 |\n| `cat` | 2 |\n" in card
    assert card.endswith("## Findings of the audit\n\nNone.\n")


def test_nothing_has_no_card():
    with pytest.raises(ValueError, match="cats must hold at least one picture to be described"):
        dataset_card.dataset_card(AnnotationSet((), ("cat",)), name="cats")


def test_a_card_without_an_audit_says_so():
    assert dataset_card.dataset_card(LABELLED, name="cells").endswith("audit\n\nNot audited.\n")


def test_the_command_begins_the_card_of_a_folder(tmp_path, capsys):
    folder = picture_folders.reddish_and_bluish(tmp_path / "noise", per_class=3)
    shutil.copy(folder / "red" / "0.png", folder / "red" / "2.png")
    assert course.main(["data", "card", str(folder)]) == 0
    card = capsys.readouterr().out
    assert card.startswith("# noise\n")
    assert "- Pictures: 6, all 16 x 16 pixels (height x width); 6 .png." in card
    assert "| `blue` | 3 |\n| `red` | 3 |\n" in card
    assert "- exact-duplicate: 1, such as `red/2.png`: the same pixels as red/0.png" in card


@pytest.mark.parametrize("card", PUBLIC, ids=lambda card: card.name)
def test_the_readme_of_the_data_sets_shows_the_cards_of_the_registry(card, capsys):
    assert course.main(["data", "card", card.name]) == 0
    section = capsys.readouterr().out
    assert f"\n{section}\n" in README.read_text("utf-8"), "paste what `imgrec-lab data card` prints"
    assert all(file.name in section for file in (*card.files, *card.instead))
    assert f"`{card.name}` |" in README.read_text("utf-8")  # a row of the table


def test_a_published_card_says_how_its_files_are_checked():
    def lines(name):
        return " ".join(dataset_card.published_card(registry.find_card(name)).split())

    assert "cifar-10-python.tar.gz), checked by sha256." in lines("cifar10")
    assert "instead: `cifar10-jpeg.tar.xz`, checked by sha256. All 60,000" in lines("cifar10")
    assert "GTSRB_Final_Test_GT.zip), checked by md5." in lines("gtsrb")
    assert "no sum was published: its contents are counted." in lines("penn-fudan")
    assert "- Licence: MIT, like the code. Source https://" in lines("signs")


def test_the_commands_parse_without_loading_anything_heavy():
    code = (
        "import sys; from imgrec_lab import course; course._parser(); print('torch' in sys.modules)"
    )
    env = os.environ | {"PYTHONPATH": str(README.parents[1])}
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, env=env, capture_output=True, text=True).stdout == "False\n"
