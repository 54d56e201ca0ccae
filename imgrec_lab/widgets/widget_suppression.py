"""Many boxes and what non-maximum suppression keeps; reached as ``widgets.nms_explorer``."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from ipywidgets import HTML, Checkbox, FloatSlider, HBox
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from torch import Tensor

from imgrec_lab import box_ops, metrics, plots
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import PAGE_INCHES
from imgrec_lab.widgets.quick_pictures import Backdrop
from imgrec_lab.widgets.widget_parts import Panel, fixed_row, picture_widget, png

_COLORS = [plots.PALETTE[at] for at in (1, 4, 2, 3, 5)]  # of the kept boxes, in turn
MOST_NAMES = 20  # more could not be read


class Suppressed(NamedTuple):
    """What NMS made of the boxes above a score.

    Attributes:
        above: (P,) int64, indices of the detections with score enough, the surest first.
        kept: (R,) int64, those of them that stay, the surest first.
        keeper: (P,) int64, for each of ``above`` the place in ``kept`` of the box that dropped it;
            its own where it stays.
    """

    above: Tensor
    kept: Tensor
    keeper: Tensor


def suppress(
    detections: Detections, *, score_threshold: float, iou_threshold: float, by_class: bool = True
) -> Suppressed:
    """NMS that remembers which box dropped which.

    Args:
        detections: boxes, scores and labels of one picture.
        score_threshold: boxes below are left out first.
        iou_threshold: boxes that share more with a surer one are dropped.
        by_class: only boxes of one class drop each other.
    """
    scores = detections["scores"]
    order = scores.argsort(descending=True, stable=True)
    above = order[scores[order] >= score_threshold]  # (P,)
    boxes, labels = detections["boxes"][above], detections["labels"][above]
    groups = labels if by_class else torch.zeros_like(labels)
    stays = box_ops.nms(boxes, scores[above], labels=groups, iou_threshold=iou_threshold)  # (R,)
    drops = box_ops.iou(boxes, boxes[stays]).double() > iou_threshold  # (P, R)
    drops &= groups[:, None] == groups[stays]
    drops[stays] = torch.eye(len(stays), dtype=torch.bool)
    keeper = drops.int().argmax(dim=1) if len(stays) else stays  # the first that drops it
    return Suppressed(above, above[stays], keeper)


def nms_explorer(
    image: Tensor,
    detections: Detections,
    target: Target | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> Panel:
    """Move the two thresholds and see which boxes are left of many.

    Left all boxes above the score, each in the colour of the box that dropped it; right what
    stays, in brackets how many boxes each dropped.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        detections: before NMS, such as ``detect.predict(..., iou_threshold=1)`` gives.
        target: the true objects; then the sentence says how many are found.
        classes: K names, written on the boxes that stay.

    Returns:
        Panel with the parts ``score_threshold, iou_threshold, by_class, picture`` and ``message``.

    Raises:
        ValueError: if image, detections or classes do not fit.
    """
    detections = {key: detections[key].detach().cpu() for key in ("boxes", "scores", "labels")}
    if classes is not None:
        figures.check_labels(detections["labels"], classes)
    if target is not None:
        target = {key: value.detach().cpu() for key, value in target.items()}
    boxes, scores, labels = detections.values()
    box_ops.nms(boxes, scores, labels=labels)  # errors now, not at the first move
    backdrop, panel = Backdrop(image), _controls()
    parts = panel.parts

    def draw(change: dict | None = None) -> None:
        result = suppress(
            detections, score_threshold=parts.score_threshold.value,
            iou_threshold=parts.iou_threshold.value, by_class=parts.by_class.value,
        )  # fmt: skip
        parts.picture.value = png(_suppression_figure(backdrop, detections, result, classes))
        parts.message.value = _sentence(parts, detections, result, target)

    for control in (parts.score_threshold, parts.iou_threshold, parts.by_class):
        control.observe(draw, "value")
    draw()
    return panel


def _controls() -> Panel:
    parts = {
        "score_threshold": FloatSlider(value=0.3, max=1, step=0.01, description="score threshold"),
        "iou_threshold": FloatSlider(value=0.5, max=1, step=0.05, description="IoU threshold"),
        "by_class": Checkbox(value=True, description="each class by itself", indent=False),
    }
    for part in parts.values():
        part.layout.width, part.layout.flex = "320px", "0 0 auto"
        part.style.description_width = "108px"
    controls = HBox([*parts.values()], layout={"flex_flow": "row wrap"})
    picture, message = picture_widget(), HTML()
    return Panel([controls, picture, message], **parts, picture=picture, message=message)


def _suppression_figure(
    backdrop: Backdrop, detections: Detections, result: Suppressed, classes: Sequence[str] | None
) -> Figure:
    tall = min(backdrop.height / backdrop.width, 1.3)
    figure, axes = fixed_row(
        PAGE_INCHES, PAGE_INCHES / 2 * tall + 0.32, widths=(1, 1), left=0.003, right=0.997,
        bottom=0.003, wspace=0.02,
    )  # fmt: skip
    boxes, kept = detections["boxes"], result.kept
    colors = [_COLORS[at % len(_COLORS)] for at in range(len(kept))]
    backdrop.show(axes[0], f"before: {_count(len(result.above), 'box')}")
    _draw_outlines(axes[0], boxes[result.above], [colors[at] for at in result.keeper.tolist()])
    limited = f", the {MOST_NAMES} surest named" if len(kept) > MOST_NAMES else ""
    backdrop.show(axes[1], f"after: {_count(len(kept), 'box')}{limited}")
    _draw_outlines(axes[1], boxes[kept[MOST_NAMES:]], colors[MOST_NAMES:])
    names = _names(detections, result, classes)[:MOST_NAMES]
    plots.show_boxes(None, boxes[kept[:MOST_NAMES]], names, colors=colors[:MOST_NAMES], ax=axes[1])
    return figure


def _names(detections: Detections, result: Suppressed, classes: Sequence[str] | None) -> list[str]:
    """Class and score of the boxes that stay, and how many each dropped."""
    dropped = result.keeper.bincount(minlength=len(result.kept)) - 1
    labels, scores = (detections[key][result.kept].tolist() for key in ("labels", "scores"))
    return [
        f"{classes[label] if classes else f'class {label}'} {score:.2f}"
        + (f" (\N{MINUS SIGN}{count})" if count else "")
        for label, score, count in zip(labels, scores, dropped.tolist(), strict=True)
    ]


def _draw_outlines(ax: Axes, boxes: Tensor, colors: Sequence[str]) -> None:
    """Thousands of boxes at once, the surest on top."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) - 0.5  # imshow's centres
    ax.add_collection(
        PolyCollection(
            corners.flip(0).numpy(), facecolors="none", edgecolors=[*colors][::-1], lw=1
        ),
        autolim=False,
    )


def _sentence(
    parts: SimpleNamespace, detections: Detections, result: Suppressed, target: Target | None
) -> str:
    above, kept = len(result.above), len(result.kept)
    words = (
        f"<b>{_count(above, 'box')}</b> of score {parts.score_threshold.value:.2f} or more; NMS "
        f"keeps <b>{kept:,}</b> and drops {above - kept:,}."
    )
    return words if target is None else f"{words} {_verdict(detections, result.kept, target)}"


def _verdict(detections: Detections, kept: Tensor, target: Target) -> str:
    """How many objects are found, and how many of the boxes are second ones or wrong."""
    found = {key: detections[key][kept] for key in ("boxes", "scores", "labels")}
    labels = torch.cat([found["labels"], target["labels"]])
    num_classes = 1 + int(labels.max()) if len(labels) else 1
    counts = metrics.detection_errors([found], [target], num_classes=num_classes).counts
    right, second, ignored = counts["correct"], counts["duplicate"], counts["ignored"]
    crowd = target.get("crowd", torch.zeros(len(target["labels"]), dtype=torch.bool))
    return (
        f"<b>{right} of {int((~crowd).sum())}</b> objects found; second boxes for one object: "
        f"{second}; other wrong boxes: {len(kept) - right - second - ignored}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 'es'}"
