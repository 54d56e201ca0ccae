"""The exercises of lesson 04: answers of learners, right and wrong; the solutions themselves.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from imgrec_lab import metrics
from imgrec_lab.augment import geometry
from imgrec_lab.exercises import augmentation

ROOT = Path(__file__).resolve().parents[1]

# --- right answers, written differently --------------------------------------------------------


def flip_labels_by_loop(labels, drawn, mirror_class):
    mirrored, new = [], []
    for label, picked in zip(labels.tolist(), drawn.tolist(), strict=True):
        other = int(mirror_class[label])
        mirrored.append(picked and other != -1)
        new.append(other if mirrored[-1] else label)
    return mirrored, new


def flip_labels_by_masks(labels, drawn, mirror_class):
    new, mirrored = labels.clone(), torch.zeros_like(drawn)
    for k in range(len(mirror_class)):
        if mirror_class[k] >= 0:
            mirrored |= drawn & (labels == k)
            new[drawn & (labels == k)] = mirror_class[k]
    return mirrored, new


def rotate_box_in_numpy(box, degrees, height, width):
    xs, ys = [], []
    for x in (float(box[0]), float(box[2])):
        for y in (float(box[1]), float(box[3])):
            place = complex(x - width / 2, y - height / 2) * np.exp(1j * np.deg2rad(degrees))
            xs.append(place.real + width / 2)
            ys.append(place.imag + height / 2)
    return np.array([min(xs), min(ys), max(xs), max(ys)])


def rotate_box_by_half_sizes(box, degrees, height, width):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    origin = torch.tensor([width / 2, height / 2])
    middle = turn @ ((box[:2] + box[2:]) / 2 - origin) + origin
    half = turn.abs() @ ((box[2:] - box[:2]) / 2)
    return torch.cat([middle - half, middle + half])


def crop_boxes_by_loop(boxes, labels, crop, min_visibility):
    left, names = [], []
    for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
        a, b, c, d = max(x1, crop[0]), max(y1, crop[1]), min(x2, crop[2]), min(y2, crop[3])
        share = max(0, c - a) * max(0, d - b) / ((x2 - x1) * (y2 - y1))
        if share > 0 and share >= min_visibility:
            left.append([a - crop[0], b - crop[1], c - crop[0], d - crop[1]])
            names.append(label)
    return torch.tensor(left).reshape(-1, 4), torch.tensor(names, dtype=torch.int64)


def crop_boxes_shifted_first(boxes, labels, crop, min_visibility):
    moved = boxes - torch.tensor(crop[:2]).repeat(2)
    inside = moved.clone()
    inside[:, 0::2] = moved[:, 0::2].clamp(0, crop[2] - crop[0])
    inside[:, 1::2] = moved[:, 1::2].clamp(0, crop[3] - crop[1])
    share = _area(inside) / _area(boxes)
    keep = ((share >= min_visibility) & (share > 0)).nonzero()[:, 0]
    return inside[keep], labels[keep]


def cutmix_by_mask(images, labels, partners, box, num_classes):
    y, x = torch.meshgrid(*(torch.arange(n) for n in images.shape[1:]), indexing="ij")
    pasted = (x >= box[0]) & (x < box[2]) & (y >= box[1]) & (y < box[3])  # (H, W)
    soft = torch.zeros(len(labels), num_classes)
    rows, share = torch.arange(len(labels)), pasted.float().mean()
    soft[rows, labels] += 1 - share
    soft[rows, labels[partners]] += share
    return images[partners].where(pasted, images), soft


def cutmix_by_loop(images, labels, partners, box, num_classes):
    new, soft = [], []
    for i, j in enumerate(partners.tolist()):
        picture, counts = images[i].clone(), [0] * num_classes
        for y in range(picture.shape[0]):
            for x in range(picture.shape[1]):
                source = j if box[0] <= x < box[2] and box[1] <= y < box[3] else i
                picture[y, x] = images[source, y, x]
                counts[int(labels[source])] += 1
        new.append(picture)
        soft.append([count / picture.numel() for count in counts])
    return torch.stack(new), torch.tensor(soft)


def paired_gain_in_numpy(with_policy, without, t):
    gains = with_policy.numpy() - without.numpy()
    return gains.mean(), t * gains.std(ddof=1) / np.sqrt(gains.size)


def paired_gain_by_formula(with_policy, without, t):
    gains = [a - b for a, b in zip(with_policy.tolist(), without.tolist(), strict=True)]
    mean = sum(gains) / len(gains)
    squares = sum((gain - mean) ** 2 for gain in gains)
    return mean, t * math.sqrt(squares / (len(gains) - 1) / len(gains))


RIGHT = {
    "flip_labels": [flip_labels_by_loop, flip_labels_by_masks],
    "rotate_box": [rotate_box_in_numpy, rotate_box_by_half_sizes],
    "crop_boxes": [crop_boxes_by_loop, crop_boxes_shifted_first],
    "cutmix": [cutmix_by_mask, cutmix_by_loop],
    "paired_gain": [
        paired_gain_in_numpy,
        paired_gain_by_formula,
        lambda new, old, t: metrics.mean_interval((new - old).tolist()),
    ],
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _flip_in_place(labels, drawn, mirror_class):
    mirrored = drawn & (mirror_class[labels] != -1)
    labels[mirrored] = mirror_class[labels[mirrored]]
    return mirrored, labels


def _flip_one_class_at_a_time(labels, drawn, mirror_class):
    new = labels.clone()
    for k in range(len(mirror_class)):
        if mirror_class[k] != -1:
            new = torch.where(drawn & (new == k), mirror_class[k], new)
    return drawn & (mirror_class[labels] != -1), new


def _turn(box, degrees, x0, y0, *, corners=(0, 2, 2, 0, 1, 1, 3, 3), sign=1):
    """x (P,) and y (P,) of some corners of a box, turned about (x0, y0)."""
    x, y = box[list(corners)].reshape(2, -1)
    angle = torch.deg2rad(torch.tensor(float(degrees)))
    cos, sin = angle.cos(), sign * angle.sin()
    return (x - x0) * cos - (y - y0) * sin + x0, (x - x0) * sin + (y - y0) * cos + y0


def _around(x, y):
    return torch.stack([x.min(), y.min(), x.max(), y.max()])


def _two_corners(box, degrees, height, width):
    return _turn(box, degrees, width / 2, height / 2, corners=(0, 2, 1, 3))


def _kept_its_size(box, degrees, height, width):
    x, y = _turn(box, degrees, width / 2, height / 2)
    middle, size = torch.stack([x.mean(), y.mean()]), box[2:] - box[:2]
    return torch.cat([middle - size / 2, middle + size / 2])


def _half(lengths):
    return [length / 2 for length in lengths]


def _area(boxes):
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _inside(boxes, crop):
    x1, y1, x2, y2 = crop
    return torch.stack(
        [boxes[:, i].clamp(low, high) for i, (low, high) in enumerate([(x1, x2), (y1, y2)] * 2)],
        dim=1,
    )


def _shares(boxes, crop):
    return _area(_inside(boxes, crop)) / _area(boxes)


def _keep(boxes, labels, crop, keep):
    x1, y1, _, _ = crop
    return (_inside(boxes, crop) - torch.tensor([x1, y1, x1, y1]))[keep], labels[keep]


def _stays(boxes, crop, v):
    return (_shares(boxes, crop) >= v) & (_shares(boxes, crop) > 0)


def _corner(crop):
    return torch.tensor(crop[:2]).repeat(2)


def _clipped_too_early(boxes, labels, crop, v):
    keep = _stays(boxes, crop, v)
    size = (0, 0, crop[2] - crop[0], crop[3] - crop[1])
    return (_inside(boxes, size) - _corner(crop))[keep], labels[keep]


def _clipped_too_far(boxes, labels, crop, v):
    keep = _stays(boxes, crop, v)
    return _inside(boxes - _corner(crop), (0, 0, *crop[2:]))[keep], labels[keep]


def _signs_forgotten(boxes, labels, crop, v):
    low, high = torch.tensor(crop[:2]), torch.tensor(crop[2:])
    inside = torch.cat([boxes[:, :2].maximum(low), boxes[:, 2:].minimum(high)], dim=1)
    keep = (_area(inside) > 0) & (_area(inside) >= v * _area(boxes))
    return (inside - _corner(crop))[keep], labels[keep]


def _lists_of_what_is_left(boxes, labels, crop, v):
    left, names = crop_boxes_by_loop(boxes, labels, crop, v)
    return torch.tensor(left.tolist()), names


def _centre_rule(boxes, labels, crop, v):
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    keep = (x > crop[0]) & (x < crop[2]) & (y > crop[1]) & (y < crop[3])
    return _keep(boxes, labels, crop, keep)


def _each_side(boxes, labels, crop, v):
    left = _inside(boxes, crop)
    wide = (left[:, 2] - left[:, 0]) / (boxes[:, 2] - boxes[:, 0])
    high = (left[:, 3] - left[:, 1]) / (boxes[:, 3] - boxes[:, 1])
    keep = (wide >= v) & (high >= v) & (wide * high > 0)
    return _keep(boxes, labels, crop, keep)


def _in_place_crop(boxes, labels, crop, v):
    keep = _stays(boxes, crop, v)
    boxes -= _corner(crop)
    return _inside(boxes, (0, 0, crop[2] - crop[0], crop[3] - crop[1]))[keep], labels[keep]


def _clip(box, images):
    (x1, y1, x2, y2), (_, height, width) = box, images.shape
    return max(0, min(x1, width)), max(0, min(y1, height)), min(x2, width), min(y2, height)


def _drawn(box, images):
    return (box[2] - box[0]) * (box[3] - box[1]) / images[0].numel()


def _mixed_labels(y, p, share, k):
    return F.one_hot(y, k) * (1 - share) + F.one_hot(y[p], k) * share


def _pasted(box, images):
    """The share of a picture's pixels that lie in the box."""
    high, wide = (
        sum(box[k] <= place < box[k + 2] for place in range(images.shape[2 - k])) for k in (1, 0)
    )
    return high * wide / images[0].numel()


def _with_share(share):
    """Right pictures, and labels with ``share(share of the pixels)`` of the partner."""

    def answer(images, labels, partners, box, num_classes):
        new, _ = cutmix_by_mask(images, labels, partners, box, num_classes)
        amount = share(_pasted(box, images))
        return new, _mixed_labels(labels, partners, amount, num_classes).float()

    return answer


def _share_as_drawn(images, labels, partners, box, num_classes):
    new, _ = cutmix_by_mask(images, labels, partners, box, num_classes)
    return new, _mixed_labels(labels, partners, _drawn(box, images), num_classes)


def _share_as_drawn_up_to_1(images, labels, partners, box, num_classes):
    new, _ = cutmix_by_mask(images, labels, partners, box, num_classes)
    return new, _mixed_labels(labels, partners, min(1, _drawn(box, images)), num_classes)


def _as_in_a_hurry(images, labels, partners, box, num_classes):
    new, (x1, y1, x2, y2) = images.clone(), box
    new[:, y1:y2, x1:x2] = images[partners][:, y1:y2, x1:x2]
    return new, _mixed_labels(labels, partners, _drawn(box, images), num_classes)


def _lambda_on_the_own_side(images, labels, partners, box, num_classes):
    new, _ = _as_in_a_hurry(images, labels, partners, box, num_classes)
    return new, _mixed_labels(labels, partners, 1 - _drawn(box, images), num_classes)


def _start_below_zero(images, labels, partners, box, num_classes):
    new, _ = _as_in_a_hurry(images, labels, partners, box, num_classes)
    return new, cutmix_by_mask(images, labels, partners, box, num_classes)[1]


def _one_by_one(images, labels, partners, box, num_classes):
    new, soft = images.clone(), cutmix_by_mask(images, labels, partners, box, num_classes)[1]
    x1, y1, x2, y2 = _clip(box, images)
    for i in range(len(new)):
        new[i, y1:y2, x1:x2] = new[int(partners[i]), y1:y2, x1:x2].clone()
    return new, soft


def _in_place_mix(images, labels, partners, box, num_classes):
    new, soft = cutmix_by_mask(images, labels, partners, box, num_classes)
    images.copy_(new)
    return images, soft


def _second_share_replaces(images, labels, partners, box, num_classes):
    new, soft = cutmix_by_mask(images, labels, partners, box, num_classes)
    share, rows = _pasted(box, images), torch.arange(len(labels))
    soft = torch.zeros_like(soft)
    soft[rows, labels] = 1 - share
    soft[rows, labels[partners]] = share
    return new, soft


def _outside_replaced(images, labels, partners, box, num_classes):
    soft = cutmix_by_mask(images, labels, partners, box, num_classes)[1]
    theirs = images[partners]
    x1, y1, x2, y2 = _clip(box, images)
    theirs[:, y1:y2, x1:x2] = images[:, y1:y2, x1:x2]
    return theirs, soft


def _rows_and_columns_swapped(images, labels, partners, box, num_classes):
    x1, y1, x2, y2 = box
    height, width = images.shape[1:]
    new = images.clone()
    rows, columns = slice(max(0, x1), min(x2, height)), slice(max(0, y1), min(y2, width))
    new[:, rows, columns] = images[partners, rows, columns]
    share = new[0, rows, columns].numel() / new[0].numel()
    return new, _mixed_labels(labels, partners, share, num_classes)


def _width(scores, t):
    return t * scores.std() / len(scores) ** 0.5


def _gain(half_width):
    """The right gain, and ``half_width(gains as numpy, t)``."""
    return lambda new, old, t: (float((new - old).mean()), half_width((new - old).numpy(), t))


WRONG = {
    "flip_labels": [
        (lambda y, d, m: (d & (m[y] != -1), y), "the trap of this lesson"),
        (lambda y, d, m: (d, y), "a plain flip"),
        (lambda y, d, m: (d, m[y].where(d, y)), "gets the label -1"),
        (lambda y, d, m: (d, flip_labels_by_masks(y, d, m)[1]), "still to be mirrored"),
        (lambda y, d, m: (d & (m[y] != -1), m[y].where(d, y)), "some labels are -1"),
        (lambda y, d, m: (d & (m[y] == y), y), "that look the same in a mirror"),
        (
            lambda y, d, m: (d & (m[y] > 0), torch.where(d & (m[y] > 0), m[y], y)),
            "Class 0 is a class",
        ),
        (lambda y, d, m: (m[y] >= 0, torch.where(m[y] >= 0, m[y], y)), "What is drawn for?"),
        (
            lambda y, d, m: (d & (m[y] >= 0), torch.where(m[y] >= 0, m[y], y)),
            "the others got new labels",
        ),
        (lambda y, d, m: flip_labels_by_masks(y, d == 0, m), "the wrong ones"),
        (_flip_one_class_at_a_time, "became left again"),
        (
            lambda y, d, m: [x[~d | (m[y] != -1)] for x in flip_labels_by_masks(y, d, m)],
            "They stay in the batch",
        ),
        (lambda y, d, m: flip_labels_by_masks(y, d, m)[::-1], "changed places"),
        (_flip_in_place, "labels is not what it was"),
        (lambda y, d, m: flip_labels_by_masks(y, d, m)[1], "a tuple (mirrored, labels)"),
    ],
    "rotate_box": [
        (
            lambda box, deg, h, w: torch.stack(_two_corners(box, deg, h, w), dim=1).flatten(),
            "kept their names",
        ),
        (lambda box, deg, h, w: _around(*_two_corners(box, deg, h, w)), "Only two of the four"),
        (
            lambda box, deg, h, w: rotate_box_by_half_sizes(box, deg * 180 / math.pi, h, w),
            "it takes radians",
        ),
        (
            lambda box, deg, h, w: _around(*_turn(box, deg, w / 2, h / 2, sign=-1)),
            "the wrong way",
        ),
        (lambda box, deg, h, w: _around(*_turn(box, deg, 0, 0)), "about the corner (0, 0)"),
        (
            lambda box, deg, h, w: _around(*_turn(box, deg, *_half(box[:2] + box[2:]))),
            "about the middle of the box",
        ),
        (
            lambda box, deg, h, w: _around(*_turn(box, deg, h / 2, w / 2)),
            "height and width swapped",
        ),
        (
            lambda box, deg, h, w: _around(*_turn(box, deg, (w - 1) / 2, (h - 1) / 2)),
            "half a pixel off",
        ),
        (lambda box, deg, h, w: _around(*_turn(box, deg, w, h)), "about (width, height)"),
        (
            lambda box, deg, h, w: rotate_box_by_half_sizes(box, deg, h, w)
            - torch.tensor([w, h, w, h]) / 2,
            "still measured from the centre",
        ),
        (_kept_its_size, "needs more room"),
        (
            lambda box, deg, h, w: _inside(
                rotate_box_by_half_sizes(box, deg, h, w)[None], (0, 0, w, h)
            )[0],
            "clipped to the picture",
        ),
        (
            lambda box, deg, h, w: torch.stack(_turn(box, deg, w / 2, h / 2), dim=1),
            "the four turned corners",
        ),
        (lambda box, deg, h, w: torch.cat(_turn(box, deg, w / 2, h / 2)), "got (8,)"),
    ],
    "crop_boxes": [
        (
            lambda b, y, c, v: (_inside(b, c)[_stays(b, c, v)], y[_stays(b, c, v)]),
            "Subtract the x1 and y1",
        ),
        (
            lambda b, y, c, v: ((b - _corner(c))[_stays(b, c, v)], y[_stays(b, c, v)]),
            "reach beyond the crop",
        ),
        (_clipped_too_early, "Shift first"),
        (_clipped_too_far, "lies at x2 - x1"),
        (
            lambda b, y, c, v: crop_boxes_by_loop(b, y, (c[1], c[0], c[3], c[2]), v),
            "x and y of the crop",
        ),
        (
            lambda b, y, c, v: crop_boxes_by_loop(b, y, (*c[:2], c[0] + c[2], c[1] + c[3]), v),
            "taken for its size",
        ),
        (lambda b, y, c, v: (crop_boxes_by_loop(b, y, c, v)[0], y), "one for each old box"),
        (
            lambda b, y, c, v: (
                left := crop_boxes_by_loop(b, y, c, v)[0],
                y[: left.shape[0]],
            ),
            "the first ones of the list",
        ),
        (_lists_of_what_is_left, "has shape (0,)"),
        (_signs_forgotten, "both sides are negative"),
        (lambda b, y, c, v: _keep(b, y, c, slice(None)), "No box was dropped"),
        (lambda b, y, c, v: _keep(b, y, c, _shares(b, c) > 0), "min_visibility is not used"),
        (lambda b, y, c, v: _keep(b, y, c, _shares(b, c) == 1), "Only boxes that are whole"),
        (_centre_rule, "if its centre is inside"),
        (
            lambda b, y, c, v: _keep(
                b, y, c,
                (a := _area(_inside(b, c)) / _area(torch.tensor([c]))).ge(v) & (a > 0),
            ),
            "with the area of the crop",
        ),
        (_each_side, "36 % of the area"),
        (lambda b, y, c, v: _keep(b, y, c, _shares(b, c) > v), "At least means >="),
        (lambda b, y, c, v: _keep(b, y, c, _shares(b, c) >= v), "Drop what has no area"),
        (lambda b, y, c, v: _keep(b, y, c, ~_stays(b, c, v)), "should be dropped"),
        (_in_place_crop, "boxes is not what it was"),
        (lambda b, y, c, v: crop_boxes_by_loop(b, y, c, v)[0], "a tuple (boxes, labels)"),
    ],
    "cutmix": [
        (_share_as_drawn, "really pasted"),
        (_share_as_drawn_up_to_1, "really pasted"),
        (_as_in_a_hurry, "really pasted"),
        (_start_below_zero, "counts from the end"),
        (_with_share(lambda share: 1 - share), "on the wrong side"),
        (_lambda_on_the_own_side, "on the wrong side"),
        (_with_share(lambda share: share // 1.01), "the labels are not"),
        (_with_share(lambda share: 1), "labels of the partners"),
        (_with_share(lambda share: 0.5), "Both classes get one half"),
        (_with_share(lambda share: float(share > 0.5)), "keeps both shares"),
        (
            lambda x, y, p, box, k: (
                cutmix_by_mask(x, y, p, box, k)[0],
                (F.one_hot(y, k) | F.one_hot(y[p], k)).float(),
            ),
            "must add up to 1",
        ),
        (_second_share_replaces, "the second share replaced the first"),
        (
            lambda x, y, p, box, k: (
                cutmix_by_mask(x, y, p, box, k)[0], cutmix_by_mask(x, y, p, box, k)[1].argmax(1),
            ),
            "are class numbers (N,)",
        ),
        (_rows_and_columns_swapped, "x and y are swapped"),
        (
            lambda x, y, p, box, k: cutmix_by_mask(x, y, p, (*box[:2], box[2] + 1, box[3] + 1), k),
            "a row and a column too large",
        ),
        (
            lambda x, y, p, box, k: cutmix_by_mask(
                x, y, p, (*box[:2], box[0] + box[2], box[1] + box[3]), k
            ),
            "taken for its size",
        ),
        (_one_by_one, "pasted into before"),
        (_outside_replaced, "all but the rectangle"),
        (
            lambda x, y, p, box, k: (
                x + _pasted(box, x) * (x[p] - x), cutmix_by_mask(x, y, p, box, k)[1],
            ),
            "which is mixup",
        ),
        (
            lambda x, y, p, box, k: (x[p], cutmix_by_mask(x, y, p, box, k)[1]),
            "whole picture was replaced",
        ),
        (
            lambda x, y, p, box, k: cutmix_by_mask(x, y, p.sort().indices, box, k),
            "partners are the wrong way round",
        ),
        (
            lambda x, y, p, box, k: cutmix_by_mask(x, y, torch.arange(len(y) - 1, -1, -1), box, k),
            "Use partners as it is given",
        ),
        (
            lambda x, y, p, box, k: cutmix_by_mask(x, y, p, box, len(y.bincount())),
            "no column for a class",
        ),
        (_in_place_mix, "images is not what it was"),
    ],
    "paired_gain": [
        (lambda new, old, t: paired_gain_by_formula(old, new, t), "The sign is wrong"),
        (
            lambda new, old, t: (
                (new.mean() - old.mean()).item(),
                t * math.sqrt((new.std() ** 2 + old.std() ** 2) / len(new)),
            ),
            "two groups",
        ),
        (
            lambda new, old, t: ((new - old).mean(), _width(new, t) + _width(old, t)),
            "two groups",
        ),
        (
            lambda new, old, t: ((new - old).mean(), _width(new, t) - _width(old, t)),
            "do not cancel",
        ),
        (lambda new, old, t: ((new - old).mean(), _width(new, t)), "with the policy"),
        (
            lambda new, old, t: paired_gain_by_formula(torch.msort(new), torch.msort(old), t),
            "no longer share a seed",
        ),
        (_gain(lambda g, t: t * g.std() / len(g) ** 0.5), "numpy's does not"),
        (_gain(lambda g, t: t * g.std(ddof=1)), "a single seed"),
        (_gain(lambda g, t: t * g.std(ddof=1) / len(g)), "has sqrt(S) below"),
        (_gain(lambda g, t: t * g.var(ddof=1) / len(g) ** 0.5), "made of the variance"),
        (_gain(lambda g, t: 1.96 * g.std(ddof=1) / len(g) ** 0.5), "1.96 is for many runs"),
        (_gain(lambda g, t: g.std(ddof=1) / len(g) ** 0.5), "Multiply by t"),
        (_gain(lambda g, t: t * g.std(ddof=1) / (len(g) - 1) ** 0.5), "Below the root"),
        (_gain(lambda g, t: 2 * t * g.std(ddof=1) / len(g) ** 0.5), "the whole width"),
        (
            lambda new, old, t: paired_gain_by_formula((new - old).abs(), 0 * old, t),
            "keep the sign",
        ),
        (
            lambda new, old, t: paired_gain_by_formula((new - old) / old, 0 * old, t),
            "relative to the score",
        ),
        (
            lambda new, old, t: (
                (new - old).mean() - _width(new - old, t),
                (new - old).mean() + _width(new - old, t),
            ),
            "the two ends",
        ),
        (lambda new, old, t: (new - old).mean(), "a tuple (gain, half_width)"),
    ],
}  # fmt: skip


# Wrong in ways that no message describes: only what differs may be said.
WITHOUT_A_STORY = {
    "flip_labels": [lambda y, d, m: (d & (m[y] >= 0) & (y != 1), y * 1)],
    "rotate_box": [
        lambda box, deg, h, w: rotate_box_by_half_sizes(box, deg, h, w).round(),
        lambda box, deg, h, w: rotate_box_by_half_sizes(box, 2 * deg, h, w),
    ],
    "crop_boxes": [
        lambda b, y, c, v: _keep(b, y, c, _shares(b, c) >= max(v, 0.1)),
        lambda b, y, c, v: crop_boxes_by_loop(b.round(), y, c, v),
    ],
    "cutmix": [_with_share(math.sqrt), _with_share(lambda share: round(share, 1))],
    "paired_gain": [
        _gain(lambda g, t: t * abs(g - g.mean()).mean()),
        lambda new, old, t: ((new - old).median(), _width(new - old, t)),
    ],
}


@pytest.mark.parametrize("exercise", augmentation.EXERCISES, ids=lambda exercise: exercise.name)
def test_an_unknown_mistake_is_given_no_known_name(exercise):
    for answer in WITHOUT_A_STORY[exercise.name]:
        result = exercise.check(answer)
        assert result.outcome in ("wrong values", "wrong shape")
        assert not any(known.message in result.text for known in exercise.misconceptions), result


# --- the solutions themselves, against the package ----------------------------------------------


def test_mirroring_twice_gives_the_first_labels_back():
    labels, drawn = torch.tensor([0, 1, 2, 3, 1]), torch.tensor([1, 1, 1, 1, 0]).bool()
    mirror_class = torch.tensor([1, 0, 2, -1])
    mirrored, once = augmentation.flip_labels.reference(labels, drawn, mirror_class)
    assert mirrored.tolist() == [True, True, True, False, False]
    assert once.tolist() == [1, 0, 2, 3, 1]
    assert torch.equal(augmentation.flip_labels.reference(once, drawn, mirror_class)[1], labels)


@pytest.mark.parametrize("degrees", [-170.0, -30.0, 0.0, 12.5, 90.0, 133.0])
def test_rotate_box_turns_as_the_package_does(degrees):
    box, size = torch.tensor([3.0, 5, 17, 11]), (20, 30)
    turn = geometry.rotation(torch.tensor([degrees]), size)[0]
    ours = augmentation.rotate_box.reference(box, degrees, *size)
    torch.testing.assert_close(ours, geometry.warp_boxes(box[None], turn)[0])


def test_rotate_box_turns_as_the_pixels_do():
    picture = torch.zeros(6, 8)
    picture[0, 5:8] = 1  # three pixels at the top right
    turned = torch.rot90(picture, -1)  # clockwise, and the picture is then 8 high and 6 wide
    rows, columns = (index.unique() for index in turned.nonzero(as_tuple=True))
    box = augmentation.rotate_box.reference(torch.tensor([5.0, 0, 8, 1]), 90, 6, 8)
    to_new_centre = torch.tensor([3.0, 4, 3, 4]) - torch.tensor([4.0, 3, 4, 3])
    expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    assert (box + to_new_centre).tolist() == pytest.approx([float(edge) for edge in expected])


def test_crop_boxes_are_those_of_the_cropped_pixels():
    boxes = torch.tensor([[2.0, 1, 6, 5], [0, 0, 3, 3], [5, 4, 9, 8]])
    left, labels = augmentation.crop_boxes.reference(
        boxes, torch.tensor([7, 8, 9]), (3, 2, 8, 7), 0.5
    )
    for box, label, (x1, y1, x2, y2) in zip(left, labels, boxes[[0, 2]].int(), strict=True):
        picture = torch.zeros(10, 10)
        picture[y1:y2, x1:x2] = 1
        rows, columns = picture[2:7, 3:8].nonzero(as_tuple=True)
        edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert box.tolist() == [float(edge) for edge in edges] and label in (7, 9)


def test_no_boxes_are_no_boxes_after_a_crop():
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    boxes, labels = augmentation.crop_boxes.reference(*none, (0, 0, 5, 5), 0.1)
    assert boxes.shape == (0, 4) and labels.shape == (0,)


def test_labels_of_cutmix_count_the_pixels():
    labels, partners = torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0])
    images = labels[:, None, None].expand(3, 6, 5).float()  # each pixel says where it is from
    for box in ((1, 2, 4, 5), (-3, 4, 2, 9), (7, 0, 9, 3), (-1, -1, 6, 7)):
        mixed, soft = augmentation.cutmix.reference(images, labels, partners, box, 4)
        counts = torch.stack([(mixed == k).float().mean(dim=(1, 2)) for k in range(4)], dim=1)
        torch.testing.assert_close(soft, counts)


def test_a_paired_gain_is_the_packages_interval_of_the_gains():
    generator = torch.Generator().manual_seed(3)
    new, old = torch.rand(2, 5, generator=generator)
    gain, half_width = augmentation.paired_gain.reference(new, old, 2.776)
    expected = metrics.mean_interval((new - old).tolist())
    assert (gain, half_width) == pytest.approx(tuple(expected), rel=1e-5)


def test_the_exercises_stand_in_the_notebooks_order():
    notebook = json.loads((ROOT / "notebooks/04_augmentation.ipynb").read_text(encoding="utf-8"))
    code = "".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    places = [code.index(f"ex.{exercise.name}.check(") for exercise in augmentation.EXERCISES]
    assert places == sorted(places)
