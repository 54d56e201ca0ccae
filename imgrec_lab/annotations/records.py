"""What a labelled data set says, apart from the format that it is written in.

Every format is read into these values and written from them, so any can be converted to any other.
Boxes are xyxy pixels on pixel edges, half-open, as in ``box_ops``. A picture that as a whole
belongs to one class holds one instance whose box is the whole picture.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from imgrec_lab.annotations.findings import Finding

Box = tuple[float, float, float, float]
Ring = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One marked object.

    Attributes:
        label: an index into the class names.
        box: (x1, y1, x2, y2), pixels, half-open; a faulty box is kept as it came, for an audit.
        polygons: outlines, each ``(x1, y1, x2, y2, ...)`` of three points or more, pixels; a
            pixel belongs to the object if its centre lies inside one of them.
        rle: or else its mask, as COCO's compressed run lengths of the whole picture.
        crowd: stands for a group that nobody counted (COCO's ``iscrowd``).
        difficult: hard to see; the VOC benchmark does not count it.
        truncated: reaches beyond the picture's edge (VOC).
    """

    label: int
    box: Box
    polygons: tuple[Ring, ...] = ()
    rle: str | None = None
    crowd: bool = False
    difficult: bool = False
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and what is marked on it.

    Attributes:
        file: its path below the folder of pictures, with forward slashes.
        height, width: pixels, as a viewer shows it (turned as the camera was held).
        instances: the objects marked on it.
        split: "train", "val" or "test", or another name; None where the set is not split.
    """

    file: str
    height: int
    width: int
    instances: tuple[Instance, ...] = ()
    split: str | None = None


@dataclass(frozen=True)
class AnnotationSet:
    """The labels of a whole data set.

    Attributes:
        pictures: in the order of the format that they were read from.
        classes: the K class names.
        findings: what reading found wrong and had to leave out.

    Raises:
        TypeError, ValueError: if names repeat, a label has no name, or a box is not four finite
            numbers.
    """

    pictures: tuple[Picture, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        for name in ("pictures", "classes", "findings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _check_names(self.classes, "class names")
        _check_names([picture.file for picture in self.pictures], "files of pictures")
        for picture in self.pictures:
            _check_picture(picture, len(self.classes))

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        boxes = sum(len(picture.instances) for picture in self.pictures)
        named = ", ".join(self.classes[:6]) + (", ..." if len(self.classes) > 6 else "")
        return (
            f"AnnotationSet({len(self):,} pictures, {boxes:,} instances, "
            f"{len(self.classes)} classes: {named}; {len(self.findings)} findings)"
        )

    def counts(self) -> dict[str, int]:
        """Number of instances of each class, in class order."""
        found = Counter(item.label for picture in self.pictures for item in picture.instances)
        return {name: found[label] for label, name in enumerate(self.classes)}

    def splits(self) -> tuple[str | None, ...]:
        """The names of the splits, in the order in which they first come."""
        return tuple(dict.fromkeys(picture.split for picture in self.pictures))


def _check_names(names: Sequence[str], what: str) -> None:
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong:
        raise TypeError(f"{what} must be text that is not empty; got {wrong[0]!r}.")
    if len(set(names)) < len(names):
        repeated = next(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(f"{what} must differ; {repeated!r} came more than once.")


def _check_picture(picture: Picture, num_classes: int) -> None:
    path = PurePosixPath(picture.file)
    if path.is_absolute() or ".." in path.parts or "\\" in picture.file:
        raise ValueError(
            f"a picture's file must be a path below the data set; got {picture.file!r}. "
            "Use forward slashes and no '..'."
        )
    if picture.height < 1 or picture.width < 1:
        raise ValueError(
            f"{picture.file} must be at least 1 x 1 pixels; got height {picture.height}, "
            f"width {picture.width}."
        )
    for number, item in enumerate(picture.instances):
        if not 0 <= item.label < num_classes:
            raise ValueError(
                f"{picture.file}, instance {number}: label must lie in 0..{num_classes - 1}; "
                f"got {item.label}. Name every class."
            )
        if len(item.box) != 4 or not all(map(math.isfinite, item.box)):
            raise ValueError(
                f"{picture.file}, instance {number}: box must be four finite numbers "
                f"(x1, y1, x2, y2) in pixels; got {item.box}."
            )
