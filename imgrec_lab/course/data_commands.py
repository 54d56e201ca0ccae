"""The ``imgrec-lab data`` commands: which sets there are, get them, check them, describe them."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgrec_lab.datasets import Splits
    from imgrec_lab.datasets.registry import Card


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add the commands to the parser of ``imgrec-lab data``."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="the sets that have a name, and which are here")
    command.set_defaults(run=_while_read(_list))

    command = commands.add_parser("get", help="download sets, or take them from IMGREC_MIRROR")
    command.add_argument("names", nargs="+", metavar="NAME", help="see imgrec-lab data list")
    command.set_defaults(run=_while_read(_get))

    command = commands.add_parser(
        "check",
        help="say what is wrong with a set; status 1 if anything is",
        description="Audit a set. Exit status: 0 nothing found, 1 findings, 2 it cannot be read.",
    )
    command.add_argument("data", metavar="PATH_OR_NAME", help="a folder, a label file or a name")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the findings there too")
    command.set_defaults(run=_while_read(_check))

    command = commands.add_parser("card", help="print the data set card as Markdown")
    command.add_argument("data", metavar="NAME_OR_FOLDER")
    command.set_defaults(run=_while_read(_card))


def _while_read(command: Callable[[argparse.Namespace], int]) -> Callable:
    """The command, which ends without a word when its reader does, as in ``... list | head -1``."""

    @functools.wraps(command)
    def run(args: argparse.Namespace) -> int:
        try:
            status = command(args)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered
            return 141  # what a shell gives a command that its pipe ended
        return status

    return run


def _list(args: argparse.Namespace) -> int:
    from imgrec_lab.datasets import data_cache, registry

    row = "{:14} {:>8} {:>4} {:6} {:45} {}"
    print(row.format("name", "pictures", "MB", "here", "what", "licence"))
    for card in registry.CARDS:
        here = "always"
        if card.files:
            here = "yes" if registry.unpacked(card, data_cache.data_dir()) else "no"
        pictures = f"{sum(card.pictures.values()):,}"
        print(row.format(card.name, pictures, card.download_mb, here, card.brief, card.licence))
    return 0


def _get(args: argparse.Namespace) -> int:
    from imgrec_lab.datasets import DataUnavailable, registry

    status = 0
    for card in [_known(name) for name in args.names]:  # a wrong name stops before any download
        if not card.files:
            print(f"{card.name}: nothing to get; datasets.load({card.name!r}) works offline")
            continue
        try:
            print(f"{card.name}: {registry.obtain(card)}", flush=True)
        except DataUnavailable as error:
            print(f"imgrec-lab: {error}", file=sys.stderr)
            status = 2
    return status


def _check(args: argparse.Namespace) -> int:
    from imgrec_lab import atomic_files, audit

    if args.json and (args.json.is_dir() or not args.json.parent.is_dir()):
        raise ValueError(
            f"--json must be a file in a folder that is there; got {args.json}. Make the folder."
        )
    report = audit.audit(_readable(args.data))
    print(report)
    if args.json:
        atomic_files.write_text(args.json, report.to_json())
    return int(bool(report.findings))


def _card(args: argparse.Namespace) -> int:
    from imgrec_lab.course import dataset_card

    chosen = _path_or_card(args.data)
    if not isinstance(chosen, Path):
        print(dataset_card.published_card(chosen), end="")
        return 0
    from imgrec_lab import annotations, audit
    from imgrec_lab.annotations import bad_records

    findings = audit.audit(chosen).findings
    labelled = annotations.read(chosen)
    name = chosen.resolve().name
    card = dataset_card.dataset_card(labelled, name=name, findings=findings)
    print(bad_records.printable(card), end="")
    return 0


def _readable(data: str) -> Path | Splits:
    """What an audit reads: a path, the folder of a set with label files, or the set in memory."""
    from imgrec_lab import datasets
    from imgrec_lab.datasets import registry

    chosen = _path_or_card(data)
    if isinstance(chosen, Path):
        return chosen
    if chosen.annotations:
        return registry.obtain(chosen) / chosen.annotations
    return datasets.load(chosen.name)


def _path_or_card(data: str) -> Path | Card:
    if not data:
        raise ValueError("name a folder, a label file or a set; got nothing. Try . for this one.")
    path = Path(data).expanduser()
    if path.exists():
        return path
    try:
        return _known(data)
    except ValueError as error:
        raise ValueError(f"there is no file or folder {data}, and as a set's {error}") from None


def _known(name: str) -> Card:
    from imgrec_lab.datasets import registry

    card = registry.find_card(name)
    if card is None:
        raise ValueError(registry.unknown_name(name, [known.name for known in registry.CARDS]))
    return card
