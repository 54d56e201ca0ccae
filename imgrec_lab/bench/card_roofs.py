"""What a card that is not here is likely to reach: ``bench.card_roofline``, ``bench.SPEEDS``."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgrec_lab.bench.cards import Card
from imgrec_lab.bench.rooflines import Roofline
from imgrec_lab.bench.work import KINDS

# Which part of the roof's speed a ResNet-50 reached on other people's cards: the median over the
# cards of which ``published_speeds.toml`` knows, in channels-last where that was measured.
# results/published_speeds.py computes them, and how far they miss; bfloat16 counts as float16.
REACHED = {"float32": 0.86, "tf32": 0.68, "float16": 0.74, "bfloat16": 0.74}

# No source measures this alone. MobileNetV3, MnasNet and DenseNet on an RTX 5090 take as long in
# half as in single precision with 12 pictures, 8 to 17 microseconds for each of their operations:
# https://github.com/MatrixSP/pytorch-gpu-benchmark (PyTorch 2.7, 2025-07).
_LAUNCH_US = 10.0

# Depthwise convolutions do not use tensor cores. With a tenth of the float32 peak, EfficientNet-B0
# reaches about the same part of the roof on an A100 and a V100 as ResNet-50 does.
_DEPTHWISE_PART = 0.1


@dataclass(frozen=True)
class Speed:
    """A training speed that somebody measured and published, on one GPU.

    Attributes:
        card: its name in ``bench.CARDS``.
        network: torchvision's name for it; pictures have 224 x 224 pixels.
        precision: of matrix products; float16 is mixed precision.
        layout: "channels last", or "usual".
        source, date: the table, and the month of its software.
    """

    card: str
    network: str
    batch_size: int
    precision: str
    layout: str
    images_per_s: float
    source: str
    date: str


def _read() -> Iterator[Speed]:
    path = Path(__file__).with_name("published_speeds.toml")
    for group in tomllib.loads(path.read_text("utf-8"))["group"]:
        for row in group["speeds"]:
            yield Speed(*row, source=group["source"], date=group["date"])


SPEEDS = tuple(_read())


def card_roofline(card: Card) -> Roofline:
    """The roofs that a card's maker publishes, and the part of them that training reaches.

    Memory is as fast for small tensors as for large ones here, and every operation costs the same
    to launch: batches that keep a card busy are predicted better than small ones.
    """
    gflops = {
        precision: _by_kind(1000 * tflops, 1000 * card.fp32_tflops)
        for precision, tflops in _peak_tflops(card).items()
    }
    launches = dict.fromkeys(KINDS, _LAUNCH_US)
    bandwidth = ((1, card.bandwidth_gb_s),)
    return Roofline(card.name, gflops, bandwidth, {}, launches, overlaps=True, reached=REACHED)


def _peak_tflops(card: Card) -> dict[str, float]:
    """10^12 operations a second in each precision that the card computes in."""
    peaks = {
        "float32": card.fp32_tflops,
        "tf32": card.tf32_tflops,
        "bfloat16": card.bf16_tflops,
        "float16": card.fp16_tflops,
    }
    return {precision: peak for precision, peak in peaks.items() if peak}


def _by_kind(peak: float, without_tensor_cores: float) -> dict[str, float]:
    slow = _DEPTHWISE_PART * without_tensor_cores
    return {kind: slow if kind.startswith("depthwise") else peak for kind in KINDS}
