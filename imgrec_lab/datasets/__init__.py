"""Data sets by name or from a folder, split without leaks, and the loaders that feed training.

::

    train_set, val_set, test_set = datasets.load("signs")
    train_set, val_set, test_set = datasets.from_folder("my_pictures", image_size=(64, 64))
    loader = datasets.make_loader(train_set, shuffle=True)

What comes back is an ``ImageSet``, ``SceneSet`` or ``FileSet``; shown in a notebook, it draws
itself. This module is the door: the rooms behind it are ``image_sets`` (what a set is),
``image_folder`` and ``scene_folder`` (boxes and masks), ``splitting``, ``loaders``,
``set_versions`` (a set that grows) and, for sets by name, ``registry``.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imgrec_lab.datasets import data_cache, image_files, public_sets, registry
from imgrec_lab.datasets.image_folder import from_folder, to_folder
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet
from imgrec_lab.datasets.loaders import FileLoader, MemoryLoader, make_loader
from imgrec_lab.datasets.registry import DataUnavailable
from imgrec_lab.datasets.scene_folder import from_annotations, to_annotations
from imgrec_lab.datasets.set_versions import (
    compare_versions,
    load_version,
    save_version,
    versions,
)
from imgrec_lab.datasets.splitting import Splits, split

__all__ = [
    "NAMES",
    "DataUnavailable",
    "FileLoader",
    "FileSet",
    "ImageSet",
    "MemoryLoader",
    "SceneSet",
    "Splits",
    "compare_versions",
    "from_annotations",
    "from_folder",
    "load",
    "load_version",
    "make_loader",
    "save_version",
    "split",
    "to_annotations",
    "to_folder",
    "versions",
]

NAMES = tuple(card.name for card in registry.CARDS)
_SIGNS_PER_CLASS = {"train": 300, "val": 50, "test": 100}
_STREETS = {"train": 1200, "val": 150, "test": 250}
_SEEDS = {"train": 1001, "val": 1002, "test": 1003}  # no lesson draws with these
_PUBLIC_FRACTIONS = (0.9, 0.1, 0.0)  # of the published training part; its test part stays whole
_UNSPLIT_FRACTIONS = (0.7, 0.1, 0.2)  # where the authors made no parts
_READERS = tuple(
    f"datasets/{name}"
    for name in ("public_sets", "image_files", "image_folder", "scene_folder", "splitting")
)


def load(name: str, *, image_size: tuple[int, int] | None = None) -> Splits:
    """Load a data set by name, ready to train on.

    Drawn and public sets are kept in ``data_cache.data_dir()``, so a second call takes well under
    a second. Public sets come from there, from ``IMGREC_MIRROR`` or from the internet.

    Args:
        name: "signs" (14 classes) and "streets" (boxes and masks), which are drawn; "digits",
            which comes with scikit-learn; "cifar10", "gtsrb", "pets" or "fashion-mnist"; with
            boxes "penn-fudan" (masks too), "bccd" and "raccoon".
        image_size: (height, width) in pixels; None gives the set's usual size.

    Returns:
        ``train, val, test``. Parts that are split here share no exact duplicate; published parts
        are left as their authors made them.

    Raises:
        ValueError: if no set bears that name.
        DataUnavailable: if a public set can be had nowhere; says what to do.
    """
    if image_size is not None:
        image_files.check_image_size(image_size)
        image_size = tuple(image_size)
    match name:
        case "signs":
            return _drawn("signs", image_size or (32, 32), _SIGNS_PER_CLASS, _draw_signs)
        case "streets":
            return _drawn("streets", image_size or (128, 128), _STREETS, _draw_streets)
        case "digits":
            return _named(split(public_sets.digits(image_size or (8, 8))), "digits")
    card = registry.find_card(name)
    if card is None:
        raise ValueError(registry.unknown_name(name, NAMES))
    return _public(card, image_size or card.image_size)


def _drawn(
    name: str,
    image_size: tuple[int, int],
    numbers: dict[str, int],
    draw: Callable[[int, int, tuple[int, int]], ImageSet | SceneSet],
) -> Splits:
    """A drawn set from the cache, or drawn anew whenever the code that draws it has changed."""

    def build() -> dict[str, Any]:
        return {part: _packed(draw(numbers[part], _SEEDS[part], image_size)) for part in numbers}

    key = data_cache.fingerprint(numbers, _SEEDS, data_cache.source_hash("scenes", "box_ops"))
    return _cached(name, image_size, key, build)


def _draw_signs(per_class: int, seed: int, image_size: tuple[int, int]) -> ImageSet:
    from imgrec_lab import scenes

    labels = torch.arange(per_class * len(scenes.CLASSES)) % len(scenes.CLASSES)
    batch = scenes.draw_signs(labels, image_size=image_size, seed=seed)
    return ImageSet(batch.images, batch.labels, scenes.CLASSES)


def _draw_streets(number: int, seed: int, image_size: tuple[int, int]) -> SceneSet:
    from imgrec_lab import scenes

    batch = scenes.draw_streets(number, image_size=image_size, seed=seed)
    return SceneSet(batch.images, batch.targets, scenes.CLASSES)


def _public(card: registry.Card, image_size: tuple[int, int]) -> Splits:
    def build() -> dict[str, Any]:
        splits = _read_public(card, registry.obtain(card), image_size)
        return {part: _packed(value) for part, value in splits._asdict().items()}

    readers = data_cache.source_hash("annotations", *_READERS)
    key = data_cache.fingerprint(card.files, card.instead, readers)
    return _cached(card.name, image_size, key, build)


def _read_public(card: registry.Card, root: Path, image_size: tuple[int, int]) -> Splits:
    if root.name != card.name:  # an image folder from a mirror
        return from_folder(root, image_size=image_size, fractions=_PUBLIC_FRACTIONS, in_memory=True)
    if card.annotations:
        folder = root / card.annotations
        return from_annotations(folder, image_size=image_size, fractions=_UNSPLIT_FRACTIONS)
    published = public_sets.read(card.name, root, image_size=image_size)
    if published.test is None:
        return split(published.train, fractions=_UNSPLIT_FRACTIONS)
    train, val, _ = split(published.train, fractions=_PUBLIC_FRACTIONS, groups=published.groups)
    return Splits(train, val, published.test)


def _cached(
    name: str, image_size: tuple[int, int], key: str, build: Callable[[], dict[str, Any]]
) -> Splits:
    file = f"{name}-{image_size[0]}x{image_size[1]}"
    values = data_cache.cached(file, key=key, build=build)
    return _named(Splits(*(_unpacked(values[part]) for part in Splits._fields)), name)


def _named(splits: Splits, name: str) -> Splits:
    parts = splits._asdict().items()
    return Splits(*(replace(value, name=f"{name} {part}") for part, value in parts))


def _packed(data: ImageSet | SceneSet) -> dict[str, Any]:
    """A set as plain tensors and lists, which ``torch.load`` reads without running any code."""
    values = {"images": data.images, "classes": list(data.classes)}
    if isinstance(data, ImageSet):
        unreadable = [list(item) for item in data.unreadable]
        return values | {"labels": data.labels, "unreadable": unreadable}
    values |= {
        "counts": [len(target["boxes"]) for target in data.targets],
        "boxes": torch.cat([target["boxes"] for target in data.targets]),
        "labels": torch.cat([target["labels"] for target in data.targets]),
    }
    if all("masks" in target for target in data.targets):
        masks = torch.cat([target["masks"] for target in data.targets])  # (sum of M, H, W)
        values["mask_bits"] = torch.from_numpy(np.packbits(masks.numpy()))  # an eighth of the bytes
    return values


def _unpacked(values: dict[str, Any]) -> ImageSet | SceneSet:
    images, classes = values["images"], tuple(values["classes"])
    if "counts" not in values:
        unreadable = tuple(image_files.Unreadable(*item) for item in values["unreadable"])
        return ImageSet(images, values["labels"], classes, unreadable=unreadable)
    columns = {"boxes": values["boxes"], "labels": values["labels"]}
    if "mask_bits" in values:
        shape = (len(values["boxes"]), *images.shape[2:])  # (sum of M, H, W)
        bits = np.unpackbits(values["mask_bits"].numpy(), count=math.prod(shape))
        columns["masks"] = torch.from_numpy(bits.view(bool).reshape(shape))
    parts = zip(*(column.split(values["counts"]) for column in columns.values()), strict=True)
    targets = [dict(zip(columns, part, strict=True)) for part in parts]
    return SceneSet(images, targets, classes)
