"""The table of lesson 04: thirteen policies, eight test sets, eight seeds, at equal steps.

``python results/lesson_04_table.py`` from the repository's root rewrites lesson_04_table.json
beside itself; about ten minutes on one core and half of that on two. Computed as the
checked notebooks are, on one thread in float32, so that the lesson's own cells repeat it.
"""

import functools
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from imgrec_lab import runtime
from imgrec_lab.course import trials

TESTS = functools.cache(trials.test_sets)  # drawn once in each process
SEEDS = range(8)


def row(name: str, seed: int) -> dict[str, float]:
    """The accuracies of one policy and seed."""
    torch.set_num_threads(1)
    model = trials.train_on(trials.training_set(seed), trials.POLICIES[name], seed=seed)
    return trials.accuracies(model, TESTS())


def main() -> None:
    """All rows, in the policies' order."""
    jobs = [(name, seed) for seed in SEEDS for name in trials.POLICIES]
    with ProcessPoolExecutor(2) as pool:
        rows = list(pool.map(row, *zip(*jobs, strict=True)))
    scores: dict[str, dict[str, list[float]]] = {}
    for (name, _), accuracies in zip(jobs, rows, strict=True):
        for test, accuracy in accuracies.items():
            scores.setdefault(name, {}).setdefault(test, []).append(round(accuracy, 4))
    scores = {name: scores[name] for name in trials.POLICIES}
    facts = {
        "what": "share of 560 test pictures named rightly, one number a seed",
        "seeds": list(SEEDS),
        "policies": {name: json.loads(p.to_json()) for name, p in trials.POLICIES.items()},
        "scores": scores,
        "machine": runtime.report() | {"threads": "1"},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    os.environ |= {"IMGREC_PRECISION": "float32", "IMGREC_DEVICE": "cpu", "TQDM_DISABLE": "1"}
    main()
