"""`imgrec-lab train` from a folder of files to its results, and what it says when it cannot."""

import csv
import json

import pytest
import torch
from PIL import Image

from imgrec_lab import course
from imgrec_lab.course import recipes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reddish and bluish noise as PNG files, 40 a class."""
    root = tmp_path_factory.mktemp("colours")
    generator = torch.Generator().manual_seed(0)
    for channel, name in ((0, "red"), (2, "blue")):
        (root / name).mkdir()
        for index in range(40):
            pixels = torch.randint(0, 156, (16, 16, 3), generator=generator, dtype=torch.uint8)
            pixels[..., channel] += 100
            Image.fromarray(pixels.numpy()).save(root / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    arguments = "--network tinycnn --image-size 16 --epochs 6 --batch-size 8 --flip --shift 1"
    status = course.main(["train", "--data", str(folder), "--out", str(out), *arguments.split()])
    assert status == 0
    return out


def test_it_learns_and_writes_what_is_promised(finished):
    result = json.loads((finished / "result.json").read_text())
    assert result["test_accuracy"] > 0.9 and result["test_images"] == 12
    assert result["recipe"]["network"] == "tinycnn" and "torch" in result["machine"]
    with (finished / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == list("123456")
    with (finished / "confusion.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["true class", "blue", "red"]
    assert sum(int(count) for row in rows[1:] for count in row[1:]) == 12
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
    ],
)
def test_the_command_answers_in_one_sentence(arguments, sentence, folder, tmp_path, capsys):
    arguments = [argument.format(folder=folder) for argument in arguments]
    assert course.main(["train", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("imgrec-lab: ") and sentence in error and error.count("\n") == 1
