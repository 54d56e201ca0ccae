"""Exercises of lesson 02: the same picture twice, and in two parts of a data set."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def bits_apart_solution(a: torch.Tensor, b: torch.Tensor) -> int:
    """In how many bits the difference hashes of two small grey pictures differ.

    The hash has a bit for each pair of neighbours in a row: 1 where the right one is brighter.

    Args:
        a: (H, W) float32 grey values, a picture made tiny.
        b: (H, W), the other.

    Returns:
        a whole number from 0 to H * (W - 1).
    """
    bits_a, bits_b = (x[:, 1:] > x[:, :-1] for x in (a, b))  # (H, W - 1) bool
    return int((bits_a != bits_b).sum())


def _picture_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(4)
    large = torch.rand(8, 9, generator=generator)
    noisy = large + 0.1 * torch.rand(8, 9, generator=generator)
    row, equal = torch.tensor([[0.1, 0.5, 0.4]]), torch.full((1, 3), 0.5)

    return [
        Case("a row and the same row", (row, row.clone())),
        Case("a row and the same row, brighter", (row, row + 0.3)),
        Case("two rows that rise, and two that fall", (torch.tensor([[0.1, 0.5], [0.3, 0.7]]),
                                                       torch.tensor([[0.4, 0.2], [0.8, 0.6]]))),
        Case("up and down against down and up", (row, 1 - row)),
        Case("two rows, one bit", (torch.tensor([[0.1, 0.5], [0.7, 0.2]]),
                                   torch.tensor([[0.4, 0.3], [0.9, 0.6]]))),
        Case("equal neighbours are not brighter", (equal, row.sort().values)),
        Case("equal neighbours, and darker ones", (equal, row.sort(descending=True).values)),
        Case("8 x 9 pixels and a noisy copy", (large, noisy)),
        Case("8 x 9 pixels and another picture", (large, large.flip(1))),
    ]  # fmt: skip


def pixels_that_differ(a, b):
    return int((a != b).sum())


def _apart(bits):
    return lambda a, b: int((bits(a) != bits(b)).sum())


below_instead = _apart(lambda x: x[1:] > x[:-1])
equal_counts = _apart(lambda x: x[:, 1:] >= x[:, :-1])
against_the_mean = _apart(lambda x: x > x.mean())
across_the_row_end = _apart(lambda x: x.flatten()[1:] > x.flatten()[:-1])
rounded_first = _apart(lambda x: x[:, 1:].int() > x[:, :-1].int())
darker_apart_from_equal = _apart(lambda x: x.diff(dim=1).sign())


def numbers_of_ones(a, b):
    ones_a, ones_b = (int((x.diff(dim=1) > 0).sum()) for x in (a, b))
    return abs(ones_a - ones_b)


def bits_alike(a, b):
    return a[:, 1:].numel() - bits_apart_solution(a, b)


bits_apart = Exercise(
    name="bits_apart",
    title="is it the same picture?",
    difficulty=2,
    minutes=8,
    teaches="Why a perceptual hash survives what changes every byte of a file.",
    reference=bits_apart_solution,
    why="A brighter copy has other values everywhere, but the same neighbour is still the brighter "
    "one. So few bits change for a copy, and about half of them for another picture.",
    cases=_picture_cases,
    hints=(
        "Two steps: the bits of each picture, then how many of them differ.",
        "x[:, 1:] are all pixels but the first of each row, x[:, :-1] all but the last: side by "
        "side they are the pairs of neighbours.",
        "bits = x[:, 1:] > x[:, :-1] for both; then int((bits_a != bits_b).sum()).",
    ),
    misconceptions=(
        Misconception(
            pixels_that_differ,
            "This counts pixels that differ. A copy that is a little brighter differs in all of "
            "them: compare neighbours within a picture first.",
        ),
        Misconception(below_instead, "This compares each pixel with the one above; take rows."),
        Misconception(
            equal_counts,
            "Equal neighbours get the wrong bit: brighter means >, and neither >= nor <.",
        ),
        Misconception(
            against_the_mean,
            "This compares with the mean of the picture (an average hash). Compare neighbours.",
        ),
        Misconception(
            across_the_row_end,
            "The end of a row was compared with the beginning of the next; they are no neighbours.",
        ),
        Misconception(
            rounded_first,
            "Grey values from 0 to 1 were made whole numbers, so nearly all became 0.",
        ),
        Misconception(
            darker_apart_from_equal,
            "Here a bit has three values. A neighbour that is darker and one that is equal both "
            "give 0.",
        ),
        Misconception(
            numbers_of_ones,
            "This compares how many ones each hash has. Compare the hashes bit by bit, then count.",
        ),
        Misconception(bits_alike, "This counts the bits that are equal; count those that differ."),
    ),
)  # fmt: skip


def leaking_solution(groups: torch.Tensor, is_test: torch.Tensor) -> torch.Tensor:
    """The test pictures that a model has in effect already seen in training.

    Args:
        groups: (N,) int64; pictures with the same number belong together, such as the frames of
            one film or the copies of one picture.
        is_test: (N,) bool, True for test pictures, False for training pictures.

    Returns:
        (N,) bool, True for test pictures whose group has a picture in training.
    """
    return is_test & torch.isin(groups, groups[~is_test])


def _group_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(8)
    groups = torch.randint(20, (50,), generator=generator)
    is_test = torch.rand(50, generator=generator) < 0.3

    def case(about: str, groups: list[int], is_test: list[int]) -> Case:
        return Case(about, (torch.tensor(groups), torch.tensor(is_test).bool()))

    return [
        case("no group on both sides", [0, 0, 1, 1], [0, 0, 1, 1]),
        case("one film on both sides", [0, 0, 1, 1, 1], [0, 0, 0, 1, 1]),
        case("a group of two within the test part", [0, 1, 2, 2, 0], [0, 0, 1, 1, 1]),
        case("all are training pictures", [3, 3, 4, 5], [0, 0, 0, 0]),
        Case("fifty pictures", (groups, is_test)),
    ]


def both_sides(groups, is_test):
    return torch.isin(groups, groups[~is_test]) & torch.isin(groups, groups[is_test])


def training_side(groups, is_test):
    return ~is_test & torch.isin(groups, groups[is_test])


def repeated(groups, is_test):
    return is_test & (groups.bincount()[groups] > 1)


def whole_test(groups, is_test):
    return is_test.clone()


def training_too(groups, is_test):
    return torch.isin(groups, groups[~is_test])


def test_rows_only(groups, is_test):
    return torch.isin(groups[is_test], groups[~is_test])


def not_leaking(groups, is_test):
    return is_test & ~training_too(groups, is_test)


def positions(groups, is_test):
    return leaking_solution(groups, is_test).nonzero()[:, 0]


def group_numbers(groups, is_test):
    return groups[leaking_solution(groups, is_test)].unique()


leaking = Exercise(
    name="leaking",
    title="which test pictures leak?",
    difficulty=2,
    minutes=6,
    teaches="A split must keep together what belongs together.",
    reference=leaking_solution,
    why="A test picture is new only if nothing of its group was trained on.",
    cases=_group_cases,
    hints=(
        "Which groups occur in training? Which test pictures belong to one of these?",
        "groups[~is_test] are the groups of the training pictures.",
        "torch.isin(groups, groups[~is_test]) says for each picture whether its group occurs in "
        "training; keep that for test pictures only.",
    ),
    misconceptions=(
        Misconception(
            training_too,
            "This marks every picture whose group occurs in training, training pictures included. "
            "Which of them are test pictures?",
        ),
        Misconception(
            test_rows_only,
            "The answer has a row for each test picture; give one for each picture, in the same "
            "order as groups.",
        ),
        Misconception(not_leaking, "These are the test pictures that do not leak."),
        Misconception(
            both_sides,
            "This marks the training pictures of such groups, too; ask for test pictures only.",
        ),
        Misconception(
            training_side,
            "These are the training pictures whose group is in the test part; the other side was "
            "asked for.",
        ),
        Misconception(
            repeated,
            "This marks test pictures whose group has several pictures. If all of these are in "
            "the test part, nothing leaks.",
        ),
        Misconception(whole_test, "This marks every test picture."),
        Misconception(
            group_numbers,
            "These are the numbers of the groups; give True or False for each picture.",
        ),
        Misconception(positions, "These are positions; give True or False for each picture."),
    ),
)
