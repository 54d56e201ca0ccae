"""What a model says of pictures that it never saw: each is judged by a model of the others.

A model that was trained on a wrong label may have learned it by heart. So the set is cut into
folds, and each fold is judged by a fresh model that was trained on the other folds alone.
"""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

from imgrec_lab import datasets, models, train


def predict(
    image_set: datasets.ImageSet,
    *,
    make_model: Callable[[int], nn.Module] | None = None,
    num_folds: int = 4,
    epochs: int = 6,
    batch_size: int = 32,
    lr: float = 0.01,
    augment: train.Augment | None = None,
    seed: int = 0,
) -> Tensor:
    """Class probabilities of every picture, from a model that was trained without it.

    Trains ``num_folds`` models; the same seed gives the same answer.

    Args:
        image_set: N pictures of K classes.
        make_model: takes K and returns a fresh model; default a small convolutional network.
        num_folds: parts of the set, at least 2; the more, the more each model learns from.
        epochs, batch_size, lr, augment: of the training, see ``train.fit``.
        seed: of the folds, the models and the order of the pictures.

    Returns:
        (N, K) float32 on the CPU.

    Raises:
        TypeError, ValueError: if the set is not in memory, or ``assign_folds`` refuses it.
    """
    folds = assign_folds(image_set, num_folds=num_folds, seed=seed)
    make_model = make_model or _small_network(image_set)
    probs = torch.empty(len(image_set), len(image_set.classes))
    for fold in range(num_folds):
        held_out, rest = image_set[folds == fold], image_set[folds != fold]
        loader = datasets.make_loader(rest, batch_size=batch_size, shuffle=True, seed=seed)
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed * num_folds + fold)
            model = make_model(len(image_set.classes))
            train.fit(model, loader, epochs=epochs, lr=lr, augment=augment)
        probs[folds == fold] = train.predict(model, datasets.make_loader(held_out))
    return probs


def assign_folds(image_set: datasets.ImageSet, *, num_folds: int, seed: int = 0) -> Tensor:
    """The fold 0..num_folds-1 of each picture: (N,) int64.

    Each fold gets the same share of each class, and exact duplicates share a fold, so that no
    model is asked about a picture whose twin it saw.

    Raises:
        TypeError: if the set is not an ImageSet.
        ValueError: for fewer than 2 folds, more than there are different pictures for, or a class
            that lies in one fold alone.
    """
    if not isinstance(image_set, datasets.ImageSet):
        raise TypeError(
            f"image_set must be an ImageSet; got {type(image_set).__name__}. For files, use "
            "file_set.to_memory()."
        )
    if num_folds < 2:
        raise ValueError(f"num_folds must be at least 2; got {num_folds}. Try 4.")
    first: dict[str, int] = {}  # the first picture with these pixels
    firsts = [first.setdefault(_digest(image), i) for i, image in enumerate(image_set.images)]
    order = torch.randperm(len(image_set), generator=torch.Generator().manual_seed(seed))
    order = order[image_set.labels[order].argsort(stable=True)]  # class by class
    folds = torch.empty_like(order)
    folds[order] = torch.arange(len(order)) % num_folds
    folds = folds[firsts]
    if len(folds.unique()) < num_folds:
        raise ValueError(
            f"num_folds must leave different pictures to each fold; got {num_folds} for "
            f"{len(first)} different pictures. Try fewer folds."
        )
    for label, name in enumerate(image_set.classes):
        members = folds[image_set.labels == label]
        if len(members) and (members == members[0]).all():
            raise ValueError(
                f"each class must lie in two folds or more, so that every model learns it; "
                f"{name!r} lies in one, with {len(members)} pictures. Add different pictures "
                "of it, or leave the class out."
            )
    return folds


def _digest(image: Tensor) -> str:
    return hashlib.sha256(image.numpy(force=True).tobytes()).hexdigest()


def _small_network(image_set: datasets.ImageSet) -> Callable[[int], nn.Module]:
    """Learns in seconds; for pictures of fewer than 16 pixels one that halves them less often."""
    channels, *size = image_set.images.shape[1:]
    if min(size) < 16:
        return lambda num_classes: models.TinyCNN(num_classes, in_channels=channels)
    widths = (16, 48, 96)
    return lambda num_classes: models.QuickCNN(num_classes, in_channels=channels, widths=widths)
