"""Batches for training: sliced from memory where a set fits, read by worker processes where not.

Both kinds of loader give the same batches in the same order for the same seed. Epoch ``e`` of a
shuffled loader is a permutation that depends on (seed, e) alone: each epoch differs, every run
repeats, and a resumed run goes on where it stopped once ``loader.epoch`` is set.
"""

import os
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from imgrec_lab import runtime
from imgrec_lab.box_ops import Target
from imgrec_lab.datasets.image_files import Unreadable
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet

_DEVICE_SHARE = 0.5  # of the device's free memory that a resident set may take


class Order(Sampler):
    """The order of one epoch after another: 0..N-1, or a permutation drawn from (seed, epoch)."""

    def __init__(self, length: int, *, shuffle: bool, seed: int) -> None:
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.length

    def next_epoch(self) -> Tensor:
        """The (N,) int64 order of the current epoch; moves on to the next one."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        if not self.shuffle:
            return torch.arange(self.length)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(self.length, generator=generator)

    def __iter__(self) -> Iterator[int]:
        return iter(self.next_epoch().tolist())


class MemoryLoader:
    """Batches of a set that lies in memory as one uint8 tensor, on the device where it fits.

    Iterating yields ``(images, targets)``: images float32 (N, C, H, W) in [0, 1]; targets labels
    (N,) int64, or a list of N ``Target`` for scenes. ``len`` is the number of batches, ``epoch``
    the next epoch's number.
    """

    def __init__(
        self, data: ImageSet | SceneSet, *, batch_size: int, order: Order, device: torch.device
    ) -> None:
        self.data, self.batch_size, self.order, self.device = data, batch_size, order, device
        fits = _fits_on(device, data.images)
        self.images = data.images.to(device) if fits else data.images
        self.labels = data.labels.to(device) if isinstance(data, ImageSet) else None

    @property
    def epoch(self) -> int:
        return self.order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.order.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.data) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | list[Target]]]:
        for indices in self.order.next_epoch().split(self.batch_size):
            pixels = self.images[indices.to(self.images.device)]
            images = _to_float(pixels.to(self.device))  # (N, C, H, W)
            if self.labels is not None:
                yield images, self.labels[indices.to(self.device)]
            else:
                yield images, [self._target(index) for index in indices.tolist()]

    def _target(self, index: int) -> Target:
        return {key: value.to(self.device) for key, value in self.data.targets[index].items()}

    def __repr__(self) -> str:
        where = f"in memory: {len(self.data):,} images, {self.images.nbytes / 2**20:.1f} MiB on "
        where += str(self.images.device)
        if self.images.device.type != self.device.type:
            where += f" (too large for {self.device}, which gets one batch at a time)"
        return f"{where}; {_batches(self)}"


class FileLoader:
    """Batches of a set that is read from files by worker processes; otherwise a MemoryLoader.

    A file that turns out to be unreadable is left out of its batch, with one warning, and listed
    in ``unreadable``.
    """

    def __init__(
        self, data: FileSet, *, batch_size: int, order: Order, device: torch.device, workers: int
    ) -> None:
        self.data, self.batch_size, self.order, self.device = data, batch_size, order, device
        self.workers = workers
        self.unreadable: dict[str, str] = {}
        self._loader = DataLoader(
            FileExamples(data),
            batch_size=batch_size,
            sampler=order,
            num_workers=workers,
            collate_fn=collate_examples,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(order.seed),  # leaves the global one alone
        )

    @property
    def epoch(self) -> int:
        return self.order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.order.epoch = epoch

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for images, labels, unreadable in self._loader:
            self._report(unreadable)
            if len(images):
                images = images.to(self.device, non_blocking=True)
                yield _to_float(images), labels.to(self.device, non_blocking=True)

    def _report(self, unreadable: list[Unreadable]) -> None:
        for path, reason in unreadable:
            if path not in self.unreadable:
                self.unreadable[path] = reason
                warnings.warn(f"left out of its batch: {path} ({reason})", stacklevel=3)

    def __repr__(self) -> str:
        how = f"{self.workers} worker processes" if self.workers else "the main process"
        return (
            f"from files: {len(self.data):,} images read by {how}, because they come as a FileSet "
            f"({self.data.size_gib():.2f} GiB in memory); {_batches(self)}"
        )


class FileExamples(Dataset):
    """A FileSet for torch's DataLoader: a broken file becomes an example that says why."""

    def __init__(self, data: FileSet) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor | None, int, Unreadable | None]:
        try:
            return self.data.read(index), int(self.data.labels[index]), None
        except ValueError as error:
            return None, -1, Unreadable(self.data.paths[index], str(error))


def collate_examples(
    examples: list[tuple[Tensor | None, int, Unreadable | None]],
) -> tuple[Tensor, Tensor, list[Unreadable]]:
    """Readable examples as images uint8 (N, C, H, W) and labels (N,), and the unreadable ones."""
    read = [(image, label) for image, label, _ in examples if image is not None]
    unreadable = [problem for _, _, problem in examples if problem is not None]
    images = torch.stack([image for image, _ in read]) if read else torch.zeros(0)
    return images, torch.tensor([label for _, label in read], dtype=torch.int64), unreadable


def make_loader(
    image_set: ImageSet | SceneSet | FileSet,
    *,
    batch_size: int = 128,
    shuffle: bool = False,
    seed: int = 0,
    device: torch.device | str | None = None,
    workers: int | None = None,
) -> MemoryLoader | FileLoader:
    """The loader that suits the set; its repr says which was chosen and why.

    Args:
        image_set: what to load. Sets in memory are sliced on the device; files are read by workers.
        batch_size: images a batch; the last batch holds the rest.
        shuffle: a new order each epoch, a function of ``seed`` and the epoch's number.
        seed: of the order.
        device: where batches lie; default the fastest device here.
        workers: processes that read files (default: one a core, at most 8); 0 reads in this one.

    Returns:
        A sized iterable of (images float32 (N, C, H, W) in [0, 1], targets): labels (N,) int64,
        or a list of N ``Target`` for scenes.

    Raises:
        TypeError, ValueError: if there is nothing to load, or an option makes no sense.
    """
    if not isinstance(image_set, ImageSet | SceneSet | FileSet):
        raise TypeError(
            f"make_loader needs an ImageSet, SceneSet or FileSet; got {type(image_set).__name__}. "
            "Wrap tensors as datasets.ImageSet(images, labels, classes)."
        )
    if len(image_set) == 0:
        raise ValueError(f"make_loader needs at least one picture; {image_set.name!r} has none.")
    if not all(isinstance(number, int) for number in (batch_size, workers or 0, seed)):
        raise TypeError(
            "batch_size, workers and seed must be whole numbers; got "
            f"{batch_size!r}, {workers!r} and {seed!r}."
        )
    if batch_size < 1 or (workers or 0) < 0:
        raise ValueError(
            f"batch_size must be at least 1 and workers at least 0; got {batch_size} and {workers}."
        )
    device = runtime.pick_device() if device is None else torch.device(device)
    order = Order(len(image_set), shuffle=shuffle, seed=seed)
    if isinstance(image_set, FileSet):
        workers = min(8, os.cpu_count() or 1) if workers is None else workers
        return FileLoader(
            image_set, batch_size=batch_size, order=order, device=device, workers=workers
        )
    return MemoryLoader(image_set, batch_size=batch_size, order=order, device=device)


def _to_float(images: Tensor) -> Tensor:
    return images.float().div_(255)


def _fits_on(device: torch.device, images: Tensor) -> bool:
    if device.type == images.device.type:
        return True
    return images.nbytes / 2**30 <= _DEVICE_SHARE * runtime.available_memory_gib(device)


def _batches(loader: MemoryLoader | FileLoader) -> str:
    order = f"shuffled by seed {loader.order.seed}" if loader.order.shuffle else "in order"
    return f"{len(loader)} batches of {loader.batch_size}, {order}"
