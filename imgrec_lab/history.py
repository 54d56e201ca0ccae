"""What a training run did: scores, one row an epoch, and the whole history."""

import csv
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple


class Score(NamedTuple):
    """Mean loss and share of right answers, over single pictures, not over batches."""

    loss: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures; validation values are None where there was no set."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_s: float


@dataclass(frozen=True)
class History:
    """What a run did, epoch by epoch, and how it ended: "finished" or "interrupted"."""

    epochs: tuple[Epoch, ...] = ()
    ended: str = "finished"

    @property
    def best(self) -> Epoch:
        """The epoch with the best validation accuracy; the last one where there was no set.

        Raises:
            ValueError: if no epoch was completed.
        """
        if not self.epochs:
            raise ValueError("history.best needs at least one completed epoch; got none.")
        return max(self.epochs, key=_rank)

    def add(self, trained: Score, tested: Score | None, *, seconds: float) -> "History":
        """A new history, longer by one epoch."""
        val_loss, val_accuracy = (tested.loss, tested.accuracy) if tested else (None, None)
        row = Epoch(
            epoch=len(self.epochs) + 1,
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            seconds=seconds,
            images_per_s=trained.count / seconds,
        )
        return replace(self, epochs=(*self.epochs, row))

    def save(self, path: str | Path) -> Path:
        """Write the epochs to ``path``: one row each for ``.csv``, everything for ``.json``.

        Raises:
            ValueError: if the suffix is neither.
        """
        path = Path(path)
        if path.suffix not in (".csv", ".json"):
            raise ValueError(f"path must end in .csv or .json; got {path.name!r}.")
        with path.open("w", newline="") as file:
            if path.suffix == ".json":
                json.dump(asdict(self), file, indent=1)
            else:
                table = csv.DictWriter(file, [field.name for field in fields(Epoch)])
                table.writeheader()
                table.writerows(asdict(row) for row in self.epochs)
        return path

    def __str__(self) -> str:
        return "\n".join([TABLE_HEAD, *(table_row(epoch) for epoch in self.epochs)])


TABLE_HEAD = "epoch  train loss  train acc  val loss  val acc  seconds   img/s"


def table_row(epoch: Epoch) -> str:
    """One line of the table that ``print(history)`` shows, under ``TABLE_HEAD``."""
    val = f"{'-':>8}  {'-':>7}"
    if epoch.val_loss is not None:
        val = f"{epoch.val_loss:8.3f}  {epoch.val_accuracy:7.3f}"
    return (
        f"{epoch.epoch:5d}  {epoch.train_loss:10.3f}  {epoch.train_accuracy:9.3f}  {val}"
        f"  {epoch.seconds:7.1f}  {epoch.images_per_s:6.0f}"
    )


def _rank(epoch: Epoch) -> tuple[float, float]:
    """Larger is better; without validation the latest epoch is the best."""
    if epoch.val_accuracy is None or epoch.val_loss is None:
        return float(epoch.epoch), 0.0
    return epoch.val_accuracy, -epoch.val_loss
