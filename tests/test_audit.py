"""The audit against the faulty twin of the sample: every planted fault is found, and no other."""

import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgrec_lab import annotations, audit, datasets, scenes
from imgrec_lab.annotations import AnnotationSet, Instance, Picture
from imgrec_lab.audit import balance, duplicates, near_duplicates, picture_checks, picture_facts
from imgrec_lab.audit.picture_facts import Facts
from imgrec_lab.course import sample_sets

DATASETS = Path(__file__).parents[1] / "datasets"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("faulty")
    sample_sets.write_faulty_sample(folder)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* has no place for")
        return sample_sets.write_sample(folder)


# --- the planted faults ---------------------------------------------------------------------------


@pytest.mark.parametrize("name, number", [("signs", 16), ("streets", 9)])
def test_every_planted_fault_is_found_and_no_other(faulty, name, number):
    listed = json.loads((faulty / "faults.json").read_text("utf-8"))[name]
    planted = [(fault["kind"], fault["file"]) for fault in listed]
    report = audit.audit(faulty / name)
    assert len(planted) == number
    assert sorted((finding.kind, finding.file) for finding in report.findings) == sorted(planted)
    assert all(finding.reason and finding.advice for finding in report.findings)


@pytest.mark.parametrize(
    "name", ["signs", "streets/coco", "streets/voc", "streets/yolo", "streets/csv"]
)
def test_nothing_is_found_in_the_clean_sample(clean, name):
    assert audit.audit(clean / name).findings == ()


def test_nothing_is_changed_by_an_audit(faulty):
    before = {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()}
    audit.audit(faulty / "signs")
    assert {path: path.read_bytes() for path in faulty.rglob("*") if path.is_file()} == before


def test_the_kept_samples_are_what_the_code_writes(clean, faulty):
    for made, kept in ((clean, DATASETS / "sample"), (faulty, DATASETS / "sample_faulty")):
        names = sorted(path.relative_to(made) for path in made.rglob("*"))
        assert names == sorted(path.relative_to(kept) for path in kept.rglob("*"))
        for name in names:
            if name.suffix in (".json", ".xml", ".txt", ".yaml", ".csv"):
                assert (made / name).read_text("utf-8") == (kept / name).read_text("utf-8"), name
            if name.suffix == ".png" and (made / name).stat().st_size:
                one, other = (np.asarray(Image.open(root / name)) for root in (made, kept))
                assert np.array_equal(one, other), name
    assert sum(path.stat().st_size for path in (DATASETS / "sample").rglob("*.*")) < 2e6


# --- each step alone ------------------------------------------------------------------------------


def readable(file: str, **known) -> Facts:
    facts = {"height": 32, "width": 32, "format": "PNG", "mode": "RGB", "digest": file}
    return Facts(file, opened=True, **facts | known)


def test_odd_pictures_are_odd_for_their_set():
    usual = [readable(f"{k}.png") for k in range(5)]
    odd = [
        readable("grey.png", mode="L"), readable("deep.png", mode="I;16"),
        readable("wide.png", width=400), readable("thin.png", width=4),
        readable("phone.jpg", format="MPO"), readable("scan.jpg", format="BMP"),
    ]  # fmt: skip
    found = picture_checks.check_pictures([*usual, *odd])
    assert [(finding.kind, finding.file) for finding in found] == [
        ("odd-mode", "grey.png"), ("odd-mode", "deep.png"), ("odd-size", "wide.png"),
        ("odd-size", "thin.png"), ("wrong-extension", "scan.jpg"),
    ]  # fmt: skip
    grey = [readable(f"{k}.png", mode="L") for k in range(5)]
    assert picture_checks.check_pictures(grey) == []
    assert picture_checks.check_pictures([]) == []


def test_of_a_leaking_pair_the_test_picture_is_named():
    blank = torch.zeros(3, 3, 32, 32, dtype=torch.uint8)
    facts = [
        readable("a.png", split="test", digest="x", classes=("cat",)),
        readable("b.png", split="train", digest="x", classes=("dog",)),
        readable("c.png", split="train", digest="x", classes=("dog",)),
    ]
    copy, leak = duplicates.check_duplicates(facts, blank)
    assert (copy.kind, copy.file, copy.others) == ("exact-duplicate", "c.png", ("b.png",))
    assert (leak.kind, leak.file, leak.others) == ("leak", "a.png", ("b.png",))
    assert "labelled cat here, dog there" in leak.reason and "Their labels differ" in leak.advice


def test_of_three_copies_the_one_with_another_label_is_named():
    facts = [
        readable(f"{split}.png", split=split, digest="x", classes=(name,))
        for split, name in (("train", "cat"), ("val", "dog"), ("test", "cat"))
    ]
    in_val, in_test = duplicates.check_duplicates(facts, torch.zeros(3, 3, 32, 32).byte())
    assert in_val.reason.endswith("train.png in train, but labelled dog here, cat there")
    assert in_test.reason.endswith("train.png in train, but labelled cat here, dog in val.png")


def test_a_picture_of_no_part_is_a_copy_and_no_leak():
    facts = [readable("a.png", digest="x"), readable("b.png", split="train", digest="x")]
    (copy,) = duplicates.check_duplicates(facts, torch.zeros(2, 3, 32, 32).byte())
    assert (copy.kind, copy.file, copy.advice) == ("exact-duplicate", "a.png", "Keep one of them.")


def test_rare_and_missing_classes():
    counts = {"train": {"cat": 100, "dog": 9, "cow": 50}, "test": {"cat": 20, "dog": 2, "cow": 0}}
    found = balance.check_balance(counts)
    assert [(finding.file, finding.reason) for finding in found] == [
        ("dog", "11 labels, where 'cat' has 120"), ("cow", "none in test"),
    ]  # fmt: skip
    assert balance.check_balance({None: {"cat": 5, "dog": 0}}) == []  # too few to say
    assert balance.check_balance({}) == []


def test_near_copies_are_told_from_other_signs_of_the_same_class():
    signs = scenes.draw_signs([3] * 40, seed=8).images
    changed = (signs[:10].float() * 0.8 + 10).round().to(torch.uint8)
    thumbnails = torch.cat([signs, changed])
    pairs = near_duplicates.find_pairs(thumbnails)
    assert [(pair.first, pair.second) for pair in pairs] == [(k, 40 + k) for k in range(10)]
    assert near_duplicates.find_pairs(thumbnails[:0]) == []
    assert near_duplicates.find_pairs(torch.zeros(4, 3, 32, 32, dtype=torch.uint8)) == []


# --- sources --------------------------------------------------------------------------------------


def noise_set(count: int, *, name: str = "noise", seed: int = 0) -> datasets.ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return datasets.ImageSet(images, torch.arange(count) % 2, ("cat", "dog"), name)


def test_sets_in_memory_and_their_parts():
    train, other = noise_set(6, name="noise train"), noise_set(4, seed=1)
    assert audit.audit(train).findings == ()
    images = torch.cat([other.images, train.images[2:3]])
    labels = torch.cat([other.labels, train.labels[2:3]])
    test = datasets.ImageSet(images, labels, train.classes)
    report = audit.audit(datasets.Splits(train, other[:0], test))
    (leak,) = report.of_kind("leak")
    assert (leak.file, leak.others) == ("test[4]", ("train[2]",))
    assert report.name == "noise" and report.num_pictures == 11


def test_parts_must_agree_on_their_classes():
    train, test = noise_set(4), replace(noise_set(4, seed=1), classes=("dog", "cat"))
    with pytest.raises(ValueError, match=r"test has \('dog', 'cat'\). Number the labels of both"):
        audit.audit(datasets.Splits(train, train[:0], test))


def turned_photo(folder: Path, *, height: int, width: int, format: str) -> Path:
    """A set with one photo of 80 x 40 as a viewer shows it, and a box, stated with this size."""
    exif = Image.Exif()
    exif[0x0112] = 6  # its file has 40 rows of 80 pixels
    noise = np.random.default_rng(0).integers(0, 256, (40, 80, 3), np.uint8)
    (folder / "pictures").mkdir()
    Image.fromarray(noise).save(folder / "pictures" / "a.jpg", exif=exif)
    picture = Picture("a.jpg", height, width, (Instance(0, (2.0, 2.0, 30.0, 30.0)),))
    labelled = AnnotationSet((picture,), ("cat",))
    return annotations.write(labelled, folder / "set", format=format, images=folder / "pictures")


@pytest.mark.parametrize("format", ["coco", "voc", "csv"])
def test_a_stated_size_that_the_picture_does_not_have(tmp_path, format):
    (finding,) = audit.audit(turned_photo(tmp_path, height=40, width=80, format=format)).findings
    assert (finding.kind, finding.file) == ("bad-record", "a.jpg")
    assert finding.reason == ("its labels say 40 x 80 px (height x width), a viewer shows 80 x 40")
    assert "correct the size in the labels" in finding.advice


@pytest.mark.parametrize("format", ["coco", "voc", "csv", "yolo"])
def test_a_size_as_a_viewer_shows_it_is_right(tmp_path, format):
    path = turned_photo(tmp_path, height=80, width=40, format=format)
    assert audit.audit(path).findings == ()


def tga_folder(root: Path) -> Path:
    """Two classes of two Targa files each, below train and test."""
    generator = np.random.default_rng(0)
    for place in ("train/cat/0", "train/dog/0", "test/cat/0", "test/dog/0"):
        (root / place).parent.mkdir(parents=True)
        pixels = generator.integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{place}.tga")
    return root


def test_an_image_folder_is_audited_whatever_its_endings_as_it_is_trained_on(tmp_path):
    root = tga_folder(tmp_path)
    report = audit.audit(root)
    assert report.counts == {"test": {"cat": 1, "dog": 1}, "train": {"cat": 1, "dog": 1}}
    assert report.findings == () and report.num_pictures == 4
    Image.open(root / "train" / "cat" / "0.tga").save(root / "test" / "cat" / "1.png")
    shutil.copy(root / "test" / "cat" / "1.png", root / "train" / "dog" / "bare")
    (root / "train" / "dog" / "notes.txt").write_text("not mine")
    found = audit.audit(root).findings
    assert [(finding.kind, finding.file) for finding in found] == [
        ("unreadable", "train/dog/notes.txt"), ("wrong-extension", "train/dog/bare"),
        ("exact-duplicate", "train/dog/bare"), ("leak", "test/cat/1.png"),
    ]  # fmt: skip
    assert found[1].reason == "it holds PNG, and its name has no ending"
    assert found[2].reason.endswith("train/cat/0.tga, but labelled dog here, cat there")
    with pytest.warns(UserWarning, match="notes.txt: not a picture"):
        parts = datasets.from_folder(root, fractions=(1, 0, 0))
    assert sum(map(len, parts)) == audit.audit(root).num_pictures - 1


def test_folders_of_texts_are_no_data_set(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "one.txt").write_text("It was a dark night.")
    with pytest.raises(ValueError, match="holds no labels of a known format"):
        audit.audit(tmp_path)


def test_scenes_and_files_are_sources_too(clean):
    drawn = scenes.draw_streets(4, image_size=(48, 48), seed=2)
    target = {"boxes": torch.tensor([[5.0, 5, 5, 9]]), "labels": torch.tensor([0])}
    street = datasets.SceneSet(drawn.images, [target, *drawn.targets[1:]], scenes.CLASSES, "s")
    assert [finding.file for finding in audit.audit(street).of_kind("box-empty")] == ["s[0]"]
    files = datasets.from_folder(clean / "signs", in_memory=False, fractions=(0.5, 0.5, 0))
    report = audit.audit(files)
    assert report.num_pictures == 36 and report.findings == ()


def test_labels_that_a_model_contradicts():
    data = noise_set(8)
    probs = torch.nn.functional.one_hot(data.labels, 2) * 0.8 + 0.1
    probs[5] = torch.tensor([0.95, 0.05])
    (finding,) = audit.audit(data, probs=probs).findings
    assert (finding.kind, finding.file) == ("label-error", "noise[5]")
    assert finding.reason.startswith("labelled 'dog' (0.05); a model trained on the others says")
    with pytest.raises(ValueError, match="probs go with an ImageSet or FileSet"):
        audit.audit(datasets.Splits(data, data[:0], data[:0]), probs=probs)


def test_pictures_without_any_labels(tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "one.png")
    report = audit.audit(tmp_path)
    assert report.num_pictures == 1 and report.findings == ()


def test_bad_files_never_stop_the_rest(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "夜.png").write_bytes(b"no picture")
    (tmp_path / "cat" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    Image.new("RGB", (20, 20), "red").save(tmp_path / "cat" / "good.png")
    report = audit.audit(tmp_path)
    assert [finding.file for finding in report.of_kind("unreadable")] == [
        "cat/lost.png", "cat/夜.png",
    ]  # fmt: skip
    (tmp_path / "cat" / "good.png").unlink()
    assert len(audit.audit(tmp_path).of_kind("unreadable")) == 2


def test_a_picture_too_large_to_decode_is_one_finding(tmp_path):
    (tmp_path / "cat").mkdir()
    for shade in range(3):
        Image.fromarray(np.random.default_rng(shade).integers(0, 256, (20, 30, 3), np.uint8)).save(
            tmp_path / "cat" / f"{shade}.png"
        )
    Image.new("1", (8920, 10_000)).save(tmp_path / "cat" / "huge.png")  # 89.2 megapixels
    (finding,) = audit.audit(tmp_path).findings
    assert (finding.kind, finding.file) == ("unreadable", "cat/huge.png")
    assert finding.reason.startswith("too large to decode safely (limit 89 megapixels)")


def test_a_file_that_vanishes_is_a_finding(tmp_path):
    facts, thumbnails = picture_facts.of_files([Facts("gone.png")], tmp_path)
    assert facts[0].problem == "no such file or directory" and not facts[0].opened
    assert not thumbnails.any()


def test_one_file_in_two_parts_is_a_leak(tmp_path):
    for index, image in enumerate(noise_set(4).images):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{index}.png")

    def files(*indices: int) -> datasets.FileSet:
        paths = tuple(str(tmp_path / f"{index}.png") for index in indices)
        labels = torch.arange(len(paths)) % 2
        return datasets.FileSet(paths, labels, ("cat", "dog"), (32, 32))

    report = audit.audit(datasets.Splits(files(0, 1), files(), files(2, 0)))
    (leak,) = report.of_kind("leak")
    assert (leak.file, leak.others) == ("test[1]: 0.png", ("0.png",))
    assert leak.reason.startswith("the same pixels as 0.png in train, but labelled dog here")
    assert "wrong-extension" not in report.kinds()
    (copy,) = audit.audit(files(3, 2, 3)).of_kind("exact-duplicate")
    assert (copy.file, copy.others) == ("files[2]: 3.png", ("3.png",))


def test_a_pipe_is_a_finding(tmp_path):
    Image.new("RGB", (20, 20), "red").save(tmp_path / "one.png")
    os.mkfifo(tmp_path / "pipe.png")
    (finding,) = audit.audit(tmp_path).findings
    assert finding[:3] == ("unreadable", "pipe.png", "not a regular file")


def test_a_blank_class_is_refused(tmp_path):
    for name in ("cat", " "):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20), "red").save(tmp_path / name / "a.png")
    with pytest.raises(ValueError, match="cannot be used: class names must .* got ' '. Rename it"):
        audit.audit(tmp_path)


def test_names_that_are_not_utf_8_can_be_printed_and_kept(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (folder / os.fsdecode(b"th\xe9.jpg")).write_bytes(b"x")
    report = audit.audit(folder)
    assert report.name == r"caf\udce9"
    assert [finding.file for finding in report.findings] == [r"th\udce9.jpg"]
    text = report.to_json(tmp_path / "report.json")
    assert text.encode() and str(report).encode()
    assert json.loads(text)["findings"][0]["file"] == r"th\udce9.jpg"


def test_an_archive_has_to_be_unpacked(tmp_path):
    path = shutil.make_archive(str(tmp_path / "set"), "zip", DATASETS / "sample" / "signs")
    with pytest.raises(ValueError, match="must be a folder or a label file; unpack .*set.zip firs"):
        audit.audit(path)


@pytest.mark.parametrize(
    "source, error, sentence",
    [
        ("nowhere", ValueError, "nowhere"),
        (".", ValueError, "holds no labels of a known format"),
        (5, TypeError, "source must be a folder, a label file or a data set; got int"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path, source, error, sentence):
    with pytest.raises(error, match=sentence):
        audit.audit(tmp_path / source if isinstance(source, str) else source)


# --- the report -----------------------------------------------------------------------------------


@pytest.fixture
def report() -> audit.Report:
    rows = [
        annotations.Finding("unreadable", f"<{k}>.png", "empty", "Remove it.") for k in range(9)
    ]
    rows.append(annotations.Finding("leak", "b.png", "as a.png", "Remove it.", ("a.png",)))
    return audit.Report("pets", 20, {"train": {"cat": 10}, "test": {"cat": 10}}, tuple(rows))


def test_a_report_reads_well(report):
    text = str(report)
    assert text.startswith("pets: 20 pictures in 2 parts, 1 classes; 10 findings\n")
    assert "unreadable (9)\n  <0>.png: empty\n" in text and "  and 1 more\n  > Remove it." in text
    assert report.kinds() == {"unreadable": 9, "leak": 1}
    assert len(report.of_kind("unreadable")) == 9 and report.of_kind("box-tiny") == ()
    with pytest.raises(ValueError, match="kind must be one of unreadable, truncated.*got 'typo'"):
        report.of_kind("typo")
    clean = audit.Report("pets", 20, {None: {"cat": 20}}, ())
    assert str(clean) == "pets: 20 pictures, 1 classes; nothing found"
    assert "<table" not in clean._repr_html_()


def test_a_report_as_a_table_is_escaped(report):
    table = report._repr_html_()
    assert "&lt;0&gt;.png" in table and "<0>.png" not in table
    assert table.count("<tr>") == 1 + 8 + 1 + 1 and "and 1 more" in table


def test_a_report_as_json(report, tmp_path):
    text = report.to_json(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text("utf-8") == text
    content = json.loads(text)
    assert content["kinds"] == {"unreadable": 9, "leak": 1} and len(content["findings"]) == 10
    assert content["findings"][9]["others"] == ["a.png"]


@pytest.mark.parametrize(
    "name, reason", [(b"a\\b.png", "backslash"), (b"caf\xe9.png", "not UTF-8")]
)
def test_a_name_that_no_label_can_hold_is_a_finding(tmp_path, name, reason):
    for shade in range(2):
        (tmp_path / str(shade)).mkdir()
        noise = np.random.default_rng(shade).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / str(shade) / "a.png")
    shutil.move(tmp_path / "0" / "a.png", tmp_path / "0" / os.fsdecode(name))
    (finding,) = audit.audit(tmp_path).of_kind("bad-record")
    assert finding.file.startswith("0/") and reason in finding.reason


def test_an_audit_does_not_follow_links_that_lead_back(tmp_path):
    for shade, name in enumerate(("cat", "dog")):
        (tmp_path / name).mkdir()
        noise = np.random.default_rng(shade).integers(0, 256, (20, 30, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / name / "a.png")
        (tmp_path / name / "up").symlink_to("..")
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    report = audit.audit(tmp_path)
    assert report.num_pictures == 3 and report.kinds() == {"unreadable": 1}
