"""Image folders: one folder a class, perhaps below train, val and test; no label files."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from imgrec_lab.annotations import picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import PICTURE_FOLDERS, Sizes
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture

_LEVELS = ("train", "val", "test")


def recognises(path: Path) -> bool:
    """Whether ``path`` is a folder with pictures in folders that may be classes."""
    places = _places(picture_files.find_pictures(path)) if path.is_dir() else {}
    return any(not set(PICTURE_FOLDERS) & set(file.lower().split("/")) for file in places)


def read(path: Path, images: Path | None = None, sizes: Sizes | None = None) -> AnnotationSet:
    """Read which class each picture lies in; its box is the whole picture.

    Where there is a train, val or test level, pictures elsewhere become findings.
    """
    reader = Gathering(path, images, "folder", sizes)
    for file, (split, name) in _places(reader.pictures.files).items():
        try:
            reader.claim(file)
            height, width = reader.pictures.size(file)
            whole = Instance(reader.label(name), (0.0, 0.0, float(width), float(height)))
            reader.found[file] = Picture(file, height, width, (whole,), split)
        except BadRecord as error:
            reader.findings.append(error.found_in(file))
    return reader.result(alphabetical=True)


def _places(files: Iterable[str]) -> dict[str, tuple[str | None, str]]:
    """(split, class) of each picture that lies in a class's folder."""
    parts = {file: file.split("/") for file in files}
    levels = {p[0]: picture_files.split_name(p[0]) for p in parts.values() if len(p) > 2}
    levels = {folder: split for folder, split in levels.items() if split in _LEVELS}
    if levels:
        return {f: (levels[p[0]], p[1]) for f, p in parts.items() if len(p) > 2 and p[0] in levels}
    return {file: (None, p[0]) for file, p in parts.items() if len(p) > 1}


def homes(annotation_set: AnnotationSet) -> dict[str, str]:
    """Where each picture goes: ``<split>/<class>/``.

    Raises:
        ValueError: if a picture shows several classes or none, only some have a split, or a
            class name cannot be a folder's.
    """
    shown = [{item.label for item in picture.instances} for picture in annotation_set.pictures]
    none, several = shown.count(set()), sum(len(labels) > 1 for labels in shown)
    if none or several:
        raise ValueError(
            f"every picture must show exactly one class to go into its folder; {several} show "
            f"several and {none} show none. Choose another format, or leave them out."
        )
    if len(annotation_set.splits()) > 1 and None in annotation_set.splits():
        raise ValueError(
            "in an image folder either all pictures or none must have a split; "
            f"{sum(p.split is None for p in annotation_set.pictures)} have none. Give them one."
        )
    for name in annotation_set.classes:
        picture_files.check_folder_name(name, "a class name")
    return {
        picture.file: _home(picture, annotation_set.classes[labels.pop()])
        for picture, labels in zip(annotation_set.pictures, shown, strict=True)
    }


def _home(picture: Picture, name: str) -> str:
    """Folders that say only "pictures", the split or the class are left out of its own path."""
    *parents, file = picture.file.split("/")
    parents = [part for part in parents if part.lower() not in PICTURE_FOLDERS]
    if parents and picture.split and picture_files.split_name(parents[0]) == picture.split:
        del parents[0]
    if parents[:1] == [name]:
        del parents[0]
    return "/".join([*([picture.split] if picture.split else []), name, *parents, file])


def label_texts(
    annotation_set: AnnotationSet,
    folder: Path,
    only: Collection[str] | None,
    images: Path | None = None,
) -> dict[str, str]:
    """No files: where a picture lies is its label."""
    return {}
