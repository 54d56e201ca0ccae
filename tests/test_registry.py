"""Public sets: mirror by folder and by URL, checked sums, one clear sentence without network."""

import functools
import http.server
import io
import shutil
import tarfile
import threading
import urllib.error
from dataclasses import replace
from pathlib import Path

import pytest
import torchvision
from PIL import Image

from imgrec_lab.datasets import data_cache, registry

README = Path(__file__).parents[1] / "datasets" / "README.md"


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("IMGREC_MIRROR", raising=False)
    data_cache._warn_once.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    def offline(*args, **options):
        raise urllib.error.URLError("no network here")

    for name in ("CIFAR10", "GTSRB", "OxfordIIITPet", "FashionMNIST"):
        monkeypatch.setattr(torchvision.datasets, name, offline)


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:xz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def mirror(tmp_path):
    """A mirror folder with an archive, and the card that it belongs to."""
    archive = tar_of(tmp_path / "mirror" / "tiny.tar.xz", {"train/cat/0.png": png(1)})
    card = registry.find_card("cifar10")
    card = replace(card, folder_archive=registry.Archive("tiny.tar.xz", registry.sha256(archive)))
    return archive.parent, card


def serve(folder: Path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *args: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_an_archive_is_taken_from_a_mirror_folder(mirror, monkeypatch, no_network):
    folder, card = mirror
    monkeypatch.setenv("IMGREC_MIRROR", str(folder))
    root = registry.obtain(card)
    assert root == data_cache.data_dir() / "raw" / "cifar10-folder"
    assert [str(p.relative_to(root)) for p in root.rglob("*.*")] == ["train/cat/0.png"]
    shutil.rmtree(folder)
    assert registry.obtain(card) == root  # the second time it comes from the cache


def test_an_archive_is_taken_from_a_mirror_url(mirror, monkeypatch, no_network):
    folder, card = mirror
    server = serve(folder)
    try:
        monkeypatch.setenv("IMGREC_MIRROR", f"http://127.0.0.1:{server.server_port}/")
        assert (registry.obtain(card) / "train" / "cat" / "0.png").read_bytes() == png(1)
    finally:
        server.shutdown()


def test_a_file_url_is_a_mirror_too(mirror, monkeypatch, no_network):
    folder, card = mirror
    monkeypatch.setenv("IMGREC_MIRROR", folder.as_uri())
    assert (registry.obtain(card) / "train" / "cat" / "0.png").is_file()


@pytest.mark.parametrize("kind", ["folder", "http", "file"])
def test_a_mirror_without_the_file_says_so(tmp_path, kind):
    (tmp_path / "empty").mkdir()
    server = serve(tmp_path / "empty")
    places = {
        "folder": str(tmp_path / "empty"),
        "http": f"http://127.0.0.1:{server.server_port}",
        "file": (tmp_path / "empty").as_uri(),
    }
    try:
        with pytest.raises(FileNotFoundError):
            registry.fetch("tiny.tar.xz", places[kind], tmp_path / "to")
    finally:
        server.shutdown()


def test_a_transfer_that_breaks_off_is_noticed(tmp_path, monkeypatch):
    class Cut(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(OSError, match="broke off before its end"):
            registry.fetch("a.zip", f"http://127.0.0.1:{server.server_port}", tmp_path)
    finally:
        server.shutdown()


def unavailable(card) -> str:
    with pytest.raises(registry.DataUnavailable) as caught:
        registry.obtain(card)
    assert not [path for path in (data_cache.data_dir() / "raw").iterdir()]  # nothing half done
    return str(caught.value)


def test_a_damaged_archive_is_refused_and_never_unpacked(mirror, monkeypatch, no_network):
    folder, card = mirror
    (folder / "tiny.tar.xz").write_bytes(b"damaged")
    monkeypatch.setenv("IMGREC_MIRROR", str(folder))
    with pytest.warns(UserWarning, match="tiny.tar.xz is not the file that was published.*copy it"):
        message = unavailable(card)
    assert f"could not be had by IMGREC_MIRROR={folder} or download" in message


def test_an_archive_cannot_write_outside_its_folder(tmp_path, monkeypatch, no_network):
    archive = tar_of(tmp_path / "mirror" / "evil.tar.xz", {"../../evil.txt": b"x"})
    archive_card = registry.Archive("evil.tar.xz", registry.sha256(archive))
    card = replace(registry.find_card("cifar10"), folder_archive=archive_card)
    monkeypatch.setenv("IMGREC_MIRROR", str(archive.parent))
    with pytest.warns(UserWarning, match="outside the destination"):
        unavailable(card)
    assert not list(tmp_path.rglob("evil.txt"))


def test_a_mirror_that_is_not_there_is_named(mirror, monkeypatch, no_network):
    monkeypatch.setenv("IMGREC_MIRROR", "/no/such/place")
    with pytest.warns(
        UserWarning, match="IMGREC_MIRROR=/no/such/place could not be used: there is"
    ):
        unavailable(mirror[1])


@pytest.mark.parametrize("card", registry.CARDS, ids=lambda card: card.name)
def test_without_network_one_sentence_says_what_to_do(card, no_network):
    message = unavailable(card)
    assert message.startswith(f"{card.title} could not be had by download: ")
    assert "no network here" in message
    assert all(Path(file).name in message for file in card.files)
    assert "set IMGREC_MIRROR to it" in message
    assert f"until then, datasets.load({card.go_on_with!r}) works offline." in message


def test_a_full_disk_while_downloading_says_so(monkeypatch):
    def full(root, download):
        (Path(root) / "half").write_bytes(b"x")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", full)
    assert "No space left on device" in unavailable(registry.find_card("cifar10"))


def test_the_socket_timeout_is_put_back(monkeypatch):
    import socket

    seen = []
    monkeypatch.setattr(
        torchvision.datasets, "CIFAR10", lambda *a, **k: seen.append(socket.getdefaulttimeout())
    )
    registry.obtain(registry.find_card("cifar10"))
    assert seen == [registry._TIMEOUT_SECONDS] and socket.getdefaulttimeout() is None


def test_an_unknown_name_offers_the_nearest(tmp_path, monkeypatch):
    known = ("signs", "streets", "cifar10")
    assert registry.unknown_name("sings", known) == (
        "name must be one of 3 data sets; got 'sings'. Did you mean 'signs'?"
    )
    assert registry.unknown_name("CIFAR-10", known).endswith("Did you mean 'cifar10'?")
    assert registry.unknown_name("zzz", known).endswith("Try one of signs, streets, cifar10.")
    assert f"try datasets.from_folder({str(tmp_path)!r})" in registry.unknown_name(
        str(tmp_path), known
    )


@pytest.mark.parametrize("card", registry.CARDS, ids=lambda card: card.name)
def test_the_readme_of_the_data_sets_agrees_with_the_cards(card):
    text = " ".join(README.read_text().split())
    facts = [card.title, card.licence, card.url, f"{card.num_train:,}", f"{card.num_test:,}"]
    facts += [f"{card.download_mb} MB", card.limits]
    if card.folder_archive:
        facts += [card.folder_archive.file, card.folder_archive.sha256]
    assert [fact for fact in facts if fact not in text] == []
