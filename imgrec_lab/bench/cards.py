"""Published specifications of GPUs, from one data file: ``bench.CARDS``, ``bench.find_card``."""

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PREFIXES = ("nvidia ", "geforce ")
_LEFT_BY_DRIVER = 0.985  # an RTX 3090 of 24 GB: torch finds 23.69 GiB in all; a T4: 14.76 of 15


@dataclass(frozen=True)
class Card:
    """What a card's maker publishes of it; peaks, of which real training reaches a part.

    Attributes:
        aliases: the names by which drivers report it.
        memory_gb: as sold; for memory of GPUs this means GiB. See ``usable_gib``.
        inline_ecc: whether a sixteenth of it goes into correcting errors.
        bandwidth_gb_s: of its memory, 10^9 bytes a second.
        fp32_tflops: without tensor cores; the others with them, dense, fp16 and bf16 adding up in
            float32; None where the card has no such arithmetic.
        nvlink_gb_s: to other cards, both directions together; 0 where there is none.
        nvlink_bridge: whether it is a bridge, which joins two cards and no more.
        cuda_cores, boost_ghz, memory_bus_bits, memory_gbps: what the first figures follow from.
        list_price_usd: at its launch; None where there is none.
        cloud_usd_per_hour: for one card on demand, from ``cloud_offer`` on ``cloud_date``.
        source: the maker's page, where the figures should stand.
        checked, checked_with, date: whether they agree with copies of the maker's tables, which
            copies, and the month in which those were read.
        derived: the names of figures that were computed from cards of the same family.
    """

    name: str
    aliases: tuple[str, ...]
    architecture: str
    year: int
    memory_gb: float
    bandwidth_gb_s: float
    fp32_tflops: float
    fp16_tflops: float
    power_w: float
    pcie: str
    nvlink_gb_s: float
    cuda_cores: int
    boost_ghz: float
    memory_bus_bits: int
    source: str
    date: str
    checked: bool
    checked_with: tuple[str, ...]
    derived: tuple[str, ...] = ()
    inline_ecc: bool = False
    nvlink_bridge: bool = False
    memory_gbps: float | None = None
    tf32_tflops: float | None = None
    bf16_tflops: float | None = None
    list_price_usd: float | None = None
    cloud_usd_per_hour: float | None = None
    cloud_offer: str = ""
    cloud_source: str = ""
    cloud_date: str = ""

    @property
    def usable_gib(self) -> float:
        """The memory that torch finds: as sold, less what error correction and driver keep."""
        return self.memory_gb * (15 / 16 if self.inline_ecc else 1) * _LEFT_BY_DRIVER


def _read() -> tuple[Card, ...]:
    tables = tomllib.loads(Path(__file__).with_name("cards.toml").read_text("utf-8"))["card"]
    return tuple(map(_card, tables))


def _card(values: dict[str, Any]) -> Card:
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Card(**values | lists)


CARDS = _read()


def find_card(name: str) -> Card:
    """The card of that name, as we or as drivers call it; capitals do not matter.

    Raises:
        ValueError: if none is known by it; the sentence names the nearest.
    """
    names = {_plain(alias): card for card in CARDS for alias in (card.name, *card.aliases)}
    plain = _plain(str(name))
    if card := names.get(plain):
        return card
    near = [known for known in names if plain and known.startswith(plain)]
    near = near or difflib.get_close_matches(plain, names, n=1, cutoff=0.5)
    found = " or ".join(dict.fromkeys(repr(names[known].name) for known in near))
    advice = f"Did you mean {found}?" if near else "Look at bench.CARDS."
    raise ValueError(f"name must be one of {len(CARDS)} known cards; got {name!r}. {advice}")


def known_card(name: str) -> Card | None:
    """The card of that name, or None if none is known by it."""
    try:
        return find_card(name)
    except ValueError:
        return None


def _plain(name: str) -> str:
    """In small letters, without maker and brand, which people leave out."""
    plain = " ".join(name.lower().split())
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    return plain
