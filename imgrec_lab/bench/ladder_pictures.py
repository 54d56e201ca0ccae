"""The pictures of the throughput ladder, and the loaders that bring them to the model."""

import io
import itertools
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

_DRAWN_PX, _NOISE, _QUALITY = 256, 8, 90  # about 20 kB a picture, 0.6 ms to decode and shrink


class DrawnPictures(Dataset):
    """Smooth colours with noise, kept as JPEG: each look decodes 256 x 256 pixels and shrinks them.

    The same on every machine, so that ladders compare. An item is ``(image, label)``: uint8
    (3, 64, 64), and one of ``NUM_CLASSES`` labels, which nobody can tell from the picture.
    """

    NUM_CLASSES, IMAGE_SIZE = 10, (64, 64)

    def __init__(self, count: int = 256) -> None:
        if count < 1:
            raise ValueError(f"count must be at least 1 picture; got {count}.")
        generator = torch.Generator().manual_seed(0)
        self.files = [_drawn(generator) for _ in range(count)]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        index = range(len(self))[index]
        pixels = np.array(Image.open(io.BytesIO(self.files[index])))  # (256, 256, 3)
        image = torch.from_numpy(pixels).permute(2, 0, 1)[None]  # (1, 3, 256, 256)
        small = F.interpolate(image, size=self.IMAGE_SIZE, mode="bilinear", antialias=True)
        return small[0].contiguous(), index % self.NUM_CLASSES


def _drawn(generator: torch.Generator) -> bytes:
    """One picture as a JPEG file."""
    colors = 255 * torch.rand(1, 3, 6, 6, generator=generator)
    image = F.interpolate(colors, size=(_DRAWN_PX, _DRAWN_PX), mode="bilinear")[0]
    image += _NOISE * torch.randn(image.shape, generator=generator)
    file = io.BytesIO()
    pixels = image.clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, "jpeg", quality=_QUALITY)
    return file.getvalue()


def resident(pictures: Dataset, count: int) -> tuple[Tensor, Tensor]:
    """The first ``count`` pictures in memory: uint8 (N, 3, H, W), and labels int64 (N,).

    Raises:
        TypeError: if a picture is not uint8, or an item is no pair of a picture and a label.
        ValueError: if a picture is not (3, H, W), or the sizes differ.
    """
    images, labels = [], []
    for index in range(count):
        try:
            image, label = pictures[index]
            labels.append(int(label))
        except (TypeError, ValueError) as error:
            raise TypeError(
                "pictures must give pairs of a picture and a label, (uint8 (3, H, W), int); item "
                f"{index} is none: {error}."
            ) from error
        _check_picture(image, index, images)
        images.append(image)
    return torch.stack(images), torch.tensor(labels)


def _check_picture(image: Tensor, index: int, before: list[Tensor]) -> None:
    if not isinstance(image, Tensor) or image.dtype != torch.uint8:
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise TypeError(
            f"pictures must be uint8 tensors; picture {index} is {kind}. For a picture of Pillow's "
            "use torchvision.transforms.functional.pil_to_tensor."
        )
    if image.dim() != 3 or len(image) != 3:
        raise ValueError(
            f"pictures must have shape (3, H, W); picture {index} has {tuple(image.shape)}. For "
            "(H, W, 3) use image.permute(2, 0, 1)."
        )
    if before and image.shape != before[0].shape:
        raise ValueError(
            f"pictures must have one size; picture {index} has {tuple(image.shape[1:])}, those "
            f"before it {tuple(before[0].shape[1:])}. Resize them in the dataset."
        )


def loaded(
    pictures: Dataset, count: int, *, batch_size: int, workers: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, read anew in each pass over the first ``count`` pictures.

    Without end, because a pass that is short would be mostly the waiting for its first batch.
    In order, because a shuffled order costs next to nothing and the results are compared.
    """
    rows = torch.arange(count).split(batch_size)
    loader = DataLoader(
        pictures,
        batch_sampler=itertools.cycle([batch.tolist() for batch in rows]),
        num_workers=workers,
        pin_memory=workers > 0 and device.type == "cuda",
    )
    reader = iter(loader)
    try:
        for images, labels in reader:
            yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
    finally:
        if workers:  # torch waits until the reader is forgotten; an error's traceback holds it
            reader._shutdown_workers()


def sliced(
    images: Tensor, labels: Tensor, *, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches without end, cut from tensors that lie on the device."""
    images, labels = images.to(device), labels.to(device)
    for start in itertools.cycle(range(0, len(images), batch_size)):
        yield images[start : start + batch_size], labels[start : start + batch_size]
