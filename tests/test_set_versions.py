"""Versions of a growing set: nothing is overwritten, and what changed can be read off."""

import errno
import os
import threading

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
    assert str(kept) == "version 1: 5 pictures, 2 classes, first"
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
    with pytest.raises(ValueError, match="must hold version 7; it holds versions: 1. Keep one"):
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


def test_a_version_that_was_removed_is_not_replaced_by_another(tmp_path):
    for count in (2, 4, 6):
        datasets.save_version(noise_set(count), tmp_path, note=f"{count}")
    (tmp_path / "v001.json").unlink()
    kept = (tmp_path / "v003.json").read_bytes()
    assert len(datasets.load_version(tmp_path)) == 6
    assert datasets.save_version(noise_set(8), tmp_path, note="8").number == 4
    assert (tmp_path / "v003.json").read_bytes() == kept
    with pytest.raises(ValueError, match="must hold version 1; it holds versions: 2, 3, 4"):
        datasets.load_version(tmp_path, 1)


def test_a_damaged_version_leaves_the_others_readable(tmp_path):
    for count in (2, 4, 6):
        datasets.save_version(noise_set(count), tmp_path, note=f"{count}")
    (tmp_path / "v001.json").write_text("{")
    assert len(datasets.load_version(tmp_path, 2)) == 4
    assert len(datasets.load_version(tmp_path)) == 6
    assert datasets.compare_versions(tmp_path, 2, 3).added == {"day": 1, "night": 1}


@pytest.mark.parametrize(
    "content, reason",
    [
        ("5", "it must hold note, classes, pictures; got int"),
        ('{"note": "x", "classes": []}', "it must hold note, classes, pictures; got note, classes"),
        ('{"note": 1, "classes": [], "pictures": []}', "its note must be text, its classes"),
        (
            '{"note": "x", "classes": ["a"], "pictures": [["0", "b"]]}',
            r"each picture must be \[digest, one of the classes\]; got",
        ),
    ],
)
def test_a_list_of_something_else_is_refused(tmp_path, content, reason):
    (tmp_path / "v001.json").write_text(content)
    with pytest.raises(ValueError, match=f"v001.json is damaged .{reason}"):
        datasets.load_version(tmp_path)


def test_an_empty_set_in_a_new_folder(tmp_path):
    kept = datasets.save_version(noise_set(0), tmp_path / "new" / "store", note="to be filled")
    assert kept.counts == {"day": 0, "night": 0}
    assert len(datasets.load_version(tmp_path / "new" / "store")) == 0


def test_classes_in_another_order_are_another_version(tmp_path):
    data = noise_set(4)
    swapped = datasets.ImageSet(data.images, 1 - data.labels, CLASSES[::-1])
    datasets.save_version(data, tmp_path, note="first")
    assert datasets.save_version(swapped, tmp_path, note="first").number == 2
    back = datasets.load_version(tmp_path)
    assert back.classes == ("night", "day") and torch.equal(back.labels, swapped.labels)


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


def together(folder) -> list[int]:
    """The version numbers that six savers got which all saw the same empty folder."""
    ready, kept = threading.Barrier(6), []
    written = atomic_files.write_text

    def wait(path, text):
        ready.wait(timeout=20)
        written(path, text)

    def save(seed):
        kept.append(datasets.save_version(noise_set(2, seed=seed), folder, note=str(seed)).number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic_files, "write_text", wait)
        savers = [threading.Thread(target=save, args=(seed,)) for seed in range(6)]
        for saver in savers:
            saver.start()
        for saver in savers:
            saver.join()
    return sorted(kept)


@pytest.mark.parametrize("links", [True, False])
def test_savers_at_the_same_time_overwrite_nothing(tmp_path, monkeypatch, links):
    def no_link(source, target):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    if not links:
        monkeypatch.setattr(os, "link", no_link)
    assert together(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert {version.note for version in datasets.versions(tmp_path)} == set("012345")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "pictures", *(f"v00{number}.json" for number in range(1, 7))
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"no picture"])
@pytest.mark.parametrize("note", ["first", "again"])
def test_a_damaged_picture_is_named_and_saving_it_again_heals_it(tmp_path, content, note):
    data = noise_set(2)
    datasets.save_version(data, tmp_path, note="first")
    picture = min(tmp_path.rglob("*.png"))
    picture.write_bytes(content)
    with pytest.raises(ValueError, match=f"{picture} is damaged: no picture can be read from it"):
        datasets.load_version(tmp_path)
    datasets.save_version(data, tmp_path, note=note)
    assert torch.equal(datasets.load_version(tmp_path).images, data.images)


def test_a_picture_that_was_exchanged_is_written_again(tmp_path):
    data = noise_set(2)
    datasets.save_version(data, tmp_path, note="first")
    one, other = sorted(tmp_path.rglob("*.png"))
    one.write_bytes(other.read_bytes())
    datasets.save_version(data, tmp_path, note="first")
    assert torch.equal(datasets.load_version(tmp_path).images, data.images)


def test_copies_count_as_differences(tmp_path):
    data = noise_set(2)
    twice = data[torch.tensor([0, 1, 0])]
    unsure = datasets.ImageSet(twice.images, torch.tensor([0, 1, 1]), CLASSES)
    for note, state in (("one", data), ("two", twice), ("three", unsure)):
        datasets.save_version(state, tmp_path, note=note)
    assert datasets.compare_versions(tmp_path, 1, 2) == ({"day": 1}, {}, {})
    assert datasets.compare_versions(tmp_path, 2, 1) == ({}, {"day": 1}, {})
    assert datasets.compare_versions(tmp_path, 1, 3) == ({"night": 1}, {}, {})
    assert datasets.compare_versions(tmp_path, 2, 3) == ({}, {}, {("day", "night"): 1})
