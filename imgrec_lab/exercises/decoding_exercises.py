"""An exercise of lesson 07: from the distances that a location answers to a box in pixels."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def decode_solution(
    distances: torch.Tensor, points: torch.Tensor, strides: torch.Tensor
) -> torch.Tensor:
    """The boxes that the locations of a detector mean by their answers.

    Args:
        distances: (A, 4) float32, from a location to the left, top, right and bottom side of its
            box, in strides of that location.
        points: (A, 2) float32 x and y of the locations, pixels.
        strides: (A,) float32, pixels.

    Returns:
        (A, 4) float32 x1, y1, x2, y2, pixels; a box may reach beyond the picture.
    """
    pixels = distances * strides[:, None]  # (A, 4)
    return torch.cat([points - pixels[:, :2], points + pixels[:, 2:]], dim=1)


def _decode_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(9)
    rows, columns = torch.arange(4, 64, 8), torch.arange(4, 96, 8)
    points = torch.cartesian_prod(columns, rows).float()  # (96, 2)
    distances = 4 * torch.rand(len(points), 4, generator=generator)
    strides = torch.tensor([8.0, 16, 32]).repeat(32)

    def case(about: str, distances: list, points: list, strides: list) -> Case:
        return Case(about, tuple(torch.tensor(part) for part in (distances, points, strides)))

    return [
        case("strides of one pixel", [[2.0, 2, 2, 2]], [[6.0, 6]], [1.0]),
        case("nearer to the left and the top", [[1.0, 2, 3, 5]], [[6.0, 9]], [1.0]),
        case("strides of 8 pixels", [[1.0, 0.5, 2, 1.5]], [[20.0, 12]], [8.0]),
        case("four locations, two strides",
             [[1.0, 1, 1, 1], [1, 2, 3, 1], [0.5, 1, 1, 2], [2, 1, 1, 0.5]],
             [[20.0, 36], [28, 36], [24, 40], [40, 40]], [8.0, 8, 16, 16]),
        case("it reaches beyond the picture", [[2.0, 1, 1, 1]], [[4.0, 12]], [8.0]),
        case("a location outside its box: one distance is below 0", [[-1.0, 1, 3, 1]],
             [[12.0, 20]], [8.0]),
        case("four locations, three strides",
             [[0.5, 1, 2.5, 1], [1, 3, 1, 2], [2, 0.5, 1, 1], [1, 1, 0.5, 2]],
             [[12.0, 52], [60, 20], [40, 56], [48, 80]], [8.0, 8, 16, 32]),
        Case("96 locations", (distances, points, strides)),
    ]  # fmt: skip


def _moved(signs):
    """A wrong answer that goes from the location in the direction of four ``signs``."""

    def answer(distances, points, strides):
        pixels = distances * strides[:, None]
        return points.repeat(1, 2) + pixels * torch.tensor(signs)

    return answer


all_added = _moved([1, 1, 1, 1])
all_taken_away = _moved([-1, -1, -1, -1])
signs_swapped = _moved([1, 1, -1, -1])


def stride_forgotten(distances, points, strides):
    return decode_solution(distances, points, torch.ones_like(strides))


def divided_by_the_stride(distances, points, strides):
    return decode_solution(distances, points, 1 / strides)


def points_multiplied_too(distances, points, strides):
    return decode_solution(distances, points, torch.ones_like(strides)) * strides[:, None]


def first_stride_for_all(distances, points, strides):
    return decode_solution(distances, points, strides[:1].expand(len(strides)))


def stride_for_each_side(distances, points, strides):
    return _moved([-1, -1, 1, 1])(distances * strides, points, torch.ones(1))


def left_right_top_bottom(distances, points, strides):
    return decode_solution(distances[:, [0, 2, 1, 3]], points, strides)


def both_x_first(distances, points, strides):
    return decode_solution(distances, points, strides)[:, [0, 2, 1, 3]]


def top_first(distances, points, strides):
    return decode_solution(distances[:, [1, 0, 3, 2]], points, strides)


def points_y_first(distances, points, strides):
    return decode_solution(distances, points.flip(dims=(1,)), strides)


def corner_and_size(distances, points, strides):
    boxes = decode_solution(distances, points, strides)
    return torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1)


def from_the_corner(distances, points, strides):
    boxes = decode_solution(distances, points, strides)
    return torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - points], dim=1)


def distances_only(distances, points, strides):
    return distances * strides[:, None]


def of_an_exponential(distances, points, strides):
    return decode_solution(distances.exp(), points, strides)


def clipped_at_zero(distances, points, strides):
    return decode_solution(distances, points, strides).clamp(min=0)


def never_below_zero(distances, points, strides):
    return decode_solution(distances.clamp(min=0), points, strides)


decode = Exercise(
    name="decode",
    title="from four distances to a box",
    difficulty=1,
    minutes=8,
    teaches="What the numbers of a detector mean, and in which unit they come.",
    reference=decode_solution,
    why="A stride turns a distance into pixels; left and top lie before the location, right and "
    "bottom behind it. So one network can answer for small boxes and large ones with numbers of "
    "the same size.",
    cases=_decode_cases,
    hints=(
        "A location at x = 20 whose left side is 1 stride of 8 pixels away: where is that side?",
        "Multiply the distances by the stride of their location: strides[:, None] is (A, 1). Then "
        "take left and top away from the point and add right and bottom.",
        "pixels = distances * strides[:, None]; torch.cat([points - pixels[:, :2], points + "
        "pixels[:, 2:]], dim=1).",
    ),
    without=("decode",),
    misconceptions=(
        Misconception(
            all_added,
            "All four were added. The left side lies to the left of the location: x - left, and "
            "y - top.",
        ),
        Misconception(
            all_taken_away, "All four were taken away. Right and bottom are added to the location."
        ),
        Misconception(
            signs_swapped,
            "The signs are swapped: left and top are taken away, right and bottom added.",
        ),
        Misconception(
            stride_forgotten,
            "The stride is forgotten: a distance of 2 at stride 8 is 16 pixels.",
        ),
        Misconception(
            divided_by_the_stride,
            "Divided by the stride. That is the way to a target; back to pixels, multiply.",
        ),
        Misconception(
            points_multiplied_too,
            "The location was multiplied by the stride, too. It is in pixels already.",
        ),
        Misconception(
            first_stride_for_all,
            "The first stride was used for all locations. Each has its own.",
        ),
        Misconception(
            stride_for_each_side,
            "A stride for each column: with four locations, strides of shape (4,) fit by chance. "
            "Each belongs to a row: strides[:, None].",
        ),
        Misconception(
            left_right_top_bottom,
            "The distances were read as left, right, top, bottom. The order is left, top, right, "
            "bottom.",
        ),
        Misconception(
            both_x_first,
            "The sides are right and in the wrong order: x1, y1, x2, y2, not x1, x2, y1, y2.",
        ),
        Misconception(
            top_first,
            "The distances were read as top, left, bottom, right. Left comes first, as x does.",
        ),
        Misconception(
            points_y_first, "x and y of the locations are swapped: the first number is x."
        ),
        Misconception(
            corner_and_size,
            "The last two numbers are width and height. The corner x2, y2 was asked for.",
        ),
        Misconception(
            from_the_corner,
            "Right and bottom were measured from the top left corner. They are measured from the "
            "location.",
        ),
        Misconception(
            distances_only,
            "These are the distances in pixels. A box lies somewhere: start from the location.",
        ),
        Misconception(
            of_an_exponential,
            "Some detectors answer with a logarithm; here the distances are given as they are, "
            "without exp.",
        ),
        Misconception(
            clipped_at_zero,
            "The boxes were clipped at 0. Here they may reach beyond the picture; clipping is a "
            "step of its own.",
        ),
        Misconception(
            never_below_zero,
            "Distances below 0 were made 0. They mean that a location lies outside its box: keep "
            "them.",
        ),
    ),
)
