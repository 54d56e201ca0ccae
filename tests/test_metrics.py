"""Confusion counts and intervals, by hand and against tables."""

import math

import pytest
import torch

from imgrec_lab import metrics


def test_confusion_matrix_by_hand():
    counts = metrics.confusion_matrix(
        torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 1]), num_classes=3
    )
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_confusion_matrix_of_no_pictures():
    none = torch.zeros(0, dtype=torch.long)
    assert metrics.confusion_matrix(none, none, num_classes=2).tolist() == [[0, 0], [0, 0]]


def test_interval_by_hand():
    # Three runs: mean 2, standard deviation 1, t(2) = 4.303.
    mean, half_width = metrics.mean_interval([1.0, 2.0, 3.0])
    assert mean == 2.0 and half_width == pytest.approx(4.303 / math.sqrt(3))
    assert str(metrics.mean_interval([0.5, 0.5])) == "0.500 ± 0.000"


def test_interval_covers_the_truth_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    runs = torch.randn(2000, 5, generator=generator, dtype=torch.float64)
    hits = [abs(e.mean) < e.half_width for e in map(metrics.mean_interval, runs.tolist())]
    assert 0.935 < sum(hits) / len(hits) < 0.965


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="at least 2 runs; got 1. Add a seed"):
        metrics.mean_interval([0.9])
    with pytest.raises(ValueError, match=r"both have shape \(N,\); got \(2,\) and \(3,\)"):
        metrics.confusion_matrix(torch.zeros(2).long(), torch.zeros(3).long(), num_classes=2)
    with pytest.raises(ValueError, match=r"classes must lie in 0..1; got 0..2"):
        metrics.confusion_matrix(torch.tensor([0, 2]), torch.tensor([0, 1]), num_classes=2)


def test_kappa_by_hand():
    a = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    b = torch.tensor([0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    # they agree on 8 of 10; by chance on 0.4 * 0.4 + 0.6 * 0.6 = 0.52
    assert metrics.cohen_kappa(a, b) == pytest.approx((0.8 - 0.52) / 0.48)
    assert metrics.cohen_kappa(a, a) == 1
    assert metrics.cohen_kappa(torch.zeros(3).long(), torch.zeros(3).long()) == 1
    assert metrics.cohen_kappa(torch.tensor([0, 1]), torch.tensor([1, 0])) == -1


def test_kappa_is_scikit_learns():
    from sklearn.metrics import cohen_kappa_score

    generator = torch.Generator().manual_seed(3)
    a = torch.randint(0, 5, (200,), generator=generator)
    b = torch.where(torch.rand(200, generator=generator) < 0.6, a, a.roll(1))
    assert metrics.cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


def test_kappa_of_nothing_or_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="must name at least one thing"):
        metrics.cohen_kappa(torch.zeros(0).long(), torch.zeros(0).long())
    with pytest.raises(ValueError, match=r"must both have shape \(N,\)"):
        metrics.cohen_kappa(torch.zeros(2).long(), torch.zeros(3).long())
