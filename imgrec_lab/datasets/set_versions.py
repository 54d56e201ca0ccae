"""A data set that grows: every version stays, and each picture is kept once.

::

    store/pictures/3f/3f2a...c1.png    named by a digest of its pixels
    store/v001.json                    note, classes, and one line a picture: digest, class
    store/v002.json

A version is never changed. What is different in the next one, pictures that came, pictures that
went and labels that were corrected, is read off the two lists.
"""

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from imgrec_lab import atomic_files
from imgrec_lab.datasets import image_files
from imgrec_lab.datasets.image_sets import ImageSet

_FILE = re.compile(r"v(\d{3}|[1-9]\d{3,})\.json")


class Version(NamedTuple):
    """One state of a data set.

    Attributes:
        number: 1, 2, 3 and so on.
        note: what is new in it, and why.
        counts: pictures of each class, in class order.
        digest: the same for the same pictures and labels, in whatever order.
    """

    number: int
    note: str
    counts: dict[str, int]
    digest: str

    def __str__(self) -> str:
        total = sum(self.counts.values())
        return f"version {self.number}: {total:,} pictures, {len(self.counts)} classes, {self.note}"


class Changes(NamedTuple):
    """What differs between two versions; pictures are known by their pixels, whatever their order.

    Attributes:
        added, removed: class name -> number of pictures.
        relabelled: (class before, class after) -> number of pictures.
    """

    added: dict[str, int]
    removed: dict[str, int]
    relabelled: dict[tuple[str, str], int]

    def __str__(self) -> str:
        parts = [
            f"{sum(counts.values()):,} {name}: {_listed(counts)}"
            for name, counts in (("added", self.added), ("removed", self.removed))
            if counts
        ]
        if self.relabelled:
            pairs = {f"{old} to {new}": times for (old, new), times in self.relabelled.items()}
            parts.append(f"{sum(pairs.values()):,} relabelled: {_listed(pairs)}")
        return "\n".join(parts) or "no difference"


def save_version(image_set: ImageSet, folder: str | os.PathLike, *, note: str) -> Version:
    """Keep a state of a set; a state that is kept already, with the same note, is given back.

    Args:
        image_set: N pictures; a new or damaged one is written as a PNG file, a known one is
            looked at only.
        folder: of the versions; made where there is none.
        note: what is new in this version, and why.

    Raises:
        ValueError: if the note is empty.
    """
    if not note.strip():
        raise ValueError("note must say what is new in this version; got nothing.")
    root = Path(folder)
    names = [_digest(image) for image in image_set.images]
    labels = [image_set.classes[label] for label in image_set.labels.tolist()]
    rows = [list(row) for row in zip(names, labels, strict=True)]
    content = {"note": note, "classes": list(image_set.classes), "pictures": rows}
    made = _version(max(_numbers(root), default=0) + 1, content)
    root.mkdir(parents=True, exist_ok=True)
    for name, image in zip(names, image_set.images, strict=True):
        _keep_picture(root, name, image)
    for version in versions(root):
        same_order = list(version.counts) == list(made.counts)  # it decides what a label means
        if same_order and version._replace(number=made.number) == made:
            return version
    return made._replace(number=_keep_list(root, made.number, _as_json(content)))


def load_version(folder: str | os.PathLike, number: int | None = None) -> ImageSet:
    """The pictures and labels of a version, in the order in which they were saved.

    Args:
        folder: of the versions.
        number: which; the last one where it is None.

    Raises:
        ValueError: if there is no such version, its list is damaged, or a picture of it is missing
            damaged or changed.
    """
    root = Path(folder)
    number = max(_numbers(root), default=0) if number is None else number
    content = _read(root, number)
    classes = content["classes"]
    images = [_read_picture(root, name) for name, _ in content["pictures"]]
    labels = [classes.index(label) for _, label in content["pictures"]]
    return ImageSet(
        torch.stack(images) if images else torch.zeros(0, 3, 1, 1, dtype=torch.uint8),
        torch.tensor(labels, dtype=torch.int64), tuple(classes), f"{root.name} v{number}",
    )  # fmt: skip


def versions(folder: str | os.PathLike) -> list[Version]:
    """Every version of a folder, the first one first; an empty list where there is none.

    Raises:
        ValueError: if the list of one is damaged.
    """
    root = Path(folder)
    return [_version(number, _read(root, number)) for number in _numbers(root)]


def compare_versions(folder: str | os.PathLike, old: int, new: int) -> Changes:
    """What came, went and was relabelled between two versions of a folder.

    Copies count: a picture that is there once more was added.

    Raises:
        ValueError: if there is no such version, or the list of one is damaged.
    """
    root = Path(folder)
    before, after = (_labels(_read(root, number)) for number in (old, new))
    added, removed, relabelled = [], [], []
    for name in before.keys() | after.keys():
        came = sorted((after[name] - before[name]).elements())
        went = sorted((before[name] - after[name]).elements())
        relabelled += zip(went, came, strict=False)
        added += came[len(went) :]
        removed += went[len(came) :]
    return Changes(_counted(added), _counted(removed), _counted(relabelled))


def _labels(content: dict[str, Any]) -> dict[str, Counter[str]]:
    """Of each picture, how many times it has which label."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, label in content["pictures"]:
        found[name][label] += 1
    return found


def _numbers(root: Path) -> list[int]:
    """The versions that are there, in ascending order; numbers may be missing between them."""
    matches = map(_FILE.fullmatch, os.listdir(root) if root.is_dir() else ())
    return sorted(int(match[1]) for match in matches if match)


def _version(number: int, content: dict[str, Any]) -> Version:
    times = Counter(label for _, label in content["pictures"])
    digest = hashlib.sha256(json.dumps(sorted(content["pictures"])).encode()).hexdigest()[:12]
    return Version(
        number, content["note"], {name: times[name] for name in content["classes"]}, digest
    )


def _counted(items: Any) -> dict[Any, int]:
    return dict(sorted(Counter(items).items()))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{times:,} {name}" for name, times in counts.items())


def _path(root: Path, number: int) -> Path:
    return root / f"v{number:03}.json"


def _read(root: Path, number: int) -> dict[str, Any]:
    numbers = _numbers(root)
    if number not in numbers:
        held = f"versions: {', '.join(map(str, numbers))}" if numbers else "no version yet"
        raise ValueError(
            f"{root} must hold version {number}; it holds {held}. "
            "Keep one with datasets.save_version."
        )
    path = _path(root, number)
    try:
        content = json.loads(path.read_text("utf-8"))
        _check_content(content)
    except ValueError as error:  # no text, no JSON, or another's
        raise ValueError(f"{path} is damaged ({error}). Put a whole copy there.") from error
    return content


def _check_content(content: Any) -> None:
    """Raise ValueError unless this is what ``save_version`` writes."""
    keys = ("note", "classes", "pictures")
    if not isinstance(content, dict) or not set(keys) <= content.keys():
        came = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"it must hold {', '.join(keys)}; got {came or 'nothing'}")
    note, classes, rows = map(content.get, keys)
    if not isinstance(note, str) or not isinstance(classes, list) or not isinstance(rows, list):
        raise ValueError(
            f"its note must be text, its classes and pictures lists; got {content!r:.80}"
        )
    for row in rows:
        pair = isinstance(row, list) and len(row) == 2 and isinstance(row[0], str)
        if not pair or row[1] not in classes:
            raise ValueError(f"each picture must be [digest, one of the classes]; got {row!r:.80}")


def _as_json(content: dict[str, Any]) -> str:
    """One line a picture, so that any tool for comparing texts shows what changed."""
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in content["pictures"])
    note, classes = (json.dumps(content[key], ensure_ascii=False) for key in ("note", "classes"))
    return f'{{\n"note": {note},\n"classes": {classes},\n"pictures": [\n{rows}\n]\n}}\n'


def _digest(image: Tensor) -> str:
    pixels = image.numpy(force=True)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()[:32]


def _picture_path(root: Path, name: str) -> Path:
    return root / "pictures" / name[:2] / f"{name}.png"


def _keep_list(root: Path, number: int, text: str) -> int:
    """Write a version as ``number`` or the first free one after it; returns the number."""
    with tempfile.TemporaryDirectory(prefix=".", suffix=".part", dir=root) as folder:
        whole = Path(folder) / "version.json"
        atomic_files.write_text(whole, text)
        while True:
            try:
                _link(whole, _path(root, number))
                return number
            except FileExistsError:  # another program was quicker
                number += 1


def _link(whole: Path, path: Path) -> None:
    """Give a file a second name; FileExistsError where that is taken."""
    try:
        os.link(whole, path)
    except FileExistsError:
        raise
    except OSError:  # a memory card or network drive has no links
        path.touch(exist_ok=False)  # the name is ours from here on
        whole.replace(path)


def _keep_picture(root: Path, name: str, image: Tensor) -> None:
    """Write a picture unless a whole one is there."""
    path = _picture_path(root, name)
    with contextlib.suppress(ValueError):
        _read_picture(root, name)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.permute(1, 2, 0).squeeze(2).numpy(force=True)  # (H, W, C), grey (H, W)
    atomic_files.write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG"))


def _read_picture(root: Path, name: str) -> Tensor:
    path = _picture_path(root, name)
    if not path.is_file():
        raise ValueError(f"{path} is missing. Put the picture back; every version needs its own.")
    for channels in (3, 1):
        try:
            image = image_files.read_image(path, channels=channels)
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged: no picture can be read from it. Put the original back, or "
                "save a set that holds it."
            ) from error
        if _digest(image) == name:
            return image
    raise ValueError(f"{path} was changed since it was kept. Put the original back.")
