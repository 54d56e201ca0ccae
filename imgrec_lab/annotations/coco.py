"""COCO: one JSON file a split, with images, annotations and categories.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from imgrec_lab.annotations import coco_files, coco_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.coco_files import LabelFile
from imgrec_lab.annotations.coco_writing import label_texts
from imgrec_lab.annotations.findings import Finding
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import Sizes
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture

__all__ = ["homes", "label_texts", "read", "recognises"]
homes = picture_files.own_names


def recognises(path: Path) -> bool:
    """Whether ``path`` is a COCO file, or a folder that holds some."""
    return path.suffix.lower() == ".json" if path.is_file() else bool(coco_files.find(path))


def read(path: Path, images: Path | None = None, sizes: Sizes | None = None) -> AnnotationSet:
    """Read one file, or all of a data set's; what cannot be used becomes findings.

    Raises:
        ValueError: if none of the files can be read.
    """
    reader, problems = _Reader(path, images, "coco", sizes), []
    folder = reader.folder
    files = coco_files.find(folder) if path.is_dir() else [coco_files.describe(path, folder)]
    if not files:
        raise ValueError(f"{path} holds no COCO file, such as annotations/instances_train.json.")
    for file in files:
        try:
            reader.add(file, coco_files.contents(file.path))
        except BadRecord as error:
            problems.append(error.found_in(file.name))
    if len(problems) == len(files):
        listed = "; ".join(f"{item.file} {item.reason}. {item.advice}" for item in problems)
        raise ValueError(f"{folder} holds no COCO labels that can be read: {listed}")
    reader.findings += problems
    return reader.result()


class _Image(NamedTuple):
    file: str
    height: int
    width: int


class _Reader(Gathering):
    """Gathers the records of several files; equal names of several files are one class."""

    def add(self, file: LabelFile, content: dict) -> None:
        """Read the records of one file."""
        label_of = self._categories(file, content["categories"])
        images = self._images(file, content)
        marked: dict[object, list[Instance]] = {key: [] for key in images}
        for number, record in enumerate(content["annotations"]):
            report = functools.partial(self._note, file, "annotation", record, number)
            try:
                key = _key(record, "image_id")
                if key not in images:
                    raise BadRecord(f"its image_id {key!r} is not listed", "Remove it.")
                if image := images[key]:
                    size = (image.height, image.width)
                    marked[key].append(coco_records.to_instance(record, label_of, size, report))
            except BadRecord as error:
                report(error)
        self._note_repeated_ids(file, content["annotations"])
        for key, image in images.items():
            if image:
                self.found[image.file] = Picture(*image, tuple(marked[key]), file.split)

    def _categories(self, file: LabelFile, records: Sequence[object]) -> dict[object, int]:
        """The label of each category id."""
        label_of: dict[object, int] = {}
        for number, record in enumerate(records):
            try:
                key, name = _key(record, "id"), record.get("name")
                if not isinstance(name, str) or not name.strip():
                    raise BadRecord(f"its name must be text; got {name!r}", "Name the class.")
                if key in label_of:
                    raise BadRecord(f"its id {key!r} came before", "Give each its own id.")
                label_of[key] = self.label(name.strip())
            except BadRecord as error:
                self._note(file, "category", record, number, error)
        return label_of

    def _images(self, file: LabelFile, content: dict) -> dict[object, _Image | None]:
        """The picture of each image id; None where it had to be left out."""
        prefix = coco_files.name_prefix(file, content, self.pictures)
        images: dict[object, _Image | None] = {}
        for number, record in enumerate(content["images"]):
            try:
                key = _key(record, "id")
                if key in images:
                    raise BadRecord(f"its id {key!r} came before", "Give each image its own id.")
                images[key] = None
                images[key] = self._image(record, prefix)
            except BadRecord as error:
                self._note(file, "image", record, number, error)
        return images

    def _image(self, record: dict, prefix: str) -> _Image:
        name = record.get("file_name")
        if not isinstance(name, str):
            raise BadRecord(f"its file_name must be text; got {name!r}", "Name the picture's file.")
        file = self.pictures.locate(name, prefix)
        self.claim(file)
        return _Image(file, *self.size(file, record.get("height"), record.get("width")))

    def _note_repeated_ids(self, file: LabelFile, records: Sequence[object]) -> None:
        keys = [record.get("id") for record in records if isinstance(record, dict)]
        times = Counter(key for key in keys if isinstance(key, int | str))
        if repeated := [key for key, number in times.items() if number > 1]:
            reason = f"{len(repeated)} annotation ids came more than once, such as {repeated[0]!r}"
            advice = "All were read; number them anew, since other readers keep one of each."
            self.findings.append(Finding("bad-record", file.name, reason, advice))

    def _note(
        self, file: LabelFile, what: str, record: object, number: int, error: BadRecord
    ) -> None:
        """Enter a bad record among the findings, by its id or else its place in the list."""
        key = record.get("id") if isinstance(record, dict) else None
        where = f"{what} number {number}" if key is None else f"{what} {key!r:.40}"
        self.findings.append(error.found_in(file.name, where))


def _key(record: object, name: str) -> int | str:
    if not isinstance(record, dict):
        raise BadRecord(f"must be an object; got {record!r:.60}", "Export the file again.")
    key = record.get(name)
    if not isinstance(key, int | str):
        raise BadRecord(f"its {name} must be a number; got {key!r:.60}", "Number it.")
    return key
