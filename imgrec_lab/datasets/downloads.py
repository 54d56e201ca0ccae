"""Fetches a file from a web address: shown as it comes, resumed where it broke off, then checked.

Until it is complete it lies beside its place with the ending ``.part``, which nothing reads.
"""

import errno
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path

from tqdm.auto import tqdm

from imgrec_lab import __version__
from imgrec_lab.datasets import disk_space

_TIMEOUT_SECONDS = 20  # of silence on a connection
_BLOCK_BYTES = 1 << 18
_WEB_PAGE = (b"<!doctype html", b"<html")


def download(
    url: str,
    to: Path,
    *,
    num_bytes: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
) -> Path:
    """Fetch ``url`` into the file ``to``, which exists complete and checked or not at all.

    Args:
        url: http, https or file.
        to: the file to write; its folder exists.
        num_bytes: its published size. Only where it is known is a part from an earlier try gone
            on with, and then only if the server still holds a file of this size.
        sha256, md5: its published sum.

    Raises:
        FileNotFoundError: if the server does not hold the file.
        OSError: if it cannot be had, comes incomplete or as a web page, or the disk is full.
        ValueError: if another file came than was published.
    """
    part = to.with_name(f"{to.name}.part")
    start = part.stat().st_size if part.is_file() and num_bytes is not None else 0
    try:
        if start != num_bytes:  # else it was complete, but the process ended before the check
            _receive(url, part, start, num_bytes)
        check(part, num_bytes=num_bytes, sha256=sha256, md5=md5)
    except BaseException as error:
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or num_bytes is None or isinstance(error, ValueError):
            part.unlink(missing_ok=True)
        if full:
            raise OSError(f"{to.parent} is full: {disk_space.ADVICE}") from error
        raise
    return part.replace(to)


def check(
    path: Path, *, num_bytes: int | None = None, sha256: str | None = None, md5: str | None = None
) -> None:
    """Raise ValueError unless the file has the size and the sum that were published for it."""
    size = path.stat().st_size
    if num_bytes is not None and size != num_bytes:
        raise _wrong_file(path, "size", f"{size:,} bytes", f"{num_bytes:,} bytes")
    for algorithm, expected in (("sha256", sha256), ("md5", md5)):
        if expected is not None and (found := checksum(path, algorithm)) != expected:
            raise _wrong_file(path, algorithm, found, expected)


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """The sum of a file's bytes in hex digits; ``algorithm`` is a name that hashlib knows."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _wrong_file(path: Path, what: str, found: str, expected: str) -> ValueError:
    name = path.name.removesuffix(".part")
    return ValueError(
        f"{name} is not the file that was published: its {what} is {found}, expected {expected}. "
        "It was damaged or replaced on the way; get it again"
    )


def _receive(url: str, part: Path, start: int, num_bytes: int | None) -> None:
    """Append to ``part`` from byte ``start`` where the server agrees, else write it anew."""
    try:
        response, start = _open(url, start, num_bytes)
        with response:
            _write(url, response, part, start, num_bytes)
    except urllib.error.HTTPError as error:
        missing = error.code in (404, 410)
        raise (FileNotFoundError if missing else OSError)(f"{url}: HTTP {error.code}") from error
    except urllib.error.URLError as error:
        missing = isinstance(error.reason, FileNotFoundError)
        raise (FileNotFoundError if missing else OSError)(f"{url}: {error.reason}") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise OSError(f"{url} broke off: {error or type(error).__name__}") from error


def _open(url: str, start: int, num_bytes: int | None) -> tuple[HTTPResponse, int]:
    """The answer of the server, and the byte that it begins at: ``start`` or 0."""
    if start:
        try:
            response = _request(url, {"Range": f"bytes={start}-"})
        except urllib.error.HTTPError as error:
            if error.code != 416:  # "range not satisfiable": the file there is another one
                raise
        else:
            if response.status != 206:
                return response, 0
            if response.headers["Content-Range"] == f"bytes {start}-{num_bytes - 1}/{num_bytes}":
                return response, start
            response.close()
    return _request(url, {}), 0


def _request(url: str, headers: Mapping[str, str]) -> HTTPResponse:
    headers = {"User-Agent": f"imgrec_lab/{__version__}", **headers}  # some servers refuse urllib's
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)


def _write(url: str, response: HTTPResponse, part: Path, start: int, num_bytes: int | None) -> None:
    coming = response.headers["Content-Length"]
    total = num_bytes if coming is None else start + int(coming)
    block = response.read(_BLOCK_BYTES)
    _refuse_web_page(url, response, block)
    if total is not None:
        disk_space.check(part.parent, total - start, f"downloading {part.stem}")
    with open(part, "ab" if start else "wb") as file, _bar(part.stem, start, total) as bar:
        while block:
            file.write(block)
            bar.update(len(block))
            block = response.read(_BLOCK_BYTES)
        received = file.tell()
    if total is not None and received != total:
        raise OSError(f"{url} broke off before its end, after {received:,} of {total:,} bytes")


def _refuse_web_page(url: str, response: HTTPResponse, beginning: bytes) -> None:
    """Hotel networks, expired links and pages that ask for consent answer with HTML."""
    is_page = beginning.lstrip()[:20].lower().startswith(_WEB_PAGE)
    if is_page or response.headers.get_content_type() == "text/html":
        raise OSError(
            f"{url} answered with a web page instead of the file. Open the address in a browser to "
            "see what it says"
        )


def _bar(name: str, start: int, total: int | None) -> tqdm:
    # Hidden where no one looks: None means "unless in a terminal", and notebooks ignore it.
    # tqdm's notebook bar does not read its own TQDM_DISABLE, which stored notebooks are run with.
    hidden = True if "TQDM_DISABLE" in os.environ else None
    return tqdm(
        desc=name, initial=start, total=total, unit="B", unit_scale=True, leave=False,
        disable=hidden,
    )  # fmt: skip
