"""Rings by hand, scaling against published machines, and processes that live, die and hang."""

import dataclasses
import functools
import multiprocessing
import os
import time
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from imgrec_lab import bench, models
from imgrec_lab.bench import data_parallel, data_parallel_run

MIB = 2**20


# -------------------------------------------------------------------------------------- the model


def test_a_ring_by_hand():
    # Four GPUs: six rounds, each of a quarter of 8 GB over 4 GB/s, and 10 microseconds.
    assert bench.all_reduce_seconds(8e9, gpus=4, gb_s=4, latency_us=10) == pytest.approx(3.00006)
    assert bench.all_reduce_seconds(8e9, gpus=1, gb_s=4) == 0
    assert bench.all_reduce_seconds(0, gpus=8, gb_s=4, latency_us=3) == pytest.approx(42e-6)


def test_many_gpus_take_hardly_longer_than_two_rounds_over_a_link():
    times = [bench.all_reduce_seconds(1e9, gpus=n, gb_s=10, latency_us=0) for n in (2, 4, 64, 4096)]
    assert times == sorted(times) and times[0] == pytest.approx(0.1)
    assert times[-1] == pytest.approx(0.2, rel=1e-3) and max(times) < 0.2


def test_a_ring_adds_up_in_so_many_rounds():
    """The rounds that the formula counts, with real numbers."""
    gpus = 5
    held = torch.arange(gpus * gpus, dtype=torch.float64).reshape(gpus, gpus)  # a row each
    expected = held.sum(dim=0).expand(gpus, gpus)
    rounds = 0
    for turn in range(2 * (gpus - 1)):
        before = held.clone()
        for gpu in range(gpus):
            piece = (gpu - turn) % gpus
            right = (gpu + 1) % gpus
            held[right, piece] = before[gpu, piece] + (
                before[right, piece] if turn < gpus - 1 else 0
            )
        rounds += 1
    assert torch.equal(held, expected)
    seconds = bench.all_reduce_seconds(gpus, gpus=gpus, gb_s=1e-9, latency_us=0)  # 1 byte a second
    assert seconds == pytest.approx(rounds)


@pytest.mark.parametrize(
    ("card", "link", "gb_s"),
    [
        ("T4", "PCIe x16", 15.75),
        ("RTX A5000", "PCIe x16", 31.5),
        ("RTX A5000", "PCIe x8", 15.75),
        ("H100 SXM", "PCIe x16", 63.0),
        ("RTX 4060", "PCIe x16", 15.75),  # has eight lanes
        ("RTX A6000", "NVLink", 56.25),
        ("A100 80GB", "NVLink", 300.0),
    ],
)
def test_links_one_way(card, link, gb_s):
    assert bench.link_gb_s(card, link=link) == pytest.approx(gb_s)
    assert bench.link_gb_s(bench.find_card(card), link=link) == pytest.approx(gb_s)


def test_every_card_has_a_link_of_a_known_generation():
    for card in bench.CARDS:
        assert bench.link_gb_s(card, link="PCIe x8") > 7


@functools.cache
def plan_of(card: str, images_per_s: float = 0.0, batch_size: int = 128) -> bench.Plan:
    plan = bench.plan(
        functools.partial(models.ResNet, 14), image_size=(64, 64), batch_size=batch_size,
        pictures=1000, epochs=1, card=card,
    )  # fmt: skip
    return dataclasses.replace(plan, images_per_s=images_per_s or plan.images_per_s)


def like_resnet50(card: str, images_per_s: float, batch_size: int) -> bench.Plan:
    plan = plan_of(card, images_per_s, batch_size)
    return dataclasses.replace(
        plan, memory=dataclasses.replace(plan.memory, parameters_mib=4 * 25_557_032 / MIB)
    )


def test_a_step_on_two_cards_by_hand():
    plan = like_resnet50("RTX 4090", images_per_s=1000.0, batch_size=100)  # 0.1 s a step
    two = next(row for row in bench.scaling(plan) if (row.link, row.gpus) == ("PCIe x16", 2))
    rate = 0.5 * 31.5e9
    last = 2 * (4 * 25_557_032 / 4 / 2 / rate + 3e-6)  # the last of four buckets
    assert two.exchange_ms == pytest.approx(4 * 1000 * last)
    assert two.waiting_ms == pytest.approx(1000 * last)
    assert two.images_per_s == pytest.approx(200 / (0.1 + last))
    assert two.efficiency == pytest.approx(0.1 / (0.1 + last))


def test_what_the_backward_pass_cannot_hide_is_waited_for():
    plan = like_resnet50("RTX 4090", images_per_s=10_000.0, batch_size=10)  # a millisecond a step
    rows = {(row.link, row.gpus): row for row in bench.scaling(plan)}
    row = rows["PCIe x8", 8]
    assert row.waiting_ms == pytest.approx(row.exchange_ms - 2 / 3)
    assert row.efficiency < 0.1 < rows["PCIe x8", 1].efficiency == 1.0


def test_scaling_orders_links_and_leaves_out_nvlink_where_there_is_none():
    rows = bench.scaling(plan_of("A100 40GB"), gpus=(8,))
    assert [row.link for row in rows] == ["PCIe x8", "PCIe x16", "NVLink"]
    speeds = [row.images_per_s for row in rows]
    assert speeds == sorted(speeds) and speeds[0] < speeds[-1]
    assert {row.link for row in bench.scaling(plan_of("RTX 4090"))} == {"PCIe x8", "PCIe x16"}


def test_a_bridge_joins_two_cards_and_no_more():
    rows = bench.scaling(plan_of("RTX A6000"))
    assert [row.gpus for row in rows if row.link == "NVLink"] == [1, 2]
    assert [row.gpus for row in rows if row.link == "PCIe x8"] == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("card", "alone", "batch_size", "link", "gpus", "published"),
    [  # ResNet-50 in mixed precision: the tables of published_speeds.toml, Lambda's rows of several
        ("RTX 4090", 1301, 448, "PCIe x16", 2, 2468),
        ("RTX 6000 Ada", 1146, 928, "PCIe x16", 8, 9211),
        ("V100 16GB", 833, 256, "NVLink", 8, 6174),
        ("A100 80GB", 1582, 1280, "NVLink", 8, 11439),
        ("H100 SXM", 2616, 1280, "NVLink", 8, 20728),
    ],
)
def test_published_machines_scale_almost_as_foretold(
    card, alone, batch_size, link, gpus, published
):
    plan = like_resnet50(card, float(alone), batch_size)
    row = next(r for r in bench.scaling(plan, gpus=(gpus,)) if r.link == link)
    assert 0.89 < published / row.images_per_s < 1.02


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: bench.all_reduce_seconds(1, gpus=0, gb_s=1), "gpus must be at least 1.*gpus=0"),
        (lambda: bench.all_reduce_seconds(1, gpus=2, gb_s=0), "gb_s above 0.*gb_s=0"),
        (lambda: bench.link_gb_s("T4", link="NVLink"), "for the T4, which has no NVLink"),
        (lambda: bench.link_gb_s("T4", link="USB"), "one of PCIe x8, PCIe x16, NVLink; got 'USB'"),
        (lambda: bench.link_gb_s("T5"), "one of 17 known cards; got 'T5'"),
        (lambda: bench.measure_data_parallel(0), "processes must be 2 to"),
        (lambda: bench.measure_data_parallel(1), "processes must be 2 to"),
        (lambda: bench.measure_data_parallel(10_000), "got 10000"),
        (lambda: bench.measure_data_parallel(batch_size=3), "a multiple of 2 processes; got 3"),
        (lambda: bench.measure_data_parallel(timeout_s=0), "timeout_s must be above 0; got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(call, sentence, monkeypatch):
    monkeypatch.setattr(data_parallel_run, "limits", lambda: SimpleNamespace(cores=2.0))
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_busy_machine_is_told():
    def run(alone_ms, together_ms):
        alone, together = (bench.Timing((ms,) * 3, 1) for ms in (alone_ms, together_ms))
        return bench.DataParallelRun("gloo", 2, 1, {}, 128, alone, together)

    assert run(70.0, 75.0).warnings == ()
    assert "another program keeps a core busy" in run(1100.0, 130.0).warnings[0]


def test_one_core_cannot_be_shared(monkeypatch):
    monkeypatch.setattr(data_parallel_run, "limits", lambda: bench.Limits(1.5, 8.0, 2, 8.0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match="at least 2 cores, one for each process; it has 1.5"):
        bench.measure_data_parallel()


# ---------------------------------------------------------------------------------- the processes


def add_up(rank, processes, number):
    total = torch.tensor([float(rank + number)])
    dist.all_reduce(total)
    return {"total": total.item(), "processes": processes}


def fail(rank, processes):
    if rank == 1:
        raise ZeroDivisionError("no number is left")
    dist.barrier()


def die(rank, processes):
    if rank == 1:
        os._exit(9)
    dist.barrier()


def hang(rank, processes):
    time.sleep(600)


def test_processes_find_each_other_and_add_up():
    found = data_parallel_run.run_processes(add_up, 2, 10, timeout_s=60)
    assert found == {"total": 21.0, "processes": 2}
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "timeout_s", "error", "sentence"),
    [
        (
            fail,
            60,
            RuntimeError,
            "ended early: ZeroDivisionError: no number is left. A script must",
        ),
        (die, 60, RuntimeError, "ended early: process 1 terminated with exit code 9. A script"),
        (hang, 8, TimeoutError, "2 processes did not come back in time and were ended"),
    ],
)
def test_a_process_that_dies_or_hangs_is_told_and_leaves_none_behind(
    work, timeout_s, error, sentence
):
    start = time.monotonic()
    with pytest.raises(error, match=sentence):
        data_parallel_run.run_processes(work, 2, timeout_s=timeout_s)
    assert multiprocessing.active_children() == []
    assert time.monotonic() - start < 55


@pytest.mark.slow
def test_two_processes_are_measured_beside_one():
    run = bench.measure_data_parallel(2, batch_size=32)
    assert run.backend == ("nccl" if torch.cuda.device_count() >= 2 else "gloo")
    assert (run.processes, run.batch_size) == (2, 32) and run.threads >= 1
    sizes = list(run.exchanges)
    assert sizes == sorted(sizes) and sizes[-1] == 64 * MIB
    assert run.exchanges[sizes[-1]].median_ms > run.exchanges[sizes[0]].median_ms
    taken = run.exchanges[sizes[-1]].median_ms / 1000
    assert run.bus_gb_s(sizes[-1]) == pytest.approx(sizes[-1] / taken / 1e9)  # 2 · (2 - 1) / 2
    alone, together = run.images_per_s
    assert alone == pytest.approx(32_000 / run.alone.median_ms) and together > 0
    assert multiprocessing.active_children() == []


def test_constants_say_what_their_sources_say():
    assert data_parallel._REACHED["PCIe x16"] * 63 == pytest.approx(31.5)  # 28 to 35 were seen
    assert data_parallel._REACHED["NVLink"] * 300 == pytest.approx(210, rel=0.02)
