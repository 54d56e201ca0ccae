"""Turns the published files of the registry's sets into training and test pictures."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from imgrec_lab import box_ops
from imgrec_lab.datasets import image_files
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet

GTSRB_CLASSES = (
    "speed 20", "speed 30", "speed 50", "speed 60", "speed 70", "speed 80", "end of speed 80",
    "speed 100", "speed 120", "no overtaking", "no overtaking by lorries", "crossing ahead",
    "priority road", "yield", "stop", "no vehicles", "no lorries", "no entry", "danger",
    "bend left", "bend right", "double bend", "bumpy road", "slippery road", "road narrows",
    "roadworks", "traffic lights", "pedestrians", "children", "cyclists", "ice or snow",
    "wild animals", "end of all limits", "turn right", "turn left", "straight on",
    "straight or right", "straight or left", "keep right", "keep left", "roundabout",
    "end of no overtaking", "end of no overtaking by lorries",
)  # fmt: skip


class Published(NamedTuple):
    """A set as its authors split it.

    Attributes:
        train, test: its two parts; a set that they did not split is all ``train``.
        groups: training pictures with the same number belong together (frames of one sign, say),
            (N,) int64; None where every picture stands alone.
    """

    train: ImageSet | SceneSet
    test: ImageSet | None = None
    groups: Tensor | None = None


def read(name: str, root: Path, *, image_size: tuple[int, int]) -> Published:
    """Read a registered set from its unpacked original files.

    Args:
        name: of its card.
        root: the folder in the layout of the originals, which is torchvision's where it has one.
        image_size: (height, width) in pixels.
    """
    match name:
        case "cifar10":
            return _cifar10(root, image_size)
        case "gtsrb":
            return _gtsrb(root, image_size)
        case "pets":
            return _pets(root, image_size)
        case "fashion-mnist":
            return _fashion_mnist(root, image_size)
        case "penn-fudan":
            return _penn_fudan(root, image_size)
    raise ValueError(f"there is no reader for {name!r}")


def digits(image_size: tuple[int, int]) -> ImageSet:
    """Scikit-learn's 1,797 handwritten digits, 8x8 pixels of 17 grey levels, as one set."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images)[:, None] * (255 / 16)  # (N, 1, 8, 8)
    return ImageSet(
        images=resized(images.round().to(torch.uint8), image_size),
        labels=torch.from_numpy(bunch.target).long(),
        classes=tuple("0123456789"),
        name="digits",
    )


def resized(images: Tensor, image_size: tuple[int, int]) -> Tensor:
    """uint8 (N, C, H, W) pictures brought to another size with antialiasing, if it differs."""
    if tuple(images.shape[2:]) == image_size:
        return images
    blocks = [
        F.interpolate(block.float(), image_size, mode="bilinear", antialias=True).round().byte()
        for block in images.split(1024)  # floats of the whole set would take four times its size
    ]
    return torch.cat(blocks)


def _cifar10(root: Path, image_size: tuple[int, int]) -> Published:
    from torchvision.datasets import CIFAR10

    def part(train: bool) -> ImageSet:
        source = CIFAR10(str(root), train=train)
        images = torch.from_numpy(np.ascontiguousarray(source.data.transpose(0, 3, 1, 2)))
        labels = torch.tensor(source.targets)
        return ImageSet(resized(images, image_size), labels, tuple(source.classes))

    return Published(part(True), part(False))


def _fashion_mnist(root: Path, image_size: tuple[int, int]) -> Published:
    from torchvision.datasets import FashionMNIST

    def part(train: bool) -> ImageSet:
        source = FashionMNIST(str(root), train=train)
        images = resized(source.data[:, None], image_size)  # (N, 1, 28, 28)
        return ImageSet(images, source.targets.long(), tuple(source.classes))

    return Published(part(True), part(False))


def _gtsrb(root: Path, image_size: tuple[int, int]) -> Published:
    from torchvision.datasets import GTSRB

    def part(split: str) -> FileSet:
        samples = sorted(GTSRB(str(root), split)._samples)
        paths = tuple(path for path, _ in samples)
        labels = torch.tensor([label for _, label in samples])
        return FileSet(paths, labels, GTSRB_CLASSES, image_size)

    train, test = part("train"), part("test")
    # A track is named before the underscore: 00007/00012_00029.ppm is frame 29 of sign 12.
    tracks = [path.rsplit("_", 1)[0] for path in train.paths]
    groups = torch.from_numpy(np.unique(tracks, return_inverse=True)[1])
    return Published(train.to_memory(), test.to_memory(), groups)


def _pets(root: Path, image_size: tuple[int, int]) -> Published:
    from torchvision.datasets import OxfordIIITPet

    def part(split: str) -> ImageSet:
        source = OxfordIIITPet(str(root), split)
        paths = tuple(str(path) for path in source._images)
        labels = torch.tensor(source._labels)
        return FileSet(paths, labels, tuple(source.classes), image_size).to_memory()

    return Published(part("trainval"), part("test"))


def _penn_fudan(root: Path, image_size: tuple[int, int]) -> Published:
    """One picture a scene, with a second one whose grey levels number the people in it."""
    pictures = sorted((root / "PennFudanPed" / "PNGImages").glob("*.png"))
    masks = [root / "PennFudanPed" / "PedMasks" / f"{path.stem}_mask.png" for path in pictures]
    images = [image_files.read_image(path, image_size=image_size, fit="pad") for path in pictures]
    targets = [_people(path, image_size) for path in masks]
    return Published(SceneSet(torch.stack(images), targets, ("pedestrian",)))


def _people(path: Path, image_size: tuple[int, int]) -> box_ops.Target:
    """The people of one mask picture, brought to size as ``read_image`` does with ``fit="pad"``."""
    with Image.open(path) as mask:
        size = (mask.height, mask.width)
        scale_x, scale_y, left, top = image_files.placing(size, image_size, "pad")
        inner = (round(mask.width * scale_x), round(mask.height * scale_y))
        canvas = Image.new(mask.mode, image_size[::-1])
        canvas.paste(mask.resize(inner, Image.Resampling.NEAREST), (left, top))
    numbers = torch.from_numpy(np.array(canvas))  # (H, W), 0 where there is nobody
    people = numbers.unique()
    masks = numbers == people[people > 0, None, None]  # (M, H, W)
    return {
        "boxes": box_ops.from_masks(masks),
        "labels": torch.zeros(len(masks), dtype=torch.int64),
        "masks": masks,
    }
