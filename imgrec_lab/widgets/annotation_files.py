"""The label files below the annotator's desk, which others may write or remove meanwhile."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imgrec_lab import annotations
from imgrec_lab.annotations import AnnotationSet, Instance, Picture, picture_files, yolo_layout

NO_BOXES = "folder"  # the one format that says a class for each picture and no boxes
_SUFFIXES = {
    "coco": {".json"}, "voc": {".xml", ".txt"}, "yolo": {".txt", ".yaml", ".yml"}, "csv": {".csv"},
}  # fmt: skip


class LabelFiles:
    """Labels in the folder ``out``, in one format, of pictures below ``images``."""

    def __init__(self, images: Path, out: Path, format: str):
        self.images, self.out, self.format = images, out, format
        self._stamps: dict[str, tuple[int, ...]] | None = None  # as of the last ``write``

    def changed(
        self, pictures: Sequence[Picture], classes: tuple[str, ...]
    ) -> dict[str, tuple[Instance, ...] | None] | None:
        """What the files say by now, if others than ``write`` wrote or removed some.

        Args:
            pictures: those to look for; they are not measured again.
            classes: all that there are.

        Returns:
            None where nothing changed, else the instances of each picture by its file; where no
            labels are there at all, None for each.

        Raises:
            ValueError: if the pictures are gone, or the labels are in another format, have other
                classes or cannot be read.
        """
        if not self.images.is_dir():
            raise ValueError(f"the folder of pictures, {self.images}, must be there; it is gone")
        if self._stamps is not None and self._stamps == self._look():
            return None
        found = format_in(self.out) if self.out.is_dir() else None
        if found in (None, NO_BOXES):
            return dict.fromkeys(picture.file for picture in pictures)
        if found != self.format:
            raise ValueError(
                f"{self.out} must hold no labels but {self.format}; it has {found} by now. "
                "Run the cell again to go on from there"
            )
        return self._read(pictures, classes)

    def write(self, annotation_set: AnnotationSet, only: Collection[str]) -> None:
        """Save the labels of the pictures ``only``; raises OSError or ValueError if it cannot."""
        self.out.mkdir(parents=True, exist_ok=True)
        try:
            with no_word_of_unused_classes():
                annotations.write_labels(
                    annotation_set, self.out, format=self.format, only=only, images=self.images
                )
        finally:
            self._stamps = self._look()

    def _read(
        self, pictures: Sequence[Picture], classes: tuple[str, ...]
    ) -> dict[str, tuple[Instance, ...] | None]:
        sizes = {picture.file: (picture.height, picture.width) for picture in pictures}
        there = annotations.read(self.out, format=self.format, images=self.images, sizes=sizes)
        if self.format == "yolo" and yolo_layout.names_file(self.out) is None:
            there = replace(there, classes=classes[: len(there.classes)])  # by their numbers
        if unknown := set(there.classes) - set(classes):
            raise ValueError(
                f"the classes in {self.out} must be among {', '.join(classes)}; it has "
                f"{min(unknown)!r} by now. Run the cell again to go on from there"
            )
        there = with_classes(there, classes)
        return {picture.file: picture.instances for picture in there.pictures}

    def _look(self) -> dict[str, tuple[int, ...]]:
        stamps = {}
        for name in picture_files.find_files(self.out, _SUFFIXES[self.format]):
            with contextlib.suppress(OSError):  # removed just now
                stat = (self.out / name).stat()
                stamps[name] = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        return stamps


def format_in(folder: Path) -> str | None:
    """The format of the labels in a folder, None where there are none."""
    try:
        return annotations.detect_format(folder)
    except ValueError:
        return None


def with_classes(known: AnnotationSet, names: tuple[str, ...]) -> AnnotationSet:
    """``known`` under the class ``names``, which have all of its own, in whatever order."""
    new_label = [names.index(name) for name in known.classes]
    pictures = [
        replace(p, instances=tuple(replace(i, label=new_label[i.label]) for i in p.instances))
        for p in known.pictures
    ]
    return AnnotationSet(tuple(pictures), names, known.findings)


@contextlib.contextmanager
def no_word_of_unused_classes() -> Iterator[None]:
    """Write labels without a warning that some classes are not mentioned: they may be, one day."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*classes without an instance")
        yield
