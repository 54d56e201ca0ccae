"""Detectors from scratch on drawn streets, four minutes each: ours and torchvision's, one file.

``python results/streets_detectors.py [NAME…]`` runs all rows, or the named ones, and keeps the rest
of the JSON file. Every row learns from the same 12,000 scenes of 160 x 160 pixels, or from as many
of them as 240 s allow (600 scenes are timed first), and is tested on 500 others, once. Drawing the
scenes is not counted; it takes about 25 s.
"""

import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from imgrec_lab import augment, datasets, detect, models, runtime, scenes, train

SIDE, SCENES, TESTS, BUDGET_S = 160, 12_000, 500, 240
FILE = Path(__file__).with_suffix(".json")


def ours() -> nn.Module:
    return detect.Detector(len(scenes.CLASSES))


def theirs(name: str) -> Callable[[], nn.Module]:
    return lambda: detect.torchvision_detector(name, len(scenes.CLASSES), image_size=(SIDE, SIDE))


ROWS = {  # how it is built, what it learns from, batch size, rate, seeds
    "ours": (ours, augment.Windows((48, 48)), 128, 6e-3, (0, 1, 2)),
    "ssdlite": (theirs("ssdlite"), None, 32, 2e-3, (0,)),
    "fcos": (theirs("fcos"), None, 16, 5e-4, (0,)),
}


def drawn(count: int, seed: int) -> datasets.SceneSet:
    batch = scenes.draw_streets(count, image_size=(SIDE, SIDE), seed=seed)
    targets = [{key: t[key] for key in ("boxes", "labels")} for t in batch.targets]
    return datasets.SceneSet(batch.images, targets, scenes.CLASSES)


def trained(name: str, data: datasets.SceneSet, *, epochs: int, seed: int):
    """The model after ``epochs``, and the seconds that its training took."""
    build, windows, batch_size, lr, _ = ROWS[name]
    runtime.seed_everything(seed)
    model = build()
    history = train.fit(
        model,
        datasets.make_loader(data, batch_size=batch_size, shuffle=True, seed=seed),
        epochs=epochs,
        lr=lr,
        loss_fn=getattr(model, "loss", detect.detection_loss),
        score_fn=None,
        augment=windows,
    )
    return model, sum(epoch.seconds for epoch in history.epochs)


def plan(name: str, data: datasets.SceneSet) -> tuple[int, int]:
    """Epochs, and scenes in each, that fill the budget; a slow model meets fewer scenes, once."""
    part = data[:600]
    trained(name, part, epochs=1, seed=9)  # warm up
    _, seconds = trained(name, part, epochs=1, seed=9)
    total = int(0.97 * BUDGET_S * len(part) / seconds)
    epochs = math.ceil(total / len(data))
    return epochs, min(len(data), total // epochs)


def latency_ms(model: nn.Module, images: torch.Tensor) -> dict[str, float]:
    """Median and the middle half of 60 single pictures, from float pixels to boxes."""
    model.eval()
    single = [image[None].float() / 255 for image in images[:60]]
    times = []
    for image in [*single[:10], *single]:
        start = time.perf_counter()
        model.detections(image, score_threshold=0.3)
        times.append(1000 * (time.perf_counter() - start))
    low, median, high = statistics.quantiles(times[10:], n=4)
    return {
        "median": round(median, 2),
        "lower_quartile": round(low, 2),
        "upper_quartile": round(high, 2),
    }


def run(name: str, data: datasets.SceneSet, test: datasets.SceneSet) -> dict:
    epochs, count = plan(name, data)
    runs = []
    for seed in ROWS[name][-1]:
        model, seconds = trained(name, data[:count], epochs=epochs, seed=seed)
        scores = detect.evaluate(model, datasets.make_loader(test, batch_size=50))
        runs.append(
            {
                "seed": seed,
                "train_seconds": round(seconds, 1),
                "scenes_seen": epochs * count,
                **{key: round(getattr(scores, key), 4) for key in ("ap", "ap50", "ap75")},
                "ap50_per_class": [round(value, 3) for value in scores.ap50_per_class.tolist()],
            }
        )
        print(name, {k: v for k, v in runs[-1].items() if k != "ap50_per_class"}, flush=True)
    return {
        "parameters": models.count_parameters(model),
        "latency_ms": latency_ms(model, test.images),
        "runs": runs,
        "mean": {k: round(statistics.mean(r[k] for r in runs), 4) for k in ("ap", "ap50", "ap75")},
    }


def main(names: list[str]) -> None:
    data, test = drawn(SCENES, 21), drawn(TESTS, 77)
    facts = json.loads(FILE.read_text()) if FILE.exists() else {"rows": {}}
    for name in names or list(ROWS):
        rows = facts["rows"] | {name: run(name, data, test)}
        facts["rows"] = {known: rows[known] for known in ROWS if known in rows}
        facts |= {
            "data": f"{SCENES:,} drawn scenes of {SIDE} x {SIDE} pixels, {TESTS} others to test",
            "budget_seconds": BUDGET_S,
            "classes": list(scenes.CLASSES),
            "machine": runtime.report(),
        }
        FILE.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1:])
