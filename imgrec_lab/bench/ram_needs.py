"""How much memory a machine needs beside its GPU to feed it: ``bench.ram_need``."""

import math
from dataclasses import dataclass

_SYSTEM_GIB = 2.0  # an operating system and its services; an estimate
_MAIN_GIB = 2.0  # Python with torch and CUDA: https://github.com/pytorch/pytorch/issues/113326
_WORKER_GIB = 0.4  # a worker process with torch; the same source, without CUDA
_WORKERS, _AHEAD = 4, 2  # worker processes, and batches that each prepares ahead: torch's default
_PINNED = 2  # batches on their way to the GPU, in memory that cannot be swapped out
_FILE_SHARE = 0.2  # of a picture's numbers: ImageNet's JPEG files, 110 kB for 469 x 387 pixels


@dataclass(frozen=True)
class RamNeed:
    """What lies in a machine's own memory while it trains, in GiB.

    Attributes:
        system_gib: the operating system.
        processes_gib: Python with torch, once and for each worker process.
        batches_gib: batches that workers prepare ahead, and those on their way to the GPU.
        pictures_gib: the data set: as numbers where it is held in memory, else its files, which
            the system keeps at hand after the first epoch if there is room.
    """

    system_gib: float
    processes_gib: float
    batches_gib: float
    pictures_gib: float

    @property
    def total_gib(self) -> float:
        return self.system_gib + self.processes_gib + self.batches_gib + self.pictures_gib

    @property
    def least_gib(self) -> float:
        """Enough if the files are read from a fast disk again in each epoch."""
        return self.total_gib - self.pictures_gib


def ram_need(
    *,
    pictures: int,
    image_size: tuple[int, int],
    batch_size: int,
    resident: bool = False,
    workers: int = _WORKERS,
) -> RamNeed:
    """Estimate the memory that a machine needs for its loader, whatever GPU it feeds.

    Args:
        resident: whether the whole set is held as uint8 numbers, as an ``ImageSet`` is; then there
            are no workers. Else files are read.
        workers: processes that read files.
    """
    picture = 3 * math.prod(image_size) / 2**30  # GiB, as uint8
    if resident:
        workers = 0
    return RamNeed(
        system_gib=_SYSTEM_GIB,
        processes_gib=_MAIN_GIB + workers * _WORKER_GIB,
        batches_gib=(workers * _AHEAD + _PINNED) * batch_size * picture,
        pictures_gib=pictures * picture * (1 if resident else _FILE_SHARE),
    )
