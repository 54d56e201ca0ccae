"""Whole jobs from data to files: what ``imgrec-lab train`` runs."""

import csv
import functools
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import augment, datasets, history, metrics, models, runtime, train
from imgrec_lab.datasets import data_cache

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
    label_smoothing: float = 0.0
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
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                "label_smoothing must be at least 0 and below 1; got "
                f"{self.label_smoothing:g}. Try 0.1."
            )


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

    Raises:
        OSError: if ``out`` cannot be written, before anything is read.
        ValueError: if a choice makes no sense, or the folder has too few pictures.
    """
    out = _writable(Path(out))
    runtime.seed_everything(recipe.seed)
    sets = datasets.from_folder(
        data, image_size=recipe.image_size, fractions=(0.8, 0.1, 0.1), seed=recipe.seed
    )
    for level, part in zip(("training", "validation", "test"), sets, strict=True):
        if len(part) == 0:
            raise ValueError(
                f"{data} must hold enough different pictures for training, validation and test; "
                f"none is left for {level}. Put at least 3 into each class, better 30."
            )
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
    if run.ended == "interrupted":
        print(f"interrupted after {len(run.epochs)} whole epochs: keeping the best weights so far")
    save_classifier(model, sets.train.classes, recipe, out / "model.pt")  # first: hardest to redo
    for name in ("history.csv", "history.json"):
        run.save(out / name)
    score = train.evaluate(model, test_loader)
    _write_confusion(model, test_loader, sets.test, out)
    _write_result(run, score, recipe, out / "result.json")
    print(f"test: {score.accuracy:.4f} of {score.count:,} pictures right; files in {out}")
    return score


def _writable(out: Path) -> Path:
    """The folder ``out``, made where it is missing; OSError in one sentence if it cannot be used.

    Hours of training must not end with results that have nowhere to go.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        raise OSError(
            f"out must be a folder that can be written; {out} cannot ({error.strerror}). Name "
            "another one."
        ) from error


def _augmentation(recipe: Recipe) -> train.Augment:
    steps = [augment.flip] if recipe.flip else []
    return augment.chain(*steps, augment.shift(recipe.shift_px))


def save_classifier(
    model: nn.Module, classes: tuple[str, ...], recipe: Recipe, path: str | Path
) -> Path:
    """Write weights, classes and recipe to ``path``, whole or not at all."""
    path = Path(path)
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    saved = {"weights": weights, "classes": list(classes), "recipe": asdict(recipe)}
    data_cache.write_atomically(path, lambda file: torch.save(saved, file))
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

    classes = test_set.classes
    counts = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    for images, labels in loader:  # by batch, as an unreadable file leaves its label out too
        predicted = train.predict(model, [(images, labels)]).argmax(dim=1)
        counts += metrics.confusion_matrix(labels.cpu(), predicted, num_classes=len(classes))
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
