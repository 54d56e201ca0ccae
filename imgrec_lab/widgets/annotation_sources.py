"""Where the annotator's pictures come from: a folder, a labelled data set, or a set in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image
from torch import Tensor

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Finding, Instance, Picture
from imgrec_lab.datasets import ImageSet, SceneSet, set_checks
from imgrec_lab.widgets.annotation_desk import AnnotationDesk, no_word_of_unused_classes

Source = str | os.PathLike | SceneSet | ImageSet
_NO_BOXES = "folder"  # the one format that says a class for each picture and no boxes


def open_desk(
    source: Source,
    *,
    classes: Sequence[str] | None = None,
    out: str | os.PathLike | None = None,
    format: str = "coco",
) -> AnnotationDesk:
    """Gather the pictures and what is marked on them; arguments as of ``widgets.annotator``.

    Raises:
        TypeError, ValueError: if there are no pictures, no classes, or no such format or folder.
    """
    formats = [name for name in annotations.FORMATS if name != _NO_BOXES]
    if format not in formats:
        raise ValueError(f"format must be one of {', '.join(formats)}; got {format!r}.")
    classes = set_checks.checked_classes(classes or ())
    if isinstance(source, SceneSet | ImageSet):
        classes = tuple(dict.fromkeys((*source.classes, *classes)))
        source = _on_disk(source, out, format)
    folder, out = Path(source), Path(source if out is None else out)
    if not folder.is_dir():
        raise ValueError(f"source must be a folder of pictures or a set in memory; got {source!r}.")
    theirs, ours = _format_of(folder, classes), _format_of(out, classes)
    images = annotations.picture_root(folder, theirs or format)
    known, fresh = AnnotationSet((), ()), ours in (None, _NO_BOXES)
    if not fresh:
        known = annotations.read(out, format=ours, images=images)
    elif theirs is not None:
        known = annotations.read(folder, format=theirs, images=images)
    format = format if fresh else ours
    known = _with_classes(_with_the_rest(known, images), classes, format)
    return AnnotationDesk(known, images=images, out=out, format=format, fresh=fresh)


def _format_of(folder: Path, classes: tuple[str, ...]) -> str | None:
    """The format of the labels there, None where there are none.

    With classes of one's own, folders below are places and no classes.
    """
    try:
        found = annotations.detect_format(folder)
    except ValueError:
        return None
    return None if found == _NO_BOXES and classes else found


def _with_the_rest(known: AnnotationSet, images: Path) -> AnnotationSet:
    """``known`` and, unless it is split, the pictures that it does not list.

    A file that is no picture becomes a finding.
    """
    pictures = list(known.pictures)
    findings = [item for item in known.findings if item.kind != "no-labels"]  # they are to come
    listed = {picture.file for picture in pictures}
    whole = set(known.splits()) <= {None}
    for file in annotations.find_pictures(images) if whole else ():
        if file in listed:
            continue
        try:
            height, width = annotations.picture_size(images / file)
        except ValueError as error:
            findings.append(Finding("unreadable", file, str(error), "Remove or replace it."))
        else:
            pictures.append(Picture(file, height, width))
    return AnnotationSet(tuple(pictures), known.classes, tuple(findings))


def _with_classes(known: AnnotationSet, classes: tuple[str, ...], format: str) -> AnnotationSet:
    """``known`` with further classes, in the order of ``classes`` where the format permits.

    YOLO's files hold numbers, which have to go on meaning the same; the others hold names.
    """
    first, then = (known.classes, classes) if format == "yolo" else (classes, known.classes)
    names = tuple(dict.fromkeys((*first, *then)))
    new_label = [names.index(name) for name in known.classes]
    pictures = [
        replace(p, instances=tuple(replace(i, label=new_label[i.label]) for i in p.instances))
        for p in known.pictures
    ]
    return AnnotationSet(tuple(pictures), names, known.findings)


def _on_disk(data: SceneSet | ImageSet, out: str | os.PathLike | None, format: str) -> Path:
    """The folder ``out`` with the set's pictures as PNG files and its labels, written once."""
    if out is None:
        raise ValueError("a set in memory needs out, the folder to write it to: out='my-labels'.")
    out = Path(out)
    labels = AnnotationSet(_pictures(data), data.classes)
    if _format_of(out, data.classes) is None:
        with tempfile.TemporaryDirectory() as folder:
            for picture, image in zip(labels.pictures, data.images, strict=True):
                _to_pillow(image).save(Path(folder) / picture.file)
            with no_word_of_unused_classes():
                annotations.write(labels, out, format=format, images=folder)
        return out
    there = len(annotations.read(out))
    if there != len(data):
        raise ValueError(
            f"out must be the folder of this set or a new one; {out} has {there} pictures, "
            f"{data.name} has {len(data)}. Choose another folder."
        )
    return out


def _pictures(data: SceneSet | ImageSet) -> tuple[Picture, ...]:
    """The set as values; a label of a whole picture becomes a box around all of it."""
    H, W = data.images.shape[2:]
    if isinstance(data, ImageSet):
        whole = (0.0, 0.0, float(W), float(H))
        marked = [(Instance(label, whole),) for label in data.labels.tolist()]
    else:
        marked = [annotations.instances_of(target) for target in data.targets]
    return tuple(Picture(f"{i:05d}.png", H, W, items) for i, items in enumerate(marked))


def _to_pillow(image: Tensor) -> Image.Image:
    """(C, H, W) uint8 -> a grey or colour picture."""
    pixels = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
