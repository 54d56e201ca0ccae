"""YOLO: one text file a picture, a row for each object, in fractions of the picture.

Source: https://docs.ultralytics.com/datasets/detect/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from imgrec_lab.annotations import bad_records, picture_files, yolo_layout, yolo_rows
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.gathering import Gathering
from imgrec_lab.annotations.picture_files import PICTURE_FOLDERS, PictureFolder, Sizes
from imgrec_lab.annotations.records import AnnotationSet, Picture
from imgrec_lab.annotations.yolo_layout import CLASSES_FILE, MOST_CLASSES, Layout

_MOST_MIB = 16  # of one picture's labels


def recognises(path: Path) -> bool:
    """Whether ``path`` is a data.yaml, or a folder with one or with YOLO's label files."""
    if path.is_file():
        return path.suffix.lower() in (".yaml", ".yml")
    if yolo_layout.yaml_file(path) or any(path.glob("labels/**/*.txt")):
        return True
    parts = (file.relative_to(path).as_posix() for file in path.glob("*/labels/*.txt"))
    if any(map(picture_files.split_of_folders, parts)):
        return True
    return (path / CLASSES_FILE).is_file() and Layout(path, PictureFolder(path)).beside


def read(path: Path, images: Path | None = None, sizes: Sizes | None = None) -> AnnotationSet:
    """Read the labels of a data set; what cannot be used becomes findings.

    Fractions become pixels by the sizes in the pictures' headers, so the pictures must be there.
    A label file without a row belongs to a picture that shows nothing.

    Raises:
        ValueError: if there are no pictures.
    """
    reader = _Reader(path, images, sizes)
    if not reader.pictures.files:
        raise ValueError(
            f"YOLO's labels are fractions of the pictures, and {reader.pictures.root} holds none. "
            "Give images=, the folder of pictures."
        )
    for file in reader.pictures.files:
        try:
            reader.add(file)
        except BadRecord as error:
            reader.findings.append(error.found_in(file))
    return reader.result()


def homes(annotation_set: AnnotationSet) -> dict[str, str]:
    """Where each picture goes below ``images``: into the folder of its split."""
    return {picture.file: _home(picture) for picture in annotation_set.pictures}


def _home(picture: Picture) -> str:
    """Folders that say only "pictures" or the split are left out of the picture's own path."""
    *parents, name = picture.file.split("/")
    parents = [part for part in parents if part.lower() not in PICTURE_FOLDERS]
    if picture.split is None:
        return "/".join([*parents, name])
    if parents and picture_files.split_name(parents[0]) == picture.split:
        del parents[0]
    return "/".join([picture.split, *parents, name])


class _Reader(Gathering):
    """Gathers label files, picture by picture."""

    def __init__(self, path: Path, images: Path | None, sizes: Sizes | None):
        super().__init__(picture_files.data_folder(path), images, "yolo", sizes)
        self._layout = Layout(self.folder, self.pictures)
        self._picture_of: dict[str, str] = {}  # by label file
        described = yolo_layout.describe(path)
        self.findings += described.findings
        self._split_of = described.split_of
        self._names = described.names
        numbers = map(str, range(MOST_CLASSES))
        self._label_of = [self.label(name) for name in self._names or numbers]

    def add(self, file: str) -> None:
        """The labels of one picture, where there are some."""
        name = self._layout.find(file)
        if name is None:
            return
        other = self._picture_of.setdefault(name, file)
        self.claim(file)
        if other != file:
            raise BadRecord(
                f"its labels {name} are those of {other}, too", "Rename one of the two."
            )
        height, width = self.pictures.size(file)
        instances = []
        for number, row in enumerate(bad_records.read_text(self.folder / name).splitlines(), 1):
            try:
                if row.strip():
                    instances.append(yolo_rows.to_instance(row, self._label_of, height, width))
            except BadRecord as error:
                self.findings.append(error.found_in(name, f"line {number}"))
        split = self._split(self._layout.place(file))
        self.found[file] = Picture(file, height, width, tuple(instances), split)

    def _split(self, place: str) -> str | None:
        """As data.yaml has it, by the nearest folder that it names; else by a folder's name."""
        path = PurePosixPath(place)
        for named in (path, *path.parents):
            if str(named) in self._split_of:
                return self._split_of[str(named)]
        return picture_files.split_of_folders(place)

    def result(self, *, alphabetical: bool = False) -> AnnotationSet:
        """All that was gathered, and what the labels alone show."""
        alone = BadRecord("its picture is not there", "Add it, or remove the labels.", "no-picture")
        self.findings += map(alone.found_in, self._layout.labels_besides(self._picture_of))
        if self._names is None:
            used = {item.label for picture in self.found.values() for item in picture.instances}
            self.labels = {str(number): number for number in range(max(used, default=-1) + 1)}
            unnamed = BadRecord("no file names the classes; they go by their numbers", "Write it.")
            self.findings.append(unnamed.found_in(CLASSES_FILE))
        return super().result(alphabetical=alphabetical)


# ------------------------------------------------------------------------------------------ writing


def label_texts(
    annotation_set: AnnotationSet,
    folder: Path,
    only: Collection[str] | None,
    images: Path | None = None,
) -> dict[str, str]:
    """The text of each label file and of data.yaml, by its path in the data set ``folder``.

    A data.yaml or classes.txt that is there changes in its names alone. With ``only``, its classes
    keep their numbers, and those that it lacks get the next ones; without, the set's order counts.

    Raises:
        ValueError: if two pictures would share a label file, what would be written over cannot be
            read, or with ``only``, a class is named more than once.
    """
    picture_files.unique_stems(annotation_set.pictures)
    root = picture_files.picture_root(folder, "yolo")
    layout = Layout(folder, PictureFolder(images or root))
    file, classes = yolo_layout.names_file(folder), annotation_set.classes
    names = None if file is None else yolo_layout.names_to_keep(file)
    if names is not None and only is not None:
        _check_unique(names, file)
        classes = tuple(dict.fromkeys((*names, *classes)))
    number_of = {name: number for number, name in enumerate(classes)}
    numbers = [number_of[name] for name in annotation_set.classes]
    texts = {}
    for picture in annotation_set.pictures:
        if only is None or picture.file in only:
            name = layout.label_name(picture.file)
            _check_readable(folder / name)
            texts[name] = _rows(picture, numbers)
    if file is None:
        below = root.relative_to(folder).as_posix() if folder.is_dir() else "images"
        texts["data.yaml"] = yolo_layout.new_text(annotation_set, below)
    elif names != classes:
        texts[file.name] = yolo_layout.names_text(file, classes)
    return texts


def _check_unique(names: Sequence[str], file: Path) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise ValueError(
            f"{file} must name each class once, so that the labels of other pictures keep their "
            f"numbers; it names {repeated[0]!r} more than once. Rename one, or save all pictures."
        )


def _check_readable(path: Path) -> None:
    if path.exists():
        with bad_records.kept(path):
            bad_records.read_text(path)


def _rows(picture: Picture, numbers: Sequence[int]) -> str:
    """The rows of a picture; ``numbers`` are those of the set's classes in the files."""
    rows = (yolo_rows.from_instance(i, picture, numbers[i.label]) for i in picture.instances)
    return "".join(f"{row}\n" for row in rows)
