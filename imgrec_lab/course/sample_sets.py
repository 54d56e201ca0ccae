"""The sample data sets in ``datasets/``, and their twin with planted faults.

Both are drawn, so they can be made anywhere: a lesson writes them into a folder of its own. The
list of faults says what an audit of the twin has to find; it must find nothing else.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageEnhance

from imgrec_lab import annotations, atomic_files, datasets, scenes

SIGNS = ("roundabout", "stop", "yield")
_SIGN_PX, _STREET_PX = 64, 96
_NUMBERS = {"train": 8, "test": 4}  # signs of each class
_STREETS = 11
_SEED = 5


class Fault(NamedTuple):
    """One planted fault: what an audit must call it, at which file, and what was done."""

    kind: str
    file: str
    what: str


def write_sample(folder: str | os.PathLike) -> Path:
    """Write the clean sample: ``signs`` in an image folder, ``streets`` in every box format.

    Args:
        folder: new or empty.
    """
    root = Path(folder)
    _write_signs(root / "signs")
    _write_streets(root / "streets" / "coco")
    for format in ("voc", "yolo", "csv"):
        annotations.convert(root / "streets" / "coco", root / "streets" / format, to=format)
    return root


def write_faulty_sample(folder: str | os.PathLike) -> list[Fault]:
    """Write the twin of the sample, its faults planted, and ``faults.json``, the list of them.

    Args:
        folder: new or empty.
    """
    root = Path(folder)
    _write_signs(root / "signs")
    _write_streets(root / "streets")
    faults = {
        "signs": list(_spoil_signs(root / "signs")),
        "streets": list(_spoil_streets(root / "streets")),
    }
    listed = {name: [fault._asdict() for fault in found] for name, found in faults.items()}
    atomic_files.write_text(root / "faults.json", json.dumps(listed, indent=1) + "\n")
    return [fault for found in faults.values() for fault in found]


# ------------------------------------------------------------------------------- the clean sample


def _write_signs(root: Path) -> None:
    labels = [scenes.label_of(name) for name in SIGNS]
    for split, number in _NUMBERS.items():
        drawn = _signs(labels * number, seed=_SEED + len(split))
        datasets.to_folder(datasets.ImageSet(*drawn, scenes.CLASSES), root / split)


def _signs(labels: list[int], *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    batch = scenes.draw_signs(labels, image_size=(_SIGN_PX, _SIGN_PX), seed=seed)
    return batch.images, batch.labels


def _write_streets(root: Path) -> None:
    drawn = scenes.draw_streets(_STREETS, image_size=(_STREET_PX, _STREET_PX), seed=_SEED)
    streets = datasets.SceneSet(drawn.images, drawn.targets, scenes.CLASSES)
    datasets.to_annotations(streets, root)


# ------------------------------------------------------------------------------ faults of pictures


def _spoil_signs(root: Path) -> Iterator[Fault]:
    fresh = _fresh_signs()
    train = root / "train"

    def fault(kind: str, path: Path, what: str) -> Fault:
        return Fault(kind, path.relative_to(root).as_posix(), what)

    (path := train / "stop" / "notes.jpg").write_text("stop signs, taken on Monday\n")
    yield fault("unreadable", path, "a text that is named .jpg")
    (path := train / "yield" / "empty.png").write_bytes(b"")
    yield fault("unreadable", path, "a file of 0 bytes")
    next(fresh).save(path := train / "stop" / "cut.jpg", quality=90)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    yield fault("truncated", path, "the last 40 % of the file are missing")
    next(fresh).save(path := train / "roundabout" / "scan.jpg", format="PNG")
    yield fault("wrong-extension", path, "a PNG that is named .jpg")
    next(fresh).convert("CMYK").save(path := train / "yield" / "print.jpg", quality=95)
    yield fault("odd-mode", path, "print colours (CMYK)")
    next(fresh).resize((6, 6)).save(path := train / "stop" / "icon.png")
    yield fault("odd-size", path, "6 x 6 pixels")

    for source, target, kind, change, what in _COPIES:
        path = root / target
        if change is None:
            shutil.copyfile(root / source, path)
        else:
            change(Image.open(root / source)).save(path, quality=95)
        yield fault(kind, path, f"{source}, {what}")

    (path := train / "parking" / "00000.png").parent.mkdir()
    _one_sign("parking", seed=_SEED).save(path)
    yield Fault("imbalance", "parking", "a class with one picture, and none in test")


def _resized(image: Image.Image) -> Image.Image:
    return image.resize((44, 44), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image) -> Image.Image:
    return image.crop((2, 3, 62, 63))


def _brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.2)


def _as_it_is(image: Image.Image) -> Image.Image:
    return image


_COPIES: tuple[tuple[str, str, str, Callable | None, str], ...] = (
    ("train/stop/00001.png", "train/stop/copy.png", "exact-duplicate", None, "copied"),
    ("train/yield/00002.png", "train/yield/same.bmp", "exact-duplicate", _as_it_is, "as BMP"),
    ("train/roundabout/00003.png", "train/yield/other.png", "exact-duplicate", None,
     "copied into another class"),
    ("train/stop/00004.png", "train/stop/small.png", "near-duplicate", _resized, "made smaller"),
    ("train/yield/00005.png", "train/yield/mail.jpg", "near-duplicate", _as_it_is, "as JPEG"),
    ("train/roundabout/00006.png", "train/roundabout/cut.png", "near-duplicate", _cropped,
     "two to three pixels cut off at each side"),
    ("train/stop/00007.png", "train/stop/light.png", "near-duplicate", _brighter,
     "a fifth brighter"),
    ("train/roundabout/00000.png", "test/roundabout/again.png", "leak", None, "copied"),
    ("train/yield/00001.png", "test/yield/again.png", "leak", _brighter, "a fifth brighter"),
)  # fmt: skip


def _fresh_signs() -> Iterator[Image.Image]:
    """Signs that are nowhere else in the sample."""
    for seed in range(1000, 2000):
        yield _one_sign(SIGNS[seed % len(SIGNS)], seed=seed)


def _one_sign(name: str, *, seed: int) -> Image.Image:
    images, _ = _signs([scenes.label_of(name)], seed=seed)
    return Image.fromarray(images[0].permute(1, 2, 0).numpy())


# -------------------------------------------------------------------------------- faults of labels


def _spoil_streets(root: Path) -> Iterator[Fault]:
    labels = "annotations/instances.json"
    path = root / labels
    content = json.loads(path.read_text("utf-8"))
    boxes: list[dict[str, Any]] = content["annotations"]
    files = {image["id"]: image["file_name"] for image in content["images"]}
    first = {image: next(b for b in boxes if b["image_id"] == image)
             for image in sorted({box["image_id"] for box in boxes})}  # fmt: skip
    targets = iter(first.values())

    def spoil(kind: str, what: str, **changes: Any) -> Fault:
        box = next(targets)
        box.update(changes)
        return Fault(kind, files[box["image_id"]], what)

    plain = {"segmentation": []}
    yield spoil("box-outside", "reaches 20 px beyond", bbox=[86, 40, 30, 20], **plain)
    yield spoil("box-empty", "has a width of 0", bbox=[30, 40, 0, 12], **plain)
    yield spoil("box-tiny", "one pixel", bbox=[64, 64, 1, 1], **plain)
    for kind, what, changes in (
        ("unknown-class", "class 99 is not in the list", {"category_id": 99}),
        ("bad-record", "its x is NaN", {"bbox": [float("nan"), 10, 12, 12], **plain}),
        ("bad-record", "its polygon has two points", {"segmentation": [[10, 10, 20, 20]]}),
    ):
        in_picture = spoil(kind, what, **changes)
        yield in_picture._replace(file=labels, what=f"{what} (in {in_picture.file})")
    again = dict(next(targets), id=max(box["id"] for box in boxes) + 1)
    boxes.append(again)
    yield Fault("box-doubled", files[again["image_id"]], "marked twice")
    lost = max(files)
    (root / "images" / files[lost]).unlink()
    yield Fault("no-picture", labels, f"{files[lost]} is labelled, but not there")
    image = scenes.draw_streets(1, image_size=(_STREET_PX, _STREET_PX), seed=_SEED + 1).images[0]
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(root / "images" / "new.png")
    yield Fault("no-labels", "new.png", "the picture is there, no label speaks of it")
    atomic_files.write_text(path, json.dumps(content))
