"""COCO, written: anew, or into files that are there, which keep what we know nothing of."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from imgrec_lab.annotations import bad_records, coco_files, coco_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.coco_files import LabelFile
from imgrec_lab.annotations.picture_files import PictureFolder
from imgrec_lab.annotations.records import AnnotationSet, Picture

_Mark = tuple[int | str | None, int | str | None, tuple[float, ...]]  # image, category, bbox
_LISTS = ("images", "annotations", "categories")
_to_json = json.JSONEncoder(ensure_ascii=False).encode


class _Written(NamedTuple):
    """What a file says so far: its content, and the record of each picture that is read."""

    content: dict
    prefix: str  # what its names lack to be relative to the folder of pictures
    records: dict[str, dict]


_NOTHING = _Written({name: [] for name in _LISTS}, "", {})


def label_texts(
    annotation_set: AnnotationSet,
    folder: Path,
    only: Collection[str] | None,
    images: Path | None = None,
) -> dict[str, str]:
    """The text of each label file, by its path in the data set ``folder``.

    A file that is there keeps the ids of its images and categories, and its licences and the like;
    an annotation whose class and box do not change keeps its id and all that we know nothing of.
    With ``only``, the records of all other pictures stay as they are, too.
    """
    wanted = [p for p in annotation_set.pictures if only is None or p.file in only]
    splits = {picture.split for picture in wanted}
    present = [f for f in coco_files.find(folder) if only is None or f.split in splits]
    pictures = PictureFolder(images or picture_files.picture_root(folder, "coco"))
    written = {file.name: _written(file, pictures) for file in present}
    members: dict[str, list[Picture]] = {name: [] for name in written}
    for picture in wanted:
        members.setdefault(_file_of(picture, present, written), []).append(picture)
    if only is None and not members:  # a set without pictures still has its classes
        members[_new_name(None)] = []
    return {
        name: _text(
            _renewed(written.get(name, _NOTHING), here, annotation_set.classes, only is not None)
        )
        for name, here in members.items()
    }


def _written(file: LabelFile, pictures: PictureFolder) -> _Written:
    with bad_records.needed(file.path):
        content = coco_files.contents(file.path)
    prefix = coco_files.name_prefix(file, content, pictures)
    records: dict[str, dict] = {}
    for record in _first_of_each_id(content["images"]):
        if isinstance(record.get("file_name"), str):
            with contextlib.suppress(BadRecord):
                records.setdefault(pictures.locate(record["file_name"], prefix), record)
    return _Written(content, prefix, records)


def _file_of(picture: Picture, present: list[LabelFile], written: dict[str, _Written]) -> str:
    """The file that lists the picture already, else the first of its split, else a new one."""
    of_split = [file.name for file in present if file.split == picture.split]
    listing = [name for name in of_split if picture.file in written[name].records]
    return [*listing, *of_split, _new_name(picture.split)][0]


def _new_name(split: str | None) -> str:
    return f"annotations/instances_{split}.json" if split else "annotations/instances.json"


def _renewed(
    written: _Written, pictures: Sequence[Picture], classes: Sequence[str], keep: bool
) -> dict[str, object]:
    """The content of a file with these pictures' records; with ``keep``, all others' as well."""
    old = written.content
    categories = _categories(old, classes)
    images = _images(written, pictures)
    kept = [r for r in old["annotations"] if keep and _id(r, "image_id") not in images]
    theirs = _by_mark(r for r in old["annotations"] if _id(r, "image_id") in images)
    annotations = [
        _with_the_rest(
            {"image_id": key, "category_id": categories[item.label]["id"]}
            | coco_records.from_instance(item, picture),
            theirs,
        )
        for key, picture in zip(images, pictures, strict=True)
        for item in picture.instances
    ]
    by_id = {record["id"]: record for record in categories}
    return {
        **old,
        "images": _replaced(old["images"], images, keep),
        "annotations": [*kept, *_numbered(annotations, _ids(kept, "id"))],
        "categories": _replaced(old["categories"], by_id, keep),
    }


def _by_mark(records: Iterable[dict]) -> dict[_Mark, list[dict]]:
    """Annotations by what they mark."""
    found: dict[_Mark, list[dict]] = {}
    for record in records:
        with contextlib.suppress(BadRecord, TypeError):
            found.setdefault(_mark(record), []).append(record)
    return found


def _mark(record: dict) -> _Mark:
    box = bad_records.pixels(bad_records.numbers(record.get("bbox"), "its bbox"))
    return _id(record, "image_id"), _id(record, "category_id"), box


def _with_the_rest(new: dict, theirs: dict[_Mark, list[dict]]) -> dict:
    """An annotation with what the one that it stands for says besides, such as its id."""
    same = theirs.get(_mark(new)) if theirs else None
    return same.pop(0) | new if same else new


def _numbered(annotations: list[dict], taken: Sequence[int | str]) -> Iterator[dict]:
    """The annotations, each with an id of its own: the one that it has, or the next free one."""
    new_ids = _ids_after(taken, _ids(annotations, "id"))
    seen = set(taken)
    for record in annotations:
        key = _id(record, "id")
        number = {"id": next(new_ids) if key is None or key in seen else key}
        seen.add(number["id"])
        yield number | record | number


def _categories(old: dict, classes: Sequence[str]) -> list[dict]:
    """The record of each class: the file's own, or one with the next free id."""
    records = [r for r in old["categories"] if isinstance(r, dict)]
    named = [r for r in records if isinstance(r.get("name"), str) and r["name"].strip()]
    listed = {record["name"].strip(): record for record in _first_of_each_id(named)}
    new_ids = _ids_after(_ids(records, "id"), _ids(old["annotations"], "category_id"))
    return [listed.get(name) or {"id": next(new_ids), "name": name} for name in classes]


def _images(written: _Written, pictures: Sequence[Picture]) -> dict[object, dict]:
    """The record of each picture by its id: the file's own, or one with the next free id."""
    old = written.content
    new_ids = _ids_after(_ids(old["images"], "id"), _ids(old["annotations"], "image_id"))
    images = {}
    for picture in pictures:
        record = written.records.get(picture.file)
        if record is None:
            record = {"id": next(new_ids), "file_name": picture.file.removeprefix(written.prefix)}
        images[record["id"]] = record | {"width": picture.width, "height": picture.height}
    return images


def _replaced(old: list, new: dict[object, dict], keep: bool) -> list:
    """``new`` in the places of the records that it replaces, then the rest of it."""
    left = dict(new)
    places = [left.pop(_id(record, "id"), record if keep else None) for record in old]
    return [record for record in places if record is not None] + list(left.values())


def _id(record: object, name: str) -> int | str | None:
    key = record.get(name) if isinstance(record, dict) else None
    return key if isinstance(key, int | str) else None


def _ids(records: Iterable[object], name: str) -> list[int | str]:
    return [key for record in records if (key := _id(record, name)) is not None]


def _first_of_each_id(records: Iterable[object]) -> Iterator[dict]:
    """The records that reading takes: it drops those whose id came before."""
    seen: set[int | str] = set()
    for record in records:
        key = _id(record, "id")
        if key is not None and key not in seen:
            seen.add(key)
            yield record


def _ids_after(*used: Sequence[int | str]) -> Iterator[int]:
    """Numbers above all that are in use, also by records that point to nothing."""
    return itertools.count(1 + max((k for ks in used for k in ks if isinstance(k, int)), default=0))


def _text(content: dict[str, object]) -> str:
    """JSON with a line for each record, so that people and version control see what changed."""
    parts = []
    for name, value in content.items():
        rows = ",\n".join(map(_to_json, value)) if name in _LISTS else None
        parts.append(f"{_to_json(name)}: " + (_to_json(value) if rows is None else f"[\n{rows}\n]"))
    return bad_records.printable("{\n" + ",\n".join(parts) + "\n}\n")  # as JSON spells it, too
