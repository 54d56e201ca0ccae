"""What a detector found on a picture, held against the truth; ``plots.detections``."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor

from imgrec_lab import metrics
from imgrec_lab.plots import figures
from imgrec_lab.plots.box_plots import show_boxes
from imgrec_lab.plots.figures import BLUE, MUTED, VERMILLION, YELLOW

_RIGHT_LOOK, _WRONG_LOOK, _MISSED_LOOK = (BLUE, "-"), (VERMILLION, "-."), (YELLOW, "--")
_LOOKS = {"correct": _RIGHT_LOOK, "ignored": (MUTED, ":")}


def detections(
    image: Tensor,
    detections: Mapping[str, Tensor],
    target: Mapping[str, Tensor] | None,
    classes: Sequence[str],
    *,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.3,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """A picture with what was found rightly (solid), wrongly (dash-dot) and not at all (dashed).

    A box is right where its class is and it overlaps an object that no surer box has taken; a wrong
    one bears the kind of its error, as in ``metrics.detection_errors``. Missed is every object that
    no right box is on; there it is one that no mended class or location would find either.

    Args:
        image: (C, H, W) uint8, or float in [0, 1].
        detections: boxes (M, 4) xyxy pixels, scores (M,) and labels (M,); masks (M, H, W) bool
            are drawn where there are any.
        target: boxes and labels of the true objects, perhaps ``crowd``, whose objects are not
            counted; None where the truth is not known: then all boxes are solid, a colour a class.
        classes: K names.
        iou_threshold: the least overlap of a right box.
        score_threshold: boxes below are left out.

    Raises:
        ValueError: if a label is out of range, or shapes do not fit.
    """
    chosen = torch.as_tensor(detections["scores"]).detach().cpu() >= score_threshold  # (M,)
    keys = [key for key in ("boxes", "scores", "labels", "masks") if key in detections]
    found = {key: detections[key].detach().cpu()[chosen] for key in keys}
    figures.check_labels(found["labels"], classes)
    names = [
        f"{classes[label]} {score:.2f}"
        for label, score in zip(found["labels"].tolist(), found["scores"].tolist(), strict=True)
    ]
    masks = found.get("masks")
    if target is None:
        title = title or f"{len(names)} found"
        return show_boxes(image, found["boxes"], names, masks=masks, title=title, ax=ax)
    kinds, missed = _judge(found, target, len(classes), iou_threshold)
    names = [
        name if kind in _LOOKS else f"{name} ({kind})"
        for name, kind in zip(names, kinds, strict=True)
    ]
    truth = {key: target[key].detach().cpu()[missed] for key in ("boxes", "labels")}
    names += [f"missed: {classes[label]}" for label in truth["labels"].tolist()]
    looks = [_LOOKS.get(kind, _WRONG_LOOK) for kind in kinds] + [_MISSED_LOOK] * len(missed)
    if masks is not None:  # a missed object has none
        masks = torch.cat([masks, masks.new_zeros(len(missed), *masks.shape[1:])])
    right, ignored = kinds.count("correct"), kinds.count("ignored")
    counts = f"{right} right, {len(kinds) - right - ignored} wrong, {len(missed)} missed"
    return show_boxes(
        image, torch.cat([found["boxes"], truth["boxes"]]), names, masks=masks,
        colors=[color for color, _ in looks], linestyle=[style for _, style in looks],
        title=title or counts, ax=ax,
    )  # fmt: skip


def _judge(
    found: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    num_classes: int,
    iou_threshold: float,
) -> tuple[list[str], Tensor]:
    """The kind of each box found, and the objects (R,) that no right box is on."""
    errors = metrics.detection_errors(
        [found], [target], num_classes=num_classes, iou_threshold=iou_threshold,
        background_threshold=min(0.1, iou_threshold),
    )  # fmt: skip
    kinds = [metrics.ErrorKind(kind).name.lower() for kind in errors.kinds[0].tolist()]
    left = ~target.get("crowd", torch.zeros(len(target["labels"]), dtype=torch.bool)).cpu()
    left[errors.objects[0][errors.kinds[0] == metrics.ErrorKind.CORRECT]] = False
    return kinds, left.nonzero()[:, 0]
