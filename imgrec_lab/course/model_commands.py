"""``imgrec-lab train`` and ``imgrec-lab predict``: from pictures to a model, and back."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

_OUT = Path("runs/latest")
_FOREIGN = {  # what to say of choices that only the other task has
    "classify": "only a detector has such a choice. For boxes use --task detect.",
    "detect": "only a classifier has such a choice. Put shifts and lighting into a --policy.",
}


def add_train_to(command: argparse.ArgumentParser) -> None:
    """Add the options of ``imgrec-lab train``; what is not given is left to the recipe."""
    command.add_argument("--data", required=True, help="the folder, or a set such as signs")
    command.add_argument("--out", type=Path, default=_OUT, help="for the results")
    command.add_argument("--resume", action="store_true", help="go on with the run in --out")
    command.add_argument(
        "--task", choices=_FOREIGN, default="classify",
        help="classify: one sub-folder a class; detect: boxes in COCO, VOC, YOLO or CSV",
    )  # fmt: skip
    command.set_defaults(run=_train)
    options = command.add_argument_group("choices, with what they are to classify / to detect")

    def add(name: str, text: str, **how: Any) -> None:
        options.add_argument(name, help=text, default=argparse.SUPPRESS, **how)

    add("--network", "tinycnn, quickcnn or resnet / detector, ssdlite, fcos, retinanet, ...")
    add("--image-size", "pixels, 96 or HEIGHTxWIDTH (32 / 128)", type=_image_size)
    window = "learn from squares of so many pixels round objects (- / whole pictures)"
    add("--window", window, type=int, metavar="PIXELS")
    add("--epochs", "passes over the pictures (10 / 20)", type=int)
    add("--batch-size", "pictures a step (128 / 16)", type=int)
    add("--lr", "the highest learning rate (0.003)", type=float)
    add("--flip", "mirrored pictures keep their label", action="store_true")
    add("--shift", "pixels of random shift (2 / -)", type=int, dest="shift_px")
    add("--lighting", "0 to 1, e.g. 0.3 (0 / -)", type=float)
    add("--policy", "a saved policy in place of these three", type=Path)
    add("--label-smoothing", "0 to 0.2 (0 / -)", type=float)
    add("--accumulate", "batches for one step (1)", type=int)
    add("--ema-decay", "average the weights, e.g. 0.99", type=float)
    add("--seed", "of everything random (0)", type=int)


def add_predict_to(command: argparse.ArgumentParser) -> None:
    """Add the options of ``imgrec-lab predict``."""
    command.add_argument("pictures", nargs="+", metavar="IMAGE", help="picture files of any size")
    command.add_argument("--model", type=Path, default=_OUT / "model.pt", help="what train wrote")
    command.add_argument("--out", type=Path, default=Path("runs/predictions"), help="a folder")
    command.add_argument("--score-threshold", type=float, help="of a detector, 0 to 1 (0.3)")
    command.add_argument("--iou-threshold", type=float, help="of its overlapping boxes (0.5)")
    command.set_defaults(run=_predict)


def _image_size(text: str) -> tuple[int, int]:
    """``"96"`` as (96, 96), ``"96x160"`` as (96, 160): height, then width."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
        height, width = sides * 2 if len(sides) == 1 else sides
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be one number or HEIGHTxWIDTH, such as 128 or 96x160; got {text!r}"
        ) from None
    return height, width


def _train(args: argparse.Namespace) -> int:
    from imgrec_lab import augment

    choices = dict(vars(args))
    data, out, resume, task = (choices.pop(name) for name in ("data", "out", "resume", "task"))
    choices.pop("run")
    if "policy" in choices:
        choices["policy"] = augment.load_policy(choices["policy"]).to_json()
    if task == "classify":
        from imgrec_lab.course import recipes

        recipe = _recipe(recipes.Recipe, choices, task)
        recipes.train_classifier(data, out, recipe, resume=resume)
    else:
        from imgrec_lab.course import detection_recipes

        recipe = _recipe(detection_recipes.DetectionRecipe, choices, task)
        detection_recipes.train_detector(data, out, recipe, resume=resume)
    return 0


def _recipe(kind: type, choices: dict[str, Any], task: str) -> Any:
    known = {field.name for field in dataclasses.fields(kind)}
    strange = [f"--{name.removesuffix('_px').replace('_', '-')}" for name in choices.keys() - known]
    if strange:
        raise ValueError(
            f"{' and '.join(sorted(strange))} must be left out with --task {task}: {_FOREIGN[task]}"
        )
    return kind(**choices)


def _predict(args: argparse.Namespace) -> int:
    from imgrec_lab.course import predictions

    unreadable = predictions.predict_files(
        args.pictures, args.model, args.out,
        score_threshold=args.score_threshold, iou_threshold=args.iou_threshold,
    )  # fmt: skip
    for problem in unreadable:
        print(f"imgrec-lab: {problem.reason}", file=sys.stderr)
    return int(bool(unreadable))
