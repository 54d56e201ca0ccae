"""How well the audit finds copies that were resized, recompressed, cropped or relit.

A changed copy of up to 2,000 pictures of each set is planted beside the originals. Run it from the
repository's root, with IMGREC_MIRROR set to a folder that holds the archives of the photographs;
it rewrites near_duplicates.json beside itself.
"""

import io
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from imgrec_lab import annotations, datasets, runtime
from imgrec_lab.audit import near_duplicates, picture_facts
from imgrec_lab.datasets import registry

MOST_COPIES = 2000
SIDE_PX = picture_facts.THUMBNAIL_PX


def resized(image: Image.Image, rng: random.Random) -> Image.Image:
    scale = rng.uniform(0.5, 0.9)
    size = [max(8, round(side * scale)) for side in image.size]
    return image.resize(size, Image.Resampling.BICUBIC)


def recompressed(image: Image.Image, rng: random.Random) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=rng.randint(30, 70))
    return Image.open(buffer)


def cropped(image: Image.Image, rng: random.Random) -> Image.Image:
    """Up to a tenth of the width and of the height is lost, split at random over both sides."""
    left, right = sorted(round(rng.uniform(0, 0.1) * image.width) for _ in range(2))
    top, bottom = sorted(round(rng.uniform(0, 0.1) * image.height) for _ in range(2))
    box = (left, top, image.width - right + left, image.height - bottom + top)
    return image.crop(box)


def relit(image: Image.Image, rng: random.Random) -> Image.Image:
    brighter = ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.25))
    return ImageEnhance.Contrast(brighter).enhance(rng.uniform(0.75, 1.25))


CHANGES: dict[str, Callable] = {
    "resize": resized, "jpeg": recompressed, "crop": cropped, "light": relit,
}  # fmt: skip


def thumbnail(image: Image.Image) -> Tensor:
    """(3, 32, 32) uint8, as the audit makes it."""
    side = (SIDE_PX, SIDE_PX)
    return pil_to_tensor(image.convert("RGB").resize(side, Image.Resampling.BILINEAR))


def measure(pictures: list[Image.Image], *, seed: int = 0) -> dict:
    """Recall by kind of change, and pairs found that were not planted."""
    rng = random.Random(seed)
    chosen = rng.sample(range(len(pictures)), min(MOST_COPIES, len(pictures)))
    kinds = [list(CHANGES)[place % len(CHANGES)] for place in range(len(chosen))]
    copies = [
        CHANGES[kind](pictures[index], rng) for kind, index in zip(kinds, chosen, strict=True)
    ]
    thumbnails = torch.stack([thumbnail(image) for image in (*pictures, *copies)])
    start = time.perf_counter()
    pairs = {(pair.first, pair.second) for pair in near_duplicates.find_pairs(thumbnails)}
    seconds = time.perf_counter() - start
    number = len(pictures)
    natural = {pair for pair in pairs if pair[1] < number}
    planted = {(index, number + place) for place, index in enumerate(chosen)}
    origin = [*range(number), *chosen]
    alike = natural | {(other, one) for one, other in natural} | {(k, k) for k in range(number)}
    false = {pair for pair in pairs if (origin[pair[0]], origin[pair[1]]) not in alike}
    recall = {
        kind: round(
            sum((index, number + place) in pairs
                for place, index in enumerate(chosen) if kinds[place] == kind) / kinds.count(kind),
            4,
        )
        for kind in CHANGES
    }  # fmt: skip
    found = len(planted & pairs)
    return {
        "pictures": number, "copies": len(chosen), "recall": round(found / len(chosen), 4),
        "recall_by_change": recall, "false_pairs_with_a_copy": len(false),
        "precision": round(found / max(1, found + len(false)), 4),
        "pairs_among_the_originals": len(natural), "seconds": round(seconds, 1),
    }  # fmt: skip


def sources() -> dict[str, Callable[[], list[Image.Image]]]:
    def in_memory(name: str, part: str) -> list[Image.Image]:
        return [to_pil_image(image) for image in getattr(datasets.load(name), part).images]

    def photographs(name: str) -> list[Image.Image]:
        card = registry.find_card(name)
        folder = registry.obtain(card) / card.annotations
        files = annotations.find_pictures(folder)
        return [Image.open(folder / file).convert("RGB") for file in files]

    return {
        "drawn signs": lambda: in_memory("signs", "train"),
        "drawn streets": lambda: in_memory("streets", "train"),
        "bccd": lambda: photographs("bccd"),
        "raccoon": lambda: photographs("raccoon"),
        "cifar10 test part": lambda: in_memory("cifar10", "test"),
    }


def main() -> None:
    result: dict = {"machine": runtime.report()}
    for name, pictures in sources().items():
        try:
            result[name] = measure(pictures())
        except datasets.DataUnavailable as error:
            print(f"{name}: left out. {error}")
            continue
        print(name, result[name], flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
