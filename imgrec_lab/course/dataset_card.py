"""Data set cards as Markdown: of a published set, and of one's own pictures."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgrec_lab.annotations.findings import Finding
    from imgrec_lab.annotations.records import AnnotationSet
    from imgrec_lab.datasets.registry import Card, File

_WIDTH = 100
_TO_FILL_IN = "*to be filled in*"
_USUAL_ORDER = {"train": 0, "val": 1, "test": 2}


def dataset_card(
    labelled: AnnotationSet, *, name: str, findings: Sequence[Finding] | None = None
) -> str:
    """The card of a set that was read from files: what can be counted, and what a person must add.

    Args:
        labelled: its pictures and labels.
        name: what the set is called.
        findings: of an audit; None says that there was none.

    Raises:
        ValueError: if the set holds no picture.
    """
    if not labelled.pictures:
        raise ValueError(f"{name} must hold at least one picture to be described; it holds none.")
    facts = [
        f"What: {_TO_FILL_IN}: who took these pictures, where, when, with what, and what for.",
        f"Licence: {_TO_FILL_IN}: who may use them for what; do people in them agree?",
        f"Labels: {_TO_FILL_IN}: who drew them, by which rules; who checked them?",
        f"Pictures: {len(labelled):,}, {_sizes(labelled)}; {_formats(labelled)}.",
        f"Classes: {len(labelled.classes)}, {sum(labelled.counts().values()):,} labels.",
        f"Limits: {_TO_FILL_IN}: what is not in these pictures that will be met in use?",
    ]
    parts = [f"# {name}", "\n".join(map(_item, facts)), _counts_table(labelled)]
    return "\n\n".join([*parts, f"## Findings of the audit\n\n{_findings(findings)}"]) + "\n"


def published_card(card: Card) -> str:
    """The section of datasets/README.md on a set of the registry."""
    licence = f"Licence: {card.licence}. Source {card.url}"
    facts = [
        f"Name: `{card.name}`.",
        f"What: {card.what}",
        f"{licence}, {card.download_mb} MB." if card.download_mb else f"{licence}.",
        *(f"File: {_file(file)}." for file in card.files),
        *(f"On a mirror instead: {_file(file)}. {file.note}" for file in card.instead),
        f"Parts: {card.split}",
        f"Limits: {card.limits}",
    ]
    return f"### {card.title}\n\n" + "\n".join(map(_item, facts)) + "\n"


def _item(text: str) -> str:
    return textwrap.fill(
        f"- {text}", _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _file(file: File) -> str:
    name = f"[`{file.name}`]({file.sources[0]})" if file.sources else f"`{file.name}`"
    sums = [kind for kind in ("sha256", "md5") if getattr(file, kind)]
    checked = f"checked by {sums[0]}" if sums else "no sum was published: its contents are counted"
    return f"{name}, {checked}"


def _sizes(labelled: AnnotationSet) -> str:
    times = Counter((picture.height, picture.width) for picture in labelled.pictures)
    (size, number), *_ = times.most_common(1)
    if len(times) == 1:
        return f"all {size[0]} x {size[1]} pixels (height x width)"
    heights, widths = zip(*times, strict=True)
    return (
        f"{min(heights)} to {max(heights)} pixels high and {min(widths)} to {max(widths)} wide, "
        f"most often {size[0]} x {size[1]} ({number:,} pictures)"
    )


def _formats(labelled: AnnotationSet) -> str:
    endings = (PurePosixPath(picture.file).suffix.lower() for picture in labelled.pictures)
    return ", ".join(f"{number:,} {ending}" for ending, number in Counter(endings).most_common())


def _counts_table(labelled: AnnotationSet) -> str:
    """Labels of each class and number of pictures, by split."""
    splits = sorted(labelled.splits(), key=lambda split: _USUAL_ORDER.get(split, 3))
    heads = [split or "not split" for split in splits] + (["all"] if len(splits) > 1 else [])
    pictures = Counter(picture.split for picture in labelled.pictures)
    labels = Counter(
        (item.label, picture.split) for picture in labelled.pictures for item in picture.instances
    )
    rows = [("pictures", [pictures[split] for split in splits])]
    rows += [
        (f"`{name}`".replace("|", "\\|"), [labels[label, split] for split in splits])
        for label, name in enumerate(labelled.classes)
    ]
    lines = [f"| labels of class | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for name, counts in rows:
        counts = counts + [sum(counts)] if len(splits) > 1 else counts
        lines.append(f"| {name} | {' | '.join(f'{count:,}' for count in counts)} |")
    return "\n".join(lines)


def _findings(findings: Sequence[Finding] | None) -> str:
    if findings is None:
        return "Not audited."
    if not findings:
        return "None."
    lines = []
    for kind, number in Counter(finding.kind for finding in findings).most_common():
        first = next(finding for finding in findings if finding.kind == kind)
        lines.append(_item(f"{kind}: {number:,}, such as `{first.file}`: {first.reason}"))
    return "\n".join(lines)
