"""Two questions of lesson 02 that three seeds or a short training leave open.

What does correcting 5 % of the labels win back, over ten seeds; and what are 1,400 and 4,200
pictures worth when 36,000 instead of 9,000 are shown in training. Run it from the repository's
root; it rewrites lesson_02_seeds.json beside itself. About four minutes on one core.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch

from imgrec_lab import datasets, metrics, runtime
from imgrec_lab.audit import label_errors, out_of_fold
from imgrec_lab.course import quality

PICTURES, WRONG, CHECKED = 1400, 0.1, 70


def accuracy(
    data: datasets.ImageSet, test_set: datasets.ImageSet, *, seed: int, shown: int = 9_000
) -> float:
    return quality.learn(data, {"new": test_set}, seed=seed, shown=shown)["new"]


def repaired(signs: datasets.ImageSet, test_set: datasets.ImageSet, seed: int) -> dict[str, float]:
    """Accuracy after checking nothing, 70 labels in two ways, all suspects, and everything."""
    clean = quality.some(signs, PICTURES, seed=seed)
    noisy = quality.mislabelled(clean, WRONG, seed=seed)
    probs = out_of_fold.predict(noisy, num_folds=2, epochs=6, seed=seed)
    suspects = label_errors.find_label_errors(noisy.labels, probs).indices
    anything = torch.randperm(PICTURES, generator=torch.Generator().manual_seed(100 + seed))
    scores = {}
    for name, rows in {
        "nothing checked": suspects[:0],
        "70 at random": anything[:CHECKED],
        "70 most suspicious": suspects[:CHECKED],
        "all suspects": suspects,
        "all labels right": slice(None),
    }.items():
        checked = noisy.labels.clone()
        checked[rows] = clean.labels[rows]
        scores[name] = accuracy(replace(noisy, labels=checked), test_set, seed=seed)
    return scores


def interval(values: list[float]) -> dict[str, object]:
    mean, half_width = metrics.mean_interval(values)[:2]
    return {
        "mean": round(mean, 4),
        "half_width_95": round(half_width, 4),
        "seeds": [round(value, 4) for value in values],
    }


def main() -> None:
    runtime.use_threads(1)
    signs, _, test_set = datasets.load("signs")
    rows = [repaired(signs, test_set, seed) for seed in range(10)]
    scores = {name: [row[name] for row in rows] for name in rows[0]}
    won = [a - b for a, b in zip(scores["70 most suspicious"], scores["70 at random"], strict=True)]
    longer = {
        number: [
            accuracy(quality.some(signs, number, seed=seed), test_set, seed=seed, shown=36_000)
            for seed in range(3)
        ]
        for number in (PICTURES, len(signs))
    }
    facts = {
        "machine": runtime.report(),
        "repaired": {name: interval(values) for name, values in scores.items()},
        "suspicious_less_random": interval(won),
        "36,000 shown": {number: interval(values) for number, values in longer.items()},
    }
    print(json.dumps(facts, indent=1))
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
