"""Training, validation and test parts that share no picture.

A part is drawn class by class, so that rare classes are in each, and whole groups at a time: exact
duplicates are one group, and so are pictures that the caller says belong together, such as the
frames of one film or the scans of one patient.
"""

import hashlib
import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet


class Splits(NamedTuple):
    """The three parts of a data set, which unpack as ``train_set, val_set, test_set``."""

    train: ImageSet | SceneSet | FileSet
    val: ImageSet | SceneSet | FileSet
    test: ImageSet | SceneSet | FileSet

    def __repr__(self) -> str:
        return "\n".join(repr(part) for part in self)


def split(
    image_set: ImageSet | SceneSet | FileSet,
    *,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> Splits:
    """Split a set at random, each class in the same proportions, without leaks.

    Exact duplicates stay on one side, whatever their labels say. A class too small to be in every
    part is named in a warning; its first picture goes to training. Scenes are not stratified.

    Args:
        image_set: N pictures, scenes or files.
        fractions: of the pictures for training, validation and test; they sum to 1.
        seed: the same seed gives the same split.
        groups: N values; pictures with an equal value stay together.

    Raises:
        ValueError: if the fractions do not sum to 1, or groups are not one a picture.
    """
    check_fractions(fractions)
    if groups is not None and len(groups) != len(image_set):
        raise ValueError(
            f"groups must hold one value a picture: {len(image_set)}; got {len(groups)}."
        )
    keys = [_contents(image_set)] + ([] if groups is None else [_plain(groups)])
    labels = [0] * len(image_set) if isinstance(image_set, SceneSet) else image_set.labels.tolist()
    parts = split_indices(labels, _joined(keys), fractions=fractions, seed=seed)
    if not isinstance(image_set, SceneSet):
        _warn_of_gaps(labels, parts, fractions, image_set.classes)
    return Splits(*(image_set[torch.tensor(part, dtype=torch.int64)] for part in parts))


def with_missing_parts(
    parts: dict[str, SceneSet | FileSet],
    *,
    fractions: tuple[float, float, float],
    seed: int,
    name: str,
) -> Splits:
    """Split off from "train" what is missing; what is there is taken as it is.

    Args:
        parts: "train" and perhaps "val" and "test".
        fractions: as for ``split``; only those of missing parts count.
        seed: of the split.
        name: of the whole set, which the parts' names begin with.
    """
    val_share = 0 if "val" in parts else fractions[1]
    test_share = 0 if "test" in parts else fractions[2]
    shares = (1 - val_share - test_share, val_share, test_share)
    made = split(parts["train"], fractions=shares, seed=seed)
    chosen = (made.train, parts.get("val", made.val), parts.get("test", made.test))
    names = (f"{name} {part}" for part in Splits._fields)
    return Splits(*(replace(part, name=own) for part, own in zip(chosen, names, strict=True)))


def split_indices(
    labels: Sequence[int],
    groups: Sequence[int],
    *,
    fractions: tuple[float, float, float],
    seed: int,
) -> tuple[list[int], list[int], list[int]]:
    """Indices of the training, validation and test parts, each in ascending order.

    A group that bears several labels counts with the class of its first picture.
    """
    generator = torch.Generator().manual_seed(seed)
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    by_class: dict[int, list[list[int]]] = defaultdict(list)
    for indices in members.values():
        by_class[labels[indices[0]]].append(indices)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for label in sorted(by_class):
        order = torch.randperm(len(by_class[label]), generator=generator).tolist()
        dealt = _deal([by_class[label][i] for i in order], fractions)
        for part, chosen in zip(parts, dealt, strict=True):
            part += chosen
    return tuple(sorted(part) for part in parts)


def _deal(
    groups: list[list[int]], fractions: tuple[float, float, float]
) -> tuple[list[int], list[int], list[int]]:
    """Deal one class's groups: the largest to training, then fill test, then val, rest training.

    A group goes where it brings the part closer to the number wanted, which is at least one.
    """
    total = sum(map(len, groups))
    train, val, test = [], [], []
    wanted = [
        (part, max(1, round(total * share)))
        for part, share in ((test, fractions[2]), (val, fractions[1]))
        if share > 0
    ]
    largest = max(range(len(groups)), key=lambda place: len(groups[place]))
    for place in [largest, *(i for i in range(len(groups)) if i != largest)]:
        group = groups[place]
        open_parts = (part for part, number in wanted if len(part) + len(group) / 2 <= number)
        part = train if place == largest else next(open_parts, train)
        part += group
    return train, val, test


def _contents(image_set: ImageSet | SceneSet | FileSet) -> list[Hashable]:
    """A value a picture that is equal for exact duplicates."""
    if not isinstance(image_set, FileSet):
        return [_digest(image.numpy(force=True).tobytes()) for image in image_set.images]
    sizes = [_size(path) for path in image_set.paths]
    times = Counter(sizes)  # only files of equal size can be equal, and reading is slow
    return [
        (size, _digest(_read(path)) if times[size] > 1 else path)
        for path, size in zip(image_set.paths, sizes, strict=True)
    ]


def _size(path: str) -> int:
    """In bytes; -1 where it is unknown, as of a link that leads nowhere."""
    try:
        return os.path.getsize(path)
    except OSError:
        return -1


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return path.encode()  # unreadable, and reported as such when it is to be decoded


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _plain(groups: Sequence[Hashable]) -> list[Hashable]:
    return groups.tolist() if isinstance(groups, Tensor) else list(groups)


def _joined(columns: list[list[Hashable]]) -> list[int]:
    """One group number a row, equal for rows that any column connects (union-find)."""
    parent = list(range(len(columns[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for keys in columns:
        first: dict[Hashable, int] = {}
        for row, key in enumerate(keys):
            parent[root(row)] = root(first.setdefault(key, row))
    return [root(row) for row in range(len(parent))]


def check_fractions(fractions: tuple[float, float, float]) -> None:
    """Raise ValueError unless these are three shares that sum to 1, the first above 0."""
    valid = len(fractions) == 3 and min(fractions) >= 0 and fractions[0] > 0
    if not valid or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "fractions must be three shares for training, validation and test that sum to 1, the "
            f"first above 0; got {fractions}. Try (0.7, 0.15, 0.15)."
        )


def _warn_of_gaps(
    labels: list[int],
    parts: Sequence[list[int]],
    fractions: tuple[float, float, float],
    classes: tuple[str, ...],
) -> None:
    """Say which classes are too small to be in every part that was asked for."""
    present = Counter(labels)
    asked = [part for part, share in zip(parts, fractions, strict=True) if share > 0]
    found = [{labels[index] for index in part} for part in asked]
    small = [k for k in sorted(present) if not all(k in part for part in found)]
    if small:
        named = ", ".join(f"{classes[k]!r} ({present[k]})" for k in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        warnings.warn(
            f"too few different pictures to be in each of {len(asked)} parts: {named}{more}. They "
            "went to training first; add pictures, or leave the class out.",
            stacklevel=3,
        )
