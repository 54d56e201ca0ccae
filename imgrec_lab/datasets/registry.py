"""The public data sets that can be had by name: their cards, and how their files get here.

A prepared copy in the cache comes first, then ``IMGREC_MIRROR`` (a folder or URL that holds the
archives: one copy for a classroom without internet), then the download that torchvision knows.
Files are checked against their published sums, unpacked into a temporary folder and renamed, so
what is half there is never read.
"""

import contextlib
import difflib
import hashlib
import os
import shutil
import socket
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgrec_lab.datasets import data_cache

_TIMEOUT_SECONDS = 20  # of silence on a connection
_BLOCK_BYTES = 1 << 20


class DataUnavailable(RuntimeError):
    """A data set could not be had; the message says why, what to do and what to go on with."""


@dataclass(frozen=True)
class Archive:
    """An archive of an image folder, as a classroom mirror holds it."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Card:
    """What one should know of a public data set before using it.

    Attributes:
        name: what ``datasets.load`` takes.
        title, licence, url: of the original publication.
        num_train, num_test: images.
        num_classes: K.
        image_size: (height, width) in pixels that ``load`` gives unless another is asked for.
        download_mb: size of the original archives.
        limits: what the set is not.
        go_on_with: the embedded set that serves where this one cannot be had.
        files: the original archives, where torchvision looks for them.
        folder_archive: the same pictures as an image folder, on a mirror only.
    """

    name: str
    title: str
    licence: str
    url: str
    num_train: int
    num_test: int
    num_classes: int
    image_size: tuple[int, int]
    download_mb: int
    limits: str
    go_on_with: str
    files: tuple[str, ...]
    folder_archive: Archive | None = None


CARDS = (
    Card(
        name="cifar10",
        title="CIFAR-10 (Krizhevsky 2009)",
        licence="none stated by its author; published for research",
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
        num_train=50_000,
        num_test=10_000,
        num_classes=10,
        image_size=(32, 32),
        download_mb=170,
        limits=(
            "Found on the web by search words and labelled by students: about 0.5 % of the test "
            "labels are wrong, and some test pictures have near-duplicates in the training set."
        ),
        go_on_with="signs",
        files=("cifar-10-python.tar.gz",),
        folder_archive=Archive(
            "cifar10-jpeg.tar.xz",
            "fcaa07ba00f779d9d522cb4c4da38795011524baf15620a8ae65190f2be7dd59",
        ),
    ),
    Card(
        name="gtsrb",
        title="German Traffic Sign Recognition Benchmark (Stallkamp et al. 2012)",
        licence="none stated by its authors; published for research",
        url="https://benchmark.ini.rub.de",
        num_train=26_640,
        num_test=12_630,
        num_classes=43,
        image_size=(32, 32),
        download_mb=276,
        limits=(
            "Tracks of 30 frames of one and the same sign: a random split leaks, so whole tracks "
            "go to validation. Classes differ tenfold in size. Germany by day, 2010."
        ),
        go_on_with="signs",
        files=(
            "gtsrb/GTSRB-Training_fixed.zip",
            "gtsrb/GTSRB_Final_Test_Images.zip",
            "gtsrb/GTSRB_Final_Test_GT.zip",
        ),
    ),
    Card(
        name="pets",
        title="Oxford-IIIT Pet (Parkhi et al. 2012)",
        licence="CC BY-SA 4.0",
        url="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        num_train=3_680,
        num_test=3_669,
        num_classes=37,
        image_size=(128, 128),
        download_mb=811,
        limits=(
            "37 breeds with about 100 pictures each: few to learn from without a pretrained "
            "network. Photographs that owners chose to share, so mostly close and well lit."
        ),
        go_on_with="signs",
        files=("oxford-iiit-pet/images.tar.gz", "oxford-iiit-pet/annotations.tar.gz"),
    ),
    Card(
        name="fashion-mnist",
        title="Fashion-MNIST (Xiao et al. 2017)",
        licence="MIT",
        url="https://github.com/zalandoresearch/fashion-mnist",
        num_train=60_000,
        num_test=10_000,
        num_classes=10,
        image_size=(28, 28),
        download_mb=31,
        limits=(
            "Shop pictures of single garments, cut out, centred and grey: far easier than clothes "
            "on people."
        ),
        go_on_with="digits",
        files=(
            "FashionMNIST/raw/train-images-idx3-ubyte.gz",
            "FashionMNIST/raw/train-labels-idx1-ubyte.gz",
            "FashionMNIST/raw/t10k-images-idx3-ubyte.gz",
            "FashionMNIST/raw/t10k-labels-idx1-ubyte.gz",
        ),
    ),
)


def find_card(name: str) -> Card | None:
    """The card of a public set, or None."""
    return next((card for card in CARDS if card.name == name), None)


def unknown_name(name: str, known: tuple[str, ...]) -> str:
    """The sentence for a name that no set bears, with the nearest one that does."""
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]!r}?" if near else f"Try one of {', '.join(known)}."
    if str(name) and Path(str(name)).is_dir():
        advice = f"It is a folder: try datasets.from_folder({str(name)!r})."
    return f"name must be one of {len(known)} data sets; got {name!r}. {advice}"


def obtain(card: Card) -> Path:
    """The folder with a set's complete, unpacked files, fetched where it is not here yet.

    Returns:
        a folder in torchvision's layout, or ``NAME-folder``, an image folder from the mirror.

    Raises:
        DataUnavailable: if the set can be had neither from cache, mirror nor download.
    """
    raw = data_cache.working_dir() / "raw"
    originals, folder = raw / card.name, raw / f"{card.name}-folder"
    for prepared in (originals, folder):
        if prepared.is_dir():
            return prepared
    if card.folder_archive is not None and _mirror():
        with _mirror_may_fail():
            return data_cache.fill_folder(folder, lambda to: _unpack(card.folder_archive, to))
    try:
        return data_cache.fill_folder(originals, lambda to: _fill_with_originals(card, to))
    except Exception as error:  # urllib, torchvision and archive readers raise many kinds
        raise DataUnavailable(_unavailable(card, error)) from error


def fetch(file: str, mirror: str, to: Path) -> Path:
    """Copy one file from a mirror, a folder or URL, into the folder ``to``.

    Raises:
        FileNotFoundError: if the mirror does not hold it.
        OSError: if the mirror cannot be reached.
    """
    to.mkdir(parents=True, exist_ok=True)
    if "://" not in mirror:
        if not Path(mirror).expanduser().is_dir():
            raise NotADirectoryError("there is no such folder")
        return Path(shutil.copyfile(Path(mirror).expanduser() / file, to / file))
    url = f"{mirror.rstrip('/')}/{urllib.parse.quote(file)}"
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as source:
            with open(to / file, "wb") as copy:
                shutil.copyfileobj(source, copy, _BLOCK_BYTES)
            expected = source.headers.get("Content-Length")
    except urllib.error.URLError as error:
        missing = getattr(error, "code", None) == 404 or isinstance(error.reason, FileNotFoundError)
        raise FileNotFoundError(url) if missing else OSError(f"{url}: {error.reason}") from error
    if expected is not None and int(expected) != (to / file).stat().st_size:
        raise OSError(f"{url} broke off before its end")
    return to / file


def sha256(path: Path) -> str:
    """The SHA-256 sum of a file, in hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mirror() -> str | None:
    return os.environ.get("IMGREC_MIRROR") or None


@contextlib.contextmanager
def _mirror_may_fail() -> Iterator[None]:
    """Go on without the mirror: quietly where it lacks a file, else with a warning."""
    try:
        yield
    except FileNotFoundError:
        pass
    except Exception as error:  # a damaged archive raises many kinds
        warnings.warn(
            f"IMGREC_MIRROR={_mirror()} could not be used: {error}. Trying the download.",
            stacklevel=2,
        )


def _unpack(archive: Archive, to: Path) -> None:
    path = fetch(archive.file, _mirror(), to)
    found = sha256(path)
    if found != archive.sha256:
        raise ValueError(
            f"{archive.file} is not the file that was published (sha256 {found[:16]}..., "
            f"expected {archive.sha256[:16]}...); copy it there again"
        )
    with tarfile.open(path) as tar:
        tar.extractall(to, filter="data")
    path.unlink()


def _fill_with_originals(card: Card, to: Path) -> None:
    """Originals from the mirror where it has them; torchvision checks them and gets the rest."""
    for place in map(Path, card.files if _mirror() else ()):
        with _mirror_may_fail():
            fetch(place.name, _mirror(), to / place.parent)
    with _socket_timeout():
        _download(card.name, str(to))


def _download(name: str, root: str) -> None:
    from torchvision import datasets

    match name:
        case "cifar10":
            datasets.CIFAR10(root, download=True)
        case "gtsrb":
            datasets.GTSRB(root, "train", download=True)
            datasets.GTSRB(root, "test", download=True)
        case "pets":
            datasets.OxfordIIITPet(root, download=True)
        case "fashion-mnist":
            datasets.FashionMNIST(root, download=True)


@contextlib.contextmanager
def _socket_timeout() -> Iterator[None]:
    """torchvision sets no timeout, and a network that swallows packets would hang for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _unavailable(card: Card, error: Exception) -> str:
    files = [Path(file).name for file in card.files]
    if card.folder_archive is not None:
        files[0] += f" or {card.folder_archive.file}"
    source = f"IMGREC_MIRROR={_mirror()} or download" if _mirror() else "download"
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__  # on one line
    return (
        f"{card.title} could not be had by {source}: {reason}. "
        f"Try again with a network, or put {', '.join(files)} from {card.url} into a folder and "
        f"set IMGREC_MIRROR to it; until then, datasets.load({card.go_on_with!r}) works offline."
    )
