"""Planted label errors: how many are found, on drawn signs and on CIFAR-10; one JSON file.

``python results/label_errors.py FOLDER`` from the repository's root, with one sub-folder a class
below FOLDER/train, the 50,000 training pictures of CIFAR-10. Their predictions are kept in the data
folder, so that the finder can be tried again without training. Where cleanlab is installed, it gets
the same predictions. Seconds are processor time of one
thread.
"""

import functools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from cifar10_five_minutes import BATCH, EPOCHS, LR, SHIFT_PX, SevenConvolutions
from torch import Tensor

from imgrec_lab import augment, datasets, metrics, runtime
from imgrec_lab.audit import label_errors, out_of_fold
from imgrec_lab.datasets import ImageSet, data_cache

SEEDS, FRACTION, CIFAR_FOLDS = (0, 1, 2), 0.05, 4
PRUNING = ("prune_by_class", "prune_by_noise_rate", "both", "confident_learning")
Found = dict[str, float]


class MirroredToo(SevenConvolutions):
    """Judges each picture together with its mirror image."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        logits = super().forward(images)
        return logits if self.training else (logits + super().forward(images.flip(3))) / 2


def to_next_class(labels: Tensor, *, fraction: float, num_classes: int, seed: int) -> Tensor:
    """Labels of which a random fraction became the next class: always the same confusion."""
    wrong = label_errors.plant(labels, fraction=fraction, num_classes=num_classes, seed=seed)
    return torch.where(wrong == labels, labels, (labels + 1) % num_classes)


def judge(indices: Tensor, wrong: Tensor) -> Found:
    """How many pictures are suspected, and which share of them and of the wrong ones is found."""
    hits = int(wrong[indices].sum())
    return {
        "suspects": len(indices),
        "precision": round(hits / max(1, len(indices)), 4),
        "recall": round(hits / max(1, int(wrong.sum())), 4),
    }


def estimate(labels: Tensor, probs: Tensor) -> int:
    """How many labels are wrong according to the confident joint."""
    joint = label_errors.estimate_joint(labels, probs)
    return round((joint.sum() - joint.trace()).item())


def signs_run(
    clean: ImageSet,
    *,
    seed: int,
    num_folds: int = 2,
    epochs: int = 10,
    fraction: float = FRACTION,
    plant: Callable[..., Tensor] = label_errors.plant,
) -> Found:
    """Plant errors, predict out of fold, find them; the seconds are those of the prediction."""
    labels = plant(clean.labels, fraction=fraction, num_classes=len(clean.classes), seed=seed)
    start = time.process_time()
    probs = out_of_fold.predict(
        replace(clean, labels=labels),
        num_folds=num_folds,
        epochs=epochs,
        augment=augment.Policy([augment.Translate(SHIFT_PX / 32)]),
        seed=seed,
    )
    seconds = time.process_time() - start
    suspects = label_errors.find_label_errors(labels, probs)
    return {
        "planted": int((labels != clean.labels).sum()),
        "estimated": estimate(labels, probs),
        **judge(suspects.indices, labels != clean.labels),
        "model_accuracy": round((probs.argmax(dim=1) == clean.labels).float().mean().item(), 4),
        "seconds": round(seconds, 1),
    }


def signs() -> dict[str, dict]:
    """What recall and precision depend on: training, number of pictures, kind of error."""
    clean = datasets.load("signs").train
    tries = {
        "2 folds, 10 epochs": {},
        "2 folds, 5 epochs": {"epochs": 5},
        "2 folds, 20 epochs": {"epochs": 20},
        "4 folds, 10 epochs": {"num_folds": 4},
        "2,100 pictures, 2 folds, 20 epochs": {"epochs": 20, "clean": clean[:2100]},
        "no errors, 2 folds, 10 epochs": {"fraction": 0.0},
        "20 % errors, 2 folds, 10 epochs": {"fraction": 0.2},
        "always the next class, 2 folds, 10 epochs": {"plant": to_next_class},
    }
    rows = {}
    for name, choices in tries.items():
        runs = [signs_run(**{"clean": clean, **choices}, seed=seed) for seed in SEEDS]
        rows[name] = {**summary(runs), "runs": runs}
        print(name, rows[name]["mean"], flush=True)
    return rows


def summary(runs: list[Found]) -> dict[str, Found]:
    """Mean and half width of the 95 % interval of each number over the seeds."""
    estimates = {name: metrics.mean_interval([run[name] for run in runs]) for name in runs[0]}
    return {
        "mean": {name: round(estimate.mean, 4) for name, estimate in estimates.items()},
        "half_width": {name: round(estimate.half_width, 4) for name, estimate in estimates.items()},
    }


def cifar10(folder: str) -> dict:
    """Errors planted once in the 50,000 training labels; ours, and cleanlab on the same answers."""
    clean = datasets.from_folder(folder, image_size=(32, 32), fractions=(1.0, 0.0, 0.0)).train
    labels = label_errors.plant(clean.labels, fraction=FRACTION, num_classes=10, seed=0)
    choices = {"num_folds": CIFAR_FOLDS, "epochs": EPOCHS, "batch_size": BATCH, "lr": LR}
    build = functools.partial(cifar10_answers, replace(clean, labels=labels), choices)
    key = data_cache.fingerprint("SevenConvolutions, mirrored too", choices, SHIFT_PX, FRACTION)
    answers = data_cache.cached("label-errors-cifar10", key=key, build=build)
    probs, wrong = answers["probs"], labels != clean.labels
    guesses, estimated = probs.argmax(dim=1), estimate(labels, probs)
    ours = {
        "ours": label_errors.find_label_errors(labels, probs),
        "ours, as many as estimated": label_errors.find_label_errors(
            labels, probs, count=estimated
        ),
        "every label that the model disagrees with": label_errors.find_label_errors(
            labels, probs, count=len(labels)
        ),
    }
    return {
        **choices,
        "model_accuracy": round((guesses == clean.labels).float().mean().item(), 4),
        "seconds": answers["seconds"],
        "planted": int(wrong.sum()),
        "estimated": estimated,
        **{name: judge(found.indices, wrong) for name, found in ours.items()},
        **cleanlab(labels, probs, wrong),
    }


def cifar10_answers(image_set: ImageSet, choices: dict) -> dict:
    """Out-of-fold probabilities, and the seconds that they took."""
    start = time.process_time()
    probs = out_of_fold.predict(
        image_set,
        make_model=MirroredToo,
        augment=augment.Policy([augment.Flip(), augment.Translate(SHIFT_PX / 32)]),
        **choices,
    )
    return {"probs": probs, "seconds": round(time.process_time() - start, 1)}


def cleanlab(labels: Tensor, probs: Tensor, wrong: Tensor) -> dict:
    """The reference on the same predictions, where it is installed."""
    try:
        from cleanlab import count, filter, version
    except ImportError:
        return {}
    joint = count.compute_confident_joint(labels.numpy(), probs.numpy(), calibrate=False)
    same = label_errors.confident_joint(labels, probs).tolist() == joint.tolist()
    rows = {}
    for pruning in (*PRUNING, "low_self_confidence"):
        found = filter.find_label_issues(labels.numpy(), probs.numpy(), filter_by=pruning, n_jobs=1)
        rows[pruning] = judge(torch.from_numpy(found).nonzero()[:, 0], wrong)
    return {f"cleanlab {version.__version__}": {"same_confident_joint": same, **rows}}


def main(folder: str) -> None:
    """Both sets, and the machine that they were run on."""
    result = {
        "planted_fraction": FRACTION,
        "seeds": SEEDS,
        "signs": signs(),
        "cifar10": cifar10(folder),
        "machine": runtime.report(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
