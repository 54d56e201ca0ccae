"""On-device augmentations: what they change and what they must not."""

import pytest
import torch

from imgrec_lab import augment

LABELS = torch.arange(64)


def test_flip_mirrors_about_half_and_nothing_else():
    torch.manual_seed(0)
    images = torch.rand(64, 3, 4, 6)
    out, labels = augment.flip(images, LABELS)
    mirrored = (out == images.flip(3)).flatten(1).all(1)
    kept = (out == images).flatten(1).all(1)
    assert (mirrored ^ kept).all() and 20 < mirrored.sum() < 44
    assert labels is LABELS


def test_shift_moves_every_picture_alike_and_by_no_more_than_it_may():
    torch.manual_seed(0)
    images = torch.zeros(2, 1, 9, 9)
    images[:, :, 4, 4] = 1.0
    places = set()
    for _ in range(200):
        out, _ = augment.shift(2)(images, LABELS[:2])
        assert out.shape == images.shape and torch.equal(out[0], out[1])
        places.add(tuple((out[0, 0] == 1).nonzero()[0].tolist()))
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


def test_lighting_scales_each_picture_within_its_strength():
    torch.manual_seed(0)
    flat = torch.full((64, 3, 4, 4), 0.5)
    out, labels = augment.lighting(0.3)(flat, LABELS)
    values = out.flatten(1)
    assert (values.amax(1) - values.amin(1)).max() < 1e-6  # no contrast to change
    assert 0.35 - 1e-6 <= values.min() < 0.37 and 0.63 < values.max() <= 0.65 + 1e-6
    assert values[:, 0].unique().numel() > 60 and labels is LABELS
    pictures = torch.rand(8, 3, 5, 5)
    assert torch.allclose(augment.lighting(0)(pictures, LABELS[:8])[0], pictures)
    strong = augment.lighting(1.0)(pictures, LABELS[:8])[0]
    assert strong.min() >= 0 and strong.max() <= 1
    with pytest.raises(ValueError, match="strength must lie in 0 to 1; got 1.5. Try 0.3"):
        augment.lighting(1.5)


def test_no_shift_and_an_empty_chain_change_nothing():
    images = torch.rand(2, 3, 5, 5)
    assert torch.equal(augment.shift(0)(images, LABELS[:2])[0], images)
    assert augment.chain()(images, LABELS[:2])[0] is images


def test_chain_runs_in_the_order_given():
    double = augment.chain(lambda x, y: (x + 1, y), lambda x, y: (x * 2, y))
    assert double(torch.ones(1), LABELS[:1])[0].item() == 4


def test_negative_shift():
    with pytest.raises(ValueError, match="max_px must be 0 or more pixels; got -1"):
        augment.shift(-1)


def test_a_shift_as_large_as_the_picture_is_refused():
    with pytest.raises(ValueError, match="smaller than the picture; got 4 for 4 x 6 pixels"):
        augment.shift(4)(torch.zeros(1, 3, 4, 6), torch.zeros(1, dtype=torch.int64))
