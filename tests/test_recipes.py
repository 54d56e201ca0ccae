"""`imgrec-lab train` from a folder of files to its results, and what it says when it cannot."""

import csv
import json
import shutil

import pytest
import torch
from picture_folders import reddish_and_bluish
from PIL import Image

from imgrec_lab import augment, course, runtime, train
from imgrec_lab.course import recipes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reddish and bluish noise as PNG files, 40 a class."""
    return reddish_and_bluish(tmp_path_factory.mktemp("colours"), per_class=40)


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    arguments = "--network tinycnn --image-size 16 --epochs 6 --batch-size 8 --flip --shift 1"
    status = course.main(["train", "--data", str(folder), "--out", str(out), *arguments.split()])
    assert status == 0
    return out


def test_it_learns_and_writes_what_is_promised(finished):
    result = json.loads((finished / "result.json").read_text())
    assert result["test_accuracy"] > 0.9 and result["test_images"] == 8
    assert result["recipe"]["network"] == "tinycnn" and "torch" in result["machine"]
    with (finished / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == list("123456")
    with (finished / "confusion.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["true class", "blue", "red"]
    assert sum(int(count) for row in rows[1:] for count in row[1:]) == 8
    assert Image.open(finished / "confusion.png").width > 100
    assert not list(finished.glob("*.partial"))


def test_the_checkpoint_comes_back_as_it_was(finished):
    model, classes, recipe = recipes.load_classifier(finished / "model.pt")
    assert classes == ("blue", "red") and recipe.image_size == (16, 16)
    red = torch.zeros(1, 3, 16, 16)
    red[:, 0] = 0.7
    assert classes[model(red).argmax()] == "red"


def test_a_damaged_foreign_or_missing_checkpoint_is_named(finished, tmp_path):
    whole = (finished / "model.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    torch.save({"something": 1}, tmp_path / "foreign.pt")
    for name in ("cut.pt", "foreign.pt"):
        with pytest.raises(ValueError, match=f"{name} is damaged or of another kind"):
            recipes.load_classifier(tmp_path / name)
    with pytest.raises(ValueError, match="no file .*absent.pt"):
        recipes.load_classifier(tmp_path / "absent.pt")


def test_a_failed_write_leaves_the_last_good_checkpoint(finished, tmp_path, monkeypatch):
    model, classes, recipe = recipes.load_classifier(finished / "model.pt")
    path = recipes.save_classifier(model, classes, recipe, tmp_path / "model.pt")
    before = path.read_bytes()

    def full_disk(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        recipes.save_classifier(model, classes, recipe, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "nowhere"], "path must be a folder; there is no nowhere"),
        (
            ["--data", "{folder}", "--network", "vgg"],
            "network must be one of tinycnn, quickcnn, resnet",
        ),
        (["--data", "{folder}", "--epochs", "0"], "epochs must be at least 1; got 0"),
        (["--data", "{folder}", "--label-smoothing", "5"], "and below 1; got 5. Try 0.1"),
        (["--data", "{folder}", "--label-smoothing", "nan"], "and below 1; got nan. Try 0.1"),
        (["--data", "{folder}", "--lr", "nan"], "lr must lie above 0 and be at most 100"),
        (
            ["--data", "{folder}", "--shift", "32"],
            "shift must be 0 to 31 pixels for this image_size; got 32",
        ),
        (
            ["--data", "{folder}", "--network", "tinycnn", "--image-size", "4"],
            "image_size must be at least 8 pixels for tinycnn; got 4",
        ),
    ],
)
def test_the_command_answers_in_one_sentence(arguments, sentence, folder, tmp_path, capsys):
    arguments = [argument.format(folder=folder) for argument in arguments]
    assert course.main(["train", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("imgrec-lab: ") and sentence in error and error.count("\n") == 1


def test_a_saved_policy_is_used_and_recorded(folder, tmp_path, monkeypatch):
    policy = augment.Policy([augment.Rotate(10), augment.MixUp(2, p=0.5)], border="edge")
    used, whole_fit = [], train.fit

    def fit_and_note(*arguments, **choices):
        used.append(choices["augment"])
        return whole_fit(*arguments, **choices)

    monkeypatch.setattr(train, "fit", fit_and_note)
    arguments = ["--network", "tinycnn", "--image-size", "16", "--epochs", "1", "--policy"]
    arguments.append(str(policy.save(tmp_path / "policy.json")))
    assert course.main(["train", "--data", str(folder), "--out", str(tmp_path), *arguments]) == 0
    assert used == [policy]
    recorded = json.loads((tmp_path / "result.json").read_text())["recipe"]["policy"]
    assert augment.Policy.from_json(recorded) == policy
    assert recipes.load_classifier(tmp_path / "model.pt")[2].policy == recorded


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        ("{", [], "policy.json: a policy must be JSON; "),
        (None, [], "policy.json"),
        (
            augment.Policy([]).to_json(),
            ["--flip"],
            "takes the place of flip and lighting; got both",
        ),
        (augment.Policy([]).to_json(), ["--lighting", "0.3"], "Put Flip, Brightness and Contrast"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named(text, more, sentence, folder, tmp_path, capsys):
    path = tmp_path / "policy.json"
    if text is not None:
        path.write_text(text)
    arguments = ["--data", str(folder), "--out", str(tmp_path / "out"), "--policy", str(path)]
    assert course.main(["train", *arguments, *more]) == 2
    error = capsys.readouterr().err
    assert error.startswith("imgrec-lab: ") and sentence in error and error.count("\n") == 1


@pytest.mark.parametrize("beyond", ["", "deeper"])
def test_an_out_that_is_a_file_is_refused_before_training_and_kept(
    beyond, folder, tmp_path, capsys
):
    (tmp_path / "notes.txt").write_text("mine")
    out = tmp_path / "notes.txt" / beyond
    assert course.main(["train", "--data", str(folder), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert "out must be a folder that can be written" in captured.err and captured.out == ""
    assert captured.err.count("\n") == 1 and (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.filterwarnings("ignore:too few different pictures")
def test_one_picture_a_class_is_too_few_and_it_says_so(folder, tmp_path, capsys):
    for name in ("red", "blue"):
        (tmp_path / "few" / name).mkdir(parents=True)
        shutil.copy(folder / name / "0.png", tmp_path / "few" / name)
    arguments = ["train", "--data", str(tmp_path / "few"), "--out", str(tmp_path / "out")]
    assert course.main(arguments) == 2
    assert "none is left for validation. Put at least 3" in capsys.readouterr().err


def test_an_interrupt_while_training_still_writes_everything(folder, tmp_path, capsys, monkeypatch):
    rows = iter(["first row"])

    def row_then_interrupt(epoch):
        for row in rows:
            return row
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes.history, "table_row", row_then_interrupt)
    arguments = ["--network", "tinycnn", "--image-size", "16", "--epochs", "9"]
    assert course.main(["train", "--data", str(folder), "--out", str(tmp_path), *arguments]) == 0
    assert "interrupted after 2 whole epochs" in capsys.readouterr().out
    assert json.loads((tmp_path / "result.json").read_text())["ended"] == "interrupted"
    assert recipes.load_classifier(tmp_path / "model.pt")[1] == ("blue", "red")


def test_an_interrupt_elsewhere_ends_in_one_sentence(folder, tmp_path, capsys, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipes.datasets, "from_folder", interrupt)
    assert course.main(["train", "--data", str(folder), "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err.startswith("imgrec-lab: interrupted; ")


def test_a_test_picture_that_breaks_while_training_is_left_out(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "data")
    monkeypatch.setattr(runtime, "available_memory_gib", lambda device=None: 0.0)  # stays in files
    whole_fit = train.fit

    def fit_while_a_file_breaks(*arguments, **choices):
        history = whole_fit(*arguments, **choices)
        for path in (tmp_path / "data").rglob("*.png"):
            if int(path.stem) % 2 == 0:
                path.write_text("broken since")
        return history

    monkeypatch.setattr(train, "fit", fit_while_a_file_breaks)
    recipe = recipes.Recipe(network="tinycnn", image_size=(16, 16), epochs=1, shift_px=1)
    with pytest.warns(UserWarning, match="left out of its batch"):
        score = recipes.train_classifier(tmp_path / "data", tmp_path / "out", recipe)
    with (tmp_path / "out" / "confusion.csv").open() as file:
        counts = [int(count) for row in list(csv.reader(file))[1:] for count in row[1:]]
    assert 0 < score.count == sum(counts) < 8


def test_a_run_that_was_cut_off_goes_on(folder, tmp_path, monkeypatch):
    recipe = recipes.Recipe(network="tinycnn", image_size=(16, 16), epochs=3, shift_px=1)
    whole = recipes.train_classifier(folder, tmp_path / "whole", recipe)
    rows = []

    def cut_off_at_the_second(row):
        rows.append(row)
        if len(rows) == 2:
            raise SystemError("the power is gone")
        return ""

    with monkeypatch.context() as patched, pytest.raises(SystemError):
        patched.setattr(recipes.history, "table_row", cut_off_at_the_second)
        recipes.train_classifier(folder, tmp_path / "out", recipe)
    assert (tmp_path / "out" / "checkpoint.pt").is_file()
    resumed = recipes.train_classifier(folder, tmp_path / "out", recipe, resume=True)
    assert resumed == whole
    assert not (tmp_path / "out" / "checkpoint.pt").exists()
    with pytest.raises(ValueError, match="resume needs a run that was cut off"):
        recipes.train_classifier(folder, tmp_path / "out", recipe, resume=True)


def test_a_set_is_found_by_its_name_unless_it_has_boxes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sets = recipes._read_sets("signs", recipes.Recipe(image_size=(16, 16)))
    assert len(sets.train.classes) == 14 and sets.train.images.shape[2:] == (16, 16)
    with pytest.raises(ValueError, match="one class each; 'streets' has boxes"):
        recipes._read_sets("streets", recipes.Recipe(image_size=(64, 64)))
