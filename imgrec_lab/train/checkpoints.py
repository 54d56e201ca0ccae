"""A run on disk: everything that the next epoch depends on, so that it can go on as if unbroken."""

import copy
import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from imgrec_lab import atomic_files, processes
from imgrec_lab.history import Epoch, History, Score
from imgrec_lab.train import training_errors

_FORMAT = 1  # of the file; raise it when what is written changes


@dataclass
class Run:
    """What a run consists of while it goes on; ``save`` and ``resume`` write and read all of it.

    Attributes:
        model: as it is trained.
        loader: of the training pictures; its ``epoch``, where it has one, is part of the run.
        epochs, steps: how many are planned in all; schedules depend on them.
        average: the moving average of the weights, where one is kept.
        history: the epochs so far.
        best_weights: of the model, or of its average, after the epoch that did best.
        path: where the run is saved after each epoch, if anywhere.
    """

    model: nn.Module
    loader: Any
    epochs: int
    steps: int
    optimizer: Optimizer
    schedule: LRScheduler | None
    scaler: torch.amp.GradScaler
    average: AveragedModel | None
    history: History = History()
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    path: Path | None = None

    @property
    def judged(self) -> nn.Module:
        """What is evaluated and kept: the averaged model where there is one, else the model."""
        return self.average.module if self.average else self.model

    def begin(self, path: str | Path | None) -> None:
        """Start with the weights that are there, or go on from ``path`` where that is a file."""
        self.path = Path(path) if path else None
        self._keep()
        if self.path and self.path.exists():
            self.resume(self.path)
        elif self.path:  # better now than after an hour
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def epochs_left(self) -> Iterator[int]:
        """The numbers of the epochs still to do."""
        yield from range(len(self.history.epochs) + 1, self.epochs + 1)

    def add(self, trained: Score, tested: Score | None, *, seconds: float) -> None:
        """Enter an epoch that has ended; keep its weights if they are the best, and save the run.

        Raises:
            FloatingPointError, ValueError: if its losses are no numbers, or it met no picture.
        """
        group = self.optimizer.param_groups[0]
        self.history = self.history.add(trained, tested, seconds=seconds, lr=group["lr"])
        highest = group.get("initial_lr", group["lr"])
        training_errors.check_epoch(
            self.history, val_count=tested.count if tested else None, lr=highest
        )
        if self.history.best is self.history.epochs[-1]:
            self._keep()
        if self.path:
            self.save(self.path)

    def end(self, how: str) -> None:
        """Note that the run ended before its time."""
        self.history = replace(self.history, ended=how)
        if not self.history.epochs:  # even an unfinished first epoch has taught it something
            self._keep()

    def _keep(self) -> None:
        self.best_weights = copy.deepcopy(self.judged.state_dict())

    def save(self, path: Path) -> None:
        """Write the run to ``path``, whole or not at all; of several processes the first writes."""
        chances = processes.gather(_chances())
        if processes.rank() > 0:
            return
        saved = {
            "format": _FORMAT,
            **self._facts(),
            "states": {name: part.state_dict() for name, part in self._parts().items()},
            "best_weights": self.best_weights,
            "loader_epoch": getattr(self.loader, "epoch", None),
            "chances": chances,
            "history": asdict(self.history),
        }
        atomic_files.write_atomically(path, lambda file: torch.save(saved, file))

    def resume(self, path: Path) -> None:
        """Continue from the file that ``save`` wrote; nothing changes where it does not fit.

        Raises:
            ValueError: if the file is damaged, of another kind, or of another run.
        """
        saved = _read(path)
        for fact, here in self._facts().items():
            if saved[fact] != here:
                raise ValueError(
                    f"checkpoint {path} must belong to this run; its {fact}: {saved[fact]}; "
                    f"here: {here}. Name another file to start anew, or go on with the same {fact}."
                )
        for name, part in self._parts().items():
            part.load_state_dict(saved["states"][name])
        self.best_weights = saved["best_weights"]
        if saved["loader_epoch"] is not None:
            self.loader.epoch = saved["loader_epoch"]
        rows = tuple(Epoch(**row) for row in saved["history"]["epochs"])
        self.history = History(rows)
        if processes.rank() < len(saved["chances"]):
            _set_chances(saved["chances"][processes.rank()])

    def _parts(self) -> dict[str, Any]:
        parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "scaler": self.scaler,
            "average": self.average,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _facts(self) -> dict[str, str]:
        """What must be the same when a run goes on, each in a few words."""
        weights = sum(p.numel() for p in self.model.parameters())
        tensors = [(name, tuple(value.shape)) for name, value in self.model.state_dict().items()]
        data = getattr(self.loader, "fingerprint", f"{len(self.loader)} batches")
        groups = self.optimizer.param_groups
        rates = [f"{group.get('initial_lr', group['lr']):g}" for group in groups]
        return {
            "model": f"{type(self.model).__name__}, {weights:,} weights ({_short_hash(tensors)})",
            "data": str(data),
            "plan": f"{self.epochs} epochs, {self.steps} steps, {type(self.optimizer).__name__} "
            f"at a rate of {' and '.join(rates)}" + (", averaged" if self.average else ""),
        }


def _short_hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def _read(path: Path) -> Mapping[str, Any]:
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if saved["format"] == _FORMAT:
            return saved
        problem = f"it has format {saved['format']}, this version writes {_FORMAT}"
    except Exception as error:  # torch raises many kinds for a damaged file; all mean the same
        problem = f"{type(error).__name__}: it is damaged or of another kind"
        raise ValueError(_foreign(path, problem)) from error
    raise ValueError(_foreign(path, problem))


def _foreign(path: Path, problem: str) -> str:
    return (
        f"checkpoint {path} must be a file that train.fit(..., checkpoint=...) wrote; {problem}. "
        "It was left as it is: name another file to start anew, or put a good copy in its place."
    )


def _chances() -> dict[str, Any]:
    """The states of this process's random generators, in types that load as plain weights."""
    import numpy

    name, keys, *rest = numpy.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype("int64")), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def _set_chances(states: dict[str, Any]) -> None:
    import numpy

    name, keys, *rest = states["numpy"]
    random.setstate(states["python"])
    numpy.random.set_state((name, keys.numpy(), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
