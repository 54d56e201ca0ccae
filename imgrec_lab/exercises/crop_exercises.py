"""An exercise of lesson 04: which boxes a crop leaves, and where they then lie."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def crop_boxes_solution(
    boxes: torch.Tensor, labels: torch.Tensor, crop: tuple, min_visibility: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The boxes and labels that are left when a part of a picture is cut out.

    A box stays if at least min_visibility of its area lies inside the crop, and some area does.

    Args:
        boxes: (M, 4) float32, x1, y1, x2, y2 in pixels of the whole picture; each has an area.
        labels: (M,) int64.
        crop: x1, y1, x2, y2 of the part that is cut out, in whole pixels.
        min_visibility: from 0 to 1.

    Returns:
        boxes (L, 4) that stay, clipped to the crop and measured from its top left corner, and
        their labels (L,), in the order in which they came.
    """
    x1, y1, x2, y2 = crop
    low, high = torch.tensor([x1, y1, x1, y1]), torch.tensor([x2, y2, x2, y2])
    inside = boxes.clamp(low, high)  # a box outside shrinks to a line or a point
    before, after = ((b[:, 2:] - b[:, :2]).prod(dim=1) for b in (boxes, inside))  # areas (M,)
    stays = (after > 0) & (after >= min_visibility * before)
    return (inside - low)[stays], labels[stays]


CROP = (20, 10, 60, 40)


def _crop_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    corner = torch.rand(12, 2, generator=generator) * 60
    many = torch.cat([corner, corner + 4 + 30 * torch.rand(12, 2, generator=generator)], dim=1)

    def case(about: str, boxes: list[list[float]], visibility: float, crop=CROP) -> Case:
        labels = torch.arange(len(boxes)) + 5
        return Case(about, (torch.tensor(boxes), labels, crop, visibility))

    return [
        case("one box, all of it inside", [[30.0, 15, 40, 35]], 0.25),
        case("the crop is the whole picture", [[30.0, 15, 40, 35]], 0.25, (0, 0, 80, 60)),
        case("three quarters are left", [[10.0, 20, 50, 30]], 0.25),
        case(
            "a box that reaches over the right and the lower edge of the crop",
            [[50.0, 30, 65, 45]], 0.25,
        ),
        case(
            "one box is outside, to the left; the other stays",
            [[2.0, 15, 12, 25], [25.0, 15, 35, 25]], 0.25,
        ),
        case("a tenth is left, and a quarter is asked for", [[51.0, 20, 141, 30]], 0.25),
        case("just a quarter is left, and that is enough", [[50.0, 20, 90, 30]], 0.25),
        case("60 % of its width and of its height is left", [[54.0, 34, 64, 44]], 0.5),
        case("a box in a small corner, and any area will do", [[58.0, 38, 70, 60]], 0.0),
        case("outside, and any area will do", [[0.0, 15, 15, 35], [20.0, 0, 40, 10]], 0.0),
        case("outside beyond a corner: both sides are negative", [[70.0, 50, 80, 60]], 0.25),
        Case("twelve boxes", (many, torch.arange(12) % 4, CROP, 0.5)),
    ]  # fmt: skip


def _edges(crop):
    x1, y1, x2, y2 = crop
    return torch.tensor([x1, y1, x1, y1]), torch.tensor([x2, y2, x2, y2])


def _area(boxes):
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)


def _cropped(boxes, labels, crop, stays):
    low, high = _edges(crop)
    return (boxes.clamp(low, high) - low)[stays], labels[stays]


def _by_rule(rule):
    """A wrong answer that keeps by ``rule(inside, boxes, crop, min_visibility)`` -> (M,) bool."""

    def answer(boxes, labels, crop, min_visibility):
        inside = boxes.clamp(*_edges(crop))
        return _cropped(boxes, labels, crop, rule(inside, boxes, crop, min_visibility))

    return answer


def not_shifted(boxes, labels, crop, min_visibility):
    left, names = crop_boxes_solution(boxes, labels, crop, min_visibility)
    return left + _edges(crop)[0], names


def _stays(boxes, crop, min_visibility):
    after = _area(boxes.clamp(*_edges(crop)))
    return (after > 0) & (after >= min_visibility * _area(boxes))


def not_clipped(boxes, labels, crop, min_visibility):
    stays = _stays(boxes, crop, min_visibility)
    return (boxes - _edges(crop)[0])[stays], labels[stays]


def clipped_before_the_shift(boxes, labels, crop, min_visibility):
    low, high = _edges(crop)
    stays = _stays(boxes, crop, min_visibility)
    return (boxes.clamp(torch.zeros(4), high - low) - low)[stays], labels[stays]


def clipped_to_the_whole(boxes, labels, crop, min_visibility):
    low, high = _edges(crop)
    stays = _stays(boxes, crop, min_visibility)
    return (boxes - low).clamp(torch.zeros(4), high)[stays], labels[stays]


def x_and_y_swapped(boxes, labels, crop, min_visibility):
    x1, y1, x2, y2 = crop
    return crop_boxes_solution(boxes, labels, (y1, x1, y2, x2), min_visibility)


def crop_as_corner_and_size(boxes, labels, crop, min_visibility):
    x1, y1, width, height = crop
    crop = (x1, y1, x1 + width, y1 + height)
    return crop_boxes_solution(boxes, labels, crop, min_visibility)


def all_labels(boxes, labels, crop, min_visibility):
    return crop_boxes_solution(boxes, labels, crop, min_visibility)[0], labels.clone()


def first_labels(boxes, labels, crop, min_visibility):
    left, _ = crop_boxes_solution(boxes, labels, crop, min_visibility)
    return left, labels[: len(left)]


def no_rows_no_columns(boxes, labels, crop, min_visibility):
    left, names = crop_boxes_solution(boxes, labels, crop, min_visibility)
    return torch.tensor(left.tolist()), names


def both_signs_negative(boxes, labels, crop, min_visibility):
    low, high = _edges(crop)
    inside = torch.cat([boxes.maximum(low)[:, :2], boxes.minimum(high)[:, 2:]], dim=1)
    stays = (_area(inside) > 0) & (_area(inside) >= min_visibility * _area(boxes))
    return (inside - low)[stays], labels[stays]


def _lengths(boxes):
    return boxes[:, 2:] - boxes[:, :2]  # (M, 2)


def _centre_inside(inside, boxes, crop, min_visibility):
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    low, high = _edges(crop)
    return ((centre >= low[:2]) & (centre < high[:2])).all(dim=1)


everything = _by_rule(lambda inside, boxes, crop, v: torch.ones(len(boxes), dtype=torch.bool))
anything_visible = _by_rule(lambda inside, boxes, crop, v: _area(inside) > 0)
wholly_inside = _by_rule(lambda inside, boxes, crop, v: (inside == boxes).all(dim=1))
centre_inside = _by_rule(_centre_inside)
share_of_the_crop = _by_rule(
    lambda inside, boxes, crop, v: (
        (_area(inside) > 0) & (_area(inside) >= v * (crop[2] - crop[0]) * (crop[3] - crop[1]))
    )
)
sides_for_area = _by_rule(
    lambda inside, boxes, crop, v: (
        (_area(inside) > 0) & (_lengths(inside) >= v * _lengths(boxes)).all(dim=1)
    )
)
strictly_more = _by_rule(lambda inside, boxes, crop, v: _area(inside) > v * _area(boxes))
no_area_stays = _by_rule(lambda inside, boxes, crop, v: _area(inside) >= v * _area(boxes))
hidden_ones = _by_rule(lambda inside, boxes, crop, v: ~_stays(boxes, crop, v))

_EMPTY = "A box of no area is left: at 0, min_visibility asks for nothing. Drop what has no area."

crop_boxes = Exercise(
    name="crop_boxes",
    title="which boxes does a crop leave?",
    difficulty=2,
    minutes=12,
    teaches="What a crop does to boxes, and when a cut-off object should not be taught any more.",
    reference=crop_boxes_solution,
    why="Clipping comes first, because what is left of a box decides whether it stays; the share "
    "is one of the box's own area. Boxes and labels are picked by one and the same mask.",
    cases=_crop_cases,
    hints=(
        "Three steps: what of each box lies inside the crop, which boxes stay, and where the "
        "crop's corner becomes (0, 0).",
        "boxes[:, 0::2] are all x and boxes[:, 1::2] all y: clamp them to the crop. A box that "
        "lies outside becomes a line, whose area is 0.",
        "stays = (after > 0) & (after >= min_visibility * before), with the area of each box "
        "before and after clipping. Then boxes[stays] and labels[stays], minus the corner.",
    ),
    returns=("boxes", "labels"),
    misconceptions=(
        Misconception(
            not_shifted,
            "The boxes are still measured from the corner of the whole picture. Subtract the x1 "
            "and y1 of the crop.",
        ),
        Misconception(
            not_clipped,
            "The boxes reach beyond the crop. Clip them: pixels out there no longer exist.",
        ),
        Misconception(
            clipped_before_the_shift,
            "The boxes were clipped to 0 and the size of the crop while they were still measured "
            "in the whole picture. Shift first, or clip to the crop's own edges.",
        ),
        Misconception(
            clipped_to_the_whole,
            "After the shift the right edge of the crop lies at x2 - x1, and not at x2.",
        ),
        Misconception(x_and_y_swapped, "x and y of the crop are swapped: x1, y1, x2, y2."),
        Misconception(
            crop_as_corner_and_size,
            "The last two numbers of the crop were taken for its size; they are its other corner.",
        ),
        Misconception(
            all_labels,
            "The boxes are right, and labels still has one for each old box. Pick both by the same "
            "mask.",
        ),
        Misconception(
            first_labels,
            "The boxes are right, and the labels are the first ones of the list. Pick both by the "
            "same mask.",
        ),
        Misconception(
            no_rows_no_columns,
            "Where no box is left, torch.tensor([]) has shape (0,). A mask keeps the four columns: "
            "boxes[stays] has shape (0, 4).",
        ),
        Misconception(
            both_signs_negative,
            "For a box beyond a corner both sides are negative, and their product is above 0. "
            "Clip all four numbers from both sides, or clamp the sides at 0.",
        ),
        Misconception(everything, "No box was dropped, however little of it is left."),
        Misconception(anything_visible, "min_visibility is not used: any area at all was enough."),
        Misconception(
            wholly_inside, "Only boxes that are whole stay here. How much must be left is given."
        ),
        Misconception(
            centre_inside,
            "This keeps a box if its centre is inside. Asked is the share of its area.",
        ),
        Misconception(
            share_of_the_crop,
            "The area that is left was compared with the area of the crop. Take the box's own "
            "area before the crop.",
        ),
        Misconception(
            sides_for_area,
            "Width and height were compared one by one. 60 % of both is only 36 % of the area.",
        ),
        Misconception(
            strictly_more, "At least means >=: a box of which just that share is left stays."
        ),
        Misconception(no_area_stays, _EMPTY),
        Misconception(hidden_ones, "These are the boxes that should be dropped."),
    ),
)
