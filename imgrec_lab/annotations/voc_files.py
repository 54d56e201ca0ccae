"""Where a VOC data set has its XML files and lists, and how one file is parsed safely."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.picture_files import PictureFolder, without_suffix
from imgrec_lab.annotations.records import Box

LISTS = "ImageSets/Main"
_OF_A_CLASS = re.compile(".+_(train|val|trainval|test)")  # dog_val lists where dogs are
MARKS = ("difficult", "truncated")  # of an object, and fields of an instance
_FOLDER = "annotations"
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_MOST_MIB = 4  # of one picture's labels
_PEEK_BYTES = 1024


def label_folder(folder: Path) -> Path:
    """Where the XML files are: ``Annotations``, in any case, or beside the pictures."""
    named = [e for e in folder.glob("*") if e.name.lower() == _FOLDER and e.is_dir()]
    place = named[0] if named else folder / "Annotations"
    return folder if not xml_names(place) and _beside(folder) else place


def label_files(folder: Path) -> list[Path]:
    """The XML files of a data set, in alphabetical order."""
    place = label_folder(folder)
    names = _beside(folder) if place == folder else xml_names(place)
    return [place / name for name in names]


def _beside(folder: Path) -> list[str]:
    """XML files that hold labels and do not belong to a data set further down."""
    names = [name for name in xml_names(folder) if _FOLDER not in name.lower().split("/")]
    return [name for name in names if _is_labels(folder / name)]


def xml_names(place: Path) -> list[str]:
    """Paths of XML files relative to ``place``, in alphabetical order."""
    return picture_files.find_files(place, {".xml"})


def _is_labels(path: Path) -> bool:
    return b"<annotation" in bad_records.peek(path, _PEEK_BYTES)


def picture_of(name: str, tree: ElementTree.Element, pictures: PictureFolder) -> str:
    """The picture named like the XML file ``name``, else the one that its content names.

    Raises:
        BadRecord: if neither is there, or the content's name leads out of the data set.
    """
    stem = without_suffix(name)
    if found := pictures.find_stem(stem):
        return found
    filename = tree.findtext("filename", "")
    if PurePosixPath(filename.strip()).suffix.lower() not in picture_files.SUFFIXES:
        filename += ".jpg"  # VOC leaves the ending out at times
    parent = stem.rpartition("/")[0]
    return pictures.locate(filename, f"{parent}/" if parent else "")


def lists(folder: Path) -> dict[str, Path]:
    """The lists of pictures by split, in the order train, val, test; without those of one class."""
    paths = {path.stem: path for path in folder.joinpath(LISTS).glob("*.txt")}
    splits = [name for name in paths if not _OF_A_CLASS.fullmatch(name)]
    if "train" in splits or "val" in splits:
        splits = [name for name in splits if name != "trainval"]  # their union
    return {split: paths[split] for split in sorted(splits, key=picture_files.split_order)}


def listed(path: Path, known: Collection[str]) -> list[str]:
    """The names in a list, pictures without their ending.

    Spaces around a name are part of it where one of the ``known`` names has them.

    Raises:
        BadRecord: if it is no text.
    """
    lines = [line for line in bad_records.read_text(path).splitlines() if line.strip()]
    return [line if line in known else line.strip() for line in lines]


class _Tree(ElementTree.TreeBuilder):
    """Refuses a document type: it could declare entities that grow without end or read files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadRecord("declares a document type", "Remove <!DOCTYPE ...>; labels need none.")


def parse(path: Path, *, comments: bool = False) -> ElementTree.Element:
    """The ``<annotation>`` of a file, with the comments in it or without.

    Raises:
        BadRecord: if it is none, is larger than 4 MiB, or declares a document type.
    """
    content = bad_records.read_bytes(path, most_mib=_MOST_MIB)
    parser = ElementTree.XMLParser(target=_Tree(insert_comments=comments))
    try:
        parser.feed(content)
        tree = parser.close()
    except BadRecord:
        raise
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter: encodings
        raise BadRecord(f"is not whole XML: {error}", "Export it again.") from error
    if tree.tag != "annotation":
        reason = f"must hold an <annotation>; its first element is <{tree.tag:.40}>"
        raise BadRecord(reason, "Keep other XML files elsewhere.")
    return tree


def first_pixel(tree: ElementTree.Element) -> int:
    """The number of the first pixel: 1 in the files of the VOC benchmark itself, else 0.

    Where it is 1, both corners belong to the box, so that x1 = xmin - 1 and x2 = xmax.
    """
    return int(tree.findtext("source/database", "").strip().startswith("The VOC"))


def is_marked(element: ElementTree.Element, mark: str) -> bool:
    """Whether an ``<object>`` bears one of ``MARKS``."""
    return element.findtext(mark, "").strip() == "1"


def name_and_box(element: ElementTree.Element, first: int) -> tuple[str, Box]:
    """The class and the box of an ``<object>``; ``first`` is the number of the first pixel.

    Raises:
        BadRecord: if it has no name, or its corners are no numbers.
    """
    name = element.findtext("name", "").strip()
    if not name:
        raise BadRecord("has no name", "Name its class.")
    corners = {child.tag: child.text for child in element.iterfind("bndbox/*")}
    x1, y1, x2, y2 = bad_records.numbers(map(corners.get, _CORNERS), "its bndbox")
    return name, bad_records.pixels((x1 - first, y1 - first, x2, y2))
