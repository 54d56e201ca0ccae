"""One report of what this machine can do, for comparing machines: ``bench.machine_report``."""

import dataclasses
import functools
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from imgrec_lab import models, runtime
from imgrec_lab.bench import gpu_driver, other_work
from imgrec_lab.bench.anonymous import anonymous
from imgrec_lab.bench.container_limits import limits
from imgrec_lab.bench.hardware_facts import machine_facts
from imgrec_lab.bench.ladder import throughput_ladder
from imgrec_lab.bench.memory_measured import measure_memory
from imgrec_lab.bench.memory_rehearsal import MemoryUse, memory_profile
from imgrec_lab.bench.power import energy
from imgrec_lab.bench.roof_measurements import roofline
from imgrec_lab.bench.timing import measure
from imgrec_lab.bench.training_steps import training_step

_APART = 0.1  # a larger change of the same job's time is told
_BATCH, _SIZE = 32, 64  # pictures of the training step whose memory and energy are measured


@dataclass(frozen=True)
class Report:
    """What one machine was, and did, on one day; dicts hold what JSON can.

    Attributes:
        date: in UTC.
        quick: whether measurements were kept short, and torch.compile left out.
        facts, limits: ``bench.machine_facts`` and ``bench.limits``.
        parts: name of each part -> its result: "timing", "roofline", "ladder", "memory",
            "energy", on CUDA "throttling", and "timing at the end".
        failures: name of each part that failed -> why.
        seconds: name of each part -> how long it took.
        warnings: what makes the numbers doubtful.
    """

    date: str
    quick: bool
    facts: dict[str, Any]
    limits: dict[str, Any]
    parts: dict[str, Any]
    failures: dict[str, str]
    seconds: dict[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class TimingCheck:
    """One matrix product, timed by ``bench.measure``, with its interval, and by torch's timer."""

    ours_ms: float
    interval_ms: tuple[float, float]
    torchs_ms: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class StepMemory:
    """What a training step was predicted to need at its fullest moment, and what it then took."""

    predicted: MemoryUse
    measured_peak_mib: float


def machine_report(
    *,
    quick: bool = False,
    known: Mapping[str, Any] | None = None,
    say: Callable[[str], Any] = lambda line: None,
) -> Report:
    """Measure ``runtime.pick_device()`` part by part; one that fails does not stop the others.

    It takes a few minutes, or with ``quick`` less than one; other programs should rest meanwhile.
    The report names no host, user or folder.

    Args:
        quick: keep measurements short, and leave out torch.compile.
        known: results that are there already, by the name of their part; they are taken as they
            are: ``{"roofline": roof}``, say.
        say: takes a line after each part, which tells how long that took.

    Raises:
        ValueError: if ``known`` names a part that there is not.
    """
    device, known = runtime.pick_device(), known or {}
    measuring = measuring_parts(device, quick)
    if unknown := ", ".join(known.keys() - measuring.keys()):
        raise ValueError(f"known must name parts of {', '.join(measuring)}; got {unknown}.")
    facts = dataclasses.asdict(machine_facts(device))  # before anything else uses the device
    done, failures, seconds, crowded = {}, {}, {}, []
    there = {name: lambda result=result: result for name, result in known.items()}
    for name, part in (measuring | there).items():
        result, failure, seconds[name], crowding = _attempt(part)
        if failure:
            failures[name] = failure
        else:
            done[name] = result
        crowded += [f"{name}: {crowding}"] if crowding else []
        say(f"{name}: {seconds[name]} s" + (", failed" if failure else ""))
    return Report(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        quick=quick,
        facts=_plain(facts),
        limits=_plain(limits()),
        parts=anonymous(done),
        failures=anonymous(failures),
        seconds=seconds,
        warnings=tuple(anonymous([*facts["warnings"], *crowded, *_doubts(done)])),
    )


def _attempt(part: Callable[[], Any]) -> tuple[Any, str, float, str]:
    """Its result, or why there is none; how long it took; whether others were in the way."""
    result, failure = None, ""
    start, others = time.perf_counter(), other_work.others_seconds()
    try:
        result = _plain(part())
    except Exception as error:  # whatever it is, the other parts are worth having
        failure = str(error).strip().partition("\n")[0] or type(error).__name__
    seconds = round(time.perf_counter() - start, 1)
    others = other_work.others_seconds() - others
    return result, failure, seconds, other_work.crowding(others, seconds, limits())


def measuring_parts(device: torch.device, quick: bool) -> dict[str, Callable[[], Any]]:
    """What a report measures, in this order."""
    job = _product(device)
    parts = {
        "timing": lambda: _check_timing(job, 0.5 if quick else 1.0),
        "roofline": lambda: roofline(device, seconds=0.1 if quick else 0.5),
        "ladder": lambda: throughput_ladder(
            device=device, seconds=1.5 if quick else 3.0, compiled=not quick
        ),
        "memory": lambda: _step_memory(device),
        "energy": lambda: energy(_training_step(device), device, seconds=1.0 if quick else 5.0),
    }
    if device.type == "cuda":
        parts["throttling"] = lambda: gpu_driver.slowed_by(job, device)
    return parts | {"timing at the end": parts["timing"]}


def _product(device: torch.device) -> Callable[[], torch.Tensor]:
    side = 512 if device.type == "cpu" else 4096
    a = torch.rand(side, side, device=device)
    return lambda: a @ a


def _check_timing(job: Callable[[], Any], seconds: float) -> TimingCheck:
    ours = measure(job, least_seconds=seconds, most_seconds=2 * seconds)
    timer = _torchs_timer()("job()", globals={"job": job}, num_threads=torch.get_num_threads())
    torchs_ms = 1000 * timer.blocked_autorange(min_run_time=seconds).median
    return TimingCheck(ours.median_ms, ours.interval_ms, torchs_ms, ours.warnings)


def _torchs_timer() -> type:
    """Imported without the warning that no compiler for CUDA is here, which it does not need."""
    logging.disable(logging.WARNING)
    try:
        from torch.utils.benchmark import Timer
    finally:
        logging.disable(logging.NOTSET)
    return Timer


def _step_memory(device: torch.device) -> StepMemory:
    images, labels = _batch(torch.device("meta"))
    predicted = memory_profile(_network, images, labels, optimizer=_optimizer(device))
    step = _training_step(device)
    step()  # makes the optimizer's own tensors
    return StepMemory(predicted, predicted.before_mib + measure_memory(step, device))


def _training_step(device: torch.device) -> Callable[[], None]:
    images, labels = _batch(device)
    return training_step(_network(), images, labels, precision=runtime.Precision(torch.float32))


def _optimizer(device: torch.device) -> Callable[..., torch.optim.Optimizer]:
    return functools.partial(torch.optim.AdamW, foreach=device.type == "cuda")


def _network() -> torch.nn.Module:
    return models.ResNet(10)


def _batch(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.zeros(_BATCH, 3, _SIZE, _SIZE, device=device)
    return images, torch.zeros(_BATCH, dtype=torch.long, device=device)


def _doubts(done: dict[str, Any]) -> list[str]:
    """What the parts themselves make doubtful."""
    found, last = [], "timing at the end"
    for name in ("timing", last):
        found += [f"{name}: {warning}" for warning in done.get(name, {}).get("warnings", ())]
    if first := done.get("timing"):
        change = _change(first["ours_ms"], first["torchs_ms"])
        found += [f"timing: torch's timer is {way} than ours: other work" for way in change]
    if first and last in done:
        change = _change(first["ours_ms"], done[last]["ours_ms"])
        found += [f"{last} is {way} than at first: throttling, or other work" for way in change]
    found += [f"the GPU's clock is held down by {cause}" for cause in done.get("throttling", ())]
    return found


def _change(before_ms: float, after_ms: float) -> list[str]:
    """Nothing, or how much slower or faster it is."""
    change = after_ms / before_ms - 1
    if abs(change) <= _APART:
        return []
    return [f"{abs(change):.0%} {'slower' if change > 0 else 'faster'}"]


def _plain(value: Any) -> Any:
    """Lists, dicts, numbers and words, as they come back from a file."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    elif isinstance(value, tuple):
        value = [_plain(item) for item in value]
    return json.loads(json.dumps(value))
