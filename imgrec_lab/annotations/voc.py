"""Pascal VOC: one XML file a picture, and lists of the pictures of each split.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from imgrec_lab.annotations import bad_records, picture_files, voc_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import Sizes, name_key, without_suffix
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture
from imgrec_lab.annotations.voc_writing import label_texts

__all__ = ["homes", "label_texts", "read", "recognises"]
homes = picture_files.own_names
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def recognises(path: Path) -> bool:
    """Whether ``path`` is an XML file, or a folder that holds some where VOC has them."""
    return path.suffix.lower() == ".xml" if path.is_file() else bool(voc_files.label_files(path))


def read(
    path: Path,
    images: Path | None = None,
    sizes: Sizes | None = None,
    *,
    one_based: bool | None = None,
) -> AnnotationSet:
    """Read one file, or all of a data set's; what cannot be used becomes findings.

    Args:
        path: an XML file or the data set's folder.
        images: the folder of pictures; None finds it.
        sizes: (height, width) by file, of pictures that need not be measured.
        one_based: whether pixels count from 1 and both corners belong to the box, so that
            x1 = xmin - 1 and x2 = xmax. The files of VOC 2007 to 2012 are written so; nearly all
            tools since write pixel edges as they are. None decides by each file's
            ``<database>``, which begins with "The VOC" in the former.

    Raises:
        ValueError: if none of the files can be read.
    """
    reader = _Reader(path, images, sizes, one_based)
    files = [path] if path.is_file() else voc_files.label_files(path)
    for file in files:
        try:
            reader.add(file)
        except BadRecord as error:
            reader.findings.append(error.found_in(reader.name_of(file)))
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

    def __init__(
        self, path: Path, images: Path | None, sizes: Sizes | None, one_based: bool | None
    ):
        super().__init__(path, images, "voc", sizes)
        self._one_based = one_based
        self._base = voc_files.label_folder(self.folder) if path.is_dir() else path.parent
        self._split_of = self._listed_splits()

    def add(self, path: Path) -> None:
        """The labels of one picture."""
        tree = voc_files.parse(path)
        name = path.relative_to(self._base).as_posix()
        file = voc_files.picture_of(name, tree, self.pictures)
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
                self.findings.append(error.found_in(self.name_of(path), f"object {number}"))
        split = self._split_of.get(name_key(without_suffix(name)))
        split = split or picture_files.split_of_folders(name)
        self.found[file] = Picture(file, *size, tuple(instances), split)

    def name_of(self, path: Path) -> str:
        """A label file's path in the data set."""
        return path.relative_to(self.folder).as_posix()

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
        """The split of each listed picture, by the key of its name."""
        split_of: dict[str, str] = {}
        for split, path in voc_files.lists(self.folder).items():
            try:
                names = voc_files.listed(path)
            except BadRecord as error:
                self.findings.append(error.found_in(self.name_of(path)))
                continue
            for name in names:
                first = split_of.setdefault(name_key(name), split)
                if first != split:
                    twice = BadRecord(
                        f"lists {name}, which {first}.txt lists, too",
                        f"Keep it in one of the two; it was read into {first}.",
                    )
                    self.findings.append(twice.found_in(self.name_of(path)))
        return split_of
