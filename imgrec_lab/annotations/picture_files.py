"""Picture files of a data set: where they lie, what they are called, how large they are."""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from PIL import Image, UnidentifiedImageError

from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.records import AnnotationSet, Picture

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
        ".jp2", ".avif", ".heic",
    }
)  # fmt: skip
PICTURE_FOLDERS = ("images", "jpegimages")  # of pictures, in any case
_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words}
_ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held; 5 to 8 lie on their side
_SAY_ORIENTATION = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}
_WIDTH, _HEIGHT = 256, 257  # TIFF tags

Sizes = Mapping[str, tuple[int, int]]  # (height, width) of a picture by its file


def expanded(path: str | os.PathLike) -> Path:
    """The path with ``~`` as the home folder."""
    return Path(os.path.expanduser(path))


def find_pictures(folder: str | os.PathLike) -> list[str]:
    """Every picture file below ``folder``, judged by its ending; hidden ones apart.

    Returns:
        paths relative to ``folder``, with forward slashes, in alphabetical order.
    """
    return find_files(expanded(folder), SUFFIXES)


def find_files(folder: str | os.PathLike, suffixes: Collection[str]) -> list[str]:
    """As ``find_pictures``, for files of other endings, such as {".xml"}."""
    found = []
    for parent, names in walk(folder):
        below = os.path.relpath(parent, folder).replace(os.sep, "/")
        start = "" if below == "." else f"{below}/"
        found += [start + name for name in names if os.path.splitext(name)[1].lower() in suffixes]
    return sorted(found)


def walk(folder: str | os.PathLike) -> Iterator[tuple[str, list[str]]]:
    """Each folder at or below ``folder`` with the names of its files; hidden ones apart.

    Links are followed, but not back to a folder that they lie in.
    """
    folder = os.fspath(folder)
    places = (*Path(folder).absolute().parents, *Path(os.path.realpath(folder)).parents)
    parents = filter(os.path.exists, places)
    above = {folder: frozenset(map(_identity, parents))}  # the folders that each one lies in
    for parent, folders, names in os.walk(folder, followlinks=True):
        identity, way = _identity(parent), above.pop(parent)
        if identity in way:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        above |= dict.fromkeys((os.path.join(parent, n) for n in folders), way | {identity})
        yield parent, sorted(name for name in names if not name.startswith("."))


def _identity(folder: str | os.PathLike) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def picture_size(path: str | os.PathLike) -> tuple[int, int]:
    """(height, width) of a picture as a viewer shows it, from the file's header alone.

    A photo that lies on its side (EXIF orientation 5 to 8) is measured upright.

    Raises:
        ValueError: if the file does not begin as a picture.
    """
    try:
        return _measured(expanded(path))
    except BadRecord as error:
        raise ValueError(f"{path} {error.reason}. Try opening it in an image viewer.") from error


def open_file(path: str | os.PathLike) -> io.BufferedReader:
    """Open a file for reading; OSError for what is none, such as a pipe, which might never end."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder says so itself
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return open(path, "rb")


def _measured(path: str | os.PathLike) -> tuple[int, int]:
    try:
        with open_file(path) as file, Image.open(file) as image:
            width, height = image.size
            if image.format == "TIFF":  # some versions of Pillow turn its size, some do not
                width, height = image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]
            turned = image.format == "TIFF" or _SAY_ORIENTATION & image.info.keys()
            if turned and image.getexif().get(_ORIENTATION, 1) >= 5:
                width, height = height, width
    except Exception as error:  # a broken header may raise anything inside its decoder
        reason = f"does not begin as a picture: {_reason(error, path)}"
        raise BadRecord(reason, "Replace the picture.", "unreadable") from error
    return height, width


def _reason(error: Exception, path: str | os.PathLike) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, UnidentifiedImageError):
        return "not a format that Pillow knows" if os.path.getsize(path) else "the file is empty"
    return str(error) or type(error).__name__


def data_folder(path: Path) -> Path:
    """The folder of the whole data set that ``path``, a folder or a file of labels, belongs to."""
    if not path.is_file():
        return path
    parent = path.parent
    return parent.parent if parent.name.lower() in ("annotations", "labels") else parent


def picture_root(path: str | os.PathLike, format: str) -> Path:
    """The folder that ``Picture.file`` is relative to.

    ``images`` or ``JPEGImages`` in the data set where there is one, else the data set's own
    folder; always the latter where the format is "folder".
    """
    folder = data_folder(expanded(path))
    if format != "folder" and folder.is_dir():
        by_name = {entry.name.lower(): entry for entry in folder.iterdir() if entry.is_dir()}
        for name in PICTURE_FOLDERS:
            if name in by_name:
                return by_name[name]
    return folder


@functools.cache
def split_name(text: str) -> str:
    """The name of a split as we write it: "val" for "valid" or "val2017"; others stay."""
    return _SPLIT_OF.get(text.lower().rstrip("0123456789_-"), text)


def split_of(name: str) -> str | None:
    """The split that a folder or file is named after, such as "train" for person_train_v2."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((_SPLIT_OF[word] for word in words if word in _SPLIT_OF), None)


def split_of_folders(file: str) -> str | None:
    """The split that one of the folders in a file's path is named after, the outermost first."""
    names = map(split_name, file.split("/")[:-1])
    return next((name for name in names if name in _SPLITS), None)


def split_order(split: str | None) -> tuple[int, str]:
    """A sorting key: train, val and test first, then others by name."""
    known = list(_SPLITS)
    return (known.index(split) if split in known else len(known), split or "")


def relative_path(text: str) -> str:
    """A path as a label gives it, with forward slashes.

    Raises:
        BadRecord: unless it leads to somewhere below the data set.
    """
    path = PurePosixPath(text.replace("\\", "/"))
    absolute = path.is_absolute() or PureWindowsPath(path).drive
    if absolute or ".." in path.parts or "\0" in text:
        raise BadRecord(
            f"the picture's path must lie below the data set; got {text!r}",
            "Write it relative to the folder of pictures.",
        )
    if not path.name.strip():
        raise BadRecord("names no picture", "Name the picture's file.")
    return str(path)


class FileNames:
    """Finds files under names that are spelt a little differently.

    Accents may be composed otherwise (macOS) and cases may differ (Windows).
    """

    def __init__(self, names: Iterable[str]):
        self.names = tuple(sorted(names))
        self._exact = frozenset(self.names)
        self._by_key = {name_key(name): name for name in reversed(self.names)}

    def find(self, name: str) -> str | None:
        """The file of this name, or None."""
        return name if name in self._exact else self._by_key.get(name_key(name))


class PictureFolder:
    """The pictures that are there, found again under the names that labels give them.

    Attributes:
        root: the folder.
        files: paths relative to it, in alphabetical order.
    """

    def __init__(self, root: Path, sizes: Sizes | None = None):
        self.root = root
        self._sizes = sizes or {}
        self.files = tuple(find_pictures(root))
        self._names = FileNames(self.files)
        self._stems = FileNames(map(without_suffix, self.files))
        self._by_stem = {without_suffix(file): file for file in reversed(self.files)}

    def find(self, name: str) -> str | None:
        """The file of this name, which may begin with that of the folder; or None."""
        parent, _, rest = name.partition("/")
        found = self._names.find(name)
        return self._names.find(rest) if found is None and parent == self.root.name else found

    def find_stem(self, stem: str) -> str | None:
        """The file of this name but for its ending, or None."""
        return self._by_stem.get(self._stems.find(stem))

    def locate(self, text: str, prefix: str = "") -> str:
        """The file that a label speaks of; the label's own words where no picture is there at all.

        Args:
            text: as the label has it.
            prefix: leads from ``root`` to where the label's paths begin.

        Raises:
            BadRecord: if the path leads out of the data set, or others are there but not this one.
        """
        name = prefix + relative_path(text)
        found = self.find(name)
        if found is None:
            name = prefix + relative_path(text.strip())
            found = self.find(name)
        if found is None and self.files:
            raise BadRecord(
                f"there is no picture {name}",
                f"Put it into {self.root.name or self.root}, or remove its labels.",
                "no-picture",
            )
        return found or unicodedata.normalize("NFC", name)

    def size(self, file: str) -> tuple[int, int]:
        """(height, width) of ``file``, as it was given or from its header.

        Raises:
            BadRecord: if it cannot be read, or no pictures are there.
        """
        if file in self._sizes:
            return self._sizes[file]
        if not self.files:
            raise BadRecord(
                f"the size of {file} is not given, and the picture is not there to measure it",
                "Give images=, the folder of pictures.",
            )
        try:
            return _measured(self.root / file)
        except BadRecord as error:
            raise BadRecord(f"{file} {error.reason}", error.advice, error.kind) from error


def name_key(name: str) -> str:
    """What two spellings of one file's name have in common."""
    return unicodedata.normalize("NFC", name).casefold()


def without_suffix(file: str) -> str:
    """The path without its ending, as label files are named after pictures."""
    return os.path.splitext(file)[0]


def check_folder_name(name: str, what: str) -> None:
    """Raise ValueError if a folder of this name is none, hidden, or lies elsewhere."""
    if name != Path(name).name or "\\" in name or name.startswith("."):
        raise ValueError(f"{what} must do as a folder's name; got {name!r}. Rename it.")


def own_names(annotation_set: AnnotationSet) -> dict[str, str]:
    """Where each picture goes in a format that leaves it its path."""
    return {picture.file: picture.file for picture in annotation_set.pictures}


def unique_stems(pictures: Iterable[Picture]) -> dict[str, str]:
    """The path without its ending of each picture's file, where labels are named so.

    Raises:
        ValueError: if two pictures differ in their ending alone.
    """
    files: dict[str, str] = {}
    for picture in pictures:
        other = files.setdefault(without_suffix(picture.file), picture.file)
        if other != picture.file:
            raise ValueError(
                f"pictures must differ in more than their ending, since label files are named "
                f"after them; got {other} and {picture.file}. Rename one, or write COCO or CSV."
            )
    return {file: stem for stem, file in files.items()}
