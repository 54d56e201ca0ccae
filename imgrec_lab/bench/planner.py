"""Would a training run fit on another machine, and what would it take: ``bench.plan``."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from imgrec_lab.bench.card_roofs import card_roofline
from imgrec_lab.bench.cards import Card, find_card, known_card
from imgrec_lab.bench.memory_rehearsal import MemoryUse
from imgrec_lab.bench.ram_needs import RamNeed, ram_need
from imgrec_lab.bench.rooflines import Roofline
from imgrec_lab.bench.step_forecast import forecast_step

_DTYPES = {  # for the rehearsal, in which only the size of a number counts
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.float16,
    "float16": torch.float16,
}

# CUDA's own data and the kernels in use take about 300 MB since CUDA 11.7, more than 1 GB before
# (https://github.com/pytorch/pytorch/issues/107667); cuBLAS and cuDNN ask for room to work in.
_CONTEXT_GIB = 0.5

# What lies unused between torch's blocks of memory. With 5 %, the batches that timm trained twelve
# networks with on an RTX 3090 of 24 GB fit here too, and of the six next larger ones that it could
# not train with, five do not (results/published_speeds.json).
_FRAGMENTS = 0.05

# Published speeds of other cards, in parts of the speed that was predicted for them without their
# own figures: 34 of 36 lie between (results/published_speeds.json).
_CARDS_DIFFER = (0.66, 1.3)
# A measured roofline predicts a ResNet-18 rightly; twelve networks on an RTX 3090 differ so.
_NETWORKS_DIFFER = (0.69, 1.1)


@dataclass(frozen=True)
class Plan:
    """What one training run would take on one card; speeds are for a loader that keeps up.

    Attributes:
        card: its name.
        memory: of one step, at its fullest moment.
        needed_gib: of the card's memory: the step, fragments, and what CUDA itself takes.
        card_gib: the memory that torch finds on the card.
        largest_batch: the largest number of pictures a step that fits; 0 where not even one does.
        images_per_s: pictures trained on a second.
        launching: whether the card waits for the CPU, which asks for one operation after another.
        interval: between which parts of ``images_per_s`` the truth is likely to lie.
        hours: for all epochs.
        energy_kwh: of the card at its power limit, so at most; None for an unknown device.
        cost_usd: at the card's price by the hour; None where none is known.
        ram: what the machine around the card needs, term by term.
        rule_gib: what "twice as much RAM as GPU memory" would ask for.
    """

    card: str
    batch_size: int
    precision: str
    memory: MemoryUse
    needed_gib: float
    card_gib: float
    largest_batch: int
    images_per_s: float
    launching: bool
    interval: tuple[float, float]
    hours: float
    energy_kwh: float | None
    cost_usd: float | None
    ram: RamNeed
    rule_gib: float

    @property
    def fits(self) -> bool:
        return self.needed_gib <= self.card_gib

    @property
    def hours_interval(self) -> tuple[float, float]:
        """Between which hours the truth is likely to lie."""
        slow, fast = self.interval
        return self.hours / fast, self.hours / slow

    def __str__(self) -> str:
        low, high = self.hours_interval
        room = f"{self.needed_gib:.1f} of {self.card_gib:.1f} GiB"
        if not self.fits:
            return f"{self.card}: does not fit ({room}); the largest batch is {self.largest_batch}"
        cost = "" if self.cost_usd is None else f", {self.cost_usd:.2f} USD"
        return (
            f"{self.card}: fits ({room}), {self.images_per_s:,.0f} images/s, "
            f"{self.hours:.3g} h ({low:.2g} to {high:.2g}){cost}"
        )


def plan(
    build: Callable[[], nn.Module],
    *,
    image_size: tuple[int, int],
    batch_size: int,
    pictures: int,
    epochs: int,
    card: str | Card | Roofline,
    precision: str = "float16",
    memory_gib: float | None = None,
) -> Plan:
    """Predict the training of a classifier on a card, with AdamW and in channels-last.

    The step is rehearsed with two batch sizes, nothing is computed, and other batches follow from
    these. A function is rehearsed once: give the same one again. The part of a card's roof that
    training reaches is taken from published speeds, which lay between 0.66 and 1.3 of what this
    would have predicted: A100, H100 and networks of depthwise convolutions were the slow ones.

    Args:
        build: makes the model.
        image_size: (height, width) of the pictures, three channels each.
        pictures: in the data set.
        card: a name in ``bench.CARDS``, a card, or the roofline that ``bench.roofline`` measured.
        precision: float32, tf32, bfloat16 or float16 (both mixed with float32).
        memory_gib: in place of the card's; needed for a device of which no known card has the name.

    Raises:
        ValueError: if a number is not above 0 (and whole, but for ``memory_gib``), card or
            precision are unknown, the card has no such arithmetic, or the network does not run on
            pictures of this size.
    """
    for name, value in {"batch_size": batch_size, "pictures": pictures, "epochs": epochs}.items():
        _check_count(name, value)
    target = _target(card, memory_gib)
    _check_precision(precision, target)
    step = forecast_step(build, _checked_size(image_size), _DTYPES[precision])
    memory = step.memory(batch_size)
    work = step.work(batch_size)
    seconds = target.roof.step_seconds(work, precision)
    hours = pictures * epochs * seconds / batch_size / 3600
    return Plan(
        card=target.roof.device,
        batch_size=batch_size,
        precision=precision,
        memory=memory,
        needed_gib=needed_gib(memory.peak_mib),
        card_gib=target.memory_gib,
        largest_batch=step.largest_batch(_room_mib(target.memory_gib)),
        images_per_s=batch_size / seconds,
        launching=target.roof.launching(work, precision),
        interval=target.interval,
        hours=hours,
        energy_kwh=hours * target.card.power_w / 1000 if target.card else None,
        cost_usd=_cost(hours, target.card),
        ram=ram_need(pictures=pictures, image_size=image_size, batch_size=batch_size),
        rule_gib=2 * (target.card.memory_gb if target.card else target.memory_gib),
    )


def needed_gib(peak_mib: float) -> float:
    """What a card must have for a step whose tensors take ``peak_mib`` at the fullest moment."""
    return peak_mib / 1024 * (1 + _FRAGMENTS) + _CONTEXT_GIB


def _room_mib(card_gib: float) -> float:
    """The fullest moment for which a card has room."""
    return (card_gib - _CONTEXT_GIB) / (1 + _FRAGMENTS) * 1024


def _cost(hours: float, card: Card | None) -> float | None:
    known = card is not None and card.cloud_usd_per_hour is not None
    return hours * card.cloud_usd_per_hour if known else None


# ------------------------------------------------------------------------------------- the device


@dataclass(frozen=True)
class _Target:
    """A device to plan for; ``card`` is None where its maker's figures are not known."""

    roof: Roofline
    memory_gib: float
    interval: tuple[float, float]
    card: Card | None


def _target(device: str | Card | Roofline, memory_gib: float | None) -> _Target:
    if memory_gib is not None and not memory_gib > 0:
        raise ValueError(f"memory_gib must be above 0; got {memory_gib}. Leave it out for a card.")
    if isinstance(device, Roofline):
        card = known_card(device.device)
        if memory_gib is None and card is None:
            raise ValueError(
                f"memory_gib must say how much memory {device.device} has: no card in bench.CARDS "
                "has that name."
            )
        return _Target(device, memory_gib or card.usable_gib, _NETWORKS_DIFFER, card)
    card = device if isinstance(device, Card) else find_card(device)
    return _Target(card_roofline(card), memory_gib or card.usable_gib, _CARDS_DIFFER, card)


# ---------------------------------------------------------------------------------------- checks


def _check_count(name: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")


def _checked_size(image_size: tuple[int, int]) -> tuple[int, int]:
    size = tuple(image_size) if isinstance(image_size, (tuple, list)) else ()
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        raise ValueError(
            f"image_size must be (height, width) in whole pixels; got {image_size!r}. Try (224, "
            "224)."
        )
    return size


def _check_precision(precision: str, target: _Target) -> None:
    if precision not in _DTYPES:
        raise ValueError(f"precision must be one of {', '.join(_DTYPES)}; got {precision!r}.")
    if precision not in target.roof.gflops:
        raise ValueError(
            f"precision must be one of {', '.join(target.roof.gflops)}, in which "
            f"{target.roof.device} computes; got {precision!r}."
        )
