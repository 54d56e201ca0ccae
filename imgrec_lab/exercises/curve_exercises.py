"""An exercise of lesson 07: a precision-recall curve from a ranked list."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def precision_recall_solution(
    scores: torch.Tensor, correct: torch.Tensor, num_objects: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Precision and recall after each detection, the best score first.

    Precision is the share of the detections so far that are correct, recall the share of all
    objects that have been found so far.

    Args:
        scores: (M,) float32, no two alike, in any order.
        correct: (M,) bool, whether a detection found an object that none before it had found.
        num_objects: how many objects there are, found or not.

    Returns:
        precision (M,) and recall (M,), float32.
    """
    found = correct[scores.argsort(descending=True)].cumsum(dim=0)  # (M,) objects so far
    rank = torch.arange(1, len(scores) + 1)  # (M,) detections so far
    return found / rank, found / num_objects


def _curve_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)
    scores = torch.randperm(40, generator=generator) / 40
    correct = torch.rand(40, generator=generator) < 0.4 + scores / 2

    def case(about: str, scores: list[float], correct: list[int], num_objects: int) -> Case:
        return Case(about, (torch.tensor(scores), torch.tensor(correct).bool(), num_objects))

    return [
        case("one detection, correct, and no other object", [0.9], [1], 1),
        case("one detection, correct, and three objects missed", [0.9], [1], 4),
        case("the better one correct, the other not", [0.9, 0.6], [1, 0], 1),
        case("the better one is wrong", [0.9, 0.6], [0, 1], 2),
        case("the best score stands last", [0.2, 0.6, 0.8], [0, 0, 1], 2),
        case("none of three is correct", [0.7, 0.5, 0.6], [0, 0, 0], 2),
        case("five in any order", [0.3, 0.8, 0.1, 0.9, 0.5], [1, 0, 1, 1, 0], 4),
        Case("forty detections of fifty objects", (scores, correct, 50)),
    ]


def _ranked(scores, correct):
    found = correct[scores.argsort(descending=True)].cumsum(dim=0)
    return found, torch.arange(1, len(scores) + 1)


def not_ranked(scores, correct, num_objects):
    return precision_recall_solution(torch.arange(len(scores), 0, -1), correct, num_objects)


def worst_first(scores, correct, num_objects):
    return precision_recall_solution(-scores, correct, num_objects)


def correct_first(scores, correct, num_objects):
    return precision_recall_solution(correct.float(), correct, num_objects)


def in_the_old_order(scores, correct, num_objects):
    place = scores.argsort(descending=True).argsort()  # of each detection in the ranking
    precision, recall = precision_recall_solution(scores, correct, num_objects)
    return precision[place], recall[place]


def recall_of_the_found(scores, correct, num_objects):
    precision, _ = precision_recall_solution(scores, correct, num_objects)
    found, _ = _ranked(scores, correct)
    return precision, found / found[-1].clamp(min=1)


def recall_of_the_detections(scores, correct, num_objects):
    precision, _ = precision_recall_solution(scores, correct, num_objects)
    return precision, _ranked(scores, correct)[0] / len(scores)


def precision_of_all(scores, correct, num_objects):
    found, _ = _ranked(scores, correct)
    return found / len(scores), found / num_objects


def ranks_from_zero(scores, correct, num_objects):
    found, rank = _ranked(scores, correct)
    return found / (rank - 1), found / num_objects


def not_added_up(scores, correct, num_objects):
    flags = correct[scores.argsort(descending=True)]
    return flags / torch.arange(1, len(scores) + 1), flags / num_objects


def odds(scores, correct, num_objects):
    found, rank = _ranked(scores, correct)
    return found / (rank - found), found / num_objects


def share_of_the_wrong(scores, correct, num_objects):
    return precision_recall_solution(scores, ~correct, num_objects)


def every_detection_finds(scores, correct, num_objects):
    found, rank = _ranked(scores, correct)
    return found / rank, rank / num_objects


def changed_places(scores, correct, num_objects):
    return precision_recall_solution(scores, correct, num_objects)[::-1]


def at_the_end_only(scores, correct, num_objects):
    return tuple(part[-1] for part in precision_recall_solution(scores, correct, num_objects))


precision_recall = Exercise(
    name="precision_recall",
    title="a curve from a ranked list",
    difficulty=2,
    minutes=10,
    teaches="What a detector's threshold trades: the fewer false alarms, the more objects missed.",
    reference=precision_recall_solution,
    why="To lower the threshold is to go down the ranking: the correct ones so far are divided by "
    "the detections so far, or by the objects that there are.",
    cases=_curve_cases,
    returns=("precision", "recall"),
    hints=(
        "Sort the detections by their score. After the third of them: how many were correct, and "
        "of how many?",
        "correct[scores.argsort(descending=True)] are the flags, best score first; cumsum(dim=0) "
        "adds them up.",
        "found / torch.arange(1, M + 1) is the precision, found / num_objects the recall.",
    ),
    without=("precision_recall",),
    misconceptions=(
        Misconception(
            not_ranked,
            "The detections were taken in the order in which they came. Sort by score first: a "
            "curve goes from the surest detection to the least sure.",
        ),
        Misconception(worst_first, "The lowest score comes first: argsort needs descending=True."),
        Misconception(
            correct_first,
            "The flags themselves were sorted, so that all correct ones come first: every curve "
            "would be perfect. Sort by score.",
        ),
        Misconception(
            in_the_old_order,
            "The numbers are right and stand in the order in which the detections came. Leave "
            "them ranked.",
        ),
        Misconception(
            recall_of_the_found,
            "Recall is divided by the objects found, so it always ends at 1. Objects that were "
            "missed count, too: num_objects.",
        ),
        Misconception(
            recall_of_the_detections,
            "Recall is divided by the number of detections. It is a share of the objects: "
            "num_objects.",
        ),
        Misconception(
            precision_of_all,
            "Precision is divided by all detections. After the second one only two have been "
            "made: divide by 1, 2, 3, ...",
        ),
        Misconception(
            ranks_from_zero,
            "Ranks begin at 0 here, and the first precision is divided by it: torch.arange(1, "
            "M + 1).",
        ),
        Misconception(
            not_added_up,
            "Each detection stands alone. Add up the correct ones so far: cumsum(dim=0).",
        ),
        Misconception(
            odds,
            "Precision is correct to wrong here. It is correct to all detections so far.",
        ),
        Misconception(share_of_the_wrong, "This counts the detections that are wrong."),
        Misconception(
            every_detection_finds,
            "Recall grows with every detection, also with a wrong one. Only a correct one has "
            "found an object.",
        ),
        Misconception(changed_places, "Precision and recall have changed places."),
        Misconception(
            at_the_end_only,
            "These are the two numbers after the last detection. Give those after each.",
            by_shape=True,
        ),
    ),
)
