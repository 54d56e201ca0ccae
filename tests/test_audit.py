"""The audit against the faulty twin of the sample: every planted fault is found, and no other."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgrec_lab import annotations, audit, datasets, scenes
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


def test_a_file_that_vanishes_is_a_finding(tmp_path):
    facts, thumbnails = picture_facts.of_files([Facts("gone.png")], tmp_path)
    assert facts[0].problem == "no such file or directory" and not facts[0].opened
    assert not thumbnails.any()


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
