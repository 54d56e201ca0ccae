"""Suspected label errors: the steps of confident learning, and judging pictures out of fold."""

import contextlib
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from imgrec_lab import datasets
from imgrec_lab.audit import label_errors, out_of_fold
from imgrec_lab.datasets import ImageSet

# Class 0 is reached at (0.9 + 0.8 + 0.1) / 3 = 0.6, class 1 at (0.9 + 0.5) / 2 = 0.7.
LABELS = torch.tensor([0, 0, 0, 1, 1])
PROBS = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.5, 0.5]])


def noisy_answers(count=400, num_classes=5, seed=0):
    """Labels, a tenth of them wrong, and the answers of a model that is mostly right."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(count) % num_classes
    logits = 2 * torch.randn(count, num_classes, generator=generator)
    logits[torch.arange(count), truth] += 8
    labels = label_errors.plant(truth, fraction=0.1, num_classes=num_classes, seed=seed)
    return labels, logits.softmax(dim=1)


def coloured_pictures(per_class=30, size=8):
    """Noisy pictures that are mostly red, green or blue."""
    labels = torch.arange(3 * per_class) % 3
    noise = torch.rand(len(labels), 3, size, size, generator=torch.Generator().manual_seed(0))
    images = 100 * noise + 100 * nn.functional.one_hot(labels)[:, :, None, None]
    return ImageSet(images.to(torch.uint8), labels, ("red", "green", "blue"))


# -------------------------------------------------------------------------------- the steps by hand


def test_thresholds_by_hand():
    found = label_errors.thresholds(LABELS, PROBS)
    torch.testing.assert_close(found, torch.tensor([0.6, 0.7]), check_dtype=False)


def test_confident_joint_by_hand():
    # The last picture reaches neither threshold, so four are counted.
    assert label_errors.confident_joint(LABELS, PROBS).tolist() == [[2, 1], [0, 1]]


def test_a_picture_that_reaches_two_thresholds_counts_for_the_likelier():
    labels = torch.tensor([0, 0, 1, 1])
    probs = torch.tensor([[0.45, 0.55], [0.4, 0.6], [0.6, 0.4], [0.55, 0.45]])  # 0.425 and 0.425
    assert label_errors.confident_joint(labels, probs).tolist() == [[0, 2], [2, 0]]


def test_estimate_joint_by_hand():
    assert label_errors.estimate_joint(LABELS, PROBS).tolist() == [[2, 1], [0, 2]]


def test_find_label_errors_by_hand():
    suspects = label_errors.find_label_errors(LABELS, PROBS)
    index, given, suggested, score, probs = suspects[0]
    assert (len(suspects), index, given, suggested) == (1, 2, 0, 1)
    assert score == pytest.approx(0.1) and probs.tolist() == PROBS[2].tolist()


def test_the_same_doubt_counts_where_the_confusion_is_common():
    # Half of class 1 bears label 0, no picture of class 2 does; the last two are in doubt.
    truth = torch.tensor([0] * 6 + [1] * 12 + [2] * 6 + [0, 0])
    labels = torch.tensor([0] * 12 + [1] * 6 + [2] * 6 + [0, 0])
    probs = 0.01 + 0.97 * nn.functional.one_hot(truth, 3)
    probs[-2:] = torch.tensor([[0.3, 0.7, 0.0], [0.3, 0.0, 0.7]])
    suspects = label_errors.find_label_errors(labels, probs)
    assert suspects.indices.tolist() == [6, 7, 8, 9, 10, 11, 24]


def test_below_half_a_guess_a_label_is_suspected_in_any_case():
    labels = torch.tensor([0, 1, 2, 0, 0])
    for own, number in ((0.16, 1), (0.17, 0)):  # 1 / 2K is 0.167
        doubtful = torch.tensor([[1.0, 0.0, 0.0], [own, 0.9 - own, 0.1]])
        probs = torch.cat([torch.eye(3), doubtful])
        assert label_errors.confident_joint(labels, probs)[0].tolist() == [2, 0, 0]
        assert len(label_errors.find_label_errors(labels, probs)) == number


# ---------------------------------------------------------------------------- reference, properties


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_confident_joint_equals_a_loop_over_pictures(seed):
    labels, probs = noisy_answers(seed=seed)
    rows, count = probs.tolist(), probs.shape[1]
    means = []
    for label in range(count):
        own = [row[label] for row, given in zip(rows, labels, strict=True) if given == label]
        means.append(math.fsum(own) / len(own))
    expected = torch.zeros(count, count, dtype=torch.int64)
    for row, given in zip(rows, labels.tolist(), strict=True):
        reached = [label for label in range(count) if row[label] >= means[label]]
        if reached:
            expected[given, max(reached, key=row.__getitem__)] += 1
    assert label_errors.confident_joint(labels, probs).equal(expected)


def test_estimated_rows_hold_all_pictures_with_that_label():
    labels, probs = noisy_answers()
    joint = label_errors.estimate_joint(labels, probs)
    torch.testing.assert_close(joint.sum(dim=1), labels.bincount().double())
    assert 0.06 < 1 - joint.trace() / joint.sum() < 0.14  # a tenth was planted


def test_planted_errors_are_found():
    truth = torch.arange(400) % 5
    labels, probs = noisy_answers()
    wrong = labels != truth
    suspects = label_errors.find_label_errors(labels, probs)
    hits = wrong[suspects.indices].sum() / wrong.sum()
    assert hits >= 0.8 and wrong[suspects.indices].float().mean() >= 0.8
    assert suspects.scores.equal(suspects.scores.sort().values)
    assert (suspects.given != suspects.suggested).all()
    assert suspects.given.equal(labels[suspects.indices])


def test_the_order_of_the_pictures_does_not_matter():
    labels, probs = noisy_answers()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    found = label_errors.find_label_errors(labels, probs)
    shuffled = label_errors.find_label_errors(labels[order], probs[order])
    assert order[shuffled.indices].tolist() == found.indices.tolist()


def test_a_sure_model_that_agrees_suspects_nothing():
    labels = torch.arange(12) % 3
    probs = nn.functional.one_hot(labels).double()
    assert len(label_errors.find_label_errors(labels, probs)) == 0
    assert len(label_errors.find_label_errors(labels, probs, count=5)) == 0


def test_count_decides_how_many():
    labels, probs = noisy_answers()
    for count in (0, 1, 20):
        assert len(label_errors.find_label_errors(labels, probs, count=count)) == count
    everything = label_errors.find_label_errors(labels, probs, count=400)
    assert len(everything) == (probs.argmax(dim=1) != labels).sum()


def test_a_class_whose_pictures_are_all_judged_alike_reaches_its_mean():
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    probs = torch.tensor([[0.7, 0.3]] * 3 + [[0.1, 0.9]] * 4)
    assert label_errors.confident_joint(labels, probs).tolist() == [[3, 0], [0, 4]]


def test_suspects_are_a_sequence():
    suspects = label_errors.find_label_errors(*noisy_answers(), count=8)
    assert [row.index for row in suspects] == suspects.indices.tolist()
    assert suspects[2:4].indices.equal(suspects.indices[2:4])
    assert suspects[-1].suggested == suspects.suggested[-1]
    lines = repr(suspects).split("\n")
    assert lines[0] == "LabelSuspects: 8, the most suspicious first" and len(lines) == 6
    assert lines[1].startswith(f"  picture {suspects[0].index}: label {suspects[0].given} (0.0")


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("labels", "probs", "message"),
    [
        (LABELS[:4], PROBS, "one row a picture; got (4,) and (5, 2)"),
        (LABELS, PROBS[:, 0], "one row a picture; got (5,) and (5,)"),
        (LABELS[:0], PROBS[:0], "one row a picture; got (0,) and (0, 2)"),
        (LABELS, PROBS / 2, "sum to 1; one sums to 0.5"),
        (LABELS, PROBS.where(PROBS != 0.5, math.nan), "sum to 1; one sums to nan"),
        (LABELS, torch.tensor([[1.5, -0.5]] * 5), "the lowest value is -0.5"),
        (LABELS + 1, PROBS, "labels must lie in 0..1, as probs have 2 columns; got 1..2"),
        (LABELS * 0, PROBS, "no picture has label 1"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_words(labels, probs, message):
    with pytest.raises(ValueError) as error:
        label_errors.find_label_errors(labels, probs)
    assert message in str(error.value)
    with pytest.raises(ValueError):
        label_errors.confident_joint(labels, probs)


def test_other_types_are_refused_in_words():
    with pytest.raises(TypeError, match="labels must be int64 and probs floating point; got tor"):
        label_errors.find_label_errors(LABELS.float(), PROBS)
    with pytest.raises(TypeError, match=r"got torch.int64 and torch.int64"):
        label_errors.thresholds(LABELS, PROBS.long())


def test_a_negative_count_is_refused():
    with pytest.raises(ValueError, match="count must be 0 or more pictures; got -1"):
        label_errors.find_label_errors(LABELS, PROBS, count=-1)


# ----------------------------------------------------------------------------------- planted errors


def test_plant_makes_exactly_so_many_wrong_in_every_way():
    labels = torch.arange(3000) % 3
    planted = label_errors.plant(labels, fraction=0.2, num_classes=3, seed=4)
    wrong = planted != labels
    assert wrong.sum() == 600 and planted.min() >= 0 and planted.max() <= 2
    ways = (labels * 3 + planted)[wrong].bincount(minlength=9)
    assert (ways[[1, 2, 3, 5, 6, 7]] > 60).all()
    assert planted.equal(label_errors.plant(labels, fraction=0.2, num_classes=3, seed=4))
    assert not planted.equal(label_errors.plant(labels, fraction=0.2, num_classes=3, seed=5))


@pytest.mark.parametrize(("fraction", "num_classes"), [(1.2, 3), (0.1, 1)])
def test_plant_refuses_in_words(fraction, num_classes):
    with pytest.raises(ValueError, match="fraction must lie in 0 to 1 and num_classes be 2"):
        label_errors.plant(LABELS, fraction=fraction, num_classes=num_classes)


# -------------------------------------------------------------------------------------- out of fold


def test_folds_share_every_class_evenly_and_repeat():
    image_set = coloured_pictures(per_class=20)
    folds = out_of_fold.assign_folds(image_set, num_folds=4)
    for label in range(3):
        assert folds[image_set.labels == label].bincount().tolist() == [5, 5, 5, 5]
    assert folds.equal(out_of_fold.assign_folds(image_set, num_folds=4))
    assert not folds.equal(out_of_fold.assign_folds(image_set, num_folds=4, seed=1))


def test_exact_duplicates_share_a_fold_whatever_their_labels():
    image_set = coloured_pictures()
    images = image_set.images.clone()
    images[60:] = images[:30]
    labels = image_set.labels.roll(1)
    folds = out_of_fold.assign_folds(ImageSet(images, labels, image_set.classes), num_folds=3)
    assert folds[60:].equal(folds[:30]) and len(folds.unique()) == 3


class Witness(nn.Module):
    """Notes the first pixel of every picture that it learns from and that it is asked about."""

    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(1, num_classes)
        self.seen = {True: set(), False: set()}

    def forward(self, images):
        first = images[:, :1, 0, 0]
        self.seen[self.training] |= {round(value * 255) for value in first[:, 0].tolist()}
        return self.head(first)


def test_no_model_is_asked_about_a_picture_that_it_learned_from():
    images = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
    image_set = ImageSet(images, torch.arange(60) % 3, ("a", "b", "c"))
    witnesses = []

    def make_model(num_classes):
        witnesses.append(Witness(num_classes))
        return witnesses[-1]

    probs = out_of_fold.predict(image_set, make_model=make_model, num_folds=4, epochs=1)
    assert probs.shape == (60, 3) and len(witnesses) == 4
    for witness in witnesses:
        assert len(witness.seen[True]) == 45
        assert not witness.seen[True] & witness.seen[False]
    assert set.union(*(witness.seen[False] for witness in witnesses)) == set(range(60))


def test_predict_repeats_and_leaves_the_random_state_alone():
    image_set = coloured_pictures(per_class=8)
    state = torch.get_rng_state()
    options = {"num_folds": 2, "epochs": 1}
    probs = out_of_fold.predict(image_set, **options)
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(99)
    torch.testing.assert_close(out_of_fold.predict(image_set, **options), probs)
    assert not out_of_fold.predict(image_set, seed=1, **options).allclose(probs)


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 20)])
def test_the_default_network_takes_grey_and_larger_pictures(channels, size):
    image_set = coloured_pictures(per_class=4, size=size)
    image_set = replace(image_set, images=image_set.images[:, :channels].contiguous())
    probs = out_of_fold.predict(image_set, num_folds=2, epochs=1)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(12))


def test_wrong_labels_are_found_from_the_pictures_alone():
    clean = coloured_pictures(per_class=40)
    labels = label_errors.plant(clean.labels, fraction=0.1, num_classes=3)
    probs = out_of_fold.predict(replace(clean, labels=labels), num_folds=3, epochs=8)
    suspects = label_errors.find_label_errors(labels, probs)
    wrong = labels != clean.labels
    assert wrong[suspects.indices].sum() >= 11  # of 12
    assert wrong[suspects.indices].float().mean() >= 0.8
    assert suspects.suggested.equal(clean.labels[suspects.indices])


def test_predict_needs_pictures_in_memory():
    files = datasets.FileSet(("a.png",), torch.tensor([0]), ("a",))
    with pytest.raises(TypeError, match="must be an ImageSet; got FileSet. For files, use file"):
        out_of_fold.predict(files)


def test_more_folds_than_different_pictures_are_refused_before_any_training():
    image_set = coloured_pictures(per_class=4)
    images = image_set.images[:6].repeat(2, 1, 1, 1)

    def make_model(num_classes):
        raise AssertionError("it trained")

    with pytest.raises(ValueError, match="got 7 for 6 different pictures. Try fewer folds"):
        out_of_fold.predict(replace(image_set, images=images), num_folds=7, make_model=make_model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_predict_leaves_the_random_state_of_the_gpu_alone():
    state = torch.cuda.get_rng_state()
    out_of_fold.predict(coloured_pictures(per_class=4), num_folds=2, epochs=1)
    assert torch.cuda.get_rng_state().equal(state)


def test_predict_forks_the_random_state_of_every_gpu(monkeypatch):
    forked = []

    def fork(devices=None):
        forked.append(list(devices))
        return contextlib.nullcontext()

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.random, "fork_rng", fork)
    out_of_fold.predict(coloured_pictures(per_class=4), num_folds=2, epochs=1)
    assert forked == [[0, 1], [0, 1]]


def test_predict_needs_two_folds_and_every_class_in_two():
    image_set = coloured_pictures(per_class=4)
    with pytest.raises(ValueError, match="num_folds must be at least 2; got 1"):
        out_of_fold.predict(image_set, num_folds=1)
    labels = torch.tensor([1, *[0] * 11])
    with pytest.raises(ValueError, match="'green' lies in one, with 1 pictures"):
        out_of_fold.predict(replace(image_set, labels=labels))
