"""Data sets as plain values: pictures in memory, scenes with boxes, or files read when asked for.

All three answer to ``len``, to slices and index lists (which give a smaller set of the same kind)
and to a single integer (which gives one example, so each is a torch ``Dataset`` as it stands).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from imgrec_lab.box_ops import Target
from imgrec_lab.datasets import contact_sheets, image_files, set_checks
from imgrec_lab.datasets.image_files import Fit, Unreadable

Indices = slice | Sequence[int] | Tensor


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled pictures in memory.

    Attributes:
        images: (N, C, H, W) uint8, C = 1 or 3.
        labels: (N,) int64 in 0..K-1.
        classes: the K class names.
        name: what the set is called in reprs and figures.
        unreadable: files that were left out when the set was read from a folder.

    Raises:
        TypeError, ValueError: if shapes, dtypes or labels do not fit together.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    name: str = "images"
    unreadable: tuple[Unreadable, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", set_checks.checked_classes(self.classes))
        set_checks.check_images(self.images)
        set_checks.check_labels(self.labels, len(self.images), self.classes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: int | Indices) -> ImageSet | tuple[Tensor, int]:
        """A smaller ImageSet, or ``(image (C, H, W) uint8, label)`` for a single integer."""
        if isinstance(indices, int):
            return self.images[indices], int(self.labels[indices])
        indices = _as_index(indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def counts(self) -> dict[str, int]:
        """Number of images of each class, in class order."""
        return _count_labels(self.labels, self.classes)

    def __repr__(self) -> str:
        return _describe(self, f"uint8 {tuple(self.images.shape[1:])}, {_mib(self.images)}")

    def _repr_png_(self) -> bytes:
        title = f"{self.name}: {len(self):,} images, {len(self.classes)} classes, {_pixels(self)}"
        return contact_sheets.png(
            contact_sheets.class_sheet(self.images, self.labels, self.classes, title)
        )


@dataclass(frozen=True, eq=False, repr=False)
class SceneSet:
    """Pictures with any number of boxed objects each, in memory.

    Attributes:
        images: (N, C, H, W) uint8, C = 1 or 3.
        targets: N targets: boxes (M, 4) float32 xyxy pixels, labels (M,) int64 in 0..K-1 and,
            where known, masks (M, H, W) bool.
        classes: the K class names.
        name: what the set is called in reprs and figures.

    Raises:
        TypeError, ValueError: if shapes, dtypes or labels do not fit together.
    """

    images: Tensor
    targets: list[Target]
    classes: tuple[str, ...]
    name: str = "scenes"

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", set_checks.checked_classes(self.classes))
        set_checks.check_images(self.images)
        set_checks.check_targets(self.targets, len(self.images), self.classes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: int | Indices) -> SceneSet | tuple[Tensor, Target]:
        """A smaller SceneSet, or ``(image (C, H, W) uint8, target)`` for a single integer."""
        if isinstance(indices, int):
            return self.images[indices], self.targets[indices]
        indices = _as_index(indices)
        kept = torch.arange(len(self))[indices].tolist()
        return replace(self, images=self.images[indices], targets=[self.targets[i] for i in kept])

    def counts(self) -> dict[str, int]:
        """Number of objects of each class, in class order."""
        labels = [target["labels"] for target in self.targets]
        return _count_labels(torch.cat(labels) if labels else torch.zeros(0), self.classes)

    def __repr__(self) -> str:
        return _describe(self, f"uint8 {tuple(self.images.shape[1:])}, {_mib(self.images)}")

    def _repr_png_(self) -> bytes:
        objects = sum(self.counts().values())
        title = f"{self.name}: {len(self):,} scenes, {objects:,} objects, {_pixels(self)}"
        return contact_sheets.png(
            contact_sheets.scene_sheet(self.images, self.targets, self.classes, title)
        )


@dataclass(frozen=True, eq=False, repr=False)
class FileSet:
    """Labelled picture files, read when they are asked for.

    Attributes:
        paths: N file names.
        labels: (N,) int64 in 0..K-1.
        classes: the K class names.
        image_size: (height, width) that every picture is brought to.
        channels: 3 for RGB or 1 for grey.
        fit: "crop", "pad" or "stretch"; see ``image_files.read_image``.
        name: what the set is called in reprs and figures.
        unreadable: files that were left out because they are no pictures.
    """

    paths: tuple[str, ...]
    labels: Tensor
    classes: tuple[str, ...]
    image_size: tuple[int, int] = (32, 32)
    channels: int = 3
    fit: Fit = "crop"
    name: str = "files"
    unreadable: tuple[Unreadable, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", set_checks.checked_classes(self.classes))
        image_files.check_options(image_size=self.image_size, channels=self.channels, fit=self.fit)
        set_checks.check_labels(self.labels, len(self.paths), self.classes)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: int | Indices) -> FileSet | tuple[Tensor, int]:
        """A smaller FileSet, or ``(image (C, H, W) uint8, label)`` for a single integer."""
        if isinstance(indices, int):
            return self.read(indices), int(self.labels[indices])
        kept = torch.arange(len(self))[_as_index(indices)]
        return replace(
            self, paths=tuple(self.paths[i] for i in kept.tolist()), labels=self.labels[kept]
        )

    def read(self, index: int) -> Tensor:
        """Picture ``index`` as (C, H, W) uint8; ValueError where the file cannot be read."""
        return image_files.read_image(
            self.paths[index], image_size=self.image_size, channels=self.channels, fit=self.fit
        )

    def size_gib(self) -> float:
        """Memory that the set would take as an ImageSet."""
        return len(self) * self.channels * self.image_size[0] * self.image_size[1] / 2**30

    def to_memory(self) -> ImageSet:
        """Read every file; those that cannot be read are left out and listed in ``unreadable``."""
        images, reasons = image_files.read_images(
            self.paths, image_size=self.image_size, channels=self.channels, fit=self.fit
        )
        unreadable = tuple(Unreadable(self.paths[i], reason) for i, reason in reasons.items())
        kept = [i for i in range(len(self)) if i not in reasons]
        for place, index in enumerate(kept if reasons else ()):
            images[place] = images[index]  # closes the gaps without a second copy of the set
        return ImageSet(
            images[: len(kept)], self.labels[kept], self.classes, self.name,
            self.unreadable + unreadable,
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """Number of files of each class, in class order."""
        return _count_labels(self.labels, self.classes)

    def __repr__(self) -> str:
        return _describe(self, f"read from files as {(self.channels, *self.image_size)}")

    def _repr_png_(self) -> bytes:
        members = [(self.labels == k).nonzero()[:10, 0] for k in range(len(self.classes))]
        sample = self[torch.cat(members)].to_memory()
        title = f"{self.name}: {len(self):,} files, the first of each class"
        return contact_sheets.png(
            contact_sheets.class_sheet(sample.images, sample.labels, self.classes, title)
        )


def _as_index(indices: Indices) -> slice | Tensor:
    if isinstance(indices, slice):
        return indices
    indices = torch.as_tensor(indices)
    return indices.long() if indices.numel() == 0 else indices


def _count_labels(labels: Tensor, classes: Sequence[str]) -> dict[str, int]:
    counts = torch.bincount(labels.cpu().long(), minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def _describe(data: ImageSet | SceneSet | FileSet, kind: str) -> str:
    """The text repr: what, how many, and the class counts (one number where all are equal)."""
    noun = {"ImageSet": "images", "SceneSet": "scenes", "FileSet": "files"}[type(data).__name__]
    counts = data.counts()
    same = len(set(counts.values())) == 1
    shown = [name if same else f"{name} {count:,}" for name, count in counts.items()][:14]
    if len(counts) > len(shown):
        shown.append(f"and {len(counts) - len(shown)} more")
    each = f" of {max(counts.values()):,} each" if same else ""
    text = f"{type(data).__name__} {data.name!r}: {len(data):,} {noun}, {kind}\n"
    text += f"  {len(counts)} classes{each}: {', '.join(shown)}"
    left_out = getattr(data, "unreadable", ())
    return text + (f"\n  {len(left_out)} unreadable files left out" if left_out else "")


def _mib(images: Tensor) -> str:
    return f"{images.nbytes / 2**20:.1f} MiB"


def _pixels(data: ImageSet | SceneSet) -> str:
    return f"{data.images.shape[2]} x {data.images.shape[3]} px"
