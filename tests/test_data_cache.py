"""The cache: found in one place, whole or absent, never stale."""

import errno
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

from imgrec_lab import atomic_files
from imgrec_lab.datasets import data_cache


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "data"))
    data_cache._warn_once.cache_clear()


def build() -> dict:
    return {"images": torch.arange(100_000), "name": "x"}


def refuse() -> dict:
    raise AssertionError("it should have been read from the cache")


def test_the_environment_variable_comes_first(tmp_path):
    assert data_cache.data_dir() == tmp_path / "data"


def test_a_checkout_keeps_its_data_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.delenv("IMGREC_DATA")
    monkeypatch.setattr(data_cache, "__file__", str(tmp_path / "imgrec_lab" / "datasets" / "x.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(data_cache.sys, "platform", "linux")
    assert data_cache.data_dir() == tmp_path / "home" / "imgrec_lab"
    (tmp_path / "datasets").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert data_cache.data_dir() == tmp_path / "datasets" / "cache"


def test_what_was_built_is_read_back():
    built = data_cache.cached("set", key="k1", build=build)
    read = data_cache.cached("set", key="k1", build=refuse)
    assert torch.equal(built["images"], read["images"]) and read["name"] == "x"


def test_another_key_is_built_anew_and_replaces_the_old_file():
    data_cache.cached("set", key="a" * 12, build=build)
    data_cache.cached("set-large", key="a" * 12, build=build)
    data_cache.cached("set", key="b" * 12, build=lambda: {"name": "y"})
    found = sorted(path.name for path in data_cache.data_dir().iterdir())
    assert found == [f"set-{'b' * 12}.pt", f"set-large-{'a' * 12}.pt"]
    assert data_cache.cached("set", key="b" * 12, build=refuse)["name"] == "y"


def test_a_damaged_file_is_made_again_with_a_warning():
    data_cache.cached("set", key="k", build=build)
    path = data_cache.data_dir() / "set-k.pt"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.warns(UserWarning, match="set-k.pt is damaged .*; it is made again"):
        assert len(data_cache.cached("set", key="k", build=build)["images"]) == 100_000
    data_cache.cached("set", key="k", build=refuse)


def test_a_killed_process_leaves_nothing_that_is_read():
    script = """
import os
from imgrec_lab import atomic_files
from imgrec_lab.datasets import data_cache
def write(file):
    file.write(b"half of it")
    file.flush()
    os._exit(9)  # as abrupt as a kill: no handler runs
data_cache.data_dir().mkdir(parents=True)
atomic_files.write_atomically(data_cache.data_dir() / "set-k.pt", write)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 9
    (left,) = data_cache.data_dir().iterdir()
    assert left.suffix == ".part"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data_cache.cached("set", key="k", build=build)
    assert left.exists()  # it may belong to a process that is still at work
    os.utime(left, (time.time() - 7200,) * 2)
    data_cache.cached("set", key="l", build=build)
    assert not left.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_leaves_no_file_and_warns_once(monkeypatch, tmp_path):
    def full(prefix, suffix, dir):
        path = Path(dir) / f"{prefix}x{suffix}"
        path.touch()
        return os.open("/dev/full", os.O_WRONLY), str(path)

    monkeypatch.setattr(atomic_files.tempfile, "mkstemp", full)
    with pytest.warns(UserWarning, match="cannot be written .*Set IMGREC_DATA") as caught:
        assert data_cache.cached("set", key="k", build=build)["name"] == "x"
        assert data_cache.cached("set", key="k", build=build)["name"] == "x"
    assert len(caught) == 1
    assert "No space left" in str(caught[0].message)
    assert not list(data_cache.data_dir().iterdir())


def test_a_folder_that_cannot_be_made_does_not_stop_the_work(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMGREC_DATA", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="cannot be written"):
        assert data_cache.cached("set", key="k", build=build)["name"] == "x"
    with pytest.warns(UserWarning, match="downloads last only for this session"):
        folder = data_cache.working_dir()
    assert folder.is_dir() and folder == data_cache.working_dir()


def test_an_interrupt_while_writing_removes_the_temporary_file(tmp_path):
    def interrupted(file):
        file.write(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "set.pt"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        atomic_files.write_atomically(path, interrupted)
    assert [entry.name for entry in tmp_path.iterdir()] == ["set.pt"]
    assert path.read_bytes() == b"old"


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    def fill(folder):
        (folder / "a").write_text("1")

    def fail(folder):
        fill(folder)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        data_cache.fill_folder(tmp_path / "raw" / "set", fail)
    assert not list((tmp_path / "raw").iterdir())
    assert (data_cache.fill_folder(tmp_path / "raw" / "set", fill) / "a").read_text() == "1"
    data_cache.fill_folder(tmp_path / "raw" / "set", fill)  # another process was faster
    assert [entry.name for entry in (tmp_path / "raw").iterdir()] == ["set"]


def test_a_folder_that_cannot_be_renamed_is_an_error(tmp_path, monkeypatch):
    def refused(path, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(PermissionError):
        data_cache.fill_folder(tmp_path / "set", lambda folder: (folder / "a").touch())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_process_filled_meanwhile_is_taken(tmp_path):
    def fill(folder):
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "theirs").touch()

    assert data_cache.fill_folder(tmp_path / "set", fill) == tmp_path / "set"
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "theirs"]


def test_the_hash_follows_every_file_of_the_modules_named(tmp_path, monkeypatch):
    monkeypatch.setattr(data_cache, "__file__", str(tmp_path / "datasets" / "data_cache.py"))
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "scenes" / "colours.py").write_text("RED = 1\n")
    (tmp_path / "box_ops.py").write_text("x = 1\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    seen = {data_cache.source_hash("scenes", "box_ops")}
    (tmp_path / "other.py").write_text("x = 2\n")
    seen.add(data_cache.source_hash("scenes", "box_ops"))
    assert len(seen) == 1
    (tmp_path / "scenes" / "colours.py").write_text("RED = 2\n")
    seen.add(data_cache.source_hash("scenes", "box_ops"))
    (tmp_path / "box_ops.py").write_text("x = 2\n")
    seen.add(data_cache.source_hash("scenes", "box_ops"))
    assert len(seen) == 3


def test_a_fingerprint_changes_with_any_part():
    assert data_cache.fingerprint(1, "a") == data_cache.fingerprint(1, "a")
    assert data_cache.fingerprint(1, "a") != data_cache.fingerprint(1, "b")
    assert len(data_cache.fingerprint()) == 12
