"""What lesson 07 measures and looks at: windows with a given number of signs, and answers to them.

Everything that the lesson teaches is in ``detect``, ``box_ops`` and ``metrics``; this is the stage.
"""

import textwrap
from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from imgrec_lab import augment, box_ops, detect, metrics, plots
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.datasets import SceneSet
from imgrec_lab.metrics import DetectionErrors
from imgrec_lab.plots import figures

_WINDOW = 64  # pixels


def windows_with(scenes: SceneSet, count: int, *, seed: int, draws: int = 1) -> SceneSet:
    """Windows of 64 x 64 pixels out of ``scenes`` in which exactly ``count`` signs are, uncut.

    Args:
        scenes: whole streets.
        count: signs in each window.
        seed: of the places.
        draws: windows tried in each street.
    """
    kept_images, kept_targets = [], []
    cut = augment.Windows((_WINDOW, _WINDOW), background=float(count == 0), min_visibility=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(draws):
            images, targets = cut(scenes.images, scenes.targets)
            good = [i for i, target in enumerate(targets) if _holds(target, count)]
            kept_images.append(images[good])
            kept_targets += [targets[i] for i in good]
    return SceneSet(
        torch.cat(kept_images).contiguous(), kept_targets, scenes.classes,
        f"{scenes.name}, windows with {count}",
    )  # fmt: skip


def _holds(target: Target, count: int) -> bool:
    boxes = target["boxes"]
    uncut = (boxes > 0).all() and (boxes < _WINDOW).all()
    return len(boxes) == count and bool(uncut)


def four_questions(image: Tensor, target: Target, classes: Sequence[str]) -> list[Axes]:
    """One picture under four questions, with the true answer to each."""
    names = [classes[label] for label in target["labels"]]
    largest = int(box_ops.area(target["boxes"]).argmax())
    boxes = target["boxes"]
    axes = figures.row_of_pictures(4)
    kinds = ", ".join(sorted(set(names)))
    for ax, title in zip(axes, ("recognise", "localise", "detect", "segment"), strict=True):
        plots.show_boxes(image, boxes[:0], title=title, ax=ax)
    _caption(axes[0], f"signs? yes; which? {kinds}")
    plots.show_boxes(None, boxes[[largest]], names[largest : largest + 1], ax=axes[1])
    _caption(axes[1], "the main sign is here")
    plots.show_boxes(None, boxes, names, ax=axes[2])
    _caption(axes[2], f"{len(names)} signs, each here")
    plots.show_boxes(None, boxes, masks=target["masks"], colors=plots.VERMILLION, ax=axes[3])
    _caption(axes[3], "and these are their pixels")
    return axes


def side_by_side(
    localiser: nn.Module, scenes: SceneSet, rows: Sequence[int], title: str = ""
) -> list[Axes]:
    """Windows with the truth, dashed, and the one box that a localiser answers with."""
    images = scenes.images[list(rows)]
    answers = detect.predict(localiser, images, score_threshold=0)
    axes = figures.row_of_pictures(len(answers))
    for ax, row, answer in zip(axes, rows, answers, strict=True):
        target = scenes.targets[row]
        name = f"{scenes.classes[answer['labels'][0]]} {answer['scores'][0]:.2f}"
        plots.show_boxes(scenes.images[row], target["boxes"], colors="white", linestyle="--", ax=ax)
        plots.show_boxes(None, answer["boxes"], [name], colors=plots.BLUE, ax=ax)
    axes[0].set_title(title, loc="left", fontsize=11)
    return axes


def best_iou(localiser: nn.Module, scenes: SceneSet) -> Tensor:
    """Mean IoU of a localiser's box with that sign of the window which it fits best."""
    answers = detect.predict(localiser, scenes.images, score_threshold=0)
    best = [
        box_ops.iou(answer["boxes"], target["boxes"]).max()
        for answer, target in zip(answers, scenes.targets, strict=True)
    ]
    return torch.stack(best).mean()


def class_bars(average_precision: Tensor, classes: Sequence[str]) -> Axes:
    """AP50 of each class, the worst first."""
    order = average_precision.argsort().tolist()
    ax = figures.new_axes(None, 6.0, 0.6 + 0.24 * len(order))
    values = [float(average_precision[label]) for label in order]
    bars = ax.barh([classes[label] for label in order], values, color=plots.BLUE)
    ax.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=8)
    ax.set_xlim(0, 1.08)
    figures.frame(ax, "AP50 of each class", "AP50 (fraction)", "class")
    return ax


def examples_of_errors(
    found: Sequence[Detections],
    errors: DetectionErrors,
    scenes: SceneSet,
) -> list[Axes]:
    """The surest wrong box of each kind, and one sign that was missed, with what is round it."""
    shown = []
    for kind in metrics.ErrorKind:
        name = kind.name.lower()
        if name in ("correct", "ignored"):
            continue
        places = _missed(errors) if name == "missed" else _surest(found, errors, kind)
        if places:
            shown.append((name, *places[0]))
    axes = figures.row_of_pictures(len(shown))
    for ax, (name, picture, at) in zip(axes, shown, strict=True):
        image, target = scenes.images[picture], scenes.targets[picture]
        box = target["boxes"][at] if name == "missed" else found[picture]["boxes"][at]
        plots.show_boxes(image, target["boxes"], colors="white", linestyle="--", ax=ax)
        text = _sentence(name, found[picture], target, at, scenes.classes)
        if name != "missed":
            plots.show_boxes(None, box[None], colors=plots.VERMILLION, ax=ax)
        _zoom(ax, box, image.shape[1:])
        ax.set_title(name, loc="left", fontsize=11)
        _caption(ax, text)
    return axes


def _surest(
    found: Sequence[Detections], errors: DetectionErrors, kind: metrics.ErrorKind
) -> list[tuple[int, int]]:
    """(picture, place in its list) of the boxes of one kind, the surest first."""
    places = [
        (float(found[picture]["scores"][at]), picture, at)
        for picture, kinds in enumerate(errors.kinds)
        for at in (kinds == kind).nonzero().flatten().tolist()
    ]
    return [(picture, at) for _, picture, at in sorted(places, reverse=True)]


def _missed(errors: DetectionErrors) -> list[tuple[int, int]]:
    return [(picture, at) for picture, lost in enumerate(errors.missed) for at in lost.tolist()]


def _sentence(kind: str, found: Detections, target: Target, at: int, classes: Sequence[str]) -> str:
    if kind == "missed":
        return f"{classes[target['labels'][at]]}: nobody answers"
    said = f"{classes[found['labels'][at]]} {found['scores'][at]:.2f}"
    overlaps = box_ops.iou(found["boxes"][at][None], target["boxes"])[0]
    if kind == "background" or not len(overlaps):
        return f"{said}: nothing there"
    nearest = int(overlaps.argmax())
    return f"{said}, is {classes[target['labels'][nearest]]}, IoU {overlaps[nearest]:.2f}"


def _caption(ax: Axes, text: str) -> None:
    columns = len(ax.figure.axes)
    lines = "\n".join(textwrap.wrap(text, 120 // columns))  # as many letters as fit beneath it
    ax.text(0, -0.04, lines, transform=ax.transAxes, fontsize=8, va="top")


def _zoom(ax: Axes, box: Tensor, image_size: Sequence[int]) -> None:
    """Show a square of at least 48 pixels round a box, moved into the picture."""
    half = max(24.0, float((box[2:] - box[:2]).max()))
    middle = ((box[:2] + box[2:]) / 2).tolist()  # x, y
    x, y = (
        min(max(at, half), side - half) - 0.5
        for at, side in zip(middle, reversed(image_size), strict=True)
    )
    ax.set_xlim(x - half, x + half)
    ax.set_ylim(y + half, y - half)
