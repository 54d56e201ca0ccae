"""Seconds to convert 100,000 boxes on 10,000 pictures between each pair of label formats.

``python results/annotation_speed.py [FOLDER]`` from the repository's root; it works in FOLDER, or
where temporary files go, and rewrites annotation_speed.json beside itself. Reading, writing,
copying the pictures and reading their headers where YOLO needs them are all counted. The pictures
are black, a hundred bytes each, since the time is to go into labels.
"""

import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from imgrec_lab import annotations, runtime
from imgrec_lab.annotations import AnnotationSet, Instance, Picture

PICTURES, BOXES_EACH, CLASSES, REPEATS = 10_000, 10, 80, 3
FORMATS = ("coco", "voc", "yolo", "csv")
WIDTH, HEIGHT = 640, 480


def a_set(seed: int = 0) -> AnnotationSet:
    """Boxes with corners in tenths of a pixel, in three splits."""
    rng = random.Random(seed)

    def boxes() -> Iterator[Instance]:
        for _ in range(BOXES_EACH):
            xs = sorted(rng.sample(range(10 * WIDTH), 2))
            ys = sorted(rng.sample(range(10 * HEIGHT), 2))
            box = (xs[0] / 10, ys[0] / 10, xs[1] / 10, ys[1] / 10)
            yield Instance(rng.randrange(CLASSES), box)

    splits = rng.choices(("train", "val", "test"), (8, 1, 1), k=PICTURES)
    pictures = [
        Picture(f"{n:05}.png", HEIGHT, WIDTH, tuple(boxes()), split)
        for n, split in enumerate(splits)
    ]
    return AnnotationSet(pictures, [f"class {k:02}" for k in range(CLASSES)])


def same(read: AnnotationSet, wanted: AnnotationSet) -> bool:
    """Whether boxes, classes and splits came back exactly; YOLO puts the split into the path."""
    by_name = {Path(picture.file).name: picture for picture in read.pictures}
    pairs = [(by_name[picture.file], picture) for picture in wanted.pictures]
    return read.classes == wanted.classes and not read.findings and all(
        (a.instances, a.split) == (b.instances, b.split) for a, b in pairs
    )  # fmt: skip


def main() -> None:
    """Every pair of formats, each several times, and whether all came back exactly."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as scratch:
        folder = Path(scratch)
        labels = a_set()
        images = folder / "pictures"
        images.mkdir()
        Image.new("1", (WIDTH, HEIGHT)).save(images / "picture.png")
        content = (images / "picture.png").read_bytes()
        for picture in labels.pictures:
            (images / picture.file).write_bytes(content)
        for name in FORMATS:
            annotations.write(labels, folder / name, format=name, images=images)
        seconds: dict[str, list[float]] = {}
        pairs = itertools.permutations(FORMATS, 2)
        for (source, target), _ in itertools.product(pairs, range(REPEATS)):
            start = time.perf_counter()
            annotations.convert(folder / source, folder / "new", to=target)
            taken = time.perf_counter() - start
            seconds.setdefault(f"{source} to {target}", []).append(taken)
            assert same(annotations.read(folder / "new"), labels), (source, target)
            shutil.rmtree(folder / "new")
            print(f"{source} to {target}: {taken:.1f} s", flush=True)
    facts = {
        "pictures": PICTURES,
        "boxes": PICTURES * BOXES_EACH,
        "repeats": REPEATS,
        "median_seconds": {name: round(statistics.median(v), 2) for name, v in seconds.items()},
        "fastest_seconds": {name: round(min(v), 2) for name, v in seconds.items()},
        "all_boxes_back_exactly": True,  # asserted above
        "machine": runtime.report(),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
