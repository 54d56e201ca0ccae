"""An exercise of lesson 07: from a centre and a size to the corners of a box."""

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def cxcywh_to_xyxy_solution(boxes: torch.Tensor, image_size: tuple) -> torch.Tensor:
    """The corners, in pixels, of boxes given as fractions of their picture, by hand.

    Args:
        boxes: (M, 4) float32: centre x, centre y, width, height. x and width are fractions of the
            picture's width, y and height of its height.
        image_size: (height, width) of the picture, pixels.

    Returns:
        (M, 4) float32: x1, y1, x2, y2, pixels.
    """
    height, width = image_size
    centre, half = boxes[:, :2], boxes[:, 2:] / 2  # (M, 2) each
    corners = torch.cat([centre - half, centre + half], dim=1)  # (M, 4)
    return corners * torch.tensor([width, height, width, height])


def _conversion_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    many = torch.rand(9, 4, generator=generator) / 2 + 0.2

    def case(about: str, boxes: list[list[float]], *image_size: int) -> Case:
        return Case(about, (torch.tensor(boxes), image_size))

    return [
        case("the whole of a square picture", [[0.5, 0.5, 1, 1]], 8, 8),
        case("a box in a square picture", [[0.25, 0.5, 0.25, 0.5]], 8, 8),
        case("the same box in a picture that is wider than high", [[0.25, 0.5, 0.25, 0.5]], 8, 16),
        case("two boxes, and corners within pixels", [[0.3, 0.6, 0.3, 0.5], [0.7, 0.2, 0.1, 0.3]],
             10, 30),
        case("a small box near the right edge", [[0.975, 0.25, 0.025, 0.0625]], 480, 640),
        Case("nine boxes", (many, (120, 160))),
    ]  # fmt: skip


def _sides(image_size):
    height, width = image_size
    return torch.tensor([width, height, width, height])


def centre_as_corner(boxes, image_size):
    pixels = boxes * _sides(image_size)
    return torch.cat([pixels[:, :2], pixels[:, :2] + pixels[:, 2:]], dim=1)


def size_not_halved(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes * torch.tensor([1, 1, 2, 2]), image_size)


def still_fractions(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, (1, 1))


def picture_sides_swapped(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, image_size[::-1])


def width_for_both(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, (image_size[1], image_size[1]))


def only_scaled(boxes, image_size):
    return boxes * _sides(image_size)


def corner_and_size(boxes, image_size):
    pixels = boxes * _sides(image_size)
    return torch.cat([pixels[:, :2] - pixels[:, 2:] / 2, pixels[:, 2:]], dim=1)


def box_sides_swapped(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes[:, [0, 1, 3, 2]], image_size)


def y_first(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, image_size)[:, [1, 0, 3, 2]]


def both_x_first(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, image_size)[:, [0, 2, 1, 3]]


def size_still_a_fraction(boxes, image_size):
    centre, half = (boxes * _sides(image_size))[:, :2], boxes[:, 2:] / 2
    return torch.cat([centre - half, centre + half], dim=1)


def whole_pixels(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, image_size).round()


def a_row_each_number(boxes, image_size):
    return cxcywh_to_xyxy_solution(boxes, image_size).T


cxcywh_to_xyxy = Exercise(
    name="cxcywh_to_xyxy",
    title="from centre and size to corners",
    difficulty=1,
    minutes=6,
    teaches="Four numbers mean a box only with their format, and a wrong one raises no error.",
    reference=cxcywh_to_xyxy_solution,
    why="A box reaches half its size to either side of its centre. What is measured along x is "
    "multiplied by the picture's width, what is measured along y by its height.",
    cases=_conversion_cases,
    hints=(
        "Where is the left edge of a box whose centre is at 0.5 and whose width is 0.2?",
        "boxes[:, :2] are the centres, boxes[:, 2:] / 2 half the sizes. Centre minus half is one "
        "corner, centre plus half the other.",
        "torch.cat([one, other], dim=1) joins them to (M, 4). Multiply by "
        "torch.tensor([width, height, width, height]); image_size has the height first.",
    ),
    without=("cxcywh_to_xyxy", "box_convert"),
    misconceptions=(
        Misconception(
            centre_as_corner,
            "The centre was taken for the top left corner. Half the box lies left of its centre, "
            "and half of it above.",
        ),
        Misconception(
            size_not_halved,
            "The boxes are twice too wide and too high: only half the size lies on each side of "
            "the centre.",
        ),
        Misconception(
            still_fractions,
            "Right as fractions of the picture. Pixels are asked for: multiply by its sides.",
        ),
        Misconception(
            picture_sides_swapped,
            "x was multiplied by the height and y by the width: image_size is (height, width). In "
            "a square picture nobody notices.",
        ),
        Misconception(
            width_for_both,
            "y was multiplied by the width, too. In a square picture nobody notices.",
        ),
        Misconception(
            only_scaled,
            "These are centre and size in pixels. Now find the two corners.",
        ),
        Misconception(
            corner_and_size,
            "The first corner is right, and the last two numbers are the size (COCO's format): "
            "the second corner was asked for.",
        ),
        Misconception(
            box_sides_swapped,
            "Width and height of the box are swapped: the third number is its width.",
        ),
        Misconception(y_first, "The numbers are right and in the wrong order: x comes before y."),
        Misconception(
            both_x_first,
            "The numbers are right and in the wrong order: x1, x2, y1, y2 in place of x1, y1, x2, "
            "y2.",
        ),
        Misconception(
            size_still_a_fraction,
            "The centre is in pixels and the size still a fraction of the picture.",
        ),
        Misconception(
            whole_pixels, "The corners were rounded. They may lie within pixels: leave them there."
        ),
        Misconception(
            a_row_each_number,
            "There is a row for each number and not for each box: stack with dim=1.",
            by_shape=True,
        ),
    ),
)
