"""CIFAR-10 within five minutes of training on two CPU cores: three seeds, one JSON file.

``python results/cifar10_five_minutes.py FOLDER``, with one sub-folder a class below FOLDER/train
and FOLDER/test. All 50,000 training pictures are used, none is held back to choose an epoch: the
last weights are tested, once.
"""

import functools
import json
import statistics
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab import augment, datasets, models, runtime, train
from imgrec_lab.history import History
from imgrec_lab.models import conv_bn_relu, conv_pool_bn_relu

EPOCHS, BATCH, LR, SMOOTHING, SHIFT_PX, SEEDS = 9, 256, 0.01, 0.1, 2, (0, 1, 2)


class SevenConvolutions(nn.Module):
    """Half the size at once, then three stages of two more: little work, many epochs."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.normalize = models.Normalize([0.47] * 3, [0.25] * 3)
        self.stem = conv_bn_relu(3, 32, stride=2)
        stages = [(32, 32), (32, 64), (64, 128)]
        self.body = nn.Sequential(
            *(nn.Sequential(conv_pool_bn_relu(a, b), conv_bn_relu(b, b)) for a, b in stages)
        )
        self.head = nn.Linear(128, num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K) for pictures of 32 x 32."""
        return self.head(self.body(self.stem(self.normalize(images))).amax(dim=(2, 3)))


def trained(
    sets: datasets.Splits, policy: augment.Policy | None, *, epochs: int, seed: int
) -> tuple[SevenConvolutions, History]:
    """The network after ``epochs`` over all training pictures, and how they went."""
    runtime.seed_everything(seed)
    model = SevenConvolutions(len(sets.train.classes))
    history = train.fit(
        model,
        datasets.make_loader(sets.train, batch_size=BATCH, shuffle=True, seed=seed),
        epochs=epochs,
        lr=LR,
        loss_fn=functools.partial(F.cross_entropy, label_smoothing=SMOOTHING),
        augment=policy,
    )
    return model, history


def run(sets: datasets.Splits, seed: int) -> dict[str, float]:
    """Train once; accuracy on the test pictures as they are, and averaged with their mirror."""
    policy = augment.Policy([augment.Flip(), augment.Translate(SHIFT_PX / 32)])
    model, history = trained(sets, policy, epochs=EPOCHS, seed=seed)
    test = datasets.make_loader(sets.test, batch_size=500)
    probs = train.predict(model, test)
    mirrored = train.predict(model, [(images.flip(3), labels) for images, labels in test])

    def accuracy(probs: Tensor) -> float:
        return (probs.argmax(dim=1) == sets.test.labels).float().mean().item()

    return {
        "seed": seed,
        "train_seconds": round(sum(epoch.seconds for epoch in history.epochs), 1),
        "test_accuracy": round(accuracy(probs), 4),
        "test_accuracy_mirrored_too": round(accuracy(probs + mirrored), 4),
    }


def main(folder: str) -> None:
    """Three seeds, and what they were run on."""
    sets = datasets.from_folder(folder, image_size=(32, 32), fractions=(1.0, 0.0, 0.0))
    runs = []
    for seed in SEEDS:
        runs.append(run(sets, seed))
        print(runs[-1], flush=True)
    measured = [name for name in runs[0] if name != "seed"]
    means = {name: round(statistics.mean(r[name] for r in runs), 4) for name in measured}
    model = SevenConvolutions(10)
    facts = {
        "data": f"{len(sets.train):,} training and {len(sets.test):,} test pictures",
        "recipe": {
            "epochs": EPOCHS, "batch_size": BATCH, "lr": LR, "label_smoothing": SMOOTHING,
            "shift_px": SHIFT_PX, "flip": True,
        },
        "parameters": models.count_parameters(model),
        "flops_per_training_image": 3 * models.count_flops(model),
        "runs": runs,
        "mean": means,
        "machine": runtime.report(),
    }  # fmt: skip
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1])
