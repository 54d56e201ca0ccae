"""An exercise of lesson 07: one box for each object, by non-maximum suppression."""

import torch

from imgrec_lab import box_ops
from imgrec_lab.checks import Case, Exercise, Misconception


def nms_solution(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Non-maximum suppression: of boxes that overlap too far, only the best is kept.

    The box with the best score is kept, and every other box whose IoU with it is above the
    threshold is dropped; then the same with what is left, until nothing is. You may use
    box_ops.iou(boxes_a, boxes_b), which is (P, Q).

    Args:
        boxes: (M, 4) float32 x1, y1, x2, y2, pixels.
        scores: (M,) float32, no two alike.
        iou_threshold: from 0 to 1.

    Returns:
        (L,) int64, the indices of the boxes kept, best score first.
    """
    left = scores.argsort(descending=True)  # indices of boxes, best first
    kept = []
    while len(left):
        best, others = left[0], left[1:]
        kept.append(int(best))
        overlap = box_ops.iou(boxes[best][None], boxes[others])[0]
        left = others[overlap <= iou_threshold]
    return torch.tensor(kept, dtype=torch.int64)


def _nms_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    corner = torch.rand(30, 2, generator=generator) * 40
    many = torch.cat([corner, corner + 15 + 15 * torch.rand(30, 2, generator=generator)], dim=1)
    scores = torch.randperm(30, generator=generator) / 30 + 0.01
    # Steps of 3 in boxes 10 wide: neighbours share 7 / 13, the two ends 4 / 16.
    a, b, c = [0.0, 0, 10, 10], [3.0, 0, 13, 10], [6.0, 0, 16, 10]
    far, further = [30.0, 0, 40, 10], [31.0, 1, 41, 11]

    def case(about: str, boxes: list, scores: list[float], threshold: float = 0.5) -> Case:
        return Case(about, (torch.tensor(boxes), torch.tensor(scores), threshold))

    return [
        case("one box", [a], [0.9]),
        case("two boxes far apart, the better one second", [a, far], [0.3, 0.9]),
        case("two boxes that overlap, the better one second", [a, b], [0.6, 0.8]),
        case("an IoU of just the threshold", [[0.0, 0, 4, 4], [0.0, 0, 4, 2]], [0.9, 0.8]),
        case("a row of three: the middle one, dropped, overlaps both", [a, b, c], [0.9, 0.8, 0.7]),
        case("a row of three, the middle one the weakest", [c, b, a], [0.7, 0.2, 0.9]),
        case("a row of three, the middle one the best", [c, b, a], [0.7, 0.9, 0.8]),
        case("the same, and a high threshold", [a, b, c], [0.7, 0.9, 0.8], 0.9),
        case("two objects, two boxes for each", [far, a, further, b], [0.4, 0.7, 0.8, 0.6]),
        case("three objects, and the first box is the weakest", [b, further, c, far, a,
             [60.0, 60, 70, 70]], [0.1, 0.5, 0.8, 0.6, 0.7, 0.3], 0.2),
        Case("thirty boxes", (many, scores, 0.3)),
    ]  # fmt: skip


def _overlap(boxes, threshold):
    """(M, M) bool: whether two different boxes overlap too far."""
    return (box_ops.iou(boxes, boxes) > threshold) & ~torch.eye(len(boxes)).bool()


def _best_first(keep, scores):
    """Indices where ``keep`` is True, best score first."""
    order = scores.argsort(descending=True)
    return order[keep[order]]


def as_they_come(boxes, scores, iou_threshold):
    return nms_solution(boxes, torch.arange(len(boxes), 0, -1.0), iou_threshold)


def worst_first(boxes, scores, iou_threshold):
    return nms_solution(boxes, -scores, iou_threshold)


def ranks(boxes, scores, iou_threshold):
    kept = nms_solution(boxes, scores, iou_threshold)
    return scores.argsort(descending=True).argsort()[kept]


def in_order_of_index(boxes, scores, iou_threshold):
    return nms_solution(boxes, scores, iou_threshold).sort().values


def against_the_dropped(boxes, scores, iou_threshold):
    better = scores[:, None] > scores  # (M, M)
    return _best_first(~(_overlap(boxes, iou_threshold) & better).any(dim=0), scores)


def one_a_cluster(boxes, scores, iou_threshold):
    joined = _overlap(boxes, iou_threshold).double() + torch.eye(len(boxes)).double()
    joined = joined.matrix_power(len(boxes)) > 0  # over any number of boxes between
    return _best_first(~(joined & (scores[:, None] > scores)).any(dim=0), scores)


def overlapping_at_all(boxes, scores, iou_threshold):
    return _best_first(~_overlap(boxes, iou_threshold).any(dim=0), scores)


def one_round(boxes, scores, iou_threshold):
    keep = ~_overlap(boxes, iou_threshold)[scores.argmax()]
    return _best_first(keep, scores)


def best_only(boxes, scores, iou_threshold):
    return scores.argmax()[None]


def nothing_dropped(boxes, scores, iou_threshold):
    return scores.argsort(descending=True)


def at_the_threshold_too(boxes, scores, iou_threshold):
    return nms_solution(boxes, scores, iou_threshold - 1e-6)


def any_overlap(boxes, scores, iou_threshold):
    return nms_solution(boxes, scores, 0.0)


def below_dropped(boxes, scores, iou_threshold):
    left, kept = scores.argsort(descending=True), []
    while len(left):
        best, others = left[0], left[1:]
        kept.append(int(best))
        left = others[box_ops.iou(boxes[best][None], boxes[others])[0] > iou_threshold]
    return torch.tensor(kept)


def drops_itself(boxes, scores, iou_threshold):
    return torch.zeros(0, dtype=torch.int64)


def dropped_ones(boxes, scores, iou_threshold):
    dropped = torch.ones(len(boxes)).bool()
    dropped[nms_solution(boxes, scores, iou_threshold)] = False
    return _best_first(dropped, scores)


def score_threshold(boxes, scores, iou_threshold):
    return _best_first(scores > iou_threshold, scores)


def mask_of_boxes(boxes, scores, iou_threshold):
    keep = torch.zeros(len(boxes)).bool()
    keep[nms_solution(boxes, scores, iou_threshold)] = True
    return keep


def boxes_themselves(boxes, scores, iou_threshold):
    return boxes[nms_solution(boxes, scores, iou_threshold)]


def their_scores(boxes, scores, iou_threshold):
    return scores[nms_solution(boxes, scores, iou_threshold)]


nms = Exercise(
    name="nms",
    title="one box for each object",
    difficulty=3,
    minutes=15,
    teaches="Why a detector's answers must be thinned out, and that only a box that was kept may "
    "drop another.",
    reference=nms_solution,
    why="What is left is always sorted, so its first box is the best one and no box that was kept "
    "overlaps it too far. Each round drops boxes for good, so none of these can drop another.",
    cases=_nms_cases,
    hints=(
        "Which box is certainly kept? Which ones does it drop? What is to be done with the rest?",
        "left = scores.argsort(descending=True) are indices, best first. While any are left, keep "
        "left[0] and go on with those of left[1:] that do not overlap it too far.",
        "overlap = box_ops.iou(boxes[best][None], boxes[others])[0] has one number for each of "
        "the others; left = others[overlap <= iou_threshold] are indices of boxes still.",
    ),
    without=("nms", "batched_nms"),
    misconceptions=(
        Misconception(
            as_they_come,
            "The boxes were taken in the order of the list. Take the best score first: a poor box "
            "must not drop a better one.",
        ),
        Misconception(worst_first, "The lowest score comes first: argsort needs descending=True."),
        Misconception(
            ranks,
            "These are places in the sorted list (0 is the best score). Give the indices that the "
            "boxes had before sorting: order[place].",
        ),
        Misconception(
            in_order_of_index,
            "The right boxes, in the order of the list. Give the best score first.",
        ),
        Misconception(
            against_the_dropped,
            "A box that was dropped itself has dropped another. Only boxes that are kept may drop "
            "others.",
        ),
        Misconception(
            one_a_cluster,
            "Boxes in a chain became one group, though its ends hardly overlap. A box is dropped "
            "only by one that is kept and overlaps it itself.",
        ),
        Misconception(
            overlapping_at_all,
            "Boxes that overlap drop each other, and none of them is left. The best one stays.",
        ),
        Misconception(
            one_round,
            "Only the best box of all has dropped others. The same is done with the next best of "
            "those left, until none is left.",
        ),
        Misconception(best_only, "Only the best box was kept. A picture may show several objects."),
        Misconception(
            nothing_dropped, "No box was dropped: these are all boxes, sorted by their score."
        ),
        Misconception(
            at_the_threshold_too,
            "A box whose IoU is just the threshold was dropped. Only above it: >, not >=.",
        ),
        Misconception(
            any_overlap,
            "The slightest overlap is enough here to drop a box. Compare with iou_threshold.",
        ),
        Misconception(
            below_dropped,
            "The comparison is the wrong way round: boxes that overlap were kept, and those that "
            "do not were dropped.",
        ),
        Misconception(
            drops_itself,
            "Nothing is left. Each box has IoU 1 with itself: does it drop itself?",
        ),
        Misconception(dropped_ones, "These are the boxes that should be dropped."),
        Misconception(
            score_threshold,
            "The scores were compared with iou_threshold. It is for the IoU of two boxes.",
        ),
        Misconception(
            mask_of_boxes,
            "These are True and False for each box. Give the indices of those kept, best first.",
            by_shape=True,
        ),
        Misconception(
            boxes_themselves,
            "These are the boxes. Give their indices, so that scores and labels can follow.",
            by_shape=True,
        ),
        Misconception(their_scores, "These are the scores of the boxes kept. Give their indices."),
    ),
)
