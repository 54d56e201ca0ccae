"""Whole jobs from data to files: what ``imgrec-lab train`` runs."""

import csv
import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import (
    atomic_files,
    augment,
    datasets,
    history,
    metrics,
    models,
    processes,
    runtime,
    train,
)
from imgrec_lab.course import run_folder

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "tinycnn": lambda num_classes: models.TinyCNN(num_classes),
    "quickcnn": lambda num_classes: models.QuickCNN(num_classes),
    "resnet": lambda num_classes: models.ResNet(num_classes),
}

_LEAST_SIDE = {"tinycnn": 8, "quickcnn": 16}  # each halving of the picture needs a pixel left


@dataclass(frozen=True)
class Recipe:
    """The choices behind a run, saved beside its weights so that it can be repeated."""

    network: str = "resnet"
    image_size: tuple[int, int] = (32, 32)
    epochs: int = 10
    batch_size: int = 128
    lr: float = 3e-3
    flip: bool = False
    shift_px: int = 2
    lighting: float = 0.0
    policy: str | None = None  # as augment.Policy.to_json writes it, in place of the three above
    label_smoothing: float = 0.0
    accumulate: int = 1
    ema_decay: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            known = ", ".join(NETWORKS)
            raise ValueError(f"network must be one of {known}; got {self.network!r}.")
        least = _LEAST_SIDE.get(self.network, 1)
        if min(self.image_size) < least:
            raise ValueError(
                f"image_size must be at least {least} pixels for {self.network}; got "
                f"{min(self.image_size)}. Try 32, or the network resnet."
            )
        if not 0 <= self.shift_px < max(1, min(self.image_size)):
            raise ValueError(
                f"shift must be 0 to {min(self.image_size) - 1} pixels for this image_size; got "
                f"{self.shift_px}. Try an eighth of the side."
            )
        if not 0 <= self.lighting <= 1:
            raise ValueError(f"lighting must lie in 0 to 1; got {self.lighting:g}. Try 0.3.")
        if self.policy is not None and (self.flip or self.lighting):
            raise ValueError(
                "a policy takes the place of flip and lighting; got both. Put Flip, Brightness and "
                "Contrast into the policy."
            )
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "label_smoothing must be at least 0 and below 1; got "
                f"{self.label_smoothing:g}. Try 0.1."
            )


def train_classifier(
    data: str | Path, out: str | Path, recipe: Recipe, *, resume: bool = False
) -> history.Score:
    """Train on an image folder, test, and write what is needed to use and judge the result.

    Prints a line an epoch. ``out`` receives ``model.pt`` (weights, classes and recipe),
    ``history.csv``, ``history.json``, ``confusion.csv``, ``confusion.png`` and ``result.json``;
    until they are there, ``checkpoint.pt`` holds the run after its last whole epoch. Under
    ``torchrun`` several processes train one model, and the first one prints and writes.

    Args:
        data: one sub-folder a class, perhaps below train/val/test (``datasets.from_folder``), or
            the name of a set (``datasets.load``) where there is no such folder.
        out: a folder for the files; made where it is missing.
        recipe: the choices.
        resume: go on from the ``checkpoint.pt`` in ``out``.

    Returns:
        Loss, accuracy and count on the test pictures.

    Raises:
        OSError: if ``out`` cannot be written, before anything is read.
        ValueError: if a choice makes no sense, or the folder has too few pictures.
    """
    with processes.group():
        return _train_and_test(data, run_folder.writable(Path(out)), recipe, resume)


def _train_and_test(data: str | Path, out: Path, recipe: Recipe, resume: bool) -> history.Score:
    first = processes.rank() == 0
    say = functools.partial(print, flush=True) if first else lambda *_: None
    runtime.seed_everything(recipe.seed)
    sets = _read_sets(data, recipe)
    train_loader, val_loader, test_loader = (
        datasets.make_loader(part, batch_size=recipe.batch_size, shuffle=part is sets.train)
        for part in sets
    )
    model = NETWORKS[recipe.network](len(sets.train.classes))
    if processes.count() > 1:  # the same weights everywhere, but each its own augmentation
        torch.manual_seed(recipe.seed + processes.rank())
    say(f"{sets.train}\n{train_loader}")
    if processes.count() > 1:
        say(f"{processes.count()} processes, each with its part of every batch")
    say(history.TABLE_HEAD)
    run = train.fit(
        model,
        train_loader,
        val_loader,
        epochs=recipe.epochs,
        lr=recipe.lr,
        loss_fn=functools.partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        augment=_policy(recipe),
        accumulate=recipe.accumulate,
        ema_decay=recipe.ema_decay,
        checkpoint=run_folder.checkpoint(out, resume),
        on_epoch=lambda so_far: say(history.table_row(so_far.epochs[-1])),
    )
    if run.ended == "interrupted":
        say(f"interrupted after {len(run.epochs)} whole epochs: keeping the best weights so far")
    if first:  # the weights are the hardest to make again
        save_classifier(model, sets.train.classes, recipe, out / "model.pt")
    score, counts = _test(model, test_loader, len(sets.test.classes))
    if first:
        for name in ("history.csv", "history.json"):
            run.save(out / name)
        _write_confusion(counts, sets.test.classes, out)
        scores = {"test_accuracy": score.accuracy, "test_images": score.count}
        run_folder.write_result(out / "result.json", scores, run=run, recipe=recipe)
        if run.ended == "finished":
            (out / "checkpoint.pt").unlink()
    say(f"test: {score.accuracy:.4f} of {score.count:,} pictures right; files in {out}")
    return score


def _read_sets(data: str | Path, recipe: Recipe) -> datasets.Splits:
    """A folder's splits, or a named set's, none of them empty."""
    if not Path(data).exists() and str(data) in datasets.NAMES:
        sets = datasets.load(str(data), image_size=recipe.image_size)
    else:
        sets = datasets.from_folder(
            data, image_size=recipe.image_size, fractions=(0.8, 0.1, 0.1), seed=recipe.seed
        )
    run_folder.check_parts(sets, data, advice="Put at least 3 into each class, better 30.")
    if isinstance(sets.train, datasets.SceneSet):
        raise ValueError(
            f"data must be pictures with one class each; {data!r} has boxes. Try signs or a folder."
        )
    return sets


def _policy(recipe: Recipe) -> augment.Policy:
    if recipe.policy is not None:
        return augment.Policy.from_json(recipe.policy)
    steps: list[augment.Step] = [augment.Flip()] if recipe.flip else []
    steps.append(augment.Translate(recipe.shift_px / min(recipe.image_size)))
    if recipe.lighting:
        steps += [augment.Brightness(recipe.lighting), augment.Contrast(recipe.lighting)]
    return augment.Policy(steps)


def save_classifier(
    model: nn.Module, classes: tuple[str, ...], recipe: Recipe, path: str | Path
) -> Path:
    """Write weights, classes and recipe to ``path``, whole or not at all."""
    run_folder.save_model(Path(path), model, task="classify", classes=classes, recipe=recipe)
    return Path(path)


def load_classifier(path: str | Path) -> tuple[nn.Module, tuple[str, ...], Recipe]:
    """The model, its classes and its recipe from a file that ``save_classifier`` wrote.

    Raises:
        ValueError: if the file is missing, cut short or no such checkpoint.
    """
    return run_folder.load_model(
        path,
        task="classify",
        make_recipe=Recipe,
        build=lambda recipe, num_classes: NETWORKS[recipe.network](num_classes),
        other_loader="detection_recipes.load_detector",
    )


def _test(
    model: nn.Module, loader: train.Loader, num_classes: int
) -> tuple[history.Score, torch.Tensor]:
    """The score and the confusion counts (K, K), over all processes, from one pass."""
    counts = torch.zeros(num_classes, num_classes, dtype=torch.int64, device=runtime.pick_device())

    def count(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        predicted = logits.argmax(dim=1)
        counts.add_(metrics.confusion_matrix(labels, predicted, num_classes=num_classes))
        return train.right_answers(logits, labels)

    score = train.evaluate(model, loader, score_fn=count)
    return score, processes.total(counts)


def _write_confusion(counts: torch.Tensor, classes: tuple[str, ...], out: Path) -> None:
    from matplotlib.figure import Figure

    from imgrec_lab import plots

    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(["true class", *classes])
    table.writerows([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))
    atomic_files.write_text(out / "confusion.csv", text.getvalue())
    side = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    plots.confusion_matrix(counts, classes, ax=figure.subplots())
    atomic_files.write_atomically(
        out / "confusion.png", lambda file: figure.savefig(file, format="png", dpi=110)
    )
