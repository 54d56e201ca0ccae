"""Counted work, measured roofs, and what a step is predicted to take."""

import dataclasses
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from imgrec_lab import bench, models
from imgrec_lab.bench import roof_measurements, tf32
from imgrec_lab.bench.work import KINDS

CPU = torch.device("cpu")
ROOF = bench.Roofline(
    device="made up",
    gflops={"float32": {"matmul": 100.0, "conv": 50.0, "conv backward": 25.0}},
    bandwidth_gb_s=((1000, 10.0), (100_000, 40.0)),
    norm_gb_s={"norm": 5.0},
    launch_us=dict.fromkeys(("matmul", "conv", "conv backward", "norm", "memory"), 2.0),
    overlaps=False,
    reached={"float32": 0.5},
)


def work_of(build, shape=(4, 3, 16, 16), **choices):
    return bench.count_work(build, torch.zeros(shape), torch.zeros(shape[0]).long(), **choices)


def operations(work, name):
    return [operation for operation in work.operations if operation.name == name]


class Head(nn.Module):
    """A convolution as given, then one number for each of its channels."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.convolution = convolution

    def forward(self, images):
        return self.convolution(images * 2).mean(dim=(2, 3))


def test_a_convolution_by_hand():
    work = work_of(lambda: Head(nn.Conv2d(3, 8, 3, padding=1, bias=False)))
    (forward,) = operations(work, "convolution")
    (backward,) = operations(work, "convolution_backward")
    once = 2 * 4 * 16 * 16 * 8 * 3 * 9
    assert (forward.kind, forward.flops) == ("conv", once)
    # the pictures need no gradient
    assert (backward.kind, backward.flops) == ("conv backward", once)
    assert forward.bytes == 4 * (4 * 3 * 16 * 16 + 8 * 3 * 9 + 4 * 8 * 16 * 16)


def test_a_network_of_plain_convolutions_has_the_arithmetic_that_torch_counts():
    model, images = models.ResNet(5), torch.rand(4, 3, 16, 16)
    with FlopCounterMode(display=False) as counter:
        nn.functional.cross_entropy(model(images), torch.zeros(4).long()).backward()
    work = work_of(lambda: models.ResNet(5))
    assert work.flops == counter.get_total_flops() and work.pictures == 4


def test_channels_in_groups_cost_what_they_cost():
    work = work_of(lambda: Head(nn.Conv2d(12, 12, 3, groups=12, padding=1)), shape=(2, 12, 8, 8))
    (forward,), (backward,) = (
        operations(work, name) for name in ("convolution", "convolution_backward")
    )
    assert forward.flops == backward.flops == 2 * 2 * 12 * 64 * 9
    assert (forward.kind, backward.kind) == ("depthwise", "depthwise backward")


def test_views_move_nothing_and_a_batch_norm_reads_twice():
    work = work_of(lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Unflatten(1, (12, 64)),
                                         nn.Flatten(), nn.Linear(768, 5)))  # fmt: skip
    (norm,) = operations(work, "native_batch_norm")
    assert norm.bytes == pytest.approx(1.5 * 2 * 4 * 4 * 768, rel=0.02)
    assert not operations(work, "view") and not operations(work, "t")


def test_half_precision_moves_half_as_much_and_computes_the_same():
    def build():
        return models.TinyCNN(5)

    full, half = work_of(build), work_of(build, precision=torch.bfloat16)
    assert half.flops == full.flops
    assert 0.4 < half.bytes / full.bytes < 0.9


def test_the_memory_of_half_precision_is_smaller():
    images, labels = torch.zeros(16, 3, 32, 32), torch.zeros(16).long()
    full, half = (
        bench.memory_profile(lambda: models.ResNet(5), images, labels, precision=precision)
        for precision in (torch.float32, torch.bfloat16)
    )
    assert half.parameters_mib == full.parameters_mib
    assert 0.4 < half.activations_mib / full.activations_mib < 0.75


@pytest.mark.parametrize("count", [bench.count_work, bench.memory_profile])
def test_a_precision_that_is_none(count):
    with pytest.raises(ValueError, match=r"precision must be one of torch.float32, .*got 'half'"):
        count(lambda: models.TinyCNN(2), torch.zeros(1, 3, 8, 8), torch.zeros(1), precision="half")


def operation(kind, flops, num_bytes):
    return bench.Operation("made_up", kind, flops, num_bytes)


def test_the_roof_is_the_longer_of_computing_and_moving():
    assert ROOF.seconds(operation("conv", 50_000_000, 1000)) == pytest.approx(1e-3)
    assert ROOF.seconds(operation("conv", 1000, 100_000)) == pytest.approx(100_000 / 40e9)
    assert ROOF.seconds(operation("memory", 0, 500)) == pytest.approx(500 / 10e9)
    assert ROOF.seconds(operation("norm", 0, 500)) == pytest.approx(500 / 5e9)


def test_bandwidth_between_two_sizes_follows_a_straight_line_of_logarithms():
    assert ROOF.bandwidth(10_000) == pytest.approx(20.0)
    assert (ROOF.bandwidth(1), ROOF.bandwidth(1e9)) == (10.0, 40.0)


def test_a_step_is_the_sum_of_its_calls_and_a_gpu_hides_the_shorter_part():
    work = bench.Work((operation("matmul", 10**8, 1), operation("memory", 0, 1000)), pictures=1)
    busy, calling = 1e-3 + 1e-7, 4e-6
    assert ROOF.roof_seconds(work) == pytest.approx(busy + calling)
    assert ROOF.step_seconds(work) == pytest.approx(2 * (busy + calling))
    gpu = dataclasses.replace(ROOF, overlaps=True)
    assert gpu.roof_seconds(work) == pytest.approx(busy)


def test_a_precision_that_was_not_measured():
    with pytest.raises(ValueError, match="precision must be one of float32, which made up was"):
        ROOF.seconds(operation("conv", 1, 1), "float8")


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:  # the smallest jobs: seconds instead of a minute
        patch.setattr(roof_measurements, "_DOUBLINGS", 1)
        patch.setattr(roof_measurements, "_REFERENCE", (2, 3, 32, 32))
        patch.setattr(roof_measurements, "_BEYOND_CACHES", 2**24)
        return bench.roofline(CPU, seconds=0.002)


def test_measured_roofs_are_whole_and_finite(measured):
    assert set(measured.gflops) == {"float32", "bfloat16", "float16"}
    kinds = set(KINDS) - {"norm", "norm backward", "memory"}
    assert set(measured.launch_us) == set(KINDS)
    assert all(0 < speed < math.inf for speed in measured.norm_gb_s.values())
    for rates in (*measured.gflops.values(), {k: measured.launch_us[k] for k in kinds}):
        assert set(rates) == kinds
        assert all(0 < rate < math.inf for rate in rates.values())
    sizes, speeds = zip(*measured.bandwidth_gb_s, strict=True)
    assert list(sizes) == sorted(sizes) and min(speeds) > 0
    assert 0.01 < measured.reached["float32"] < 10 and not measured.overlaps


def test_a_larger_network_is_predicted_to_take_longer(measured):
    small, large = (work_of(lambda w=w: models.TinyCNN(5, width=w)) for w in (8, 64))
    assert measured.step_seconds(large) > measured.step_seconds(small)


def test_rates_are_flops_by_time(monkeypatch):
    monkeypatch.setattr(
        roof_measurements, "_timed", lambda *_: SimpleNamespace(median_ms=2.0, times_ms=(2.0,))
    )
    rates = roof_measurements._rates(CPU, torch.float32, 0.1)
    assert rates["matmul"] == pytest.approx(2 * 64**3 / 2e-3 / 1e9)
    assert rates["conv"] == pytest.approx(2 * 128 * 128 * 9 * 28 * 28 / 2e-3 / 1e9)
    assert rates["conv backward"] == pytest.approx(2 * rates["conv"])
    assert rates["depthwise"] == pytest.approx(rates["conv"] / 128)


def test_a_reference_network_says_which_part_of_the_roof_is_reached(monkeypatch):
    monkeypatch.setattr(roof_measurements, "_REFERENCE", (2, 3, 32, 32))
    monkeypatch.setattr(
        roof_measurements, "measure", lambda *a, **k: SimpleNamespace(median_ms=4000.0)
    )
    monkeypatch.setattr(bench.Roofline, "roof_seconds", lambda *a: 3.0)
    assert roof_measurements._reached(ROOF, CPU, 0.1)["float32"] == pytest.approx(0.75)


def test_seconds_that_make_no_sense():
    with pytest.raises(ValueError, match="seconds must be above 0 and finite; got 0"):
        bench.roofline(CPU, seconds=0)


def test_tf32_settings_are_put_back_also_after_an_error():
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    with pytest.raises(KeyError), tf32.allowed(not before[0]):
        assert products.allow_tf32 == convolutions.allow_tf32 == (not before[0])
        raise KeyError
    assert (products.allow_tf32, convolutions.allow_tf32) == before
    assert not tf32.available(CPU)


def test_layers_are_timed_on_what_reaches_them():
    model = models.TinyCNN(5)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    layers = bench.measure_layers(model, torch.rand(2, 3, 16, 16), seconds=0.002)
    by_name = {layer.name: layer for layer in layers}
    assert by_name["conv1.0"].flops == 2 * 2 * 16 * 16 * 16 * 27
    assert by_name["conv1.2"].flops == 2 * 16 * 16 * 16  # one for each number of a ReLU
    assert by_name["conv1.2"].intensity == pytest.approx(1 / 8)
    layer = by_name["head"]
    assert layer.kind == "Linear" and layer.gflops == pytest.approx(layer.flops / layer.ms / 1e6)
    assert all(torch.equal(before[name], weight) for name, weight in model.named_parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_layer_that_hands_on_its_input_is_left_out():
    model = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(12, 2))
    layers = bench.measure_layers(model, torch.rand(2, 3, 2, 2), seconds=0.002)
    assert [layer.kind for layer in layers] == ["Linear"]


def test_a_model_that_computes_nothing():
    with pytest.raises(ValueError, match="model must have a layer.*; Sequential only hands on"):
        bench.measure_layers(nn.Sequential(nn.Identity()), torch.rand(1, 3, 4, 4))
