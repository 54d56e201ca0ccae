"""Exercises of lesson 03: what scores say, class by class and epoch by epoch."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def recall_per_class_solution(
    labels: torch.Tensor, predicted: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """The share of each class's pictures that were recognised.

    A class without a picture has no share: NaN, not 0, which would blame the model.

    Args:
        labels: (N,) int64 true classes, from 0 to K - 1.
        predicted: (N,) int64 classes that the model chose.
        num_classes: K.

    Returns:
        (K,) float32, from 0 to 1, NaN for classes that do not occur in labels.
    """
    right = torch.bincount(labels[predicted == labels], minlength=num_classes)  # (K,)
    return right / torch.bincount(labels, minlength=num_classes)  # 0 / 0 is NaN


def _recall_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    labels = torch.randint(5, (40,), generator=generator)
    predicted = torch.where(torch.rand(40, generator=generator) < 0.6, labels, labels.flip(0))

    def case(about: str, labels: list[int], predicted: list[int], num_classes: int) -> Case:
        return Case(about, (torch.tensor(labels), torch.tensor(predicted), num_classes))

    return [
        case("two classes, three pictures", [0, 0, 1], [0, 1, 1], 2),
        case("three classes, six pictures", [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 1, 1], 3),
        case("a class that has no picture", [0, 0, 2, 2, 2], [0, 2, 2, 2, 0], 3),
        case("one that has none, but was guessed", [0, 0, 2, 2, 2], [0, 1, 2, 1, 1], 4),
        Case("forty pictures, six classes", (labels, predicted, 6)),
    ]


def _right(labels, predicted, num_classes):
    return torch.bincount(labels[predicted == labels], minlength=num_classes)


def precision(labels, predicted, num_classes):
    return recall_per_class_solution(predicted, labels, num_classes)


def overall_accuracy(labels, predicted, num_classes):
    return (labels == predicted).float().mean()


def counts_of_right(labels, predicted, num_classes):
    return _right(labels, predicted, num_classes).float()


def divided_by_all(labels, predicted, num_classes):
    return _right(labels, predicted, num_classes) / len(labels)


def zero_for_absent(labels, predicted, num_classes):
    return recall_per_class_solution(labels, predicted, num_classes).nan_to_num(0.0)


def one_for_absent(labels, predicted, num_classes):
    return recall_per_class_solution(labels, predicted, num_classes).nan_to_num(1.0)


def absent_left_out(labels, predicted, num_classes):
    recall = recall_per_class_solution(labels, predicted, num_classes)
    return recall[recall.isfinite()]


def one_class_against_the_rest(labels, predicted, num_classes):
    classes = torch.arange(num_classes)[:, None]
    return ((labels == classes) == (predicted == classes)).float().mean(dim=1)


def guesses_per_picture(labels, predicted, num_classes):
    guessed = torch.bincount(predicted, minlength=num_classes)
    return guessed / torch.bincount(labels, minlength=num_classes)


recall_per_class = Exercise(
    name="recall_per_class",
    title="which classes are recognised?",
    difficulty=2,
    minutes=8,
    teaches="What one accuracy hides: which classes it comes from.",
    reference=recall_per_class_solution,
    why="Of the pictures of one class, count those that were recognised, and divide by all of that "
    "class. In a confusion matrix with a row for each true class: diagonal over sums of rows.",
    cases=_recall_cases,
    hints=(
        "For one class k: which pictures are of class k, and which of those were recognised? "
        "Nothing else matters, neither other classes nor other guesses.",
        "torch.bincount(labels, minlength=K) counts the pictures of each class. What gives the "
        "same for the recognised ones only?",
        "labels[predicted == labels] are the classes of the recognised pictures. Count them in "
        "the same way and divide; 0 / 0 gives NaN by itself.",
    ),
    misconceptions=(
        Misconception(
            precision,
            "This is precision: the share of the guesses of a class that were right, which is "
            "diagonal over sums of columns. Recall divides by the pictures that are of the class.",
        ),
        Misconception(
            overall_accuracy,
            "This is one accuracy for all classes together; give one number a class.",
            by_shape=True,
        ),
        Misconception(
            counts_of_right,
            "These are counts; divide each by the number of pictures of its class.",
        ),
        Misconception(
            divided_by_all,
            "This divides by the number of all pictures; divide by those of each class, so that "
            "a rare class can reach 1 as well.",
        ),
        Misconception(
            zero_for_absent,
            "Right but for classes without a picture: 0 would say that none was recognised, and "
            "there was none to recognise. Leave NaN.",
        ),
        Misconception(
            one_for_absent,
            "Right but for classes without a picture: 1 would say that all were recognised, and "
            "there was none to recognise. Leave NaN.",
        ),
        Misconception(
            absent_left_out,
            "Classes without a picture are left out, so that later ones move up to their place; "
            "there must be K numbers, NaN among them.",
            by_shape=True,
        ),
        Misconception(
            one_class_against_the_rest,
            "This is the accuracy of the question whether it is this class, in which all pictures "
            "of other classes count as well: a rare class looks good by never being guessed.",
        ),
        Misconception(
            guesses_per_picture,
            "This divides how often a class was guessed, rightly or wrongly, by its pictures; "
            "count right guesses only.",
        ),
    ),
)


def should_stop_solution(val_losses: list[float], patience: int) -> bool:
    """Whether to stop early: the best epoch lies `patience` or more epochs back.

    The best epoch has the lowest loss; of equals the first counts, as an equal loss is no progress.

    Args:
        val_losses: the validation loss of each epoch so far, at least one.
        patience: epochs to wait for a better one, at least 1.

    Returns:
        True or False.
    """
    best = val_losses.index(min(val_losses))
    return len(val_losses) - 1 - best >= patience


def _epoch_by_epoch(should_stop, val_losses, patience):
    """The answer after each epoch of a run that goes on regardless."""
    ends = range(1, len(val_losses) + 1)
    answers = [should_stop(val_losses[:end], patience) for end in ends]
    return None if any(answer is None for answer in answers) else [bool(a) for a in answers]


def _should_stop_cases() -> list[Case]:
    return [
        Case("the second epoch is worse, patience 1", ([1.0, 1.1], 1)),
        Case("better each time", ([1.0, 0.8, 0.7, 0.6], 2)),
        Case("worse after the second epoch", ([1.0, 0.8, 0.9, 0.95, 1.0], 2)),
        Case("no epoch worse than the one before", ([0.9, 0.5, 0.7, 0.6, 0.55], 2)),
        Case("up and down, with a new best in time", ([1.0, 0.7, 0.9, 0.6, 0.8, 0.7, 0.75], 3)),
        Case("equal losses", ([0.8, 0.6, 0.6, 0.6, 0.6], 3)),
        Case("a bad start", ([0.5, 2.0, 0.4, 0.45, 0.42, 0.41, 0.44], 4)),
    ]


def epoch_before_only(val_losses, patience):
    return len(val_losses) > 1 and val_losses[-1] >= val_losses[-2]


def rises_in_a_row(val_losses, patience):
    pairs = list(zip(val_losses, val_losses[1:], strict=False))[-patience:]
    return len(pairs) == patience and all(later >= before for before, later in pairs)


def patience_ignored(val_losses, patience):
    return val_losses[-1] > min(val_losses)


def epochs_counted(val_losses, patience):
    return len(val_losses) > patience


def one_too_late(val_losses, patience):
    return should_stop_solution(val_losses, patience + 1)


def one_too_early(val_losses, patience):
    return should_stop_solution(val_losses, patience - 1)


def highest_is_best(val_losses, patience):
    return should_stop_solution([-loss for loss in val_losses], patience)


def equal_is_better(val_losses, patience):
    return val_losses[::-1].index(min(val_losses)) >= patience


def one_epoch_compared(val_losses, patience):
    return len(val_losses) > patience and val_losses[-1] >= val_losses[-1 - patience]


def turned_round(val_losses, patience):
    return not should_stop_solution(val_losses, patience)


should_stop = Exercise(
    name="should_stop",
    title="when to stop early",
    difficulty=2,
    minutes=8,
    teaches="To end a run by its best epoch so far, not by the last wiggle of the curve.",
    reference=should_stop_solution,
    why="Validation losses go up and down, so a worse epoch means little; what counts is how long "
    "ago the best one was. list.index finds the first of equals.",
    cases=_should_stop_cases,
    use=_epoch_by_epoch,
    hints=(
        "Two questions: in which epoch was the loss lowest, and how many epochs came after it?",
        "val_losses.index(min(val_losses)) is the number of the best epoch, counted from 0.",
        "The last epoch has the number len(val_losses) - 1. Stop if it is patience or more "
        "after the best one.",
    ),
    misconceptions=(
        Misconception(
            epoch_before_only,
            "This looks only at the epoch before. Losses go up and down: compare with the best "
            "epoch so far, and wait for patience epochs.",
        ),
        Misconception(
            rises_in_a_row,
            "This waits for losses that rise time after time; a loss can fall again and still not "
            "reach the best. Count the epochs since the best one.",
        ),
        Misconception(
            patience_ignored,
            "This stops at the first epoch that is not the best: patience is not used.",
        ),
        Misconception(
            epochs_counted,
            "This counts all epochs; count those since the best one.",
        ),
        Misconception(
            one_too_late,
            "One epoch too late: stop when patience epochs have passed since the best one, not "
            "patience + 1 (>= in place of >).",
        ),
        Misconception(
            one_too_early,
            "One epoch too early: the best epoch itself does not count as one that failed to be "
            "better.",
        ),
        Misconception(
            highest_is_best,
            "This takes the highest loss for the best; a loss should be low: min.",
        ),
        Misconception(
            equal_is_better,
            "This counts an equal loss as progress; of equal losses the first is the best.",
        ),
        Misconception(
            one_epoch_compared,
            "This compares with the one epoch that lies patience back; the best may be another.",
        ),
        Misconception(turned_round, "True and False are the wrong way round: True means stop."),
    ),
)
