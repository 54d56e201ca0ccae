"""Draw, move, label and delete boxes on your own pictures; reached as ``widgets.annotator``."""

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgrec_lab.datasets import ImageSet, SceneSet
from imgrec_lab.widgets import annotation_sources
from imgrec_lab.widgets.annotator_sliders import SliderAnnotator

if TYPE_CHECKING:
    from imgrec_lab.widgets.annotator_canvas import Annotator

CORE_WIDGETS = "IMGREC_CORE_WIDGETS"  # set to 1 where a page may load no JavaScript module


def annotator(
    source: str | os.PathLike | SceneSet | ImageSet,
    *,
    classes: Sequence[str] | None = None,
    out: str | os.PathLike | None = None,
    format: str = "coco",
    fallback: bool | None = None,
) -> "Annotator | SliderAnnotator":
    """Mark objects on pictures with boxes; each change is saved at once.

    Args:
        source: a folder of pictures, a data set folder, or a set in memory.
        classes: K names, added to those that the data set has.
        out: the data set folder to save labels in, and where those already there are gone on
            with; default ``source`` itself. A set in memory is written there as PNG files.
        format: of new labels: "coco", "voc", "yolo" or "csv"; a data set keeps its own.
        fallback: sliders of core ipywidgets instead of drawing; default only where the
            environment says ``IMGREC_CORE_WIDGETS=1`` or anywidget is missing.

    Returns:
        A widget; its ``desk.annotations`` are the labels so far.

    Raises:
        ValueError: if there is no picture, no class, or no such format.
    """
    desk = annotation_sources.open_desk(source, classes=classes, out=out, format=format)
    if fallback is None:
        missing = importlib.util.find_spec("anywidget") is None
        fallback = missing or os.environ.get(CORE_WIDGETS, "") not in ("", "0")
    if fallback:
        return SliderAnnotator(desk)
    from imgrec_lab.widgets.annotator_canvas import Annotator  # needs anywidget

    return Annotator(desk)
