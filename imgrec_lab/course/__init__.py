"""What every lesson calls (``setup``, ``expect``) and the ``imgrec-lab`` command."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from imgrec_lab.course import bench_commands, data_commands, environment, lessons, model_commands


class ContractError(AssertionError):
    """A measured number fell outside the band that the lesson promises."""


def expect(name: str, value: float, low: float, high: float) -> None:
    """Print a measured ``value`` with the band it must lie in, and raise where it does not.

    Args:
        name: what was measured, such as ``test accuracy``.
        value: a number, or a tensor of one element.
        low: the smallest value that is right.
        high: the largest value that is right.

    Raises:
        ContractError: if ``value`` is outside [low, high] or is not a number.
        ValueError: if ``low`` is above ``high``.
    """
    if not low <= high:
        raise ValueError(f"low must not be above high; got low={low}, high={high}. Swap them.")
    value = float(value)
    line = f"{name}: {_number(value)}, expected {low:g}-{high:g}"
    if low <= value <= high:
        print(line)
        return
    raise ContractError(
        f"{name} came out as {value:.6g}, expected {low:g}-{high:g}. {_advice(value)}"
    )


def _number(value: float) -> str:
    whole = value.is_integer() and abs(value) > 1  # a count, not an accuracy of exactly 1
    return f"{value:,.0f}" if whole or abs(value) >= 1000 else f"{value:.3f}"


def _advice(value: float) -> str:
    restart = "Restart the kernel and run from the top, with no cell left out or run twice."
    if math.isnan(value):
        return f"NaN means that a loss or a weight overflowed: try a smaller lr. {restart}"
    return f"{restart} If you changed the code or the data, that change did it."


def setup(lesson_name: str) -> None:
    """Show what this lesson runs on: versions, device, widgets, data and expected minutes.

    Fixes the number of CPU threads where ``IMGREC_THREADS`` is set. What is missing or outside
    the tested versions is said in the table; nothing is installed or replaced.

    Raises:
        ValueError: if there is no such lesson, or ``IMGREC_THREADS`` is not a positive integer.
    """
    from IPython.display import display

    lesson = lessons.find(lesson_name)
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    display(environment.table(lesson))


def main(argv: Sequence[str] | None = None) -> int:
    """The ``imgrec-lab`` command; returns the exit status.

    A new subcommand is one function ``(args) -> int`` and one line in ``_parser``.
    """
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except (FloatingPointError, MemoryError, OSError, ValueError) as error:
        print(f"imgrec-lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("imgrec-lab: interrupted; nothing more was written. Start again.", file=sys.stderr)
        return 130  # what a shell gives a command that Ctrl+C ended


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="imgrec-lab", description="Run and keep the course.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("lab", help="open JupyterLab at the first lesson")
    command.add_argument("--port", type=int, default=None, help="default: the first free from 8888")
    command.set_defaults(run=_lab)

    command = commands.add_parser("train", help="train on a folder of pictures, and test")
    model_commands.add_train_to(command)

    command = commands.add_parser("predict", help="what a trained model sees on pictures")
    model_commands.add_predict_to(command)

    command = commands.add_parser("data", help="list, get, check and describe data sets")
    data_commands.add_to(command)

    command = commands.add_parser("bench", help="measure this machine, compare machines")
    bench_commands.add_to(command)

    command = commands.add_parser("notebooks", help="run notebooks and store their outputs")
    command.add_argument("paths", nargs="*", help="notebooks; default: all of them")
    command.set_defaults(run=_notebooks)

    command = commands.add_parser("readme", help="rewrite the generated tables, badges and cells")
    command.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    command.set_defaults(run=_readme)
    return parser


def _lab(args: argparse.Namespace) -> int:
    from imgrec_lab.course import lab

    return lab.serve(lessons.repository_root(), port=args.port)


def _notebooks(args: argparse.Namespace) -> int:
    from imgrec_lab.course import notebooks

    paths = [Path(path) for path in args.paths] or notebooks.every(lessons.repository_root())
    runs = []
    for path in paths:
        runs.append(notebooks.regenerate(path))
        print(runs[-1], flush=True)
    return int(any(run.failure for run in runs))


def _readme(args: argparse.Namespace) -> int:
    from imgrec_lab.course import notebooks

    stale = notebooks.refresh_course(lessons.repository_root(), write_back=not args.check)
    for path in stale:
        print(f"{'stale' if args.check else 'rewritten'}: {path.name}")
    return int(args.check and bool(stale))
