"""Labels of data sets: COCO, Pascal VOC, YOLO, CSV and image folders, read, checked and written.

Every format is read into the same values and written from them::

    cells = annotations.read("downloads/cells")            # the format is recognised
    print(cells, *cells.findings, sep="\\n")                # what is wrong is told, not dropped
    annotations.convert("downloads/cells", "cells-yolo", to="yolo")

The module of a format has four functions: ``recognises``, ``read``, ``homes`` (where pictures go)
and ``label_texts`` (what is written into which file). They say; this door looks after the disk.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from imgrec_lab import atomic_files
from imgrec_lab.annotations import (
    box_checks,
    box_table,
    class_folders,
    coco,
    format_limits,
    picture_files,
    rle_masks,
    voc,
    yolo,
)
from imgrec_lab.annotations.findings import KINDS, Finding
from imgrec_lab.annotations.format_limits import Feature
from imgrec_lab.annotations.picture_files import find_pictures, picture_root, picture_size
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture
from imgrec_lab.annotations.targets import instances_of, target_of

__all__ = [
    "FORMATS",
    "KINDS",
    "AnnotationSet",
    "Finding",
    "Instance",
    "Picture",
    "box_checks",
    "convert",
    "detect_format",
    "find_pictures",
    "instances_of",
    "picture_root",
    "picture_size",
    "read",
    "rle_masks",
    "target_of",
    "write",
    "write_labels",
]


class _Format(NamedTuple):
    """What sets a format apart, besides its module."""

    module: ModuleType
    pictures: str  # the folder that they go into
    labels: str  # where they lie
    holds: frozenset[Feature]


_BOXES: frozenset[Feature] = frozenset(
    {"boxes smaller than the picture", "boxes apart from their outline"}
)
_FORMATS = {
    "coco": _Format(
        coco, "images", "annotations/instances_<split>.json",
        _BOXES | {"outlines", "crowd marks", "classes without an instance"},
    ),
    "yolo": _Format(
        yolo, "images", "data.yaml or labels/<picture>.txt",
        frozenset({"boxes smaller than the picture", "outlines", "classes without an instance"}),
    ),
    "voc": _Format(
        voc, "JPEGImages", "Annotations/<picture>.xml",
        _BOXES | {"difficult marks", "truncated marks"},
    ),
    "csv": _Format(box_table, "images", "annotations.csv with columns file and label", _BOXES),
    "folder": _Format(class_folders, "", "<class>/<picture>", frozenset()),
}  # fmt: skip
FORMATS = tuple(_FORMATS)


def read(
    path: str | os.PathLike,
    *,
    format: str | None = None,
    images: str | os.PathLike | None = None,
    sizes: picture_files.Sizes | None = None,
) -> AnnotationSet:
    """Read the labels of a data set.

    Args:
        path: its folder, or one file of labels.
        format: one of ``FORMATS``; None recognises it.
        images: the folder that the labels' paths of pictures begin in; None takes
            ``picture_root``.
        sizes: (height, width) by file, of pictures that need not be measured again.

    Returns:
        what could be read; what is wrong with the rest is told in its ``findings``.

    Raises:
        ValueError: if there are no labels of this format, or none that can be read.
    """
    path, root = _existing(path), None if images is None else picture_files.expanded(images)
    if root is not None and not root.is_dir():
        raise ValueError(f"images must be the folder of pictures; there is no folder {root}.")
    chosen = _format(format or detect_format(path))
    return chosen.module.read(path, root, sizes)


def write(
    annotation_set: AnnotationSet,
    folder: str | os.PathLike,
    *,
    format: str,
    images: str | os.PathLike | None = None,
) -> Path:
    """Write a new data set folder, whole or not at all; warn of what the format cannot hold.

    Args:
        annotation_set: what to write.
        folder: it must not exist, or be empty.
        format: one of ``FORMATS``.
        images: the folder of its pictures, which are copied; None writes labels alone.

    Returns:
        the folder.

    Raises:
        ValueError: if the folder is not empty, pictures are missing, or the format cannot hold
            the set; nothing is written then.
    """
    chosen, folder = _format(format), picture_files.expanded(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"folder must be new or empty; {folder} is not. Choose another name.")
    _check_splits(annotation_set)
    homes = chosen.module.homes(annotation_set)
    moved = [replace(picture, file=homes[picture.file]) for picture in annotation_set.pictures]
    texts = chosen.module.label_texts(replace(annotation_set, pictures=moved), folder, None)
    copies = {} if images is None else _copies(images, homes, chosen.pictures)
    if chosen.module is class_folders and images is None:
        raise ValueError("an image folder is made of pictures: give images=, where they are.")
    _warn_of_losses(annotation_set, format)
    folder.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.fill_folder(folder, lambda temporary: _fill(temporary, texts, copies))
    return folder


def write_labels(
    annotation_set: AnnotationSet,
    folder: str | os.PathLike,
    *,
    format: str,
    only: Collection[str] | None = None,
    images: str | os.PathLike | None = None,
) -> None:
    """Write the label files of a data set whose pictures are in place, each whole or not at all.

    Labels go where the data set has them already. What reading had to leave out is gone from the
    files that are written; ``only`` leaves the labels of all other pictures untouched. A picture
    that is no longer in the set keeps its own label file (VOC, YOLO).

    Args:
        annotation_set: as ``read`` gives it, its pictures named relative to ``images``.
        folder: the data set's; it must exist.
        format: one of ``FORMATS`` but "folder", which has no label files.
        only: the ``file`` of each picture whose labels changed; None writes all.
        images: as of ``read``.

    Raises:
        ValueError: if the format cannot hold the set, ``only`` names other pictures, or what would
            be written over cannot be read; nothing is written then.
    """
    chosen, folder = _format(format), picture_files.expanded(folder)
    root = None if images is None else picture_files.expanded(images)
    if not folder.is_dir():
        raise ValueError(f"folder must be a data set's; there is no folder {folder}. Use write.")
    if chosen.module is class_folders:
        raise ValueError("an image folder has no label files; write the set anew, or as CSV.")
    _check_splits(annotation_set)
    unknown = set(only or ()) - {picture.file for picture in annotation_set.pictures}
    if unknown:
        raise ValueError(f"only must name files of pictures of the set; got {min(unknown)!r}.")
    texts = chosen.module.label_texts(annotation_set, folder, only, root)
    _warn_of_losses(annotation_set, format, only)
    for name, text in texts.items():
        path = folder / name
        if not (path.is_file() and path.read_bytes() == text.encode()):
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_files.write_text(path, text)


def convert(
    source: str | os.PathLike, target: str | os.PathLike, *, to: str, format: str | None = None
) -> AnnotationSet:
    """Write a data set as a new folder in another format, with its pictures where they are there.

    Warns of what reading found wrong and of what the new format has no place for.

    Args:
        source: the data set's folder, or one file of labels.
        target: the new folder; it must not exist, or be empty.
        to: one of ``FORMATS``.
        format: of ``source``; None recognises it.

    Returns:
        what was converted, with the findings of reading it.

    Raises:
        ValueError: as ``read`` and ``write``.
    """
    source = _existing(source)
    format = format or detect_format(source)
    annotation_set = read(source, format=format)
    if annotation_set.findings:
        kinds = Counter(finding.kind for finding in annotation_set.findings)
        listed = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
        warnings.warn(
            f"{source} was not read in full: {listed}. See .findings of what is returned.",
            stacklevel=2,
        )
    root = picture_root(source, format)
    write(annotation_set, target, format=to, images=root if find_pictures(root) else None)
    return annotation_set


def detect_format(path: str | os.PathLike) -> str:
    """The format of a data set's folder or of a file of labels: one of ``FORMATS``.

    Raises:
        ValueError: if it is none of them, with what was looked for.
    """
    path = _existing(path)
    for name, chosen in _FORMATS.items():
        if chosen.module.recognises(path):
            return name
    looked_for = "; ".join(f"{name}: {chosen.labels}" for name, chosen in _FORMATS.items())
    raise ValueError(
        f"{path} holds no labels of a known format. Looked for {looked_for}.{_hint(path)}"
    )


def _hint(path: Path) -> str:
    """Which folder in ``path`` may have been meant."""
    for folder in filter(Path.is_dir, sorted(path.glob("*"))):
        for name, chosen in _FORMATS.items():
            if chosen.module.recognises(folder):
                return f" {folder} looks like {name}."
    return ""


def _existing(path: str | os.PathLike) -> Path:
    path = picture_files.expanded(path)
    if not path.exists():
        raise ValueError(
            f"path must be a data set's folder or a file of labels; there is no {path}. "
            f"Looked from {Path.cwd()}."
        )
    return path


def _format(name: str) -> _Format:
    if name not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {name!r}.")
    return _FORMATS[name]


def _check_splits(annotation_set: AnnotationSet) -> None:
    """Splits become names of files and folders, whatever a table said."""
    for split in filter(None, annotation_set.splits()):
        picture_files.check_folder_name(split, "a split's name")


def _copies(images: str | os.PathLike, homes: Mapping[str, str], folder: str) -> dict[str, str]:
    """Where each picture file goes in the new data set."""
    images = picture_files.expanded(images)
    paths = {file: os.path.join(images, file) for file in homes}  # much faster than Path objects
    missing = [file for file, path in paths.items() if not os.path.isfile(path)]
    if missing:
        raise ValueError(
            f"images must hold all pictures of the set; {images} lacks {len(missing)} of "
            f"{len(homes)}, such as {missing[0]}."
        )
    return {paths[file]: f"{folder}/{home}".lstrip("/") for file, home in homes.items()}


def _fill(folder: Path, texts: Mapping[str, str], copies: Mapping[str, str]) -> None:
    for parent in {os.path.dirname(name) for name in [*texts, *copies.values()]}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    for source, name in copies.items():
        shutil.copyfile(source, os.path.join(folder, name))


def _warn_of_losses(known: AnnotationSet, format: str, only: Collection[str] | None = None) -> None:
    held = _FORMATS[format].holds
    if only is not None:  # of classes it was told when all was written
        held = held | {"classes without an instance"}
        known = replace(known, pictures=[p for p in known.pictures if p.file in only])
    lost = format_limits.losses(known, held)
    if lost:
        warnings.warn(
            f"{format} has no place for {', '.join(lost)}: they are left out.", stacklevel=3
        )
