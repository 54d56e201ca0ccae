"""An exercise of lesson 09: what several GPUs must tell each other.

Source: Patarasuk and Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of
workstations, https://doi.org/10.1016/j.jpdc.2008.09.002.
"""

import math

from imgrec_lab.checks import Case, Exercise, Misconception


def all_reduce_ms_solution(num_gpus: int, gradient_bytes: float, link_gb_s: float) -> float:
    """How long GPUs in a ring take to add up their gradients, so that each has the sum.

    The gradients are cut into as many pieces as there are GPUs. In each round every GPU sends one
    piece to its right neighbour while it gets one from its left. After num_gpus - 1 rounds each
    GPU has one piece of the sum; after as many again, all of them. Only sending takes time.

    Args:
        num_gpus: at least 1.
        gradient_bytes: of all gradients of the model, on each GPU.
        link_gb_s: what a link carries in one direction, 10^9 bytes a second.

    Returns:
        Milliseconds; 0 for one GPU.
    """
    rounds, piece = 2 * (num_gpus - 1), gradient_bytes / num_gpus  # bytes
    return 1000 * rounds * piece / (link_gb_s * 1e9)


def _all_reduce_ms_cases() -> list[Case]:
    resnet50 = 4 * 25_557_032
    return [
        Case("two GPUs, 0.1 GB", (2, 100_000_000, 25.0)),
        Case("four GPUs, the same", (4, 100_000_000, 25.0)),
        Case("one GPU", (1, 100_000_000, 25.0)),
        Case("eight GPUs, the gradients of a ResNet-50", (8, resnet50, 25.0)),
        Case("the same over faster links", (8, resnet50, 300.0)),
        Case("64 GPUs, 10 GB", (64, 10_000_000_000, 50.0)),
    ]


def _ring(times, *, scale=1.0):
    """A wrong answer: the gradients cross a link ``times(num_gpus)`` times."""

    def answer(num_gpus, gradient_bytes, link_gb_s):
        return scale * times(num_gpus) * gradient_bytes / link_gb_s / 1e6

    return answer


def _right_times(n):
    return 2 * (n - 1) / n


half_way = _ring(lambda n: (n - 1) / n)
whole_gradients = _ring(lambda n: 2 * (n - 1))
whole_gradients_half_way = _ring(lambda n: n - 1)
twice_the_gradients = _ring(lambda n: 2)
twice_for_several = _ring(lambda n: 2 if n > 1 else 0)
once_over_a_link = _ring(lambda n: 1)
once_for_each = _ring(lambda n: n)
to_all_others = _ring(lambda n: n * (n - 1))
one_round = _ring(lambda n: 1 / n)
links_share = _ring(lambda n: 2 * (n - 1) / n**2)
rounded_to_nothing = _ring(lambda n: 2 * ((n - 1) // n))
rounded_down = _ring(lambda n: 2 * (n - 1) // n)
tree = _ring(lambda n: 2 * math.log2(n))
bits = _ring(_right_times, scale=8)
four_bytes_each = _ring(_right_times, scale=4)
seconds = _ring(_right_times, scale=1e-3)
microseconds = _ring(_right_times, scale=1e3)
binary_gigabytes = _ring(_right_times, scale=1e9 / 2**30)


all_reduce_ms = Exercise(
    name="all_reduce_ms",
    title="adding up gradients in a ring",
    difficulty=2,
    minutes=8,
    teaches="Why more GPUs hardly lengthen the exchange of gradients, and what a faster link buys.",
    reference=all_reduce_ms_solution,
    why="There are 2 * (num_gpus - 1) rounds, and in each all links carry one piece at once. For "
    "many GPUs that comes near twice the gradients over one link, and never above it.",
    cases=_all_reduce_ms_cases,
    hints=(
        "Draw three GPUs in a ring and three pieces. How large is a piece, and how many rounds are "
        "there in all?",
        "A piece has gradient_bytes / num_gpus bytes. All links carry theirs at the same time, so "
        "a round takes as long as one piece on one link.",
        "2 * (num_gpus - 1) rounds, each of gradient_bytes / num_gpus bytes at link_gb_s * 1e9 "
        "bytes a second; 1000 times that are milliseconds.",
    ),
    misconceptions=(
        Misconception(
            half_way,
            "This is half of the time. After num_gpus - 1 rounds each GPU has one piece of the "
            "sum, and as many rounds hand the pieces round. A link's GB/s hold for one direction.",
        ),
        Misconception(
            whole_gradients,
            "In each round all gradients are sent here. It is one piece, of which there are as "
            "many as GPUs.",
        ),
        Misconception(
            whole_gradients_half_way,
            "In each round all gradients are sent here, and the second half of the rounds is "
            "missing. A round sends one piece, of which there are as many as GPUs.",
        ),
        *(
            Misconception(
                wrong,
                "This is twice the gradients over a link, which very many GPUs come near. How many "
                "rounds are there, and how large is a piece?",
            )
            for wrong in (twice_the_gradients, twice_for_several)
        ),
        Misconception(
            once_over_a_link,
            "This is the time to send the gradients once over a link. How many rounds are there, "
            "and how large is a piece?",
        ),
        Misconception(
            once_for_each,
            "All gradients are sent here as many times as there are GPUs. In a ring all links work "
            "at once, and each round sends only a piece.",
        ),
        Misconception(
            to_all_others,
            "Here every GPU sends all its gradients to every other, one after the other. In a ring "
            "all links work at once, and each round sends only a piece.",
        ),
        Misconception(one_round, "This is one round. How many are there?"),
        Misconception(
            links_share,
            "The time was divided by the number of GPUs a second time. That all links work at once "
            "is in the rounds already.",
        ),
        Misconception(
            rounded_to_nothing,
            "This is always 0, as (num_gpus - 1) // num_gpus would be: // rounds down. Divide with "
            "/.",
        ),
        Misconception(
            rounded_down,
            "2 * (num_gpus - 1) // num_gpus is rounded down to a whole number. Divide with /.",
        ),
        Misconception(
            tree, "This is a tree, in which all gradients go up and come down. Here it is a ring."
        ),
        Misconception(bits, "Bytes were made bits. The link's GB/s are bytes, too."),
        Misconception(
            four_bytes_each, "Bytes were multiplied by 4, as if they were numbers in float32."
        ),
        Misconception(seconds, "These are seconds. A second has 1000 milliseconds."),
        Misconception(microseconds, "These are microseconds, a thousand to a millisecond."),
        Misconception(binary_gigabytes, "GB/s are 10^9 bytes a second, not 2**30."),
    ),
)
