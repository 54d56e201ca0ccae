"""Sets made worse on purpose, as lesson 02 measures with them."""

import pytest
import torch

from imgrec_lab import box_ops, scenes
from imgrec_lab.course import quality

BOXES = torch.tensor([[10.0, 20.0, 30.0, 60.0]]).repeat(400, 1)
TARGET = {"boxes": BOXES, "labels": torch.tensor([0, 1, 2, 3] * 100)}
EXACT = {"error_px": 0.0, "missed": 0.0, "misread": 0.0, "image_size": (64, 48), "seed": 0}


def annotated(**options):
    return quality.annotate([TARGET], **EXACT | options)[0]


def test_an_exact_annotator_marks_what_is_there():
    assert torch.equal(annotated()["boxes"], BOXES)
    assert torch.equal(annotated()["labels"], TARGET["labels"])


def test_an_annotator_misses_misreads_and_misplaces_as_often_as_asked():
    assert 260 < len(annotated(missed=0.3)["boxes"]) < 300
    labels = annotated(misread=1.0)["labels"]
    assert torch.equal(labels, torch.tensor([1, 2, 0, 3] * 100))  # a stop sign is never misread
    errors = annotated(error_px=2.0)["boxes"] - BOXES
    assert errors.std().item() == pytest.approx(2.0, rel=0.1)
    assert abs(errors.mean().item()) < 0.3


def test_nothing_is_marked_outside_of_the_picture():
    boxes = annotated(error_px=50.0)["boxes"]  # of 64 x 48 pixels
    assert boxes.min() == 0 and boxes[:, 0::2].max() == 48 and boxes[:, 1::2].max() == 64


def test_a_generous_hand_adds_the_same_share_to_each_side():
    boxes = quality.generous(BOXES, 0.2)
    assert torch.allclose(boxes[0], torch.tensor([8.0, 16.0, 32.0, 64.0]))
    # By hand: 20 x 40 inside of 24 x 48.
    assert box_ops.iou(boxes[:1], BOXES[:1]).item() == pytest.approx(800 / 1152)


def test_a_careless_hand_errs_to_both_sides_by_a_share_of_the_side():
    errors = (quality.careless(BOXES, 0.1) - BOXES) / torch.tensor([20.0, 40.0, 20.0, 40.0])
    assert errors.std().item() == pytest.approx(0.1, rel=0.1)
    assert abs(errors.mean().item()) < 0.02


def test_a_film_shows_each_sign_ten_times():
    film = quality.film(seed=3)
    signs = torch.tensor(quality.SIGN_OF_FRAME)
    assert len(film) == len(signs) == 1400
    shown = film.labels[signs == 17]
    assert len(shown) == 10 and len(shown.unique()) == 1
    pixels = film.images[signs == 17].float()
    twins = (pixels[4] - pixels[5]).abs().mean()
    others = (pixels[4] - film.images[signs == 18][4].float()).abs().mean()
    assert 0 < twins < others / 2


def test_every_condition_draws_what_it_says():
    day, night = (
        quality.drawn([quality.KINDS[name]] * 28, seed=1) for name in ("clear day", "night")
    )
    assert day.labels.tolist() == [*range(14)] * 2
    assert day.images.float().mean() > 1.5 * night.images.float().mean()
    assert (
        quality.in_any_weather(28, light="night", seed=1).images.float().mean()
        < day.images.float().mean()
    )


def test_wrong_labels_and_chosen_pictures_are_as_many_as_asked():
    data = quality.together(*[quality.drawn([quality.DAY] * 28, seed=seed) for seed in (0, 1)])
    wrong = quality.mislabelled(data, 0.25, seed=0)
    assert (wrong.labels != data.labels).sum() == 14
    assert torch.equal(wrong.images, data.images)
    assert len(quality.some(data, 20, seed=0)) == 20


def test_it_learns_what_it_is_shown():
    data = quality.drawn([quality.DAY] * 140, seed=0)
    tests = {"same": data, "night": quality.in_any_weather(140, light="night", seed=2)}
    scores = quality.learn_each([data], tests, seeds=(0,))
    assert list(scores) == ["same", "night"]
    assert scores["same"][0] > 0.9 > scores["night"][0]
    assert quality.learn(data, tests, seed=0, shown=140)["same"] < scores["same"][0]


def test_a_network_finds_signs_better_than_a_guess():
    crops, new = (scenes.draw_signs([k % 14 for k in range(n)], seed=n) for n in (560, 140))
    middle = crops.boxes.mean(dim=0, keepdim=True)
    guess = box_ops.iou(middle, new.boxes).mean().item()
    assert quality.learn_boxes(crops, crops.boxes, new, seed=0) > guess
