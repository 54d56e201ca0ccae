"""How long a training loop waits for its pictures."""

import time
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from imgrec_lab.train.training_loop import Loader


class Stopwatch:
    """A loader that adds up in ``seconds`` how long it is waited for; its batches pass unchanged.

    On a GPU, the time until a copy was started counts, not until it arrived.

    Args:
        loader: sized iterable of (images, targets) batches.
    """

    def __init__(self, loader: Loader):
        self.loader, self.seconds = loader, 0.0

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Any]]:
        start = time.perf_counter()
        for batch in self.loader:
            self.seconds += time.perf_counter() - start
            yield batch
            start = time.perf_counter()
        self.seconds += time.perf_counter() - start
