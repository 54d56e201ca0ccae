"""What a reader gathers on its way through the records: pictures, class names, findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.findings import Finding
from imgrec_lab.annotations.picture_files import PictureFolder, Sizes
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture


class Gathering:
    """The state of a reader of ``path``, a data set's folder or one file of labels.

    Attributes:
        folder: of the data set.
        pictures: the files that are there.
        found: the pictures read so far, by file.
        findings: what had to be left out so far.
        labels: by class name, numbered as they come.
    """

    def __init__(self, path: Path, images: Path | None, format: str, sizes: Sizes | None = None):
        self.folder = picture_files.data_folder(path)
        root = images or picture_files.picture_root(self.folder, format)
        self.pictures = PictureFolder(root, sizes)
        self.found: dict[str, Picture] = {}
        self.findings: list[Finding] = []
        self.labels: dict[str, int] = {}
        self._named: set[str] = set()
        self._whole = path.is_dir() or images is not None  # one file may label a part of them

    def label(self, name: str) -> int:
        """The label of a class name; a new one gets the next number.

        Raises:
            BadRecord: if no file of text could hold the name.
        """
        if name not in self.labels:
            bad_records.check_text(name, "a class name")
        return self.labels.setdefault(name, len(self.labels))

    def claim(self, file: str) -> None:
        """Note that a label names ``file``.

        Raises:
            BadRecord: if one did before, or the name cannot be written into labels.
        """
        if file in self._named:
            raise BadRecord(f"{file} was labelled before", "Keep one of the two.")
        self._named.add(file)
        bad_records.check_text(file, "the picture's name")
        if "\\" in file:  # unpacked from an archive of Windows
            raise BadRecord("the picture's name holds a backslash", "Unpack the set again.")

    def size(self, file: str, height: object, width: object) -> tuple[int, int]:
        """(height, width) as stated, or measured where that is missing or cannot be.

        Raises:
            BadRecord: if it has to be measured and the picture cannot be.
        """
        return bad_records.whole_size(height, width) or self.pictures.size(file)

    def result(self, *, alphabetical: bool = False) -> AnnotationSet:
        """All that was gathered, with a finding for each picture that no label names.

        Args:
            alphabetical: number the classes by name, where the format has no order of its own.
        """
        unnamed = [
            BadRecord("no label speaks of it", "Label it, or move it.", "no-labels").found_in(file)
            for file in self.pictures.files
            if self._whole and file not in self._named
        ]
        classes = sorted(self.labels) if alphabetical else list(self.labels)
        pictures = list(self.found.values())
        if classes != list(self.labels):
            place = {name: label for label, name in enumerate(classes)}
            renumbered = [place[name] for name in self.labels]
            pictures = [_relabelled(picture, renumbered) for picture in pictures]
        return AnnotationSet(pictures, classes, [*self.findings, *unnamed])


def _relabelled(picture: Picture, labels: list[int]) -> Picture:
    # Spelled out: dataclasses.replace takes five times as long, and there may be a million.
    instances = tuple(
        Instance(labels[i.label], i.box, i.polygons, i.rle, i.crowd, i.difficult, i.truncated)
        for i in picture.instances
    )
    return replace(picture, instances=instances)
