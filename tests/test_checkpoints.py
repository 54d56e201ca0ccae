"""A run that is cut off and goes on ends in the same numbers; other files are refused unharmed."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from imgrec_lab import datasets, models, train


def colours(num_images: int = 192, seed: int = 0, num_classes: int = 2) -> datasets.ImageSet:
    """Noise that is a little redder, greener or bluer, by class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (num_images,), generator=generator)
    images = torch.randint(0, 200, (num_images, 3, 16, 16), generator=generator, dtype=torch.uint8)
    images[torch.arange(num_images), labels] += 55
    return datasets.ImageSet(images, labels, tuple("rgb"[:num_classes]))


def run(path=None, *, on_epoch=None, data=None, model=None, epochs=4, **options):
    """A run with everything that has a state: shuffling, chance in training, an average."""
    torch.manual_seed(0)
    loader = datasets.make_loader(data or colours(), batch_size=32, shuffle=True, device="cpu")
    val_loader = datasets.make_loader(colours(64, seed=1), device="cpu")
    model = model or torch.nn.Sequential(torch.nn.Dropout(0.2), models.TinyCNN(2, width=8))
    history = train.fit(
        model, loader, val_loader, epochs=epochs, ema_decay=0.9, checkpoint=path,
        on_epoch=on_epoch, **options,
    )  # fmt: skip
    return model, history


def losses(history) -> list[tuple]:
    return [(e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy) for e in history.epochs]


def assert_same(first, second) -> None:
    assert losses(first[1]) == losses(second[1])
    for (name, a), b in zip(
        first[0].state_dict().items(), second[0].state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_interrupted_and_resumed_is_as_if_unbroken(tmp_path):
    def interrupt(history):
        if len(history.epochs) == 2:
            raise KeyboardInterrupt

    path = tmp_path / "a new folder" / "run.pt"
    _, broken = run(path, on_epoch=interrupt)
    assert broken.ended == "interrupted" and len(broken.epochs) == 2
    torch.manual_seed(99)  # what happens between the two must not matter
    resumed = run(path)
    assert resumed[1].ended == "finished"
    assert_same(resumed, run())


def test_a_finished_run_comes_back_without_training(tmp_path):
    first = run(tmp_path / "run.pt")
    start = time.perf_counter()
    again = run(tmp_path / "run.pt")
    assert time.perf_counter() - start < sum(e.seconds for e in first[1].epochs)
    assert_same(first, again)


SCRIPT = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import test_checkpoints
steps = 0
def kill_at_a_step(images, labels):
    global steps
    steps += 1
    if steps == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return images, labels
test_checkpoints.run(sys.argv[2], augment=kill_at_a_step)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("step", [3, 11])
def test_a_run_killed_at_any_step_ends_in_the_same_numbers(tmp_path, step):
    path = tmp_path / "run.pt"
    command = [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), str(path), str(step)]
    threads = str(torch.get_num_threads())
    killed = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": threads})
    assert killed.returncode == -signal.SIGKILL
    assert path.exists() == (step > 6)  # six steps an epoch; before that nothing was saved
    assert_same(run(path), run())


@pytest.mark.parametrize("damage", ["truncated", "text", "other tensors"])
def test_a_damaged_or_foreign_file_is_named_and_left_alone(tmp_path, damage):
    path = tmp_path / "run.pt"
    run(path, epochs=1)
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        path.write_text("not a checkpoint")
    else:
        torch.save({"weights": torch.zeros(3)}, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"run.pt must be a file that train.fit.* left as it is"):
        run(path, epochs=1)
    assert path.read_bytes() == before


def test_a_checkpoint_of_another_model_data_or_plan_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    run(path, epochs=2)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"must belong to this run; its model: Sequential"):
        run(path, epochs=2, model=models.TinyCNN(2, width=4))
    with pytest.raises(ValueError, match=r"its data: 192 pictures .* here: 192 pictures"):
        run(path, epochs=2, data=colours(seed=5))
    with pytest.raises(ValueError, match=r"its plan: 2 epochs, 12 steps, AdamW .* here: 3 epochs"):
        run(path, epochs=3)
    with pytest.raises(ValueError, match=r"2 epochs, 12 steps.* here: 2 epochs, 6 steps"):
        run(path, epochs=2, accumulate=2)
    with pytest.raises(ValueError, match=r"at a rate of 0.003 .* at a rate of 0.01"):
        run(path, epochs=2, lr=0.01)
    assert path.read_bytes() == before


def test_a_failed_write_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    saves = []
    save = torch.save

    def full_disk_at_the_second(saved, file):
        saves.append(1)
        if len(saves) == 2:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        save(saved, file)

    monkeypatch.setattr(torch, "save", full_disk_at_the_second)
    with pytest.raises(OSError, match="No space left"):
        run(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    assert_same(run(path), run())
