"""Published training speeds beside those predicted for the card without its own figures.

Run it from the repository's root; it rewrites published_speeds.json beside itself. The constants of
``imgrec_lab/bench/card_roofs.py`` and ``planner.py`` come from what it prints.
"""

import dataclasses
import functools
import json
import statistics
from pathlib import Path

import torch
from torchvision import models as zoo

from imgrec_lab import bench
from imgrec_lab.bench.card_roofs import REACHED
from imgrec_lab.bench.planner import needed_gib

YARDSTICK = "resnet50"
DTYPES = {"float16": torch.float16, "tf32": torch.float32, "float32": torch.float32}

# timm tries 512 pictures, then fewer: the batch that ran on an RTX 3090, and the one that did not.
TIMMS_BATCHES = {
    "resnet18": (512, None), "resnet34": (512, None), "resnet50": (512, None),
    "resnet101": (256, 384), "resnext50_32x4d": (384, 512), "vgg11_bn": (384, 512),
    "densenet121": (256, 384), "convnext_tiny": (256, 384), "mobilenet_v2": (512, None),
    "mobilenet_v3_large": (512, None), "efficientnet_b0": (512, None),
    "efficientnet_b1": (256, 384),
}  # fmt: skip


# The same tables: ResNet-50 in mixed precision on one card and on several, images a second.
SEVERAL_CARDS = (
    # card, pictures a card, alone, cards, link, together
    ("RTX 4090", 448, 1301, 2, "PCIe x16", 2468),
    ("RTX A6000", 928, 916, 2, "PCIe x16", 1775),
    ("RTX 6000 Ada", 928, 1146, 8, "PCIe x16", 9211),
    ("V100 16GB", 256, 833, 8, "NVLink", 6174),
    ("A100 80GB", 1280, 1582, 8, "NVLink", 11439),
    ("H100 SXM", 1280, 2616, 8, "NVLink", 20728),
    ("A100 80GB", 256, 2470, 8, "NVLink", 16621),  # photographs, read and decoded meanwhile
)


def sgd(weights):
    return torch.optim.SGD(weights, lr=0.1, momentum=0.9, foreach=True)


def rehearsed(count, network: str, batch_size: int, precision: str):
    images = torch.empty(batch_size, 3, 224, 224, device="meta")
    labels = torch.zeros(batch_size, dtype=torch.int64, device="meta")
    build = functools.partial(getattr(zoo, network), num_classes=1000)
    return count(build, images, labels, optimizer=sgd, precision=DTYPES[precision])


def reached(speed: bench.Speed) -> float:
    """The published speed, as a part of the roof's."""
    work = rehearsed(bench.count_work, speed.network, speed.batch_size, speed.precision)
    roof = bench.card_roofline(bench.find_card(speed.card))
    return speed.images_per_s * roof.roof_seconds(work, speed.precision) / speed.batch_size


def typical(parts: dict[bench.Speed, float], like: bench.Speed, *, without: str = "") -> float:
    """The median over cards of the part that the yardstick reached, in this precision and layout.

    Where only the card itself was measured, its own.
    """
    cards: dict[str, list[float]] = {}
    for speed, part in parts.items():
        same = (speed.precision, speed.layout) == (like.precision, like.layout)
        if same and speed.network == YARDSTICK:
            cards.setdefault(speed.card, []).append(part)
    others = {card: found for card, found in cards.items() if card != without} or cards
    return statistics.median(statistics.median(found) for found in others.values())


def memory_rows() -> list[dict]:
    usable = bench.find_card("RTX 3090").usable_gib
    rows = []
    for network, batches in TIMMS_BATCHES.items():
        for ran, batch_size in zip((True, False), batches, strict=True):
            if batch_size:
                peak = rehearsed(bench.memory_profile, network, batch_size, "float16").peak_mib
                rows.append({
                    "network": network, "batch_size": batch_size, "ran": ran,
                    "needed_gib": round(needed_gib(peak), 2), "usable_gib": round(usable, 2),
                })  # fmt: skip
    return rows


def scaling_rows() -> list[dict]:
    rows = []
    for card, batch_size, alone, gpus, link, together in SEVERAL_CARDS:
        plan = bench.plan(
            zoo.resnet50, image_size=(224, 224), batch_size=batch_size, pictures=1, epochs=1,
            card=card,
        )  # fmt: skip
        plan = dataclasses.replace(plan, images_per_s=float(alone))
        foretold = next(row for row in bench.scaling(plan, gpus=(gpus,)) if row.link == link)
        rows.append({
            "card": card, "cards": gpus, "link": link,
            "published_efficiency": round(together / alone / gpus, 3),
            "foretold_efficiency": round(foretold.efficiency, 3),
        })  # fmt: skip
    return rows


def main() -> None:
    parts = {speed: reached(speed) for speed in bench.SPEEDS}
    rows = []
    for speed, part in parts.items():
        ratio = part / typical(parts, speed, without=speed.card)
        rows.append({
            "card": speed.card, "network": speed.network, "batch_size": speed.batch_size,
            "precision": speed.precision, "layout": speed.layout,
            "published_images_per_s": speed.images_per_s,
            "foretold_images_per_s": round(speed.images_per_s / ratio),
            "published_over_foretold": round(ratio, 2), "reached": round(part, 3),
        })  # fmt: skip
    medians = {
        f"{speed.precision}, {speed.layout}": round(typical(parts, speed), 2) for speed in parts
    }
    facts = {"medians_over_cards": medians, "used": REACHED, "speeds": rows}
    facts |= {"memory": memory_rows(), "scaling": scaling_rows()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
