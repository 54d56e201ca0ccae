"""Call a learner's function without harm: keep what happens, say where it failed, time it."""

import contextlib
import copy
import inspect
import io
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Run(NamedTuple):
    """What a function did when called."""

    got: Any
    error: BaseException | None
    printed: str
    changed: list[str]  # names of the arguments that are not what they were


def run(function: Callable, args: tuple, *, names: Sequence[str] = ()) -> Run:
    """Call with copies of ``args``; keep the value, the error, what it prints, what it changes.

    Args:
        function: any; neither an error nor sys.exit nor an interrupt comes through.
        args: left as they are.
        names: of the arguments whose changes are looked for.
    """
    copies, printed, got, error = copy.deepcopy(args), io.StringIO(), None, None
    try:
        with contextlib.redirect_stdout(printed):
            got = function(*copies)
    except (Exception, SystemExit, KeyboardInterrupt) as caught:
        error = caught
    pairs = zip(names, args, copies, strict=False)
    changed = [name for name, before, after in pairs if not _identical(before, after)]
    return Run(got, error, printed.getvalue(), changed)


def _identical(before: Any, after: Any) -> bool:
    if isinstance(before, (list, tuple)):
        same_length = len(before) == len(after)
        return same_length and all(map(_identical, before, after))
    if not isinstance(before, Tensor):
        return before == after
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    return bool(((before == after) | (before.isnan() & after.isnan())).all())


def is_unwritten(error: BaseException, function: Callable) -> bool:
    """Whether the function itself says ``raise NotImplementedError``; torch raises it too."""
    if not isinstance(error, NotImplementedError):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    own = last.filename == _filename(function)
    return own and (not str(error) or (last.line or "").startswith("raise "))


def explain_error(error: BaseException, function: Callable) -> tuple[str, str]:
    """(outcome, sentences) with the last line of the function's own file or cell."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is our own call
    own = [frame for frame in frames if frame.filename == _filename(function)] or frames
    where = f"\nIn line {own[-1].lineno}: {own[-1].line or '(source not at hand)'}" if own else ""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", f"Does a loop never end?{where}"
    what = f"{type(error).__name__}: {error}".removesuffix(": ")
    return "raised an error", f"{what[:300]}{where}"


def _filename(function: Callable) -> str | None:
    return getattr(getattr(inspect.unwrap(function), "__code__", None), "co_filename", None)


def is_slow(function: Callable, reference: Callable, args: tuple, *, times: float) -> bool:
    """Whether the best of three runs takes over ``times`` the reference's processor time."""
    allowed = times * min(_cpu_seconds(reference, args) for _ in range(3))
    return all(_cpu_seconds(function, args) > allowed for _ in range(3))


def _cpu_seconds(function: Callable, args: tuple) -> float:
    start = time.process_time()
    run(function, args)
    return time.process_time() - start
