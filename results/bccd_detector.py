"""Blood cells in microscope photographs: our detector from scratch, and after drawn streets.

``python results/bccd_detector.py``, with BCCD in the cache or in ``IMGREC_MIRROR``. Trained on the
205 photographs of the published training part, at 320 x 240 pixels, in windows round the cells;
tested on the 72 of the test part, once for each seed. Runs on one core, so that other work can
have the other.
"""

import json
import statistics
from pathlib import Path

import streets_detectors
import torch

from imgrec_lab import augment, datasets, detect, metrics, models, runtime, train
from imgrec_lab.box_ops import Detections

SIZE, WINDOW, EPOCHS, SEEDS = (240, 320), 160, 30, (0, 1, 2)
STREETS, STREET_EPOCHS = 12_000, 6
SHOWN, SURE = (10, 16), 0.3  # test photographs that the lesson draws, and from which score on
FILE = Path(__file__).with_suffix(".json")
CHANGES = augment.chain(
    augment.Windows((WINDOW, WINDOW), background=0.1),
    augment.Policy(
        [
            augment.Flip(),
            augment.Rotate(10),
            augment.Brightness(0.2),
            augment.Contrast(0.2),
            augment.Saturation(0.2),
        ],
        box_shape="ellipse",
        min_visibility=0.3,
    ),
)


def after_streets() -> tuple[dict[str, torch.Tensor], float]:
    """Weights that have learned drawn road signs, less the answers, which belong to signs."""
    streets = streets_detectors.drawn(STREETS, 21)
    model, seconds = streets_detectors.trained("ours", streets, epochs=STREET_EPOCHS, seed=0)
    weights = model.state_dict()
    return {k: v for k, v in weights.items() if not k.startswith("classify.last")}, seconds


def run(data: datasets.Splits, seed: int, weights: dict[str, torch.Tensor]) -> tuple[dict, list]:
    """Facts about one trained detector, and what it finds in the test photographs."""
    runtime.seed_everything(seed)
    model = detect.Detector(len(data.train.classes))
    model.load_state_dict(weights, strict=False)
    history = train.fit(
        model,
        datasets.make_loader(data.train, batch_size=16, shuffle=True, seed=seed),
        epochs=EPOCHS,
        lr=4e-3,
        loss_fn=detect.detection_loss,
        score_fn=None,
        augment=CHANGES,
    )
    seconds = sum(epoch.seconds for epoch in history.epochs)
    found = detect.predict(model, data.test.images, score_threshold=0.01)
    scores = metrics.mean_average_precision(
        found, data.test.targets, num_classes=len(data.test.classes)
    )
    sure = [{key: v[one["scores"] >= SURE] for key, v in one.items()} for one in found]
    errors = metrics.detection_errors(sure, data.test.targets, num_classes=len(data.test.classes))
    facts = {
        "seed": seed,
        "train_seconds": round(seconds, 1),
        **{key: round(getattr(scores, key), 4) for key in ("ap", "ap50", "ap75")},
        "ap50_per_class": dict(
            zip(data.test.classes, rounded(scores.ap50_per_class, 3), strict=True)
        ),
        f"boxes_from_{SURE}": {kind: int(n) for kind, n in errors.counts.items()},
    }
    print(facts, flush=True)
    return facts, sure


def rounded(values: torch.Tensor, digits: int) -> list:
    return json.loads(json.dumps(values.tolist()), parse_float=lambda x: round(float(x), digits))


def shown(data: datasets.Splits, found: list[Detections]) -> list[dict]:
    """True and found boxes of a few photographs, which are not ours to store.

    They are counted through all parts: train, val, test.
    """
    return [
        {
            "picture": len(data.train) + len(data.val) + index,
            "truth": {k: rounded(data.test.targets[index][k], 1) for k in ("boxes", "labels")},
            "found": {k: rounded(v, 3) for k, v in found[index].items()},
        }
        for index in SHOWN
    ]


def main() -> None:
    data = datasets.load("bccd", image_size=SIZE)
    weights, seconds = after_streets()
    rows, pictures = {}, []
    for name, start in {"from scratch": {}, "after streets": weights}.items():
        results = [run(data, seed, start) for seed in SEEDS]
        runs = [facts for facts, _ in results]
        pictures = pictures or shown(data, results[0][1])
        rows[name] = {
            "runs": runs,
            "mean": {
                key: round(statistics.mean(r[key] for r in runs), 4)
                for key in ("ap", "ap50", "ap75", "train_seconds")
            },
        }
    facts = {
        "data": f"BCCD, published parts: {', '.join(str(len(part)) for part in data)} photographs "
        f"(train, val, test) at {SIZE[1]} x {SIZE[0]} pixels",
        "classes": list(data.test.classes),
        "objects": data.test.counts(),
        "parameters": models.count_parameters(detect.Detector(len(data.test.classes))),
        "epochs": EPOCHS,
        "streets": {"scenes": STREETS, "epochs": STREET_EPOCHS, "seconds": round(seconds, 1)},
        "rows": rows,
        "shown": {"image_size": list(SIZE), "score_threshold": SURE, "pictures": pictures},
        "machine": runtime.report(),
    }
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
