"""Seconds for an epoch of the same network on the same pictures, in several training loops.

Run it from the repository's root; it rewrites train_speed.json beside itself. The other libraries
are measured where they are installed: ``pip install fastai lightning keras``.
"""

import copy
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from imgrec_lab import datasets, models, runtime, train

os.environ |= {"KERAS_BACKEND": "torch", "TQDM_DISABLE": "1"}
PICTURES, BATCH, ROUNDS, LR = 2560, 128, 9, 3e-3


class Examples(Dataset):
    """Single pictures as float32 in [0, 1], the way a data set is usually given to a library."""

    def __init__(self, data: datasets.ImageSet) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image, label = self.data[index]
        return image.float() / 255, label


def ours(model: nn.Module, data: datasets.ImageSet) -> None:
    loader = datasets.make_loader(data, batch_size=BATCH, shuffle=True)
    train.fit(model, loader, epochs=1, lr=LR)


def bare_resident(model: nn.Module, data: datasets.ImageSet) -> None:
    model.to(memory_format=torch.channels_last).train()
    optimizer = train.default_optimizer(model, lr=LR)
    schedule = train.one_cycle(optimizer, steps=len(data) // BATCH)
    for batch in torch.randperm(len(data)).split(BATCH):
        images = (data.images[batch].float() / 255).to(memory_format=torch.channels_last)
        loss = F.cross_entropy(model(images), data.labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def bare_dataloader(model: nn.Module, data: datasets.ImageSet) -> None:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    for images, labels in DataLoader(Examples(data), batch_size=BATCH, shuffle=True):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def fastai(model: nn.Module, data: datasets.ImageSet) -> None:
    from fastai.callback import progress, schedule  # noqa: F401  (they add methods to Learner)
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner

    examples = Examples(data)
    loaders = DataLoaders.from_dsets(examples, Examples(data[:BATCH]), bs=BATCH, device="cpu")
    learner = Learner(loaders, model, loss_func=nn.CrossEntropyLoss())
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, LR)


def lightning(model: nn.Module, data: datasets.ImageSet) -> None:
    from lightning import LightningModule, Trainer

    class Classifier(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: tuple, index: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=LR)

    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(max_epochs=1, logger=False, enable_checkpointing=False, **quiet)
    trainer.fit(Classifier(), DataLoader(Examples(data), batch_size=BATCH, shuffle=True))


def keras(model: nn.Module, data: datasets.ImageSet) -> None:
    import keras

    network = keras.Sequential([keras.Input((3, 32, 32)), keras.layers.TorchModuleWrapper(model)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer=keras.optimizers.AdamW(LR), loss=loss)
    images, labels = (data.images.float() / 255).numpy(), data.labels.numpy()
    network.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)


LOOPS: dict[str, Callable[[nn.Module, datasets.ImageSet], None]] = {
    "imgrec_lab": ours,
    "bare loop, tensors in memory": bare_resident,
    "bare loop, DataLoader": bare_dataloader,
    "fastai": fastai,
    "lightning": lightning,
    "keras": keras,
}


def main() -> None:
    """One warm-up of each loop, then ``ROUNDS`` rounds of all of them in turn."""
    data = datasets.load("signs").train[:PICTURES]
    torch.manual_seed(0)
    start = models.QuickCNN(14)
    seconds: dict[str, list[float]] = {}
    for turn in range(ROUNDS + 1):
        for name, loop in LOOPS.items():
            model = copy.deepcopy(start)
            began = time.perf_counter()
            try:
                loop(model, data)
            except ImportError as error:
                print(f"{name}: left out, {error}", flush=True)
                continue
            if turn > 0:
                seconds.setdefault(name, []).append(round(time.perf_counter() - began, 3))
        print({name: values[-1] for name, values in seconds.items()}, flush=True)
    own = seconds["imgrec_lab"]
    result = {
        "network": "QuickCNN",
        "pictures": PICTURES,
        "batch_size": BATCH,
        "versions": {name: metadata.version(name) for name in LOOPS if name in seconds
                     and " " not in name and name != "imgrec_lab"},
        "seconds_per_epoch": {
            name: {"median": statistics.median(values), "all": values}
            for name, values in seconds.items()
        },
        "times_imgrec_lab": {  # median of the ratios within each round
            name: round(statistics.median(b / a for a, b in zip(own, values, strict=True)), 3)
            for name, values in seconds.items()
        },
        "machine": runtime.report(),
    }  # fmt: skip
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
