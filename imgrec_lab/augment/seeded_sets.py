"""A data set whose pictures are changed at random, and alike in every run.

What happens to a picture depends on the seed, on its index, and on how often it was asked for; not
on the process that loads it. So epochs differ, workers differ, and the same seed repeats exactly
with any number of workers.
"""

from __future__ import annotations

import hashlib
import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from imgrec_lab.augment import torchvision_transforms
from imgrec_lab.augment.checking import check_count
from imgrec_lab.box_ops import Target

Label = int | Tensor


class SeededSet(Dataset):
    """``dataset`` with ``transform`` applied to each example as it is asked for.

    Args:
        dataset: whatever answers ``len`` and ``dataset[i]`` with (image (C, H, W) uint8 or float32,
            label or Target), such as an ImageSet, SceneSet or FileSet.
        transform: a Pipeline, a torchvision v2 transform, or any callable of (image, target) that
            returns both. One that takes ``seed`` by name is given it; for any other, the global
            generators of torch (CPU), numpy and random are seeded during the call, and put back.
        seed: of everything; 0 or more.

    Raises:
        TypeError, ValueError: if the data set cannot be indexed, the transform cannot be called, or
            the seed is no whole number.

    The visits are counted in memory that worker processes share, so pass the same SeededSet to the
    loader each epoch. Leaving an epoch early with workers leaves counts for examples that were
    loaded in advance: set ``epoch`` to go on exactly.
    """

    def __init__(self, dataset: Sequence, transform: Callable, *, seed: int = 0) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise TypeError(
                "dataset must answer len and dataset[i]; got "
                f"{type(dataset).__name__}. Wrap an iterable in list(...)."
            )
        if isinstance(transform, type) or not callable(transform):
            raise TypeError(
                f"transform must be a callable of (image, target); got {transform!r}. "
                "Try Pipeline([...])."
            )
        if torchvision_transforms.is_torchvision(transform):
            torchvision_transforms.check_transform(transform)
        check_count("seed", seed)
        self.dataset, self.transform, self.seed = dataset, transform, seed
        self._takes_seed = _takes_seed(transform)
        self._visits = torch.zeros(len(dataset), dtype=torch.int32).share_memory_()

    def __len__(self) -> int:
        return len(self._visits)

    def __getitem__(self, index: int) -> tuple[Tensor, Label | Target]:
        """The changed example: image float32 (C, H, W) in [0, 1], and its label or target.

        Raises:
            IndexError: if there is no such example.
            TypeError: if the transform's result is no picture.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"index must be below {len(self)}, the number of examples; got {index}."
            )
        index = int(index) % len(self)
        image, target = self.dataset[index]
        visit = int(self._visits[index])
        self._visits[index] = visit + 1
        image, target = self._change(image, target, _mixed(self.seed, index, visit))
        return _to_float(image), target

    def _change(
        self, image: Tensor, target: Label | Target, seed: int
    ) -> tuple[Tensor, Label | Target]:
        if self._takes_seed:
            return self.transform(image, target, seed=seed)
        with _seeded_globals(seed):
            if torchvision_transforms.is_torchvision(self.transform):
                return torchvision_transforms.on_picture(self.transform, image, target)
            return self.transform(image, target)

    @property
    def epoch(self) -> int:
        """How often each example was asked for: the least of the counts, 0 before the first."""
        return int(self._visits.min()) if len(self) else 0

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check_count("epoch", epoch)
        self._visits.fill_(epoch)

    def __repr__(self) -> str:
        return (
            f"SeededSet of {len(self):,} examples, seed {self.seed}, epoch {self.epoch}: "
            f"{self.transform!r}"
        )


def collate(
    examples: Sequence[tuple[Tensor, Label | Target]],
) -> tuple[Tensor, Tensor | list[Target]]:
    """Examples as one batch, for DataLoader's ``collate_fn``.

    Returns:
        images (N, C, H, W), and labels (N,) int64 or a list of N targets.

    Raises:
        ValueError: if the pictures differ in size.
    """
    images, targets = zip(*examples, strict=True)
    if len({image.shape for image in images}) > 1:
        raise ValueError(
            "the pictures of a batch must have one size; got "
            f"{sorted({tuple(image.shape) for image in images})}. "
            "Begin the pipeline with pipelines.crop((H, W))."
        )
    if isinstance(targets[0], dict):
        return torch.stack(images), list(targets)
    labels = torch.stack([torch.as_tensor(label) for label in targets])
    return torch.stack(images), labels if labels.is_floating_point() else labels.long()


def _takes_seed(transform: Callable) -> bool:
    try:
        return "seed" in inspect.signature(transform).parameters
    except ValueError:  # some built-in callables have no signature
        return False


@contextmanager
def _seeded_globals(seed: int) -> Iterator[None]:
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would touch the GPUs' as well
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def _mixed(*numbers: int) -> int:
    """One seed below 2**63 from several numbers: neighbours have nothing in common."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _to_float(image: Tensor) -> Tensor:
    if isinstance(image, Tensor) and image.dtype == torch.uint8:
        return image.float().div_(255)
    if not isinstance(image, Tensor) or image.dtype != torch.float32:
        raise TypeError(
            "transform must return a uint8 or float32 tensor; got "
            f"{getattr(image, 'dtype', type(image).__name__)}. Take out what converts it."
        )
    return image
