"""Downloads: complete and checked or not there, resumed where that is safe, trouble in words."""

import errno
import hashlib
import os
import re
import shutil
import socket
from collections import namedtuple

import local_server
import pytest

from imgrec_lab.datasets import disk_space, downloads

DATA = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server():
    with local_server.serving() as running:
        running.files["a.zip"] = DATA
        yield running


def fetch(server, folder, name="a.zip", **published):
    return downloads.download(f"{server.address}/{name}", folder / name, **published)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_checked(server, tmp_path):
    path = fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256, md5=MD5)
    assert path == tmp_path / "a.zip" and path.read_bytes() == DATA
    assert names(tmp_path) == ["a.zip"]


def test_nothing_published_is_needed(server, tmp_path):
    assert fetch(server, tmp_path).read_bytes() == DATA


def test_a_file_address_works_too(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.zip").write_bytes(DATA)
    (tmp_path / "a.zip.part").write_bytes(DATA[:10])  # cannot be gone on with
    url = (tmp_path / "there" / "a.zip").as_uri()
    path = downloads.download(url, tmp_path / "a.zip", num_bytes=len(DATA), sha256=SHA256)
    assert path.read_bytes() == DATA


def test_a_transfer_that_broke_off_is_gone_on_with(server, tmp_path):
    server.cut.add("a.zip")
    with pytest.raises(
        OSError, match=r"a.zip broke off before its end, after 512,000 of 1,024,000"
    ):
        fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256)
    assert names(tmp_path) == ["a.zip.part"]
    server.cut.clear()
    assert fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256).read_bytes() == DATA
    assert server.requests == [("a.zip", None), ("a.zip", "bytes=512000-")]
    assert names(tmp_path) == ["a.zip"]


def test_a_part_of_unknown_size_is_thrown_away(server, tmp_path):
    server.cut.add("a.zip")
    with pytest.raises(OSError, match="broke off before its end"):
        fetch(server, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("length", [512_000, len(DATA), len(DATA) + 5])
def test_a_server_that_knows_no_ranges_is_asked_for_all(server, tmp_path, length):
    server.ranges = False
    (tmp_path / "a.zip.part").write_bytes((DATA + b"12345")[:length])
    assert fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256).read_bytes() == DATA


def test_a_complete_part_is_checked_and_used_without_the_network(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(DATA)
    assert fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256).read_bytes() == DATA
    assert server.requests == []


@pytest.mark.parametrize("other", [DATA + b"more", DATA[:1000]])
def test_a_file_of_another_size_is_not_glued_to_a_part(server, tmp_path, other):
    server.files["a.zip"] = other
    (tmp_path / "a.zip.part").write_bytes(b"x" * 2000)
    with pytest.raises(ValueError, match=f"its size is {len(other):,} bytes, expected 1,024,000"):
        fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256)
    assert server.requests == [("a.zip", "bytes=2000-"), ("a.zip", None)]
    assert names(tmp_path) == []


def test_a_part_with_wrong_bytes_is_found_by_the_sum_and_removed(server, tmp_path):
    (tmp_path / "a.zip.part").write_bytes(b"x" * 2000)
    with pytest.raises(ValueError, match="its sha256 is"):
        fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256)
    assert names(tmp_path) == []
    assert fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256).read_bytes() == DATA


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_sum_names_both_and_what_to_do(server, tmp_path, algorithm):
    server.files["a.zip"] = b"other"
    found = hashlib.new(algorithm, b"other").hexdigest()
    expected = {"sha256": SHA256, "md5": MD5}[algorithm]
    sentence = (
        f"a.zip is not the file that was published: its {algorithm} is {found}, expected "
        f"{expected}. It was damaged or replaced on the way; get it again"
    )
    with pytest.raises(ValueError, match=re.escape(sentence)):
        fetch(server, tmp_path, **{algorithm: expected})
    assert names(tmp_path) == []


def test_a_file_that_is_not_there_says_where(server, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{server.address}/b.zip: HTTP 404"):
        fetch(server, tmp_path, "b.zip")
    with pytest.raises(FileNotFoundError, match="b.zip"):
        downloads.download((tmp_path / "b.zip").as_uri(), tmp_path / "c.zip")
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["type", "bytes"])
def test_a_web_page_in_place_of_the_file_is_recognised(server, tmp_path, kind):
    server.files["a.zip"] = b"\n<!DOCTYPE HTML><title>Please log in</title>"
    if kind == "type":
        server.files["a.zip"] = b"Please log in"
        server.content_types["a.zip"] = "text/html; charset=utf-8"
    with pytest.raises(OSError, match="a.zip answered with a web page instead of the file. Open"):
        fetch(server, tmp_path, num_bytes=len(DATA), sha256=SHA256)
    assert names(tmp_path) == []


def test_a_server_that_is_not_there_or_says_nothing(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="http://127.0.0.1:9/a.zip: .*refused"):
        downloads.download("http://127.0.0.1:9/a.zip", tmp_path / "a.zip")
    monkeypatch.setattr(downloads, "_TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/a.zip"
        with pytest.raises(OSError, match="broke off: timed out"):
            downloads.download(url, tmp_path / "a.zip")


def test_a_disk_without_room_is_noticed_before_anything_is_written(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")(400_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"downloading a.zip needs 1.0 MB, and .* has 0.4 MB free: m"):
        fetch(server, tmp_path, num_bytes=len(DATA))
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(server, tmp_path, monkeypatch):
    def full(path, **published):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(downloads, "check", full)
    with pytest.raises(OSError, match=f"{tmp_path} is full: make room, or set IMGREC_DATA"):
        fetch(server, tmp_path, num_bytes=len(DATA))
    assert names(tmp_path) == []


def test_an_interrupt_keeps_the_part(server, tmp_path, monkeypatch):
    class Interrupted:
        def __init__(self, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, number):
            raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "tqdm", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, num_bytes=len(DATA))
    assert names(tmp_path) == ["a.zip.part"]


def test_the_bar_shows_bytes_in_a_terminal_only(server, tmp_path, monkeypatch, capsys):
    seen = []

    class Spy(downloads.tqdm):
        def __init__(self, **options):
            seen.append(options)
            super().__init__(**options)

    monkeypatch.setattr(downloads, "tqdm", Spy)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    (tmp_path / "a.zip.part").write_bytes(DATA[:24_000])
    fetch(server, tmp_path, num_bytes=len(DATA))
    assert {"desc": "a.zip", "initial": 24_000, "total": len(DATA)}.items() <= seen[0].items()
    assert seen[0]["disable"] is None and capsys.readouterr().err == ""  # this is no terminal
    monkeypatch.setenv("TQDM_DISABLE", "1")
    fetch(server, tmp_path)
    assert seen[1]["disable"] is True


def test_sizes_are_told_in_megabytes():
    sizes = (0, 1, 99_620, 7_316_236, 170_498_071, 1_200_000_000)
    assert [disk_space.megabytes(size) for size in sizes] == [
        "0",
        "0.1",
        "0.1",
        "7.3",
        "170",
        "1,200",
    ]


def test_sums_are_those_of_the_standard_library(tmp_path):
    (tmp_path / "a").write_bytes(DATA)
    assert downloads.checksum(tmp_path / "a") == SHA256
    assert downloads.checksum(tmp_path / "a", "md5") == MD5
