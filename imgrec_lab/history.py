"""What a training run did: scores, one row an epoch, and the whole history."""

import csv
import io
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from imgrec_lab import atomic_files


class Score(NamedTuple):
    """Mean loss and share of right answers, over single pictures, not over batches.

    ``accuracy`` is the mean of whatever ``score_fn`` counted, None where nothing was.
    """

    loss: float
    accuracy: float | None
    count: int


@dataclass(frozen=True)
class Epoch:
    """One pass over the training pictures; validation values are None where there was no set."""

    epoch: int
    train_loss: float
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float
    images_per_s: float
    lr: float | None = None  # at the epoch's end, of the optimizer's first group


@dataclass(frozen=True)
class History:
    """What a run did, epoch by epoch, and how it ended: finished, stopped early or interrupted."""

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

    def add(
        self, trained: Score, tested: Score | None, *, seconds: float, lr: float | None = None
    ) -> "History":
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
            lr=lr,
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
        if path.suffix == ".json":
            text = json.dumps(asdict(self), indent=1) + "\n"
        else:
            file = io.StringIO()
            table = csv.DictWriter(file, [field.name for field in fields(Epoch)])
            table.writeheader()
            table.writerows(asdict(row) for row in self.epochs)
            text = file.getvalue()
        atomic_files.write_text(path, text)
        return path

    @classmethod
    def load(cls, path: str | Path) -> "History":
        """The history in a ``.json`` file that ``save`` wrote.

        Raises:
            ValueError: if the file is no such history.
        """
        try:
            saved = json.loads(Path(path).read_text())
            return cls(tuple(Epoch(**row) for row in saved["epochs"]), saved["ended"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"path must be a .json file that history.save wrote; {path} is not: {error}."
            ) from error

    def write_tensorboard(self, folder: str | Path) -> Path:
        """Write the curves as a TensorBoard log into ``folder``.

        Raises:
            ModuleNotFoundError: if the package ``tensorboard`` is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ModuleNotFoundError(
                "write_tensorboard needs the package tensorboard, which is not installed. "
                "Try `pip install tensorboard`, or history.save('run.csv')."
            ) from error
        with SummaryWriter(str(folder)) as log:
            for row in self.epochs:
                for name, value in asdict(row).items():
                    if name != "epoch" and value is not None:
                        log.add_scalar(name, value, row.epoch)
        return Path(folder)

    def __str__(self) -> str:
        return "\n".join([TABLE_HEAD, *(table_row(epoch) for epoch in self.epochs)])


TABLE_HEAD = "epoch  train loss  train acc  val loss  val acc  seconds   img/s"


def table_row(epoch: Epoch) -> str:
    """One line of the table that ``print(history)`` shows, under ``TABLE_HEAD``."""
    cells = (
        (epoch.train_loss, 10), (epoch.train_accuracy, 9), (epoch.val_loss, 8),
        (epoch.val_accuracy, 7),
    )  # fmt: skip
    scores = "  ".join(
        f"{'-':>{wide}}" if value is None else f"{value:{wide}.3f}" for value, wide in cells
    )
    return f"{epoch.epoch:5d}  {scores}  {epoch.seconds:7.1f}  {epoch.images_per_s:6.0f}"


def _rank(epoch: Epoch) -> tuple[float, float]:
    """Larger is better; without validation the latest epoch is the best."""
    if epoch.val_loss is None:
        return float(epoch.epoch), 0.0
    if epoch.val_accuracy is None:
        return -epoch.val_loss, 0.0
    return epoch.val_accuracy, -epoch.val_loss
