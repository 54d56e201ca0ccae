"""The exercise of lesson 00, which the notebook solves to show how exercises work."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def top_class_solution(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The surest class of each image, and how sure the network is.

    Args:
        logits: (N, K), one number per class; the larger, the more likely.

    Returns:
        classes: (N,) whole numbers from 0 to K - 1.
        probs: (N,) their probabilities, from a softmax.
    """
    probs, classes = logits.softmax(dim=1).max(dim=1)
    return classes, probs


def _cases() -> list[Case]:
    by_hand = torch.tensor([[0.0, 2.0, 1.0]])
    two = torch.tensor([[1.0, 3.0, 0.5], [2.0, -1.0, 0.0]])
    drawn = 3 * torch.randn(6, 14, generator=torch.Generator().manual_seed(0))
    return [
        Case("one image, three classes", (by_hand,)),
        Case("two images, three classes", (two,)),
        Case("six images, fourteen classes", (drawn,)),
    ]


def values_first(logits):
    return logits.softmax(dim=1).max(dim=1)


def over_the_batch(logits):
    classes = logits.argmax(dim=1)
    return classes, logits.softmax(dim=0).gather(1, classes[:, None])[:, 0]


def no_softmax(logits):
    return logits.argmax(dim=1), logits.amax(dim=1)


def sigmoid(logits):
    return logits.argmax(dim=1), logits.sigmoid().amax(dim=1)


def without_exp(logits):
    return logits.argmax(dim=1), (logits / logits.sum(dim=1, keepdim=True)).amax(dim=1)


def without_sum(logits):
    return logits.argmax(dim=1), logits.exp().amax(dim=1)


def surest_image(logits):
    probs, images = logits.softmax(dim=1).max(dim=0)
    return images, probs


def least_sure(logits):
    probs, classes = logits.softmax(dim=1).min(dim=1)
    return classes, probs


top_class = Exercise(
    name="top_class",
    title="the surest class of each image",
    difficulty=1,
    minutes=3,
    teaches="How the numbers that a network returns become an answer with a probability.",
    reference=top_class_solution,
    why="Softmax turns each row into probabilities that add up to 1; max gives the largest of a "
    "row and where it stands.",
    cases=_cases,
    returns=("classes", "probs"),
    hints=(
        "logits has one row per image. Which dimension is the one of the classes, 0 or 1?",
        "probs = logits.softmax(dim=1) turns each row into numbers that add up to 1.",
        "probs.max(dim=1) returns two tensors: the largest number of each row, then its place. "
        "Return them the other way round.",
    ),
    misconceptions=(
        Misconception(
            values_first,
            "The right two tensors in the wrong order: max(dim=1) gives the values first and the "
            "places second, and the classes are the places.",
        ),
        Misconception(
            over_the_batch,
            "This comes out when the softmax runs over the images (dim=0), so that each class adds "
            "up to 1 over the batch; an image must add up to 1 over the classes (dim=1).",
        ),
        Misconception(
            no_softmax,
            "These are the logits themselves: the classes are right, but a logit is no "
            "probability until a softmax has been applied.",
        ),
        Misconception(
            sigmoid,
            "This is the sigmoid of each logit, which looks at one class at a time; a softmax "
            "lets the classes compete, so that they add up to 1.",
        ),
        Misconception(
            without_exp,
            "This divides the logits by their sum; softmax takes exp of each logit first, which "
            "makes all of them positive.",
        ),
        Misconception(
            without_sum,
            "This is exp of the logits, not yet divided by the sum of exp over the row.",
        ),
        Misconception(
            surest_image,
            "This finds the surest image of each class: max must run over the classes (dim=1).",
        ),
        Misconception(least_sure, "This is the class that the network thinks least likely: min."),
    ),
)

EXERCISES = (top_class,)
