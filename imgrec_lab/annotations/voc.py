"""Pascal VOC: one XML file a picture, and lists of the pictures of each split.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import without_suffix
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture

homes = picture_files.own_names
_MOST_MIB = 4  # of one picture's labels
_PEEK_BYTES = 1024
_LISTS = "ImageSets/Main"
_OF_A_CLASS = re.compile(".+_(train|val|trainval|test)")  # dog_val lists where dogs are
_NOT_IN_XML = re.compile("[\x00-\x1f\ufffe\uffff\ud800-\udfff]")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
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


def recognises(path: Path) -> bool:
    """Whether ``path`` is an XML file, or a folder that holds some where VOC has them."""
    return path.suffix.lower() == ".xml" if path.is_file() else bool(_label_files(path))


def read(path: Path, images: Path | None = None, *, one_based: bool | None = None) -> AnnotationSet:
    """Read one file, or all of a data set's; what cannot be used becomes findings.

    Args:
        path: an XML file or the data set's folder.
        images: the folder of pictures; None finds it.
        one_based: whether pixels count from 1 and both corners belong to the box, so that
            x1 = xmin - 1 and x2 = xmax. The files of VOC 2007 to 2012 are written so; nearly all
            tools since write pixel edges as they are. None decides by each file's
            ``<database>``, which begins with "The VOC" in the former.

    Raises:
        ValueError: if none of the files can be read.
    """
    reader = _Reader(path, images, one_based)
    files = [path] if path.is_file() else _label_files(path)
    for file in files:
        try:
            reader.add(file)
        except BadRecord as error:
            reader.findings.append(error.found_in(file.relative_to(reader.folder).as_posix()))
    if not files:
        raise ValueError(f"{path} holds no XML file; VOC has one for each picture, in Annotations.")
    if not reader.found:
        first = reader.findings[0]
        raise ValueError(
            f"{path} holds no VOC labels that can be read; the first of {len(files)}: "
            f"{first.file} {first.reason}. {first.advice}"
        )
    return reader.result(alphabetical=True)


class _Reader(Gathering):
    """Gathers files to pictures."""

    def __init__(self, path: Path, images: Path | None, one_based: bool | None):
        super().__init__(path, images, "voc")
        self._one_based = one_based
        self._base = _label_folder(self.folder) if path.is_dir() else path.parent
        self._split_of = self._listed_splits()

    def add(self, path: Path) -> None:
        """The labels of one picture."""
        tree = _tree(path)
        stem = without_suffix(path.relative_to(self._base).as_posix())
        file = self._picture(stem, tree.findtext("filename", ""))
        self.claim(file)
        size = self.size(file, tree.findtext("size/height"), tree.findtext("size/width"))
        one_based = self._one_based
        if one_based is None:
            one_based = tree.findtext("source/database", "").strip().startswith("The VOC")
        instances = []
        for number, element in enumerate(tree.iterfind("object"), 1):
            try:
                instances.append(self._instance(element, int(one_based)))
            except BadRecord as error:
                name = path.relative_to(self.folder).as_posix()
                self.findings.append(error.found_in(name, f"object {number}"))
        split = self._split_of.get(stem) or picture_files.split_of_folders(stem)
        self.found[file] = Picture(file, *size, tuple(instances), split)

    def _picture(self, stem: str, filename: str) -> str:
        """The picture named like the XML file, else the one that the XML names."""
        if found := self.pictures.find_stem(stem):
            return found
        if PurePosixPath(filename).suffix.lower() not in picture_files.SUFFIXES:
            filename += ".jpg"  # VOC leaves the ending out at times
        parent = stem.rpartition("/")[0]
        return self.pictures.locate(filename, f"{parent}/" if parent else "")

    def _instance(self, element: ElementTree.Element, first: int) -> Instance:
        """The instance of one object; ``first`` is the number of the first pixel."""
        said = {child.tag: (child.text or "").strip() for child in element}
        if not said.get("name"):
            raise BadRecord("has no name", "Name its class.")
        corners = {child.tag: child.text for child in element.iterfind("bndbox/*")}
        x1, y1, x2, y2 = bad_records.numbers(map(corners.get, _CORNERS), "its bndbox")
        return Instance(
            self.label(said["name"]),
            bad_records.pixels((x1 - first, y1 - first, x2, y2)),
            difficult=said.get("difficult") == "1",
            truncated=said.get("truncated") == "1",
        )

    def _listed_splits(self) -> dict[str, str]:
        """The split of each listed picture."""
        lists = _lists(self.folder)
        split_of: dict[str, str] = {}
        for split in sorted(lists, key=picture_files.split_order):
            try:
                stems = _listed(lists[split])
            except BadRecord as error:
                self.findings.append(error.found_in(f"{_LISTS}/{split}.txt"))
                continue
            for stem in stems:
                if split_of.setdefault(stem, split) != split:
                    reason = f"lists {stem}, which {split_of[stem]}.txt lists, too"
                    advice = f"Keep it in one of the two; it was read into {split_of[stem]}."
                    self.findings.append(
                        BadRecord(reason, advice).found_in(f"{_LISTS}/{split}.txt")
                    )
        return split_of


class _Tree(ElementTree.TreeBuilder):
    """Refuses a document type: it could declare entities that grow without end or read files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise BadRecord("declares a document type", "Remove <!DOCTYPE ...>; labels need none.")


def _tree(path: Path) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_Tree())
    try:
        parser.feed(bad_records.read_bytes(path, most_mib=_MOST_MIB))
        tree = parser.close()
    except (ElementTree.ParseError, LookupError) as error:  # the latter for unknown encodings
        raise BadRecord(f"is not whole XML: {error}", "Export it again.") from error
    if tree.tag != "annotation":
        raise BadRecord(f"must hold an <annotation>; its first element is <{tree.tag:.40}>",
                        "Keep other XML files elsewhere.")  # fmt: skip
    return tree


# ------------------------------------------------------------------------------- where things lie


def _label_folder(folder: Path) -> Path:
    """Where the XML files are: ``Annotations``, in any case, or beside the pictures."""
    named = [e for e in folder.glob("*") if e.name.lower() == "annotations" and e.is_dir()]
    place = named[0] if named else folder / "Annotations"
    if next(place.rglob("*.xml"), None) is None and any(map(_is_labels, folder.rglob("*.xml"))):
        return folder
    return place


def _is_labels(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotation" in file.read(_PEEK_BYTES)


def _label_files(folder: Path) -> list[Path]:
    place = _label_folder(folder)
    files = [path for path in place.rglob("*.xml") if not path.name.startswith(".")]
    return sorted(file for file in files if place != folder or _is_labels(file))


def _lists(folder: Path) -> dict[str, Path]:
    """The lists of pictures by split, without those of one class."""
    paths = sorted(folder.joinpath(_LISTS).glob("*.txt"))
    lists = {path.stem: path for path in paths if not _OF_A_CLASS.fullmatch(path.stem)}
    if lists.keys() & {"train", "val"}:
        lists.pop("trainval", None)  # their union
    return lists


def _listed(path: Path) -> list[str]:
    return [line.strip() for line in bad_records.read_text(path).splitlines() if line.strip()]


# ------------------------------------------------------------------------------------------ writing


def label_texts(
    annotation_set: AnnotationSet, folder: Path, only: Collection[str] | None
) -> dict[str, str]:
    """The text of each label file and list of a split, by its path in the data set ``folder``.

    Edges of pixels are written as they are, as nearly all tools expect.

    Raises:
        ValueError: if two pictures would share a label file, or a name cannot stand in XML.
    """
    place = _label_folder(folder)
    below = "" if place == folder else f"{place.name}/"
    stems = picture_files.unique_stems(annotation_set.pictures)
    is_new = not folder.is_dir() or not any(folder.iterdir())
    pictures_in = "JPEGImages" if is_new else picture_files.picture_root(folder, "voc").name
    texts = {
        f"{below}{stems[p.file]}.xml": _text(p, annotation_set.classes, pictures_in)
        for p in annotation_set.pictures
        if only is None or p.file in only
    }
    return texts | (_list_texts(annotation_set, folder, stems) if below else {})


def _list_texts(
    annotation_set: AnnotationSet, folder: Path, stems: Mapping[str, str]
) -> dict[str, str]:
    """The list of each split; pictures that we know nothing of stay listed."""
    split_of = {stems[picture.file]: picture.split for picture in annotation_set.pictures}
    lists = {split: _listed(path) for split, path in _lists(folder).items()}
    texts = {}
    for split in lists | {split: [] for split in split_of.values() if split}:
        stay = [stem for stem in lists.get(split, ()) if split_of.get(stem, split) == split]
        new = split_of.keys() - set(stay)
        stay += [stem for stem, own in split_of.items() if own == split and stem in new]
        texts[f"{_LISTS}/{split}.txt"] = "".join(f"{stem}\n" for stem in stay)
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
    corners = zip(_CORNERS, map(bad_records.plain, bad_records.pixels(item.box)), strict=True)
    return _OBJECT.format(
        name=_escaped(name),
        truncated=int(item.truncated),
        difficult=int(item.difficult),
        **dict(corners),
    )


def _escaped(name: str) -> str:
    if _NOT_IN_XML.search(name):
        raise ValueError(f"names must have no control characters in VOC's XML; got {name!r}.")
    return escape(name)
