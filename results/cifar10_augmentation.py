"""What the default policy brings on CIFAR-10 at equal steps: three seeds, one JSON file.

``python results/cifar10_augmentation.py FOLDER``, with one sub-folder a class below FOLDER/train
and FOLDER/test. Each seed trains the network of ``cifar10_five_minutes.py`` twice with the same
first weights and the same order of pictures, without augmentation and with the default policy. All
50,000 training pictures are used and the last weights are tested, once.
"""

import json
import sys
from pathlib import Path

import torch
from cifar10_five_minutes import BATCH, LR, SMOOTHING, trained

from imgrec_lab import augment, datasets, metrics, runtime, train

EPOCHS, SEEDS = 20, (0, 1, 2)
POLICIES = {"none": None, "default": augment.default_policy(flip=True)}


def run(sets: datasets.Splits, policy: augment.Policy | None, seed: int) -> dict[str, float]:
    """Train once; accuracy on the last epoch's training pictures and on the test pictures."""
    model, history = trained(sets, policy, epochs=EPOCHS, seed=seed)
    score = train.evaluate(model, datasets.make_loader(sets.test, batch_size=500))
    return {
        "train_accuracy": round(history.epochs[-1].train_accuracy, 4),
        "test_accuracy": round(score.accuracy, 4),
    }


def main(folder: str) -> None:
    """Three pairs of runs, the gain with its interval, and what they were run on."""
    sets = datasets.from_folder(folder, image_size=(32, 32), fractions=(1.0, 0.0, 0.0))
    runs = {name: [] for name in POLICIES}
    for seed in SEEDS:
        for name, policy in POLICIES.items():
            runs[name].append({"seed": seed, **run(sets, policy, seed)})
            print(name, runs[name][-1], flush=True)
    pairs = zip(runs["default"], runs["none"], strict=True)
    gain = metrics.mean_interval([a["test_accuracy"] - b["test_accuracy"] for a, b in pairs])
    facts = {
        "data": f"{len(sets.train):,} training and {len(sets.test):,} test pictures",
        "recipe": {"epochs": EPOCHS, "batch_size": BATCH, "lr": LR, "label_smoothing": SMOOTHING},
        "policy": json.loads(POLICIES["default"].to_json()),
        "runs": runs,
        "gain": {"mean": round(gain.mean, 4), "half_width_95": round(gain.half_width, 4)},
        "machine": runtime.report(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1])
