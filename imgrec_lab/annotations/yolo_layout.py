"""Where a YOLO data set has its labels, and what its data.yaml says."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

import yaml

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.findings import Finding
from imgrec_lab.annotations.picture_files import (
    PICTURE_FOLDERS,
    FileNames,
    PictureFolder,
    without_suffix,
)
from imgrec_lab.annotations.records import AnnotationSet

CLASSES_FILE = "classes.txt"  # as labelImg writes it
MOST_CLASSES = 10_000
_MOST_YAML_MIB = 1
_NO_SPLITS = {"path", "names", "nc", "download"}


class Layout:
    """Which label file belongs to which picture.

    ``images`` in a picture's path becomes ``labels``; where there is none, labels lie beside the
    pictures if some do, else in a folder ``labels``.

    Attributes:
        beside: whether label files lie beside pictures.
    """

    def __init__(self, folder: Path, pictures: PictureFolder):
        self._prefix = ""
        if pictures.root.is_relative_to(folder):
            self._prefix = f"{pictures.root.relative_to(folder).as_posix()}/".removeprefix("./")
        self._texts = FileNames(picture_files.find_files(folder, {".txt"}))
        beside = (f"{without_suffix(self.place(file))}.txt" for file in pictures.files)
        self.beside = any(self._texts.find(name) for name in beside)
        self._own = frozenset(map(self._label_name, pictures.files))

    def place(self, file: str) -> str:
        """The path of a picture in the data set; ``file`` itself where it lies elsewhere."""
        return self._prefix + file

    def find(self, file: str) -> str | None:
        """The label file of a picture, relative to the data set, or None."""
        name = self._label_name(file)
        found = self._texts.find(name)
        return None if found != name and found in self._own else found  # it is another picture's

    def label_name(self, file: str) -> str:
        """The label file of a picture, which need not be there yet."""
        return self.find(file) or self._label_name(file)

    def _label_name(self, file: str) -> str:
        *parents, name = without_suffix(self.place(file)).split("/")
        named = [i for i, part in enumerate(parents) if part.lower() in PICTURE_FOLDERS]
        if named:
            parents[named[-1]] = "labels"
        elif not self.beside:
            parents.insert(0, "labels")
        return "/".join([*parents, f"{name}.txt"])

    def labels_besides(self, known: Collection[str]) -> list[str]:
        """Label files other than the known ones."""
        others = [name for name in self._texts.names if name not in known]
        return [
            name
            for name in others
            if "labels" in name.split("/")[:-1] and posixpath.basename(name) != CLASSES_FILE
        ]


class Description(NamedTuple):
    """What data.yaml or classes.txt says, as far as it can be used.

    Attributes:
        names: of the classes; None where no file names them.
        split_of: the split of each folder or listed picture, by its path in the data set; None
            for a folder that stands for several splits, since the set is then not divided.
        findings: what is wrong with the rest.
    """

    names: tuple[str, ...] | None
    split_of: dict[str, str | None]
    findings: list[Finding]


def yaml_file(folder: Path) -> Path | None:
    """``data.yaml``, or else the first YAML file that speaks of names."""
    paths = [path for path in folder.glob("*.y*ml") if path.suffix in (".yaml", ".yml")]
    for path in sorted(filter(Path.is_file, paths), key=lambda path: (path.stem != "data", path)):
        if path.stem == "data" or b"names" in bad_records.peek(path, _MOST_YAML_MIB * 2**20):
            return path
    return None


def describe(path: Path) -> Description:
    """What is said of the data set in the folder ``path``, or by the data.yaml at ``path``."""
    folder = picture_files.data_folder(path)
    file = path if path.is_file() else names_file(folder)
    problems: list[BadRecord] = []
    names, split_of = None, {}
    if file is None:
        return Description(names, split_of, [])
    try:
        if file.name == CLASSES_FILE:
            names = _lines(file)
        else:
            content = contents(file, yaml.BaseLoader)
            split_of = _split_of(content, folder, problems)
            names = _names(content, problems)
    except BadRecord as error:
        problems.append(error)
    repeated = [name for name, times in Counter(names or ()).items() if times > 1]
    if repeated:
        reason = f"names {repeated[0]!r} more than once; the numbers are read as one class"
        problems.append(BadRecord(reason, "Rename one, or correct the labels."))
    return Description(names, split_of, [error.found_in(file.name) for error in problems])


def _lines(path: Path) -> tuple[str, ...]:
    """One class name a line; a line without is called by its number."""
    lines = bad_records.read_text(path, most_mib=_MOST_YAML_MIB).rstrip().splitlines()
    return tuple(line.strip() or str(number) for number, line in enumerate(lines))


def _split_of(
    content: dict[str, object], folder: Path, problems: list[BadRecord]
) -> dict[str, str | None]:
    split_of: dict[str, str | None] = {}
    for split, place in _places(content, folder, problems):
        if split_of.setdefault(place, split) != split:
            split_of[place] = None
    return split_of


def contents(path: Path, loader: type[yaml.BaseLoader | yaml.SafeLoader]) -> dict:
    """The keys and values of a YAML file.

    Args:
        path: the file.
        loader: yaml's BaseLoader keeps all values as text, so that a class may be named ``no`` or
            ``1``; its SafeLoader gives them types. Neither builds other objects.

    Raises:
        BadRecord: if it is no YAML.
    """
    try:
        content = yaml.load(bad_records.read_text(path, most_mib=_MOST_YAML_MIB), loader)
    except (yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise BadRecord(f"is not whole YAML: {reason:.200}", "Export it again.") from error
    if not isinstance(content, dict):
        raise BadRecord("has no keys such as names and train", "Export it again.")
    return content


def _names(content: dict, problems: list[BadRecord]) -> tuple[str, ...] | None:
    """Class names, given as a list or by their numbers; a gap is called by its number."""
    names = content.get("names")
    if names is None:
        return None
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        named = {int(number): name.strip() for number, name in names.items()}
        last = max(named)
    except (AttributeError, TypeError, ValueError) as error:
        raise BadRecord("must give names as text, listed or numbered", "Correct names.") from error
    if min(named) < 0 or last >= MOST_CLASSES:
        raise BadRecord(f"must number names from 0 to {MOST_CLASSES - 1}", "Number them anew.")
    nc = content.get("nc", str(last + 1))
    if nc != str(last + 1):
        said = nc if isinstance(nc, str) else "no number"
        reason = f"says nc: {said:.20}, but names {last + 1} classes"
        problems.append(BadRecord(reason, "Correct nc or names."))
    for name in named.values():
        bad_records.check_text(name, "a class name")
    return tuple(named.get(number) or str(number) for number in range(last + 1))


def _places(
    content: dict[str, object], folder: Path, problems: list[BadRecord]
) -> Iterator[tuple[str, str]]:
    """(split, path in the data set) of each split's folders and listed pictures."""
    base = content["path"] if isinstance(content.get("path"), str) else ""
    for key, value in content.items():
        entries = value if isinstance(value, list) else [value]
        if key in _NO_SPLITS or not all(isinstance(entry, str) for entry in entries):
            continue
        split = picture_files.split_name(key)
        for entry in filter(None, entries):
            place = _resolved(entry, base, folder)
            if place is None:
                if split in ("train", "val", "test"):
                    reason = f"says {key}: {entry}, which is not in this folder"
                    advice = "Write a path relative to data.yaml, or leave it out."
                    problems.append(BadRecord(reason, advice))
            elif (folder / place).is_file():
                yield from ((split, listed) for listed in _listed(folder / place, folder, problems))
            else:
                yield split, place


def _resolved(entry: str, base: str, folder: Path) -> str | None:
    """Where an entry leads to in ``folder``; None where that is elsewhere or not there.

    Some exports write ``../train/images`` for what lies beside data.yaml.
    """
    entry = entry.replace("\\", "/")
    for text in (f"{base}/{entry}" if base else entry, entry, re.sub(r"^(\.\./)+", "", entry)):
        place = posixpath.normpath(text)
        outside = place.split("/")[0] in ("..", "") or PureWindowsPath(place).drive
        if not outside and os.path.exists(folder / place):
            return place
    return None


def _listed(path: Path, folder: Path, problems: list[BadRecord]) -> Iterator[str]:
    """The pictures of a list, one a line, by their path in the data set."""
    try:
        lines = [line for line in bad_records.read_text(path).splitlines() if line.strip()]
    except BadRecord as error:
        problems.append(BadRecord(f"names {path.name}, which {error.reason}", error.advice))
        return
    beside = path.parent.relative_to(folder).as_posix()
    tries = ([_resolved(e, beside, folder) for e in (line, line.strip())] for line in lines)
    places = [exact or stripped for exact, stripped in tries]
    if lost := places.count(None):
        reason = f"names {path.name}, of which {lost} pictures are not in this folder"
        problems.append(BadRecord(reason, "Write paths relative to the list."))
    yield from filter(None, places)


def names_file(folder: Path) -> Path | None:
    """The file that names the classes: data.yaml, else classes.txt, or None."""
    classes = folder / CLASSES_FILE
    return yaml_file(folder) or (classes if classes.is_file() else None)


def names_to_keep(file: Path) -> tuple[str, ...] | None:
    """The class names in data.yaml or classes.txt, or None where it gives none.

    Raises:
        ValueError: if they cannot be read.
    """
    with bad_records.kept(file):
        if file.name == CLASSES_FILE:
            return _lines(file)
        return _names(contents(file, yaml.BaseLoader), [])


def names_text(file: Path, classes: Sequence[str]) -> str:
    """The text of data.yaml or classes.txt with other class names and the rest as it is.

    That is, unless data.yaml is laid out in a way that makes it be written anew: its comments are
    lost then.

    Raises:
        ValueError: if data.yaml is no YAML.
    """
    if file.name == CLASSES_FILE:
        return "".join(f"{name}\n" for name in classes)
    with bad_records.needed(file):
        content = contents(file, yaml.SafeLoader)
        text = bad_records.read_text(file)
    numbered = isinstance(content.get("names"), dict)
    new: dict[str, object] = {"nc": len(classes)} if "nc" in content else {}
    new["names"] = dict(enumerate(classes)) if numbered else list(classes)
    edited = _with_values(text, new)
    with contextlib.suppress(yaml.YAMLError):
        if _dump(yaml.safe_load(edited)) == _dump(content | new):  # as text: references may nest
            return edited
    return _dump(content | new)


def _with_values(text: str, new: Mapping[str, object]) -> str:
    """YAML with other values of the keys that it has on its first level, if they stand in lines."""
    for key, value in reversed(yaml.compose(text, yaml.SafeLoader).value):
        if key.value in new:
            entry = _dump({key.value: new[key.value]}).rstrip()
            text = text[: key.start_mark.index] + entry + text[_end(value) :]
    return text


def _end(node: yaml.Node) -> int:
    """Where a value ends; those in lines of their own claim the comments that follow, too."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def new_text(annotation_set: AnnotationSet, images: str) -> str:
    """A new data.yaml; ``images`` is the folder of pictures relative to it.

    Training tools insist on both train and val: a set that is not divided stands for both.
    """
    starts = {picture.file.partition("/")[0] for picture in annotation_set.pictures}
    splits = [split for split in annotation_set.splits() if split in starts]
    places = {split: posixpath.join(images, split) for split in splits}
    places = places or {"train": images, "val": images}
    return _dump({**places, "names": dict(enumerate(annotation_set.classes))})


def _dump(content: dict) -> str:
    """YAML, keys in their order, accents as they are."""
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
