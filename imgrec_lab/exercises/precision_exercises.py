"""An exercise of lesson 07: the area under a precision-recall curve, as COCO takes it."""

import torch
import torch.nn.functional as F

from imgrec_lab.checks import Case, Exercise, Misconception


def average_precision_solution(precision: torch.Tensor, recall: torch.Tensor) -> float:
    """COCO's average precision: the mean over the 101 recalls 0, 0.01, 0.02, ... 1.

    What counts at each of these is the best precision among all points of the curve with that
    recall or a higher one; 0 where the curve does not reach so far.

    Args:
        precision: (M,) float32, after each detection, best score first.
        recall: (M,) float32, the same; it never falls.

    Returns:
        a number from 0 to 1.
    """
    reached = recall >= torch.linspace(0, 1, 101)[:, None]  # (101, M)
    best = precision.where(reached, 0).amax(dim=1)  # (101,)
    return best.mean().item()


def _curve(flags: torch.Tensor, num_objects: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = flags.cumsum(dim=0)
    return found / torch.arange(1, len(flags) + 1), found / num_objects


def _curve_cases() -> list[Case]:
    # Of 3, 7 or 37 objects no share but 0 and 1 is a hundredth: rounding decides nothing.
    generator = torch.Generator().manual_seed(2)
    flags = torch.rand(60, generator=generator) < torch.linspace(0.9, 0.2, 60)

    def case(about: str, flags: list[int], num_objects: int) -> Case:
        return Case(about, _curve(torch.tensor(flags), num_objects))

    return [
        case("one detection, and it found the only object", [1], 1),
        case("one detection, and two of three objects missed", [1], 3),
        case("the better one is wrong, the other found the only object", [0, 1], 1),
        case("none is correct", [0, 0, 0], 3),
        case("two found, then two wrong ones", [1, 1, 0, 0], 7),
        case("precision falls and rises again", [1, 0, 1, 1], 3),
        case("the same, and four objects missed", [1, 0, 1, 1], 7),
        case("a wrong one before each correct one", [0, 1, 0, 1, 0, 1], 3),
        Case("sixty detections of 37 objects", _curve(flags, 37)),
    ]


def _best_at(precision, recall, points):
    """(R,) the best precision with a recall of at least each of the points (R,)."""
    return precision.where(recall >= points[:, None], 0).amax(dim=1)


def _points():
    return torch.linspace(0, 1, 101)


def eleven_points(precision, recall):
    return _best_at(precision, recall, torch.linspace(0, 1, 11)).mean().item()


def zero_left_out(precision, recall):
    return _best_at(precision, recall, _points()[1:]).mean().item()


def one_left_out(precision, recall):
    return _best_at(precision, recall, _points()[:-1]).mean().item()


def mean_precision(precision, recall):
    return precision.mean().item()


def _steps(recall):
    return recall.diff(prepend=torch.zeros(1))


def mean_where_found(precision, recall):
    found = _steps(recall) > 0
    return precision[found].mean().item() if found.any() else 0.0


def steps_of_the_curve(precision, recall):
    return (precision * _steps(recall)).sum().item()


def steps_of_the_best(precision, recall):
    return (_best_at(precision, recall, recall) * _steps(recall)).sum().item()


def trapezoids(precision, recall):
    return torch.trapezoid(precision, recall).item()


def trapezoids_from_zero(precision, recall):
    return trapezoids(F.pad(precision, (1, 0), value=precision[0].item()), F.pad(recall, (1, 0)))


def _first_reaching(precision, recall):
    """(101,) the precision of the first point of the curve that reaches a recall, else 0."""
    place = torch.searchsorted(recall, _points())
    return torch.cat([precision, torch.zeros(1)])[place]


def no_later_point(precision, recall):
    return _first_reaching(precision, recall).mean().item()


def best_of_the_earlier(precision, recall):
    return _first_reaching(precision.cummax(dim=0).values, recall).mean().item()


def beyond_left_out(precision, recall):
    points = _points()
    return _best_at(precision, recall, points[points <= recall[-1]]).mean().item()


def beyond_goes_on(precision, recall):
    points = _points().clamp(max=recall[-1].item())
    return _best_at(precision, recall, points).mean().item()


def above_only(precision, recall):
    return precision.where(recall > _points()[:, None], 0).amax(dim=1).mean().item()


def divided_by_a_hundred(precision, recall):
    return average_precision_solution(precision, recall) * 1.01


def not_divided(precision, recall):
    return average_precision_solution(precision, recall) * 101


def axes_swapped(precision, recall):
    return average_precision_solution(recall, precision)


def best_of_all(precision, recall):
    return precision.max().item()


def best_at_each(precision, recall):
    return _best_at(precision, recall, _points())


average_precision = Exercise(
    name="average_precision",
    title="a curve in one number",
    difficulty=3,
    minutes=12,
    teaches="What is behind the AP of a detection paper, and what missed objects cost.",
    reference=average_precision_solution,
    why="Each row compares the whole curve with one recall, so the best of what is reached can be "
    "taken for all 101 at once. Where nothing reaches, 0 is the largest: missed objects cost.",
    cases=_curve_cases,
    hints=(
        "Take one recall, 0.4 say: which points of the curve have at least that, and which of "
        "them has the best precision? None of them: 0.",
        "torch.linspace(0, 1, 101) are the recalls. For one of them: precision[recall >= r], and "
        "its max() if there is any.",
        "All at once: reached = recall >= points[:, None] is (101, M); "
        "precision.where(reached, 0).amax(dim=1) are the best, of which the mean is taken.",
    ),
    without=("average_precision",),
    misconceptions=(
        Misconception(
            mean_precision,
            "This is the mean of all precisions. A detector that adds wrong detections at the end "
            "would lose by them; go by recall, from 0 to 1.",
        ),
        Misconception(
            mean_where_found,
            "This is the mean precision of the correct detections. Objects that were missed must "
            "count, with a precision of 0.",
        ),
        Misconception(
            steps_of_the_curve,
            "This adds precision times step of recall. The precision at a recall is the best with "
            "that recall or a higher one, and COCO takes it at 101 recalls.",
        ),
        Misconception(
            steps_of_the_best,
            "This is the exact area under the best precisions, as Pascal VOC takes it from 2010 "
            "on. COCO takes the mean at 101 recalls, which differs a little.",
        ),
        Misconception(
            trapezoids,
            "These are trapezoids between the points. The curve goes in steps: at each recall the "
            "best precision with that recall or a higher one counts.",
        ),
        Misconception(
            trapezoids_from_zero,
            "These are trapezoids, from recall 0 on. The curve goes in steps: at each recall the "
            "best precision with that recall or a higher one counts.",
        ),
        Misconception(
            no_later_point,
            "At each recall the first point that reaches it was taken. A later one, with a higher "
            "recall, may have a better precision.",
        ),
        Misconception(
            best_of_the_earlier,
            "The best precision of earlier points was carried on. It is the later ones, with a "
            "higher recall, that count.",
        ),
        Misconception(
            eleven_points,
            "This takes 11 recalls, as Pascal VOC did before 2010. COCO takes 101.",
        ),
        Misconception(
            zero_left_out, "Recall 0 is left out: 0, 0.01, ... 1 are 101 numbers, not 100."
        ),
        Misconception(
            one_left_out, "Recall 1 is left out: 0, 0.01, ... 1 are 101 numbers, not 100."
        ),
        Misconception(
            beyond_left_out,
            "Recalls that the curve does not reach were left out of the mean, so missed objects "
            "cost nothing. They count with 0.",
        ),
        Misconception(
            beyond_goes_on,
            "Beyond its end the curve was taken to go on as it ended. Those objects were missed: "
            "0.",
        ),
        Misconception(
            above_only,
            "A point counts from its own recall on: >=, not >. Recall 1 can be reached.",
        ),
        Misconception(divided_by_a_hundred, "Divided by 100. There are 101 recalls."),
        Misconception(not_divided, "This is the sum. Divide it by 101."),
        Misconception(axes_swapped, "Precision and recall have changed places."),
        Misconception(
            best_of_all,
            "This is the best precision of the whole curve, which one correct detection makes 1.",
        ),
        Misconception(
            best_at_each,
            "These are the best precisions at the 101 recalls. Take their mean.",
            by_shape=True,
        ),
    ),
)
