"""An exercise of lesson 04: what a policy gains, measured over the same seeds."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def paired_gain_solution(
    with_policy: torch.Tensor, without: torch.Tensor, t: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What an augmentation policy gains on average, and the half width of the 95 % interval.

    Run s was trained twice with seed s: the same first weights and the same pictures, once with
    the policy and once without. So the two scores of a seed are a pair, and each pair has a gain.
    The half width is t times the standard error of the mean gain: std / sqrt(S), where the std
    divides by S - 1.

    Args:
        with_policy: (S,) float32 accuracies, one a seed.
        without: (S,) those of the same seeds without the policy.
        t: the factor for S - 1 degrees of freedom, from Student's table.

    Returns:
        the mean gain, above 0 where the policy helps, and the half width: two numbers.
    """
    gains = with_policy - without  # (S,)
    return gains.mean(), t * gains.std() / len(gains) ** 0.5


def _seed_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    seeds = 0.7 + 0.1 * torch.randn(10, generator=generator)
    gains = 0.02 + 0.01 * torch.randn(10, generator=generator)

    def case(about: str, with_policy: list[float], without: list[float], t: float) -> Case:
        return Case(about, (torch.tensor(with_policy), torch.tensor(without), t))

    return [
        case("gains of 0.02, 0.04 and 0.06", [0.72, 0.84, 0.66], [0.7, 0.8, 0.6], 4.303),
        case("each of three seeds gains the same", [0.55, 0.95, 0.75], [0.5, 0.9, 0.7], 4.303),
        case("a policy that harms", [0.5, 0.6, 0.6, 0.7], [0.6, 0.65, 0.8, 0.75], 3.182),
        case("two helped, two harmed", [0.8, 0.6, 0.9, 0.7], [0.7, 0.7, 0.8, 0.8], 3.182),
        Case("ten seeds that differ more than the policy does", (seeds + gains, seeds, 2.262)),
    ]


def _interval(gains: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor]:
    return gains.mean(), t * gains.std() / len(gains) ** 0.5


def minus_the_wrong_way(with_policy, without, t):
    return _interval(without - with_policy, t)


def two_groups(with_policy, without, t):
    error = ((with_policy.var() + without.var()) / len(without)).sqrt()
    return (with_policy - without).mean(), t * error


def half_widths_added(with_policy, without, t):
    widths = [_interval(scores, t)[1] for scores in (with_policy, without)]
    return (with_policy - without).mean(), sum(widths)


def half_widths_subtracted(with_policy, without, t):
    (mean, width), (other, other_width) = (_interval(s, t) for s in (with_policy, without))
    return mean - other, width - other_width


def spread_of_the_policy_only(with_policy, without, t):
    return (with_policy - without).mean(), _interval(with_policy, t)[1]


def sorted_first(with_policy, without, t):
    return _interval(with_policy.sort().values - without.sort().values, t)


def _with_half_width(half_width):
    """A wrong answer whose mean is right: ``half_width`` of gains (S,) and t is what it gives."""

    def answer(with_policy, without, t):
        gains = with_policy - without
        return gains.mean(), half_width(gains, t)

    return answer


divided_by_all = _with_half_width(lambda g, t: t * g.std(correction=0) / len(g) ** 0.5)
spread_of_a_seed = _with_half_width(lambda g, t: t * g.std())
root_forgotten = _with_half_width(lambda g, t: t * g.std() / len(g))
variance_for_std = _with_half_width(lambda g, t: t * g.var() / len(g) ** 0.5)
factor_of_the_normal = _with_half_width(lambda g, t: 1.96 * g.std() / len(g) ** 0.5)
without_factor = _with_half_width(lambda g, t: g.std() / len(g) ** 0.5)
root_of_one_less = _with_half_width(lambda g, t: t * g.std() / (len(g) - 1) ** 0.5)
whole_width = _with_half_width(lambda g, t: 2 * t * g.std() / len(g) ** 0.5)


def gains_without_sign(with_policy, without, t):
    return _interval((with_policy - without).abs(), t)


def gains_as_ratios(with_policy, without, t):
    return _interval(with_policy / without - 1, t)


def ends_of_the_interval(with_policy, without, t):
    mean, half_width = _interval(with_policy - without, t)
    return mean - half_width, mean + half_width


_UNPAIRED = (
    "The mean gain is right; the interval treats the scores as two groups that have nothing to do "
    "with each other. Take the gain of each seed first: what a lucky seed adds to both scores "
    "drops out."
)

paired_gain = Exercise(
    name="paired_gain",
    title="does the policy help, and how sure is that?",
    difficulty=2,
    minutes=8,
    teaches="Why two runs with the same seed are compared as a pair, and what that buys.",
    reference=paired_gain_solution,
    why="A good seed lifts both scores of its pair, so the difference no longer holds the luck of "
    "the seed. metrics.mean_interval(with_policy - without) gives the same two numbers.",
    cases=_seed_cases,
    hints=(
        "Make one number of each pair first. Then forget the scores.",
        "gains = with_policy - without has a number for each seed. Its mean is the first answer; "
        "the second tells how far that mean may be off.",
        "The half width is t * gains.std() / len(gains) ** 0.5; return it after gains.mean().",
    ),
    returns=("gain", "half_width"),
    misconceptions=(
        Misconception(
            minus_the_wrong_way,
            "The sign is wrong: a gain is the score with the policy minus the score without it.",
        ),
        Misconception(two_groups, _UNPAIRED),
        Misconception(half_widths_added, _UNPAIRED),
        Misconception(
            half_widths_subtracted,
            "The half widths were subtracted from each other. Uncertainties do not cancel that "
            "way: take the gain of each seed, then one interval of the gains.",
        ),
        Misconception(
            spread_of_the_policy_only,
            "The interval is that of the scores with the policy. Asked is that of the gains.",
        ),
        Misconception(
            sorted_first,
            "The scores were sorted before they were subtracted, so that the pairs no longer "
            "share a seed.",
        ),
        Misconception(
            divided_by_all,
            "The std divides by S here; for runs that stand for all possible runs it divides by "
            "S - 1. torch's .std() does, numpy's does not.",
        ),
        Misconception(
            spread_of_a_seed,
            "This is how far a single seed may be off. The mean of S seeds is surer: divide by "
            "sqrt(S).",
        ),
        Misconception(root_forgotten, "This divides by S; the error of a mean has sqrt(S) below."),
        Misconception(
            variance_for_std, "This is made of the variance. Its square root is the std."
        ),
        Misconception(
            factor_of_the_normal,
            "The factor 1.96 is for many runs. With few, the std itself is uncertain, and t is "
            "larger: use the argument.",
        ),
        Misconception(without_factor, "This is the standard error itself. Multiply by t for 95 %."),
        Misconception(
            root_of_one_less,
            "S - 1 belongs into the std, and torch's .std() has it already. Below the root stands "
            "S.",
        ),
        Misconception(
            whole_width, "This is the whole width of the interval; half of it goes to each side."
        ),
        Misconception(
            gains_without_sign,
            "A loss was counted as a gain: keep the sign of each difference.",
        ),
        Misconception(
            gains_as_ratios,
            "These are gains relative to the score without the policy. Asked is the difference.",
        ),
        Misconception(
            ends_of_the_interval,
            "These are the two ends of the interval. Give its middle and half of its width.",
        ),
    ),
)
