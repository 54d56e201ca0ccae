"""The figures of a trained detector: test pictures with what was found, and a curve a class."""

from collections.abc import Sequence
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from imgrec_lab import atomic_files, datasets, metrics, plots
from imgrec_lab.box_ops import Detections

_SCORE_THRESHOLD = 0.3  # of the boxes on the sheet
_MOST_PICTURES, _MOST_CURVES, _COLUMNS = 12, 24, 4


def write(test: datasets.SceneSet, found: Sequence[Detections], out: Path) -> None:
    """``found.png`` and ``precision_recall.png`` of the test pictures into the folder ``out``."""
    _save(_sheet(test, found), out / "found.png")
    _save(_curves(test, found), out / "precision_recall.png")


def _sheet(test: datasets.SceneSet, found: Sequence[Detections]) -> Figure:
    """The first test pictures with what was found rightly, wrongly and not at all."""
    shown = min(_MOST_PICTURES, len(test))
    height, width = test.images.shape[2:]
    figure, panels = _panels(shown, 3.0 * height / width + 0.3)
    for index, ax in zip(range(shown), panels, strict=True):
        plots.detections(
            test.images[index], found[index], test.targets[index], test.classes,
            score_threshold=_SCORE_THRESHOLD, ax=ax,
        )  # fmt: skip
    figure.suptitle(
        f"Found with a score of {_SCORE_THRESHOLD} or more, and missed (dashed), on test pictures"
    )
    return figure


def _curves(test: datasets.SceneSet, found: Sequence[Detections]) -> Figure:
    """Precision and recall of each class at an IoU of 0.5, the classes with most objects."""
    counts = test.counts()
    most = sorted(range(len(counts)), key=lambda k: -counts[test.classes[k]])[:_MOST_CURVES]
    classes = sorted(k for k in most if counts[test.classes[k]])
    figure, panels = _panels(max(1, len(classes)), 2.6)
    for place, (label, ax) in enumerate(zip(classes, panels, strict=False)):
        name, count = test.classes[label], counts[test.classes[label]]
        scores, correct = _ranked(test, found, label)
        precision, recall, _ = metrics.precision_recall(scores, correct, count)
        ap50 = metrics.average_precision(precision, recall)
        plots.precision_recall(precision, recall, ax=ax)
        ax.set_title(f"{name}: AP50 {ap50:.3f}, {count} objects", loc="left", fontsize=9)
        if place % _COLUMNS:
            ax.set_ylabel("")
        if place + _COLUMNS < len(classes):
            ax.set_xlabel("")
    if not classes:
        panels[0].set_axis_off()
        panels[0].set_title("no test picture shows an object")
    return figure


def _ranked(
    test: datasets.SceneSet, found: Sequence[Detections], label: int
) -> tuple[Tensor, Tensor]:
    """The scores of one class in all pictures, and whether each found an object; (M,) both."""
    scores, correct = [torch.zeros(0)], [torch.zeros(0, dtype=torch.bool)]
    for each, target in zip(found, test.targets, strict=True):
        mine = each["labels"] == label
        boxes = target["boxes"][target["labels"] == label]
        match = metrics.match_detections(each["boxes"][mine], each["scores"][mine], boxes)
        scores.append(each["scores"][mine])
        correct.append(match >= 0)
    return torch.cat(scores), torch.cat(correct)


def _panels(count: int, height: float) -> tuple[Figure, list]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.2 * columns + 0.4, height * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in panels[count:]:
        ax.set_axis_off()
    return figure, list(panels[:count])


def _save(figure: Figure, path: Path) -> None:
    atomic_files.write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))
