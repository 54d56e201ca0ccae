"""The data sets that bear a name: their cards, and how the files of the public ones get here.

The cards are read from ``registry.toml``. Files come from the cache, else from ``IMGREC_MIRROR``
(a folder or URL that holds the archives: one copy for a classroom without internet), else from the
addresses on the card. They are checked, unpacked into a temporary folder and renamed, so what is
half there is never read.
"""

import contextlib
import difflib
import os
import shutil
import tomllib
import urllib.parse
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from imgrec_lab.datasets import archives, data_cache, downloads


class DataUnavailable(OSError):
    """A data set could not be had; the message says why, what to do and what to go on with."""


@dataclass(frozen=True)
class File:
    """One file of a data set, as its authors or a classroom mirror hold it.

    Attributes:
        name: of the file.
        num_bytes, sha256, md5: as published; None where no one published it.
        sources: addresses that are tried in this order, after the mirror.
        folder: where it is unpacked, below the folder of the set.
        members: which parts of the archive are wanted; none means all.
        note: what one must know before using it.
        layout: "folder" for an image folder, "" for the layout of the originals.
    """

    name: str
    num_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    sources: tuple[str, ...] = ()
    folder: str = ""
    members: tuple[str, ...] = ()
    note: str = ""
    layout: str = ""


@dataclass(frozen=True)
class Card:
    """What one should know of a data set before using it.

    Attributes:
        name: what ``datasets.load`` takes.
        title, licence, url: of the original publication.
        brief, what: a few words for a table; a sentence with the numbers.
        pictures: how many, by the parts of its authors; "all" where they did not split it.
        num_classes: K.
        image_size: (height, width) in pixels that ``load`` gives unless another is asked for.
        split: where the three parts of ``load`` come from.
        limits: what the set is not.
        go_on_with: the set that serves where this one cannot be had.
        download_mb: size of the original files; 0 for a set that needs none.
        annotations: the folder below its own whose labels ``annotations.read`` knows, or "".
        contents: how many files must match a pattern, where no published sum vouches for them.
        files: the originals, all of which are needed.
        instead: archives of the same pictures, each complete, that a mirror may hold instead.
    """

    name: str
    title: str
    brief: str
    what: str
    licence: str
    url: str
    pictures: Mapping[str, int]
    num_classes: int
    image_size: tuple[int, int]
    split: str
    limits: str
    go_on_with: str = ""
    download_mb: int = 0
    annotations: str = ""
    contents: Mapping[str, int] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    instead: tuple[File, ...] = ()


def _read_cards() -> tuple[Card, ...]:
    """All cards, from beside this module where it is installed, else from the repository."""
    path = Path(__file__).with_name("registry.toml")
    if not path.is_file():
        path = Path(__file__).parents[2] / "datasets" / "registry.toml"
    return tuple(map(_card, tomllib.loads(path.read_text("utf-8"))["set"]))


def _card(values: dict[str, Any]) -> Card:
    values["files"] = tuple(map(_file, values.pop("file", ())))
    values["instead"] = tuple(map(_file, values.pop("instead", ())))
    return Card(**values | {"image_size": tuple(values["image_size"])})


def _file(values: dict[str, Any]) -> File:
    lists = {key: tuple(values.get(key, ())) for key in ("sources", "members")}
    return File(**values | lists)


CARDS = _read_cards()


def find_card(name: str) -> Card | None:
    """The card of a set, or None."""
    return next((card for card in CARDS if card.name == name), None)


def unknown_name(name: str, known: Sequence[str]) -> str:
    """The sentence for a name that no set bears, with the nearest one that does."""
    near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]!r}?" if near else f"Try one of {', '.join(known)}."
    if str(name) and Path(str(name)).is_dir():
        advice = f"It is a folder: try datasets.from_folder({str(name)!r})."
    return f"name must be one of {len(known)} data sets; got {name!r}. {advice}"


def unpacked(card: Card, data: Path) -> Path | None:
    """The folder with a set's complete files below the data folder; None if they are not here."""
    layouts = ["", *(file.layout for file in card.instead)]
    folders = (_folder(card, layout, data) for layout in layouts)
    return next((folder for folder in folders if folder.is_dir()), None)


def obtain(card: Card) -> Path:
    """The folder with a set's complete, unpacked files, fetched where it is not here yet.

    Returns:
        a folder in the layout of the originals, or ``NAME-folder``, an image folder.

    Raises:
        DataUnavailable: if the set can be had neither from cache, mirror nor download.
        ValueError: if the set is drawn or comes with a library.
    """
    if here := unpacked(card, data_cache.data_dir()):  # which may be shared and read-only
        return here
    if not card.files:
        raise ValueError(f"{card.name} needs no files; use datasets.load({card.name!r}).")
    data = data_cache.working_dir()
    part_way = data / "downloads" / card.name
    part_way.parent.mkdir(exist_ok=True)
    with FileLock(f"{part_way}.lock"):  # a second process waits, and finds the set here
        if here := unpacked(card, data):
            return here
        part_way.mkdir(exist_ok=True)
        folder = _fetch_set(card, data, part_way)
        shutil.rmtree(part_way)
    return folder


def _fetch_set(card: Card, data: Path, part_way: Path) -> Path:
    for file in card.instead if _mirror() else ():
        with _mirror_may_fail():
            path = _from_mirror(file, part_way)
            return _unpack_set(card, {file: path}, _folder(card, file.layout, data))
    try:
        paths = {file: _fetch(file, part_way) for file in card.files}
        return _unpack_set(card, paths, _folder(card, "", data))
    except Exception as error:  # urllib and the archive readers raise many kinds
        if isinstance(error, ValueError):  # a wrong archive: the next try must not find it here
            shutil.rmtree(part_way)
        raise DataUnavailable(_unavailable(card, error)) from error


def _folder(card: Card, layout: str, data: Path) -> Path:
    return data / "raw" / (f"{card.name}-{layout}" if layout else card.name)


def _fetch(file: File, part_way: Path) -> Path:
    """The complete, checked file: from an earlier try, the mirror or the first source that has it.

    Raises:
        OSError: if no source has it, with what each of them said.
    """
    path = part_way / file.name
    if path.is_file():  # it was checked before it got this name
        return path
    if _mirror():
        with _mirror_may_fail():
            return _from_mirror(file, part_way)
    problems = []
    for url in file.sources:
        try:
            return _download(file, url, part_way)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    raise OSError("; ".join(problems))


def _from_mirror(file: File, part_way: Path) -> Path:
    """The checked file, as it lies in the mirror's folder or fetched from its URL.

    Raises:
        FileNotFoundError: if the mirror does not hold it.
        OSError, ValueError: if the mirror cannot be reached, or holds another file.
    """
    mirror = _mirror()
    if "://" in mirror:
        url = f"{mirror.rstrip('/')}/{urllib.parse.quote(file.name)}"
        return _download(file, url, part_way)
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError("there is no such folder")
    path = folder / file.name
    downloads.check(path, num_bytes=file.num_bytes, sha256=file.sha256, md5=file.md5)
    return path


def _download(file: File, url: str, part_way: Path) -> Path:
    return downloads.download(
        url, part_way / file.name, num_bytes=file.num_bytes, sha256=file.sha256, md5=file.md5
    )


def _unpack_set(card: Card, paths: Mapping[File, Path], folder: Path) -> Path:
    num_pictures = sum(card.pictures.values())

    def fill(to: Path) -> None:
        for file, path in paths.items():
            # Pictures hardly shrink when they are packed, and have a few label files each.
            limits = archives.Limits(10 * num_pictures + 1000, 20 * path.stat().st_size + 10**6)
            archives.unpack(path, to / file.folder, limits=limits, members=file.members)
        if not any(file.layout for file in paths):
            _check_contents(card, to)

    return data_cache.fill_folder(folder, fill)


def _check_contents(card: Card, folder: Path) -> None:
    for pattern, expected in card.contents.items():
        found = len(list(folder.glob(pattern)))
        if found != expected:
            raise ValueError(
                f"the archive is not the one that was published: it holds {found} files "
                f"{pattern}, expected {expected}"
            )


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


def _unavailable(card: Card, error: Exception) -> str:
    names = ", ".join(file.name for file in card.files)
    names += "".join(f" or {file.name}" for file in card.instead)
    source = f"IMGREC_MIRROR={_mirror()} or download" if _mirror() else "download"
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__  # on one line
    return (
        f"{card.title} could not be had by {source}: {reason}. "
        f"Try again with a network, or put {names} from {card.url} into a folder and "
        f"set IMGREC_MIRROR to it; until then, datasets.load({card.go_on_with!r}) works offline."
    )
