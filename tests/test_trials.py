"""What lesson 04 measures with: its test sets, its way to learn, and stored results."""

import json

import pytest
import torch

from imgrec_lab import augment, scenes
from imgrec_lab.course import measured, trials


@pytest.fixture(scope="module")
def tests():
    return trials.test_sets(56)


def test_every_test_set_is_of_one_size_and_differs_from_the_clean_one(tests):
    assert list(tests)[0] == "clean" and len(tests) == 8
    clean = tests["clean"]
    for name, data in tests.items():
        assert data.images.shape == (56, 3, 32, 32) and data.classes == scenes.CLASSES
        if name != "clean":
            assert not torch.equal(data.images, clean.images), name
    for name in ("night", "fog", "rain", "noise", "occluded", "rotated"):
        assert torch.equal(tests[name].labels, clean.labels)
    assert tests["night"].images.float().mean() < 0.7 * clean.images.float().mean()


def test_askew_signs_are_turned_and_by_no_more_than_asked():
    upright = trials.askew(14, seed=5, degrees=0.0)
    slightly = trials.askew(14, seed=5, degrees=3.0)
    much = trials.askew(14, seed=5, degrees=60.0)

    def distance(data):
        return (data.images.float() - upright.images.float()).abs().mean()

    assert 0 < distance(slightly) < distance(much) / 3


def test_far_away_signs_are_small_and_alone():
    boxes = torch.tensor([[40.0, 40, 52, 52], [90, 40, 100, 50], [104, 40, 110, 50], [0, 0, 9, 9]])
    assert list(trials._lonely(boxes, (128, 128))) == [(0, [30, 30])]


def test_real_and_drawn_signs_differ_in_light_alone():
    drawn, real = trials.drawn_signs(28, seed=1), trials.real_signs(28, seed=1)
    assert torch.equal(drawn.labels, real.labels)
    assert real.images.float().mean() < 0.7 * drawn.images.float().mean()


def test_it_learns_with_a_policy_and_repeats(tests):
    def score(policy):
        model = trials.train_on(trials.training_set(0, 280), policy, seed=0, shown=5600)
        return trials.accuracies(model, {"clean": tests["clean"]})["clean"]

    policy = augment.Policy([augment.Rotate(5)])
    once = score(policy)
    assert once > 0.5 and score(policy) == once


def test_stored_results_are_found_by_name_and_belong_to_the_policies_of_today():
    table = measured.read("lesson_04_table")
    assert list(table["scores"]) == list(trials.POLICIES)
    for name, policy in trials.POLICIES.items():
        assert table["policies"][name] == json.loads(policy.to_json()), f"measure {name} again"
    with pytest.raises(FileNotFoundError, match="got 'lesson_99'.*python results/lesson_99.py"):
        measured.read("lesson_99")


def test_asking_several_times_is_the_mean_of_the_answers(tests):
    class Brightest(torch.nn.Module):
        """Says class 0 for bright pictures and 1 for dark ones, surer the further from grey."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, images):
            light = images.mean(dim=(1, 2, 3)) - 0.5
            return self.weight * torch.stack([light, -light], dim=1)

    images = torch.full((4, 3, 8, 8), 128, dtype=torch.uint8) + torch.tensor([80, -80, 80, -80]).to(
        torch.uint8
    ).reshape(4, 1, 1, 1)
    data = trials.ImageSet(images, torch.tensor([0, 1, 1, 0]), ("light", "dark"))
    nothing = augment.Policy([])
    assert trials.asked(Brightest(), data, nothing, 1) == 0.5
    assert trials.asked(Brightest(), data, augment.Policy([augment.Noise(0.05)]), 4) == 0.5
    assert trials.confusion(Brightest(), data).tolist() == [[1, 1], [1, 1]]


def test_boxes_stay_tight_where_nothing_turns_and_round_things_stay_tighter_in_ellipses():
    targets = scenes.draw_streets(20, seed=3).targets
    assert trials.tightness(targets, 0.0, "rectangle").min() > 0.99
    turned = {shape: trials.tightness(targets, 20.0, shape) for shape in ("rectangle", "ellipse")}
    assert turned["rectangle"].mean() + 0.1 < turned["ellipse"].mean() < 0.95


def test_what_drawn_pictures_replace_is_read_between_the_measured_numbers():
    scores = {
        "real only": {10.0: [0.2, 0.4], 40.0: [0.6, 0.8], 160.0: [0.9, 0.9]},
        "real and drawn": {10.0: [0.5, 0.5], 40.0: [0.95, 0.97]},
    }
    assert measured.same_as_real(scores, 10.0) == pytest.approx(20)  # half-way from 10 to 40
    with pytest.raises(ValueError, match="40 real pictures .* reach 0.960; .* 0.300 to 0.900"):
        measured.same_as_real(scores, 40.0)


def test_new_runs_must_come_near_the_stored_ones():
    low, high = measured.band([0.70, 0.80, 0.90], runs=3)  # sd 0.1, standard error 0.0816
    assert (low, high) == (0.31, 1)
    assert measured.band([0.5, 0.5, 0.5, 0.5], runs=3) == (0.48, 0.52)
    assert measured.band([0.0, 0.0], runs=2) == (0, 0.02)
