"""Exercises that answer in words: check a learner's function, give hints, show the solution.

A notebook imports the exercises of its lesson as ``ex`` and asks ``ex.conv2d.check(conv2d)``. The
answer says what is wrong, in the smallest case in which it shows. Nothing leaves the machine.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from imgrec_lab.checks import check_results, check_runs, check_values
from imgrec_lab.checks.check_results import Note, Result
from imgrec_lab.checks.check_runs import Run


class Case(NamedTuple):
    """One call of the learner's function: what it is about, and the arguments."""

    about: str
    args: tuple


class Misconception(NamedTuple):
    """A plausible wrong answer, and what to tell a learner whose function gives the same.

    With ``by_shape`` the message also fits every answer that has the same wrong shape.
    """

    wrong: Callable
    message: str
    by_shape: bool = False


class SpeedLimit(NamedTuple):
    """How many times the solution's processor time is fine on the last case; else advice."""

    times: float
    advice: str


@dataclass(frozen=True, repr=False, kw_only=True)
class Exercise:
    """A function for the learner to write.

    Args:
        name: what the learner's function is called.
        title: the task in a few words.
        difficulty: 1 (one idea), 2 (several) or 3 (think first).
        minutes: that it takes most people.
        teaches: a sentence.
        reference: the solution: a function whose docstring is the task and whose source
            ``.solution()`` shows.
        why: a sentence beside the solution.
        cases: gives the cases, smallest and simplest first; called at each check.
        hints: from a nudge to nearly the answer.
        misconceptions: wrong answers that get a message of their own.
        returns: names of what the function returns; several where it returns a tuple.
        tolerance: absolute and relative, for floats; whole numbers must be equal.
        as_picture: whether arguments and results are pictures (H, W), to be drawn.
        without: functions that may not be called, being the point of the exercise.
        speed_limit: where a right but slow answer deserves advice.
        use: (function, *arguments of a case) to what is compared, where that is more than what
            one call returns: several calls, or what they did to a model made for the case.
    """

    name: str
    title: str
    difficulty: int
    minutes: int
    teaches: str
    reference: Callable
    why: str
    cases: Callable[[], Sequence[Case]]
    hints: tuple[str, ...]
    misconceptions: tuple[Misconception, ...]
    returns: tuple[str, ...] = ("result",)
    tolerance: float = 1e-4
    as_picture: bool = False
    without: tuple[str, ...] = ()
    speed_limit: SpeedLimit | None = None
    use: Callable | None = None
    _hints_shown: list[int] = field(default_factory=lambda: [0], init=False, compare=False)

    def __post_init__(self):
        if self.difficulty not in (1, 2, 3):
            raise ValueError(f"difficulty must be 1, 2 or 3; got {self.difficulty!r}.")
        if not self.hints:
            raise ValueError(f"{self.name} must have a hint; got none.")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the function's arguments."""
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of a case's arguments, which are the function's own unless ``use`` is given."""
        return tuple(inspect.signature(self.use).parameters)[1:] if self.use else self.parameters

    @property
    def stub(self) -> str:
        """The function as the learner finds it: signature, docstring and ``...``."""
        lines = inspect.cleandoc(self.reference.__doc__).splitlines()
        end = [] if len(lines) == 1 else [""]
        doc = "\n    ".join([f'"""{lines[0]}', *lines[1:], *end]) + '"""'
        doc = "\n".join(line.rstrip() for line in doc.splitlines())
        return f"def {self.name}{inspect.signature(self.reference)}:\n    {doc}\n    ...\n"

    def check(self, answer: Callable) -> Result:
        """Try the learner's function on every case, smallest first; its faults never raise.

        Args:
            answer: the function itself, not what it returns.

        Returns:
            The Result; of several faults, the one in the smallest failing case.
        """
        if fault := _not_a_fitting_function(self, answer):
            return Result(self.name, *fault)
        cases = tuple(self.cases())
        for number, case in enumerate(cases, 1):
            run = self._run(answer, case)
            if fault := _find_fault(self, answer, run, case, cases):
                place = f"Case {number} of {len(cases)}: {case.about}."
                return _report(self, run, case, *fault, place=place)
        return _praise(self, answer, run, cases)

    def hint(self, step: int | None = None) -> Note:
        """One of the hints: 1 is a nudge, the last is nearly the answer.

        Args:
            step: which one; else the one after the hint shown last, at the end the last again.

        Raises:
            ValueError: if there is no such hint.
        """
        count = len(self.hints)
        if step is None:
            step = min(self._hints_shown[-1] + 1, count)
        if step not in range(1, count + 1):
            raise ValueError(f"{self.name} has the hints 1 to {count}; got {step!r}.")
        self._hints_shown.append(step)
        following = "solution()" if step == count else f"hint({step + 1})"
        text = f"{self.hints[step - 1]}\nStill stuck? ex.{self.name}.{following}"
        return Note(f"{self.name}: hint {step} of {count}", text)

    def solution(self) -> Note:
        """The source of one right answer under the learner's name, and why it is right."""
        source = inspect.getsource(self.reference).rstrip()
        named = f"{self.name} = {self.reference.__name__}"
        return Note(f"{self.name}: one solution of several", self.why, f"{source}\n\n\n{named}")

    def _called(self, function: Callable) -> Callable:
        return functools.partial(self.use, function) if self.use else function

    def _run(self, function: Callable, case: Case) -> Run:
        return check_runs.run(self._called(function), case.args, names=self.arguments)

    def _expected(self, case: Case) -> Any:
        return self._called(self.reference)(*copy.deepcopy(case.args))

    def _note(self) -> Note:
        facts = f"Difficulty {self.difficulty} of 3, about {self.minutes} minutes. {self.teaches}"
        ask = f"Check it: ex.{self.name}.check({self.name}). Stuck? ex.{self.name}.hint()"
        stop = "If a check never comes back, a loop does not end: interrupt the kernel."
        return Note(f"Exercise {self.name}: {self.title}", f"{facts}\n{ask}\n{stop}")

    def __repr__(self) -> str:
        return repr(self._note())

    def _repr_html_(self) -> str:
        return self._note()._repr_html_()


def _not_a_fitting_function(exercise: Exercise, answer: Any) -> tuple[str, str] | None:
    if answer is None or answer is ...:
        return "not attempted", _encourage(exercise)
    if not callable(answer):
        came = check_values.kind(answer)
        text = f"check takes the function itself, without brackets; got {came}."
        return "wrong type", f"{text}\nWrite ex.{exercise.name}.check({exercise.name})."
    try:
        signature = inspect.signature(answer)
    except (ValueError, TypeError):  # some functions written in C have none
        return None
    try:
        signature.bind(*exercise.parameters)
    except TypeError:
        wanted, given = ", ".join(exercise.parameters), ", ".join(signature.parameters)
        return "wrong arguments", f"The function must take ({wanted}); yours takes ({given})."
    return None


def _encourage(exercise: Exercise) -> str:
    return f"Write your own lines in place of the ... and check. Help: ex.{exercise.name}.hint()"


def _find_fault(
    exercise: Exercise, answer: Callable, run: Run, case: Case, cases: Sequence[Case]
) -> tuple[str, str] | None:
    """(outcome, sentences) of a run of one of the cases, None where it is right."""
    if check_runs.is_unwritten(run.error, answer):
        return "not attempted", f"It raises NotImplementedError. {_encourage(exercise)}"
    if run.error is not None:
        return check_runs.explain_error(run.error, answer)
    if run.got is None or run.got is ...:
        text = f"It returns {run.got}. If you have written it already: does it end in `return ...`?"
        return "not attempted", f"{text}\n{_encourage(exercise)}"
    if run.changed:
        text = f"After the call, {run.changed[0]} is not what it was: the caller's data are spoilt."
        return (
            "changed its input",
            f"{text}\nWork on a copy: tensor.clone(), or list(...) of a list.",
        )
    expected = exercise._expected(case)
    names, tolerance = exercise.returns, exercise.tolerance
    fault = check_values.compare(expected, run.got, names=names, tolerance=tolerance)
    if fault is None or _same(exercise, expected, run.got):
        return fault
    message = _recognise(exercise, answer, run.got, case, cases)
    return fault[0], f"{message}\n{fault[1]}" if message else fault[1]


def _same(exercise: Exercise, a: Any, b: Any) -> bool:
    count, tolerance = len(exercise.returns), exercise.tolerance
    return check_values.agree(a, b, count=count, tolerance=tolerance)


def _recognise(
    exercise: Exercise, answer: Callable, got: Any, case: Case, cases: Sequence[Case]
) -> str | None:
    """The message of the misconception that gives what the learner's function gives.

    One case cannot tell all mistakes apart: it must agree in this case, in all before, and in most
    of those in which the answer is wrong.
    """

    def gives(misconception: Misconception, case: Case, got: Any) -> bool:
        return _same(exercise, exercise._run(misconception.wrong, case).got, got)

    suspects = [m for m in exercise.misconceptions if gives(m, case, got)]
    if suspects:
        outputs = [(other, exercise._run(answer, other).got) for other in cases]
        before = outputs[: [other is case for other in cases].index(True)]
        wrong = [(c, got) for c, got in outputs if not _same(exercise, exercise._expected(c), got)]

        def fits(m: Misconception) -> bool:
            alike = [gives(m, *o) or _same_wrong_shape(exercise, m, *o) for o in wrong]
            return all(gives(m, *output) for output in before) and 2 * sum(alike) > len(alike)

        suspects = [m for m in suspects if fits(m)]
        suspects.sort(key=lambda m: sum(gives(m, *output) for output in outputs), reverse=True)
    known = [m for m in exercise.misconceptions if m.by_shape]
    suspects = suspects or [m for m in known if _same_wrong_shape(exercise, m, case, got)]
    return suspects[0].message if suspects else None


def _same_wrong_shape(
    exercise: Exercise, misconception: Misconception, case: Case, got: Any
) -> bool:
    values = got, exercise._run(misconception.wrong, case).got, exercise._expected(case)
    returned, known, right = (check_values.shapes(v, len(exercise.returns)) for v in values)
    return returned == known != right


def _report(
    exercise: Exercise, run: Run, case: Case, outcome: str, text: str, *, place: str
) -> Result:
    """The Result of a failing case, with its values and, of pictures, a drawing."""
    if outcome == "not attempted":
        return Result(exercise.name, outcome, text)
    values = dict(zip(exercise.arguments, case.args, strict=True))
    if outcome.startswith("wrong"):
        values |= {"expected": exercise._expected(case), "got": run.got}
    lines = [check_values.show(value, f"{name} = ") for name, value in values.items()]
    if run.printed:
        rest = " ..." if len(run.printed) > 500 else ""
        lines += ["", "It printed:", run.printed[:500] + rest]
    picture = check_results.draw(values) if exercise.as_picture else None
    return Result(exercise.name, outcome, f"{text}\n{place}", "\n".join(lines), picture)


def _praise(exercise: Exercise, answer: Callable, run: Run, cases: Sequence[Case]) -> Result:
    text = f"All {len(cases)} cases agree with the solution."
    if used := _forbidden_name(exercise, answer):
        text = f"{text}\nBut it calls {used}, which you are asked to do without."
        return Result(exercise.name, "not by hand", text)
    expected = exercise._expected(cases[-1])
    pairs = (check_values.parts(value, len(exercise.returns)) for value in (expected, run.got))
    for want, have in zip(*pairs, strict=True):
        if isinstance(want, Tensor) and not isinstance(have, Tensor):
            came = check_values.kind(have)
            text += f"\nIt came as {came}; the course goes on with tensors: torch.as_tensor(...)."
    limit, functions = exercise.speed_limit, map(exercise._called, (answer, exercise.reference))
    if limit and check_runs.is_slow(*functions, cases[-1].args, times=limit.times):
        text += f"\nIt takes over {limit.times:g} times as long as the solution. {limit.advice}"
        return Result(exercise.name, "right but slow", text)
    return Result(exercise.name, "right", text)


def _forbidden_name(exercise: Exercise, answer: Callable) -> str:
    """The forbidden function that an answer names or is, else an empty string."""
    names = getattr(getattr(answer, "__code__", None), "co_names", ())
    if (getattr(answer, "__module__", None) or "").startswith("torch"):
        names += (getattr(answer, "__name__", ""),)
    return next((name for name in exercise.without if name in names), "")
