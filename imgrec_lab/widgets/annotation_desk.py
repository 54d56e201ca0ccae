"""The desk that pictures are labelled on: boxes, undo and redo, and labels saved after each change.

It knows no widget. The annotator's two shells, and a test, call the same few methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from imgrec_lab.annotations import AnnotationSet, Instance, Picture
from imgrec_lab.annotations.records import Box
from imgrec_lab.widgets.annotation_files import LabelFiles

SMALLEST_PX = 2  # a box with a shorter side was meant as a click


class Change(NamedTuple):
    """What one action did to one picture."""

    index: int
    before: tuple[Instance, ...]
    after: tuple[Instance, ...]


class AnnotationDesk:
    """The pictures of one data set, one of them in front, and the boxes marked on each.

    Every change is saved at once. Where that fails, ``problem`` says why, and the next change tries
    again. What others saved in ``out`` meanwhile is taken over, and what was removed there is
    written again. A picture counts as seen once it has a box or was in front. ``findings`` are
    files and labels that could not be read and are left out.

    Args:
        annotation_set: what is known at the start; at least one picture and one class.
        images: the folder that the pictures' files are relative to; it is only read.
        out: the data set folder that labels are saved in.
        format: of the labels: "coco", "voc", "yolo" or "csv".

    Raises:
        ValueError: if there is no picture or no class.
    """

    def __init__(
        self,
        annotation_set: AnnotationSet,
        *,
        images: Path,
        out: Path,
        format: str = "coco",
    ):
        if not annotation_set.pictures or not annotation_set.classes:
            raise ValueError(
                "the annotator needs at least one picture and one class; got "
                f"{len(annotation_set.pictures)} pictures and {len(annotation_set.classes)} "
                "classes. Name the classes: classes=('cat', 'dog')."
            )
        self.classes, self.findings = annotation_set.classes, annotation_set.findings
        self.images, self.out, self.format = images, out, format
        self.problem = ""
        self.selected: int | None = None
        self._pictures = list(annotation_set.pictures)
        self._saved = list(self._pictures)  # as they are, or will be, in ``out``
        self._unsaved: set[str] = set()
        self._files = LabelFiles(images, out, format)
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._watchers: list[Callable[[], object]] = []
        labelled = [i for i, picture in enumerate(self._pictures) if picture.instances]
        self.index = (max(labelled, default=-1) + 1) % len(self)  # go on after the last one
        self._seen = {self.index, *labelled}

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"AnnotationDesk({self.progress}; {self.format} labels in {self.out.name})"

    @property
    def annotations(self) -> AnnotationSet:
        """All labels as they are now."""
        return AnnotationSet(tuple(self._pictures), self.classes, self.findings)

    @property
    def picture(self) -> Picture:
        """The picture in front."""
        return self._pictures[self.index]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """What is marked on the picture in front."""
        return self.picture.instances

    @property
    def progress(self) -> str:
        """In words: ``7 of 40 seen, 12 boxes``, and how many ``findings`` there are, if any."""
        boxes = sum(len(picture.instances) for picture in self._pictures)
        words = f"{len(self._seen)} of {len(self)} seen, {boxes} {'box' if boxes == 1 else 'boxes'}"
        number = len(self.findings)
        return words + (f", {number} finding{'s' * (number > 1)}" if number else "")

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change that was taken back."""
        return bool(self._undone)

    def watch(self, callback: Callable[[], object]) -> None:
        """Have ``callback()`` called after whatever happens here."""
        self._watchers.append(callback)

    # ------------------------------------------------------------------------- moving about

    def go_to(self, index: int) -> None:
        """Bring picture ``index`` to the front; ValueError where there is none."""
        self._to_front(_checked("index", index, len(self)))
        self._tell()

    def next(self) -> None:
        """Bring the next picture to the front; the last one stays."""
        self.go_to(min(self.index + 1, len(self) - 1))

    def previous(self) -> None:
        """Bring the picture before to the front; the first one stays."""
        self.go_to(max(self.index - 1, 0))

    def select(self, number: int | None) -> None:
        """Choose box ``number`` of the picture in front, or none."""
        self.selected = None if number is None else self._checked_number(number)
        self._tell()

    # ----------------------------------------------------------------------------- changing

    def add(self, box: Sequence[float], label: int) -> int | None:
        """Mark a new object and select it.

        Args:
            box: (x1, y1, x2, y2), pixels; clipped to the picture and put on whole pixels.
            label: an index into ``classes``.

        Returns:
            The number of the new box, or None where it was too small and ignored.

        Raises:
            ValueError: if the box is not four finite numbers, or there is no such class.
        """
        label, clipped = self._checked_label(label), self._checked_box(box)
        if clipped is None:
            self._tell()
            return None
        number = len(self.instances)
        self._change((*self.instances, Instance(label, clipped)), select=number)
        return number

    def set_box(self, number: int, box: Sequence[float]) -> None:
        """Move or resize box ``number``; an outline or mask, no longer true, is dropped.

        A box that would become too small stays as it is.

        Raises:
            ValueError: if there is no such box, or ``box`` is not four finite numbers.
        """
        number, clipped = self._checked_number(number), self._checked_box(box)
        item = self.instances[number]
        if clipped not in (None, item.box):
            item = replace(item, box=clipped, polygons=(), rle=None)
        self._put(number, item)

    def relabel(self, number: int, label: int) -> None:
        """Give box ``number`` another class; ValueError where there is no such box or class."""
        number, label = self._checked_number(number), self._checked_label(label)
        self._put(number, replace(self.instances[number], label=label))

    def delete(self, number: int) -> None:
        """Remove box ``number``; ValueError where there is none."""
        number = self._checked_number(number)
        self._change(self.instances[:number] + self.instances[number + 1 :], select=None)

    def undo(self) -> None:
        """Take the last change back, on whichever picture it was; nothing where there is none."""
        if self._done:
            change = self._done.pop()
            self._undone.append(change)
            self._restore(change.index, change.before)

    def redo(self) -> None:
        """Make the change again that was taken back last; nothing where there is none."""
        if self._undone:
            change = self._undone.pop()
            self._done.append(change)
            self._restore(change.index, change.after)

    def save(self) -> None:
        """Write what is not saved yet; called after each change."""
        try:
            self._take_over(self._files.changed(self._pictures, self.classes))
            self._files.write(self.annotations, self._unsaved)
        except (OSError, ValueError) as error:  # a full disk; a set that the format cannot hold
            reason = getattr(error, "strerror", None) or str(error).rstrip(".")
            self.problem = (
                f"Not saved: {reason}. The boxes are kept in memory; the next change tries again."
            )
        else:
            self.problem = ""
            self._unsaved, self._saved = set(), list(self._pictures)

    # ------------------------------------------------------------------------------- inside

    def _take_over(self, there: dict[str, tuple[Instance, ...] | None] | None) -> None:
        """Follow what others did to the labels, as ``LabelFiles.changed`` has it.

        Raises:
            ValueError: if a picture was changed here and there.
        """
        clashes = []
        for index, mine in enumerate(self._pictures if there is not None else ()):
            before, theirs = self._saved[index].instances, there.get(mine.file)
            if theirs is None:  # a file that cannot be read is left alone, unless boxes are known
                self._unsaved |= {mine.file} if mine.instances or mine.file in there else set()
            elif mine.instances == before:
                self._replace(index, theirs)
            elif not (_much_the_same(theirs, before) or _much_the_same(theirs, mine.instances)):
                clashes.append(mine.file)
        if clashes:
            raise ValueError(
                f"{clashes[0]} must be changed in one place; it was changed elsewhere, too. Run "
                "the cell again to go on from there"
            )

    def _replace(self, index: int, theirs: tuple[Instance, ...]) -> None:
        """Let a picture be as others left it; changes to what it was cannot be undone any more."""
        picture = self._pictures[index]
        self._unsaved.discard(picture.file)
        if theirs != picture.instances:
            self._pictures[index] = self._saved[index] = replace(picture, instances=theirs)
            self._done = [change for change in self._done if change.index != index]
            self._undone = [change for change in self._undone if change.index != index]
            self.selected = None if index == self.index else self.selected

    def _put(self, number: int, item: Instance) -> None:
        """Replace one instance, unless it stays what it was."""
        if item == self.instances[number]:
            self.select(number)
            return
        instances = (*self.instances[:number], item, *self.instances[number + 1 :])
        self._change(instances, select=number)

    def _change(self, after: tuple[Instance, ...], *, select: int | None) -> None:
        self._done.append(Change(self.index, self.instances, after))
        self._undone.clear()
        self._store(after, select=select)

    def _restore(self, index: int, instances: tuple[Instance, ...]) -> None:
        self._to_front(index)
        differ = [n for n, item in enumerate(instances) if item not in self.instances]
        self._store(instances, select=differ[0] if differ else None)

    def _store(self, instances: tuple[Instance, ...], *, select: int | None) -> None:
        self._pictures[self.index] = replace(self.picture, instances=instances)
        self._unsaved.add(self.picture.file)
        self.selected = select
        self.save()
        self._tell()

    def _to_front(self, index: int) -> None:
        if index != self.index:
            self.index, self.selected = index, None
        self._seen.add(index)

    def _tell(self) -> None:
        for callback in self._watchers:
            callback()

    def _checked_number(self, number: int) -> int:
        return _checked("number of the box", number, len(self.instances))

    def _checked_label(self, label: int) -> int:
        return _checked("label", label, len(self.classes))

    def _checked_box(self, box: Sequence[float]) -> Box | None:
        """The box on whole pixels inside the picture; None where too little is left of it."""
        try:
            x1, y1, x2, y2 = (float(edge) for edge in box)
            finite = all(map(math.isfinite, (x1, y1, x2, y2)))
        except (TypeError, ValueError, OverflowError):
            finite = False
        if not finite:
            raise ValueError(
                f"box must be four finite numbers (x1, y1, x2, y2) in pixels; got {box!r}."
            )
        x1, x2 = (float(min(max(round(x), 0), self.picture.width)) for x in sorted((x1, x2)))
        y1, y2 = (float(min(max(round(y), 0), self.picture.height)) for y in sorted((y1, y2)))
        return (x1, y1, x2, y2) if min(x2 - x1, y2 - y1) >= SMALLEST_PX else None


def _much_the_same(one: Sequence[Instance], other: Sequence[Instance]) -> bool:
    """Whether both say the same objects, but for what a format rounds or has no place for."""
    return [item.label for item in one] == [item.label for item in other] and all(
        abs(a - b) < 1
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip(mine.box, theirs.box, strict=True)
    )


def _checked(name: str, value: int, count: int) -> int:
    """``value`` if it is one of 0..count-1."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        allowed = f"a whole number in 0..{count - 1}" if count else "left out: there is none"
        raise ValueError(f"{name} must be {allowed}; got {value!r}.")
    return value
