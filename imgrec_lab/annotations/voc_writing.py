"""Pascal VOC, written: edges of pixels as they are, which nearly all tools expect."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.sax.saxutils import escape

from imgrec_lab.annotations import bad_records, picture_files, voc_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.picture_files import PictureFolder, without_suffix
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture

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
    annotation_set: AnnotationSet, folder: Path, only: Collection[str] | None
) -> dict[str, str]:
    """The text of each label file and list of a split, by its path in the data set ``folder``.

    Raises:
        ValueError: if two pictures would share a label file, or a name cannot stand in XML.
    """
    stems = picture_files.unique_stems(annotation_set.pictures)
    place = voc_files.label_folder(folder)
    below = "" if place == folder else f"{place.name}/"
    root = picture_files.picture_root(folder, "voc")
    present = _xml_by_picture(place, PictureFolder(root))
    pictures_in = "JPEGImages" if root == folder else root.name
    texts = {
        below + present.get(p.file, f"{stems[p.file]}.xml"): _text(
            p, annotation_set.classes, pictures_in
        )
        for p in annotation_set.pictures
        if only is None or p.file in only
    }
    return texts | (_list_texts(annotation_set, folder, stems) if below else {})


def _xml_by_picture(place: Path, pictures: PictureFolder) -> dict[str, str]:
    """The XML file of each picture, which may be named otherwise than the picture."""
    found: dict[str, str] = {}
    for name in voc_files.xml_names(place) if pictures.files else ():
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
            lists[split] = voc_files.listed(path)
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


def _object(item: Instance, name: str) -> str:
    xmin, ymin, xmax, ymax = map(bad_records.plain, bad_records.pixels(item.box))
    return _OBJECT.format(
        name=_escaped(name),
        truncated=int(item.truncated),
        difficult=int(item.difficult),
        xmin=xmin,
        ymin=ymin,
        xmax=xmax,
        ymax=ymax,
    )


def _escaped(name: str) -> str:
    if _NOT_IN_XML.search(name):
        raise ValueError(f"names must have no control characters in VOC's XML; got {name!r}.")
    return escape(name)
