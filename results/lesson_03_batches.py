"""Learning rates for the batch sizes of lesson 03, on the validation set.

Run it from the repository's root; it rewrites lesson_03_batches.json beside itself.
"""

import json
import os
from pathlib import Path

import torch

from imgrec_lab import datasets, models, runtime, train

os.environ["TQDM_DISABLE"] = "1"
RATES, SIZES, SEEDS, EPOCHS = (0.003, 0.01, 0.03), (16, 64, 256), (0, 1, 2), 4


def main() -> None:
    """Train at each rate with each batch size, as the lesson does, and write the accuracies."""
    train_set, val_set, _ = datasets.load("signs")
    few = train_set[:1400]
    few = few[few.labels.argsort(stable=True)]
    accuracies: dict[str, dict[str, list[float]]] = {}
    for size in SIZES:
        for lr in RATES:
            scores = []
            for seed in SEEDS:
                runtime.seed_everything(seed)
                model = models.QuickCNN(14, widths=(8, 32, 64))
                loader = datasets.make_loader(few, batch_size=size, shuffle=True, seed=seed)
                train.fit(model, loader, epochs=EPOCHS, lr=lr)
                score = train.evaluate(model, datasets.make_loader(val_set))
                scores.append(round(score.accuracy, 4))
            accuracies.setdefault(str(size), {})[str(lr)] = scores
            print(size, lr, scores, flush=True)
    result = {"val_accuracy": accuracies, "epochs": EPOCHS, "seeds": SEEDS}
    result["machine"] = runtime.report()
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
