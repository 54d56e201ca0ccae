"""Which files of a folder hold COCO labels, of which split, and where their pictures lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from imgrec_lab.annotations import bad_records, picture_files
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.picture_files import PictureFolder

_PEEK_BYTES = 64 * 1024
_OTHER_LABELS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")  # COCO's own
_SAMPLE = 100  # names that are looked up to learn which folder they are relative to


class LabelFile(NamedTuple):
    """One JSON file of a data set: where it lies, also relative to the set, and its split."""

    path: Path
    name: str
    split: str | None


def find(folder: Path) -> list[LabelFile]:
    """The COCO files of a data set: train, val and test first, then others by name."""
    if not folder.is_dir():
        return []
    places = [folder, *(entry for entry in folder.iterdir() if _may_hold_labels(entry))]
    paths = [path for place in places for path in place.glob("*.json") if _looks_like_coco(path)]
    files = [describe(path, folder) for path in paths]
    return sorted(files, key=lambda file: (picture_files.split_order(file.split), file.name))


def describe(path: Path, folder: Path) -> LabelFile:
    """``path`` with its split: "train" for instances_train2017.json or train/labels.json."""
    name = path.relative_to(folder)
    _, named, rest = name.stem.partition("instances_")
    if named:
        split = None if rest == "default" else picture_files.split_name(rest)  # as CVAT writes it
    else:
        split = picture_files.split_of(name.stem) or picture_files.split_of(name.parent.name)
    return LabelFile(path, name.as_posix(), split)


def _may_hold_labels(entry: Path) -> bool:
    named = entry.name.lower() == "annotations" or picture_files.split_of(entry.name)
    return bool(named) and entry.is_dir()


def _looks_like_coco(path: Path) -> bool:
    if path.name.startswith((".", *_OTHER_LABELS)) or not path.is_file():
        return False
    if path.name.startswith("instances") or "coco" in path.name:
        return True
    first, last = (bad_records.peek(path, _PEEK_BYTES, from_end=end) for end in (False, True))
    return b'"images"' in first or b'"images"' in last


def contents(path: Path) -> dict:
    """The JSON object of a file.

    Raises:
        BadRecord: if it is no JSON, with the line, or lacks one of COCO's lists.
    """
    text = bad_records.read_text(path)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRecord(
            f"is not whole JSON: {error.msg} in line {error.lineno}, column {error.colno}",
            "Fetch or export it again.",
        ) from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 5,000 brackets
        raise BadRecord(f"cannot be parsed: {error}", "Export it again.") from error
    lists = content if isinstance(content, dict) else {}
    missing = [
        k for k in ("images", "annotations", "categories") if not isinstance(lists.get(k), list)
    ]
    if missing:
        raise BadRecord(
            "must be an object with lists of images, annotations and categories; "
            f"it has no list of {' and '.join(missing)}",
            "Choose the file of COCO instances.",
        )
    return content


def name_prefix(file: LabelFile, content: dict, pictures: PictureFolder) -> str:
    """What makes the names in ``file`` relative to the folder of pictures, such as "val2017/".

    The names of ``train/_annotations.coco.json`` lie in ``train/``, those of
    ``instances_val2017.json`` perhaps in ``val2017/``.
    """
    folder, beside = file.path.parent, ""
    if folder.is_relative_to(pictures.root) and folder.name.lower() != "annotations":
        beside = f"{folder.relative_to(pictures.root).as_posix()}/".removeprefix("./")
    candidates = (beside, "", f"{file.path.stem.rpartition('_')[2]}/", f"{file.split}/")
    sample = [image.get("file_name") for image in content["images"][:_SAMPLE]
              if isinstance(image, dict)]  # fmt: skip
    names = [name.replace("\\", "/") for name in sample if isinstance(name, str)]
    hits = {start: sum(pictures.find(start + n) is not None for n in names) for start in candidates}
    return max(hits, key=hits.__getitem__)
