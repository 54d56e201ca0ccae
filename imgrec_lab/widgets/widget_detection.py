"""The detections of one class in their order, one by one; ``widgets.precision_recall_explorer``."""

import html
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from ipywidgets import HTML, Dropdown, FloatSlider, HBox, IntSlider
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from imgrec_lab import box_ops, metrics, plots
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.metrics import ErrorKind, PrecisionRecall
from imgrec_lab.plots.figures import INK, PAGE_INCHES
from imgrec_lab.widgets.quick_pictures import Backdrop
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png

_AROUND = 0.75  # of the longer side of the boxes: how much of the picture is shown beside them
_RIGHT, _WRONG, _TRUTH = plots.BLUE, plots.VERMILLION, plots.PALETTE[6]


class RankedBox(NamedTuple):
    """One detection, and the object of its class in its picture that it overlaps most."""

    score: float
    picture: int
    box: Tensor  # (4,) xyxy pixels
    correct: bool
    iou: float  # 0 where there is no object
    object_box: Tensor | None  # (4,)


class RankedClass(NamedTuple):
    """All counted detections of a class, the surest first, and the curve that they make."""

    boxes: list[RankedBox]
    curve: PrecisionRecall
    num_objects: int


def rank_class(
    detections: Sequence[Detections],
    targets: Sequence[Target],
    *,
    label: int,
    num_classes: int,
    iou_threshold: float = 0.5,
) -> RankedClass:
    """Match one class in every picture, and put its detections of all pictures in one order.

    Args:
        detections, targets: one a picture, on the CPU; groups (``crowd``) and what lies in them do
            not count.
        label: the class, 0..K-1.
        num_classes: K.
        iou_threshold: the least overlap of a right box.

    Raises:
        ValueError: if detections and targets do not fit each other.
    """
    errors = metrics.detection_errors(
        detections, targets, num_classes=num_classes, iou_threshold=iou_threshold
    )
    boxes, num_objects = [], 0
    for picture, (found, truth) in enumerate(zip(detections, targets, strict=True)):
        kinds = errors.kinds[picture]  # (M,)
        objects = truth["boxes"][(truth["labels"] == label) & ~_crowd(truth)]  # (Q, 4)
        num_objects += len(objects)
        counted = (found["labels"] == label) & (kinds != ErrorKind.IGNORED)
        for place in counted.nonzero()[:, 0].tolist():
            ious = box_ops.iou(found["boxes"][place][None], objects)[0]  # (Q,)
            best = int(ious.argmax()) if len(objects) else None
            boxes.append(
                RankedBox(
                    found["scores"][place].item(), picture, found["boxes"][place],
                    bool(kinds[place] == ErrorKind.CORRECT),
                    0.0 if best is None else ious[best].item(),
                    None if best is None else objects[best],
                )
            )  # fmt: skip
    boxes.sort(key=lambda box: -box.score)  # of equals the first picture stays first
    scores = torch.tensor([box.score for box in boxes])
    correct = torch.tensor([box.correct for box in boxes], dtype=torch.bool)
    return RankedClass(boxes, metrics.precision_recall(scores, correct, num_objects), num_objects)


def precision_recall_explorer(
    detections: Sequence[Detections],
    targets: Sequence[Target],
    *,
    classes: Sequence[str],
    images: Sequence[Tensor] | None = None,
) -> Panel:
    """Go through the detections of a class, the surest first, and see the curve grow.

    Args:
        detections, targets: one a picture.
        classes: K names.
        images: the pictures, (C, H, W) uint8 or float in [0, 1] each; without them only the
            curve is drawn.

    Returns:
        Panel with the parts ``label, iou_threshold, rank, picture`` and ``message``; ``label`` has
        the classes of which there is an object or a detection.

    Raises:
        ValueError: if the three do not fit each other, or nothing is there and nothing found.
    """
    detections, targets = _on_cpu(detections), _on_cpu(targets)
    if images is not None and len(images) != len(targets):
        raise ValueError(
            f"images must be one for each of {len(targets)} targets; got {len(images)}."
        )
    metrics.detection_errors(detections, targets, num_classes=len(classes))  # errors now
    panel = _controls(_present(detections, targets), classes)
    parts, state = panel.parts, SimpleNamespace(ranked=None)

    def draw(change: dict | None = None) -> None:
        ranked, place = state.ranked, parts.rank.value - 1
        image = images[ranked.boxes[place].picture] if images is not None and ranked.boxes else None
        name = classes[parts.label.value]
        parts.picture.value = png(_figure(ranked, place, image, name))
        parts.message.value = _sentence(ranked, place, name, parts.iou_threshold.value)

    def choose(change: dict | None = None) -> None:
        state.ranked = rank_class(
            detections, targets, label=parts.label.value, num_classes=len(classes),
            iou_threshold=parts.iou_threshold.value,
        )  # fmt: skip
        parts.rank.unobserve(draw, "value")  # a shorter list moves it, one picture is drawn
        parts.rank.max = max(1, len(state.ranked.boxes))
        parts.rank.description = f"box (of {len(state.ranked.boxes):,})"
        parts.rank.observe(draw, "value")
        draw()

    parts.label.observe(choose, "value")
    parts.iou_threshold.observe(choose, "value")
    choose()
    return panel


def _on_cpu(pictures: Sequence[Detections] | Sequence[Target]) -> list[dict[str, Tensor]]:
    return [{key: value.detach().cpu() for key, value in each.items()} for each in pictures]


def _crowd(target: Target) -> Tensor:
    return target.get("crowd", torch.zeros(len(target["labels"]), dtype=torch.bool))


def _present(detections: Sequence[Detections], targets: Sequence[Target]) -> list[int]:
    labels = torch.cat([each["labels"] for each in (*detections, *targets)] or [torch.zeros(0)])
    if not len(labels):
        raise ValueError("detections and targets must hold one box at least; got none.")
    return labels.unique().tolist()


def _controls(labels: Sequence[int], classes: Sequence[str]) -> Panel:
    parts = {
        "label": Dropdown(options=[(classes[label], label) for label in labels],
                          description="class"),
        "iou_threshold": FloatSlider(value=0.5, min=0.5, max=0.95, step=0.05,
                                     description="IoU threshold"),
        "rank": IntSlider(value=1, min=1, max=1),
    }  # fmt: skip
    for part, (width, label) in zip(
        parts.values(), ((230, 46), (280, 96), (380, 104)), strict=True
    ):
        part.layout.width, part.layout.flex = f"{width}px", "0 0 auto"
        part.style.description_width = f"{label}px"
    picture, message = picture_widget(), HTML()
    controls = HBox([*parts.values()], layout={"flex_flow": "row wrap"})
    return Panel([controls, picture, message], **parts, picture=picture, message=message)


# ------------------------------------------------------------------------------------------ figure


def _figure(ranked: RankedClass, place: int, image: Tensor | None, name: str) -> Figure:
    """Left the detection in its picture, right the curve up to it."""
    widths = (1,) if image is None else (0.82, 1)
    figure, axes = fixed_row(
        PAGE_INCHES, 3.9, widths=widths, left=0.075 if image is None else 0.003, bottom=0.14,
        wspace=0.2,
    )  # fmt: skip
    *left, right = figure.axes
    if left:
        _show_box(left[0], ranked.boxes[place], image)
    so_far = slice(0, place + 1)
    precision, recall = ranked.curve.precision[so_far], ranked.curve.recall[so_far]
    if ranked.num_objects:
        area = metrics.average_precision(precision, recall)
        title = f"{name}: average precision so far {area:.3f}"
    else:  # recall is not defined
        recall, title = torch.zeros_like(precision), f"{name}: there is none to find"
    plots.precision_recall(precision, recall, title=title, ax=right)
    right.plot(recall[-1:], precision[-1:], "D", color=INK, ms=6, mec="white", clip_on=False)
    return figure


def _show_box(ax: Axes, ranked: RankedBox, image: Tensor) -> None:
    """The detection and the nearest object, with some of the picture around them."""
    Backdrop(image, most_px=900).show(ax, f"picture {ranked.picture}, score {ranked.score:.2f}")
    seen = ranked.object_box is not None and ranked.iou > 0
    both = torch.stack([ranked.box, ranked.object_box] if seen else [ranked.box])  # (1 or 2, 4)
    first, last = both[:, :2].amin(dim=0), both[:, 2:].amax(dim=0)
    half = (last - first).max() * (0.5 + _AROUND)
    most = torch.tensor(image.shape[:0:-1]) - half  # (W, H): the view stays inside where it can
    middle = ((first + last) / 2).minimum(most).maximum(half.expand(2))
    (left, top), (right, bottom) = (middle - half).tolist(), (middle + half).tolist()
    ax.set(xlim=(left, right), ylim=(bottom, top))
    look = ("right", _RIGHT, "-") if ranked.correct else ("wrong", _WRONG, "-.")
    names, colors, styles = [f"found, {look[0]}", "true"], [look[1], _TRUTH], [look[2], "--"]
    count = len(both)
    plots.show_boxes(
        None, both, names[:count], colors=colors[:count], linestyle=styles[:count], ax=ax
    )


def _sentence(ranked: RankedClass, place: int, name: str, iou_threshold: float) -> str:
    """Why this detection is right or wrong, and what precision and recall are up to here."""
    name = html.escape(name)
    if not ranked.boxes:
        return f"No {name} was found; there are {ranked.num_objects:,}."
    box, taken = ranked.boxes[place], place + 1
    right = sum(each.correct for each in ranked.boxes[:taken])
    verdict = f"IoU {box.iou:.2f} with a {name}: "
    if box.correct:
        verdict += "<b>right</b>"
    elif box.iou >= iou_threshold:
        verdict += "<b>wrong</b>, a surer box has that one already"
    elif box.iou:
        verdict += f"<b>wrong</b>, below {iou_threshold:.2f}"
    else:
        verdict = f"no {name} is there: <b>wrong</b>"
    recall = f"{right:,} / {ranked.num_objects:,}"
    recall += f" = {right / ranked.num_objects:.3f}" if ranked.num_objects else ", not defined"
    return (
        f"Box {taken:,} of {len(ranked.boxes):,}, score {box.score:.2f}: {verdict}.<br>"
        f"So far: precision {right:,} / {taken:,} = <b>{right / taken:.3f}</b>, "
        f"recall <b>{recall}</b>."
    )
