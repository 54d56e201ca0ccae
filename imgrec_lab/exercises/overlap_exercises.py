"""An exercise of lesson 07: how far two boxes overlap."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def iou_solution(boxes_a: torch.Tensor, boxes_b: torch.Tensor) -> torch.Tensor:
    """Intersection over union of every pair of boxes, by hand.

    Args:
        boxes_a: (P, 4) float32 x1, y1, x2, y2 in pixels, measured on pixel edges: x2 - x1 is
            the width.
        boxes_b: (Q, 4), the same.

    Returns:
        (P, Q) float32 from 0 to 1; 0 where neither box has an area.
    """
    top_left = torch.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])  # (P, Q, 2)
    bottom_right = torch.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    shared = (bottom_right - top_left).clamp(min=0).prod(dim=2)  # (P, Q)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (boxes_a, boxes_b))
    union = area_a[:, None] + area_b[None] - shared
    return torch.where(union > 0, shared / union, 0)


def _iou_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(17, 2, generator=generator) * 30
    many = torch.cat([corner, corner + 5 + 25 * torch.rand(17, 2, generator=generator)], dim=1)
    four = [0.0, 0, 4, 4]

    def case(about: str, boxes_a: list, boxes_b: list) -> Case:
        return Case(about, (torch.tensor(boxes_a).reshape(-1, 4), torch.tensor(boxes_b)))

    return [
        case("a box and the same box", [four], [four]),
        case("half of each is shared", [four], [[2.0, 0, 6, 4]]),
        case("one box inside the other", [[0.0, 0, 4, 8]], [[1.0, 2, 3, 6]]),
        case("apart: one left of the other", [[0.0, 0, 2, 4]], [[5.0, 1, 8, 3]]),
        case("apart: left of it and above it", [[0.0, 0, 2, 3]], [[4.0, 5, 6, 8]]),
        case("they touch and share nothing", [four], [[4.0, 0, 6, 4]]),
        case("a box without area, inside the other", [[1.0, 1, 1, 3]], [four]),
        case("two boxes without area", [[1.0, 1, 1, 3]], [[1.0, 1, 1, 3]]),
        case("one box against three", [[2.0, 3, 9, 8]], [[2.0, 3, 9, 8], [0, 0, 5, 5], four]),
        case("two against two", [four, [3.0, 1, 9, 5]], [[1.0, 1, 5, 3], [8, 4, 10, 9]]),
        case("no boxes against three", [], [four, [2.0, 0, 6, 4], [0, 0, 5, 5]]),
        Case("eight against nine", (many[:8], many[8:])),
    ]


def _size(boxes):
    return boxes[..., 2:] - boxes[..., :2]


def _area(boxes):
    return _size(boxes).prod(dim=-1)


def _over(numerator, denominator):
    return torch.where(denominator > 0, numerator / denominator, 0)


def _common(boxes_a, boxes_b):
    """The rectangle that two boxes share, turned inside out where they share none."""
    a, b = boxes_a[:, None], boxes_b[None]  # (P, 1, 4), (1, Q, 4)
    return torch.cat([a.maximum(b)[..., :2], a.minimum(b)[..., 2:]], dim=-1)  # (P, Q, 4)


def _by_areas(ratio, shared=lambda common: _size(common).clamp(min=0).prod(dim=-1)):
    """A wrong answer that gives ``ratio(shared, area_a, area_b)`` of (P, Q), (P, 1), (1, Q)."""

    def answer(boxes_a, boxes_b):
        areas = _area(boxes_a)[:, None], _area(boxes_b)[None]
        return ratio(shared(_common(boxes_a, boxes_b)), *areas)

    return answer


def _right_ratio(shared, a, b):
    return _over(shared, a + b - shared)


not_clamped = _by_areas(_right_ratio, _area)
clamped_too_late = _by_areas(_right_ratio, lambda common: _area(common).clamp(min=0))
without_signs = _by_areas(_right_ratio, lambda common: _area(common).abs())
shared_twice = _by_areas(lambda shared, a, b: _over(shared, a + b))
dice = _by_areas(lambda shared, a, b: _over(2 * shared, a + b))
over_the_smaller = _by_areas(lambda shared, a, b: _over(shared, a.minimum(b)))
over_the_first = _by_areas(lambda shared, a, b: _over(shared, a))
over_the_second = _by_areas(lambda shared, a, b: _over(shared, b))
not_divided = _by_areas(lambda shared, a, b: shared)
nan_for_empty = _by_areas(lambda shared, a, b: shared / (a + b - shared))


def pixels_included(boxes_a, boxes_b):
    one = torch.tensor([0, 0, 1, 1])
    return iou_solution(boxes_a + one, boxes_b + one)


def _enclosing(boxes_a, boxes_b):
    a, b = boxes_a[:, None], boxes_b[None]
    return _area(torch.cat([a.minimum(b)[..., :2], a.maximum(b)[..., 2:]], dim=-1))


def over_the_enclosing(boxes_a, boxes_b):
    shared = _size(_common(boxes_a, boxes_b)).clamp(min=0).prod(dim=-1)
    return _over(shared, _enclosing(boxes_a, boxes_b))


def smallest_and_largest_swapped(boxes_a, boxes_b):
    shared = _enclosing(boxes_a, boxes_b)
    return _right_ratio(shared, _area(boxes_a)[:, None], _area(boxes_b)[None])


def read_as_sizes(boxes_a, boxes_b):
    corners = (torch.cat([b[:, :2], b[:, :2] + b[:, 2:]], dim=1) for b in (boxes_a, boxes_b))
    return iou_solution(*corners)


def rows_for_the_second(boxes_a, boxes_b):
    return iou_solution(boxes_b, boxes_a)


def row_by_row(boxes_a, boxes_b):
    return iou_solution(boxes_a, boxes_b).diagonal().clone()


iou = Exercise(
    name="iou",
    title="how far do two boxes overlap?",
    difficulty=2,
    minutes=12,
    teaches="What overlap is measured against, and why boxes that lie apart need care.",
    reference=iou_solution,
    why="What two boxes share begins at the larger of their left edges and ends at the smaller of "
    "their right ones; where that is the wrong way round they share nothing. The union counts what "
    "is shared once.",
    cases=_iou_cases,
    hints=(
        "For one pair: where does the rectangle that both share begin, and where does it end?",
        "It begins at the larger x1 and y1 and ends at the smaller x2 and y2. A side below 0 means "
        "apart: clamp(min=0). The union is area a + area b - shared.",
        "For all pairs let the shapes broadcast: torch.maximum(boxes_a[:, None, :2], "
        "boxes_b[None, :, :2]) is (P, Q, 2). Two loops will do as well. At the end, 0 where the "
        "union is 0.",
    ),
    without=("iou", "box_iou"),
    misconceptions=(
        Misconception(
            not_clamped,
            "Boxes that lie apart have a shared side below 0, and two of them multiply to more "
            "than 0. clamp(min=0) each side before you multiply.",
        ),
        Misconception(
            clamped_too_late,
            "The area was clamped, not its sides: two sides below 0 multiply to more than 0.",
        ),
        Misconception(
            without_signs,
            "The shared area lost its sign, so boxes that lie apart share something. A side below "
            "0 counts as 0.",
        ),
        Misconception(
            pixels_included,
            "There is a + 1 in the sides, from the time when boxes counted their last pixel. Here "
            "edges are measured: the width is x2 - x1.",
        ),
        Misconception(
            shared_twice,
            "The union counts what is shared twice, once in each area. Take it away once. A box "
            "and itself must give 1.",
        ),
        Misconception(
            dice,
            "This is 2 * shared / (area a + area b), the Dice coefficient. Divide what is shared "
            "by the union.",
        ),
        Misconception(
            over_the_enclosing,
            "Divided by the area of the rectangle round both. The union holds only what belongs "
            "to one of the boxes.",
        ),
        Misconception(
            over_the_smaller,
            "Divided by the smaller area: a small box anywhere in a large one would be perfect.",
        ),
        Misconception(
            over_the_first, "Divided by the area of the first box. Divide by the union of both."
        ),
        Misconception(
            over_the_second, "Divided by the area of the second box. Divide by the union of both."
        ),
        Misconception(not_divided, "This is the shared area in pixels. Divide it by the union."),
        Misconception(
            smallest_and_largest_swapped,
            "Smallest and largest are swapped: what is shared begins at the larger x1 and ends at "
            "the smaller x2.",
        ),
        Misconception(
            nan_for_empty,
            "0 / 0 is nan: two boxes without area have no union. Give 0 there.",
        ),
        Misconception(
            read_as_sizes,
            "The last two numbers were read as width and height. They are x2 and y2.",
        ),
        Misconception(
            rows_for_the_second,
            "Rows and columns are swapped: a row for each box of boxes_a, a column for each of "
            "boxes_b.",
        ),
        Misconception(
            row_by_row,
            "This compares box by box. Every box of boxes_a meets every one of boxes_b: (P, Q).",
            by_shape=True,
        ),
    ),
)
