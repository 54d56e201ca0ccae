"""The published files, in miniature, go through the readers and come out as sets."""

import gzip
import hashlib
import io
import pickle
import struct
from dataclasses import replace

import local_server
import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from small_archives import tar_of, zip_of

from imgrec_lab import datasets
from imgrec_lab.datasets import public_sets, registry


@pytest.fixture(autouse=True)
def mirror(tmp_path, monkeypatch):
    """An empty mirror folder, its own data folder, and no way to the internet."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    monkeypatch.setenv("IMGREC_MIRROR", str(folder))
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    return folder


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def encoded(shade: int, format: str = "PPM", size: tuple[int, int] = (20, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 30, 60)).save(buffer, format)
    return buffer.getvalue()


def publish(name: str, files: dict[str, bytes], monkeypatch, *, mirror=None, address="") -> None:
    """Let the card of a set speak of these files, on a mirror folder or at an address."""
    card = registry.find_card(name)
    assert [file.name for file in card.files] == list(files)
    small = tuple(
        replace(
            file,
            num_bytes=len(files[file.name]),
            sha256=hashlib.sha256(files[file.name]).hexdigest(),
            md5=None,
            sources=(f"{address}/{file.name}",) if address else (),
        )
        for file in card.files
    )
    for file, data in files.items() if mirror else ():
        (mirror / file).write_bytes(data)
    card = replace(card, files=small, contents={})
    monkeypatch.setattr(registry, "find_card", lambda name: card)


def test_cifar10(mirror, monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 3072), dtype=np.uint8)
    labels = [i % 2 for i in range(60)]
    batch = pickle.dumps({"data": pixels[:40], "labels": labels[:40]})
    test = pickle.dumps({"data": pixels[40:], "labels": labels[40:]})
    meta = pickle.dumps({"label_names": ["airplane", "automobile"]})
    archive = tar_of({
        "cifar-10-batches-py/data_batch_1": batch,
        "cifar-10-batches-py/test_batch": test,
        "cifar-10-batches-py/batches.meta": meta,
    })  # fmt: skip
    publish("cifar10", {"cifar-10-python.tar.gz": archive}, monkeypatch, mirror=mirror)
    source = torchvision.datasets.CIFAR10
    monkeypatch.setattr(source, "train_list", [["data_batch_1", md5(batch)]])
    monkeypatch.setattr(source, "test_list", [["test_batch", md5(test)]])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": md5(meta)})
    splits = datasets.load("cifar10")
    assert [len(part) for part in splits] == [36, 4, 20]
    assert splits.test.name == "cifar10 test"
    assert splits.test.classes == ("airplane", "automobile")
    assert torch.equal(splits.test.images.flatten(1), torch.from_numpy(pixels[40:]))
    assert splits.test.labels.tolist() == labels[40:]


def test_gtsrb_keeps_the_frames_of_a_sign_together(mirror, monkeypatch):
    train = {
        f"GTSRB/Training/{k:05}/{track:05}_{frame:05}.ppm": encoded(60 * k + 4 * track + frame % 3)
        for k in range(2)
        for track in range(10)
        for frame in range(5)
    }
    files = {
        "GTSRB-Training_fixed.zip": zip_of(train),
        "GTSRB_Final_Test_Images.zip": zip_of(
            {"GTSRB/Final_Test/Images/00000.ppm": encoded(200, size=(40, 10))}
        ),
        "GTSRB_Final_Test_GT.zip": zip_of(
            {"GT-final_test.csv": b"Filename;ClassId\n00000.ppm;1\n"}
        ),
    }
    publish("gtsrb", files, monkeypatch, mirror=mirror)
    splits = datasets.load("gtsrb")
    assert [len(part) for part in splits] == [90, 10, 1]
    assert splits.train.classes == public_sets.GTSRB_CLASSES and len(splits.train.classes) == 43
    assert splits.test.labels.tolist() == [1]
    assert splits.val.counts()["speed 20"] == splits.val.counts()["speed 30"] == 5
    tracks = [set((part.images[:, 0, 0, 0] // 4).tolist()) for part in splits[:2]]
    assert not tracks[0] & tracks[1]


def test_pets(mirror, monkeypatch):
    listed = {
        "trainval": [("Abyssinian_1", 1), ("pug_dog_1", 2)],
        "test": [("pug_dog_2", 2), ("Abyssinian_2", 1)],
    }
    images = tar_of({
        f"images/{name}.jpg": encoded(90, "JPEG") for part in listed.values() for name, _ in part
    })  # fmt: skip
    annotations = tar_of({
        f"annotations/{part}.txt": "".join(f"{n} {k} 1 1\n" for n, k in rows).encode()
        for part, rows in listed.items()
    })  # fmt: skip
    files = {"images.tar.gz": images, "annotations.tar.gz": annotations}
    publish("pets", files, monkeypatch, mirror=mirror)
    with pytest.warns(UserWarning, match=r"'Abyssinian' \(1\), 'Pug Dog' \(1\)"):
        splits = datasets.load("pets", image_size=(16, 12))
    assert splits.train.images.shape == (2, 3, 16, 12)
    assert splits.test.counts() == {"Abyssinian": 1, "Pug Dog": 1}


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def fashion_files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {
        f"{part}-{kind}-ubyte.gz": idx(array)
        for part, n in (("train", 40), ("t10k", 10))
        for kind, array in (
            ("images-idx3", rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)),
            ("labels-idx1", (np.arange(n) % 10).astype(np.uint8)),
        )
    }


def test_fashion_mnist_from_the_mirror(mirror, monkeypatch):
    publish("fashion-mnist", fashion_files(), monkeypatch, mirror=mirror)
    splits = datasets.load("fashion-mnist")
    assert [len(part) for part in splits] == [30, 10, 10]
    assert splits.train.images.shape == (30, 1, 28, 28)
    assert splits.test.classes[9] == "Ankle boot"


def test_fashion_mnist_by_download(monkeypatch):
    with local_server.serving() as server:
        server.files |= fashion_files()
        publish("fashion-mnist", fashion_files(), monkeypatch, address=server.address)
        first = datasets.load("fashion-mnist")
    again = datasets.load("fashion-mnist")  # now from the cache
    assert torch.equal(first.test.images, again.test.images)
    larger = datasets.load("fashion-mnist", image_size=(56, 56))  # from the files kept beside it
    assert larger.test.images.shape == (10, 1, 56, 56)


def test_a_damaged_download_is_never_read(tmp_path, monkeypatch):
    with local_server.serving() as server:
        server.files |= fashion_files() | {"t10k-images-idx3-ubyte.gz": b"half of it"}
        publish("fashion-mnist", fashion_files(), monkeypatch, address=server.address)
        with pytest.raises(datasets.DataUnavailable, match=r"Fashion-MNIST.*load\('digits'\)"):
            datasets.load("fashion-mnist")
    assert not list((tmp_path / "data").rglob("t10k-images*"))
    assert not (tmp_path / "data" / "raw").exists()


def mask_of(people: np.ndarray, mode: str) -> bytes:
    """A PNG whose pixels are the numbers of people; Penn-Fudan's are grey or have a palette."""
    buffer = io.BytesIO()
    image = Image.fromarray(people)
    if mode == "P":
        image = image.convert("L")
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "P"])
def test_penn_fudan_reads_people_from_the_numbers_in_their_masks(mirror, monkeypatch, mode):
    people = np.zeros((24, 40), dtype=np.uint8)
    people[4:20, 2:10] = 1
    people[0:24, 30:40] = 2
    files = {}
    for index in range(10):
        files[f"PennFudanPed/PNGImages/P{index}.png"] = encoded(20 * index, "PNG", (40, 24))
        files[f"PennFudanPed/PedMasks/P{index}_mask.png"] = mask_of(people, mode)
    empty = np.zeros((24, 40), dtype=np.uint8)
    files["PennFudanPed/PedMasks/P9_mask.png"] = mask_of(empty, mode)
    archive = {"PennFudanPed.zip": zip_of(files)}
    publish("penn-fudan", archive, monkeypatch, mirror=mirror)
    splits = datasets.load("penn-fudan", image_size=(20, 20))  # half the size, bars of 4 and 4
    assert [len(part) for part in splits] == [7, 1, 2]
    assert splits.train.classes == ("pedestrian",) and splits.val.name == "penn-fudan val"
    targets = [target for part in splits for target in part.targets]
    assert sorted(len(target["boxes"]) for target in targets) == [0] + [2] * 9
    target = next(target for target in targets if len(target["boxes"]))
    assert target["boxes"].tolist() == [[1, 6, 5, 14], [15, 4, 20, 16]]
    assert target["masks"].sum(dim=(1, 2)).tolist() == [4 * 8, 5 * 12]
    assert target["masks"][0, 6:14, 1:5].all() and target["labels"].tolist() == [0, 0]
    assert splits.train.images[:, :, :4].sum() == 0 and splits.train.images[:, 2, 5].min() > 50


BLOOD = """<annotation><filename>{}</filename>
<size><width>40</width><height>24</height><depth>3</depth></size>
<object><name>RBC</name>
<bndbox><xmin>3</xmin><ymin>5</ymin><xmax>10</xmax><ymax>20</ymax></bndbox></object>
</annotation>"""


def test_bccd_keeps_the_lists_of_its_authors_and_comes_back_from_the_cache(mirror, monkeypatch):
    top = "BCCD_Dataset-1.0/BCCD"
    lists = {"train": ["C1", "C4"], "val": ["C0"], "test": ["C3", "C2"]}
    files = {"BCCD_Dataset-1.0/plot.py": b"not wanted"}
    for part, names in lists.items():
        files[f"{top}/ImageSets/Main/{part}.txt"] = "\n".join(names).encode()
        for name in names:
            files[f"{top}/JPEGImages/{name}.jpg"] = encoded(50 * int(name[1]), "JPEG", (40, 24))
            files[f"{top}/Annotations/{name}.xml"] = BLOOD.format(f"{name}.jpg").encode()
    publish("bccd", {"BCCD_Dataset-1.0.zip": zip_of(files)}, monkeypatch, mirror=mirror)
    for _ in range(2):
        splits = datasets.load("bccd", image_size=(24, 40))
        assert [len(part) for part in splits] == [2, 1, 2]
        assert splits.test.name == "bccd test" and splits.test.classes == ("RBC",)
        reds = [part.images[:, 0, 12, 20].tolist() for part in splits]
        assert [[round(red / 50) for red in part] for part in reds] == [[1, 4], [0], [2, 3]]
        targets = [target for part in splits for target in part.targets]
        assert [len(target["boxes"]) for target in targets] == [1] * 5
        assert all("masks" not in target for target in targets)
        for file in mirror.iterdir():
            file.unlink()


def test_digits_are_scaled_to_the_full_range():
    data = public_sets.digits((8, 8))
    assert data.images.shape == (1797, 1, 8, 8)
    assert (int(data.images.min()), int(data.images.max())) == (0, 255)
    assert public_sets.digits((16, 12)).images.shape == (1797, 1, 16, 12)


def test_resizing_keeps_flat_pictures_flat():
    images = torch.arange(0, 250, 50).byte().view(5, 1, 1, 1).expand(5, 3, 6, 6)
    assert torch.equal(public_sets.resized(images, (3, 9)), images[:, :, :1, :1].expand(5, 3, 3, 9))
    assert public_sets.resized(images, (6, 6)) is images


def test_a_set_without_a_reader_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no reader for 'mnist'"):
        public_sets.read("mnist", tmp_path, image_size=(28, 28))
