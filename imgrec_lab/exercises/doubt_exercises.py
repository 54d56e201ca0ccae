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
        Case("forty pictures, four classes", (labels, probs)),
    ]  # fmt: skip


def _thresholds(labels, probs):
    return torch.stack([probs[labels == k, k].mean() for k in range(probs.shape[1])])


def predicted_otherwise(labels, probs):
    return probs.argmax(dim=1) != labels


def likeliest_only(labels, probs):
    best, guess = probs.max(dim=1)
    return (guess != labels) & (best >= _thresholds(labels, probs)[guess])


def own_class_too_low(labels, probs):
    own = probs.gather(1, labels[:, None])[:, 0]
    return own < _thresholds(labels, probs)[labels]


def thresholds_of_everything(labels, probs):
    reached = probs >= probs.mean(dim=0)
    return reached.any(dim=1) & (probs.where(reached, -1).argmax(dim=1) != labels)


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
