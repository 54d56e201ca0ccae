"""Repeatable randomness: the same with any number of workers, another in each epoch."""

import multiprocessing
import random
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from imgrec_lab import datasets, scenes
from imgrec_lab.augment import pipelines, seeded_sets
from imgrec_lab.augment.quiet_albumentations import A

PICTURES = torch.randint(256, (14, 3, 16, 16), generator=torch.Generator().manual_seed(0))
SIGNS = datasets.ImageSet(PICTURES.byte(), torch.arange(14) % 2, ("stop", "yield"))
PIPELINE = pipelines.Pipeline([pipelines.orientation(degrees=40), pipelines.lighting(0.5)])
TURN = v2.RandomRotation(40, interpolation=v2.InterpolationMode.BILINEAR)


def noisy(image, label):
    """A transform that takes no seed: it draws from all three global generators."""
    noise = torch.rand(image.shape) + float(np.random.rand()) + random.random()
    return (image / 255 + noise) / 4, label


def loaded(data, *, workers, epochs=1, **options):
    """All images of some epochs, (epochs, N, C, H, W)."""
    loader = DataLoader(
        data, batch_size=3, num_workers=workers, collate_fn=seeded_sets.collate, **options
    )
    return torch.stack([torch.cat([images for images, _ in loader]) for _ in range(epochs)])


@pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes")
@pytest.mark.parametrize("transform", [PIPELINE, noisy, TURN], ids=type)
def test_any_number_of_workers_gives_the_same_and_each_epoch_another(transform):
    first = loaded(seeded_sets.SeededSet(SIGNS, transform, seed=3), workers=0, epochs=3)
    assert first.shape == (3, 14, 3, 16, 16) and first.dtype == torch.float32
    assert first.min() >= 0 and first.max() <= 1
    for epoch in (1, 2):
        assert (first[epoch] != first[0]).flatten(1).any(dim=1).all()
    for workers in (1, 2, 3):
        again = loaded(seeded_sets.SeededSet(SIGNS, transform, seed=3), workers=workers, epochs=3)
        assert torch.equal(first, again)
    other = loaded(seeded_sets.SeededSet(SIGNS, transform, seed=4), workers=0, epochs=1)
    assert (other != first[:1]).flatten(2).any(dim=2).all()


def test_workers_that_live_on_repeat_too():
    first = loaded(seeded_sets.SeededSet(SIGNS, PIPELINE), workers=0, epochs=3)
    data = seeded_sets.SeededSet(SIGNS, PIPELINE)
    kept = loaded(data, workers=2, epochs=3, persistent_workers=True)
    assert torch.equal(first, kept) and data.epoch == 3


@pytest.mark.slow
def test_spawned_workers_share_the_count():
    first = loaded(seeded_sets.SeededSet(SIGNS, PIPELINE), workers=0, epochs=2)
    data = seeded_sets.SeededSet(SIGNS, PIPELINE)
    context = multiprocessing.get_context("spawn")
    assert torch.equal(first, loaded(data, workers=2, epochs=2, multiprocessing_context=context))
    assert data.epoch == 2


def test_the_order_does_not_matter():
    forth, back = (seeded_sets.SeededSet(SIGNS, PIPELINE) for _ in range(2))
    images = [forth[index][0] for index in range(14)]
    for index in reversed(range(14)):
        assert torch.equal(back[index - 14][0], images[index])  # and counted from the end


def test_a_set_goes_on_where_it_stopped():
    through = loaded(seeded_sets.SeededSet(SIGNS, PIPELINE), workers=0, epochs=4)
    data = seeded_sets.SeededSet(SIGNS, PIPELINE)
    assert data.epoch == 0
    data.epoch = 2
    assert data.epoch == 2
    assert torch.equal(loaded(data, workers=2, epochs=2), through[2:]) and data.epoch == 4


def test_labels_and_targets_come_back():
    data = seeded_sets.SeededSet(SIGNS, PIPELINE)
    image, label = data[3]
    assert image.dtype == torch.float32 and label == 1 and type(label) is int
    images, labels = seeded_sets.collate([data[0], data[1]])
    assert images.shape == (2, 3, 16, 16)
    assert labels.tolist() == [0, 1] and labels.dtype == torch.int64
    streets = scenes.draw_streets(2, seed=1, image_size=(48, 64))
    examples = list(zip(streets.images, streets.targets, strict=True))
    for transform in (PIPELINE, v2.RandomHorizontalFlip(1.0)):
        data = seeded_sets.SeededSet(examples, transform)
        images, targets = seeded_sets.collate([data[0], data[1]])
        assert images.shape == (2, 3, 48, 64) and images.dtype == torch.float32
        assert [set(target) for target in targets] == [{"boxes", "labels", "masks"}] * 2
    width = torch.tensor([64.0, 0, 64, 0])
    mirrored = (width - streets.targets[0]["boxes"]).abs()[:, [2, 1, 0, 3]]
    assert torch.allclose(targets[0]["boxes"], mirrored)  # torchvision's boxes have moved


def test_nothing_to_do_gives_the_pictures_as_fractions():
    data = seeded_sets.SeededSet(SIGNS, lambda image, label: (image, label))
    assert torch.equal(data[5][0], SIGNS.images[5] / 255)
    fractions = [(SIGNS.images[5] / 255, 0)]
    kept = seeded_sets.SeededSet(fractions, lambda image, label: (image, label))[0][0]
    assert torch.equal(kept, fractions[0][0])


def test_soft_labels_stay_soft():
    _, labels = seeded_sets.collate([(torch.zeros(3, 4, 4), torch.tensor([0.3, 0.7]))] * 2)
    assert torch.equal(labels, torch.tensor([[0.3, 0.7]] * 2))


def test_global_generators_are_left_alone():
    data = seeded_sets.SeededSet(SIGNS, noisy)
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = torch.rand(3).tolist(), np.random.rand(), random.random()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    data[0]
    assert (torch.rand(3).tolist(), np.random.rand(), random.random()) == expected


def failing(image, label):
    torch.rand(1)
    raise RuntimeError("no")


def test_global_generators_are_put_back_after_an_error():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no"):
        seeded_sets.SeededSet(SIGNS, failing)[0]
    assert torch.equal(torch.get_rng_state(), before)


def test_an_example_that_cannot_be_read_is_not_counted():
    class Broken(Sequence):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            raise ValueError("unreadable")

    data = seeded_sets.SeededSet(Broken(), PIPELINE)
    with pytest.raises(ValueError, match="unreadable"):
        data[0]
    assert data.epoch == 0


def test_an_empty_set_and_an_index_outside():
    assert (
        len(seeded_sets.SeededSet([], PIPELINE)) == seeded_sets.SeededSet([], PIPELINE).epoch == 0
    )
    data = seeded_sets.SeededSet(SIGNS, PIPELINE)
    for index in (14, -15):
        with pytest.raises(IndexError, match=f"index must be below 14, .*; got {index}"):
            data[index]
    assert len(list(data)) == 14


def test_repr():
    shown = repr(seeded_sets.SeededSet(SIGNS, pipelines.Pipeline([]), seed=7))
    assert shown == "SeededSet of 14 examples, seed 7, epoch 0: Pipeline([], min_visibility=0.1)"


def test_what_is_refused():
    with pytest.raises(TypeError, match="dataset must answer len and dataset.i.; got generator"):
        seeded_sets.SeededSet((x for x in ()), PIPELINE)
    for wrong in (None, v2.RandomHorizontalFlip):
        with pytest.raises(TypeError, match="transform must be a callable of .image, target.; got"):
            seeded_sets.SeededSet(SIGNS, wrong)
    for wrong in (-1, 0.5, True):
        with pytest.raises(ValueError, match="seed must be a whole number of 0 or more; got"):
            seeded_sets.SeededSet(SIGNS, PIPELINE, seed=wrong)
        with pytest.raises(ValueError, match="epoch must be a whole number of 0 or more; got"):
            seeded_sets.SeededSet(SIGNS, PIPELINE).epoch = wrong
    for wrong in (lambda image, label: (image.double(), label), lambda image, label: ("x", label)):
        with pytest.raises(
            TypeError, match="must return a uint8 or float32 tensor; got (torch.float64|str)"
        ):
            seeded_sets.SeededSet(SIGNS, wrong)[0]
    sizes = [(torch.zeros(3, 4, 4), 0), (torch.zeros(3, 5, 4), 0)]
    with pytest.raises(ValueError, match="must have one size; got .*5, 4.*pipelines.crop"):
        seeded_sets.collate(sizes)


# The trap that this is for.


class PlainSet(Dataset):
    """What tutorials write: one albumentations pipeline inside of a data set."""

    def __init__(self, *, seed=None):
        self.transform = A.Compose([A.RandomBrightnessContrast(p=1.0)], seed=seed)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        # Every picture is the same; a ramp, for one grey comes out alike from one draw in sixty.
        ramp = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
        return torch.from_numpy(self.transform(image=ramp)["image"])


@pytest.mark.parametrize("seed", [None, 0])
def test_plain_albumentations_gives_two_workers_the_same_and_repeats_each_epoch(seed):
    loader = DataLoader(
        PlainSet(seed=seed), batch_size=1, num_workers=2, multiprocessing_context="fork"
    )
    first, again = (torch.cat(list(loader)) for _ in range(2))
    assert torch.equal(first[0], first[1]) and torch.equal(first[2], first[3])  # worker 0, worker 1
    assert not torch.equal(first[0], first[2])
    assert torch.equal(first, again)  # the second epoch
    ramp = torch.arange(16 * 16, dtype=torch.uint8).reshape(1, 16, 16).repeat(3, 1, 1)
    cured = pipelines.Pipeline([A.RandomBrightnessContrast(p=1.0)])
    images = loaded(seeded_sets.SeededSet([(ramp, 0)] * 4, cured), workers=2, epochs=2)
    assert len({image.numpy().tobytes() for image in images.flatten(0, 1)}) == 8
