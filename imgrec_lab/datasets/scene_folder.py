"""Scenes from labels in any format that ``annotations`` reads, and back to files."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from imgrec_lab import annotations, box_ops, runtime
from imgrec_lab.annotations import AnnotationSet, Instance, Picture
from imgrec_lab.box_ops import Target
from imgrec_lab.datasets import image_files, splitting
from imgrec_lab.datasets.image_files import Fit
from imgrec_lab.datasets.image_folder import MEMORY_SHARE
from imgrec_lab.datasets.image_sets import SceneSet
from imgrec_lab.datasets.splitting import Splits


def from_annotations(
    path: str | os.PathLike,
    *,
    image_size: tuple[int, int] = (128, 128),
    format: str | None = None,
    channels: int = 3,
    fit: Fit = "pad",
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> Splits:
    """Read pictures with boxes, and with masks where every object has one, into memory.

    A missing val or test part is split off from train. Boxes without area, groups that nobody
    counted, what a crop cuts away and pictures that cannot be read are left out, with a warning.

    Args:
        path: a data set in COCO, Pascal VOC, YOLO or CSV.
        image_size: (height, width) in pixels that every picture is brought to, with its boxes.
        format: "coco", "voc", "yolo" or "csv"; None finds it out.
        channels: 3 for RGB or 1 for grey.
        fit: how another aspect ratio is met: "pad" with black, "stretch", or "crop" its centre.
        fractions: for training, validation and test; only those of missing parts count.
        seed: of the split.

    Raises:
        ValueError: if nothing can be read or there is no training part.
        MemoryError: if pictures and masks would not fit into half of the free memory.
    """
    image_files.check_options(image_size=image_size, channels=channels, fit=fit)
    splitting.check_fractions(fractions)
    path = Path(path).expanduser()
    format = format or annotations.detect_format(path)
    labelled = annotations.read(path, format=format)
    chosen = _by_split(labelled, path)
    _check_memory([item for part in chosen.values() for item in part], channels, image_size)
    root = annotations.picture_root(path, format)
    parts, unreadable = {}, 0
    for split, pictures in chosen.items():
        files = [str(root / picture.file) for picture in pictures]
        images, reasons = image_files.read_images(
            files, image_size=image_size, channels=channels, fit=fit
        )
        kept = [index for index in range(len(pictures)) if index not in reasons]
        targets = [_placed(pictures[index], image_size, fit) for index in kept]
        parts[split] = SceneSet(images[kept], _alike(targets), labelled.classes)
        unreadable += len(reasons)
    _report(labelled, chosen, parts, unreadable, path)
    return splitting.with_missing_parts(parts, fractions=fractions, seed=seed, name=path.name)


def to_annotations(
    scenes: SceneSet | Splits, path: str | os.PathLike, *, format: str = "coco"
) -> Path:
    """Write scenes as PNG files with their labels, which ``from_annotations`` reads back.

    Args:
        scenes: one set, or a train, val and test part.
        path: a new or empty folder.
        format: "coco", which also keeps masks exactly, "voc", "yolo" or "csv".

    Returns:
        the folder.
    """
    parts = scenes._asdict() if isinstance(scenes, Splits) else {None: scenes}
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for split, part in parts.items():
            start = f"{split}_" if split else ""
            for index, (image, target) in enumerate(zip(part.images, part.targets, strict=True)):
                file = f"{start}{index:05}.png"
                pixels = image.permute(1, 2, 0).squeeze(2).numpy(force=True)  # (H, W, C) or (H, W)
                Image.fromarray(pixels).save(Path(folder) / file)
                instances = annotations.instances_of(target)
                pictures.append(Picture(file, *image.shape[1:], instances, split))
        classes = next(iter(parts.values())).classes
        labelled = AnnotationSet(tuple(pictures), classes)
        return annotations.write(labelled, path, format=format, images=folder)


def _by_split(labelled: AnnotationSet, path: Path) -> dict[str, list[Picture]]:
    """The pictures of each part; a set with one part only is all for training."""
    names = labelled.splits()
    if len(names) == 1:
        if names[0] in ("val", "test"):
            warnings.warn(
                f"the only part of {path.name} is {names[0]!r}: it is trained on, and the other "
                "parts are split off from it. Keep it apart if it is to be tested on.",
                stacklevel=3,
            )
        return {"train": list(labelled.pictures)}
    if "train" not in names:
        named = ", ".join(map(repr, names)) or "none"
        raise ValueError(f"{path} must hold labelled pictures to train on; its parts are: {named}.")
    return {
        name: [picture for picture in labelled.pictures if picture.split == name]
        for name in Splits._fields
        if name in names
    }


def _placed(picture: Picture, image_size: tuple[int, int], fit: Fit) -> Target:
    """The target of a picture after it was brought to ``image_size``, without what is then gone."""
    counted = _counted(picture)
    target = annotations.target_of(replace(picture, instances=counted))
    size = picture.height, picture.width
    scale_x, scale_y, left, top = image_files.placing(size, image_size, fit)
    boxes = target["boxes"] * torch.tensor([scale_x, scale_y] * 2) + torch.tensor([left, top] * 2)
    boxes = box_ops.clip(boxes, image_size)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(dim=1)  # (M,)
    placed: Target = {"boxes": boxes[seen], "labels": target["labels"][seen]}
    if "masks" in target:
        rows = _sources(image_size[0], size[0], scale_y, top)
        columns = _sources(image_size[1], size[1], scale_x, left)
        placed["masks"] = _sampled(target["masks"][seen], rows, columns)
    return placed


def _counted(picture: Picture) -> tuple[Instance, ...]:
    return tuple(item for item in picture.instances if not item.crowd)


def _sources(length: int, source_length: int, scale: float, start: float) -> Tensor:
    """For each of ``length`` rows or columns the one it shows, or -1 where it is a bar."""
    place = ((torch.arange(length) + 0.5 - start) / scale).floor().long()
    return place.where((place >= 0) & (place < source_length), -1)


def _sampled(masks: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(M, h, w) bool -> (M, H, W) bool, each pixel that of the nearest source."""
    inside = (rows >= 0)[:, None] & (columns >= 0)  # (H, W)
    return masks[:, rows.clamp(min=0)][:, :, columns.clamp(min=0)] & inside


def _alike(targets: list[Target]) -> list[Target]:
    """Targets that all have masks, or none has: a batch of both could not be trained on."""
    if all("masks" in target for target in targets):
        return targets
    return [{"boxes": target["boxes"], "labels": target["labels"]} for target in targets]


def _check_memory(pictures: Sequence[Picture], channels: int, image_size: tuple[int, int]) -> None:
    masks = sum(map(_num_masks, pictures))  # of a byte a pixel
    needed_gib = (len(pictures) * channels + masks) * image_size[0] * image_size[1] / 2**30
    free_gib = runtime.available_memory_gib()
    if needed_gib > MEMORY_SHARE * free_gib:
        named = f" with {masks:,} masks" if masks else ""
        raise MemoryError(
            f"{len(pictures):,} pictures{named} of {image_size[0]} x {image_size[1]} take "
            f"{needed_gib:.1f} GiB, more than half of the {free_gib:.1f} GiB that are free. Try a "
            "smaller image_size."
        )


def _num_masks(picture: Picture) -> int:
    """How many masks its target holds: one an object, or none where one has no outline."""
    counted = _counted(picture)
    outlined = all(item.polygons or item.rle is not None for item in counted)
    return len(counted) if outlined else 0


def _report(
    labelled: AnnotationSet,
    chosen: dict[str, list[Picture]],
    parts: dict[str, SceneSet],
    unreadable: int,
    path: Path,
) -> None:
    """One warning that counts what was left out."""
    marked = sum(len(picture.instances) for part in chosen.values() for picture in part)
    kept = sum(len(target["boxes"]) for part in parts.values() for target in part.targets)
    losses = {
        "findings while reading": len(labelled.findings),
        "unreadable pictures": unreadable,
        "objects without area, of a crowd, cut away or on such a picture": marked - kept,
        "pictures of other parts": len(labelled) - unreadable - sum(map(len, parts.values())),
    }
    named = [f"{count:,} {what}" for what, count in losses.items() if count]
    if named:
        warnings.warn(
            f"{path.name}: left out {', '.join(named)}. See audit.audit({str(path)!r}).",
            stacklevel=3,
        )
