"""Exercises of lesson 01: what training makes small."""

import math

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def cross_entropy_solution(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean over images of -log(probability of the true class), in natural logarithms.

    Must also hold for logits of a thousand.

    Args:
        logits: (N, K) float32.
        labels: (N,) int64, the true classes, from 0 to K - 1.

    Returns:
        One number, float32.
    """
    shifted = logits - logits.amax(dim=1, keepdim=True)  # (N, K), at most 0: exp stays finite
    log_probs = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -log_probs[torch.arange(len(labels)), labels].mean()


def _cross_entropy_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    two = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    drawn = 2 * torch.randn(5, 4, generator=generator)
    labels = torch.randint(4, (5,), generator=generator)
    large = torch.tensor([[1000.0, 999.0], [998.0, 1000.0]])
    far_apart = torch.tensor([[1000.0, 0.0, 0.0], [0.0, 1000.0, 999.0]])
    return [
        Case("one image, two equal logits: log 2", (torch.zeros(1, 2), torch.tensor([1]))),
        Case("two images, three classes", (two, torch.tensor([0, 1]))),
        Case("five images, four classes", (drawn, labels)),
        Case("logits of a thousand, close together", (large, torch.tensor([0, 0]))),
        Case("logits of a thousand, far apart", (far_apart, torch.tensor([1, 2]))),
    ]


def summed(logits, labels):
    return cross_entropy_solution(logits, labels) * len(labels)


def logits_taken_as_log_probs(logits, labels):
    return -logits[torch.arange(len(labels)), labels].mean()


def log_of_logits(logits, labels):
    return -logits[torch.arange(len(labels)), labels].log().mean()


def base_2(logits, labels):
    return cross_entropy_solution(logits, labels) / math.log(2)


def base_10(logits, labels):
    return cross_entropy_solution(logits, labels) / math.log(10)


def softmax_over_the_batch(logits, labels):
    return -logits.log_softmax(dim=0)[torch.arange(len(labels)), labels].mean()


def mean_over_classes(logits, labels):
    return cross_entropy_solution(logits, labels) / logits.shape[1]


def sign_forgotten(logits, labels):
    return -cross_entropy_solution(logits, labels)


def softmax_twice(logits, labels):
    return cross_entropy_solution(logits.softmax(dim=1), labels)


def log_forgotten(logits, labels):
    return -logits.softmax(dim=1)[torch.arange(len(labels)), labels].mean()


def exp_overflows(logits, labels):
    probs = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return -probs[torch.arange(len(labels)), labels].log().mean()


def log_sum_overflows(logits, labels):
    true = logits[torch.arange(len(labels)), labels]
    return (logits.exp().sum(dim=1).log() - true).mean()


def probability_underflows(logits, labels):
    return -logits.softmax(dim=1)[torch.arange(len(labels)), labels].log().mean()


TOO_LARGE = (
    "Right for small logits, but exp(1000) is too large for float32 and becomes inf. "
    "Subtract the largest logit of each row first: the probabilities stay the same."
)

cross_entropy = Exercise(
    name="cross_entropy",
    title="cross-entropy from logits",
    difficulty=3,
    minutes=12,
    teaches="What the loss of a classifier is made of, and why it is computed from logits.",
    reference=cross_entropy_solution,
    why="log(softmax) is logit - log(sum(exp(logits))), and subtracting the same number from "
    "every logit of a row changes nothing; the largest one keeps exp from overflowing.",
    cases=_cross_entropy_cases,
    without=("cross_entropy", "CrossEntropyLoss"),
    hints=(
        "Three steps: a softmax over each row, the probability of the true class of each row, "
        "then minus the mean of the logarithms.",
        "probs[torch.arange(N), labels] picks one number from each row: (N,).",
        "For large logits, stay in logarithms: log_softmax of a row is "
        "row - row.exp().sum().log(). Subtract the largest number of the row before exp.",
    ),
    misconceptions=(
        Misconception(
            summed, "This is the sum over the images; take the mean, so that N does not matter."
        ),
        Misconception(
            logits_taken_as_log_probs,
            "This comes out when the softmax is forgotten and logits are taken for log "
            "probabilities.",
        ),
        Misconception(
            log_of_logits,
            "This takes the logarithm of the logits themselves: the softmax is missing.",
        ),
        Misconception(
            base_2, "This uses logarithms to base 2; the loss uses natural ones: torch.log."
        ),
        Misconception(
            base_10, "This uses logarithms to base 10; the loss uses natural ones: torch.log."
        ),
        Misconception(
            softmax_over_the_batch,
            "This comes out when the softmax runs over the images (dim=0); it belongs over the "
            "classes (dim=1).",
        ),
        Misconception(
            mean_over_classes,
            "This divides by the number of classes too: only the true class of each image counts, "
            "so the mean is over N numbers, not N x K.",
        ),
        Misconception(
            sign_forgotten,
            "The sign is missing: logarithms of probabilities are negative, a loss is not.",
        ),
        Misconception(
            softmax_twice,
            "This comes out when the softmax is applied twice: log_softmax takes the logits "
            "themselves, not probabilities.",
        ),
        Misconception(
            log_forgotten,
            "This is minus the mean probability of the true class: the logarithm is missing.",
        ),
        Misconception(exp_overflows, TOO_LARGE),
        Misconception(log_sum_overflows, TOO_LARGE),
        Misconception(
            probability_underflows,
            "Right for small logits, but a probability of exp(-1000) is 0 in float32 and its "
            "logarithm -inf. Take the logarithm before it is rounded to 0: log_softmax.",
        ),
    ),
)
