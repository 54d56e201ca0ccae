"""Image folders, one sub-folder a class: how they are laid out, read and written."""

from __future__ import annotations

import difflib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image

from imgrec_lab import runtime
from imgrec_lab.annotations import picture_files
from imgrec_lab.datasets import image_files, splitting
from imgrec_lab.datasets.image_files import Fit, Unreadable
from imgrec_lab.datasets.image_sets import FileSet, ImageSet
from imgrec_lab.datasets.splitting import Splits

MEMORY_SHARE = 0.5  # of the free memory that a set may take before it is read lazily
_LEVELS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_NO_PICTURES = {"thumbs.db", "desktop.ini"}  # written by file managers, not by people


def from_folder(
    path: str | os.PathLike,
    *,
    image_size: tuple[int, int] = (32, 32),
    channels: int = 3,
    fit: Fit = "crop",
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
    in_memory: bool | None = None,
) -> Splits:
    """Read a folder of pictures with one sub-folder a class, perhaps below train/val/test.

    A missing val or test level is split off from train, stratified, exact duplicates together.
    Files are judged by their content; one that is no picture is left out, with a warning, and
    listed in ``unreadable`` of its part.

    Args:
        path: ``path/cat/1.jpg`` or ``path/train/cat/1.jpg``; classes are in alphabetical order.
        image_size: (height, width) in pixels that every picture is brought to.
        channels: 3 for RGB or 1 for grey.
        fit: how another aspect ratio is met: "crop" its centre, "pad" with black, or "stretch".
        fractions: for training, validation and test; only those of missing levels count.
        seed: of the split.
        in_memory: True gives ImageSets, False FileSets; None chooses by half the free memory.

    Raises:
        ValueError: if the folder is missing, empty, without classes, or holds one class only.
    """
    root = _checked_root(Path(path).expanduser())
    image_files.check_options(image_size=image_size, channels=channels, fit=fit)
    splitting.check_fractions(fractions)
    levels = _find_levels(root)
    _warn_of_folders_beside(levels, root)
    classes = _class_names(root, levels["train"])
    parts = {
        level: _list_files(folder, classes, image_size, channels, fit, f"{root.name} {level}")
        for level, folder in levels.items()
    }
    if not any(map(len, parts.values())):
        raise ValueError(f"{root.name} must hold pictures; all of its class folders are empty.")
    files = splitting.with_missing_parts(parts, fractions=fractions, seed=seed, name=root.name)
    needed_gib = sum(part.size_gib() for part in files)
    if in_memory is None:
        in_memory = needed_gib <= MEMORY_SHARE * runtime.available_memory_gib()
    splits = Splits(*(part.to_memory() if in_memory else _pictures_only(part) for part in files))
    _report(splits, root)
    return splits


def to_folder(image_set: ImageSet, path: str | os.PathLike) -> Path:
    """Write a set as an image folder of PNG files, which ``from_folder`` reads back unchanged.

    Args:
        image_set: what to write; file names count from 0 within each class.
        path: the folder; files of the same names are replaced.

    Returns:
        the folder.

    Raises:
        ValueError: if a class name cannot be a folder's; nothing is written then.
    """
    root = Path(path)
    for name in image_set.classes:
        if not name.strip():
            raise ValueError(f"a class name must do as a folder's name; got {name!r}. Rename it.")
        picture_files.check_folder_name(name, "a class name")
    for k, name in enumerate(image_set.classes):
        members = image_set[image_set.labels == k].images
        folder = root / name
        if len(members):
            folder.mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(members):
            pixels = image.permute(1, 2, 0).squeeze(2).numpy(force=True)  # (H, W, C), grey (H, W)
            Image.fromarray(pixels).save(folder / f"{index:05}.png")
    return root


def class_files(root: Path) -> dict[str, tuple[str | None, str]]:
    """Every file that ``from_folder`` takes for a picture, whatever its ending.

    Args:
        root: an image folder; what is none has no such files.

    Returns:
        path below ``root``, with forward slashes -> (level, class); the level is None where there
        are no levels.
    """
    return {
        Path(path).relative_to(root).as_posix(): (None if folder == root else level, group.name)
        for level, folder in (_find_levels(root) if root.is_dir() else {}).items()
        for group in _sub_folders(folder)
        for path in _files_below(group)
    }


def _checked_root(root: Path) -> Path:
    if root.is_dir():
        return root.resolve()
    if root.exists():
        raise ValueError(f"path must be a folder; {root} is a file. Unpack an archive first.")
    beside = [entry.name for entry in root.parent.iterdir()] if root.parent.is_dir() else []
    near = difflib.get_close_matches(root.name, beside, n=1)
    advice = f"Did you mean {root.parent / near[0]}?" if near else f"Looked from {Path.cwd()}."
    raise ValueError(f"path must be a folder; there is no {root}. {advice}")


def _find_levels(root: Path) -> dict[str, Path]:
    """The folders of the train, val and test levels; {"train": root} where there are none."""
    folders = _sub_folders(root)
    by_name = {folder.name.lower(): folder for folder in folders}
    levels = {}
    for level, spellings in _LEVELS.items():
        found = [by_name[name] for name in spellings if name in by_name]
        if found and _sub_folders(found[0]):
            levels[level] = found[0]
    return levels if "train" in levels else {"train": root}


def _warn_of_folders_beside(levels: dict[str, Path], root: Path) -> None:
    used = (root, *levels.values())
    ignored = [folder.name for folder in _sub_folders(root) if folder not in used]
    if ignored and levels["train"] != root:
        warnings.warn(
            f"{root} has a {levels['train'].name} level, so these folders beside it are ignored: "
            f"{', '.join(ignored)}.",
            stacklevel=3,
        )


def _class_names(root: Path, train: Path) -> tuple[str, ...]:
    folders = _sub_folders(train)
    if not folders:
        number = sum(1 for entry in train.iterdir() if _is_candidate(entry.name))
        came = f"{number} files but no sub-folders" if number else "nothing"
        raise ValueError(
            f"{root} must hold one sub-folder of pictures a class; it holds {came}. "
            f"Put the pictures of each class into a folder of its name: {train / 'cat/1.jpg'}."
        )
    if len(folders) == 1:
        raise ValueError(
            f"{root} must hold at least two classes; the only sub-folder is {folders[0].name!r}. "
            "Add a folder of pictures that show something else."
        )
    return tuple(folder.name for folder in folders)


def _list_files(
    level: Path,
    classes: tuple[str, ...],
    image_size: tuple[int, int],
    channels: int,
    fit: Fit,
    name: str,
) -> FileSet:
    paths: list[str] = []
    labels: list[int] = []
    unknown = [folder.name for folder in _sub_folders(level) if folder.name not in classes]
    if unknown:
        raise ValueError(
            f"{level} must hold only classes of the training level; it also holds "
            f"{unknown[0]!r}. Classes there: {', '.join(classes[:10])}."
        )
    for label, class_name in enumerate(classes):
        files = _files_below(level / class_name)
        paths += files
        labels += [label] * len(files)
    labels = torch.tensor(labels, dtype=torch.int64)
    return FileSet(tuple(paths), labels, classes, image_size, channels, fit, name)


def _pictures_only(part: FileSet) -> FileSet:
    """The files whose first bytes are a picture's; the others in ``unreadable``."""
    with ThreadPoolExecutor(image_files.thread_count(part.paths)) as pool:
        problems = list(pool.map(image_files.header_problem, part.paths, chunksize=64))
    kept = [index for index, problem in enumerate(problems) if problem is None]
    bad = [Unreadable(part.paths[i], why) for i, why in enumerate(problems) if why is not None]
    return replace(part[kept], unreadable=tuple(bad))


def _report(splits: Splits, root: Path) -> None:
    """Warn of files that were left out, and refuse what is then too little to learn from."""
    bad = [item for part in splits for item in part.unreadable]
    total = sum(map(len, splits)) + len(bad)
    listed = "; ".join(f"{os.path.relpath(path, root)}: {reason}" for path, reason in bad[:5])
    present = [name for name, count in splits.train.counts().items() if count]
    if len(present) < 2:
        raise ValueError(
            f"{root} must hold readable training pictures of at least two classes; it holds them "
            f"of {len(present)}, and {len(bad)} of {total} files cannot be read"
            + (f" ({listed})." if listed else ".")
        )
    empty = [name for name in splits.train.classes if name not in present]
    if empty:
        warnings.warn(
            f"no readable training picture of {', '.join(map(repr, empty[:5]))}", stacklevel=3
        )
    if bad:
        warnings.warn(
            f"{len(bad)} of {total} files in {root} are no readable pictures and were left out "
            f"(see .unreadable): {listed}" + ("; ..." if len(bad) > 5 else ""),
            stacklevel=3,
        )


def _sub_folders(folder: Path) -> list[Path]:
    """Sub-folders in alphabetical order, without hidden ones."""
    entries = [entry for entry in folder.iterdir() if entry.is_dir()]
    return sorted(entry for entry in entries if not entry.name.startswith((".", "__MACOSX")))


def _files_below(folder: Path) -> list[str]:
    """Every file at any depth, in alphabetical order; hidden ones and file managers' own apart."""
    return [
        os.path.join(parent, name)
        for parent, names in picture_files.walk(folder)
        for name in names
        if _is_candidate(name)
    ]


def _is_candidate(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _NO_PICTURES
