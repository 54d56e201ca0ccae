"""One animal a photograph: a localiser from scratch, and after CIFAR-10, on splits of Raccoon.

``python results/raccoon_localiser.py [ROW…]``, with Raccoon and CIFAR-10 in the cache or in
``IMGREC_MIRROR``. Each split draws 160 of the 200 photographs (at 128 x 128 pixels) to learn from,
and tests on the other 40, once. Beside it stands the best constant box: the one with the highest
mean IoU over the 160. What is learned from CIFAR-10 (25 minutes) is kept in the cache. Runs on one
core, so that other work can have the other.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from imgrec_lab import augment, box_ops, datasets, detect, metrics, models, runtime, train
from imgrec_lab.datasets import data_cache

SIDE, EPOCHS = 128, 200
ROWS = {"from scratch": (0, 1, 2), "after CIFAR-10": (0, 1, 2, 3, 4)}  # seeds of the splits
CIFAR_EPOCHS = 10
SHOWN = 6  # test photographs that the lesson draws, the first of the first split
FILE = Path(__file__).with_suffix(".json")
CHANGES = augment.Policy(
    [
        augment.Flip(),
        augment.Crop(0.3),
        augment.Rotate(15),
        augment.Brightness(0.4),
        augment.Contrast(0.4),
        augment.Saturation(0.4),
        augment.Cutout(0.25),
    ],
    box_shape="ellipse",
    min_visibility=0.3,
)


def learned_from_cifar10() -> dict:
    """Weights of a localiser that learned ten names but no place, its accuracy, and the seconds.

    The cells whose votes count are learned with the names: where the animal is.
    """
    file = data_cache.data_dir() / "raccoon_localiser-cifar10.pt"
    if file.is_file():
        return torch.load(file)
    runtime.seed_everything(0)
    train_set, _, test_set = datasets.load("cifar10")
    model = detect.Localiser(len(train_set.classes))
    colors = (augment.Brightness(0.2), augment.Contrast(0.2), augment.Saturation(0.2))
    policy = augment.Policy([augment.Flip(), augment.Translate(0.125), *colors])
    history = train.fit(
        model,
        datasets.make_loader(train_set, batch_size=128, shuffle=True, seed=0),
        epochs=CIFAR_EPOCHS,
        lr=6e-3,
        loss_fn=lambda outputs, labels: F.cross_entropy(outputs["logits"], labels),
        score_fn=lambda outputs, labels: train.right_answers(outputs["logits"], labels),
        augment=lambda images, labels: twice_as_large(*policy(images, labels)),
    )
    right = 0
    with torch.no_grad():
        for batch in datasets.make_loader(test_set, batch_size=250):
            images, labels = twice_as_large(*batch)
            right += int(train.right_answers(model.eval()(images)["logits"], labels))
    learned = {
        "weights": model.state_dict(),
        "test_accuracy": right / len(test_set),
        "seconds": sum(epoch.seconds for epoch in history.epochs),
    }
    torch.save(learned, file)
    return learned


def twice_as_large(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return F.interpolate(images, scale_factor=2, mode="bilinear"), labels


def localiser(weights: dict[str, Tensor] | None) -> detect.Localiser:
    """Untrained, or with all that CIFAR-10 taught but the names and the boxes."""
    model = detect.Localiser(1)
    if weights is None:
        return model
    own = model.state_dict()
    own |= {key: value for key, value in weights.items() if not key.startswith("head.")}
    for key in ("head.weight", "head.bias"):
        own[key][-1] = weights[key][-1]  # how much the vote of a cell counts
    model.load_state_dict(own)
    return model


def main_boxes(targets: list[box_ops.Target]) -> Tensor:
    return torch.stack([detect.main_object(target)[0] for target in targets])  # (N, 4)


def best_constant(boxes: Tensor) -> Tensor:
    """The box (4,) of the highest mean IoU with ``boxes``, moved side by side from their median."""
    best, step = boxes.median(dim=0).values, SIDE / 16
    while step > 0.2:
        moves = torch.cat([torch.eye(4), -torch.eye(4)]) * step  # (8, 4)
        tries = torch.cat([best[None], best + moves])  # (9, 4)
        winner = box_ops.iou(tries, boxes).mean(dim=1).argmax()
        best, step = tries[winner], step if winner else step / 2
    return best


def run(images: Tensor, targets: list, seed: int, weights: dict | None) -> tuple[dict, list]:
    """Facts about one split, and the first answers to its test photographs."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    learn, test = order.split([160, 40])
    there = main_boxes([targets[i] for i in test])
    constant = best_constant(main_boxes([targets[i] for i in learn]))
    runtime.seed_everything(seed)
    model = localiser(weights)
    data = datasets.SceneSet(images[learn], [targets[i] for i in learn], ("raccoon",))
    history = train.fit(
        model,
        datasets.make_loader(data, batch_size=32, shuffle=True, seed=seed),
        epochs=EPOCHS,
        lr=3e-3,
        loss_fn=detect.localisation_loss,
        score_fn=None,
        augment=CHANGES,
        ema_decay=0.99,
    )
    answers = detect.predict(model, images[test], score_threshold=0)
    located = torch.cat([answer["boxes"] for answer in answers])
    overlaps = box_ops.paired_iou(located, there)
    facts = {
        "seed": seed,
        "train_seconds": round(sum(epoch.seconds for epoch in history.epochs), 1),
        "constant_box": round(float(box_ops.iou(there, constant[None]).mean()), 4),
        "iou": round(float(overlaps.mean()), 4),
        "iou_over_half": round(float((overlaps >= 0.5).float().mean()), 3),
    }
    print(facts, flush=True)
    pictures = [
        {"picture": int(i), "truth": rounded(truth), "found": rounded(found)}
        for i, truth, found in zip(test[:SHOWN], there, located, strict=False)
    ]
    return facts, pictures


def rounded(box: Tensor) -> list[float]:
    return [round(value, 1) for value in box.tolist()]


def main(names: list[str]) -> None:
    splits = datasets.load("raccoon", image_size=(SIDE, SIDE))
    images = torch.cat([part.images for part in splits])
    targets = [target for part in splits for target in part.targets]
    cifar = learned_from_cifar10()
    for name in names or list(ROWS):
        weights = None if name == "from scratch" else cifar["weights"]
        results = [run(images, targets, seed, weights) for seed in ROWS[name]]
        runs = [facts for facts, _ in results]
        gain = metrics.mean_interval([facts["iou"] - facts["constant_box"] for facts in runs])
        row = {"runs": runs, "gain": {key: round(v, 4) for key, v in gain._asdict().items()}}
        facts = json.loads(FILE.read_text()) if FILE.exists() else {"rows": {}}
        rows = facts["rows"] | {name: row}
        facts["rows"] = {known: rows[known] for known in ROWS if known in rows}
        if name == "after CIFAR-10":
            facts["shown"] = {"image_size": [SIDE, SIDE], "pictures": results[0][1]}
        facts |= {
            "data": f"Raccoon, {len(images)} photographs at {SIDE} x {SIDE} pixels, 160 to learn "
            "from and 40 to test in each split",
            "parameters": models.count_parameters(detect.Localiser(1)),
            "epochs": EPOCHS,
            "cifar10": {
                "epochs": CIFAR_EPOCHS,
                "seconds": round(cifar["seconds"]),
                "test_accuracy": cifar["test_accuracy"],
            },
            "machine": runtime.report(),
        }
        FILE.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
