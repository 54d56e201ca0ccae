"""CSV: one table with a row for each box, for spreadsheets and small tools.

``file,split,width,height,label,x1,y1,x2,y2``; a picture that shows nothing is a row without label
and box. Two columns, ``file`` and ``label``, do for pictures that as a whole belong to one class.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import PictureFolder, Sizes
from imgrec_lab.annotations.records import AnnotationSet, Box, Instance, Picture

homes = picture_files.own_names
COLUMNS = ("file", "split", "width", "height", "label", "x1", "y1", "x2", "y2")
_NAME = "annotations.csv"
_PEEK_BYTES = 4096
_BOX = COLUMNS[-4:]
_Mark = tuple[str, str, Box | None]  # the picture, class and box that a row speaks of
_OTHER_NAMES = {
    "filename": "file", "file_name": "file", "image": "file", "path": "file",
    "class": "label", "class_name": "label", "category": "label",
    "xmin": "x1", "ymin": "y1", "xmax": "x2", "ymax": "y2",
}  # fmt: skip
_NUMBERS = frozenset({"width", "height", *_BOX})
_DELIMITERS = ",;\t"
_OTHER_BOXES = frozenset({"x", "y", "w", "h", "bbox"})  # as some tools call what is no corner


def recognises(path: Path) -> bool:
    """Whether ``path`` is such a table, or a folder that holds one."""
    return path.suffix.lower() == ".csv" if path.is_file() else _table(path) is not None


def read(path: Path, images: Path | None = None, sizes: Sizes | None = None) -> AnnotationSet:
    """Read a table; rows that cannot be used become findings.

    The delimiter may be a comma, a tab, or a semicolon, with which numbers may have decimal commas.

    Raises:
        ValueError: if it is no text, or has no columns for files and labels.
    """
    table = path if path.is_file() else _table(path)
    if table is None:
        raise ValueError(f"{path} holds no table with columns file and label; name it {_NAME}.")
    reader = _Reader(path, images, sizes)
    for line, row in _contents(table).rows:
        try:
            reader.add(row)
        except BadRecord as error:
            reader.findings.append(error.found_in(table.name, f"line {line}"))
    return reader.result()


def _table(folder: Path) -> Path | None:
    """``annotations.csv``, or else the first table that names files and labels."""
    tables = filter(Path.is_file, folder.glob("*.csv"))
    for path in sorted(tables, key=lambda path: (path.name != _NAME, path.name)):
        head = bad_records.peek(path, _PEEK_BYTES).decode("utf-8-sig", errors="replace")
        if path.name == _NAME or {"file", "label"} <= set(_columns(_first_line(head))):
            return path
    return None


def _first_line(text: str) -> str:
    return re.split("[\r\n]", text, maxsplit=1)[0]


def _columns(head: str) -> list[str]:
    """The columns that a first line names: under our names, or as they are where we have none."""
    columns: list[str] = []
    fields: list[str] = []
    with contextlib.suppress(csv.Error):  # a field of 128 KiB: no line of names
        fields = next(csv.reader([head], delimiter=_delimiter(head)), [])
    for name in map(str.strip, fields):
        own = _OTHER_NAMES.get(name.lower(), name.lower())
        columns.append(own if own in COLUMNS and own not in columns else name)
    return columns


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=head.count)


class _Contents(NamedTuple):
    """What a table says: the names of its columns; (line, fields by column) of each row."""

    columns: list[str]
    rows: list[tuple[int, dict[str, str]]]


def _contents(table: Path) -> _Contents:
    """What a table says.

    Raises:
        ValueError: if columns are missing, or it is no table.
    """
    with bad_records.needed(table):
        return _parsed(bad_records.read_text(table))


def _parsed(text: str) -> _Contents:
    head = _first_line(text)
    columns, delimiter = _columns(head), _delimiter(head)
    needed = ("file", "label", *(_BOX if set(_BOX) & set(columns) else ()))
    if missing := [name for name in needed if name not in columns]:
        raise BadRecord(
            f"lacks the column {', '.join(missing)}; its first line is {head.strip()[:80]!r}",
            f"Name the columns {','.join(COLUMNS)}, or file,label for whole pictures.",
        )
    if "x1" not in columns and (others := [n for n in columns if n.lower() in _OTHER_BOXES]):
        raise BadRecord(
            f"gives boxes in the columns {', '.join(others)}, whose meaning differs between tools",
            "Give corners in pixels in the columns x1,y1,x2,y2, or rename what is no box.",
        )
    lines = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=bool(re.search(f'(^|{delimiter}) +"', text, re.M)),  # or names keep it
        strict=True,
    )
    rows, line = [], 0  # the last line of the last row
    try:
        for fields in lines:
            fields += [""] * (len(columns) - len(fields))  # spreadsheets cut empty ends off
            said = dict(zip(columns, fields, strict=False))
            row = {name: field.strip() for name, field in said.items()} | {"file": said["file"]}
            if delimiter == ";":
                row |= {name: row[name].replace(",", ".") for name in _NUMBERS & row.keys()}
            line = lines.line_num
            if any(map(str.strip, fields)):
                rows.append((lines.line_num, row))
    except csv.Error as error:
        raise BadRecord(
            f"breaks off in the row of line {line + 1}: {error}",
            "Look for a quote that is not closed, and save it again.",
        ) from error
    return _Contents(columns, rows[1:])


class _Reader(Gathering):
    """Gathers rows to pictures."""

    def __init__(self, path: Path, images: Path | None, sizes: Sizes | None):
        super().__init__(path, images, "csv", sizes)
        self._locate = functools.cache(self.pictures.locate)
        self._lost: set[str] = set()
        self._marked: dict[str, list[Instance]] = {}

    def add(self, row: dict[str, str]) -> None:
        """One row: a picture, and perhaps a box on it."""
        if row["file"] in self._lost:  # its first row said so
            return
        try:
            file = self._locate(row["file"])
        except BadRecord as error:
            if error.kind == "no-picture":
                self._lost.add(row["file"])
            raise
        if file not in self._marked:
            self._marked[file] = []
            self.claim(file)
            size = self.size(file, row.get("height"), row.get("width"))
            self.found[file] = Picture(file, *size, split=_split(row))
        if file not in self.found:  # its first row said why
            return
        picture, split, corners = self.found[file], _split(row), _corners(row)
        if picture.split != split:
            raise BadRecord(
                f"puts {file} into split {split!r}, an earlier row into {picture.split!r}",
                "Keep it in one: a picture in two splits makes scores look better than they are.",
            )
        if row["label"]:
            box = _box(corners, picture)
            self._marked[file].append(Instance(self.label(row["label"]), box))
        elif any(corners):
            raise BadRecord("has a box but no label", "Name its class, or remove the box.")

    def result(self, *, alphabetical: bool = True) -> AnnotationSet:
        """All that was gathered; a table has no order of classes, so they come by name."""
        for file, picture in self.found.items():
            self.found[file] = replace(picture, instances=tuple(self._marked[file]))
        return super().result(alphabetical=alphabetical)


def _split(row: dict[str, str]) -> str | None:
    return picture_files.split_name(row.get("split", "")) or None


def _corners(row: dict[str, str]) -> list[str]:
    return [row.get(name, "") for name in _BOX]


def _box(corners: Sequence[str], picture: Picture) -> Box:
    if not any(corners):
        return 0.0, 0.0, float(picture.width), float(picture.height)
    return bad_records.pixels(bad_records.numbers(corners, "a box"))


# ------------------------------------------------------------------------------------------ writing


def label_texts(
    annotation_set: AnnotationSet,
    folder: Path,
    only: Collection[str] | None,
    images: Path | None = None,
) -> dict[str, str]:
    """The text of the table, by its path in the data set ``folder``.

    With ``only``, the rows of all other pictures stay as the table has them, in our columns. The
    table's further columns stay, too, with what they say of boxes that do not change.

    Raises:
        ValueError: if the table that is there cannot be read.
    """
    table = _table(folder)
    there = _contents(table) if table else _Contents([], [])
    further = [name for name in dict.fromkeys(there.columns) if name not in COLUMNS]
    old = _located(there, images or picture_files.picture_root(folder, "csv"))
    wanted = {p.file: p for p in annotation_set.pictures if only is None or p.file in only}
    notes = _notes(old, wanted, further) if further else {}
    new = {
        file: _rows_of(picture, annotation_set.classes, notes, [""] * len(further))
        for file, picture in wanted.items()
    }
    rows: list[list[object]] = []
    for file, row in old if only is not None else ():
        stays = [row.get(name, "") for name in (*COLUMNS, *further)]
        rows += new.pop(file, []) if file in wanted else [stays]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[*COLUMNS, *further], *rows, *itertools.chain(*new.values())]
    )
    return {table.name if table else _NAME: text.getvalue()}


def _located(there: _Contents, root: Path) -> list[tuple[str, dict[str, str]]]:
    """The rows of a table, each with the picture that it speaks of, or "" if that is not there."""
    locate = PictureFolder(root).locate
    rows = []
    for _, row in there.rows:
        file = ""
        with contextlib.suppress(BadRecord):
            file = locate(row["file"])
        rows.append((file, row))
    return rows


def _notes(
    old: Sequence[tuple[str, dict[str, str]]],
    pictures: Mapping[str, Picture],
    further: Sequence[str],
) -> dict[_Mark, list[list[str]]]:
    """What the rows about these pictures have in further columns, by what they speak of."""
    notes: dict[_Mark, list[list[str]]] = {}
    for file, row in old:
        if file in pictures:
            with contextlib.suppress(BadRecord):
                box = _box(_corners(row), pictures[file]) if row["label"] else None
                note = [row[name] for name in further]
                notes.setdefault((file, row["label"], box), []).append(note)
    return notes


def _rows_of(
    picture: Picture,
    classes: Sequence[str],
    notes: Mapping[_Mark, list[list[str]]],
    blank: list[str],
) -> list[list[object]]:
    """The rows of a picture; ``notes`` fill further columns, or else ``blank`` does."""
    facts = [picture.file, picture.split or "", picture.width, picture.height]
    marks = [(classes[item.label], bad_records.pixels(item.box)) for item in picture.instances]
    rows: list[list[object]] = []
    for name, box in marks or [("", None)]:
        same = notes.get((picture.file, name, box))
        corners = [""] * 4 if box is None else map(bad_records.plain, box)
        rows.append([*facts, name, *corners, *(same.pop(0) if same else blank)])
    return rows
