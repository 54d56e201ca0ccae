"""A data set that grows: every version stays, and each picture is kept once.

::

    store/pictures/3f/3f2a...c1.png    named by a digest of its pixels
    store/v001.json                    note, classes, and one line a picture: digest, class
    store/v002.json

A version is never changed. What is different in the next one, pictures that came, pictures that
went and labels that were corrected, is read off the two lists.
"""

import hashlib
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from imgrec_lab import atomic_files
from imgrec_lab.datasets import image_files
from imgrec_lab.datasets.image_sets import ImageSet

_FILE = re.compile(r"v(\d{3,})\.json")


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
        return f"version {self.number}: {total:,} images, {len(self.counts)} classes, {self.note}"


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
        image_set: N pictures; a new picture costs one PNG file, a known one costs nothing.
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
    kept = versions(root)
    made = _version(len(kept) + 1, content)
    for version in kept:
        if version._replace(number=made.number) == made:
            return version
    for name, image in zip(names, image_set.images, strict=True):
        _write_picture(_picture_path(root, name), image)
    atomic_files.write_text(_path(root, made.number), _as_json(content))
    return made


def load_version(folder: str | os.PathLike, number: int | None = None) -> ImageSet:
    """The pictures and labels of a version, in the order in which they were saved.

    Args:
        folder: of the versions.
        number: which; the last one where it is None.

    Raises:
        ValueError: if there is no such version, or a picture of it is missing or was changed.
    """
    root = Path(folder)
    number = _known(root, len(versions(root)) if number is None else number)
    content = _read(root, number)
    classes = content["classes"]
    images = [_read_picture(root, name) for name, _ in content["pictures"]]
    labels = [classes.index(label) for _, label in content["pictures"]]
    return ImageSet(
        torch.stack(images) if images else torch.zeros(0, 3, 1, 1, dtype=torch.uint8),
        torch.tensor(labels, dtype=torch.int64), tuple(classes), f"{root.name} v{number}",
    )  # fmt: skip


def versions(folder: str | os.PathLike) -> list[Version]:
    """Every version of a folder, the first one first; an empty list where there is none."""
    root = Path(folder)
    found = sorted(root.glob("v*.json")) if root.is_dir() else []
    numbers = [int(match[1]) for path in found if (match := _FILE.fullmatch(path.name))]
    return [_version(number, _read(root, number)) for number in sorted(numbers)]


def compare_versions(folder: str | os.PathLike, old: int, new: int) -> Changes:
    """What came, went and was relabelled between two versions of a folder.

    Raises:
        ValueError: if there is no such version.
    """
    root = Path(folder)
    before, after = (_labels_of(_read(root, _known(root, number))) for number in (old, new))
    shared = before.keys() & after.keys()
    pairs = ((before[name], after[name]) for name in sorted(shared))
    return Changes(
        added=_counted(after[name] for name in after.keys() - shared),
        removed=_counted(before[name] for name in before.keys() - shared),
        relabelled=_counted(pair for pair in pairs if pair[0] != pair[1]),
    )


def _known(root: Path, number: int) -> int:
    numbers = [version.number for version in versions(root)]
    if number not in numbers:
        raise ValueError(
            f"{root} must hold version {number}; it holds "
            + (f"versions {numbers[0]} to {numbers[-1]}." if numbers else "no version yet.")
            + " Keep one with datasets.save_version."
        )
    return number


def _version(number: int, content: dict[str, Any]) -> Version:
    times = Counter(label for _, label in content["pictures"])
    digest = hashlib.sha256(json.dumps(sorted(content["pictures"])).encode()).hexdigest()[:12]
    return Version(
        number, content["note"], {name: times[name] for name in content["classes"]}, digest
    )


def _labels_of(content: dict[str, Any]) -> dict[str, str]:
    return dict(content["pictures"])


def _counted(items: Any) -> dict[Any, int]:
    return dict(sorted(Counter(items).items()))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{times:,} {name}" for name, times in counts.items())


def _path(root: Path, number: int) -> Path:
    return root / f"v{number:03}.json"


def _read(root: Path, number: int) -> dict[str, Any]:
    path = _path(root, number)
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{path} is damaged ({error}). Put a whole copy there.") from error


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


def _write_picture(path: Path, image: Tensor) -> None:
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = image.permute(1, 2, 0).squeeze(2).numpy(force=True)  # (H, W, C), grey (H, W)
    atomic_files.write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG"))


def _read_picture(root: Path, name: str) -> Tensor:
    path = _picture_path(root, name)
    if not path.is_file():
        raise ValueError(f"{path} is missing. Put the picture back; every version needs its own.")
    with Image.open(path) as picture:
        channels = 1 if picture.mode == "L" else 3
    image = image_files.read_image(path, channels=channels)
    if _digest(image) != name:
        raise ValueError(f"{path} was changed since it was kept. Put the original back.")
    return image
