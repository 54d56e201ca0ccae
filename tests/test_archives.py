"""Unpacking: what is asked for and nothing else; what would do harm is refused whole."""

import gzip
import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from small_archives import tar_of, zip_of

from imgrec_lab.datasets import archives

LIMITS = archives.Limits(num_files=10, num_bytes=10_000)
FILES = {"top/images/1.png": b"one", "top/images/deep/2.png": b"", "top/labels.txt": b"1 2"}


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def unpack(folder: Path, name: str, data: bytes, **options) -> dict[str, bytes]:
    (folder / name).write_bytes(data)
    archives.unpack(folder / name, folder / "to", **{"limits": LIMITS} | options)
    return tree(folder / "to")


def refused(folder: Path, name: str, data: bytes, words: str, **options) -> None:
    """The archive is refused in these words, and not a byte of it is anywhere."""
    before = set(folder.parent.rglob("*"))
    with pytest.raises(archives.UnsafeArchive, match=words) as caught:
        unpack(folder, name, data, **options)
    assert name in str(caught.value)
    assert set(folder.parent.rglob("*")) - before <= {folder / name, folder / "to"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    return tmp_path / "inner"


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz", "tar.xz", "tar.bz2", "TAR.GZ"])
def test_tar_archives(folder, ending):
    packing = {"tar": "", "tgz": "gz"}.get(ending, ending[4:].lower())
    assert unpack(folder, f"a.{ending}", tar_of(FILES, packing)) == FILES


def test_zip_archives(folder):
    assert unpack(folder, "a.zip", zip_of(FILES)) == FILES


def test_a_gz_file_holds_one_file(folder):
    data = gzip.compress(b"12" * 2000)
    assert unpack(folder, "train-idx3-ubyte.gz", data) == {"train-idx3-ubyte": b"12" * 2000}


@pytest.mark.parametrize(("name", "pack"), [("a.tar.gz", tar_of), ("a.zip", zip_of)])
def test_only_what_is_wanted_is_unpacked_and_the_way_to_it_is_left_out(folder, name, pack):
    harmless_where_it_is = FILES | {"../elsewhere": b"never written", "top/images.txt": b"x"}
    found = unpack(folder, name, pack(harmless_where_it_is), members=["top/images"])
    assert found == {"images/1.png": b"one", "images/deep/2.png": b""}
    shutil.rmtree(folder / "to")
    assert unpack(folder, name, pack(FILES), members=["top/labels.txt"]) == {"labels.txt": b"1 2"}


def test_several_archives_share_a_folder(folder):
    unpack(folder, "a.zip", zip_of({"set/train/1": b"a"}))
    found = unpack(folder, "b.tar.gz", tar_of({"./set/test/1": b"b"}))
    assert found == {"set/train/1": b"a", "set/test/1": b"b"}


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "\\evil", "..\\evil", "C:\\evil", "C:evil"]


@pytest.mark.parametrize("evil", OUTSIDE)
@pytest.mark.parametrize(("name", "pack"), [("a.tar.xz", tar_of), ("a.zip", zip_of)])
def test_names_that_lead_outside_are_refused(folder, name, pack, evil):
    words = re.escape(f"holds {evil!r}, which lies outside its folder; it was not unpacked. Get")
    refused(folder, name, pack({"good.png": b"x", evil: b"x"}), words)


def tar_with(info: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("good.png"))
        tar.addfile(info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("type", "kind"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(folder, type, kind):
    info = tarfile.TarInfo("odd.png")
    info.type, info.linkname = type, "good.png"  # even one that stays inside
    refused(folder, "a.tar", tar_with(info), f"holds 'odd.png', a {kind}; only files and folders")


def test_links_in_a_zip_are_refused(folder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("odd.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    refused(folder, "a.zip", buffer.getvalue(), "holds 'odd.png', a link; only files and folders")


@pytest.mark.parametrize("again", ["a/1.png", "./a/1.png", "a//1.png"])
def test_a_name_that_comes_twice_is_refused(folder, again):
    data = tar_of([("a/1.png", b"x"), (again, b"y")])
    refused(folder, "a.tar.gz", data, f"holds '{again}' twice; it was not unpacked")


@pytest.mark.parametrize(("name", "pack"), [("a.tar.gz", tar_of), ("a.zip", zip_of)])
def test_a_file_that_is_also_a_folder_is_refused(folder, name, pack):
    words = "holds 'a/b' both as file and as folder"
    refused(folder, name, pack({"a/b/c.png": b"x", "a/b": b"x"}), words)


BOMB = {"big": bytes(10_001)}
MANY = {str(index): b"" for index in range(11)}


@pytest.mark.parametrize("members", [BOMB, MANY], ids=["large", "many"])
@pytest.mark.parametrize(("name", "pack"), [("a.tar.xz", tar_of), ("a.zip", zip_of)])
def test_bombs_are_refused(folder, name, pack, members):
    words = "would unpack into more than 10 files or 0.1 MB, far more than published; it was not"
    refused(folder, name, pack(members), words)


def test_a_gz_bomb_is_refused_on_the_way(folder):
    refused(folder, "a.gz", gzip.compress(bytes(5_000_000)), "would unpack into more than 10 files")
    assert tree(folder / "to") == {}


def test_what_is_just_within_the_limits_is_unpacked(folder):
    just = {str(index): bytes(1000) for index in range(10)}
    assert unpack(folder, "a.zip", zip_of(just)) == just
    assert len(unpack(folder, "b.gz", gzip.compress(bytes(10_000)))["b"]) == 10_000


def test_a_zip_that_says_it_is_smaller_than_it_is_is_found_out(folder):
    data = bytearray(zip_of({"big": bytes(10_001)}))
    place = data.rindex(b"PK\x01\x02")  # the central directory, which the limits are read from
    data[place + 24 : place + 28] = (5).to_bytes(4, "little")
    with pytest.raises(ValueError, match="a.zip is damaged"):
        unpack(folder, "a.zip", bytes(data))
    assert all(len(content) <= 5 for content in tree(folder / "to").values())


def test_a_disk_without_room_is_noticed_before_anything_is_written(folder, monkeypatch):
    usage = namedtuple("usage", "free")(3 * 4096 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    tiny = {"1": b"x", "2": b"x", "3": b"x"}  # each takes a whole block of the disk
    with pytest.raises(OSError, match="unpacking a.zip needs 0.1 MB, and .* MB free: make room"):
        unpack(folder, "a.zip", zip_of(tiny))
    assert tree(folder / "to") == {}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.zip", zip_of(FILES)[:-30]),
        ("a.tar.gz", tar_of({"a": os.urandom(5000)})[:-2000]),
        ("a.tar.xz", tar_of({"a": os.urandom(5000)}, "xz")[:-2000]),
        ("a.tar", b"no tar archive"),
        ("a.gz", gzip.compress(b"x" * 500, mtime=0)[:-3]),
        ("a.gz", b"no gz"),
    ],
)
def test_a_damaged_archive_says_so(folder, name, data):
    with pytest.raises(ValueError, match=rf"{name} is damaged \(.+\): get it again"):
        unpack(folder, name, data)


def test_a_damaged_member_is_noticed(folder):
    data = bytearray(zip_of({"a": os.urandom(500)}))
    data[100] ^= 255
    with pytest.raises(ValueError, match="a.zip is damaged"):
        unpack(folder, "a.zip", bytes(data))


@pytest.mark.parametrize(
    "at, value, reason", [(8, 1, "encrypted, password required"), (10, 93, "method is not suppo")]
)
def test_a_zip_that_cannot_be_unpacked_says_so(folder, at, value, reason):
    data = bytearray(zip_of({"a": b"hello"}))
    for start in (data.find(b"PK\1\2") + at, at - 2):  # both headers of the member
        data[start] = value
    with pytest.raises(ValueError, match=rf"a.zip is damaged \(.*{reason}.*\): get it again"):
        unpack(folder, "a.zip", bytes(data))


def test_another_kind_of_file_is_no_archive(folder):
    with pytest.raises(ValueError, match="a.rar must be a .zip, .tar.gz, .tar.xz or .gz archive"):
        unpack(folder, "a.rar", b"Rar!")


def test_unpacked_files_are_the_users_own_without_odd_permissions(folder):
    info = tarfile.TarInfo("run.sh")
    info.mode, info.uid, info.uname = 0o4777, 4242, "someone"
    unpack(folder, "a.tar", tar_with(info))
    found = (folder / "to" / "run.sh").stat()
    assert found.st_uid == os.getuid() and not found.st_mode & (stat.S_ISUID | stat.S_IWOTH)
