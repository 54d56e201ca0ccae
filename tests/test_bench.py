"""Timing with an interval, the limits of a container, the data file of cards."""

import statistics
import time

import pytest
import torch

from imgrec_lab import bench
from imgrec_lab.bench import container_limits, timing

QUIET = [1.0, 1.01, 0.99, 1.002, 0.998, 1.0, 1.005, 0.995, 1.001, 0.999, 1.0, 1.0]


class Scripted:
    """A function whose calls take what a script says, in milliseconds, over and over."""

    def __init__(self, times_ms):
        self.times_ms, self.calls, self.now = list(times_ms), 0, 0.0

    def __call__(self):
        self.now += self.times_ms[self.calls % len(self.times_ms)] / 1000
        self.calls += 1


def measured(times_ms, monkeypatch, **choices) -> tuple[bench.Timing, Scripted]:
    function = Scripted(times_ms)
    monkeypatch.setattr(timing, "clock", lambda: function.now)
    return bench.measure(function, **choices), function


def test_the_median_is_that_of_the_calls():
    taken = []

    def nap():
        start = time.perf_counter()
        time.sleep(0.004)
        taken.append(1000 * (time.perf_counter() - start))

    found = bench.measure(nap, least_seconds=0.05)
    assert found.calls == 1
    assert found.median_ms == pytest.approx(statistics.median(taken), rel=0.1)
    low, high = found.interval_ms
    assert low <= found.median_ms <= high


def test_it_agrees_with_torchs_own_timer():
    from torch.utils.benchmark import Timer

    a = torch.rand(300, 300)
    timer = Timer("a @ a", globals={"a": a}, num_threads=torch.get_num_threads())
    ratios = []
    for _ in range(5):
        reference = timer.blocked_autorange(min_run_time=0.1)
        ours = bench.measure(lambda: a @ a, least_seconds=0.1, most_seconds=0.3)
        ratios.append(ours.median_ms / (1000 * reference.median))
    assert 0.6 < statistics.median(ratios) < 1.6, "other tests may run beside this one"


def test_a_quiet_run_ends_when_its_median_is_known_and_warns_of_nothing(monkeypatch):
    found, function = measured(QUIET, monkeypatch, least_seconds=0.03, most_seconds=60)
    assert found.warnings == () and found.median_ms == pytest.approx(1.0, rel=0.01)
    assert function.calls < 200
    assert str(found).startswith("1 ms (0.99") and "blocks)" in str(found)


def test_short_calls_are_timed_in_blocks_that_dwarf_the_clock(monkeypatch):
    found, _ = measured([0.001], monkeypatch)  # a microsecond a call
    assert found.calls * 0.001 >= 2.0 and found.median_ms == pytest.approx(0.001)


def test_a_call_of_a_minute_is_made_three_times_after_a_warm_up_of_two(monkeypatch):
    found, function = measured([60_000.0], monkeypatch)
    assert function.calls == 5 and str(found).startswith("60 s (60 to 60, 3 blocks)")
    assert "3 blocks only: the interval holds with 75%, not with 95 %" in str(found)


def test_a_first_call_that_compiles_does_not_decide_the_size_of_blocks(monkeypatch):
    found, _ = measured([5_000.0] + [0.01] * 100_000, monkeypatch)
    assert found.calls >= 200 and found.median_ms == pytest.approx(0.01)


def test_a_gpu_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waited.append(1))
    found = bench.measure(lambda: time.sleep(0.003), least_seconds=0, most_seconds=0.02)
    assert len(waited) >= 2 * len(found.times_ms)


@pytest.mark.parametrize(
    ("times_ms", "sentence"),
    [
        ([2.0, 4.0], "the interval is"),
        (QUIET + [9.0], "of the blocks took over 1.5 times the median"),
        ([1.0] * 100 + [1.2] * 100 + [1.3] * 100, "slower than it began: throttling"),
        ([1.3] * 100 + [1.2] * 100 + [1.0] * 100, "faster than it began"),
    ],
)
def test_a_disturbed_run_says_so(times_ms, sentence, monkeypatch):
    times_ms = [10 * t for t in times_ms]  # long enough for a block each
    total = sum(times_ms) / 1000
    found, _ = measured(times_ms, monkeypatch, least_seconds=total, most_seconds=total + 0.2)
    assert any(sentence in warning for warning in found.warnings), found.warnings
    assert sentence in str(found)


def test_the_interval_of_a_median_covers_it_in_95_of_100_runs():
    draws = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(1000):
        sample = torch.rand(25, generator=draws).pow(3)  # skewed, as times are
        low, high = timing._median_interval(sample.tolist())
        hits += low <= 0.5**3 <= high
    assert 940 <= hits <= 995


@pytest.mark.parametrize(
    ("fn", "choices", "error", "sentence"),
    [
        (3, {}, TypeError, "fn must be a function without arguments; got a int"),
        (int, {"interval": 0}, ValueError, "interval must lie between 0 and 1; got 0"),
        (int, {"interval": float("nan")}, ValueError, "interval must lie between 0 and 1"),
        (int, {"least_seconds": 3}, ValueError, "nor above most_seconds; got 3 and 2.0"),
        (int, {"least_seconds": -1}, ValueError, "least_seconds must not be negative"),
        (int, {"least_seconds": 0, "most_seconds": 0}, ValueError, "got 0 and 0"),
        (int, {"most_seconds": float("inf")}, ValueError, "got 0.2 and inf"),
    ],
)
def test_what_cannot_be_measured_is_refused(fn, choices, error, sentence):
    with pytest.raises(error, match=sentence):
        bench.measure(fn, **choices)


def test_an_error_of_the_function_comes_through():
    with pytest.raises(ZeroDivisionError):
        bench.measure(lambda: 1 / 0)


def test_the_limit_of_a_container_counts_not_the_host(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    found = bench.limits(tmp_path, tmp_path / "none")
    assert (found.cores, found.memory_gib) == (0.5, 1.0)
    assert "0.5 cores (the host has" in str(found) and "1.0 GiB of memory (the" in str(found)


def test_the_older_control_groups_count_too(tmp_path):
    for name, text in {
        "cpu/cpu.cfs_quota_us": "25000",
        "cpu/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": str(2**29),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = bench.limits(tmp_path, tmp_path / "none")
    assert (found.cores, found.memory_gib) == (0.25, 0.5)


@pytest.mark.parametrize(
    ("own", "folder", "limit"),
    [
        ("0::/system.slice/lab.service\n", "system.slice", "memory.max"),
        ("4:cpu,memory:/jobs/7\n1:pids:/else\n", "memory/jobs/7", "memory.limit_in_bytes"),
    ],
)
def test_a_limit_of_this_group_or_of_one_above_counts(own, folder, limit, tmp_path):
    (tmp_path / "own").write_text(own)
    (tmp_path / "groups" / folder).mkdir(parents=True)
    (tmp_path / "groups" / folder / limit).write_text(f"{2**28}\n")
    assert bench.limits(tmp_path / "groups", tmp_path / "own").memory_gib == 0.25
    (tmp_path / "own").write_text("0::/another\n4:memory:/another\n")
    assert bench.limits(tmp_path / "groups", tmp_path / "own").memory_gib > 0.25


def allow(monkeypatch, cores):
    """Let the system say that this process may run on these cores."""
    affinity = "sched_getaffinity"  # which only Linux has
    monkeypatch.setattr(container_limits.os, affinity, lambda _: set(cores), raising=False)


@pytest.mark.parametrize("files", [{}, {"cpu.max": "max 100000", "memory.max": "max"}])
def test_without_a_limit_the_host_counts(files, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    allow(monkeypatch, range(10_000))
    found = bench.limits(tmp_path, tmp_path / "none")
    assert found.cores == found.host_cores and found.memory_gib == found.host_memory_gib
    assert "host" not in str(found)


def test_affinity_is_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(container_limits.os, "cpu_count", lambda: 64)
    allow(monkeypatch, [0, 5, 9])
    assert bench.limits(tmp_path, tmp_path / "none").cores == 3


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("rtx 4090", "RTX 4090"),
        ("  Tesla   T4 ", "T4"),
        ("NVIDIA H200", "H200 SXM"),
    ],
)
def test_a_card_is_found_by_what_people_and_drivers_call_it(name, card):
    assert bench.find_card(name).name == card


def test_an_unknown_card_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"one of 17 known cards; got 'RTX 4900'. Did you mean"):
        bench.find_card("RTX 4900")
    with pytest.raises(ValueError, match=r"mean 'A100 40GB' or 'A100 80GB'\?"):
        bench.find_card("A100")
    with pytest.raises(ValueError, match=r"got 'zebra'. Look at bench.CARDS"):
        bench.find_card("zebra")


@pytest.mark.parametrize("card", bench.CARDS, ids=lambda card: card.name)
def test_published_figures_follow_from_cores_clocks_and_buses(card):
    assert card.fp32_tflops == pytest.approx(2 * card.cuda_cores * card.boost_ghz / 1000, rel=0.03)
    if card.memory_gbps:
        bandwidth = card.memory_bus_bits / 8 * card.memory_gbps
        assert card.bandwidth_gb_s == pytest.approx(bandwidth, rel=0.02)
    assert card.fp16_tflops >= card.fp32_tflops * 0.99
    assert card.bf16_tflops in (None, card.fp16_tflops)
    assert card.source.startswith("https://") and card.date >= "2026-11"
    assert (card.cloud_usd_per_hour is None) == (not card.cloud_source)
    assert card.checked or card.derived


def test_the_cards_of_the_article_are_there():
    names = {card.name for card in bench.CARDS}
    assert {"RTX A6000", "RTX 3080", "RTX A5000", "RTX 4090", "T4", "H200 SXM"} <= names
    aliases = [alias for card in bench.CARDS for alias in card.aliases]
    assert len(aliases) == len(set(aliases))
