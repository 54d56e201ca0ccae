"""Labelled data sets for the tests of ``annotations``: random ones, with pictures."""

import random
from pathlib import Path

import numpy as np
from PIL import Image

from imgrec_lab.annotations import AnnotationSet, Instance, Picture, rle_masks

CLASSES = ("bus", "Straße", "交通灯")
SIZES = ((48, 64), (37, 53), (100, 30))


def random_set(seed: int, *, count: int = 6, shapes: bool = False, split: bool = True):
    """Boxes with up to two decimals; with ``shapes`` some have polygons, some masks."""
    rng = random.Random(seed)
    pictures = []
    for index in range(count):
        height, width = rng.choice(SIZES)
        instances = [_instance(rng, height, width, shapes) for _ in range(rng.randrange(4))]
        part = rng.choice(("train", "val", "test")) if split else None
        pictures.append(Picture(f"p{index:03}é.png", height, width, tuple(instances), part))
    every = [Instance(label, (1.0, 2.0, 9.0, 12.0)) for label in range(len(CLASSES))]
    pictures.append(Picture("all.png", 48, 64, tuple(every), "train" if split else None))
    return AnnotationSet(tuple(pictures), CLASSES)


def _instance(rng: random.Random, height: int, width: int, shapes: bool) -> Instance:
    label = rng.randrange(len(CLASSES))
    places = [round(rng.uniform(0, side - 4), 2) for side in (width, height)]
    sides = [round(rng.uniform(2, side - place), 2)
             for side, place in zip((width, height), places, strict=True)]  # fmt: skip
    x1, y1 = places
    x2, y2 = round(x1 + sides[0], 2), round(y1 + sides[1], 2)
    kind = rng.randrange(3) if shapes else 0
    if kind == 1:
        ring = (x1, y1, x2, y1, x2, y2, x1, y2)
        return Instance(label, (x1, y1, x2, y2), (ring,))
    if kind == 2:
        mask = np.zeros((height, width), bool)
        mask[int(y1) : int(y1) + 3, int(x1) : int(x1) + 2] = True
        rle = rle_masks.encode(mask)
        return Instance(label, rle_masks.box(rle, height, width), rle=rle)
    return Instance(label, (x1, y1, x2, y2))


def write_pictures(labelled: AnnotationSet, folder: Path) -> Path:
    """A black picture of the right size for each."""
    for picture in labelled.pictures:
        path = folder / picture.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (picture.width, picture.height)).save(path)
    return folder


def by_stem(labelled: AnnotationSet) -> dict:
    """What is said of each picture, apart from its place and the numbering of classes."""
    return {
        Path(picture.file).stem: (
            picture.height, picture.width, picture.split,
            [(labelled.classes[item.label], item.box) for item in picture.instances],
        )
        for picture in labelled.pictures
    }  # fmt: skip
