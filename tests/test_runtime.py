"""Device, precision, seeds and the report."""

import random

import numpy
import pytest
import torch

from imgrec_lab import runtime

CPU = torch.device("cpu")


@pytest.fixture
def free_precision(monkeypatch):
    """Let the machine choose the precision again."""
    monkeypatch.delenv("IMGREC_PRECISION", raising=False)


def test_precision_on_a_cpu_follows_its_instructions(free_precision, monkeypatch):
    monkeypatch.setattr(runtime, "_cpu_multiplies_bfloat16", lambda: True)
    assert runtime.pick_precision(CPU) == runtime.Precision(torch.bfloat16)
    monkeypatch.setattr(runtime, "_cpu_multiplies_bfloat16", lambda: False)
    assert runtime.pick_precision(CPU) == runtime.Precision(torch.float32)


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), runtime.Precision(torch.float16, True)), ((8, 0), runtime.Precision(torch.bfloat16))],
)
def test_precision_on_a_gpu_follows_its_generation(
    free_precision, monkeypatch, capability, expected
):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    precision = runtime.pick_precision(torch.device("cuda"))
    assert precision == expected
    assert ("scaled" in str(precision)) == expected.scale_gradients


def test_the_environment_decides_on_the_precision(monkeypatch):
    for name, scaled in {"float32": False, "bfloat16": False, "float16": True}.items():
        monkeypatch.setenv("IMGREC_PRECISION", name)
        assert runtime.pick_precision(CPU) == runtime.Precision(getattr(torch, name), scaled)
    monkeypatch.setenv("IMGREC_PRECISION", "int8")
    with pytest.raises(ValueError, match="must be float32, bfloat16 or float16; got 'int8'"):
        runtime.pick_precision(CPU)


def test_autocast_computes_in_the_precision_that_it_names():
    layer, x = torch.nn.Linear(4, 2), torch.ones(1, 4)
    with runtime.Precision(torch.bfloat16).autocast(CPU):
        assert layer(x).dtype == torch.bfloat16
    with runtime.Precision(torch.float32).autocast(CPU):
        assert layer(x).dtype == torch.float32


def test_same_seed_same_numbers_from_all_three_generators():
    def draw():
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    runtime.seed_everything(7)
    first = draw()
    runtime.seed_everything(7)
    assert draw() == first
    runtime.seed_everything(8)
    assert draw() != first


def test_pick_device_prefers_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.pick_device().type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.pick_device().type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.pick_device().type == "cpu"


def test_a_variable_decides_on_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("IMGREC_DEVICE", "cpu")
    assert runtime.pick_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for wanted in ("cuda", "gpu"):
        monkeypatch.setenv("IMGREC_DEVICE", wanted)
        with pytest.raises(ValueError, match=f"device of this machine: cpu.*got '{wanted}'"):
            runtime.pick_device()


def test_report_names_what_a_result_is_quoted_with():
    report = runtime.report()
    assert report["torch"] == torch.__version__
    assert str(torch.get_num_threads()) in report["device"]
    assert (
        0
        < float(report["memory"].split()[0])
        == pytest.approx(runtime.available_memory_gib(), abs=1.0)
    )


def test_threads_are_set():
    before = torch.get_num_threads()
    runtime.use_threads(1)
    assert torch.get_num_threads() == 1
    runtime.use_threads(before)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"seed must lie in \[0, 2\*\*32\); got -1"):
        runtime.seed_everything(-1)
    with pytest.raises(ValueError, match="at least 1 thread; got 0"):
        runtime.use_threads(0)


def test_a_device_is_found_by_name_or_chosen():
    assert runtime.find_device("cpu") == torch.device("cpu")
    assert runtime.find_device() == runtime.pick_device()


@pytest.mark.parametrize("device", ["abacus", "cuda:77", torch.device("cuda:77")])
def test_a_device_that_is_not_here(device):
    with pytest.raises(ValueError, match=f"device must be one of cpu.*; got {device}"):
        runtime.find_device(device)
