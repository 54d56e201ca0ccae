"""Sets check what they are made of, index like tensors, and draw themselves."""

import io
import re

import pytest
import torch
from PIL import Image

from imgrec_lab.datasets.image_sets import FileSet, ImageSet, SceneSet

CLASSES = ("cat", "dog", "owl")


def pictures(n: int = 6, channels: int = 3, height: int = 8, width: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (n, channels, height, width)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def image_set(n: int = 6) -> ImageSet:
    return ImageSet(pictures(n), torch.arange(n) % 2, CLASSES, "pets")


def target(*labels: int) -> dict[str, torch.Tensor]:
    boxes = torch.tensor([[1.0, 1.0, 6.0, 5.0]]).repeat(len(labels), 1)
    masks = torch.zeros(len(labels), 8, 10, dtype=torch.bool)
    return {"boxes": boxes, "labels": torch.tensor(labels, dtype=torch.int64), "masks": masks}


def scene_set() -> SceneSet:
    return SceneSet(pictures(4), [target(0, 2), target(), target(1), target(2)], CLASSES, "yard")


def file_set(folder, n: int = 4) -> FileSet:
    paths = []
    for index, image in enumerate(pictures(n)):
        paths.append(str(folder / f"{index}.png"))
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
    return FileSet(tuple(paths), torch.arange(n) % 2, CLASSES, (8, 10))


def test_an_image_set_is_indexed_like_a_tensor():
    data = image_set()
    assert len(data) == 6
    for indices in (slice(1, 4), [1, 2, 3], torch.tensor([1, 2, 3])):
        part = data[indices]
        assert torch.equal(part.images, data.images[1:4])
        assert part.labels.tolist() == [1, 0, 1]
        assert (part.classes, part.name) == (CLASSES, "pets")
    assert len(data[data.labels == 1]) == 3
    assert len(data[[]]) == 0
    image, label = data[-1]
    assert torch.equal(image, data.images[5]) and label == 1
    assert len(list(data)) == 6  # an index past the end stops an iteration


def test_counts_name_every_class_even_the_absent_ones():
    assert image_set().counts() == {"cat": 3, "dog": 3, "owl": 0}
    assert scene_set().counts() == {"cat": 1, "dog": 1, "owl": 2}
    assert scene_set()[[]].counts() == {"cat": 0, "dog": 0, "owl": 0}


def test_reprs_say_what_there_is():
    assert repr(image_set()) == (
        "ImageSet 'pets': 6 images, uint8 (3, 8, 10), 0.0 MiB\n  3 classes: cat 3, dog 3, owl 0"
    )
    assert repr(scene_set()).startswith("SceneSet 'yard': 4 scenes, uint8 (3, 8, 10)")
    many = ImageSet(pictures(2), torch.tensor([0, 1]), tuple(f"c{k}" for k in range(20)))
    assert repr(many).endswith("c13 0, and 6 more")
    assert repr(image_set()[[0, 1]][:0]).endswith("3 classes of 0 each: cat, dog, owl")


def test_a_scene_set_is_indexed_like_a_list():
    data = scene_set()
    part = data[torch.tensor([3, 0])]
    assert [t["labels"].tolist() for t in part.targets] == [[2], [0, 2]]
    assert torch.equal(part.images[0], data.images[3])
    image, first = data[0]
    assert image.shape == (3, 8, 10) and first is data.targets[0]


def test_a_file_set_reads_what_is_asked_for(tmp_path):
    data = file_set(tmp_path)
    image, label = data[1]
    assert torch.equal(image, pictures(4)[1]) and label == 1
    assert [path[-5:] for path in data[[2, 0]].paths] == ["2.png", "0.png"]
    assert data.counts() == {"cat": 2, "dog": 2, "owl": 0}
    assert data.size_gib() == pytest.approx(4 * 3 * 8 * 10 / 2**30)
    assert "4 files, read from files as (3, 8, 10)" in repr(data)


def test_to_memory_leaves_out_what_cannot_be_read_and_says_so(tmp_path):
    data = file_set(tmp_path)
    (tmp_path / "1.png").write_text("no picture")
    read = data.to_memory()
    assert torch.equal(read.images, pictures(4)[[0, 2, 3]])
    assert read.labels.tolist() == [0, 0, 1]
    (path, reason) = read.unreadable[0]
    assert path.endswith("1.png") and "not a picture" in reason
    assert repr(read).endswith("1 unreadable files left out")


@pytest.mark.parametrize("make", [image_set, scene_set])
def test_a_set_draws_itself_as_a_png(make):
    sheet = Image.open(io.BytesIO(make()._repr_png_()))
    assert sheet.format == "PNG"
    assert sheet.width > 100 and sheet.height > 50


def test_a_file_set_draws_itself(tmp_path):
    assert Image.open(io.BytesIO(file_set(tmp_path)._repr_png_())).format == "PNG"


@pytest.mark.parametrize(
    "images, error, message",
    [
        (pictures().numpy(), TypeError, "uint8 tensor.*got ndarray. Try torch.as_tensor"),
        (pictures() / 255, TypeError, r"must be uint8.*got torch.float32.*\(images \* 255\)"),
        (pictures()[0], ValueError, r"got \(3, 8, 10\). For one picture use images\[None\]"),
        (pictures().permute(0, 2, 3, 1), ValueError, r"use images.permute\(0, 3, 1, 2\)"),
        (pictures(channels=4), ValueError, r"got \(6, 4, 8, 10\). For RGBA use images\[:, :3\]"),
        (pictures(channels=2), ValueError, r"C = 1 \(grey\) or 3 \(RGB\); got \(6, 2, 8, 10\)"),
    ],
)
def test_wrong_images_say_what_to_try(images, error, message):
    with pytest.raises(error, match=message):
        ImageSet(images, torch.zeros(6, dtype=torch.int64), CLASSES)


@pytest.mark.parametrize(
    "labels, error, message",
    [
        ([0] * 6, TypeError, "labels must be an int64 tensor; got list. Try torch.as_tensor"),
        (torch.zeros(6), TypeError, "got torch.float32"),
        (torch.zeros(5).long(), ValueError, r"shape \(N,\) = \(6,\), one a picture; got \(5,\)"),
        (torch.tensor([0, 1, 3, 0, 0, 0]), ValueError, "lie in 0..2 for 3 .*got 3 at index 2"),
        (torch.tensor([0, -1, 3, 0, 0, 0]), ValueError, "got -1 at index 1"),
    ],
)
def test_wrong_labels_say_what_to_try(labels, error, message):
    with pytest.raises(error, match=message):
        ImageSet(pictures(), labels, CLASSES)


def test_wrong_classes_say_what_to_try():
    labels = torch.zeros(6, dtype=torch.int64)
    with pytest.raises(TypeError, match=re.escape("names; got 'cat'. Try ('cat', 'dog').")):
        ImageSet(pictures(), labels, "cat")
    with pytest.raises(ValueError, match="class names must differ; 'cat' came more than once"):
        ImageSet(pictures(), labels, ("cat", "dog", "cat"))
    assert ImageSet(pictures(), labels, ["cat", "dog"]).classes == ("cat", "dog")


@pytest.mark.parametrize(
    "change, error, message",
    [
        (lambda t: t.pop(), ValueError, "one target a scene: 4; got 3"),
        (lambda t: t[1].update(boxes=torch.zeros(4)), ValueError, r"\(M, 4\).*targets\[1\]"),
        (lambda t: t[1].update(boxes=torch.zeros(1, 4)), ValueError, "1 boxes and labels"),
        (lambda t: t[2].update(labels=torch.tensor([3])), ValueError, r"targets\[2\].*got 3"),
        (lambda t: t[2].update(labels=torch.ones(1)), TypeError, r"int64; got .*labels.long\(\)"),
    ],
)
def test_wrong_targets_say_what_to_try(change, error, message):
    targets = [target(0, 2), target(), target(1), target(2)]
    change(targets)
    with pytest.raises(error, match=message):
        SceneSet(pictures(4), targets, CLASSES)


def test_sets_are_frozen():
    with pytest.raises(AttributeError):
        image_set().name = "other"
