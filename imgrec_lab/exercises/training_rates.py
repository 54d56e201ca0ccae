"""Exercises of lesson 03: how far a step goes."""

import math

import torch

from imgrec_lab.checks import Case, Exercise, Misconception, check_values


def momentum_step_solution(
    weight: torch.Tensor, gradient: torch.Tensor, velocity: torch.Tensor, lr: float, momentum: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of gradient descent with momentum, as torch.optim.SGD takes it.

    The velocity keeps the share `momentum` of what it was and gains the gradient. Then the weight
    moves against the new velocity, `lr` times as far. What was given stays as it is.

    Args:
        weight, gradient, velocity: float32, all of one shape.
        lr: the learning rate, above 0.
        momentum: from 0 (none) to below 1.

    Returns:
        weight, velocity: both after the step.
    """
    velocity = momentum * velocity + gradient
    return weight - lr * velocity, velocity


def _momentum_step_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)

    def drawn(*shape: int) -> tuple[torch.Tensor, ...]:
        return tuple(torch.randn(shape, generator=generator) for _ in range(3))

    at_rest = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([0.0]), 0.5, 0.9
    rolling = torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0]), 0.5, 0.5
    return [
        Case("one weight, at rest so far", at_rest),
        Case("one weight, with a velocity", rolling),
        Case("a matrix of weights", (*drawn(2, 3), 0.1, 0.9)),
        Case("the same momentum, another learning rate", (*drawn(4, 4), 0.02, 0.9)),
        Case("no momentum", (*drawn(3), 0.1, 0.0)),
    ]


def velocity_untouched(weight, gradient, velocity, lr, momentum):
    return weight - lr * gradient, velocity


def velocity_replaced(weight, gradient, velocity, lr, momentum):
    return weight - lr * gradient, gradient


def uphill(weight, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return weight + lr * velocity, velocity


def gradient_subtracted(weight, gradient, velocity, lr, momentum):
    velocity = momentum * velocity - gradient
    return weight - lr * velocity, velocity


def rate_inside_velocity(weight, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + lr * gradient
    return weight - velocity, velocity


def old_velocity_used(weight, gradient, velocity, lr, momentum):
    return weight - lr * velocity, momentum * velocity + gradient


def dampened(weight, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + (1 - momentum) * gradient
    return weight - lr * velocity, velocity


def look_ahead(weight, gradient, velocity, lr, momentum):
    velocity = momentum * velocity + gradient
    return weight - lr * (gradient + momentum * velocity), velocity


def wrong_order(weight, gradient, velocity, lr, momentum):
    return momentum_step_solution(weight, gradient, velocity, lr, momentum)[::-1]


momentum_step = Exercise(
    name="momentum_step",
    title="gradient descent with momentum",
    difficulty=2,
    minutes=8,
    teaches="What an optimizer remembers between steps, and why it rolls through small bumps.",
    reference=momentum_step_solution,
    why="Where gradients agree, the velocity grows to 1 / (1 - momentum) times a gradient; where "
    "they change sign, they cancel. The rate stays outside, so that it can change during a run.",
    cases=_momentum_step_cases,
    returns=("weight", "velocity"),
    without=("SGD", "sgd"),
    hints=(
        "Two lines: first the velocity changes, then the weight. Which of the two needs lr?",
        "The new velocity is a mixture: momentum times the old one, plus the whole gradient.",
        "velocity = momentum * velocity + gradient, then weight - lr * velocity. Write "
        "a = a - b, not a -= b, which would change the caller's tensor.",
    ),
    misconceptions=(
        Misconception(
            velocity_untouched,
            "The velocity never changes and the weight follows the gradient alone: momentum is "
            "missing.",
        ),
        Misconception(
            velocity_replaced,
            "The velocity is just the new gradient and remembers nothing: keep the share momentum "
            "of the old one.",
        ),
        Misconception(
            uphill,
            "The weight moves with the velocity, which leads uphill; it must move against it.",
        ),
        Misconception(
            gradient_subtracted,
            "The gradient is taken off the velocity and the velocity off the weight; two minus "
            "signs lead uphill. Add the gradient to the velocity.",
        ),
        Misconception(
            rate_inside_velocity,
            "Here lr is inside the velocity, which then remembers old rates; torch.optim.SGD "
            "multiplies the velocity by lr only when the weight moves.",
        ),
        Misconception(
            old_velocity_used,
            "The weight moves by the old velocity; the new one, with this gradient in it, comes "
            "first.",
        ),
        Misconception(
            dampened,
            "The gradient is multiplied by 1 - momentum here. torch.optim.SGD calls that "
            "dampening and leaves it out unless asked: add the whole gradient.",
        ),
        Misconception(
            look_ahead,
            "The velocity is right, and the weight takes a look ahead: that is Nesterov's momentum "
            "(nesterov=True). Here the weight moves by lr times the velocity.",
        ),
        Misconception(wrong_order, "The right two tensors in the wrong order: weight first."),
    ),
)


def one_cycle_rate_solution(step: int, steps: int, highest: float) -> float:
    """The learning rate of one batch in a run that warms up and then cools down.

    The first quarter of the run, steps // 4 batches but at least one, climbs by equal amounts: up
    from nothing before the run, to the highest rate in its last batch. From there the rate falls
    along half a cosine, to what would be 0 in batch number `steps`, the one after the run.

    Args:
        step: number of the batch, from 0 to steps - 1.
        steps: batches in the whole run, at least 1.
        highest: the highest rate.

    Returns:
        The rate, above 0.
    """
    warmup = max(1, steps // 4)
    if step < warmup:
        return highest * (step + 1) / warmup
    done = (step + 1 - warmup) / (steps + 1 - warmup)  # 0 at the highest rate, 1 after the run
    return highest * (0.5 + 0.5 * math.cos(math.pi * done))


def _whole_run(one_cycle_rate, steps, highest):
    """The rate of every batch of the run."""
    rates = [one_cycle_rate(step, steps, highest) for step in range(steps)]
    if any(rate is None for rate in rates):
        return None
    numbers = check_values.to_tensor(rates)
    return rates if numbers is None else numbers.float()


def _one_cycle_cases() -> list[Case]:
    return [
        Case("three batches, of which one warms up", (3, 1.0)),
        Case("four batches, of which one warms up", (4, 1.0)),
        Case("eight batches, of which two warm up", (8, 1.0)),
        Case("eight batches, another highest rate", (8, 0.2)),
        Case("eleven batches: the quarter is rounded down", (11, 0.2)),
        Case("twenty batches", (20, 0.003)),
    ]


def _off_by(step, steps, highest, *, climb=1, begin=-1, end=0):
    """Right as it stands; counts the climb, and the ends of the cosine, from other batches."""
    warmup = max(1, steps // 4)
    if step < warmup:
        return highest * (step + climb) / warmup
    done = (step - warmup - begin) / (steps + end - warmup - begin)
    return highest * (0.5 + 0.5 * math.cos(math.pi * done))


def starts_at_zero(step, steps, highest):
    return _off_by(step, steps, highest, climb=0)


def counts_from_zero_throughout(step, steps, highest):
    return _off_by(step, steps, highest, climb=0, begin=0)


def highest_twice(step, steps, highest):
    return _off_by(step, steps, highest, begin=0)


def zero_too_early(step, steps, highest):
    return _off_by(step, steps, highest, end=-1)


def zero_too_late(step, steps, highest):
    return _off_by(step, steps, highest, begin=0, end=1)


def no_warmup(step, steps, highest):
    return highest * (0.5 + 0.5 * math.cos(math.pi * step / steps))


def highest_throughout_warmup(step, steps, highest):
    return highest if step < steps // 4 else one_cycle_rate_solution(step, steps, highest)


def cosine_over_whole_run(step, steps, highest):
    if step < max(1, steps // 4):
        return one_cycle_rate_solution(step, steps, highest)
    return no_warmup(step, steps, highest)


def linear(step, steps, highest):
    warmup = max(1, steps // 4)
    return highest * min((step + 1) / warmup, (steps - step) / (steps + 1 - warmup))


def highest_ignored(step, steps, highest):
    return one_cycle_rate_solution(step, steps, 1.0)


def no_warmup_in_short_runs(step, steps, highest):
    done = (step + 1) / (steps + 1)
    short = highest * (0.5 + 0.5 * math.cos(math.pi * done))
    return short if steps < 4 else one_cycle_rate_solution(step, steps, highest)


FIRST_RATE = (
    "The first batch gets a rate of 0 and learns nothing: batches count from 0, so the climb is "
    "(step + 1) / warmup."
)

one_cycle_rate = Exercise(
    name="one_cycle_rate",
    title="a learning rate that warms up and cools down",
    difficulty=2,
    minutes=10,
    teaches="How the rate moves in this course's own runs, and how easily it is off by one batch.",
    reference=one_cycle_rate_solution,
    why="Large steps get far but cannot settle, so the rate ends low; fresh weights have large "
    "gradients, so it starts low. No batch is wasted on a rate of 0.",
    cases=_one_cycle_cases,
    use=_whole_run,
    hints=(
        "Draw a run of eight batches: two climb, six fall. Which batch is at the top, and which, "
        "drawn or not, is at 0?",
        "warmup = max(1, steps // 4). While step < warmup the rate is highest * (step + 1) / "
        "warmup. After that, count how much of the way from batch warmup - 1 to batch steps is "
        "done.",
        "done = (step + 1 - warmup) / (steps + 1 - warmup), and half a cosine is "
        "0.5 + 0.5 * math.cos(math.pi * done).",
    ),
    misconceptions=(
        Misconception(starts_at_zero, FIRST_RATE),
        Misconception(counts_from_zero_throughout, FIRST_RATE),
        Misconception(
            no_warmup,
            "This starts at the highest rate and falls from there: the warm-up is missing.",
        ),
        Misconception(
            highest_throughout_warmup,
            "The first quarter has the highest rate all along; it should climb to it.",
        ),
        Misconception(
            cosine_over_whole_run,
            "After the warm-up the rate jumps: the cosine runs over the whole run here, and "
            "should begin where the warm-up ends.",
        ),
        Misconception(
            linear, "The rate falls along a straight line here; it should follow half a cosine."
        ),
        Misconception(
            zero_too_early,
            "The last batch gets a rate of 0 and learns nothing: 0 belongs to the batch after it, "
            "number steps.",
        ),
        Misconception(
            zero_too_late,
            "The fall comes a batch late: it begins at batch warmup - 1, which has the highest "
            "rate, and would be over at batch steps.",
        ),
        Misconception(
            highest_twice,
            "Two batches get the highest rate: the fall begins at the last batch of the warm-up, "
            "so the first one after it is lower already.",
        ),
        Misconception(
            highest_ignored,
            "These are shares of the highest rate; multiply by highest.",
        ),
        Misconception(
            no_warmup_in_short_runs,
            "Right for longer runs, but steps // 4 is 0 where a run has fewer than four batches; "
            "at least one warms up.",
        ),
    ),
)
