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
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

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
_OTHER_NAMES = {
    "filename": "file", "file_name": "file", "image": "file", "path": "file",
    "class": "label", "class_name": "label", "category": "label",
    "xmin": "x1", "ymin": "y1", "xmax": "x2", "ymax": "y2",
}  # fmt: skip
_NUMBERS = frozenset({"width", "height", *_BOX})
_DELIMITERS = ",;\t"


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
    for line, row in _rows(table):
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
        if path.name == _NAME or {"file", "label"} <= set(_columns(head.partition("\n")[0])):
            return path
    return None


def _columns(head: str) -> list[str]:
    """The columns that a first line names, under our names."""
    names = [
        name.strip().lower() for name in next(csv.reader([head], delimiter=_delimiter(head)), [])
    ]
    return [_OTHER_NAMES.get(name, name) for name in names]


def _delimiter(head: str) -> str:
    return max(_DELIMITERS, key=head.count)


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, fields by column) of each row.

    Raises:
        ValueError: if columns are missing, or it is no table.
    """
    with bad_records.needed(table):
        return _parsed(bad_records.read_text(table))


def _parsed(text: str) -> list[tuple[int, dict[str, str]]]:
    head = text.partition("\n")[0]
    columns, delimiter = _columns(head), _delimiter(head)
    needed = ("file", "label", *(_BOX if set(_BOX) & set(columns) else ()))
    if missing := [name for name in needed if name not in columns]:
        raise BadRecord(
            f"lacks the column {', '.join(missing)}; its first line is {head.strip()[:80]!r}",
            f"Name the columns {','.join(COLUMNS)}, or file,label for whole pictures.",
        )
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    rows = []
    try:
        for fields in lines:
            fields += [""] * (len(columns) - len(fields))  # spreadsheets cut empty ends off
            row = {name: field.strip() for name, field in zip(columns, fields, strict=False)}
            if delimiter == ";":
                row |= {name: row[name].replace(",", ".") for name in _NUMBERS & row.keys()}
            if any(fields):
                rows.append((lines.line_num, row))
    except csv.Error as error:
        raise BadRecord(
            f"breaks off in line {lines.line_num}: {error}", "Save it again."
        ) from error
    return rows[1:]


class _Reader(Gathering):
    """Gathers rows to pictures."""

    def __init__(self, path: Path, images: Path | None, sizes: Sizes | None):
        super().__init__(path, images, "csv", sizes)
        self._locate = functools.cache(self.pictures.locate)
        self._marked: dict[str, list[Instance]] = {}

    def add(self, row: dict[str, str]) -> None:
        """One row: a picture, and perhaps a box on it."""
        file = self._locate(row["file"])
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
    annotation_set: AnnotationSet, folder: Path, only: Collection[str] | None
) -> dict[str, str]:
    """The text of the table, by its path in the data set ``folder``.

    With ``only``, the rows of all other pictures stay as the table has them, in our columns.
    """
    table = _table(folder)
    wanted = [p for p in annotation_set.pictures if only is None or p.file in only]
    new = {picture.file: _rows_of(picture, annotation_set.classes) for picture in wanted}
    changed = frozenset(new)
    rows: list[list[object]] = []
    for file, row in _rows_by_file(table) if table and only is not None else ():
        rows += new.pop(file, []) if file in changed else [row]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [COLUMNS, *rows, *itertools.chain(*new.values())]
    )
    return {table.name if table else _NAME: text.getvalue()}


def _rows_by_file(table: Path) -> Iterator[tuple[str, list[object]]]:
    """The rows of a table in our columns, and the picture that each speaks of."""
    locate = PictureFolder(picture_files.picture_root(table.parent, "csv")).locate
    for _, row in _rows(table):
        file = ""
        with contextlib.suppress(BadRecord):
            file = locate(row["file"])
        yield file, [row.get(name, "") for name in COLUMNS]


def _rows_of(picture: Picture, classes: Sequence[str]) -> list[list[object]]:
    facts = [picture.file, picture.split or "", picture.width, picture.height]
    if not picture.instances:
        return [[*facts, "", "", "", "", ""]]
    return [
        [*facts, classes[item.label], *map(bad_records.plain, bad_records.pixels(item.box))]
        for item in picture.instances
    ]
