"""Whole jobs from data to files: what ``imgrec-lab train`` runs."""

import csv
import functools
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import augment, datasets, history, metrics, models, runtime, train

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "tinycnn": lambda num_classes: models.TinyCNN(num_classes),
    "quickcnn": lambda num_classes: models.QuickCNN(num_classes),
    "resnet": lambda num_classes: models.ResNet(num_classes),
}


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
    label_smoothing: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            known = ", ".join(NETWORKS)
            raise ValueError(f"network must be one of {known}; got {self.network!r}.")


def train_classifier(data: str | Path, out: str | Path, recipe: Recipe) -> train.Score:
    """Train on an image folder, test, and write what is needed to use and judge the result.

    Prints a line an epoch. ``out`` receives ``model.pt`` (weights, classes and recipe),
    ``history.csv``, ``history.json``, ``confusion.csv``, ``confusion.png`` and ``result.json``.

    Args:
        data: one sub-folder a class, perhaps below train/val/test (``datasets.from_folder``).
        out: a folder for the files; made where it is missing.
        recipe: the choices.

    Returns:
        Loss, accuracy and count on the test pictures.
    """
    runtime.seed_everything(recipe.seed)
    sets = datasets.from_folder(
        data, image_size=recipe.image_size, fractions=(0.8, 0.1, 0.1), seed=recipe.seed
    )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    train_loader, val_loader, test_loader = (
        datasets.make_loader(part, batch_size=recipe.batch_size, shuffle=part is sets.train)
        for part in sets
    )
    model = NETWORKS[recipe.network](len(sets.train.classes))
    print(f"{sets.train}\n{train_loader}\n{history.TABLE_HEAD}")
    run = train.fit(
        model,
        train_loader,
        val_loader,
        epochs=recipe.epochs,
        lr=recipe.lr,
        loss_fn=functools.partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        augment=_augmentation(recipe),
        on_epoch=lambda so_far: print(history.table_row(so_far.epochs[-1]), flush=True),
    )
    for name in ("history.csv", "history.json"):
        run.save(out / name)
    save_classifier(model, sets.train.classes, recipe, out / "model.pt")
    score = train.evaluate(model, test_loader)
    _write_confusion(model, test_loader, sets.test, out)
    _write_result(run, score, recipe, out / "result.json")
    print(f"test: {score.accuracy:.4f} of {score.count:,} pictures right; files in {out}")
    return score


def _augmentation(recipe: Recipe) -> train.Augment:
    steps = [augment.flip] if recipe.flip else []
    return augment.chain(*steps, augment.shift(recipe.shift_px))


def save_classifier(
    model: nn.Module, classes: tuple[str, ...], recipe: Recipe, path: str | Path
) -> Path:
    """Write weights, classes and recipe to ``path``, whole or not at all."""
    path = Path(path)
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    torch.save({"weights": weights, "classes": list(classes), "recipe": asdict(recipe)}, partial)
    os.replace(partial, path)
    return path


def load_classifier(path: str | Path) -> tuple[nn.Module, tuple[str, ...], Recipe]:
    """The model, its classes and its recipe from a file that ``save_classifier`` wrote.

    Raises:
        ValueError: if the file is missing, cut short or no such checkpoint.
    """
    if not Path(path).is_file():
        raise ValueError(f"path must be a model.pt that `imgrec-lab train` wrote; no file {path}.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        recipe = Recipe(**{**saved["recipe"], "image_size": tuple(saved["recipe"]["image_size"])})
        model = NETWORKS[recipe.network](len(saved["classes"]))
        model.load_state_dict(saved["weights"])
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same
        raise ValueError(
            f"path must be a model.pt that `imgrec-lab train` wrote; {path} is damaged or of "
            f"another kind ({type(error).__name__}). Train again, or take a backup."
        ) from error
    return model.eval(), tuple(saved["classes"]), recipe


def _write_confusion(
    model: nn.Module, loader: train.Loader, test_set: datasets.ImageSet, out: Path
) -> None:
    from matplotlib.figure import Figure

    from imgrec_lab import plots

    predicted = train.predict(model, loader).argmax(dim=1)
    classes = test_set.classes
    counts = metrics.confusion_matrix(test_set.labels, predicted, num_classes=len(classes))
    with (out / "confusion.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["true class", *classes])
        table.writerows([name, *row] for name, row in zip(classes, counts.tolist(), strict=True))
    side = 2.5 + 0.45 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    plots.confusion_matrix(counts, classes, ax=figure.subplots())
    figure.savefig(out / "confusion.png", dpi=110)


def _write_result(run: history.History, score: train.Score, recipe: Recipe, path: Path) -> None:
    seconds = sum(epoch.seconds for epoch in run.epochs)
    result = {
        "test_accuracy": score.accuracy,
        "test_images": score.count,
        "train_seconds": round(seconds, 1),
        "ended": run.ended,
        "recipe": asdict(recipe),
        "machine": runtime.report(),
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
