"""Plans for other machines: against hand-made numbers, rehearsals and published measurements."""

import dataclasses
import functools
import json
import statistics
from pathlib import Path

import pytest
import torch
from torch import nn

from imgrec_lab import bench, models
from imgrec_lab.bench import card_roofs, planner, step_forecast
from imgrec_lab.bench.work import KINDS, Operation, Work

RESULTS = Path(__file__).resolve().parent.parent / "results" / "published_speeds.json"
tiny = functools.partial(models.TinyCNN, 14)
residual = functools.partial(models.ResNet, 14)


def planned(build=tiny, **changes) -> bench.Plan:
    run = {"image_size": (32, 32), "batch_size": 64, "pictures": 6400, "epochs": 10, "card": "T4"}
    return bench.plan(build, **run | changes)


def resnet50_work(batch_size: int, precision: torch.dtype) -> bench.Work:
    from torchvision.models import resnet50

    return bench.count_work(
        resnet50,
        torch.empty(batch_size, 3, 224, 224, device="meta"),
        torch.zeros(batch_size, dtype=torch.int64, device="meta"),
        optimizer=lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, foreach=True),
        precision=precision,
    )


# -------------------------------------------------------------------------------- roofs of cards


def test_a_published_card_becomes_a_roofline_by_hand():
    roof = bench.card_roofline(bench.find_card("T4"))
    assert roof.device == "T4" and list(roof.gflops) == ["float32", "float16"]
    assert roof.gflops["float16"]["conv"] == 65_000 and roof.gflops["float32"]["matmul"] == 8_100
    assert roof.gflops["float16"]["depthwise"] == pytest.approx(810)  # no tensor cores, a tenth
    assert roof.bandwidth(4) == roof.bandwidth(1e12) == 320
    product = Operation(name="mm", kind="matmul", flops=65_000 * 10**9, bytes=1)
    assert roof.seconds(product, "float16") == pytest.approx(1)
    move = Operation(name="add", kind="memory", flops=0, bytes=320 * 10**9)
    assert roof.step_seconds(Work((product, move), 1), "float16") == pytest.approx(2 / 0.74)


def test_every_card_has_a_roof_for_each_arithmetic_it_has():
    for card in bench.CARDS:
        roof = bench.card_roofline(card)
        assert set(roof.gflops) <= set(card_roofs.REACHED) and "float16" in roof.gflops
        assert ("tf32" in roof.gflops) == (card.tf32_tflops is not None)
        assert set(roof.launch_us) == set(KINDS)
        for rates in roof.gflops.values():
            assert set(rates) == set(KINDS) and min(rates.values()) > 0


def test_published_speeds_are_of_known_cards_networks_and_precisions():
    from torchvision import models as zoo

    names = {card.name for card in bench.CARDS}
    for speed in bench.SPEEDS:
        assert speed.card in names and hasattr(zoo, speed.network), speed
        assert speed.precision in bench.card_roofline(bench.find_card(speed.card)).gflops, speed
        assert speed.layout in ("channels last", "usual") and speed.source.startswith("https://")
        assert 2015 < int(speed.date[:4]) < 2030 and speed.images_per_s > 0


def test_the_parts_reached_are_those_that_published_speeds_of_resnet50_show():
    dtypes = {"float16": torch.float16, "tf32": torch.float32, "float32": torch.float32}
    work = {size: resnet50_work(256, size) for size in (torch.float16, torch.float32)}
    for precision, dtype in dtypes.items():
        layout = "channels last" if precision == "float16" else "usual"
        cards: dict[str, list[float]] = {}
        for speed in bench.SPEEDS:
            if (speed.network, speed.precision, speed.layout) == ("resnet50", precision, layout):
                roof = bench.card_roofline(bench.find_card(speed.card))
                part = speed.images_per_s * roof.roof_seconds(work[dtype], precision) / 256
                cards.setdefault(speed.card, []).append(part)
        median = statistics.median(statistics.median(parts) for parts in cards.values())
        assert card_roofs.REACHED[precision] == pytest.approx(median, rel=0.02)
    assert card_roofs.REACHED["bfloat16"] == card_roofs.REACHED["float16"]


def test_the_stored_comparison_is_of_these_speeds_and_says_what_the_planner_says():
    stored = json.loads(RESULTS.read_text())
    assert stored["used"] == card_roofs.REACHED
    published = [speed.images_per_s for speed in bench.SPEEDS]
    assert [row["published_images_per_s"] for row in stored["speeds"]] == published
    low, high = planner._CARDS_DIFFER
    ratios = [row["published_over_foretold"] for row in stored["speeds"]]
    assert len(ratios) == 36 and sum(low <= ratio <= high for ratio in ratios) == 34
    right = [row["ran"] == (row["needed_gib"] <= row["usable_gib"]) for row in stored["memory"]]
    assert sum(row["ran"] for row in stored["memory"]) == 12 and right.count(False) == 1


# ------------------------------------------------------------------------------------------ plans


def test_hours_energy_and_cost_by_hand():
    plan = planned(pictures=3_600_000, epochs=2)
    card = bench.find_card("T4")
    assert plan.hours == pytest.approx(2000 / plan.images_per_s)
    assert plan.energy_kwh == pytest.approx(plan.hours * 0.070)
    assert plan.cost_usd == pytest.approx(plan.hours * card.cloud_usd_per_hour)
    assert plan.rule_gib == 32
    slow, fast = plan.interval
    assert plan.hours_interval == pytest.approx((plan.hours / fast, plan.hours / slow))
    assert planned(card="RTX 3080").cost_usd is None


def test_a_card_of_16_gb_with_error_correction_has_15_gib_less_what_the_driver_keeps():
    assert planned().card_gib == pytest.approx(14.76, abs=0.02)
    assert bench.find_card("RTX 3090").usable_gib == pytest.approx(23.69, abs=0.06)


def test_what_is_needed_is_the_rehearsed_peak_its_gaps_and_cuda_itself():
    plan = planned(residual)
    assert plan.needed_gib == pytest.approx(plan.memory.peak_mib / 1024 * 1.05 + 0.5)
    assert plan.fits and plan.largest_batch > 64


@pytest.mark.parametrize("batch_size", [16, 64, 300, 2000])
@pytest.mark.parametrize("build", [tiny, residual])
def test_two_rehearsals_foretell_every_batch(build, batch_size):
    images = torch.empty(batch_size, 3, 32, 32, device="meta")
    labels = torch.zeros(batch_size, dtype=torch.int64, device="meta")
    choices = {"optimizer": step_forecast._adamw, "precision": torch.float16}
    rehearsal = step_forecast.forecast_step(build, (32, 32), torch.float16)
    work = bench.count_work(build, images, labels, **choices)
    assert rehearsal.work(batch_size).flops == work.flops
    assert rehearsal.work(batch_size).bytes == pytest.approx(work.bytes, rel=1e-4)
    use = bench.memory_profile(build, images, labels, **choices)
    missing = use.peak_mib - rehearsal.memory(batch_size).peak_mib
    assert -0.01 * use.peak_mib < missing < max(use.parameters_mib, 0.01 * use.peak_mib)


def test_the_largest_batch_is_the_last_that_fits():
    for card in ("RTX 4060", "RTX 3080"):
        most = planned(residual, card=card).largest_batch
        assert planned(residual, card=card, batch_size=most).fits
        assert not planned(residual, card=card, batch_size=most + 1).fits


def test_weights_alone_may_be_too_much():
    def huge() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2_000_000))  # 23 GiB

    plan = planned(huge)
    assert not plan.fits and plan.largest_batch == 0
    assert "does not fit" in str(plan) and "the largest batch is 0" in str(plan)


def test_memory_grows_with_pictures_of_any_shape_and_with_the_precision():
    small, wide = planned(residual), planned(residual, image_size=(32, 64))
    assert wide.memory.activations_mib == pytest.approx(2 * small.memory.activations_mib, rel=0.1)
    full = planned(residual, precision="float32")
    assert full.memory.activations_mib > 1.2 * small.memory.activations_mib
    assert full.images_per_s < small.images_per_s


def test_small_batches_wait_for_the_cpu_and_large_ones_do_not():
    few, many = planned(batch_size=2), planned(batch_size=4096)
    assert few.launching and not many.launching
    assert few.images_per_s == pytest.approx(planned(batch_size=2, card="H200 SXM").images_per_s)
    assert many.images_per_s > 10 * few.images_per_s


def test_a_better_card_is_faster_for_a_large_batch():
    speeds = {card.name: planned(batch_size=2048, card=card).images_per_s for card in bench.CARDS}
    assert speeds["T4"] < speeds["RTX A5000"] < speeds["RTX 4090"] < speeds["H200 SXM"]


def test_a_network_is_rehearsed_once_for_all_cards_batches_and_half_precisions():
    step_forecast.forecast_step.cache_clear()
    for card in ("RTX A6000", "RTX 4090"):
        for precision in ("float16", "bfloat16"):
            planned(card=card, precision=precision, batch_size=32, epochs=3)
    assert step_forecast.forecast_step.cache_info().misses == 1


def test_a_measured_roofline_in_place_of_a_card():
    roof = dataclasses.replace(bench.card_roofline(bench.find_card("T4")), device="Tesla T4")
    measured = planned(card=roof)
    assert measured.images_per_s == planned().images_per_s
    assert measured.card == "Tesla T4" and measured.cost_usd == planned().cost_usd
    assert measured.interval != planned().interval
    other = dataclasses.replace(roof, device="a box")
    plan = planned(card=other, memory_gib=6.0)
    assert plan.card_gib == 6 and plan.rule_gib == 12
    assert plan.cost_usd is None and plan.energy_kwh is None
    with pytest.raises(ValueError, match="memory_gib must say how much memory a box has"):
        planned(card=other)


def test_ram_by_hand():
    need = bench.ram_need(pictures=1000, image_size=(1024, 1024), batch_size=64)
    gib = 3 * 1024 * 1024 / 2**30
    assert need.processes_gib == pytest.approx(2.0 + 4 * 0.4)
    assert need.batches_gib == pytest.approx((4 * 2 + 2) * 64 * gib)
    assert need.pictures_gib == pytest.approx(200 * gib)
    assert need.total_gib == pytest.approx(need.least_gib + need.pictures_gib)
    held = bench.ram_need(pictures=1000, image_size=(1024, 1024), batch_size=64, resident=True)
    assert held.pictures_gib == pytest.approx(1000 * gib)
    assert held.processes_gib == 2.0 and held.batches_gib == pytest.approx(2 * 64 * gib)


def test_ram_does_not_depend_on_the_card():
    assert planned(card="RTX 3080").ram == planned(card="H200 SXM").ram


def test_a_plan_in_a_line():
    assert str(planned(card="RTX 4090")).startswith("RTX 4090: fits (0.5 of 23.6 GiB), ")
    assert " USD" in str(planned()) and " USD" not in str(planned(card="RTX 3080"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"card": "RTX 4900"}, "Did you mean 'RTX 4090'"),
        (
            {"precision": "bfloat16"},
            "one of float32, float16, in which T4 computes; got 'bfloat16'",
        ),
        ({"precision": "fp16"}, "one of float32, tf32, bfloat16, float16; got 'fp16'"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1; got 0"),
        ({"pictures": 1.5}, "pictures must be a whole number of at least 1; got 1.5"),
        ({"memory_gib": 0}, "memory_gib must be above 0; got 0. Leave it out"),
        ({"epochs": -1}, "epochs must be a whole number of at least 1; got -1"),
        ({"image_size": 224}, r"image_size must be \(height, width\) in whole pixels; got 224"),
        ({"image_size": (0, 32)}, r"whole pixels; got \(0, 32\)"),
        ({"image_size": (4, 4)}, "model, loss and optimizer must run on images of this shape"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        planned(**changes)


def test_a_model_in_place_of_a_function_is_refused():
    with pytest.raises(TypeError, match="build must be a function that makes the model"):
        planned(tiny())
