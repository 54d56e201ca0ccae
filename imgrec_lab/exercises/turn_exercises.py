"""An exercise of lesson 04: what a turn does to a box."""

import math

import torch

from imgrec_lab.checks import Case, Exercise, Misconception


def rotate_box_solution(box: torch.Tensor, degrees: float, height: int, width: int) -> torch.Tensor:
    """The smallest upright box round a box that was turned with its picture.

    The picture turns about its centre, clockwise on the screen where degrees are above 0. Seen
    from the centre, y pointing down, the point (x, y) goes to (x cos - y sin, x sin + y cos).

    Args:
        box: (4,) float32, x1, y1, x2, y2 in pixels, measured on pixel edges: the left edge of the
            picture is x = 0, its right edge x = width.
        degrees: how far the picture is turned.
        height: of the picture, pixels.
        width: of the picture, pixels.

    Returns:
        (4,) float32; it may reach beyond the picture.
    """
    x = box[[0, 2, 2, 0]] - width / 2  # (4,), the corners seen from the centre
    y = box[[1, 1, 3, 3]] - height / 2
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    new_x = x * cos - y * sin + width / 2
    new_y = x * sin + y * cos + height / 2
    return torch.stack([new_x.min(), new_y.min(), new_x.max(), new_y.max()])


def _turn_cases() -> list[Case]:
    def case(about: str, box: list[float], degrees: float, height: int, width: int) -> Case:
        return Case(about, (torch.tensor(box), degrees, height, width))

    return [
        case("not turned at all", [6.0, 0, 10, 2], 0, 10, 10),
        case("a quarter turn: from the top right to the bottom right", [6.0, 0, 10, 2], 90, 10, 10),
        case("a quarter turn in a picture wider than high", [8.0, 1, 11, 3], 90, 10, 20),
        case("half a turn in a picture higher than wide", [1.0, 2, 4, 8], 180, 20, 10),
        case("a square in the middle, turned to stand on a corner", [4.0, 4, 6, 6], 45, 10, 10),
        case("30 degrees the other way", [2.0, 3, 8, 5], -30, 12, 16),
        case("the whole of a wide picture, which no longer fits", [0.0, 0, 8, 4], 90, 4, 8),
        case("a small box far from the middle", [600.0, 100, 640, 150], 12.5, 480, 640),
    ]


def _turned(points, degrees, centre):
    """Points (P, 2) turned clockwise about ``centre``, a list of x and y."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    centre = torch.tensor(centre)
    return (points - centre) @ torch.tensor([[cos, sin], [-sin, cos]]) + centre


def _corners(box):
    return box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)


def _around(points):
    return torch.cat([points.amin(dim=0), points.amax(dim=0)])


def two_corners(box, degrees, height, width):
    return _turned(box.reshape(2, 2), degrees, [width / 2, height / 2]).flatten()


def two_corners_sorted(box, degrees, height, width):
    return _around(two_corners(box, degrees, height, width).reshape(2, 2))


def _about(centre):
    """A wrong answer that turns about ``centre(box, height, width)``."""
    return lambda box, degrees, height, width: _around(
        _turned(_corners(box), degrees, centre(box, height, width))
    )


about_the_corner = _about(lambda box, height, width: [0.0, 0.0])
about_itself = _about(lambda box, height, width: ((box[:2] + box[2:]) / 2).tolist())
sides_swapped = _about(lambda box, height, width: [height / 2, width / 2])
about_a_pixel = _about(lambda box, height, width: [(width - 1) / 2, (height - 1) / 2])
about_the_far_corner = _about(lambda box, height, width: [float(width), float(height)])


def degrees_for_radians(box, degrees, height, width):
    return rotate_box_solution(box, math.degrees(degrees), height, width)


def other_way_round(box, degrees, height, width):
    return rotate_box_solution(box, -degrees, height, width)


def seen_from_the_centre(box, degrees, height, width):
    centre = torch.tensor([width / 2, height / 2])
    return rotate_box_solution(box, degrees, height, width) - centre.repeat(2)


def kept_its_size(box, degrees, height, width):
    centre = ((box[:2] + box[2:]) / 2)[None]
    middle = _turned(centre, degrees, [width / 2, height / 2])[0]
    half = (box[2:] - box[:2]) / 2
    return torch.cat([middle - half, middle + half])


def clipped(box, degrees, height, width):
    turned = rotate_box_solution(box, degrees, height, width)
    return turned.clamp(torch.zeros(4), torch.tensor([width, height, width, height]))


def four_corners(box, degrees, height, width):
    return _turned(_corners(box), degrees, [width / 2, height / 2])


rotate_box = Exercise(
    name="rotate_box",
    title="turn a box with its picture",
    difficulty=2,
    minutes=12,
    teaches="Why a box grows when a picture is turned, and how a centre or a sign goes wrong.",
    reference=rotate_box_solution,
    why="All four corners turn; which of them is leftmost afterwards depends on the angle, so the "
    "box takes the smallest and the largest x and y of all four.",
    cases=_turn_cases,
    hints=(
        "A box has four corners, and each may become the leftmost. Where does each of them go?",
        "Subtract the centre (width / 2, height / 2), turn, add the centre again. math.cos takes "
        "radians: math.radians(degrees).",
        "box[[0, 2, 2, 0]] holds the x of the four corners, box[[1, 1, 3, 3]] their y. After the "
        "turn, torch.stack([x.min(), y.min(), x.max(), y.max()]).",
    ),
    misconceptions=(
        Misconception(
            two_corners,
            "Two corners were turned and kept their names. After a turn the top left corner need "
            "be neither top nor left: turn all four, then take the smallest and the largest.",
        ),
        Misconception(
            two_corners_sorted,
            "Only two of the four corners were turned. At 90 degrees that is enough; between, the "
            "other two reach further out.",
        ),
        Misconception(
            degrees_for_radians,
            "The cosine was given degrees; it takes radians: math.radians(degrees).",
        ),
        Misconception(
            other_way_round,
            "It turns the wrong way: above 0 is clockwise on the screen, where y points down. "
            "Look at the two signs of the sine.",
        ),
        Misconception(
            about_the_corner,
            "It turns about the corner (0, 0). Subtract the centre of the picture first, and add "
            "it afterwards.",
        ),
        Misconception(
            about_itself,
            "It turns about the middle of the box, which stays where it is. The picture turns "
            "about its own centre and takes the box along.",
        ),
        Misconception(
            sides_swapped,
            "The centre has height and width swapped: x belongs to the width. In a square picture "
            "nobody notices.",
        ),
        Misconception(
            about_a_pixel,
            "The centre is half a pixel off. Boxes are measured on pixel edges: ten pixels span "
            "0 to 10, and their middle is 5, not 4.5.",
        ),
        Misconception(
            about_the_far_corner, "It turns about (width, height). The centre is half of that."
        ),
        Misconception(
            seen_from_the_centre,
            "The turn is right, and the box is still measured from the centre: add it again.",
        ),
        Misconception(
            kept_its_size,
            "The middle of the box is right, and the box kept its size. A box on its corner needs "
            "more room.",
        ),
        Misconception(
            clipped,
            "The box was clipped to the picture. Here it may reach beyond; clipping is a step of "
            "its own.",
        ),
        Misconception(
            four_corners,
            "These are the four turned corners. Of them, take the smallest and the largest x and "
            "y.",
            by_shape=True,
        ),
    ),
)
