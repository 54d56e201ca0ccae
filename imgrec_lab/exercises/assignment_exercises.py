"""An exercise of lesson 07: which location answers for which box."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def assign_inside_solution(points: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Which box each location answers for: of the boxes it lies in, the one of smallest area.

    A location on the left or upper edge of a box lies in it, one on the right or lower edge does
    not.

    Args:
        points: (A, 2) float32 x and y of the locations, pixels.
        boxes: (M, 4) float32 x1, y1, x2, y2, pixels, no two of the same area; (0, 4) where the
            picture shows nothing.

    Returns:
        (A,) int64, the index of a box, or -1 where a location lies in none.
    """
    x, y = points.unbind(dim=1)  # (A,) each
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)  # (M,)
    owner = torch.full((len(points),), -1)
    for index in areas.argsort(descending=True):  # the smallest comes last, and so it stays
        x1, y1, x2, y2 = boxes[index]
        owner[(x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)] = index
    return owner


def _grid(height: int, width: int, stride: int) -> torch.Tensor:
    """(A, 2), the centres of cells, row by row."""
    y, x = (torch.arange(stride // 2, side, stride) for side in (height, width))
    return torch.cartesian_prod(y, x).flip(dims=(1,)).float()


def _assign_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    corner = torch.rand(10, 2, generator=generator) * 60
    many = torch.cat([corner, corner + 6 + 40 * torch.rand(10, 2, generator=generator)], dim=1)
    edges = [[4.0, 6], [6.0, 2], [12.0, 6], [6.0, 8], [11.0, 7]]

    def case(about: str, points: list, boxes: list) -> Case:
        return Case(about, (torch.tensor(points), torch.tensor(boxes).reshape(-1, 4)))

    return [
        case("one location, in the only box", [[4.0, 4]], [[2.0, 2, 8, 8]]),
        case("one location, above the only box", [[4.0, 1]], [[2.0, 2, 8, 8]]),
        case("three locations and no box", [[4.0, 4], [4.0, 12], [12.0, 4]], []),
        case("two locations in two boxes, and one in none", [[12.0, 4], [4.0, 4], [20.0, 4]],
             [[2.0, 2, 8, 7], [10.0, 2, 16, 8]]),
        case("a small box in a large one", [[12.0, 12], [4.0, 4]],
             [[0.0, 0, 24, 24], [10.0, 10, 14, 14]]),
        case("the same, the small one first", [[12.0, 12], [4.0, 4]],
             [[10.0, 10, 14, 14], [0.0, 0, 24, 24]]),
        case("on the left, upper, right and lower edge, and within", edges, [[4.0, 2, 12, 8]]),
        case("on the edge between two boxes, the left one smaller", [[8.0, 4], [4.0, 4]],
             [[2.0, 2, 8, 8], [8.0, 0, 16, 10]]),
        case("to the right of the middle, and below it", [[28.0, 4], [4.0, 28]],
             [[24.0, 0, 32, 7], [0.0, 20, 8, 32]]),
        case("long and flat, of smaller area than a square", [[10.0, 10], [10.0, 14]],
             [[0.0, 9, 40, 12], [4.0, 4, 16, 16]]),
        case("nearer to the middle of the larger one", [[10.0, 10], [14.0, 14]],
             [[0.0, 0, 22, 22], [8.0, 8, 18, 18], [40.0, 40, 42, 42]]),
        Case("99 locations and ten boxes", (_grid(72, 88, 8), many)),
    ]  # fmt: skip


def _inside(points, boxes):
    """(A, M) bool: whether a location lies in a box."""
    low, high = points[:, None] >= boxes[None, :, :2], points[:, None] < boxes[None, :, 2:]
    return (low & high).all(dim=2)


def _areas(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)


def _least(costs, inside):
    """(A,): of the boxes that a location lies in the one that costs least, else -1."""
    owner = torch.full((len(inside),), -1)
    if inside.shape[1]:
        least, index = costs.where(inside, torch.inf).min(dim=1)
        owner = index.where(least < torch.inf, owner)
    return owner


def largest_box(points, boxes):
    return _least(-_areas(boxes), _inside(points, boxes))


def first_box(points, boxes):
    return _least(torch.arange(len(boxes)).float(), _inside(points, boxes))


def last_box(points, boxes):
    return _least(-torch.arange(len(boxes)).float(), _inside(points, boxes))


def shortest_sides(points, boxes):
    return _least((boxes[:, 2:] - boxes[:, :2]).sum(dim=1), _inside(points, boxes))


def _from_centres(points, boxes):
    return torch.cdist(points, (boxes[:, :2] + boxes[:, 2:]) / 2)  # (A, M)


def nearest_centre_inside(points, boxes):
    return _least(_from_centres(points, boxes), _inside(points, boxes))


def nearest_centre(points, boxes):
    return _least(_from_centres(points, boxes), torch.ones(len(points), len(boxes)).bool())


def smallest_of_all(points, boxes):
    smallest = _least(_areas(boxes), torch.ones(len(points), len(boxes)).bool())
    return smallest.where(_inside(points, boxes).any(dim=1), -1)


def zero_for_none(points, boxes):
    return assign_inside_solution(points, boxes).clamp(min=0)


def number_of_boxes_for_none(points, boxes):
    owner = assign_inside_solution(points, boxes)
    return owner.where(owner >= 0, len(boxes))


def counted_from_one(points, boxes):
    owner = assign_inside_solution(points, boxes)
    return owner + (owner >= 0)


def all_edges_in(points, boxes):
    inside = (points[:, None] >= boxes[:, :2]) & (points[:, None] <= boxes[:, 2:])
    return _least(_areas(boxes), inside.all(dim=2))


def no_edge_in(points, boxes):
    inside = (points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, 2:])
    return _least(_areas(boxes), inside.all(dim=2))


def x_and_y_swapped(points, boxes):
    return assign_inside_solution(points.flip(dims=(1,)), boxes)


def only_x(points, boxes):
    x = points[:, :1]  # (A, 1)
    return _least(_areas(boxes), (x >= boxes[:, 0]) & (x < boxes[:, 2]))


def size_for_corner(points, boxes):
    return assign_inside_solution(points, torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1))


def how_many(points, boxes):
    return _inside(points, boxes).sum(dim=1)


def location_of_each_box(points, boxes):
    return _least(torch.arange(len(points)).float(), _inside(points, boxes).T)


def table_of_all(points, boxes):
    return _inside(points, boxes)


assign_inside = Exercise(
    name="assign_inside",
    title="which location answers for which box?",
    difficulty=2,
    minutes=12,
    teaches="How a list of boxes becomes one target for each location of a grid.",
    reference=assign_inside_solution,
    why="Large boxes are given out first and small ones over them, so the smallest stays. Where no "
    "box was given out, -1 stays: background, which is most of a picture.",
    cases=_assign_cases,
    hints=(
        "Two questions for each location: which boxes does it lie in, and which of them is the "
        "smallest?",
        "It lies in a box if x1 <= x < x2 and y1 <= y < y2. Start with -1 everywhere: "
        "torch.full((len(points),), -1).",
        "Go through the boxes from the largest to the smallest (areas.argsort(descending=True)) "
        "and write the index of each to the locations inside: owner[inside] = index.",
    ),
    misconceptions=(
        Misconception(
            largest_box,
            "Of several boxes the largest was taken. Then the small object in front of a large "
            "one is never learnt.",
        ),
        Misconception(
            first_box,
            "Of several boxes the first of the list was taken. Their order means nothing: take "
            "the smallest.",
        ),
        Misconception(
            last_box,
            "Of several boxes the last of the list was taken; a later one writes over an earlier "
            "one. Go from the largest to the smallest.",
        ),
        Misconception(
            shortest_sides, "The smallest was taken by its sides. Its area counts: width * height."
        ),
        Misconception(
            nearest_centre_inside,
            "Of several boxes the one with the nearest centre was taken. The smallest was asked "
            "for.",
        ),
        Misconception(
            nearest_centre,
            "Every location answers for the box with the nearest centre, wherever it is. Outside "
            "all boxes the answer is -1.",
        ),
        Misconception(
            smallest_of_all,
            "The smallest box of the whole picture was taken, also by locations outside it.",
        ),
        Misconception(
            zero_for_none,
            "A location in no box must give -1. 0 is the first box: all the background would be "
            "trained on it.",
        ),
        Misconception(
            number_of_boxes_for_none,
            "A location in no box must give -1; here it gives M, the number of boxes.",
        ),
        Misconception(counted_from_one, "Boxes are counted from 0: the first one is 0, not 1."),
        Misconception(
            all_edges_in,
            "The right and the lower edge belong to the next box: x < x2, not x <= x2.",
        ),
        Misconception(
            no_edge_in, "The left and the upper edge belong to the box: x1 <= x, not x1 < x."
        ),
        Misconception(x_and_y_swapped, "x and y are swapped: the first number of a point is x."),
        Misconception(only_x, "Only x is looked at: y must lie between y1 and y2, too."),
        Misconception(
            size_for_corner,
            "The last two numbers of a box were read as width and height. They are x2 and y2.",
        ),
        Misconception(
            how_many, "This counts the boxes that a location lies in. Give the index of one."
        ),
        Misconception(
            table_of_all,
            "This says for every location and box whether the one lies in the other. Now choose "
            "one box for each location.",
            by_shape=True,
        ),
        Misconception(
            location_of_each_box,
            "This gives a location to each box. It is the locations that are trained: give a box "
            "to each of them.",
            by_shape=True,
        ),
    ),
)
