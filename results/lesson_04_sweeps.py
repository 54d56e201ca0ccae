"""Two questions of lesson 04: how strong is too strong, and what are drawn pictures worth.

``python results/lesson_04_sweeps.py`` from the repository's root rewrites lesson_04_sweeps.json
beside itself; about seven minutes on two cores. Computed like ``lesson_04_table.py``, four seeds.

"Real" pictures are simulated: signs by night in any weather, of which the drawn ones, by day in any
weather, show none.
"""

import functools
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from imgrec_lab import augment, runtime
from imgrec_lab.augment import Brightness, Contrast, Cutout, Rotate
from imgrec_lab.course import quality, trials

TESTS = functools.cache(trials.test_sets)  # drawn once in each process
SEEDS = range(4)
DIALS = {
    "rotation, degrees": (0, 10, 20, 30, 45, 60, 90, 135, 180),
    "lighting, amount": (0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "cutout, fraction of the side": (0, 0.2, 0.4, 0.6, 0.8),
}
REAL = (14, 28, 56, 112, 224, 448, 896, 1792)
DRAWN = 1400


def policy_of(dial: str, value: float) -> augment.Policy:
    """The policy that a dial at this value stands for."""
    return {
        "rotation, degrees": augment.Policy([Rotate(min(value, 180))]),
        "lighting, amount": augment.Policy([Brightness(min(value, 1)), Contrast(min(value, 1))]),
        "cutout, fraction of the side": augment.Policy([Cutout(min(value, 1))]),
    }[dial]


def strength(dial: str, value: float, seed: int) -> dict[str, float]:
    """Accuracies on the table's test sets after training at this strength."""
    torch.set_num_threads(1)
    model = trials.train_on(trials.training_set(seed), policy_of(dial, value), seed=seed)
    return trials.accuracies(model, TESTS())


def mixed(kind: str, number: int, seed: int) -> float:
    """Accuracy on new real pictures after training on ``number`` of them and what ``kind`` adds."""
    torch.set_num_threads(1)
    data = trials.real_signs(number, seed=seed)
    if kind != "real only":
        data = quality.together(data, trials.drawn_signs(DRAWN, seed=seed))
    policy = trials.POLICIES["mixture"] if kind == "real, drawn, augmented" else None
    model = trials.train_on(data, policy, seed=seed)
    return trials.accuracies(model, {"real": trials.real_signs(1120, seed=97)})["real"]


def main() -> None:
    """Both questions, and what they were run on."""
    dials = [(dial, value, seed) for dial in DIALS for value in DIALS[dial] for seed in SEEDS]
    kinds = ("real only", "real and drawn", "real, drawn, augmented")
    mixes = [(kind, number, seed) for kind in kinds for number in REAL for seed in SEEDS]
    with ProcessPoolExecutor(2) as pool:
        swept = list(pool.map(strength, *zip(*dials, strict=True)))
        real = list(pool.map(mixed, *zip(*mixes, strict=True)))
    strengths: dict[str, dict[str, dict[str, list[float]]]] = {dial: {} for dial in DIALS}
    for (dial, value, _), accuracies in zip(dials, swept, strict=True):
        for test, accuracy in accuracies.items():
            line = strengths[dial].setdefault(test, {})
            line.setdefault(f"{value:g}", []).append(round(accuracy, 4))
    reals: dict[str, dict[str, list[float]]] = {kind: {} for kind in kinds}
    for (kind, number, _), accuracy in zip(mixes, real, strict=True):
        reals[kind].setdefault(str(number), []).append(round(accuracy, 4))
    facts = {
        "strength": strengths,
        "drawn_for_real": {"drawn": DRAWN, "test_pictures": 1120, "scores": reals},
        "seeds": list(SEEDS),
        "machine": runtime.report() | {"threads": "1"},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    os.environ |= {"IMGREC_PRECISION": "float32", "IMGREC_DEVICE": "cpu", "TQDM_DISABLE": "1"}
    main()
