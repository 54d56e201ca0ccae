"""Image folders: every layout, nothing dropped in silence, written and read back unchanged."""

import io
import os
import re
import warnings

import pytest
import torch
from PIL import Image

from imgrec_lab import runtime
from imgrec_lab.datasets import image_folder
from imgrec_lab.datasets.image_sets import FileSet, ImageSet


def put(path, shade: int = 0, size=(6, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, shade // 256, 90)).save(path)


def folder(root, *, classes=("cat", "dog"), number: int = 20, start: int = 0):
    for k, name in enumerate(classes):
        for index in range(number):
            put(root / name / f"{index:03}.png", start + 100 * k + index)
    return root


def names(part) -> list[str]:
    return [f"{part.name}", *part.classes]


def test_a_plain_folder_is_split_in_three(tmp_path):
    train, val, test = image_folder.from_folder(folder(tmp_path / "pets"), image_size=(5, 7))
    assert [type(part) for part in (train, val, test)] == [ImageSet] * 3
    assert train.images.shape == (28, 3, 5, 7) and train.images.dtype == torch.uint8
    assert [part.counts() for part in (train, val, test)] == [
        {"cat": 14, "dog": 14}, {"cat": 3, "dog": 3}, {"cat": 3, "dog": 3},
    ]  # fmt: skip
    assert names(val) == ["pets val", "cat", "dog"]


def test_labels_belong_to_their_pictures(tmp_path):
    for part in image_folder.from_folder(folder(tmp_path)):
        assert torch.equal(part.labels, (part.images[:, 0, 0, 0] >= 100).long())


def test_levels_are_taken_as_they_are(tmp_path):
    folder(tmp_path / "Train", number=10)
    folder(tmp_path / "valid", number=3, start=40)
    folder(tmp_path / "test", number=2, start=60)
    assert [len(part) for part in image_folder.from_folder(tmp_path)] == [20, 6, 4]


@pytest.mark.parametrize(
    "missing, sizes", [("validation", [34, 6, 40]), ("test", [34, 40, 6]), (None, [28, 6, 6])]
)
def test_only_missing_levels_are_split_off(tmp_path, missing, sizes):
    folder(tmp_path / "train")
    for level in {"validation", "test"} - {missing} if missing else ():
        folder(tmp_path / level, start=50)
    parts = image_folder.from_folder(tmp_path)
    assert [len(part) for part in parts] == sizes


def test_classes_may_be_called_train_and_test(tmp_path):
    parts = image_folder.from_folder(folder(tmp_path, classes=("test", "train")))
    assert parts.train.classes == ("test", "train")
    assert len(parts.train) == 28


def test_folders_beside_a_level_are_named(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "labels")
    with pytest.warns(UserWarning, match="has a train level.*ignored: labels"):
        image_folder.from_folder(tmp_path)


def test_pictures_below_a_class_folder_are_found_and_hidden_files_are_not(tmp_path):
    folder(tmp_path)
    put(tmp_path / "cat" / "more" / "deep" / "x.png", 60)
    for hidden in (".DS_Store", "Thumbs.db", ".cache/x.png"):
        (tmp_path / "cat" / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / "cat" / hidden).write_text("x")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = image_folder.from_folder(tmp_path)
    assert sum(part.counts()["cat"] for part in parts) == 21


def test_unreadable_files_are_left_out_with_a_warning_and_listed(tmp_path):
    folder(tmp_path)
    (tmp_path / "cat" / "note.jpg").write_text("I am a text")
    (tmp_path / "dog" / "empty.png").touch()
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    (tmp_path / "dog" / "cut.jpg").write_bytes(buffer.getvalue()[:1000])
    with pytest.warns(UserWarning, match="3 of 43 files in .* were left out") as caught:
        parts = image_folder.from_folder(tmp_path)
    message = str(caught[0].message)
    for part in ("note.jpg: not a picture", "empty.png: the file is empty", "cut.jpg: image file"):
        assert part in message
    assert len(caught) == 1
    assert sum(map(len, parts)) == 40
    listed = {path.split("/")[-1] for part in parts for path, _ in part.unreadable}
    assert listed == {"note.jpg", "empty.png", "cut.jpg"}


def test_a_link_that_leads_nowhere_is_left_out_and_listed(tmp_path):
    (folder(tmp_path) / "cat" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(UserWarning, match="1 of 41 files .*lost.png: no such file or directory"):
        image_folder.from_folder(tmp_path)


def test_links_that_lead_back_are_not_followed(tmp_path):
    folder(tmp_path, number=3)
    for name in ("cat", "dog"):
        (tmp_path / name / "up").symlink_to("..")
    (tmp_path / "cat" / "self").symlink_to(".")
    (tmp_path / "whole").symlink_to(".")
    files = image_folder.class_files(tmp_path)
    assert sorted(files) == [f"{name}/{k:03}.png" for name in ("cat", "dog") for k in range(3)]


def test_a_folder_with_two_names_is_read_under_both(tmp_path):
    put(tmp_path / "elsewhere" / "a.png")
    for name in ("one", "two"):
        (tmp_path / "set" / "cat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / "cat" / name).symlink_to(tmp_path / "elsewhere")
    files = image_folder.class_files(tmp_path / "set")
    assert sorted(files) == ["cat/one/a.png", "cat/two/a.png"]


def test_a_pipe_is_left_out_and_listed(tmp_path):
    os.mkfifo(folder(tmp_path) / "cat" / "pipe.png")
    for in_memory in (True, False):
        with pytest.warns(UserWarning, match="1 of 41 files .*pipe.png: not a regular file"):
            image_folder.from_folder(tmp_path, in_memory=in_memory)


def test_class_files_are_those_that_are_read(tmp_path):
    put(tmp_path / "train" / "cat" / "deep" / "a.png")
    (tmp_path / "train" / "dog").mkdir()
    (tmp_path / "train" / "dog" / "notes.txt").write_text("x")
    (tmp_path / "train" / "dog" / "Thumbs.db").write_text("x")
    put(tmp_path / "Valid" / "cat" / "b.tga")
    put(tmp_path / "beside" / "cat" / "c.png")
    assert image_folder.class_files(tmp_path) == {
        "train/cat/deep/a.png": ("train", "cat"),
        "train/dog/notes.txt": ("train", "dog"),
        "Valid/cat/b.tga": ("val", "cat"),
    }
    assert image_folder.class_files(tmp_path / "beside") == {"cat/c.png": (None, "cat")}
    assert image_folder.class_files(tmp_path / "nowhere") == {}


def test_a_long_list_of_unreadable_files_is_cut(tmp_path):
    folder(tmp_path)
    for index in range(9):
        (tmp_path / "cat" / f"{index}.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"9 of 49 files .*; \.\.\.") as caught:
        image_folder.from_folder(tmp_path)
    assert str(caught[0].message).count("not a picture") == 5


def test_files_read_lazily_give_the_same_split(tmp_path):
    folder(tmp_path)
    (tmp_path / "cat" / "note.jpg").write_text("I am a text")
    with pytest.warns(UserWarning, match="1 of 41 files"):
        eager = image_folder.from_folder(tmp_path, in_memory=True)
    with pytest.warns(UserWarning, match="1 of 41 files"):
        lazy = image_folder.from_folder(tmp_path, in_memory=False)
    for part, files in zip(eager, lazy, strict=True):
        assert isinstance(files, FileSet)
        assert torch.equal(part.images, files.to_memory().images)
        assert torch.equal(part.labels, files.labels)
        assert part.unreadable == files.unreadable


def test_a_set_larger_than_half_the_free_memory_stays_in_files(tmp_path, monkeypatch):
    folder(tmp_path)
    needed_gib = 40 * 3 * 32 * 32 / 2**30
    monkeypatch.setattr(runtime, "available_memory_gib", lambda device=None: 2.01 * needed_gib)
    assert isinstance(image_folder.from_folder(tmp_path).train, ImageSet)
    monkeypatch.setattr(runtime, "available_memory_gib", lambda device=None: 1.99 * needed_gib)
    assert isinstance(image_folder.from_folder(tmp_path).train, FileSet)


def test_duplicates_are_not_split(tmp_path):
    for name in ("cat", "dog"):
        for index in range(30):
            put(tmp_path / name / f"{index}.png", index // 3)
    parts = image_folder.from_folder(tmp_path, fractions=(0.5, 0.25, 0.25))
    shades = [set(part.images[:, 0, 0, 0].tolist()) for part in parts]
    assert sum(map(len, shades)) == 10


def test_one_picture_of_a_class_goes_to_training(tmp_path):
    put(folder(tmp_path) / "owl" / "1.png", 250)
    with pytest.warns(UserWarning, match=r"'owl' \(1\)"):
        parts = image_folder.from_folder(tmp_path)
    assert [part.counts()["owl"] for part in parts] == [1, 0, 0]


def test_grey_and_padding_reach_the_reader(tmp_path):
    parts = image_folder.from_folder(
        folder(tmp_path), channels=1, fit="pad", image_size=(4, 8), in_memory=True
    )
    assert parts.train.images.shape[1:] == (1, 4, 8)
    assert parts.train.images[:, :, :, 0].sum() == 0  # the bar on the left


def expect(path, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        image_folder.from_folder(path)


def test_a_missing_folder_offers_the_nearest(tmp_path):
    (tmp_path / "pictures").mkdir()
    expect(tmp_path / "picturs", f"there is no .*picturs. Did you mean .*{re.escape('pictures')}")
    expect(tmp_path / "no" / "where", "there is no .*where. Looked from")


def test_an_archive_is_no_folder(tmp_path):
    (tmp_path / "pets.zip").touch()
    expect(tmp_path / "pets.zip", "pets.zip is a file. Unpack an archive first")


def test_an_empty_folder_and_one_without_classes_show_the_layout(tmp_path):
    expect(tmp_path, r"one sub-folder of pictures a class; it holds nothing. Put .*cat/1\.jpg")
    put(tmp_path / "1.png")
    put(tmp_path / "2.png")
    expect(tmp_path, "it holds 2 files but no sub-folders")


def test_one_class_is_not_enough(tmp_path):
    folder(tmp_path, classes=("cat",))
    expect(tmp_path, "at least two classes; the only sub-folder is 'cat'. Add a folder")


def test_empty_class_folders_and_unreadable_ones_are_refused(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    expect(tmp_path, "all of its class folders are empty")
    (tmp_path / "cat" / "a.png").write_text("x")
    (tmp_path / "dog" / "b.png").write_text("x")
    with pytest.warns(UserWarning, match="too few different pictures"):
        expect(tmp_path, r"it holds them of 0, and 2 of 2 files cannot be read \(cat/a.png: not a")


def test_a_class_without_a_readable_picture_is_named(tmp_path):
    (folder(tmp_path) / "owl").mkdir()
    with pytest.warns(UserWarning, match="no readable training picture of 'owl'"):
        assert image_folder.from_folder(tmp_path).train.classes == ("cat", "dog", "owl")


def test_a_class_that_training_lacks_is_refused(tmp_path):
    folder(tmp_path / "train")
    folder(tmp_path / "test", classes=("cat", "owl"))
    expect(tmp_path, "also holds 'owl'. Classes there: cat, dog")


def test_a_set_is_written_and_read_back_unchanged(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for channels in (1, 3):
        shape = (6, channels, 5, 7)
        images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        labels = torch.tensor([0, 2, 0, 2, 2, 0])
        data = ImageSet(images, labels, ("a", "unused", "c"))
        root = image_folder.to_folder(data, tmp_path / str(channels))
        assert sorted(path.name for path in root.iterdir()) == ["a", "c"]
        part = image_folder.from_folder(
            root, image_size=(5, 7), channels=channels, fractions=(1, 0, 0)
        ).train
        assert torch.equal(part.images, images[labels.argsort(stable=True)])


@pytest.mark.parametrize("name", ["left/right", "..", ".", "", " ", ".hidden"])
def test_a_class_name_must_do_as_a_folder(tmp_path, name):
    images = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    data = ImageSet(images, torch.tensor([0, 1]), ("cat", name))
    with pytest.raises(ValueError, match=re.escape(f"as a folder's name; got {name!r}")):
        image_folder.to_folder(data, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_two_fractions_are_refused(tmp_path):
    with pytest.raises(ValueError, match="fractions must be three shares"):
        image_folder.from_folder(tmp_path, fractions=(0.5, 0.5))
