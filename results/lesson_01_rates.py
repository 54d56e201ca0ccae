"""Learning rates for the four contestants of lesson 01, judged on the validation set.

Run it from the repository's root; it rewrites lesson_01_rates.json beside itself.
"""

import json
import re
from pathlib import Path

from torch import nn

from imgrec_lab import datasets, models, runtime, train

HERE = Path(__file__).parent
RATES = (0.001, 0.003, 0.01, 0.03)


def hand_made() -> nn.Module:
    """The lesson's own feature layer, taken from the notebook so that there is only one."""
    book = json.loads((HERE.parent / "notebooks" / "01_fundamentals.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in book["cells"]]
    source = next(cell for cell in cells if re.match("class HandMade", cell))
    names: dict = {}
    exec("import torch\nimport torch.nn.functional as F\nfrom torch import nn\n" + source, names)
    return nn.Sequential(names["HandMade"](), nn.BatchNorm1d(336), nn.Linear(336, 14))


CONTESTANTS = {
    "linear on pixels": lambda: models.Linear(14),
    "hand-made + linear": hand_made,
    "MLP": lambda: models.MLP(14),
    "CNN": lambda: models.TinyCNN(14, width=12),
}


def main() -> None:
    """Train each contestant at each rate, eight epochs, seed 0."""
    train_set, val_set, _ = datasets.load("signs")
    accuracies: dict[str, dict[str, float]] = {}
    for name, build in CONTESTANTS.items():
        accuracies[name] = {}
        for lr in RATES:
            runtime.seed_everything(0)
            model = build()
            loader = datasets.make_loader(train_set, batch_size=64, shuffle=True)
            train.fit(model, loader, epochs=8, lr=lr)
            score = train.evaluate(model, datasets.make_loader(val_set))
            accuracies[name][str(lr)] = round(score.accuracy, 4)
            print(name, lr, accuracies[name][str(lr)], flush=True)
    result = {"val_accuracy": accuracies, "epochs": 8, "seed": 0, "machine": runtime.report()}
    (HERE / "lesson_01_rates.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
