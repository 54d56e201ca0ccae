"""Versions of a growing set: nothing is overwritten, and what changed can be read off."""

import errno

import pytest
import torch

from imgrec_lab import atomic_files, datasets
from imgrec_lab.datasets import set_versions

CLASSES = ("day", "night")


def noise_set(count: int, *, channels: int = 3, seed: int = 0) -> datasets.ImageSet:
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, 6, 5)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return datasets.ImageSet(images, torch.arange(count) % 2, CLASSES, "noise")


@pytest.mark.parametrize("channels", [1, 3])
def test_a_version_comes_back_as_it_was(tmp_path, channels):
    data = noise_set(5, channels=channels)
    kept = datasets.save_version(data, tmp_path, note="first")
    back = datasets.load_version(tmp_path)
    assert torch.equal(back.images, data.images) and torch.equal(back.labels, data.labels)
    assert back.classes == CLASSES
    assert str(kept) == "version 1: 5 images, 2 classes, first"
    assert kept.counts == {"day": 3, "night": 2}


def test_the_old_version_stays_and_the_difference_is_told(tmp_path):
    data = noise_set(8)
    datasets.save_version(data[:6], tmp_path, note="first")
    labels = data.labels.clone()
    labels[2] = 1  # was day
    later = datasets.ImageSet(data.images[1:], labels[1:], CLASSES)
    datasets.save_version(later, tmp_path, note="two more, one corrected, one dropped")
    assert torch.equal(datasets.load_version(tmp_path, 1).labels, data.labels[:6])
    assert len(datasets.load_version(tmp_path)) == 7
    changes = datasets.compare_versions(tmp_path, 1, 2)
    assert changes == ({"day": 1, "night": 1}, {"day": 1}, {("day", "night"): 1})
    assert str(changes) == (
        "2 added: 1 day, 1 night\n1 removed: 1 day\n1 relabelled: 1 day to night"
    )
    back = datasets.compare_versions(tmp_path, 2, 1)
    assert back.added == {"day": 1} and back.relabelled == {("night", "day"): 1}
    assert str(datasets.compare_versions(tmp_path, 1, 1)) == "no difference"


def test_a_picture_is_kept_once(tmp_path):
    data = noise_set(4)
    datasets.save_version(data, tmp_path, note="first")
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(times) == 4
    datasets.save_version(noise_set(4)[:2], tmp_path, note="half of it")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")} == times


def test_the_same_state_is_the_same_version_and_another_note_is_not(tmp_path):
    data = noise_set(4)
    first = datasets.save_version(data, tmp_path, note="first")
    shuffled = data[torch.tensor([3, 1, 0, 2])]
    assert datasets.save_version(shuffled, tmp_path, note="first") == first
    assert datasets.save_version(data, tmp_path, note="checked by two people").number == 2
    assert [version.note for version in set_versions.versions(tmp_path)] == [
        "first", "checked by two people",
    ]  # fmt: skip


def test_an_empty_folder_has_no_version(tmp_path):
    assert datasets.versions(tmp_path / "nowhere") == []
    with pytest.raises(ValueError, match="must hold version 0; it holds no version yet"):
        datasets.load_version(tmp_path / "nowhere")
    datasets.save_version(noise_set(2), tmp_path, note="first")
    with pytest.raises(ValueError, match="must hold version 7; it holds versions 1 to 1"):
        datasets.compare_versions(tmp_path, 1, 7)


def test_a_note_must_say_something(tmp_path):
    with pytest.raises(ValueError, match="note must say what is new"):
        datasets.save_version(noise_set(2), tmp_path, note=" ")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_or_lost_picture_is_noticed(tmp_path):
    datasets.save_version(noise_set(2), tmp_path, note="first")
    one, other = sorted(tmp_path.rglob("*.png"))
    one.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match="was changed since it was kept"):
        datasets.load_version(tmp_path)
    one.unlink()
    with pytest.raises(ValueError, match="is missing. Put the picture back"):
        datasets.load_version(tmp_path)


def test_a_damaged_list_is_named(tmp_path):
    datasets.save_version(noise_set(2), tmp_path, note="first")
    text = (tmp_path / "v001.json").read_text("utf-8")
    (tmp_path / "v001.json").write_text(text[:40])
    with pytest.raises(ValueError, match=r"v001.json is damaged \(.*\). Put a whole copy there"):
        datasets.versions(tmp_path)


def test_a_full_disk_leaves_the_versions_as_they_were(tmp_path, monkeypatch):
    datasets.save_version(noise_set(2), tmp_path, note="first")

    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic_files, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        datasets.save_version(noise_set(4, seed=1), tmp_path, note="second")
    assert [version.number for version in datasets.versions(tmp_path)] == [1]
    assert len(datasets.load_version(tmp_path)) == 2


def test_names_in_any_script(tmp_path):
    data = noise_set(2)
    data = datasets.ImageSet(data.images, data.labels, ("Straße", "夜"))
    datasets.save_version(data, tmp_path, note="früh")
    assert datasets.load_version(tmp_path).classes == ("Straße", "夜")
    assert '"夜"' in (tmp_path / "v001.json").read_text("utf-8")
