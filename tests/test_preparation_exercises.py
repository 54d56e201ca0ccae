"""The exercises of lesson 02: answers of learners, right and wrong; the solutions themselves.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons.
"""

import pytest
import torch

from imgrec_lab import metrics
from imgrec_lab.exercises import preparation

# --- right answers, written differently --------------------------------------------------------


def yolo_row_by_fractions(box, height, width):
    x1, x2 = box[0] / width, box[2] / width
    y1, y2 = box[1] / height, box[3] / height
    return torch.tensor([x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1])


def kappa_by_confusion(a, b):
    table = metrics.confusion_matrix(a, b, num_classes=int(max(a.max(), b.max())) + 1) / len(a)
    chance = (table.sum(0) * table.sum(1)).sum()
    return (table.diag().sum() - chance) / (1 - chance)


def bits_apart_by_loop(a, b):
    count = 0
    for y in range(a.shape[0]):
        for x in range(a.shape[1] - 1):
            count += bool(a[y, x + 1] > a[y, x]) != bool(b[y, x + 1] > b[y, x])
    return count


def leaking_by_loop(groups, is_test):
    trained_on = {int(g) for g, t in zip(groups, is_test, strict=True) if not t}
    rows = zip(groups, is_test, strict=True)
    return torch.tensor([bool(test) and int(group) in trained_on for group, test in rows])


def doubted_by_loop(labels, probs):
    count = probs.shape[1]
    limits = [probs[labels == k][:, k].mean() for k in range(count)]
    answer = []
    for label, row in zip(labels, probs, strict=True):
        reached = [(float(row[k]), k) for k in range(count) if row[k] >= limits[k]]
        answer.append(bool(reached) and max(reached)[1] != int(label))
    return torch.tensor(answer)


RIGHT = {
    "yolo_row": [yolo_row_by_fractions],
    "cohen_kappa": [kappa_by_confusion, metrics.cohen_kappa],
    "bits_apart": [
        bits_apart_by_loop,
        lambda a, b: ((a.diff(dim=1) > 0) ^ (b.diff(dim=1) > 0)).sum(),
    ],
    "leaking": [leaking_by_loop],
    "doubted": [doubted_by_loop],
}


# --- wrong answers, and words that the reply must hold ------------------------------------------


def _divided(box, height, width):
    return box / torch.tensor([width, height, width, height])


def _limits(labels, probs):
    return torch.stack([probs[labels == k, k].mean() for k in range(probs.shape[1])])


def _own(labels, probs):
    return probs[torch.arange(len(labels)), labels]


def _agreed(a, b):
    return float((a == b).float().mean())


WRONG = {
    "yolo_row": [
        (_divided, "the corners as fractions"),
        (lambda box, h, w: torch.cat([box[:2], box[2:] - box[:2]]), "a row of COCO"),
        (
            lambda box, h, w: _divided(torch.cat([box[:2], box[2:] - box[:2]]), h, w),
            "should be the centre",
        ),
        (
            lambda box, h, w: torch.cat([(box[2:] + box[:2]) / 2, box[2:] - box[:2]]),
            "Right in pixels",
        ),
        (lambda box, h, w: yolo_row_by_fractions(box, w, h), "divided by the height"),
        (
            lambda box, h, w: yolo_row_by_fractions(box, h, w) / torch.tensor([1, 1, 2, 2]),
            "half as large",
        ),
        (lambda box, h, w: yolo_row_by_fractions(box, h, w)[:2], "got (2,)"),
    ],
    "cohen_kappa": [
        (_agreed, "the plain share of agreement"),
        (lambda a, b: (_agreed(a, b) - 0.5) / 0.5, "1 / K"),
        (
            lambda a, b: (
                (_agreed(a, b) - (c := float((a.bincount() / len(a)).square().sum()))) / (1 - c)
            ),
            "from the first annotator alone",
        ),
        (
            lambda a, b: (
                (_agreed(a, b) - (c := float((torch.cat([a, b]).bincount() / len(a) / 2)
                                             .square().sum()))) / (1 - c)
            ),
            "thrown together",
        ),
        (
            lambda a, b: _agreed(a, b) - sum(
                float((a == k).float().mean() * (b == k).float().mean()) for k in range(9)
            ),
            "Divide by 1 - chance",
        ),
        (lambda a, b: a == b, "Expected"),
    ],
    "bits_apart": [
        (lambda a, b: int((a != b).sum()), "counts pixels that differ"),
        (
            lambda a, b: int(((a[1:] > a[:-1]) != (b[1:] > b[:-1])).sum()),
            "with the one above",
        ),
        (
            lambda a, b: int(((a[:, 1:] >= a[:, :-1]) != (b[:, 1:] >= b[:, :-1])).sum()),
            "brighter means >",
        ),
        (lambda a, b: int(((a > a.mean()) != (b > b.mean())).sum()), "average hash"),
        (
            lambda a, b: int(((a.ravel().diff() > 0) != (b.ravel().diff() > 0)).sum()),
            "end of a row",
        ),
        (lambda a, b: bits_apart_by_loop(a, b) / (a.numel() - len(a)), "Expected an int"),
        (lambda a, b: (a.numel() - len(a)) - bits_apart_by_loop(a, b), "bits that are equal"),
        (lambda a, b: (a.diff(dim=1) > 0) != (b.diff(dim=1) > 0), "Expected"),
    ],
    "leaking": [
        (
            lambda g, t: torch.isin(g, g[t]) & torch.isin(g, g[~t]),
            "marks the training pictures of such groups",
        ),
        (lambda g, t: ~t & torch.isin(g, g[t]), "the other side was asked for"),
        (lambda g, t: t & (torch.bincount(g)[g] >= 2), "nothing leaks"),
        (lambda g, t: t, "marks every test picture"),
        (lambda g, t: torch.unique(g[leaking_by_loop(g, t)]), "the numbers of the groups"),
        (lambda g, t: leaking_by_loop(g, t).nonzero()[:, 0], "Expected"),
    ],
    "doubted": [
        (lambda y, p: p.argmax(1) != y, "however unsure it is"),
        (
            lambda y, p: (p.argmax(1) != y) & (p.amax(1) >= _limits(y, p)[p.argmax(1)]),
            "takes the likeliest class first",
        ),
        (lambda y, p: _own(y, p) < _limits(y, p)[y], "about half of all"),
        (
            lambda y, p: (p >= p.mean(0)).any(1)
            & (torch.where(p >= p.mean(0), p, -1.0).argmax(1) != y),
            "means over all pictures",
        ),
        (
            lambda y, p: (
                (p >= _limits(y, p)) & ~torch.nn.functional.one_hot(y, p.shape[1]).bool()
            ).any(1),
            "likelier and reaches its own",
        ),
        (
            lambda y, p: doubted_by_loop(y, p) | ~(p >= _limits(y, p)).any(1),
            "no reason to doubt a person",
        ),
        (lambda y, p: doubted_by_loop(y, p).nonzero()[:, 0], "Expected"),
    ],
}  # fmt: skip


# --- the solutions themselves, against the package ----------------------------------------------


def test_kappa_is_the_packages():
    generator = torch.Generator().manual_seed(1)
    a = torch.randint(0, 4, (50,), generator=generator)
    b = torch.where(torch.rand(50, generator=generator) < 0.5, a, 3 - a)
    assert preparation.cohen_kappa.reference(a, b) == pytest.approx(metrics.cohen_kappa(a, b))


def test_a_brighter_picture_has_the_same_hash():
    picture = torch.rand(8, 9, generator=torch.Generator().manual_seed(5))
    assert preparation.bits_apart.reference(picture, picture * 0.6 + 0.2) == 0
