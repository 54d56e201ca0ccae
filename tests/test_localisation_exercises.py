"""The exercises of lesson 07: answers of learners, right and wrong; the solutions themselves.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from imgrec_lab import box_ops, detect, metrics
from imgrec_lab.exercises import label_exercises, localisation

ROOT = Path(__file__).resolve().parents[1]

# --- right answers, written differently --------------------------------------------------------


def cxcywh_to_xyxy_by_loop(boxes, image_size):
    rows = []
    for cx, cy, w, h in boxes.tolist():
        left, right = (cx - w / 2) * image_size[1], (cx + w / 2) * image_size[1]
        top, bottom = (cy - h / 2) * image_size[0], (cy + h / 2) * image_size[0]
        rows.append([left, top, right, bottom])
    return torch.tensor(rows)


def cxcywh_to_xyxy_by_matrix(boxes, image_size):
    height, width = image_size
    to_corners = np.array([[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]])
    return (boxes.numpy() @ to_corners.T) * [width, height, width, height]


def _pair(a, b):
    wide, high = (
        max(0, min(a[2], b[2]) - max(a[0], b[0])),
        max(0, min(a[3], b[3]) - max(a[1], b[1])),
    )
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - wide * high
    return wide * high / union if union else 0.0


def iou_by_loops(boxes_a, boxes_b):
    table = torch.zeros(len(boxes_a), len(boxes_b))
    for i, a in enumerate(boxes_a.tolist()):
        for j, b in enumerate(boxes_b.tolist()):
            table[i, j] = _pair(a, b)
    return table


def iou_by_sides(boxes_a, boxes_b):
    x1, y1, x2, y2 = (side[:, None] for side in boxes_a.unbind(1))  # (P, 1) each
    u1, v1, u2, v2 = boxes_b.unbind(1)  # (Q,) each
    shared = torch.relu(x2.minimum(u2) - x1.maximum(u1)) * torch.relu(
        y2.minimum(v2) - y1.maximum(v1)
    )
    both = (x2 - x1) * (y2 - y1) + (u2 - u1) * (v2 - v1)
    return (shared / (both - shared)).nan_to_num(0)


def assign_by_loops(points, boxes):
    owners = []
    for x, y in points.tolist():
        best, smallest = -1, float("inf")
        for index, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            area = (x2 - x1) * (y2 - y1)
            if x1 <= x < x2 and y1 <= y < y2 and area < smallest:
                best, smallest = index, area
        owners.append(best)
    return torch.tensor(owners)


def assign_with_a_box_for_nothing(points, boxes):
    inside = ((points[:, None] >= boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(dim=2)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    costs = torch.where(inside, areas, torch.inf)
    costs = torch.cat([torch.full((len(points), 1), 1e9), costs], dim=1)  # a box round everything
    return costs.argmin(dim=1) - 1


def decode_by_loop(distances, points, strides):
    rows = []
    for row, (x, y), stride in zip(
        distances.tolist(), points.tolist(), strides.tolist(), strict=True
    ):
        left, top, right, bottom = (distance * stride for distance in row)
        rows.append([x - left, y - top, x + right, y + bottom])
    return rows


def decode_by_signs(distances, points, strides):
    return points.repeat(1, 2) + distances * strides.unsqueeze(1) * torch.tensor([-1, -1, 1, 1])


def nms_by_flags(boxes, scores, iou_threshold):
    ious, dropped, kept = iou_by_loops(boxes, boxes), set(), []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if i not in dropped:
            kept.append(i)
            dropped |= {j for j in range(len(scores)) if ious[i, j] > iou_threshold}
    return torch.tensor(kept)


def nms_by_the_kept(boxes, scores, iou_threshold):
    kept = []
    for i in torch.sort(scores, descending=True).indices.tolist():
        if not kept or iou_by_sides(boxes[kept], boxes[i : i + 1]).max() <= iou_threshold:
            kept.append(i)
    return torch.tensor(kept)


def precision_recall_by_loop(scores, correct, num_objects):
    ranked = sorted(zip(scores.tolist(), correct.tolist(), strict=True), reverse=True)
    precision, recall, found = [], [], 0
    for number, (_, right) in enumerate(ranked, 1):
        found += right
        precision.append(found / number)
        recall.append(found / num_objects)
    return torch.tensor(precision), torch.tensor(recall)


def precision_recall_in_numpy(scores, correct, num_objects):
    found = np.cumsum(correct.numpy()[np.argsort(-scores.numpy())])
    return found / np.arange(1, found.size + 1), found / num_objects


def average_precision_by_loop(precision, recall):
    total = 0.0
    for step in range(101):
        total += max(
            (float(p) for p, r in zip(precision, recall, strict=True) if r >= step / 100), default=0
        )
    return total / 101


def average_precision_by_search(precision, recall):
    envelope = np.maximum.accumulate(precision.numpy()[::-1])[::-1]
    place = np.searchsorted(recall.numpy(), np.linspace(0, 1, 101))
    return np.append(envelope, 0)[place].mean()


RIGHT = {
    "cxcywh_to_xyxy": [cxcywh_to_xyxy_by_loop, cxcywh_to_xyxy_by_matrix],
    "iou": [iou_by_loops, iou_by_sides],
    "assign_inside": [assign_by_loops, assign_with_a_box_for_nothing],
    "decode": [decode_by_loop, decode_by_signs],
    "nms": [nms_by_flags, nms_by_the_kept],
    "precision_recall": [precision_recall_by_loop, precision_recall_in_numpy],
    "average_precision": [average_precision_by_loop, average_precision_by_search],
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _centre_and_size(boxes, image_size):
    """Centre (M, 2) and size (M, 2) in pixels."""
    return (boxes * torch.tensor([*image_size[::-1], *image_size[::-1]])).split(2, dim=1)


def _from_the_centre_on(boxes, image_size):
    centre, size = _centre_and_size(boxes, image_size)
    return torch.cat([centre, centre + size], dim=1)


def _whole_size_to_each_side(boxes, image_size):
    centre, size = _centre_and_size(boxes, image_size)
    return torch.cat([centre - size, centre + size], dim=1)


def _as_coco_writes(boxes, image_size):
    centre, size = _centre_and_size(boxes, image_size)
    return torch.cat([centre - size / 2, size], dim=1)


def _height_third(boxes, image_size):
    (height, width), (cx, cy, h, w) = image_size, boxes.unbind(1)
    corners = [(cx - w / 2) * width, (cy - h / 2) * height]
    return torch.stack([*corners, (cx + w / 2) * width, (cy + h / 2) * height], dim=1)


def _size_not_in_pixels(boxes, image_size):
    centre, size = _centre_and_size(boxes, image_size)[0], boxes[:, 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=1)


def _in_place_conversion(boxes, image_size):
    boxes *= torch.tensor(image_size[::-1]).repeat(2)
    return torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], dim=1)


def _pairs(one):
    """A table of ``one(a, b)``, of two lists of four numbers."""

    def answer(boxes_a, boxes_b):
        rows = [[float(one(a, b)) for b in boxes_b.tolist()] for a in boxes_a.tolist()]
        return torch.tensor(rows).reshape(len(boxes_a), len(boxes_b))

    return answer


def _one_area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def _meet(a, b):
    return [max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])]


def _unclamped(a, b):
    shared = _one_area(_meet(a, b))
    union = _one_area(a) + _one_area(b) - shared
    return shared / union if union else 0


def _clamped_area(a, b):
    shared = max(0, _one_area(_meet(a, b)))
    union = _one_area(a) + _one_area(b) - shared
    return shared / union if union else 0


def _with_last_pixel(a, b):
    grown = [[x1, y1, x2 + 1, y2 + 1] for x1, y1, x2, y2 in (a, b)]
    return _pair(*grown)


def _ratio(below):
    """Shared area over ``below(area_a, area_b, shared)``."""

    def one(a, b):
        x1, y1, x2, y2 = _meet(a, b)
        shared = max(0, x2 - x1) * max(0, y2 - y1)
        divisor = below(_one_area(a), _one_area(b), shared)
        return shared / divisor if divisor else 0

    return one


def _round_both(a, b):
    x1, y1, x2, y2 = _meet(a, b)
    outer = [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]
    return max(0, x2 - x1) * max(0, y2 - y1) / _one_area(outer) if _one_area(outer) else 0


def _max_and_min_swapped(a, b):
    shared = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    union = _one_area(a) + _one_area(b) - shared
    return shared / union if union > 0 else 0


def _no_guard(boxes_a, boxes_b):
    size_a, size_b = (b[:, 2:] - b[:, :2] for b in (boxes_a, boxes_b))
    low = torch.max(boxes_a[:, None, :2], boxes_b[:, :2])
    wide, high = (torch.min(boxes_a[:, None, 2:], boxes_b[:, 2:]) - low).clamp(0).unbind(2)
    shared = wide * high
    return shared / (size_a.prod(1)[:, None] + size_b.prod(1) - shared)


def _row_against_row(boxes_a, boxes_b):
    return torch.tensor(
        [_pair(a, b) for a, b in zip(boxes_a.tolist(), boxes_b.tolist(), strict=False)]
    )


def _sides_read_as_sizes(a, b):
    return _pair(*([x, y, x + w, y + h] for x, y, w, h in (a, b)))


def _owners(choose, *, inside=None, nothing=-1):
    """Each location in turn: ``choose`` among the indices of the boxes it lies in."""
    inside = inside or (lambda x, y, b: b[0] <= x < b[2] and b[1] <= y < b[3])

    def answer(points, boxes):
        rows = boxes.tolist()
        owners = []
        for x, y in points.tolist():
            hits = [index for index, box in enumerate(rows) if inside(x, y, box)]
            owners.append(choose(hits, rows, x, y) if hits else nothing)
        return torch.tensor(owners)

    return answer


def _smallest(hits, rows, x, y):
    return min(hits, key=lambda index: _one_area(rows[index]))


def _off_centre(box, x, y):
    return abs((box[0] + box[2]) / 2 - x) ** 2 + abs((box[1] + box[3]) / 2 - y) ** 2


def _written_over(points, boxes):
    owner = torch.full((len(points),), -1)
    for index, box in enumerate(boxes):
        owner[((points >= box[:2]) & (points < box[2:])).all(dim=1)] = index
    return owner


def _argmin_without_boxes(points, boxes):
    inside = ((points[:, None] >= boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1).where(inside, 1e9)
    return areas.argmin(dim=1).where(inside.any(dim=1), -1)


def _argmin_of_zeroed(points, boxes):
    if len(boxes) == 0:
        return torch.full((len(points),), -1)
    inside = ((points[:, None] >= boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(dim=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    return areas.where(inside, 1e9).argmin(dim=1)  # 0 where it lies in none


def _a_location_for_each_box(points, boxes):
    owners = assign_by_loops(points, boxes).tolist()
    found = [owners.index(k) if k in owners else -1 for k in range(len(boxes))]
    return torch.tensor(found, dtype=torch.int64)


def _x_y_sides(distances, points, strides):
    """x, y and the four distances, each (A,), in pixels."""
    return *points.unbind(1), *(distances * strides.reshape(-1, 1)).unbind(1)


def _right_second(distances, points, strides):
    x, y, left, right, top, bottom = _x_y_sides(distances, points, strides)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def _top_first(distances, points, strides):
    x, y, top, left, bottom, right = _x_y_sides(distances, points, strides)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def _x_before_y(distances, points, strides):
    x, y, left, top, right, bottom = _x_y_sides(distances, points, strides)
    return torch.stack([x - left, x + right, y - top, y + bottom], dim=1)


def _with_its_size(distances, points, strides):
    x, y, left, top, right, bottom = _x_y_sides(distances, points, strides)
    return torch.stack([x - left, y - top, left + right, top + bottom], dim=1)


def _right_of_the_corner(distances, points, strides):
    x, y, left, top, right, bottom = _x_y_sides(distances, points, strides)
    x1, y1 = x - left, y - top
    return torch.stack([x1, y1, x1 + right, y1 + bottom], dim=1)


def _in_place_decoding(distances, points, strides):
    distances *= strides[:, None]
    return torch.cat([points - distances[:, :2], points + distances[:, 2:]], dim=1)


def _stride_of_column(distances, points, strides):
    left, top, right, bottom = (distances * strides).T
    x, y = points.T
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def _suppress(order, ious, over):
    kept = []
    while order:
        best = order.pop(0)
        kept.append(best)
        order = [i for i in order if not over(ious[best, i])]
    return torch.tensor(kept)


def _ranking(scores):
    return torch.argsort(scores, descending=True).tolist()


def _by_any_better(boxes, scores, threshold):
    order, ious = _ranking(scores), iou_by_loops(boxes, boxes)
    return torch.tensor(
        [i for n, i in enumerate(order) if all(ious[i, j] <= threshold for j in order[:n])]
    )


def _groups_in_a_chain(boxes, scores, threshold):
    ious, left, kept = iou_by_loops(boxes, boxes), _ranking(scores), []
    while left:
        group, before = [left[0]], 0
        while len(group) > before:
            before = len(group)
            group += [i for i in left if i not in group and ious[i, group].max() > threshold]
        kept.append(left[0])
        left = [i for i in left if i not in group]
    return torch.tensor(kept)


def _sorted_but_not_back(boxes, scores, threshold):
    order = scores.argsort(descending=True)
    return nms_by_the_kept(boxes[order], scores[order], threshold)


def _once(boxes, scores, threshold):
    order, ious = _ranking(scores), iou_by_loops(boxes, boxes)
    return torch.tensor([order[0], *(i for i in order[1:] if ious[order[0], i] <= threshold)])


def _alone_only(boxes, scores, threshold):
    ious = iou_by_loops(boxes, boxes).fill_diagonal_(0)
    kept = [i for i in _ranking(scores) if ious[i].max() <= threshold]
    return torch.tensor(kept, dtype=torch.int64)


def _even_itself(boxes, scores, threshold):
    ious, kept = iou_by_loops(boxes, boxes), []
    for i in _ranking(scores):
        if (ious[i] <= threshold).all():
            kept.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def _the_others(boxes, scores, threshold):
    kept = nms_by_flags(boxes, scores, threshold).tolist()
    return torch.tensor([i for i in _ranking(scores) if i not in kept], dtype=torch.int64)


def _found(scores, correct):
    """Correct ones so far (M,), and detections so far (M,), best score first."""
    found = correct[_ranking(scores)].cumsum(0)
    return found, torch.arange(len(scores)) + 1


def _parts(precision, recall):
    """Functions of (found, rank, num_objects)."""

    def answer(scores, correct, num_objects):
        given = (*_found(scores, correct), num_objects)
        return precision(*given), recall(*given)

    return answer


def _found_by_rank(found, rank, num_objects):
    return found / rank


def _found_of_all(found, rank, num_objects):
    return found / num_objects


def _unsorted_again(scores, correct, num_objects):
    results = torch.zeros(2, len(scores))
    results[:, _ranking(scores)] = torch.stack(
        precision_recall_by_loop(scores, correct, num_objects)
    )
    return results[0], results[1]


def _flags_alone(scores, correct, num_objects):
    flags = correct[_ranking(scores)].float()
    return flags / (torch.arange(len(flags)) + 1), flags / num_objects


def _best_from(p, r, t):
    """The best precision with a recall of at least t."""
    return max(p[r >= t].tolist(), default=0.0)


def _mean_over(recalls, at=_best_from):
    return lambda p, r: float(np.mean([at(p, r, t) for t in recalls]))


HUNDREDTHS = [k / 100 for k in range(101)]


def _first_from(p, r, t):
    return p[r >= t][0] if (r >= t).any() else 0.0


def _best_before(p, r, t):
    first = int((r < t).sum())
    return p[: first + 1].max() if first < len(p) else 0.0


def _area_in_steps(p, r):
    area, before = 0.0, 0.0
    for precision, recall in zip(p.tolist(), r.tolist(), strict=True):
        area += precision * (recall - before)
        before = recall
    return area


def _area_of_the_best(p, r):
    return _area_in_steps(p.flip(0).cummax(0).values.flip(0), r)


def _mean_of_the_found(p, r):
    at = [float(a) for a, now, before in zip(p, r, [0, *r[:-1]], strict=True) if now > before]
    return sum(at) / max(1, len(at))


WRONG = {
    "cxcywh_to_xyxy": [
        (_from_the_centre_on, "taken for the top left corner"),
        (_whole_size_to_each_side, "twice too wide"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, (1, 1)), "Right as fractions"),
        (lambda b, s: torchvision.ops.box_convert(b, "cxcywh", "xyxy"), "Right as fractions"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, (s[1], s[0])), "image_size is (height, width)"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, (s[1], s[1])), "by the width, too"),
        (lambda b, s: torch.cat(_centre_and_size(b, s), dim=1), "centre and size in pixels"),
        (_as_coco_writes, "COCO's format"),
        (_height_third, "Width and height of the box are swapped"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, s)[:, [1, 0, 3, 2]], "x comes before y"),
        (
            lambda b, s: cxcywh_to_xyxy_by_loop(b, s).reshape(-1, 2, 2).mT.reshape(-1, 4),
            "x1, x2, y1, y2 in place of",
        ),
        (_size_not_in_pixels, "the size still a fraction"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, s).round(), "may lie within pixels"),
        (lambda b, s: cxcywh_to_xyxy_by_loop(b, s).int(), "Expected a float32 tensor"),
        (lambda b, s: torch.stack(cxcywh_to_xyxy_by_loop(b, s).unbind(1)), "with dim=1"),
        (
            lambda b, s: box_ops.cxcywh_to_xyxy(b * torch.tensor(s[::-1]).repeat(2)),
            "it calls cxcywh_to_xyxy",
        ),
        (_in_place_conversion, "boxes is not what it was"),
    ],
    "iou": [
        (_pairs(_unclamped), "clamp(min=0) each side"),
        (_pairs(_clamped_area), "The area was clamped"),
        (
            _pairs(lambda a, b: (s := abs(_one_area(_meet(a, b))))
                   and s / (_one_area(a) + _one_area(b) - s)),
            "lost its sign",
        ),
        (_pairs(_with_last_pixel), "a + 1 in the sides"),
        (_pairs(_ratio(lambda a, b, shared: a + b)), "counts what is shared twice"),
        (_pairs(_ratio(lambda a, b, shared: (a + b) / 2)), "the Dice coefficient"),
        (_pairs(_ratio(lambda a, b, shared: min(a, b))), "the smaller area"),
        (_pairs(_ratio(lambda a, b, shared: a)), "the area of the first box"),
        (_pairs(_ratio(lambda a, b, shared: b)), "the area of the second box"),
        (_pairs(_ratio(lambda a, b, shared: 1)), "shared area in pixels"),
        (_pairs(_round_both), "the rectangle round both"),
        (_pairs(_max_and_min_swapped), "Smallest and largest are swapped"),
        (_pairs(_sides_read_as_sizes), "They are x2 and y2"),
        (_no_guard, "0 / 0 is nan"),
        (lambda a, b: iou_by_loops(a, b).T, "Rows and columns are swapped"),
        (_row_against_row, "compares box by box"),
        (lambda a, b: iou_by_loops(a, b)[0], "compares box by box"),
        (lambda a, b: torchvision.ops.box_iou(a, b).nan_to_num(0), "it calls box_iou"),
        (lambda a, b: box_ops.iou(a, b), "it calls iou"),
    ],
    "assign_inside": [
        (
            _owners(lambda hits, rows, x, y: max(hits, key=lambda i: _one_area(rows[i]))),
            "the largest was taken",
        ),
        (_owners(lambda hits, rows, x, y: hits[0]), "the first of the list"),
        (_written_over, "a later one writes over"),
        (_owners(lambda hits, rows, x, y: hits[-1]), "the last of the list"),
        (
            _owners(
                lambda hits, rows, x, y: min(
                    hits, key=lambda i: rows[i][2] - rows[i][0] + rows[i][3] - rows[i][1]
                )
            ),
            "Its area counts",
        ),
        (
            _owners(lambda hits, rows, x, y: min(hits, key=lambda i: _off_centre(rows[i], x, y))),
            "with the nearest centre was taken",
        ),
        (
            _owners(
                lambda hits, rows, x, y: min(hits, key=lambda i: _off_centre(rows[i], x, y)),
                inside=lambda x, y, box: True,
            ),
            "wherever it is",
        ),
        (
            _owners(
                lambda hits, rows, x, y: _smallest(range(len(rows)), rows, x, y),
            ),
            "of the whole picture",
        ),
        (_owners(_smallest, nothing=0), "0 is the first box"),
        (_argmin_of_zeroed, "0 is the first box"),
        (
            lambda p, b: assign_by_loops(p, b).where(assign_by_loops(p, b) >= 0, b.shape[0]),
            "the number of boxes",
        ),
        (
            lambda p, b: torch.tensor([k + 1 if k >= 0 else k for k in assign_by_loops(p, b)]),
            "counted from 0",
        ),
        (
            _owners(
                _smallest, inside=lambda x, y, b: b[0] <= x <= b[2] and b[1] <= y <= b[3]
            ),
            "belong to the next box",
        ),
        (
            _owners(_smallest, inside=lambda x, y, b: b[0] < x < b[2] and b[1] < y < b[3]),
            "belong to the box: x1 <= x",
        ),
        (lambda p, b: assign_by_loops(p[:, [1, 0]], b), "x and y are swapped"),
        (lambda p, b: assign_by_loops(p, b[:, [1, 0, 3, 2]]), "x and y are swapped"),
        (_owners(_smallest, inside=lambda x, y, b: b[0] <= x < b[2]), "Only x is looked at"),
        (
            _owners(
                _smallest,
                inside=lambda x, y, b: 0 <= x - b[0] < b[2] and 0 <= y - b[1] < b[3],
            ),
            "read as width and height",
        ),
        (_owners(lambda hits, rows, x, y: len(hits), nothing=0), "counts the boxes"),
        (
            lambda p, b: ((p[:, None] >= b[:, :2]) & (p[:, None] < b[:, 2:])).all(2),
            "for every location and box",
        ),
        (_a_location_for_each_box, "gives a location to each box"),
        (_argmin_without_boxes, "three locations and no box"),
        (lambda p, b: assign_by_loops(p, b).float(), "Expected a int64 tensor"),
    ],
    "decode": [
        (lambda d, p, s: torch.cat([p, p], 1) + d * s[:, None], "All four were added"),
        (lambda d, p, s: torch.cat([p, p], 1) - d * s[:, None], "All four were taken away"),
        (lambda d, p, s: decode_by_signs(-d, p, s), "The signs are swapped"),
        (lambda d, p, s: decode_by_signs(d, p, s**0), "The stride is forgotten"),
        (
            lambda d, p, s: torch.cat([p - d[:, :2] / s[:, None], p + d[:, 2:] / s[:, None]], 1),
            "Divided by the stride",
        ),
        (
            lambda d, p, s: torch.cat([p - d[:, :2], p + d[:, 2:]], 1) * s[:, None],
            "It is in pixels already",
        ),
        (lambda d, p, s: decode_by_signs(d, p, s[0].repeat(len(s))), "Each has its own"),
        (_stride_of_column, "fit by chance"),
        (_right_second, "read as left, right, top, bottom"),
        (_x_before_y, "not x1, x2, y1, y2"),
        (_top_first, "Left comes first"),
        (lambda d, p, s: decode_by_signs(d, p.roll(1, dims=1), s), "the first number is x"),
        (_with_its_size, "are width and height"),
        (_right_of_the_corner, "from the top left corner"),
        (lambda d, p, s: (d.T * s).T, "A box lies somewhere"),
        (lambda d, p, s: decode_by_signs(torch.exp(d), p, s), "without exp"),
        (lambda d, p, s: torch.relu(decode_by_signs(d, p, s)), "clipped at 0"),
        (lambda d, p, s: decode_by_signs(torch.relu(d), p, s), "lies outside its box"),
        (_in_place_decoding, "distances is not what it was"),
    ],
    "nms": [
        (
            lambda b, s, t: _suppress(list(range(len(s))), iou_by_loops(b, b), lambda i: i > t),
            "in the order of the list. Take the best",
        ),
        (
            lambda b, s, t: _suppress(s.argsort().tolist(), iou_by_loops(b, b), lambda i: i > t),
            "argsort needs descending=True",
        ),
        (_sorted_but_not_back, "places in the sorted list"),
        (lambda b, s, t: torch.msort(nms_by_flags(b, s, t)), "Give the best score first"),
        (_by_any_better, "dropped itself has dropped another"),
        (_groups_in_a_chain, "Boxes in a chain"),
        (_once, "Only the best box of all"),
        (_alone_only, "drop each other"),
        (lambda b, s, t: torch.tensor([int(s.argmax())]), "several objects"),
        (lambda b, s, t: torch.tensor(_ranking(s)), "No box was dropped"),
        (
            lambda b, s, t: _suppress(_ranking(s), iou_by_loops(b, b), lambda i: i >= t),
            ">, not >=",
        ),
        (
            lambda b, s, t: _suppress(_ranking(s), iou_by_loops(b, b), lambda i: i > 0),
            "The slightest overlap",
        ),
        (
            lambda b, s, t: _suppress(_ranking(s), iou_by_loops(b, b), lambda i: i <= t),
            "the wrong way round",
        ),
        (_even_itself, "does it drop itself?"),
        (_the_others, "that should be dropped"),
        (
            lambda b, s, t: torch.tensor([i for i in _ranking(s) if s[i] > t], dtype=torch.int64),
            "It is for the IoU",
        ),
        (
            lambda b, s, t: torch.isin(torch.arange(len(s)), nms_by_flags(b, s, t)),
            "True and False for each box",
        ),
        (lambda b, s, t: b[nms_by_flags(b, s, t)], "These are the boxes"),
        (lambda b, s, t: s[nms_by_flags(b, s, t)], "Give their indices."),
        (lambda b, s, t: torchvision.ops.nms(b, s, t), "it calls nms"),
    ],
    "precision_recall": [
        (
            lambda s, c, n: (c.cumsum(0) / (torch.arange(len(c)) + 1), c.cumsum(0) / n),
            "in the order in which they came. Sort",
        ),
        (lambda s, c, n: precision_recall_by_loop(1 - s, c, n), "argsort needs descending=True"),
        (
            lambda s, c, n: precision_recall_by_loop(c.float(), c, n),
            "every curve would be perfect",
        ),
        (_unsorted_again, "Leave them ranked"),
        (
            _parts(_found_by_rank, lambda found, rank, n: found / max(1, int(found[-1]))),
            "always ends at 1",
        ),
        (_parts(_found_by_rank, lambda found, rank, n: found / len(rank)), "share of the objects"),
        (_parts(lambda found, rank, n: found / len(rank), _found_of_all), "divide by 1, 2, 3"),
        (_parts(lambda found, rank, n: found / (rank - 1), _found_of_all), "Ranks begin at 0"),
        (_flags_alone, "Each detection stands alone"),
        (_parts(lambda found, rank, n: found / (rank - found), _found_of_all), "correct to wrong"),
        (lambda s, c, n: precision_recall_by_loop(s, c == 0, n), "that are wrong"),
        (_parts(_found_by_rank, lambda found, rank, n: rank / n), "also with a wrong one"),
        (lambda s, c, n: precision_recall_by_loop(s, c, n)[::-1], "have changed places"),
        (lambda s, c, n: (c.sum() / len(c), c.sum() / n), "Give those after each"),
        (lambda s, c, n: c.float().mean(), "a tuple (precision, recall)"),
    ],
    "average_precision": [
        (lambda p, r: p.numpy().mean(), "the mean of all precisions"),
        (_mean_of_the_found, "mean precision of the correct detections"),
        (_area_in_steps, "precision times step of recall"),
        (_area_of_the_best, "as Pascal VOC takes it from 2010"),
        (lambda p, r: np.trapezoid(p.numpy(), r.numpy()), "trapezoids between the points"),
        (
            lambda p, r: np.trapezoid([p[0], *p.tolist()], [0, *r.tolist()]),
            "trapezoids, from recall 0 on",
        ),
        (_mean_over(HUNDREDTHS, _first_from), "the first point that reaches it"),
        (_mean_over(HUNDREDTHS, _best_before), "of earlier points was carried on"),
        (_mean_over([k / 10 for k in range(11)]), "11 recalls"),
        (_mean_over(HUNDREDTHS[1:]), "Recall 0 is left out"),
        (_mean_over(np.arange(0, 1, 0.01)), "Recall 1 is left out"),
        (
            lambda p, r: _mean_over([t for t in HUNDREDTHS if t <= r.max()])(p, r),
            "missed objects cost nothing",
        ),
        (
            lambda p, r: _mean_over([min(t, float(r[-1])) for t in HUNDREDTHS])(p, r),
            "Those objects were missed",
        ),
        (
            _mean_over(HUNDREDTHS, lambda p, r, t: max(p[r > t].tolist(), default=0.0)),
            ">=, not >",
        ),
        (lambda p, r: sum(_best_from(p, r, t) for t in HUNDREDTHS) / 100, "Divided by 100"),
        (lambda p, r: sum(_best_from(p, r, t) for t in HUNDREDTHS), "Divide it by 101"),
        (lambda p, r: average_precision_by_loop(r, p), "have changed places"),
        (lambda p, r: float(max(p)), "which one correct detection makes 1"),
        (lambda p, r: [_best_from(p, r, t) for t in HUNDREDTHS], "Take their mean"),
    ],
}  # fmt: skip


# Wrong in ways that no message describes: only what differs may be said.
WITHOUT_A_STORY = {
    "cxcywh_to_xyxy": [
        lambda b, s: cxcywh_to_xyxy_by_loop(b, (s[0] + 1, s[1] + 1)),
        lambda b, s: cxcywh_to_xyxy_by_loop(b.square(), s),
    ],
    "iou": [
        lambda a, b: iou_by_loops(a, b).sqrt(),
        lambda a, b: (iou_by_loops(a, b) > 0.5).float(),
    ],
    "assign_inside": [
        lambda p, b: assign_by_loops(p + 1, b),
        lambda p, b: torch.zeros(len(p), dtype=torch.int64),
    ],
    "decode": [
        lambda d, p, s: decode_by_signs(d, p, s.square()),
        lambda d, p, s: decode_by_signs(d, p + 0.5, s),
    ],
    "nms": [
        lambda b, s, t: nms_by_flags(b, s, t).flip(0),
        lambda b, s, t: nms_by_flags(b, s, t)[:2],
    ],
    "precision_recall": [
        _parts(_found_by_rank, lambda found, rank, n: (n - found) / n),
        _parts(lambda found, rank, n: (found + 1) / (rank + 2), _found_of_all),
    ],
    "average_precision": [
        lambda p, r: float(p[-1]) * 0.9,
        _mean_over([k / 40 for k in range(41)]),
    ],
}


@pytest.mark.parametrize("exercise", localisation.EXERCISES, ids=lambda exercise: exercise.name)
def test_an_unknown_mistake_is_given_no_known_name(exercise):
    for answer in WITHOUT_A_STORY[exercise.name]:
        result = exercise.check(answer)
        assert result.outcome in ("wrong values", "wrong shape")
        assert not any(known.message in result.text for known in exercise.misconceptions), result


# --- the solutions themselves, by hand and against the package and torchvision -------------------


def _random_boxes(count: int, generator: torch.Generator) -> torch.Tensor:
    corner = 50 * torch.rand(count, 2, generator=generator)
    return torch.cat([corner, corner + 30 * torch.rand(count, 2, generator=generator)], dim=1)


def test_conversion_takes_back_what_lesson_02_wrote():
    box = torch.tensor([3.0, 5, 17, 11])
    row = label_exercises.yolo_row.reference(box, 20, 30)
    converted = localisation.cxcywh_to_xyxy.reference(row[None], (20, 30))
    torch.testing.assert_close(converted, box[None])
    assert localisation.cxcywh_to_xyxy.reference(torch.zeros(0, 4), (20, 30)).shape == (0, 4)


def test_iou_equals_torchvision_and_the_package():
    generator = torch.Generator().manual_seed(11)
    a, b = _random_boxes(40, generator), _random_boxes(30, generator)
    ours = localisation.iou.reference(a, b)
    torch.testing.assert_close(ours, torchvision.ops.box_iou(a, b))
    torch.testing.assert_close(ours, box_ops.iou(a, b))
    assert localisation.iou.reference(a[:0], b).shape == (0, 30)


def test_a_location_gets_the_box_painted_last_on_its_pixel():
    generator = torch.Generator().manual_seed(13)
    boxes = _random_boxes(12, generator).round()
    picture = torch.full((80, 80), -1)
    areas = box_ops.area(boxes)
    assert len(areas.unique()) == 12
    for index in areas.argsort(descending=True).tolist():
        x1, y1, x2, y2 = boxes[index].int().tolist()
        picture[y1:y2, x1:x2] = index
    y, x = picture.isfinite().nonzero(as_tuple=True)  # the corner of each pixel
    points = torch.stack([x, y], dim=1).float()
    assert torch.equal(localisation.assign_inside.reference(points, boxes), picture[y, x])


def test_decode_equals_the_packages():
    generator = torch.Generator().manual_seed(14)
    answers = (
        torch.randn(50, 4, generator=generator),
        80 * torch.rand(50, 2, generator=generator),
        torch.tensor([8.0, 32]).repeat(25),
    )
    torch.testing.assert_close(localisation.decode.reference(*answers), detect.decode(*answers))


def test_decode_by_hand_and_with_no_locations():
    boxes = localisation.decode.reference(
        torch.tensor([[1.0, 2, 3, 4]]), torch.tensor([[50.0, 60]]), torch.tensor([8.0])
    )
    assert boxes.tolist() == [[42, 44, 74, 92]]
    none = torch.zeros(0, 4), torch.zeros(0, 2), torch.zeros(0)
    assert localisation.decode.reference(*none).shape == (0, 4)


@pytest.mark.parametrize("iou_threshold", [0.0, 0.2, 0.5, 0.7, 1.0])
def test_nms_equals_torchvision(iou_threshold):
    generator = torch.Generator().manual_seed(13)
    for count in (0, 1, 2, 5, 60):
        boxes, scores = _random_boxes(count, generator), torch.rand(count, generator=generator)
        ours = localisation.nms.reference(boxes, scores, iou_threshold)
        assert torch.equal(ours, torchvision.ops.nms(boxes, scores, iou_threshold))


def test_average_precision_by_hand():
    precision, recall = localisation.precision_recall.reference(
        torch.tensor([0.2, 0.9, 0.6, 0.4]), torch.tensor([True, True, False, True]), 7
    )
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4])
    assert recall.tolist() == pytest.approx([1 / 7, 1 / 7, 2 / 7, 3 / 7])
    # 15 recalls up to 0.14 with precision 1, then 28 up to 0.42 with 3/4, and 58 with none.
    expected = (15 + 28 * 3 / 4) / 101
    assert localisation.average_precision.reference(precision, recall) == pytest.approx(expected)


def _coco_ap50(scores, correct, num_objects):
    """pycocotools on one picture: objects side by side, wrong detections where none is."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    def row(place, **more):
        box = [20.0 * place, 0.0, 10.0, 10.0]
        return {"image_id": 1, "category_id": 1, "bbox": box, "area": 100.0, "iscrowd": 0, **more}

    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [row(i, id=i + 1) for i in range(num_objects)],
    }
    places = (correct.cumsum(0) - 1).where(correct, num_objects + 1).tolist()
    found = [
        row(place, id=i + 1, score=score)
        for i, (place, score) in enumerate(zip(places, scores.tolist(), strict=True))
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        detected = coco.COCO()
        detected.dataset = {**truth.dataset, "annotations": found}
        detected.createIndex()
        run = COCOeval(truth, detected, "bbox")
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][0, :, 0, 0, 2].mean()  # IoU 0.5, all sizes, 100 detections


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_and_its_area_equal_pycocotools(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(50, generator=generator)
    correct = torch.rand(50, generator=generator) < scores
    curve = localisation.precision_recall.reference(scores, correct, 53)
    ours = localisation.average_precision.reference(*curve)
    assert ours == pytest.approx(_coco_ap50(scores, correct, 53), abs=1e-6)


def test_the_curve_and_its_area_equal_the_packages():
    generator = torch.Generator().manual_seed(20)
    scores = torch.rand(50, generator=generator)
    correct = torch.rand(50, generator=generator) < scores
    precision, recall = localisation.precision_recall.reference(scores, correct, 53)
    theirs = metrics.precision_recall(scores, correct, 53)
    np.testing.assert_allclose(precision, theirs.precision, rtol=1e-6)
    np.testing.assert_allclose(recall, theirs.recall, rtol=1e-6)
    ours = localisation.average_precision.reference(precision, recall)
    assert ours == pytest.approx(metrics.average_precision(precision, recall), abs=1e-6)


def test_the_exercises_stand_in_the_notebooks_order():
    path = ROOT / "notebooks/07_localisation_vs_detection.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    places = [code.index(f"ex.{exercise.name}.check(") for exercise in localisation.EXERCISES]
    assert places == sorted(places)
