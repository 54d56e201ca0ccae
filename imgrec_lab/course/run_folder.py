"""The folder of a training run: what is checked before, and the files that are the same for all."""

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imgrec_lab import atomic_files, datasets, history, processes, runtime

_KINDS = {"classify": "classifier", "detect": "detector"}  # what a model is, by its task


def writable(out: Path) -> Path:
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


def checkpoint(out: Path, resume: bool) -> Path:
    """The run's checkpoint; one that an earlier run left is removed unless this one resumes."""
    path = out / "checkpoint.pt"
    if resume and not path.is_file():
        raise ValueError(f"resume needs a run that was cut off; {out} holds no checkpoint.pt.")
    if processes.rank() == 0 and not resume:
        path.unlink(missing_ok=True)
    processes.wait()
    return path


def check_parts(sets: datasets.Splits, data: str | Path, *, advice: str) -> None:
    """Raise ValueError, with ``advice``, unless each part holds pictures."""
    for level, part in zip(("training", "validation", "test"), sets, strict=True):
        if len(part) == 0:
            raise ValueError(
                f"{data} must hold enough different pictures for training, validation and test; "
                f"none is left for {level}. {advice}"
            )


def save_model(
    path: Path, model: nn.Module, *, task: str, classes: tuple[str, ...], recipe: Any
) -> None:
    """Write a trained model with all that is needed to use it, whole or not at all."""
    machine = runtime.report()
    saved = {
        "task": task,
        "weights": {name: value.cpu() for name, value in model.state_dict().items()},
        "classes": list(classes),
        "recipe": asdict(recipe),
        "versions": {name: str(machine[name]) for name in ("python", "torch", "torchvision")},
    }
    atomic_files.write_atomically(path, lambda file: torch.save(saved, file))


def read_model(path: str | Path) -> dict[str, Any]:
    """What ``save_model`` wrote; ``task`` says what for.

    Raises:
        ValueError: if the file is missing, cut short or no such model.
    """
    if not Path(path).is_file():
        raise ValueError(f"path must be a model.pt that `imgrec-lab train` wrote; no file {path}.")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        saved["recipe"]["image_size"] = tuple(saved["recipe"]["image_size"])
        return {"task": "classify", **saved, "classes": tuple(saved["classes"])}
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same
        raise _unusable(path, error) from error


def load_model(
    path: str | Path,
    *,
    task: str,
    make_recipe: Callable[..., Any],
    build: Callable[[Any, int], nn.Module],
    other_loader: str,
) -> tuple[nn.Module, tuple[str, ...], Any]:
    """The model, ready to be used, its classes and its recipe from what ``save_model`` wrote.

    Args:
        path: a ``model.pt``.
        task: what it must have been trained for.
        make_recipe: the recipe from its choices.
        build: the untrained model from the recipe and the number of classes.
        other_loader: what loads models of the other task, for the error.

    Raises:
        ValueError: if the file is missing, cut short or no such model.
    """
    saved = read_model(path)
    if saved["task"] != task:
        raise ValueError(
            f"path must hold a {_KINDS[task]}; {path} was trained with --task {saved['task']}. "
            f"Use {other_loader}, or `imgrec-lab predict`, which takes both."
        )
    try:
        recipe = make_recipe(**saved["recipe"])
        model = build(recipe, len(saved["classes"]))
        model.load_state_dict(saved["weights"])
    except Exception as error:  # whatever does not fit, the file is not what it should be
        raise _unusable(path, error) from error
    return model.eval(), saved["classes"], recipe


def _unusable(path: str | Path, error: Exception) -> ValueError:
    """What to raise where a model.pt cannot be read, or not be made into a model."""
    return ValueError(
        f"path must be a model.pt that `imgrec-lab train` wrote; {path} is damaged or of "
        f"another kind ({type(error).__name__}). Train again, or take a backup."
    )


def write_result(path: Path, scores: dict[str, Any], *, run: history.History, recipe: Any) -> None:
    """Write scores with what they must be quoted with: recipe, time and machine, as JSON.

    A score that is NaN, because there was nothing to measure, is written as null.
    """
    result = {
        **scores,
        "train_seconds": round(sum(epoch.seconds for epoch in run.epochs), 1),
        "ended": run.ended,
        "recipe": asdict(recipe),
        "processes": processes.count(),
        "machine": runtime.report(),
    }
    atomic_files.write_text(path, json.dumps(_without_nan(result), indent=1) + "\n")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
