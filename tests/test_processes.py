"""Two processes train as one: the same numbers, every picture once, and a loud end if one dies."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch
from picture_folders import reddish_and_bluish

from imgrec_lab import processes
from imgrec_lab.datasets import loaders

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
TRAIN = """
import json, os, sys
import torch
from imgrec_lab import datasets, models, processes, train

def main(out):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (107, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(3, (107,), generator=generator)
    data = datasets.ImageSet(images, labels, ("a", "b", "c"))
    loader = datasets.make_loader(data, batch_size=20, shuffle=True, device="cpu")
    torch.manual_seed(0)
    model = models.MLP(3, image_size=(8, 8))
    history = train.fit(model, loader, datasets.make_loader(data, batch_size=40, device="cpu"),
                        epochs=3, checkpoint=out + ".pt")
    rows = [[e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy] for e in history.epochs]
    if processes.rank() == 0:
        with open(out, "w") as file:
            json.dump({"rows": rows, "count": processes.count()}, file)

if __name__ == "__main__":
    with processes.group():
        if sys.argv[2:] == ["die"] and processes.rank() == 1:
            os._exit(7)
        main(sys.argv[1])
"""


def start(command: list) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    return subprocess.run(
        [str(part) for part in command],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "run.py"
    path.write_text(TRAIN)
    return path


def test_two_processes_learn_the_same_as_one(tmp_path, script):
    alone, together = tmp_path / "alone.json", tmp_path / "together.json"
    one = start([sys.executable, script, alone])
    two = start([*TORCHRUN, script, together])
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    alone, together = (json.loads(path.read_text()) for path in (alone, together))
    assert (alone["count"], together["count"]) == (1, 2)
    torch.testing.assert_close(
        torch.tensor(alone["rows"]), torch.tensor(together["rows"]), rtol=1e-5, atol=1e-5
    )
    again = start([*TORCHRUN, script, tmp_path / "together.json"])  # goes on from its checkpoint
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "together.json").read_text()) == together


def test_a_dead_process_ends_the_job_with_a_sentence(tmp_path, script):
    began = time.perf_counter()
    job = start([*TORCHRUN, script, tmp_path / "out.json", "die"])
    assert job.returncode != 0 and time.perf_counter() - began < 60
    assert "exitcode" in job.stderr and "7" in job.stderr
    assert not (tmp_path / "out.json").exists()


def test_a_lost_connection_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(processes.dist, "init_process_group", lambda *_, **__: None)
    monkeypatch.setattr(processes.dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with (
        pytest.raises(ConnectionError, match="process 0 of 1 must hear from all the others"),
        processes.group(),
    ):
        raise RuntimeError("Connection closed by peer [127.0.0.1]:4242")
    with pytest.raises(RuntimeError, match="shapes do not fit"), processes.group():
        raise RuntimeError("shapes do not fit")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="process 1 finds 1. Start at most 1"), processes.group():
        pass


@pytest.mark.parametrize(("length", "batch_size"), [(10, 4), (9, 4), (107, 20), (8, 4), (3, 8)])
def test_every_row_once_however_many_processes(monkeypatch, length, batch_size):
    whole = loaders.Batches(length, batch_size=batch_size, shuffle=True, seed=3).next_epoch()
    for count in (2, 3):
        parts = []
        monkeypatch.setattr(processes, "count", lambda count=count: count)
        for rank in range(count):
            monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
            batches = loaders.Batches(length, batch_size=batch_size, shuffle=True, seed=3)
            parts.append(batches.next_epoch())
            assert len(parts[-1]) == len(batches)
            assert all(len(part) for part in parts[-1])
        rows = torch.cat([row for part in parts for row in part])
        assert sorted(rows.tolist()) == list(range(length))
        firsts = torch.cat([part[0] for part in parts])
        if len(whole) == len(parts[0]):
            assert set(firsts.tolist()) == set(whole[0].tolist())
        monkeypatch.undo()


def test_a_group_of_one_needs_no_launcher():
    with processes.group():
        assert (processes.rank(), processes.count()) == (0, 1)
        assert processes.gather("x") == ["x"]
        assert processes.total(torch.ones(2)).tolist() == [1, 1]
        assert processes.weight(7, device=torch.device("cpu")) == 1.0


def test_torchrun_runs_the_whole_command(tmp_path):
    data = reddish_and_bluish(tmp_path / "data", per_class=30)
    arguments = "--network tinycnn --image-size 16 --epochs 6 --batch-size 8 --shift 1"
    job = start(
        [*TORCHRUN, "-m", "imgrec_lab.train", *arguments.split(), "--data", data]
        + ["--out", tmp_path / "out"]
    )
    assert job.returncode == 0, job.stderr
    assert job.stdout.count("test: ") == 1 and "2 processes" in job.stdout
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["processes"] == 2 and result["test_accuracy"] > 0.8
    assert result["test_images"] == 6
    assert not (tmp_path / "out" / "checkpoint.pt").exists()
