"""An exercise of lesson 04: what a mirror image is called."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def flip_labels_solution(
    labels: torch.Tensor, drawn: torch.Tensor, mirror_class: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which pictures may be mirrored left to right, and what all of them show afterwards.

    A mirrored "turn left" is a "turn right". A mirrored speed limit is no sign at all: such a
    picture is left as it is, even if it was drawn.

    Args:
        labels: (N,) int64, what the pictures show.
        drawn: (N,) bool, True for those that chance picked to be mirrored.
        mirror_class: (K,) int64: mirror_class[k] is the class that a mirrored picture of class k
            shows, k itself for most; -1 where the mirror image is of no class.

    Returns:
        mirrored (N,) bool, True for pictures to be mirrored, and their new labels (N,) int64.
    """
    after = mirror_class[labels]  # (N,)
    mirrored = drawn & (after >= 0)
    return mirrored, torch.where(mirrored, after, labels)


def _flip_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    many = torch.randint(8, (40,), generator=generator)
    half = torch.rand(40, generator=generator) < 0.5
    mirror_class = torch.tensor([0, 2, 1, -1, 4, 6, 5, -1])

    def case(about: str, labels: list[int], drawn: list[int]) -> Case:
        # 0 is "turn left", 1 "turn right", 2 a sign like its mirror image, 3 a speed limit
        signs = torch.tensor([1, 0, 2, -1])
        return Case(about, (torch.tensor(labels), torch.tensor(drawn).bool(), signs))

    return [
        case("a sign that looks the same in a mirror", [2], [1]),
        case("a turn left", [0], [1]),
        case("a turn right becomes class 0", [1], [1]),
        case("two turns left, one of them drawn", [0, 0], [0, 1]),
        case("a speed limit was drawn: leave it", [3], [1]),
        case("nothing was drawn", [0, 1, 2, 3], [0, 0, 0, 0]),
        case("one of each", [0, 1, 2, 3], [1, 1, 1, 1]),
        Case("forty pictures, eight classes", (many, half, mirror_class)),
    ]


def _may(labels, drawn, mirror_class):
    return drawn & (mirror_class[labels] >= 0)


def labels_kept(labels, drawn, mirror_class):
    return _may(labels, drawn, mirror_class), labels.clone()


def labels_and_draw_kept(labels, drawn, mirror_class):
    return drawn.clone(), labels.clone()


def no_class_kept(labels, drawn, mirror_class):
    return drawn.clone(), torch.where(drawn, mirror_class[labels], labels)


def no_class_mirrored(labels, drawn, mirror_class):
    return drawn.clone(), flip_labels_solution(labels, drawn, mirror_class)[1]


def no_class_in_labels(labels, drawn, mirror_class):
    return _may(labels, drawn, mirror_class), torch.where(drawn, mirror_class[labels], labels)


def symmetrical_only(labels, drawn, mirror_class):
    return drawn & (mirror_class[labels] == labels), labels.clone()


def class_0_left_out(labels, drawn, mirror_class):
    mirrored = drawn & (mirror_class[labels] > 0)
    return mirrored, torch.where(mirrored, mirror_class[labels], labels)


def all_of_them(labels, drawn, mirror_class):
    return flip_labels_solution(labels, torch.ones_like(drawn), mirror_class)


def all_labels_renamed(labels, drawn, mirror_class):
    return _may(labels, drawn, mirror_class), all_of_them(labels, drawn, mirror_class)[1]


def the_others(labels, drawn, mirror_class):
    return flip_labels_solution(labels, ~drawn, mirror_class)


def class_after_class(labels, drawn, mirror_class):
    new = labels.clone()
    for k, other in enumerate(mirror_class.tolist()):
        if other >= 0:
            new[drawn & (new == k)] = other
    return _may(labels, drawn, mirror_class), new


def left_out(labels, drawn, mirror_class):
    keep = ~drawn | (mirror_class[labels] >= 0)
    mirrored, new = flip_labels_solution(labels, drawn, mirror_class)
    return mirrored[keep], new[keep]


def order_swapped(labels, drawn, mirror_class):
    return flip_labels_solution(labels, drawn, mirror_class)[::-1]


flip_labels = Exercise(
    name="flip_labels",
    title="a flip that knows its labels",
    difficulty=1,
    minutes=6,
    teaches="An augmentation must keep the label true: rename it, or leave the picture alone.",
    reference=flip_labels_solution,
    why="mirror_class[labels] looks up all pictures at once, from the old labels, so that left and "
    "right can change places. The same mask decides about the picture and about its label.",
    cases=_flip_cases,
    hints=(
        "Two questions for each picture: was it drawn, and is its mirror image of a class?",
        "mirror_class[labels] is (N,): what each picture would show in a mirror, -1 for nothing.",
        "mirrored = drawn & (mirror_class[labels] >= 0); torch.where(mirrored, a, b) takes a where "
        "True and b elsewhere.",
    ),
    returns=("mirrored", "labels"),
    misconceptions=(
        Misconception(
            labels_kept,
            "The labels are as before, so a mirrored turn left is still called a turn left. That "
            "is the trap of this lesson.",
        ),
        Misconception(
            labels_and_draw_kept,
            "All that was drawn is mirrored and keeps its label: a plain flip, which teaches the "
            "network that left is right.",
        ),
        Misconception(
            no_class_kept,
            "A speed limit is mirrored and gets the label -1. A picture whose mirror image is of "
            "no class stays as it is, and so does its label.",
        ),
        Misconception(
            no_class_mirrored,
            "The labels are right, and a speed limit is still to be mirrored: digits the wrong way "
            "round under their old label.",
        ),
        Misconception(
            no_class_in_labels,
            "The right pictures are mirrored, but some labels are -1. Use the same mask for both.",
        ),
        Misconception(
            symmetrical_only,
            "This mirrors only signs that look the same in a mirror. A turn left may be mirrored, "
            "too, if it gets its new label.",
        ),
        Misconception(class_0_left_out, "Class 0 is a class: ask for >= 0 and not for > 0."),
        Misconception(
            all_of_them, "Pictures that were not drawn are mirrored, too. What is drawn for?"
        ),
        Misconception(
            all_labels_renamed,
            "The right pictures are mirrored, but the others got new labels, too.",
        ),
        Misconception(the_others, "The pictures that were not drawn are mirrored: the wrong ones."),
        Misconception(
            class_after_class,
            "Left became right, and then all that is right became left again. Look up the new "
            "labels from the old ones, all at once.",
        ),
        Misconception(
            left_out,
            "Pictures that cannot be mirrored are left out of the answer. They stay in the batch, "
            "as they are.",
        ),
        Misconception(
            order_swapped, "The two results have changed places: first mirrored, then the labels."
        ),
    ),
)
