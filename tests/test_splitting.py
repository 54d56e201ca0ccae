"""Splits: the right shares, every class in each, nothing in two parts."""

import warnings

import pytest
import torch
from PIL import Image

from imgrec_lab.datasets import splitting
from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet


def distinct(n: int) -> torch.Tensor:
    """(n, 1, 2, 2) pictures, no two of them alike."""
    number = torch.arange(n)
    return (
        torch.stack([number % 256, number // 256, number * 0, number * 0], 1)
        .byte()
        .view(n, 1, 2, 2)
    )


def image_set(labels: list[int], images: torch.Tensor | None = None) -> ImageSet:
    images = distinct(len(labels)) if images is None else images
    classes = tuple(f"class {k}" for k in range(max(labels) + 1))
    return ImageSet(images, torch.tensor(labels), classes)


def rows(part: ImageSet) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images}


def test_shares_hold_in_every_class():
    parts = splitting.split(image_set([0] * 600 + [1] * 200 + [2] * 20))
    assert [list(part.counts().values()) for part in parts] == [
        [420, 140, 14], [90, 30, 3], [90, 30, 3],
    ]  # fmt: skip


def test_every_picture_is_in_exactly_one_part():
    data = image_set([i % 3 for i in range(100)])
    parts = splitting.split(data)
    assert sum(map(len, parts)) == 100
    assert set.union(*map(rows, parts)) == rows(data)
    assert sum(len(rows(part)) for part in parts) == 100


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    data = image_set([0, 1] * 50)
    first, again, other = (splitting.split(data, seed=seed).test for seed in (0, 0, 1))
    assert rows(first) == rows(again) != rows(other)


def test_exact_duplicates_stay_together_even_with_different_labels():
    images = distinct(40).repeat(2, 1, 1, 1)
    labels = [i % 2 for i in range(40)] + [(i + 1) % 2 for i in range(40)]
    for seed in range(5):
        train, val, test = splitting.split(image_set(labels, images), seed=seed)
        assert len(train) + len(val) + len(test) == 80
        assert not rows(train) & rows(val)
        assert not rows(train) & rows(test)
        assert not rows(val) & rows(test)


def test_groups_stay_together():
    tracks = torch.arange(300) // 10  # ten frames of each of thirty signs
    data = image_set((tracks % 3).tolist())
    parts = splitting.split(data, groups=tracks, fractions=(0.8, 0.1, 0.1))
    frame = {row.numpy().tobytes(): int(track) for row, track in zip(data.images, tracks)}  # noqa: B905
    found = [{frame[row] for row in rows(part)} for part in parts]
    assert sum(map(len, found)) == 30
    assert [len(part) for part in parts] == [240, 30, 30]


def test_a_duplicate_joins_two_groups():
    images = distinct(40)
    images[39] = images[0]
    data = image_set([0, 1] * 20, images)
    groups = [i // 2 for i in range(40)]
    for seed in range(5):
        parts = splitting.split(data, groups=groups, seed=seed)
        holders = [part for part in parts if images[0].numpy().tobytes() in rows(part)]
        assert len(holders) == 1
        assert {images[i].numpy().tobytes() for i in (0, 1, 38)} <= rows(holders[0])


def test_a_class_with_one_picture_goes_to_training_with_a_warning():
    data = image_set([0] * 20 + [1])
    with pytest.warns(UserWarning, match=r"too few different pictures.*: 'class 1' \(1\)\. They"):
        parts = splitting.split(data)
    assert [part.counts()["class 1"] for part in parts] == [1, 0, 0]


def test_two_go_to_training_and_test_three_to_all():
    with pytest.warns(UserWarning, match=r"'class 1' \(2\)"):
        parts = splitting.split(image_set([0] * 20 + [1] * 2))
    assert [part.counts()["class 1"] for part in parts] == [1, 0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = splitting.split(image_set([0] * 20 + [1] * 3))
    assert [part.counts()["class 1"] for part in parts] == [1, 1, 1]


def test_a_share_of_zero_gives_an_empty_part_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, val, test = splitting.split(image_set([0, 1] * 10), fractions=(0.9, 0.1, 0))
    assert (len(train), len(val), len(test)) == (18, 2, 0)


def test_files_with_equal_content_stay_together(tmp_path):
    paths = []
    for index in range(40):
        paths.append(str(tmp_path / f"{index}.png"))
        Image.new("RGB", (4, 4), (index // 2, 0, 0)).save(paths[-1])
    data = FileSet(tuple(paths), torch.arange(40) % 2, ("a", "b"))
    parts = splitting.split(data)
    pairs = [{int(path.split("/")[-1][:-4]) // 2 for path in part.paths} for part in parts]
    assert sum(map(len, parts)) == 40
    assert sum(map(len, pairs)) == 20


def test_a_link_that_leads_nowhere_does_not_stop_a_split(tmp_path):
    paths = [str(tmp_path / f"{index}.png") for index in range(12)]
    for index, path in enumerate(paths[2:]):
        Image.new("RGB", (4, 4), (index, 0, 0)).save(path)
    for path in paths[:2]:
        (tmp_path / path).symlink_to(tmp_path / "nowhere")
    data = FileSet(tuple(paths), torch.arange(12) % 2, ("a", "b"))
    assert [len(part) for part in splitting.split(data, fractions=(0.5, 0, 0.5))] == [6, 0, 6]


def test_scenes_are_split_too():
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    parts = splitting.split(SceneSet(distinct(100), [empty] * 100, ("a",)))
    assert [len(part) for part in parts] == [70, 15, 15]
    assert [len(part.targets) for part in parts] == [70, 15, 15]
    assert repr(parts).count("SceneSet") == 3


@pytest.mark.parametrize("fractions", [(0.7, 0.2), (0.7, 0.2, 0.2), (1.2, -0.2, 0), (0, 0.5, 0.5)])
def test_wrong_fractions_say_what_to_try(fractions):
    with pytest.raises(ValueError, match=r"sum to 1, the first above 0; got .*Try \(0.7, 0.15"):
        splitting.split(image_set([0, 1]), fractions=fractions)


def test_wrong_groups_say_what_came():
    with pytest.raises(ValueError, match="one value a picture: 4; got 3"):
        splitting.split(image_set([0, 1, 0, 1]), groups=[1, 2, 3])
