"""What is wrong with a data set: one call, one report, and nothing is changed.

::

    report = audit.audit("my_pictures")
    print(report)                     # in a notebook, the report shows itself as a table
    report.to_json("findings.json")

Each step is a function of what one pass over the pictures found out (``picture_facts``), so that
each can be read, tested and used alone: ``picture_checks``, ``duplicates`` (with
``near_duplicates``), ``balance``, ``label_errors``; boxes are checked in ``annotations``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from imgrec_lab import annotations, datasets
from imgrec_lab.annotations import AnnotationSet, Finding, Instance, Picture
from imgrec_lab.annotations.bad_records import printable
from imgrec_lab.audit import balance, duplicates, label_errors, picture_checks, picture_facts
from imgrec_lab.audit.picture_facts import Facts
from imgrec_lab.audit.report import Report
from imgrec_lab.datasets import archives, image_files, image_folder

__all__ = ["Report", "audit"]

AnySet = datasets.ImageSet | datasets.SceneSet | datasets.FileSet


def audit(
    source: str | os.PathLike | AnySet | datasets.Splits,
    *,
    format: str | None = None,
    probs: Tensor | None = None,
) -> Report:
    """Look for everything that a program can find wrong with a data set.

    Unreadable, truncated and odd files, copies and near copies, pictures that stand in two parts,
    rare classes, faulty boxes and labels. One bad file never stops the rest.

    Args:
        source: a data set in any format of ``annotations``, one of its label files, or a set in
            memory, or its three parts.
        format: one of ``annotations.FORMATS``; None finds it out.
        probs: (N, K) of ``out_of_fold.predict`` for an ImageSet or FileSet of N pictures: labels
            that they contradict are reported, too.

    Raises:
        ValueError: if nothing can be read there, the classes of parts differ, or probs do not fit.
        TypeError: if the source is none of these.
    """
    if isinstance(source, datasets.Splits):
        facts, thumbnails, labelled = _joined(source._asdict())
        name = source.train.name.removesuffix(" train")
    elif isinstance(source, AnySet):
        facts, thumbnails, labelled = _joined({None: source})
        name = source.name
    elif isinstance(source, (str, os.PathLike)):
        facts, thumbnails, labelled = _from_disk(Path(source).expanduser(), format)
        name = Path(source).expanduser().resolve().name
    else:
        raise TypeError(
            f"source must be a folder, a label file or a data set; got {type(source).__name__}."
        )
    found = [
        *picture_checks.check_pictures(facts),
        *duplicates.check_duplicates(facts, thumbnails),
        *balance.check_balance(counts := _counts(labelled)),
        *labelled.findings,
        *annotations.box_checks.check_boxes(labelled),
        *_doubtful_labels(source, facts, probs),
    ]
    return Report(printable(name), len(facts), counts, _in_order(map(_printable, found)))


def _from_disk(path: Path, format: str | None) -> tuple[list[Facts], Tensor, AnnotationSet]:
    """Pictures first: reading the labels then need not open them again to measure them."""
    if path.name.lower().endswith(archives.ENDINGS) and path.is_file():
        raise ValueError(f"source must be a folder or a label file; unpack {path} first.")
    labelled, root = AnnotationSet((), ()), path
    format = format or _format(path)
    if format is not None:
        root = annotations.picture_root(path, format)
    there = annotations.find_pictures(root)
    others = image_folder.class_files(root) if format == "folder" else {}
    others = {file: others[file] for file in others.keys() - set(there)}
    there = sorted([*there, *others])
    facts, thumbnails = picture_facts.of_files([Facts(file) for file in there], root)
    if format is not None:
        sizes = {found.file: (found.height, found.width) for found in facts if not found.problem}
        try:
            labelled = annotations.read(path, format=format, sizes=sizes)
        except TypeError as error:  # a class whose name is blank
            raise ValueError(f"{path} cannot be used: {error} Rename it.") from error
        labelled = _with_others(labelled, facts, others)
    if not there:  # labels alone
        gone = [Facts(picture.file) for picture in labelled.pictures]
        facts, thumbnails = picture_facts.of_files(gone, root)
    if not facts:
        raise ValueError(f"{path} must hold pictures; there are none below {root}.")
    labelled = replace(labelled, findings=[*labelled.findings, *_wrong_sizes(facts, labelled)])
    known = {picture.file: _known(picture, labelled.classes) for picture in labelled.pictures}
    return [_labelled(found, known.get(found.file)) for found in facts], thumbnails, labelled


def _with_others(
    labelled: AnnotationSet, facts: Sequence[Facts], others: Mapping[str, tuple[str | None, str]]
) -> AnnotationSet:
    """With pictures whose ending is no picture's: training goes by the content of a file.

    Args:
        others: (level, class) of each such file of an image folder.
    """
    named = {  # a backslash cannot stand in labels
        found: others[found.file]
        for found in facts
        if found.file in others and not found.problem and "\\" not in found.file
    }
    classes = tuple(dict.fromkeys([*labelled.classes, *(name for _, name in named.values())]))
    pictures = [
        Picture(
            found.file, found.height, found.width,
            (Instance(classes.index(name), (0.0, 0.0, float(found.width), float(found.height))),),
            level,
        )
        for found, (level, name) in named.items()
    ]  # fmt: skip
    return replace(labelled, pictures=(*labelled.pictures, *pictures), classes=classes)


def _wrong_sizes(facts: Sequence[Facts], labelled: AnnotationSet) -> list[Finding]:
    """Pictures whose labels state another size than they have: the boxes may not fit, either."""
    stated = {picture.file: (picture.height, picture.width) for picture in labelled.pictures}
    return [
        Finding(
            "bad-record", found.file,
            f"its labels say {size[0]} x {size[1]} px (height x width), a viewer shows "
            f"{found.height} x {found.width}",
            "Look whether its boxes fit, then correct the size in the labels.",
        )
        for found in facts
        if not found.problem and (size := stated.get(found.file))
        and size != (found.height, found.width)
    ]  # fmt: skip


def _labelled(found: Facts, known: Facts | None) -> Facts:
    return replace(found, split=known.split, classes=known.classes) if known else found


def _format(path: Path) -> str | None:
    """The format of the labels; None for a folder of pictures alone, which can be audited, too."""
    try:
        return annotations.detect_format(path)
    except ValueError:
        if path.is_dir() and annotations.find_pictures(path):
            return None
        files = image_folder.class_files(path)
        if not any(image_files.header_problem(str(path / file)) is None for file in files):
            raise
        return "folder"


def _joined(parts: dict[str | None, AnySet]) -> tuple[list[Facts], Tensor, AnnotationSet]:
    """Sets in memory, and files, as one; pictures in memory are called "train[0]", "train[1]"."""
    classes = next(iter(parts.values())).classes
    for part, data in parts.items():
        if data.classes != classes:
            raise ValueError(
                f"all parts must have the same classes in the same order; train has {classes}, "
                f"{part} has {data.classes}. Number the labels of both by one list."
            )
    facts: list[Facts] = []
    thumbnails, pictures = [], []
    paths = [path for data in parts.values() for path in getattr(data, "paths", ())]
    root = Path(os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else "")
    seen: set[str] = set()
    for part, data in parts.items():
        if isinstance(data, datasets.FileSet):
            names = [Path(os.path.relpath(path, root)).as_posix() for path in data.paths]
        else:
            names = [f"{part or data.name}[{index}]" for index in range(len(data))]
        own = _distinct(names, seen, part or data.name)
        marked = _pictures(data, own, part)
        known = [_known(picture, data.classes) for picture in marked]
        if isinstance(data, datasets.FileSet):
            where = [replace(fact, file=name) for fact, name in zip(known, names, strict=True)]
            found, small = picture_facts.of_files(where, root)
            found = [replace(fact, file=name) for fact, name in zip(found, own, strict=True)]
        else:
            found, small = picture_facts.of_images(known, data.images)
        facts += found
        thumbnails.append(small)
        pictures += marked
    return facts, torch.cat(thumbnails), AnnotationSet(tuple(pictures), classes)


def _distinct(names: Sequence[str], seen: set[str], part: str) -> list[str]:
    """The names, with its place before each that was seen already: "test[0]: cat/1.png"."""
    own = []
    for index, name in enumerate(names):
        own.append(f"{part}[{index}]: {name}" if name in seen else name)
        seen.add(name)
    return own


def _pictures(data: AnySet, names: Sequence[str], part: str | None) -> list[Picture]:
    """Pictures of a set in memory under these names, each with what its labels say."""
    height, width = data.images.shape[2:] if hasattr(data, "images") else data.image_size
    if isinstance(data, datasets.SceneSet):
        marks = [annotations.instances_of(target) for target in data.targets]
    else:
        whole = (0.0, 0.0, float(width), float(height))
        marks = [(Instance(label, whole),) for label in data.labels.tolist()]
    return [
        Picture(name, height, width, instances, part)
        for name, instances in zip(names, marks, strict=True)
    ]


def _known(picture: Picture, classes: Sequence[str]) -> Facts:
    named = dict.fromkeys(classes[item.label] for item in picture.instances)
    return Facts(picture.file, picture.split, tuple(named))


def _counts(labelled: AnnotationSet) -> dict[str | None, dict[str, int]]:
    """Labels of each class, by part."""
    times = Counter(
        (picture.split, item.label) for picture in labelled.pictures for item in picture.instances
    )
    return {
        part: {printable(name): times[part, label] for label, name in enumerate(labelled.classes)}
        for part in labelled.splits()
    }


def _doubtful_labels(source: object, facts: Sequence[Facts], probs: Tensor | None) -> list[Finding]:
    if probs is None:
        return []
    if not isinstance(source, (datasets.ImageSet, datasets.FileSet)):
        raise ValueError(
            "probs go with an ImageSet or FileSet, one row a picture; got them with "
            f"{type(source).__name__}. Try audit(splits.train, probs=probs)."
        )
    return [
        Finding(
            "label-error", facts[suspect.index].file,
            f"labelled {source.classes[suspect.given]!r} ({suspect.score:.2f}); a model trained on "
            f"the others says {source.classes[suspect.suggested]!r}",
            "Look at it; widgets.label_corrector shows all suspects, one after another.",
        )
        for suspect in label_errors.find_label_errors(source.labels, probs)
    ]  # fmt: skip


def _printable(finding: Finding) -> Finding:
    """Names as any output takes them, also of files that are not named in UTF-8."""
    kind, file, reason, advice, others = finding
    return Finding(
        kind, printable(file), printable(reason), printable(advice), tuple(map(printable, others))
    )


def _in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """By kind, and of two findings of one kind about one file, the first."""
    once: dict[tuple, Finding] = {}
    for finding in found:
        key = finding.kind, finding.file, finding.reason
        if finding.kind in ("unreadable", "truncated"):  # reading labels may have noticed it, too
            key = "unreadable", finding.file
        once.setdefault(key, finding)
    return tuple(sorted(once.values(), key=lambda finding: annotations.KINDS.index(finding.kind)))
