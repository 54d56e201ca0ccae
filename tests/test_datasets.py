"""Loading by name: drawn sets from the cache or anew, public ones from a mirror, wrong names."""

import io
import tarfile

import pytest
import torch
from PIL import Image

from imgrec_lab import datasets, scenes
from imgrec_lab.datasets import data_cache, downloads, registry


@pytest.fixture(autouse=True)
def small_sets_in_an_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(datasets, "_SIGNS_PER_CLASS", {"train": 6, "val": 1, "test": 2})
    monkeypatch.setattr(datasets, "_STREETS", {"train": 12, "val": 2, "test": 3})


def forbid_drawing(monkeypatch) -> None:
    def draw(*args, **options):
        raise AssertionError("it should have come from the cache")

    monkeypatch.setattr(scenes, "draw_signs", draw)
    monkeypatch.setattr(scenes, "draw_streets", draw)


def test_signs_hold_equally_many_of_each_class():
    splits = datasets.load("signs")
    assert [len(part) for part in splits] == [6 * 14, 14, 28]
    assert splits.train.classes == scenes.CLASSES
    assert set(splits.train.counts().values()) == {6}
    assert splits.train.images.shape[1:] == (3, 32, 32)
    assert [part.name for part in splits] == ["signs train", "signs val", "signs test"]


def test_the_sizes_that_lessons_rely_on(monkeypatch):
    monkeypatch.undo()
    assert datasets._SIGNS_PER_CLASS == {"train": 300, "val": 50, "test": 100}
    assert datasets._STREETS == {"train": 1200, "val": 150, "test": 250}


def test_no_picture_is_in_two_parts():
    seen = [{image.numpy().tobytes() for image in part.images} for part in datasets.load("signs")]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 9 * 14


@pytest.mark.parametrize("name", ["signs", "streets"])
def test_a_drawn_set_comes_back_from_the_cache_unchanged(name, monkeypatch):
    drawn = datasets.load(name)
    forbid_drawing(monkeypatch)
    for first, again in zip(drawn, datasets.load(name), strict=True):
        assert torch.equal(first.images, again.images)
        assert repr(first) == repr(again)
        if name == "signs":
            assert torch.equal(first.labels, again.labels)
            continue
        for a, b in zip(first.targets, again.targets, strict=True):
            assert all(torch.equal(a[key], b[key]) for key in ("boxes", "labels", "masks"))
            assert b["masks"].dtype == torch.bool


def test_streets_carry_boxes_and_masks():
    train = datasets.load("streets").train
    assert train.images.shape == (12, 3, 128, 128)
    target = next(target for target in train.targets if len(target["boxes"]))
    assert target["masks"].shape == (len(target["boxes"]), 128, 128)


def test_a_set_is_drawn_anew_when_the_code_that_draws_it_changes(monkeypatch):
    datasets.load("signs")
    monkeypatch.setattr(data_cache, "source_hash", lambda *modules: "another")
    forbid_drawing(monkeypatch)
    with pytest.raises(AssertionError, match="from the cache"):
        datasets.load("signs")


def test_another_size_is_another_file():
    assert datasets.load("signs", image_size=(24, 40)).test.images.shape[1:] == (3, 24, 40)
    datasets.load("signs")
    names = sorted(path.name[:12] for path in data_cache.data_dir().glob("*.pt"))
    assert names == ["signs-24x40-", "signs-32x32-"]


def test_digits_need_no_cache():
    splits = datasets.load("digits")
    assert sum(map(len, splits)) == 1797
    assert [part.name for part in splits] == ["digits train", "digits val", "digits test"]
    assert not data_cache.data_dir().exists()


def test_cifar10_comes_from_a_classroom_mirror(tmp_path, monkeypatch):
    archive = tmp_path / "mirror" / "tiny.tar.xz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:xz") as tar:
        for level, number in (("train", 20), ("test", 5)):
            for k, name in enumerate(("cat", "dog")):
                for index in range(number):
                    buffer = io.BytesIO()
                    shade = 100 * k + 5 * index + (level == "test")
                    Image.new("RGB", (32, 32), (shade, 0, 0)).save(buffer, "PNG")
                    info = tarfile.TarInfo(f"{level}/{name}/{index}.png")
                    info.size = buffer.tell()
                    tar.addfile(info, io.BytesIO(buffer.getvalue()))
    card = registry.find_card("cifar10")
    tiny = registry.File("tiny.tar.xz", sha256=downloads.checksum(archive), layout="folder")
    card = datasets.replace(card, instead=(tiny,))
    monkeypatch.setattr(registry, "find_card", lambda name: card)
    monkeypatch.setenv("IMGREC_MIRROR", str(archive.parent))
    splits = datasets.load("cifar10")
    assert [len(part) for part in splits] == [36, 4, 10]
    assert splits.val.name == "cifar10 val"


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(
        ValueError, match="one of 10 data sets; got 'street'. Did you mean 'streets'"
    ):
        datasets.load("street")


def test_a_wrong_size_says_what_to_try():
    with pytest.raises(ValueError, match=r"image_size must be \(height, width\).*got 32"):
        datasets.load("signs", image_size=32)


def test_every_public_name_is_there_and_documented():
    for name in datasets.__all__:
        value = getattr(datasets, name)
        assert isinstance(value, tuple) or value.__doc__
