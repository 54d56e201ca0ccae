"""Batches for training: sliced from memory where a set fits, read by worker processes where not.

Both kinds of loader give the same batches in the same order for the same seed. Epoch ``e`` of a
shuffled loader is a permutation that depends on (seed, e) alone: each epoch differs, every run
repeats, and a resumed run goes on where it stopped once ``loader.epoch`` is set.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from imgrec_lab import processes, runtime
from imgrec_lab.box_ops import Target
from imgrec_lab.datasets.image_files import Unreadable
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet

AnySet = ImageSet | SceneSet | FileSet
_DEVICE_SHARE = 0.5  # of the device's free memory that a resident set may take


class Batches(Sampler):
    """The batches of one epoch after another, as row numbers: 0..N-1 or a new order each epoch.

    Where several processes train together, each gets its part of every batch: no row is lost and
    none comes twice. A last batch too small to be shared joins the one before.
    """

    def __init__(self, length: int, *, batch_size: int, shuffle: bool, seed: int) -> None:
        self.length, self.batch_size, self.shuffle, self.seed = length, batch_size, shuffle, seed
        self.epoch = 0
        whole, rest = divmod(length, batch_size)
        self.sizes = [batch_size] * whole + [rest] * (rest > 0)
        if 0 < rest < processes.count() and whole:
            self.sizes[-2:] = [batch_size + rest]

    def __len__(self) -> int:
        return len(self.sizes)

    def next_epoch(self) -> list[Tensor]:
        """The batches of the current epoch, int64 each; moves on to the next one."""
        order = torch.arange(self.length)
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.length, generator=generator)
        self.epoch += 1
        rank, count = processes.rank(), processes.count()
        return [batch[rank::count] for batch in order.split(self.sizes)]

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.next_epoch():  # a generator: DataLoader asks for some that it never runs
            yield batch.tolist()

    def __str__(self) -> str:
        order = f"shuffled by seed {self.seed}" if self.shuffle else "in order"
        return f"{len(self)} batches of {self.batch_size}, {order}"


class _BatchLoader:
    """What both loaders share: their data, the plan of their batches, and where they stand."""

    def __init__(self, data: AnySet, *, batches: Batches, device: torch.device) -> None:
        self.data, self.batches, self.device = data, batches, device

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def epoch(self) -> int:
        """The number of the next epoch."""
        return self.batches.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.batches.epoch = epoch

    @property
    def fingerprint(self) -> str:
        """The data and the plan in a line that differs where either does; for checkpoints."""
        digest = hashlib.sha256(repr(self.data.classes).encode())
        for part in _sampled(self.data):
            digest.update(part)
        return f"{len(self.data):,} pictures ({digest.hexdigest()[:8]}), {self.batches}"


def _sampled(data: AnySet) -> Iterator[bytes]:
    """All labels, and some of the pictures: enough to tell two sets apart in milliseconds."""
    if isinstance(data, SceneSet):
        yield torch.cat([target["labels"] for target in data.targets]).numpy().tobytes()
    else:
        yield data.labels.numpy().tobytes()
    if isinstance(data, FileSet):
        yield "\n".join(Path(path).name for path in data.paths).encode()
    else:
        yield data.images[:: max(1, len(data) // 64)].contiguous().numpy().tobytes()


class MemoryLoader(_BatchLoader):
    """Batches of a set that lies in memory as one uint8 tensor, on the device where it fits.

    Iterating yields ``(images, targets)``: images float32 (N, C, H, W) in [0, 1]; targets labels
    (N,) int64, or a list of N ``Target`` for scenes. ``len`` is the number of batches, ``epoch``
    the next epoch's number.
    """

    def __init__(
        self, data: ImageSet | SceneSet, *, batches: Batches, device: torch.device
    ) -> None:
        super().__init__(data, batches=batches, device=device)
        fits = _fits_on(device, data.images)
        self.images = data.images.to(device) if fits else data.images
        self.labels = data.labels.to(device) if isinstance(data, ImageSet) else None

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | list[Target]]]:
        for indices in self.batches.next_epoch():
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
        return f"{where}; {self.batches}"


class FileLoader(_BatchLoader):
    """Batches of a set that is read from files by worker processes; otherwise a MemoryLoader.

    A file that turns out to be unreadable is left out of its batch, with one warning, and listed
    in ``unreadable``.
    """

    def __init__(
        self, data: FileSet, *, batches: Batches, device: torch.device, workers: int
    ) -> None:
        super().__init__(data, batches=batches, device=device)
        self.workers = workers
        self.unreadable: dict[str, str] = {}
        self._loader = DataLoader(
            FileExamples(data),
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate_examples,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            generator=torch.Generator().manual_seed(batches.seed),  # leaves the global one alone
        )

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
            f"({self.data.size_gib():.2f} GiB in memory); {self.batches}"
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
    image_set: AnySet,
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
    if not isinstance(image_set, AnySet):
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
    if min(batch_size, len(image_set)) < processes.count():
        raise ValueError(
            f"batch_size and the set must hold a picture for each of {processes.count()} processes;"
            f" got {batch_size} and {len(image_set)}. Start fewer, or use larger batches."
        )
    batches = Batches(len(image_set), batch_size=batch_size, shuffle=shuffle, seed=seed)
    if isinstance(image_set, FileSet):
        workers = min(8, os.cpu_count() or 1) if workers is None else workers
        return FileLoader(image_set, batches=batches, device=device, workers=workers)
    return MemoryLoader(image_set, batches=batches, device=device)


def _to_float(images: Tensor) -> Tensor:
    return images.float().div_(255)


def _fits_on(device: torch.device, images: Tensor) -> bool:
    if device.type == images.device.type:
        return True
    return images.nbytes / 2**30 <= _DEVICE_SHARE * runtime.available_memory_gib(device)
