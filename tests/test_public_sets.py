"""The published files, in miniature, go through torchvision's own readers and come out as sets."""

import functools
import gzip
import hashlib
import http.server
import io
import pickle
import struct
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.datasets import gtsrb as torchvision_gtsrb
from torchvision.datasets.utils import extract_archive

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


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def check_files_of_card_are_used(name: str, mirror: Path) -> None:
    assert {Path(file).name for file in registry.find_card(name).files} == {
        path.name for path in mirror.iterdir()
    }


def test_cifar10(mirror, monkeypatch):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 3072), dtype=np.uint8)
    labels = [i % 2 for i in range(60)]
    batch = pickle.dumps({"data": pixels[:40], "labels": labels[:40]})
    test = pickle.dumps({"data": pixels[40:], "labels": labels[40:]})
    meta = pickle.dumps({"label_names": ["airplane", "automobile"]})
    archive = tar_gz({
        "cifar-10-batches-py/data_batch_1": batch,
        "cifar-10-batches-py/test_batch": test,
        "cifar-10-batches-py/batches.meta": meta,
    })  # fmt: skip
    (mirror / "cifar-10-python.tar.gz").write_bytes(archive)
    source = torchvision.datasets.CIFAR10
    monkeypatch.setattr(source, "tgz_md5", md5(archive))
    monkeypatch.setattr(source, "train_list", [["data_batch_1", md5(batch)]])
    monkeypatch.setattr(source, "test_list", [["test_batch", md5(test)]])
    monkeypatch.setattr(source, "meta", source.meta | {"md5": md5(meta)})
    splits = datasets.load("cifar10")
    check_files_of_card_are_used("cifar10", mirror)
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
        "GTSRB-Training_fixed.zip": zipped(train),
        "GTSRB_Final_Test_Images.zip": zipped(
            {"GTSRB/Final_Test/Images/00000.ppm": encoded(200, size=(40, 10))}
        ),
        "GTSRB_Final_Test_GT.zip": zipped(
            {"GT-final_test.csv": b"Filename;ClassId\n00000.ppm;1\n"}
        ),
    }
    for name, data in files.items():
        (mirror / name).write_bytes(data)
    check_files_of_card_are_used("gtsrb", mirror)

    def extract(url: str, download_root: str, md5: str) -> None:
        extract_archive(str(Path(download_root) / url.rsplit("/")[-1]), download_root)

    monkeypatch.setattr(torchvision_gtsrb, "download_and_extract_archive", extract)
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
    images = tar_gz({
        f"images/{name}.jpg": encoded(90, "JPEG") for part in listed.values() for name, _ in part
    })  # fmt: skip
    annotations = tar_gz({
        f"annotations/{part}.txt": "".join(f"{n} {k} 1 1\n" for n, k in rows).encode()
        for part, rows in listed.items()
    })  # fmt: skip
    (mirror / "images.tar.gz").write_bytes(images)
    (mirror / "annotations.tar.gz").write_bytes(annotations)
    check_files_of_card_are_used("pets", mirror)
    resources = [(f"http://127.0.0.1:9/{n}.tar.gz", md5(d)) for n, d in
                 (("images", images), ("annotations", annotations))]  # fmt: skip
    monkeypatch.setattr(torchvision.datasets.OxfordIIITPet, "_RESOURCES", resources)
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


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server(tmp_path):
    """A folder that is served on loopback, and its address."""
    folder = tmp_path / "server"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{running.server_port}/"
    running.shutdown()


def use_fashion(files: dict[str, bytes], folder: Path, address: str, monkeypatch) -> None:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    source = torchvision.datasets.FashionMNIST
    monkeypatch.setattr(source, "resources", [(name, md5(data)) for name, data in files.items()])
    monkeypatch.setattr(source, "mirrors", [address])


def test_fashion_mnist_from_the_mirror(mirror, monkeypatch):
    use_fashion(fashion_files(), mirror, "http://127.0.0.1:9/", monkeypatch)
    check_files_of_card_are_used("fashion-mnist", mirror)
    splits = datasets.load("fashion-mnist")
    assert [len(part) for part in splits] == [30, 10, 10]
    assert splits.train.images.shape == (30, 1, 28, 28)
    assert splits.test.classes[9] == "Ankle boot"


def test_fashion_mnist_by_download(server, monkeypatch):
    folder, address = server
    monkeypatch.delenv("IMGREC_MIRROR")
    use_fashion(fashion_files(), folder, address, monkeypatch)
    first = datasets.load("fashion-mnist")
    for path in folder.iterdir():
        path.unlink()
    again = datasets.load("fashion-mnist")  # now from the cache
    assert torch.equal(first.test.images, again.test.images)
    larger = datasets.load("fashion-mnist", image_size=(56, 56))  # from the files kept beside it
    assert larger.test.images.shape == (10, 1, 56, 56)


def test_a_damaged_download_is_never_read(server, tmp_path, monkeypatch):
    folder, address = server
    monkeypatch.delenv("IMGREC_MIRROR")
    use_fashion(fashion_files(), folder, address, monkeypatch)
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"half of it")
    with pytest.raises(datasets.DataUnavailable, match=r"Fashion-MNIST.*load\('digits'\)"):
        datasets.load("fashion-mnist")
    assert not list((tmp_path / "data").rglob("*ubyte*"))


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
