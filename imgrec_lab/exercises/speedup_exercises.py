"""An exercise of lesson 09: what a faster part is worth to the whole.

Source: Amdahl 1967, Validity of the single processor approach to achieving large scale computing
capabilities, https://doi.org/10.1145/1465482.1465560.
"""

import math

from imgrec_lab.checks import Case, Exercise, Misconception


def project_speedup_solution(hours: list[float], factors: list[float]) -> float:
    """How many times faster a whole project becomes when some of its phases do.

    Args:
        hours: that each phase takes now, one after the other: loading, defining, training ...
        factors: how many times faster each phase becomes, 1 where nothing changes; infinity
            (math.inf) where it will take no time at all.

    Returns:
        A factor: 2 if the project will take half the time.
    """
    after = sum(hour / factor for hour, factor in zip(hours, factors, strict=True))
    return sum(hours) / after


def _project_speedup_cases() -> list[Case]:
    project = [6.0, 2.0, 30.0, 2.0]
    return [
        Case("one phase, four times faster", ([8.0], [4.0])),
        Case("half of the project becomes twice as fast", ([4.0, 4.0], [1.0, 2.0])),
        Case("training becomes ten times faster", (project, [1.0, 1.0, 10.0, 1.0])),
        Case("loading becomes ten times faster instead", (project, [10.0, 1.0, 1.0, 1.0])),
        Case("three phases become faster", (project, [4.0, 1.0, 10.0, 2.0])),
        Case("training takes no time at all", (project, [1.0, 1.0, math.inf, 1.0])),
    ]


def new_hours(hours, factors):
    return sum(h / f for h, f in zip(hours, factors, strict=True))


def mean_factor(hours, factors):
    return sum(factors) / len(factors)


def weighted_factor(hours, factors):
    return sum(h * f for h, f in zip(hours, factors, strict=True)) / sum(hours)


def harmonic_factor(hours, factors):
    return len(factors) / sum(1 / f for f in factors)


def factors_multiplied(hours, factors):
    return math.prod(factors)


def factors_added(hours, factors):
    return sum(factors)


def best_factor(hours, factors):
    return max(factors)


def changed_phases_only(hours, factors):
    changed = [(h, f) for h, f in zip(hours, factors, strict=True) if f != 1]
    return project_speedup_solution(*zip(*changed, strict=True))


def unchanged_phases_gone(hours, factors):
    return sum(hours) / sum(h / f for h, f in zip(hours, factors, strict=True) if f != 1)


def hours_saved(hours, factors):
    return sum(hours) - new_hours(hours, factors)


def share_left(hours, factors):
    return new_hours(hours, factors) / sum(hours)


def share_saved(hours, factors):
    return 1 - new_hours(hours, factors) / sum(hours)


def more_by(hours, factors):
    return project_speedup_solution(hours, factors) - 1


def hours_multiplied(hours, factors):
    return sum(hours) / sum(h * f for h, f in zip(hours, factors, strict=True))


def percent(hours, factors):
    return 100 * project_speedup_solution(hours, factors)


project_speedup = Exercise(
    name="project_speedup",
    title="what is a faster part worth?",
    difficulty=1,
    minutes=5,
    teaches="Why a part that is not made faster limits the whole, however fast the rest becomes.",
    reference=project_speedup_solution,
    why="Times add up and factors do not: divide each phase's hours by its factor, add, and "
    "compare the sums. A phase that vanishes still leaves the others (Amdahl's law).",
    cases=_project_speedup_cases,
    hints=(
        "How many hours will each phase take afterwards? And the project?",
        "A phase that becomes twice as fast takes half the hours: hours / factor.",
        "sum(hours), divided by the sum of all hours / factor.",
    ),
    misconceptions=(
        Misconception(
            mean_factor,
            "This is the mean of the factors; a phase of ten minutes would count as much as one of "
            "ten hours. Work out the hours first.",
        ),
        Misconception(
            weighted_factor,
            "The factors were averaged with the hours as weights. Factors do not add up, times do: "
            "divide the hours by the factors, then add.",
        ),
        Misconception(
            harmonic_factor,
            "This is the harmonic mean of the factors, which holds where all phases take the same "
            "time. Weigh each with its hours.",
        ),
        Misconception(
            factors_multiplied,
            "The factors were multiplied, as if all hours went through each of them. Each belongs "
            "to the hours of one phase.",
        ),
        Misconception(
            factors_added, "The factors were added up. Work out the hours first: they add up."
        ),
        Misconception(
            best_factor,
            "This is the factor of one phase. The others are still in the project, with their own "
            "hours.",
        ),
        Misconception(
            changed_phases_only,
            "Only phases that become faster are counted. The others are still in the project.",
        ),
        Misconception(
            unchanged_phases_gone,
            "In the new hours, phases that stay as they are are missing. They take as long as "
            "before.",
        ),
        Misconception(
            new_hours,
            "These are the hours that the project will take. Divide those of today by them.",
        ),
        Misconception(hours_saved, "These are the hours saved. A factor was asked for."),
        Misconception(
            share_left,
            "This is upside down: new hours divided by old ones. A faster project has more than 1.",
        ),
        Misconception(
            share_saved, "This is the share of the time that is saved. A factor was asked for."
        ),
        Misconception(
            more_by, "This is how much more gets done, 0 for no change. A factor is 1 then."
        ),
        Misconception(
            hours_multiplied,
            "Hours were multiplied by the factors, so that faster phases take longer. Divide.",
        ),
        Misconception(percent, "This is in percent. A factor was asked for: 2, not 200."),
    ),
)
