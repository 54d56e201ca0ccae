"""The last exercise of lesson 02: confident learning, or which labels to doubt."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def doubted_solution(labels: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    """The pictures whose label a model doubts, by the rule of confident learning.

    The threshold of class k is the mean of probs[:, k] over the pictures that are labelled k. A
    picture may belong to each class whose probability reaches that class's own threshold; if the
    likeliest of these is not the given label, the label is in doubt. If none reaches its
    threshold, nothing is known and nothing is doubted.

    Args:
        labels: (N,) int64 given classes; each of 0 to K - 1 occurs.
        probs: (N, K) float32, of a model that was not trained on the picture.

    Returns:
        (N,) bool.
    """
    num_classes = probs.shape[1]
    means = [probs[labels == k, k].mean() for k in range(num_classes)]
    reached = probs >= torch.stack(means)  # (N, K)
    likeliest = probs.where(reached, -1).argmax(dim=1)
    return reached.any(dim=1) & (likeliest != labels)


def _doubt_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(9)
    labels = torch.arange(40) % 4
    right = torch.nn.functional.one_hot(labels, 4) * 2.0
    probs = (right + torch.randn(40, 4, generator=generator) * 1.2).softmax(dim=1)

    def case(about: str, labels: list[int], probs: list[list[float]]) -> Case:
        return Case(about, (torch.tensor(labels), torch.tensor(probs)))

    return [
        case(
            "one label of five is wrong",
            [0, 0, 1, 1, 1],
            [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.1, 0.9], [0.95, 0.05]],
        ),
        case(
            "a frequent class and a rare one: 0.62 is little for class 0",
            [0, 0, 0, 0, 0, 0, 1, 1],
            [[0.9, 0.1]] * 5 + [[0.7, 0.3], [0.62, 0.38], [0.3, 0.7]],
        ),
        case(
            "two classes that are hard to tell apart: 0.35 is much for class 1",
            [0, 0, 0, 1, 1],
            [[0.6, 0.4], [0.5, 0.5], [0.58, 0.42], [0.65, 0.35], [0.7, 0.3]],
        ),
        case(
            "a picture of which the model knows nothing",
            [0, 0, 1, 1, 2, 2],
            [
                [0.9, 0.1, 0.0], [0.4, 0.35, 0.25], [0.1, 0.9, 0.0], [0.3, 0.6, 0.1],
                [0.0, 0.1, 0.9], [0.2, 0.1, 0.7],
            ],
        ),
        case(
            "two classes are reached, and the likelier one has the higher number",
            [0, 0, 1, 1, 1],
            [[0.3, 0.7], [0.1, 0.9], [0.35, 0.65], [0.55, 0.45], [0.25, 0.75]],
        ),
        case(
            "one picture lies exactly at a threshold, and that reaches it",
            [0, 0, 1, 1, 1, 1],
            [[0.75, 0.25]] * 3 + [[0.25, 0.75]] * 3,
        ),
        case(
            "eight pictures, three classes",
            [0, 0, 0, 0, 1, 1, 2, 2],
            [
                [0.65, 0.2, 0.15], [0.7, 0.3, 0.0], [0.25, 0.4, 0.35], [0.6, 0.4, 0.0],
                [0.65, 0.35, 0.0], [0.35, 0.2, 0.45], [0.0, 0.4, 0.6], [0.2, 0.35, 0.45],
            ],
        ),
        Case("forty pictures, four classes", (labels, probs)),
    ]  # fmt: skip


def _thresholds(labels, probs):
    return torch.stack([probs[labels == k, k].mean() for k in range(probs.shape[1])])


def _doubted(labels, reached, numbers):
    """Whether a class is reached and the one with the largest number is not the label."""
    return reached.any(dim=1) & (numbers.where(reached, -1).argmax(dim=1) != labels)


def predicted_otherwise(labels, probs):
    return probs.argmax(dim=1) != labels


def likeliest_only(labels, probs):
    best, guess = probs.max(dim=1)
    return (guess != labels) & (best >= _thresholds(labels, probs)[guess])


def own_class_too_low(labels, probs):
    own = probs.gather(1, labels[:, None])[:, 0]
    return own < _thresholds(labels, probs)[labels]


def thresholds_of_everything(labels, probs):
    return _doubted(labels, probs >= probs.mean(dim=0), probs)


def one_threshold(labels, probs):
    return _doubted(labels, probs >= probs.gather(1, labels[:, None]).mean(), probs)


def threshold_of_the_label(labels, probs):
    best, guess = probs.max(dim=1)
    return (guess != labels) & (best >= _thresholds(labels, probs)[labels])


def sums_for_means(labels, probs):
    return _doubted(labels, probs >= _thresholds(labels, probs) * labels.bincount(), probs)


def divided_by_all(labels, probs):
    shares = labels.bincount() / len(labels)
    return _doubted(labels, probs >= _thresholds(labels, probs) * shares, probs)


def strictly_above(labels, probs):
    return _doubted(labels, probs > _thresholds(labels, probs), probs)


def first_that_reaches(labels, probs):
    reached = probs >= _thresholds(labels, probs)
    return _doubted(labels, reached, reached.int())


def farthest_above(labels, probs):
    margin = probs - _thresholds(labels, probs)
    return _doubted(labels, margin >= 0, margin)


def class_0_by_default(labels, probs):
    reached = probs >= _thresholds(labels, probs)
    return probs.where(reached, -1).argmax(dim=1) != labels


def positions(labels, probs):
    return doubted_solution(labels, probs).nonzero()[:, 0]


def any_other_reached(labels, probs):
    reached = probs >= _thresholds(labels, probs)
    reached[torch.arange(len(labels)), labels] = False
    return reached.any(dim=1)


def nothing_known_is_doubted(labels, probs):
    reached = probs >= _thresholds(labels, probs)
    return doubted_solution(labels, probs) | ~reached.any(dim=1)


doubted = Exercise(
    name="doubted",
    title="which labels would you check first?",
    difficulty=3,
    minutes=15,
    teaches="Confident learning: a class is believed where it beats what is usual for that class.",
    reference=doubted_solution,
    why="A hard class is never predicted with 90 %, so a fixed limit would miss its errors; the "
    "mean over its own pictures is a limit that suits it (Northcutt et al. 2021).",
    cases=_doubt_cases,
    hints=(
        "First K thresholds, one a class: which pictures, and which column of probs?",
        "probs >= thresholds compares each row with all thresholds, (N, K). Of the classes that "
        "reach theirs, the likeliest counts.",
        "probs.where(reached, -1).argmax(dim=1) is the likeliest of those that reach it. Doubt "
        "where it is not the label, and only where reached.any(dim=1).",
    ),
    misconceptions=(
        Misconception(
            predicted_otherwise,
            "This doubts every picture that the model predicts otherwise, however unsure it is. "
            "Ask for the class's threshold.",
        ),
        Misconception(
            likeliest_only,
            "This takes the likeliest class first and then asks for its threshold. A hard class "
            "may reach its own while an easy one, though likelier, stays below its own.",
        ),
        Misconception(
            own_class_too_low,
            "This doubts each picture that is below the mean of its class, which is about half of "
            "all. Another class must be believed, too.",
        ),
        Misconception(
            thresholds_of_everything,
            "The thresholds are means over all pictures; take for class k those labelled k only.",
        ),
        Misconception(
            one_threshold,
            "All classes share one threshold here. Each class has one of its own.",
        ),
        Misconception(
            threshold_of_the_label,
            "The likeliest class was compared with the threshold of the label. Each class must "
            "reach its own.",
        ),
        Misconception(
            sums_for_means,
            "Nothing is in doubt here. Are the thresholds sums? A probability cannot reach those.",
        ),
        Misconception(
            divided_by_all,
            "The sum of class k was divided by N. Divide by the number of pictures labelled k.",
        ),
        Misconception(
            strictly_above, "A probability that equals the threshold reaches it: >= and not >."
        ),
        Misconception(
            first_that_reaches,
            "Of several classes that are reached this takes the first. Ask for the likeliest.",
        ),
        Misconception(
            farthest_above,
            "This takes the class that is farthest above its threshold. Of those that are reached, "
            "the likeliest counts.",
        ),
        Misconception(
            class_0_by_default,
            "Where no class reaches its threshold, all that argmax sees is equal, and it answers "
            "class 0. Nothing is known of such a picture.",
        ),
        Misconception(positions, "These are positions; give True or False for each picture."),
        Misconception(
            any_other_reached,
            "This doubts wherever another class reaches its threshold, even where the given one "
            "is likelier and reaches its own.",
        ),
        Misconception(
            nothing_known_is_doubted,
            "Where no class reaches its threshold the model knows nothing, and that is no reason "
            "to doubt a person.",
        ),
    ),
)
