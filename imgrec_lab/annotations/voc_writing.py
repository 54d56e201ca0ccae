"""Pascal VOC, written: anew, or into files that are there, which keep what we know nothing of."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from imgrec_lab.annotations import bad_records, picture_files, voc_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.picture_files import PictureFolder, without_suffix
from imgrec_lab.annotations.records import AnnotationSet, Box, Instance, Picture

_NOT_IN_XML = re.compile("[\x00-\x1f\ufffe\uffff\ud800-\udfff]")
_PICTURE = """\
<annotation>
\t<folder>{folder}</folder>
\t<filename>{file}</filename>
\t<source>
\t\t<database>Unknown</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}</annotation>
"""
_OBJECT = """\
\t<object>
\t\t<name>{name}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>{truncated}</truncated>
\t\t<difficult>{difficult}</difficult>
\t\t<bndbox>
\t\t\t<xmin>{xmin}</xmin>
\t\t\t<ymin>{ymin}</ymin>
\t\t\t<xmax>{xmax}</xmax>
\t\t\t<ymax>{ymax}</ymax>
\t\t</bndbox>
\t</object>
"""


def label_texts(
    annotation_set: AnnotationSet,
    folder: Path,
    only: Collection[str] | None,
    images: Path | None = None,
) -> dict[str, str]:
    """The text of each label file and list of a split, by its path in the data set ``folder``.

    A label file that is there keeps all but its objects and the picture's size, and an object whose
    class and box do not change keeps all that is said of it. A file in which nothing changes is
    left out.

    Raises:
        ValueError: if two pictures would share a label file, one that is there cannot be read, or
            a name cannot stand in XML.
    """
    stems = picture_files.unique_stems(annotation_set.pictures)
    place = voc_files.label_folder(folder)
    below = "" if place == folder else f"{place.name}/"
    root = images or picture_files.picture_root(folder, "voc")
    there = voc_files.xml_names(place)
    present = _xml_by_picture(place, there, PictureFolder(root))
    pictures_in = "JPEGImages" if root == folder else root.name
    classes, known, texts = annotation_set.classes, frozenset(there), {}
    for picture in annotation_set.pictures:
        if only is None or picture.file in only:
            name = present.get(picture.file, f"{stems[picture.file]}.xml")
            if name not in known:
                texts[below + name] = _text(picture, classes, pictures_in)
                continue
            with bad_records.kept(place / name):
                tree = voc_files.parse(place / name, comments=True)
            if _update(tree, picture, classes):
                texts[below + name] = _indented(tree)
    return texts | (_list_texts(annotation_set, folder, stems) if below else {})


def _xml_by_picture(place: Path, names: Iterable[str], pictures: PictureFolder) -> dict[str, str]:
    """The XML file of each picture, which may be named otherwise than the picture."""
    found: dict[str, str] = {}
    for name in names:
        file = pictures.find_stem(without_suffix(name))
        with contextlib.suppress(BadRecord):
            file = file or voc_files.picture_of(name, voc_files.parse(place / name), pictures)
            found.setdefault(file, name)
    return found


def _list_texts(
    annotation_set: AnnotationSet, folder: Path, stems: Mapping[str, str]
) -> dict[str, str]:
    """The list of each split; pictures that we know nothing of stay listed."""
    split_of = {stems[picture.file]: picture.split for picture in annotation_set.pictures}
    lists, texts = {}, {}
    for split, path in voc_files.lists(folder).items():
        with bad_records.needed(path):
            lists[split] = voc_files.listed(path, split_of)
    for split in lists | {split: [] for split in split_of.values() if split}:
        stay = [stem for stem in lists.get(split, ()) if split_of.get(stem, split) == split]
        new = split_of.keys() - set(stay)
        stay += [stem for stem, own in split_of.items() if own == split and stem in new]
        texts[f"{voc_files.LISTS}/{split}.txt"] = "".join(f"{stem}\n" for stem in stay)
    return texts


def _text(picture: Picture, classes: Sequence[str], folder: str) -> str:
    objects = (_object(item, classes[item.label]) for item in picture.instances)
    return _PICTURE.format(
        folder=_escaped(folder),
        file=_escaped(PurePosixPath(picture.file).name),
        width=picture.width,
        height=picture.height,
        objects="".join(objects),
    )


def _object(item: Instance, name: str, first: int = 0) -> str:
    """The text of an object; ``first`` is the number of the first pixel."""
    x1, y1, x2, y2 = item.box
    corners = bad_records.pixels((x1 + first, y1 + first, x2, y2))
    xmin, ymin, xmax, ymax = map(bad_records.plain, corners)
    return _OBJECT.format(
        name=_escaped(name),
        truncated=int(item.truncated),
        difficult=int(item.difficult),
        xmin=xmin,
        ymin=ymin,
        xmax=xmax,
        ymax=ymax,
    )


def _update(tree: ElementTree.Element, picture: Picture, classes: Sequence[str]) -> bool:
    """Enter a picture's size and objects into what its file says; whether that changes it."""
    size = tree.find("size")
    if size is None:
        size = ElementTree.SubElement(tree, "size")
    changes = [_say(size, "width", picture.width), _say(size, "height", picture.height)]
    return any([*changes, _replace_objects(tree, picture.instances, classes)])


def _indented(tree: ElementTree.Element) -> str:
    """The text of a tree, indented as its first line was."""
    unit = (tree.text or "").rpartition("\n")[2]
    ElementTree.indent(tree, unit if unit.isspace() else "\t")
    return ElementTree.tostring(tree, encoding="unicode") + "\n"


def _replace_objects(
    tree: ElementTree.Element, instances: Sequence[Instance], classes: Sequence[str]
) -> bool:
    """Put these objects where the first was, those that stay as they are; whether any changes."""
    first = voc_files.first_pixel(tree)
    old = tree.findall("object")
    by_mark: dict[tuple[str, Box], list[ElementTree.Element]] = {}
    for element in old:
        with contextlib.suppress(BadRecord):
            by_mark.setdefault(voc_files.name_and_box(element, first), []).append(element)
    new, changed = [], False
    for item in instances:
        name = classes[item.label]
        if same := by_mark.get((name, bad_records.pixels(item.box))):
            new.append(same.pop(0))
            for mark in voc_files.MARKS:
                if voc_files.is_marked(new[-1], mark) != getattr(item, mark):
                    changed |= _say(new[-1], mark, int(getattr(item, mark)))
        else:
            new.append(ElementTree.fromstring(_object(item, name, first)))
    if new != old:
        place = list(tree).index(old[0]) if old else len(tree)
        for element in old:
            tree.remove(element)
        tree[place:place] = new
    return changed or new != old


def _say(parent: ElementTree.Element, tag: str, value: int) -> bool:
    """Make the child ``tag`` hold ``value``; whether that changes it."""
    if parent.findtext(tag, "").strip() == str(value):
        return False
    child = parent.find(tag)
    if child is None:
        child = ElementTree.SubElement(parent, tag)
    child.text = str(value)
    return True


def _escaped(name: str) -> str:
    if _NOT_IN_XML.search(name):
        raise ValueError(f"names must have no control characters in VOC's XML; got {name!r}.")
    return escape(name)
