"""Pascal VOC: one XML file a picture, and lists of the pictures of each split.

The files of the benchmark itself, VOC 2007 to 2012, count pixels from 1 and both corners belong to
the box, so that x1 = xmin - 1 and x2 = xmax; their ``<database>`` begins with "The VOC". Nearly all
tools since write pixel edges as they are. Each file is read and changed in its own way; new files
have edges as they are.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from imgrec_lab.annotations import picture_files, voc_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import Sizes, name_key, without_suffix
from imgrec_lab.annotations.records import AnnotationSet, Instance, Picture
from imgrec_lab.annotations.voc_writing import label_texts

__all__ = ["homes", "label_texts", "read", "recognises"]
homes = picture_files.own_names


def recognises(path: Path) -> bool:
    """Whether ``path`` is an XML file, or a folder that holds some where VOC has them."""
    return path.suffix.lower() == ".xml" if path.is_file() else bool(voc_files.label_files(path))


def read(path: Path, images: Path | None = None, sizes: Sizes | None = None) -> AnnotationSet:
    """Read one file, or all of a data set's; what cannot be used becomes findings.

    Raises:
        ValueError: if none of the files can be read.
    """
    reader = _Reader(path, images, sizes)
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

    def __init__(self, path: Path, images: Path | None, sizes: Sizes | None):
        super().__init__(path, images, "voc", sizes)
        self._base = voc_files.label_folder(self.folder) if path.is_dir() else path.parent
        self._split_of = self._listed_splits()

    def add(self, path: Path) -> None:
        """The labels of one picture."""
        tree = voc_files.parse(path)
        name = path.relative_to(self._base).as_posix()
        file = voc_files.picture_of(name, tree, self.pictures)
        self.claim(file)
        size = self.size(file, tree.findtext("size/height"), tree.findtext("size/width"))
        first = voc_files.first_pixel(tree)
        instances = []
        for number, element in enumerate(tree.iterfind("object"), 1):
            try:
                instances.append(self._instance(element, first))
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
        name, box = voc_files.name_and_box(element, first)
        marks = {mark: voc_files.is_marked(element, mark) for mark in voc_files.MARKS}
        return Instance(self.label(name), box, **marks)

    def _listed_splits(self) -> dict[str, str]:
        """The split of each listed picture, by the key of its name."""
        split_of: dict[str, str] = {}
        known = frozenset(map(without_suffix, voc_files.xml_names(self._base)))
        for split, path in voc_files.lists(self.folder).items():
            try:
                names = voc_files.listed(path, known)
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
