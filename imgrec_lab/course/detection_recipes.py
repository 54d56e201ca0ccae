"""From pictures with boxes to a detector and its scores: ``imgrec-lab train --task detect``."""

import functools
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from imgrec_lab import (
    annotations,
    augment,
    datasets,
    detect,
    history,
    metrics,
    processes,
    runtime,
    train,
)
from imgrec_lab.box_ops import Detections
from imgrec_lab.course import detection_figures, run_folder

NETWORKS = ("detector", "ssdlite", "fcos", "retinanet", "faster_rcnn", "mask_rcnn")
_STRIDE = 16  # pixels, the largest of detect.Detector: what its pictures are multiples of
_PADDED = 32  # pixels, what torchvision's networks pad to
_LEAST_SCORE = 0.01  # of a detection that counts for average precision, as in detect.evaluate


@dataclass(frozen=True)
class DetectionRecipe:
    """The choices behind a detector, saved beside its weights so that it can be repeated."""

    network: str = "detector"
    image_size: tuple[int, int] = (128, 128)
    window: int | None = None  # pixels: learn from such squares round objects, see augment.Windows
    epochs: int = 20
    batch_size: int = 16
    lr: float = 3e-3
    flip: bool = False
    policy: str | None = None  # as augment.Policy.to_json writes it; None: see ``_policy``
    accumulate: int = 1
    ema_decay: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(
                f"network must be one of {', '.join(NETWORKS)} to detect; got {self.network!r}."
            )
        multiple = _STRIDE if self.network == "detector" else _PADDED
        if not all(side > 0 and side % multiple == 0 for side in self.image_size):
            height, width = self.image_size
            raise ValueError(
                f"image_size must be multiples of {multiple} pixels for {self.network}; got "
                f"{height} x {width}. Try 128 or 96x160."
            )
        if self.window is not None:
            self._check_window(self.window)
        if self.policy is not None and self.flip:
            raise ValueError(
                "a policy takes the place of flip; got both. Put Flip into the policy."
            )

    def _check_window(self, window: int) -> None:
        if self.network != "detector":
            raise ValueError(
                f"a window is for the network detector; {self.network} would scale each window up "
                "to image_size, and objects with it. Leave window out."
            )
        most = min(self.image_size)
        if not 0 < window <= most or window % _STRIDE:
            raise ValueError(
                f"window must be a multiple of {_STRIDE} pixels, and at most {most}, the picture's "
                f"shorter side; got {window}. Take one larger than most objects, or leave it out."
            )


def train_detector(
    data: str | Path, out: str | Path, recipe: DetectionRecipe, *, resume: bool = False
) -> metrics.DetectionScores:
    """Train on pictures with boxes, test, and write what is needed to use and judge the result.

    Prints a line an epoch. ``out`` receives ``model.pt`` (weights, classes and recipe),
    ``history.csv``, ``history.json``, ``result.json`` (scores, of each class too),
    ``found.png`` (test pictures with what was found and missed) and ``precision_recall.png``;
    until they are there, ``checkpoint.pt`` holds the run after its last whole epoch.

    Args:
        data: a folder in COCO, Pascal VOC, YOLO or CSV (``datasets.from_annotations``), or the
            name of a set with boxes (``datasets.load``) where there is no such folder.
        out: a folder for the files; made where it is missing.
        recipe: the choices.
        resume: go on from the ``checkpoint.pt`` in ``out``.

    Returns:
        The scores on the test pictures.

    Raises:
        OSError: if ``out`` cannot be written, before anything is read.
        ValueError: if a choice makes no sense, or there are too few pictures or no objects.
    """
    with processes.group():
        return _train_and_test(data, run_folder.writable(Path(out)), recipe, resume)


def _train_and_test(
    data: str | Path, out: Path, recipe: DetectionRecipe, resume: bool
) -> metrics.DetectionScores:
    first = processes.rank() == 0
    say = functools.partial(print, flush=True) if first else lambda *_: None
    runtime.seed_everything(recipe.seed)
    sets = _read_sets(data, recipe)
    loader = datasets.make_loader(sets.train, batch_size=recipe.batch_size, shuffle=True)
    model = _build(recipe, len(sets.train.classes))
    if processes.count() > 1:  # the same weights everywhere, but each its own augmentation
        torch.manual_seed(recipe.seed + processes.rank())
    say(f"{sets.train}\n{loader}\n{history.TABLE_HEAD}")
    run = train.fit(
        model,
        loader,  # the last weights are kept: a loss over few objects would choose worse ones
        epochs=recipe.epochs,
        lr=recipe.lr,
        loss_fn=_loss_of(model),
        score_fn=None,
        augment=_changes(recipe),
        accumulate=recipe.accumulate,
        ema_decay=recipe.ema_decay,
        checkpoint=run_folder.checkpoint(out, resume),
        on_epoch=lambda so_far: say(history.table_row(so_far.epochs[-1])),
    )
    if run.ended == "interrupted":
        say(f"interrupted after {len(run.epochs)} whole epochs: keeping the weights so far")
    if first:  # the weights are the hardest to make again
        save_detector(model, sets.train.classes, recipe, out / "model.pt")
    val_scores, _ = _judge(model, sets.val)
    scores, found = _judge(model, sets.test)
    if first:
        for name in ("history.csv", "history.json"):
            run.save(out / name)
        detection_figures.write(sets.test, found, out)
        measured = {"val": _as_dict(val_scores, sets.val), "test": _as_dict(scores, sets.test)}
        run_folder.write_result(out / "result.json", measured, run=run, recipe=recipe)
        if run.ended == "finished":
            (out / "checkpoint.pt").unlink()
    numbers = f"AP50 {scores.ap50:.3f}, AP {scores.ap:.3f} on {len(found):,} pictures"
    say(f"test: {numbers}; files in {out}")
    return scores


def _read_sets(data: str | Path, recipe: DetectionRecipe) -> datasets.Splits:
    """The parts of a folder or of a named set, with objects to learn from."""
    if not Path(data).exists() and str(data) in datasets.NAMES:
        sets = datasets.load(str(data), image_size=recipe.image_size)
    else:
        if annotations.detect_format(data) == "folder":
            raise ValueError(
                f"{data} must hold labels with boxes; it has one sub-folder a class, and no boxes. "
                "Use --task classify, or draw boxes first: widgets.annotator."
            )
        sets = datasets.from_annotations(
            data, image_size=recipe.image_size, fractions=(0.8, 0.1, 0.1), seed=recipe.seed
        )
    if not isinstance(sets.train, datasets.SceneSet):
        raise ValueError(
            f"data must be pictures with boxes; {data!r} has one class a picture. Try streets, or "
            "--task classify."
        )
    run_folder.check_parts(sets, data, advice="Label at least 3 pictures, better 100.")
    _check_objects(sets.train, data)
    if recipe.network != "mask_rcnn":
        return datasets.Splits(*map(_without_masks, sets))
    if "masks" not in sets.train.targets[0]:  # all of a set have them, or none has
        raise ValueError(
            f"mask_rcnn learns from masks; {data} has an object without an outline. Try "
            "faster_rcnn, which needs boxes only, or streets."
        )
    return sets


def _check_objects(part: datasets.SceneSet, data: str | Path) -> None:
    """ValueError where there is nothing to learn, a warning where a class cannot be learned."""
    counts = part.counts()
    if not any(counts.values()):
        raise ValueError(
            f"the training pictures must show objects; none of the {len(part):,} in {data} has a "
            "box. Label some, or look with imgrec-lab data check."
        )
    if absent := [name for name, count in counts.items() if not count]:
        warnings.warn(
            f"no training picture shows {', '.join(map(repr, absent))}: it will not be found. Add "
            "pictures, or leave the class out.",
            stacklevel=3,
        )


def _without_masks(part: datasets.SceneSet) -> datasets.SceneSet:
    """Boxes and labels alone, as most detectors learn from no more, and masks take time to move."""
    kept = [{"boxes": t["boxes"], "labels": t["labels"]} for t in part.targets]
    return replace(part, targets=kept)


def _build(recipe: DetectionRecipe, num_classes: int) -> nn.Module:
    if recipe.network == "detector":
        return detect.Detector(num_classes)
    return detect.torchvision_detector(recipe.network, num_classes, image_size=recipe.image_size)


def _loss_of(model: nn.Module) -> Callable[..., Tensor]:
    own = isinstance(model, detect.TorchvisionDetector)
    return model.loss if own else detect.detection_loss


def _changes(recipe: DetectionRecipe) -> augment.Augment:
    """What happens to training pictures; those to validate and to test stay whole."""
    if recipe.window is None:
        return _policy(recipe)
    return augment.chain(augment.Windows((recipe.window, recipe.window)), _policy(recipe))


def _policy(recipe: DetectionRecipe) -> augment.Policy:
    if recipe.policy is not None:
        return augment.Policy.from_json(recipe.policy)
    steps: list[augment.Step] = [augment.Flip()] if recipe.flip else []
    return augment.Policy(
        [*steps, augment.Translate(0.1), augment.Brightness(0.2), augment.Contrast(0.2)]
    )


def _judge(
    model: nn.Module, part: datasets.SceneSet
) -> tuple[metrics.DetectionScores, list[Detections]]:
    found = detect.predict(model, part.images, score_threshold=_LEAST_SCORE)
    num_classes = len(part.classes)
    return metrics.mean_average_precision(found, part.targets, num_classes=num_classes), found


def _as_dict(scores: metrics.DetectionScores, part: datasets.SceneSet) -> dict:
    """Scores as plain numbers, those of each class under its name."""
    values = asdict(scores)
    each = zip(values.pop("ap_per_class"), values.pop("ap50_per_class"), strict=True)
    values["classes"] = {
        name: {"objects": count, "ap": ap.item(), "ap50": ap50.item()}
        for (name, count), (ap, ap50) in zip(part.counts().items(), each, strict=True)
    }
    return {"images": len(part), **values}


def save_detector(
    model: nn.Module, classes: tuple[str, ...], recipe: DetectionRecipe, path: str | Path
) -> Path:
    """Write weights, classes and recipe to ``path``, whole or not at all."""
    run_folder.save_model(Path(path), model, task="detect", classes=classes, recipe=recipe)
    return Path(path)


def load_detector(path: str | Path) -> tuple[nn.Module, tuple[str, ...], DetectionRecipe]:
    """The model, its classes and its recipe from a file that ``save_detector`` wrote.

    Raises:
        ValueError: if the file is missing, cut short or no such checkpoint.
    """
    return run_folder.load_model(
        path,
        task="detect",
        make_recipe=DetectionRecipe,
        build=_build,
        other_loader="recipes.load_classifier",
    )
