"""Unpacks archives that came from elsewhere, and refuses those that would do harm.

An archive is looked through before anything is written. It is refused whole if a name in it leads
out of the folder, if it holds links or devices, if two members would be one file, or if it would
unpack into more than it can honestly hold.
"""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from imgrec_lab.datasets import disk_space

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
ENDINGS = (".zip", *_TAR_ENDINGS, ".gz")  # of what ``unpack`` takes
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError,
    RuntimeError,  # a zip that is encrypted, or packed in a way that zipfile does not know
)  # fmt: skip
_BLOCK_BYTES = 1 << 20  # read at once
_DISK_BLOCK_BYTES = 4096  # a file takes whole blocks, which matters where they are tiny


class Limits(NamedTuple):
    """The most that an archive may unpack into."""

    num_files: int
    num_bytes: int


class UnsafeArchive(ValueError):
    """An archive was refused; nothing of it was written."""


class _Member(NamedTuple):
    name: str
    kind: str  # "file", "folder" or what else it is
    num_bytes: int
    info: tarfile.TarInfo | zipfile.ZipInfo


def unpack(archive: Path, to: Path, *, limits: Limits, members: Sequence[str] = ()) -> None:
    """Unpack a tar, zip or gz archive into the folder ``to``.

    Args:
        archive: its ending says what it is; a plain ``.gz`` holds one file.
        to: is made where it does not exist. A damaged archive may leave some files in it.
        limits: of what is unpacked.
        members: files and folders inside the archive, such as "top/images", each of which is put
            directly into ``to`` (here as "images"); none means all, as they are.

    Raises:
        UnsafeArchive: if it would do harm.
        ValueError: if it is damaged, or no archive that we know.
        OSError: if the disk has no room for it.
    """
    to.mkdir(parents=True, exist_ok=True)
    name = archive.name.lower()
    try:
        if name.endswith(".zip"):
            _unpack_zip(archive, to, members, limits)
        elif name.endswith(_TAR_ENDINGS):
            _unpack_tar(archive, to, members, limits)
        elif name.endswith(".gz"):
            _unpack_gz(archive, to, limits)
        else:
            raise ValueError(f"{archive.name} must be a .zip, .tar.gz, .tar.xz or .gz archive.")
    except _DAMAGED as error:
        reason = str(error).partition("\n")[0].rstrip(":") or type(error).__name__
        raise ValueError(f"{archive.name} is damaged ({reason}): get it again.") from error


def _unpack_tar(archive: Path, to: Path, members: Sequence[str], limits: Limits) -> None:
    with tarfile.open(archive) as tar:
        found = (_Member(info.name, _tar_kind(info), info.size, info) for info in tar)
        for target, member in _checked(found, archive, to, members, limits).items():
            tar.extract(member.info.replace(name=target, deep=False), to, filter="data")


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isfile():
        return "file"
    if info.isdir():
        return "folder"
    return "link" if info.issym() or info.islnk() else "device"


def _unpack_zip(archive: Path, to: Path, members: Sequence[str], limits: Limits) -> None:
    with zipfile.ZipFile(archive) as source:
        infos = source.infolist()
        found = (_Member(info.filename, _zip_kind(info), info.file_size, info) for info in infos)
        for target, member in _checked(found, archive, to, members, limits).items():
            path = to / target
            path.parent.mkdir(parents=True, exist_ok=True)
            with source.open(member.info) as packed, open(path, "xb") as copy:
                shutil.copyfileobj(packed, copy, _BLOCK_BYTES)


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.is_dir():
        return "folder"
    return "link" if stat.S_ISLNK(info.external_attr >> 16) else "file"


def _unpack_gz(archive: Path, to: Path, limits: Limits) -> None:
    """The one kind that does not say beforehand how much it holds: it is counted on the way."""
    path = to / archive.stem
    try:
        with gzip.open(archive) as packed, open(path, "xb") as copy:
            while block := packed.read(_BLOCK_BYTES):
                if copy.tell() + len(block) > limits.num_bytes:
                    raise _too_large(archive, limits)
                copy.write(block)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _checked(
    found: Iterable[_Member], archive: Path, to: Path, wanted: Sequence[str], limits: Limits
) -> dict[str, _Member]:
    """The files to write, by their paths below ``to``; raises before anything is written."""
    chosen: dict[str, _Member] = {}
    num_bytes = on_disk = 0
    for member in found:
        target = _target(str(PurePosixPath(member.name)), wanted)
        if target is None or member.kind == "folder":  # folders are made for the files in them
            continue
        _check_member(member, archive)
        if target in chosen:
            raise UnsafeArchive(f"{archive.name} holds {member.name!r} twice; it was not unpacked.")
        chosen[target] = member
        num_bytes += member.num_bytes
        on_disk += -(-member.num_bytes // _DISK_BLOCK_BYTES) * _DISK_BLOCK_BYTES
        if len(chosen) > limits.num_files or num_bytes > limits.num_bytes:
            raise _too_large(archive, limits)
    parents = {str(parent) for target in chosen for parent in PurePosixPath(target).parents}
    if both := sorted(parents & set(chosen)):
        raise UnsafeArchive(
            f"{archive.name} holds {both[0]!r} both as file and as folder; it was not unpacked."
        )
    disk_space.check(to, on_disk, f"unpacking {archive.name}")
    return chosen


def _check_member(member: _Member, archive: Path) -> None:
    path = PureWindowsPath(member.name)  # knows drives and both kinds of slash
    if path.anchor or ".." in path.parts:
        raise UnsafeArchive(
            f"{archive.name} holds {member.name!r}, which lies outside its folder; "
            "it was not unpacked. Get the archive from its publisher."
        )
    if member.kind != "file":
        raise UnsafeArchive(
            f"{archive.name} holds {member.name!r}, a {member.kind}; only files and folders are "
            "unpacked. Get the archive from its publisher."
        )


def _target(name: str, wanted: Sequence[str]) -> str | None:
    """Where a member goes: ``top/images/1.png`` to ``images/1.png`` if "top/images" is wanted."""
    if not wanted:
        return name
    for prefix in wanted:
        if name == prefix or name.startswith(f"{prefix}/"):
            return name[prefix.rfind("/") + 1 :]
    return None


def _too_large(archive: Path, limits: Limits) -> UnsafeArchive:
    return UnsafeArchive(
        f"{archive.name} would unpack into more than {limits.num_files:,} files or "
        f"{disk_space.megabytes(limits.num_bytes)} MB, far more than published; it was not "
        "unpacked. Get the archive from its publisher."
    )
