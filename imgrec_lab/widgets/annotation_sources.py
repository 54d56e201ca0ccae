"""Where the annotator's pictures come from: a folder, a labelled data set, or a set in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from imgrec_lab import annotations
from imgrec_lab.annotations import (
    AnnotationSet,
    Finding,
    Instance,
    Picture,
    bad_records,
    picture_files,
)
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.datasets import ImageSet, SceneSet, set_checks
from imgrec_lab.widgets import annotation_files
from imgrec_lab.widgets.annotation_desk import AnnotationDesk
from imgrec_lab.widgets.annotation_files import NO_BOXES

Source = str | os.PathLike | SceneSet | ImageSet
_NAMED_AFTER_PICTURES = ("yolo", "voc")  # whose label files are


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
    formats = [name for name in annotations.FORMATS if name != NO_BOXES]
    if format not in formats:
        raise ValueError(f"format must be one of {', '.join(formats)}; got {format!r}.")
    classes = set_checks.checked_classes(classes or ())
    if isinstance(source, SceneSet | ImageSet):
        classes = tuple(dict.fromkeys((*source.classes, *classes)))
        source = _on_disk(source, out, format)
    folder, out = Path(source), Path(source if out is None else out)
    if not folder.is_dir():
        raise ValueError(f"source must be a folder of pictures or a set in memory; got {source!r}.")
    _check_not_among_classes(folder, out, classes)
    theirs, ours = _format_of(folder, classes), _format_of(out, classes)
    images = annotations.picture_root(folder, theirs or format)
    known, fresh = AnnotationSet((), ()), ours in (None, NO_BOXES)
    if not fresh:
        known = annotations.read(out, format=ours, images=images)
    elif theirs is not None:
        known = annotations.read(folder, format=theirs, images=images)
    format = format if fresh else ours
    known = _with_classes(_with_the_rest(known, images), classes, format)
    _check_names(known, format)
    return AnnotationDesk(known, images=images, out=out, format=format)


def _format_of(folder: Path, classes: tuple[str, ...]) -> str | None:
    """The format of the labels there, None where there are none.

    With classes of one's own, folders below are places and no classes.
    """
    found = annotation_files.format_in(folder)
    return None if found == NO_BOXES and classes else found


def _check_not_among_classes(folder: Path, out: Path, classes: tuple[str, ...]) -> None:
    """Labels saved among folders that stand for classes would look like one more class."""
    if not out.resolve().is_relative_to(folder.resolve()) or _format_of(folder, ()) != NO_BOXES:
        return
    names = {name for file in annotations.find_pictures(folder) for name in file.split("/")[:-1]}
    if named := sorted(names & set(classes) if classes else names):
        raise ValueError(
            f"labels must not lie among folders that stand for classes; {folder} has "
            f"{', '.join(named[:6])}. Save them elsewhere: out='my-labels'. If its folders are no "
            "classes, name classes= that no folder bears."
        )


def _check_names(known: AnnotationSet, format: str) -> None:
    """Two pictures must not share a label file."""
    if format in _NAMED_AFTER_PICTURES:
        try:
            picture_files.unique_stems(known.pictures)
        except ValueError as error:
            raise ValueError(
                f"{error} Here that is format='coco', with a new out= where there are labels."
            ) from error


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
            _check_name(file)
            height, width = annotations.picture_size(images / file)
        except BadRecord as error:
            findings.append(error.found_in(file))
        except ValueError as error:
            findings.append(Finding("unreadable", file, str(error), "Remove or replace it."))
        else:
            pictures.append(Picture(file, height, width))
    return AnnotationSet(tuple(pictures), known.classes, tuple(findings))


def _check_name(file: str) -> None:
    """Raise BadRecord if labels cannot name the picture."""
    bad_records.check_text(file, "the picture's name")
    if "\\" in file:
        raise BadRecord("the picture's name holds a backslash", "Rename it.")


def _with_classes(known: AnnotationSet, classes: tuple[str, ...], format: str) -> AnnotationSet:
    """``known`` with further classes, in the order of ``classes`` where the format permits.

    YOLO's files hold numbers, which have to go on meaning the same; the others hold names.
    """
    first, then = (known.classes, classes) if format == "yolo" else (classes, known.classes)
    names = tuple(dict.fromkeys((*first, *then)))
    return annotation_files.with_classes(known, names)


def _on_disk(data: SceneSet | ImageSet, out: str | os.PathLike | None, format: str) -> Path:
    """The folder ``out`` with the set's pictures as PNG files and its labels, written once."""
    if out is None:
        raise ValueError("a set in memory needs out, the folder to write it to: out='my-labels'.")
    out = Path(out)
    labels = AnnotationSet(_pictures(data), data.classes)
    there = _format_of(out, data.classes)
    if there is None:
        with tempfile.TemporaryDirectory() as folder:
            for picture, image in zip(labels.pictures, data.images, strict=True):
                _to_pillow(image).save(Path(folder) / picture.file)
            with annotation_files.no_word_of_unused_classes():
                annotations.write(labels, out, format=format, images=folder)
        return out
    if not _holds(annotations.picture_root(out, there), labels.pictures, data.images):
        raise ValueError(
            f"out must be the folder of this set or a new one; {out} holds other pictures than "
            f"the {len(data)} of {data.name!r}. Choose another folder."
        )
    return out


def _holds(folder: Path, pictures: Sequence[Picture], images: Tensor) -> bool:
    """Whether the pictures in ``folder`` are these and no others, pixel by pixel."""
    files = [picture.file for picture in pictures]
    return annotations.find_pictures(folder) == files and all(
        _pixels(folder / file) == _to_pillow(image).tobytes()
        for file, image in zip(files, images, strict=True)
    )


def _pixels(file: Path) -> bytes:
    try:
        with Image.open(file) as picture:
            return picture.tobytes()
    except OSError:  # damaged since
        return b""


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
