"""Images a second of a whole training loop, one change after another: ``bench.throughput_ladder``.

Every row trains the same network on the same pictures. Before it is timed, it has to give the
gradient that the plain loop gives.
"""

import functools
import math
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from imgrec_lab import models, runtime
from imgrec_lab.bench import ladder_changes, ladder_pictures, ladder_steps
from imgrec_lab.bench.ladder_changes import Change
from imgrec_lab.bench.ladder_pictures import DrawnPictures
from imgrec_lab.bench.ladder_steps import Setup, Workload

_Prove = Callable[[Setup], tuple[float, float]]

_MOST_PICTURES = 1024
_GPU_STEPS = 8  # between two waits for a GPU, which has nothing to do meanwhile


@dataclass(frozen=True)
class Rung:
    """One change of the training loop, and how fast the loop is with it.

    Attributes:
        name: of the change, the same on every machine: "loader workers", say.
        images_per_s: median; None where the change does not apply, fails, or changes the result.
        interval: where that median lies with 95 %, images/s.
        kept: whether the next rows stand on it.
        difference: of the gradient from the plain loop's, as a fraction of its norm; rounding
            gives about 1e-6 in float32.
        note: why it does not apply, was dropped, or is doubtful; empty if there is nothing to say.
        setting: what was set: "2 workers", say.
    """

    name: str
    images_per_s: float | None
    interval: tuple[float, float] | None
    kept: bool
    difference: float | None
    note: str = ""
    setting: str = ""


def throughput_ladder(
    pictures: Dataset | None = None,
    *,
    build: Callable[[], nn.Module] | None = None,
    device: torch.device | str | None = None,
    seconds: float = 2.0,
    batch_sizes: tuple[int, int] | None = None,
    compiled: bool = True,
) -> tuple[Rung, ...]:
    """Measure loading, forward, backward and AdamW together, one change a row.

    Each row stands on those before it that were kept. A row whose 95 % interval lies wholly below
    that of the row it stands on is slower, and left out again. Before a row is timed, its gradient
    over all pictures must be the plain loop's, but for rounding.

    Args:
        pictures: a map-style dataset of (uint8 (3, H, W), int), of which up to 1024 are used; by
            default ``DrawnPictures()``. Where processes are started anew (macOS, Windows),
            workers must be able to import it.
        build: makes a model for these pictures; by default a small convolutional network.
        device: by default ``runtime.pick_device()``.
        seconds: of measuring a row, beside its warm-up.
        batch_sizes: of the first rows, and the larger one, a multiple of it; by default 32, and
            128, or on a GPU 256.
        compiled: whether to try torch.compile, which takes tens of seconds.

    Raises:
        TypeError, ValueError: if pictures, model, device or a number will not do.
    """
    device = runtime.find_device(device)
    on_cpu = device.type == "cpu"
    small, large = batch_sizes or (32, 128 if on_cpu else 256)
    _check_numbers(small, large, seconds)
    pictures = DrawnPictures() if pictures is None else pictures
    images, labels = ladder_pictures.resident(pictures, _count(pictures, large))
    changes = ladder_changes.changes(ladder_changes.look_at(device), large=large, compiled=compiled)
    per_call = large if on_cpu else _GPU_STEPS * large
    with ladder_steps.settings_kept(device):
        torch.default_generator.manual_seed(0)
        model = _built(build or _network, images, labels)
        work = Workload(pictures, images, labels, model, device, per_call, seconds)
        return tuple(_climb(changes, Setup(batch_size=small), work))


def _network() -> nn.Module:
    return models.TinyCNN(DrawnPictures.NUM_CLASSES)


def _climb(changes: list[Change], setup: Setup, work: Workload) -> Iterator[Rung]:
    prove = _prover(setup, work)
    standing = None  # the last row that was kept
    for change in changes:
        if change.why_not:
            yield Rung(change.name, None, None, False, None, change.why_not)
            continue
        trial = replace(setup, **change.fields)
        rung = _row(change, trial, work, prove, standing)
        if rung.kept:
            setup, standing = trial, rung
        yield rung


def _prover(setup: Setup, work: Workload) -> _Prove:
    """Gives the gradient's difference of a setup, and the largest that rounding explains."""
    plain = replace(setup, resident=True)
    reference = ladder_steps.gradient(plain, work, work.model)
    if not 0 < reference.norm() < math.inf:
        raise ValueError(
            "build must make a model whose gradient is finite and not 0; its norm is "
            f"{reference.norm():.3g}. Do its first weights, or its last, begin at 0?"
        )
    bound = functools.cache(lambda eps: ladder_steps.rounding_bound(eps, reference, plain, work))

    def prove(trial: Setup) -> tuple[float, float]:
        found = ladder_steps.gradient(trial, work, work.model)
        return ladder_steps.difference(found, reference), bound(trial.eps)

    return prove


def _row(
    change: Change, setup: Setup, work: Workload, prove: _Prove, standing: Rung | None
) -> Rung:
    try:
        return _proved_and_timed(change, setup, work, prove, standing)
    except RuntimeError as error:  # out of memory, a worker that died, a compiler that failed
        if standing is None:
            raise
        note = textwrap.shorten(f"failed: {error}", 180, placeholder=" ...")
        return Rung(change.name, None, None, False, None, note, change.setting)


def _proved_and_timed(
    change: Change, setup: Setup, work: Workload, prove: _Prove, standing: Rung | None
) -> Rung:
    started = time.perf_counter()
    difference, bound = prove(setup)
    if not difference <= bound:  # NaN is another result too
        if standing is None:
            raise ValueError("pictures must be the same at each look. Leave augmentation out.")
        note = (
            f"another result, not timed: off by {difference:.2g}, rounding by {bound:.2g} at most"
        )
        return Rung(change.name, None, None, False, difference, note, change.setting)
    timing = ladder_steps.time_training(setup, work)
    waited = time.perf_counter() - started - sum(timing.times_ms) * timing.calls / 1000
    count = 1000 * work.images_per_call  # images/s from milliseconds
    low, high = (count / time_ms for time_ms in reversed(timing.interval_ms))
    kept = standing is None or high >= standing.interval[0]
    notes = []
    if not kept:
        notes.append("slower, so left out again")
    elif standing and low <= standing.interval[1]:
        notes.append("cannot be told from the row that it stands on")
    if "compiled" in change.fields:
        notes.append(f"compiling and warming up took {waited:.0f} s")
    note = "; ".join([*notes, *timing.warnings])
    rate = count / timing.median_ms
    return Rung(change.name, rate, (low, high), kept, difference, note, change.setting)


def _check_numbers(small: int, large: int, seconds: float) -> None:
    if not (1 <= small < large and large % small == 0):
        raise ValueError(
            "batch_sizes must be a batch size and a larger multiple of it; got "
            f"{small} and {large}. Try (32, 128)."
        )
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be above 0 and finite; got {seconds}. Try 2.")


def _count(pictures: Dataset, large: int) -> int:
    """How many pictures are used: whole larger batches, so that each batch of a row is full."""
    if not hasattr(pictures, "__len__") or not hasattr(pictures, "__getitem__"):
        raise TypeError(
            "pictures must be a dataset with a length and items (uint8 (3, H, W), int); got a "
            f"{type(pictures).__name__}."
        )
    count = min(len(pictures), max(_MOST_PICTURES, large)) // large * large
    if not count:
        raise ValueError(
            f"pictures must fill one larger batch of {large}; got {len(pictures)}. Give more, or "
            "smaller batch_sizes."
        )
    return count


def _built(build: Callable[[], nn.Module], images: Tensor, labels: Tensor) -> nn.Module:
    """A model that has answers for these pictures."""
    model = None if isinstance(build, nn.Module) or not callable(build) else build()
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"build must be a function that makes a model; got a {type(build).__name__}. Try "
            "lambda: models.TinyCNN(14)."
        )
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError("build must make a model with weights to train; this one has none.")
    with torch.no_grad():
        shape = tuple(model.eval()(images[:2].float() / 255).shape)
    if len(shape) != 2 or not 0 <= labels.min() <= labels.max() < shape[1]:
        raise ValueError(
            "build must make a model with a logit for each label: labels reach from "
            f"{labels.min()} to {labels.max()}, and two pictures give logits {shape}."
        )
    return model
