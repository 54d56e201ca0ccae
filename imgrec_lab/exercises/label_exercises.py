"""Exercises of lesson 02: how a box is written, and how far two people agree."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def yolo_row_solution(box: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A box as YOLO writes it: centre and size, as fractions of the picture.

    Args:
        box: (4,) float32, x1, y1, x2, y2 in pixels.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        (4,) float32: centre x, centre y, box width, box height, each from 0 to 1.
    """
    x1, y1, x2, y2 = box
    row = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])
    return row / torch.tensor([width, height, width, height])


def _box_cases() -> list[Case]:
    def case(about: str, box: list[float], height: int, width: int) -> Case:
        return Case(about, (torch.tensor(box), height, width))

    return [
        case("the whole of a square picture", [0.0, 0, 10, 10], 10, 10),
        case("a box in a square picture", [2.0, 4, 6, 10], 20, 20),
        case("the same box in a picture that is wider than high", [2.0, 4, 6, 10], 20, 40),
        case("corners that lie within pixels", [1.0, 2, 4.5, 7], 10, 20),
        case("a small box at the right edge", [600.0, 100, 640, 150], 480, 640),
    ]


def corners_as_fractions(box, height, width):
    return box / torch.tensor([width, height, width, height])


def coco_row(box, height, width):
    return torch.cat([box[:2], box[2:] - box[:2]])


def corner_and_size(box, height, width):
    return coco_row(box, height, width) / torch.tensor([width, height, width, height])


def centre_in_pixels(box, height, width):
    return torch.cat([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])


def sides_swapped(box, height, width):
    return yolo_row_solution(box, width, height)


def half_sizes(box, height, width):
    return yolo_row_solution(box, height, width) * torch.tensor([1, 1, 0.5, 0.5])


def corners_added(box, height, width):
    row = yolo_row_solution(box, height, width)
    return torch.cat([2 * row[:2], row[2:]])


def half_size_as_centre(box, height, width):
    size = yolo_row_solution(box, height, width)[2:]
    return torch.cat([size / 2, size])


def width_for_both(box, height, width):
    return yolo_row_solution(box, width, width)


def size_taken_for_corner(box, height, width):
    return yolo_row_solution(torch.cat([box[:2], box[:2] + box[2:]]), height, width)


def y_first(box, height, width):
    return yolo_row_solution(box, height, width)[[1, 0, 3, 2]]


yolo_row = Exercise(
    name="yolo_row",
    title="write a box for YOLO",
    difficulty=1,
    minutes=6,
    teaches="What the four numbers of each format are, and why mixing them up raises no error.",
    reference=yolo_row_solution,
    why="The centre is the mean of the corners, the size their difference. x and width are divided "
    "by the picture's width, y and height by its height.",
    cases=_box_cases,
    hints=(
        "Four numbers: where the middle is (two), and how large the box is (two).",
        "The middle of a box from x1 to x2 lies at (x1 + x2) / 2; its width is x2 - x1.",
        "Divide what is measured along x by the picture's width and what is measured along y by "
        "its height; torch.stack([...]) makes a tensor of four.",
    ),
    misconceptions=(
        Misconception(
            corners_as_fractions, "These are the corners as fractions. YOLO wants centre and size."
        ),
        Misconception(
            coco_row,
            "This is a row of COCO: corner and size in pixels. YOLO wants the centre and size, all "
            "four as fractions.",
        ),
        Misconception(
            corner_and_size,
            "The size is right; the first two numbers are the corner, and should be the centre.",
        ),
        Misconception(centre_in_pixels, "Right in pixels. Now divide by the sides of the picture."),
        Misconception(
            sides_swapped,
            "x was divided by the height and y by the width. In a square picture nobody notices.",
        ),
        Misconception(half_sizes, "The box is half as large as it should be: width is x2 - x1."),
        Misconception(
            corners_added, "The centre lies twice too far out: x1 + x2 is not yet their mean."
        ),
        Misconception(
            half_size_as_centre,
            "The first two numbers are half the size. Where the box lies is lost: in the middle, "
            "the corners are added.",
        ),
        Misconception(
            width_for_both,
            "y was divided by the width, too. In a square picture nobody notices.",
        ),
        Misconception(
            size_taken_for_corner,
            "The box was read as corner and size, as COCO writes it. Here the last two numbers are "
            "the other corner.",
        ),
        Misconception(y_first, "The numbers are right and in the wrong order: x comes before y."),
    ),
)


def cohen_kappa_solution(labels_a: torch.Tensor, labels_b: torch.Tensor) -> float:
    """How far two annotators agree beyond chance: 1 is always, 0 is what chance would give.

    (observed - chance) / (1 - chance), where observed is the share of things that got the same
    label twice, and chance the sum over classes of the share that a gave it times the share that
    b gave it.

    Args:
        labels_a: (N,) int64, the classes that the first annotator chose.
        labels_b: (N,) int64, those of the second, for the same N things.

    Returns:
        a number of at most 1; the two never give one and the same label to everything.
    """
    num_classes = int(torch.cat([labels_a, labels_b]).max()) + 1
    share_a = labels_a.bincount(minlength=num_classes) / len(labels_a)  # (K,)
    share_b = labels_b.bincount(minlength=num_classes) / len(labels_b)
    chance = (share_a * share_b).sum().item()
    observed = (labels_a == labels_b).float().mean().item()
    return (observed - chance) / (1 - chance)


def _annotator_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(2)
    many = torch.randint(4, (60,), generator=generator).square() // 3  # classes 0, 1 and 3
    other = torch.where(torch.rand(60, generator=generator) < 0.7, many, many.flip(0))

    def case(about: str, a: list[int], b: list[int]) -> Case:
        return Case(about, (torch.tensor(a), torch.tensor(b)))

    return [
        case("they always agree", [0, 1, 0, 1], [0, 1, 0, 1]),
        case("half of four, which is chance", [0, 0, 1, 1], [0, 1, 0, 1]),
        case("a rare class", [0] * 8 + [1, 1], [0] * 7 + [1, 0, 1]),
        case("each has a favourite", [0, 0, 0, 1, 1], [0, 1, 1, 1, 1]),
        case("less often than by chance", [0, 0, 1, 1], [1, 1, 0, 1]),
        case("the second never chooses class 2", [0, 1, 2, 2, 1], [0, 1, 1, 0, 1]),
        case("the first never chooses class 2", [0, 1, 1, 0, 1], [0, 1, 2, 2, 1]),
        Case("sixty things, and a class that nobody chose", (many, other)),
    ]


def plain_agreement(labels_a, labels_b):
    return (labels_a == labels_b).float().mean().item()


def _kappa(observed: float, chance: float) -> float:
    return (observed - chance) / (1 - chance)


def _chance(labels_a, labels_b) -> float:
    return sum(
        ((labels_a == k).float().mean() * (labels_b == k).float().mean()).item()
        for k in torch.cat([labels_a, labels_b]).unique()
    )


def chance_of_a_coin(labels_a, labels_b):
    return _kappa(plain_agreement(labels_a, labels_b), 0.5)


def chance_of_a_die(labels_a, labels_b):
    num_classes = len(torch.cat([labels_a, labels_b]).unique())
    return _kappa(plain_agreement(labels_a, labels_b), 1 / num_classes)


def chance_of_the_first(labels_a, labels_b):
    share = labels_a.bincount() / len(labels_a)
    return _kappa(plain_agreement(labels_a, labels_b), share.square().sum().item())


def chance_of_both_pooled(labels_a, labels_b):
    both = torch.cat([labels_a, labels_b])
    share = both.bincount() / len(both)
    return _kappa(plain_agreement(labels_a, labels_b), share.square().sum().item())


def not_scaled(labels_a, labels_b):
    return plain_agreement(labels_a, labels_b) - _chance(labels_a, labels_b)


def divided_too_early(labels_a, labels_b):
    chance = _chance(labels_a, labels_b)
    return plain_agreement(labels_a, labels_b) - chance / (1 - chance)


def divided_by_chance(labels_a, labels_b):
    return not_scaled(labels_a, labels_b) / _chance(labels_a, labels_b)


def counts_for_shares(labels_a, labels_b):
    count = len(labels_a)
    agreed, chance = plain_agreement(labels_a, labels_b), _chance(labels_a, labels_b)
    return _kappa(agreed * count, chance * count**2)


def never_below_zero(labels_a, labels_b):
    return max(0.0, cohen_kappa_solution(labels_a, labels_b))


_EQUALLY_LIKELY = (
    "Chance was taken as 1 / K, as if every class were equally likely. Use how often each "
    "annotator really chose it."
)

cohen_kappa = Exercise(
    name="cohen_kappa",
    title="do two annotators agree?",
    difficulty=2,
    minutes=10,
    teaches="Why 90 % agreement can mean nothing where one class is everywhere.",
    reference=cohen_kappa_solution,
    why="Two people who label blindly still agree now and then, often where one class is frequent. "
    "Kappa takes that share away from both sides of the scale.",
    cases=_annotator_cases,
    hints=(
        "Three numbers: the share of equal labels, the share that chance would make equal, and "
        "kappa from the two.",
        "If a says 'stop' for 30 % of the things and b for 20 %, both say it by chance for "
        "0.3 * 0.2 of them. Add that up over all classes.",
        "labels_a.bincount(minlength=K) / N gives the shares of a. Multiply with those of b, sum, "
        "and put it into (observed - chance) / (1 - chance).",
    ),
    misconceptions=(
        Misconception(
            plain_agreement,
            "This is the plain share of agreement, which chance alone can make large.",
        ),
        Misconception(chance_of_a_coin, _EQUALLY_LIKELY),
        Misconception(chance_of_a_die, _EQUALLY_LIKELY),
        Misconception(
            chance_of_the_first,
            "Chance was taken from the first annotator alone: multiply the shares of a with those "
            "of b.",
        ),
        Misconception(
            chance_of_both_pooled,
            "Both annotators were thrown together before counting. That is another measure "
            "(Scott's pi); Cohen's kappa lets each have habits of their own.",
        ),
        Misconception(
            not_scaled,
            "This is observed - chance. Divide by 1 - chance, so that full agreement gives 1.",
        ),
        Misconception(
            divided_too_early,
            "Only chance was divided by 1 - chance: a division comes before a minus, unless there "
            "are brackets.",
        ),
        Misconception(
            divided_by_chance,
            "This divides by chance. What is left above chance is 1 - chance.",
        ),
        Misconception(
            counts_for_shares, "These are counts. Divide them by N first: kappa is made of shares."
        ),
        Misconception(
            never_below_zero,
            "Kappa is negative where two people agree less often than by chance. Keep the sign.",
        ),
    ),
)
