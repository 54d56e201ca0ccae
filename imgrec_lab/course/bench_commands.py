"""The ``imgrec-lab bench`` commands: measure this machine, and compare machines."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgrec_lab.bench import Report


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add options and the command ``compare`` to the parser of ``imgrec-lab bench``."""
    parser.description = "Measure this machine: arithmetic, memory, a training loop, energy."
    parser.add_argument(
        "--quick", action="store_true", help="within a minute, without torch.compile"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="add the report to FILE, to compare machines"
    )
    parser.set_defaults(run=_bench)
    commands = parser.add_subparsers(metavar="compare")

    command = commands.add_parser("compare", help="lay the reports of machines side by side")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what --json wrote")
    command.add_argument("--png", type=Path, metavar="FILE", help="default: beside the first file")
    command.set_defaults(run=_compare)


def _bench(args: argparse.Namespace) -> int:
    if args.json:
        _check_target(args.json)
        if args.json.exists():
            _read(args.json)  # refused now, not after minutes of measuring
    from imgrec_lab import bench
    from imgrec_lab.course import bench_tables

    how_long = "up to a minute" if args.quick else "some minutes"
    _tell(f"measuring for {how_long}; let other programs rest")
    report = bench.machine_report(quick=args.quick, say=_tell)
    print(bench_tables.report_text(report))
    if args.json:
        before = _read(args.json) if args.json.exists() else ()
        reports = bench.merge_reports(before, [report])
        bench.save_reports(reports, args.json)
        print(f"\nwritten to {args.json}; reports in that file: {len(reports)}")
    return 0


def _compare(args: argparse.Namespace) -> int:
    png = args.png or args.files[0].with_name(f"{args.files[0].stem}_compared.png")
    if png.suffix.lower() != ".png":
        raise ValueError(f"--png must be a file whose name ends in .png; got {png}.")
    _check_target(png)
    from imgrec_lab import bench
    from imgrec_lab.course import bench_tables

    reports = bench.merge_reports(*map(_read, args.files))
    if len(reports) < 2:
        raise ValueError(
            "compare needs two different reports; these files hold one. Measure another machine "
            "with imgrec-lab bench --json FILE, and name both files."
        )
    print(bench_tables.comparison_text(reports))
    _draw(reports, png)
    print(f"\ndrawn in {png}")
    return 0


def _draw(reports: tuple[Report, ...], path: Path) -> None:
    import matplotlib.pyplot as plt

    from imgrec_lab import atomic_files, bench, plots

    axes = plots.machines(bench.compare_reports(reports))
    figure = axes[0].figure
    atomic_files.write_atomically(path, lambda file: figure.savefig(file, format="png"))
    plt.close(figure)


def _read(path: Path) -> tuple[Report, ...]:
    from imgrec_lab import bench

    return bench.read_reports(path)


def _check_target(path: Path) -> None:
    folder = path.parent
    if path.is_dir() or not folder.is_dir():
        raise ValueError(
            f"results go to a file in a folder that is there; got {path}. Make the folder, or "
            "name another file."
        )
    if not os.access(folder, os.W_OK):
        raise ValueError(f"no permission to write into the folder of {path}. Name another file.")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
