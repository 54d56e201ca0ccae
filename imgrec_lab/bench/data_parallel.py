"""What several GPUs that train one model must tell each other, and what that costs.

Source: Patarasuk and Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of
workstations, https://doi.org/10.1016/j.jpdc.2008.09.002.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imgrec_lab.bench.cards import Card, find_card
from imgrec_lab.bench.planner import Plan

_GB_S_A_LANE = {"3.0": 15.75 / 16, "4.0": 31.5 / 16, "5.0": 63.0 / 16}  # one way, before overhead
_BUCKET_BYTES = 25 * 2**20  # gradients that DistributedDataParallel sends at once
_BACKWARD = 2 / 3  # of a step: two products for each of the forward pass

# Part of a link's rate that NCCL reached in others' tests: 28 to 35 of 63 GB/s between RTX 5090 on
# PCIe 5.0 (https://github.com/NVIDIA/nccl/issues/1639), 208 of 300 between A100 on NVLink
# (https://github.com/NVIDIA/nccl-tests/issues/178).
_REACHED = {"PCIe x8": 0.5, "PCIe x16": 0.5, "NVLink": 0.7}

# Between eight RTX 4090 a few bytes took 42 microseconds, in 14 rounds:
# https://github.com/NVIDIA/nccl/issues/1530.
_LATENCY_US = 3.0


def all_reduce_seconds(
    num_bytes: float, *, gpus: int, gb_s: float, latency_us: float = _LATENCY_US
) -> float:
    """The time in which GPUs in a ring add up ``num_bytes`` that each holds, so that all have them.

    The bytes are cut into as many pieces as GPUs. In each of 2 · (gpus - 1) rounds every GPU sends
    one piece to its neighbour while it gets another.

    Args:
        gb_s: what a link carries one way, 10^9 bytes a second.
        latency_us: of each round, whatever its size.

    Raises:
        ValueError: if a number makes no sense.
    """
    if gpus < 1 or num_bytes < 0 or not gb_s > 0 or latency_us < 0:
        raise ValueError(
            "gpus must be at least 1, gb_s above 0, num_bytes and latency_us not below 0; got "
            f"gpus={gpus}, gb_s={gb_s}, num_bytes={num_bytes}, latency_us={latency_us}."
        )
    rounds = 2 * (gpus - 1)
    return rounds * (num_bytes / gpus / (gb_s * 1e9) + latency_us / 1e6)


def link_gb_s(card: str | Card, *, link: str = "PCIe x16") -> float:
    """What a link between cards carries one way, 10^9 bytes a second, before protocol overhead.

    Args:
        link: "PCIe x8", "PCIe x16" (a card with fewer lanes uses those it has) or "NVLink".

    Raises:
        ValueError: if the card or the link is unknown, or the card has no NVLink.
    """
    card = card if isinstance(card, Card) else find_card(card)
    if link not in _REACHED:
        raise ValueError(f"link must be one of {', '.join(_REACHED)}; got {link!r}.")
    if link == "NVLink":
        if not card.nvlink_gb_s:
            raise ValueError(f"link must be PCIe for the {card.name}, which has no NVLink.")
        return card.nvlink_gb_s / 2  # published for both directions together
    generation, lanes = card.pcie.split(" x")
    return _GB_S_A_LANE[generation] * min(int(lanes), int(link.removeprefix("PCIe x")))


@dataclass(frozen=True)
class Scaled:
    """A training step on several cards at once.

    Attributes:
        link: how they are joined.
        images_per_s: of all together, each with the batch of the plan.
        exchange_ms: to add up all gradients.
        waiting_ms: the part of it that the backward pass does not hide.
        efficiency: images_per_s, as a part of one card's times their number.
    """

    link: str
    gpus: int
    images_per_s: float
    exchange_ms: float
    waiting_ms: float
    efficiency: float


def scaling(plan: Plan, *, gpus: Sequence[int] = (1, 2, 4, 8)) -> tuple[Scaled, ...]:
    """Predict what more cards of the plan's kind bring, over each link that joins so many.

    The gradients, in float32, are added up while the backward pass still makes others, as
    ``DistributedDataParallel`` does in buckets of 25 MiB: hidden is at most the time of the
    backward pass, two thirds of the step, and never the last bucket. What slows real machines
    beside that is left out (loaders, cards that wait for the slowest), so this is the most that
    more cards can bring.

    Args:
        plan: of one card; for a network without frozen weights.

    Raises:
        ValueError: if the plan is for no card of ``bench.CARDS``.
    """
    card = find_card(plan.card)
    return tuple(
        _scaled(plan, card, link, count)
        for link in _REACHED
        for count in gpus
        if link != "NVLink" or count <= _most_on_nvlink(card)
    )


def _most_on_nvlink(card: Card) -> float:
    if card.nvlink_bridge:
        return 2
    return math.inf if card.nvlink_gb_s else 0


def _scaled(plan: Plan, card: Card, link: str, gpus: int) -> Scaled:
    alone = plan.batch_size / plan.images_per_s
    num_bytes = plan.memory.parameters_mib * 2**20
    rate = _REACHED[link] * link_gb_s(card, link=link)
    buckets = max(1, math.ceil(num_bytes / _BUCKET_BYTES))
    last = all_reduce_seconds(num_bytes / buckets, gpus=gpus, gb_s=rate)
    exchange = buckets * last
    waiting = max(last, exchange - _BACKWARD * alone)
    return Scaled(
        link=link,
        gpus=gpus,
        images_per_s=gpus * plan.batch_size / (alone + waiting),
        exchange_ms=1000 * exchange,
        waiting_ms=1000 * waiting,
        efficiency=alone / (alone + waiting),
    )
