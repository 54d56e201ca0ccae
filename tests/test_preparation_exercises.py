"""The exercises of lesson 02: answers of learners, right and wrong; the solutions themselves.

``test_exercises`` puts RIGHT and WRONG to the checks, as it does for the other lessons.
"""

import json
from pathlib import Path

import pytest
import torch

from imgrec_lab import metrics
from imgrec_lab.exercises import preparation

ROOT = Path(__file__).resolve().parents[1]

# --- right answers, written differently --------------------------------------------------------


def yolo_row_by_fractions(box, height, width):
    x1, x2 = box[0] / width, box[2] / width
    y1, y2 = box[1] / height, box[3] / height
    return torch.tensor([x1 + (x2 - x1) / 2, y1 + (y2 - y1) / 2, x2 - x1, y2 - y1])


def yolo_row_by_halves(box, height, width):
    sides = torch.tensor([width, height], dtype=torch.float32)
    low, high = box.reshape(2, 2) / sides
    return torch.cat([low.lerp(high, 0.5), high - low])


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


def leaking_by_pairs(groups, is_test):
    together = groups[:, None] == groups
    return is_test & (together & ~is_test).any(dim=1)


def doubted_by_loop(labels, probs):
    count = probs.shape[1]
    limits = [probs[labels == k][:, k].mean() for k in range(count)]
    answer = []
    for label, row in zip(labels, probs, strict=True):
        reached = [(float(row[k]), k) for k in range(count) if row[k] >= limits[k]]
        answer.append(bool(reached) and max(reached)[1] != int(label))
    return torch.tensor(answer)


def doubted_by_maximum(labels, probs):
    own = torch.nn.functional.one_hot(labels, probs.shape[1])
    limits = (own * probs).sum(dim=0) / own.sum(dim=0)
    best, guess = probs.masked_fill(probs < limits, -torch.inf).max(dim=1)
    return best.isfinite() & (guess != labels)


RIGHT = {
    "yolo_row": [yolo_row_by_fractions, yolo_row_by_halves],
    "cohen_kappa": [kappa_by_confusion, metrics.cohen_kappa],
    "bits_apart": [
        bits_apart_by_loop,
        lambda a, b: ((a.diff(dim=1) > 0) ^ (b.diff(dim=1) > 0)).sum(),
    ],
    "leaking": [leaking_by_loop, leaking_by_pairs],
    "doubted": [doubted_by_loop, doubted_by_maximum],
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


def _chance(a, b):
    return sum(float((a == k).float().mean() * (b == k).float().mean()) for k in range(9))


def _kappa_of_equal_lengths(a, b):
    chance = float((a.bincount() / len(a) * (b.bincount() / len(b))).sum())
    return (_agreed(a, b) - chance) / (1 - chance)


def _kappa_with_the_classes_of(first):
    def kappa(a, b):
        count = int((a if first else b).max()) + 1
        shares = [x.bincount(minlength=count) / len(x) for x in (a, b)]
        return (_agreed(a, b) - (c := float((shares[0] * shares[1]).sum()))) / (1 - c)

    return kappa


def _yolo(centre_x, centre_y, box_width, box_height, height, width):
    return torch.stack(
        [centre_x / width, centre_y / height, box_width / width, box_height / height]
    )


def _yolo_in_whole_pixels(box, height, width):
    x1, y1, x2, y2 = box
    return _yolo((x1 + x2) // 2, (y1 + y2) // 2, x2 - x1, y2 - y1, height, width)


def _bits(picture):
    return picture.diff(dim=1) > 0


def _judged(labels, probs, limits, numbers=None):
    """Whether the class with the largest number, of those at their limit, is not the label."""
    reached = probs >= limits
    numbers = probs if numbers is None else numbers
    likeliest = torch.where(reached, numbers, -1.0).argmax(1)
    return reached.any(1) & (likeliest != labels)


def _strictly_judged(labels, probs):
    reached = probs > _limits(labels, probs)
    return reached.any(1) & (torch.where(reached, probs, -1.0).argmax(1) != labels)


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
        (
            lambda box, h, w: _yolo(box[0] + box[2], box[1] + box[3], box[2] - box[0],
                                    box[3] - box[1], h, w),
            "twice too far out",
        ),
        (
            lambda box, h, w: _yolo((box[2] - box[0]) / 2, (box[3] - box[1]) / 2,
                                    box[2] - box[0], box[3] - box[1], h, w),
            "are half the size",
        ),
        (lambda box, h, w: yolo_row_by_fractions(box, w, w), "y was divided by the width, too"),
        (
            lambda box, h, w: _yolo(box[0] + box[2] / 2, box[1] + box[3] / 2, box[2], box[3], h, w),
            "read as corner and size",
        ),
        (
            lambda box, h, w: yolo_row_by_fractions(box[[1, 0, 3, 2]], w, h),
            "in the wrong order",
        ),
        (_yolo_in_whole_pixels, "corners that lie within pixels"),
        (
            lambda box, h, w: yolo_row_by_fractions(box.int(), h, w),
            "corners that lie within pixels",
        ),
        (lambda box, h, w: yolo_row_by_fractions(box, h, w)[:2], "got (2,)"),
    ],
    "cohen_kappa": [
        (_agreed, "the plain share of agreement"),
        (lambda a, b: (_agreed(a, b) - 0.5) / 0.5, "1 / K"),
        (
            lambda a, b: (_agreed(a, b) - 1 / (k := int(max(a.max(), b.max())) + 1)) / (1 - 1 / k),
            "1 / K",
        ),
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
        (lambda a, b: _agreed(a, b) - _chance(a, b) / (1 - _chance(a, b)), "before a minus"),
        (lambda a, b: (_agreed(a, b) - _chance(a, b)) / _chance(a, b), "This divides by chance"),
        (
            lambda a, b: ((a == b).sum() - (c := len(a) ** 2 * _chance(a, b))) / (1 - c),
            "These are counts",
        ),
        (lambda a, b: max(0, metrics.cohen_kappa(a, b)), "Keep the sign"),
        (lambda a, b: abs(metrics.cohen_kappa(a, b)), "Expected -0.5; got 0.5"),
        (_kappa_of_equal_lengths, "the second never chooses class 2"),
        (_kappa_with_the_classes_of(first=True), "the first never chooses class 2"),
        (_kappa_with_the_classes_of(first=False), "the second never chooses class 2"),
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
        (
            lambda a, b: int((a.diff(dim=1).sign() != b.diff(dim=1).sign()).sum()),
            "a bit has three values",
        ),
        (
            lambda a, b: bits_apart_by_loop(a.to(torch.uint8), b.to(torch.uint8)),
            "nearly all became 0",
        ),
        (lambda a, b: abs(int(_bits(a).sum() - _bits(b).sum())), "how many ones"),
        (
            lambda a, b: int(((a[:, 1:] < a[:, :-1]) != (b[:, 1:] < b[:, :-1])).sum()),
            "neither >= nor <",
        ),
        (lambda a, b: (_bits(a) != _bits(b)).float().sum(), "Write int(...) around it"),
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
        (lambda g, t: leaking_by_loop(g, t).nonzero()[:, 0], "These are positions"),
        (lambda g, t: torch.isin(g, g[~t]), "training pictures included"),
        (lambda g, t: leaking_by_loop(g, t)[t], "a row for each test picture"),
        (lambda g, t: t & ~leaking_by_loop(g, t), "that do not leak"),
        (lambda g, t: t & torch.isin(g, g[t]), "marks every test picture"),
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
        (lambda y, p: doubted_by_loop(y, p).nonzero()[:, 0], "These are positions"),
        (
            lambda y, p: _judged(y, p, _limits(y, p), (p >= _limits(y, p)).float()),
            "this takes the first",
        ),
        (_strictly_judged, ">= and not >"),
        (lambda y, p: _judged(y, p, _limits(y, p), p - _limits(y, p)), "farthest above"),
        (lambda y, p: (p * (p >= _limits(y, p))).argmax(1) != y, "argmax sees is equal"),
        (lambda y, p: _judged(y, p, _limits(y, p) * y.bincount()), "Are the thresholds sums?"),
        (lambda y, p: _judged(y, p, _limits(y, p) * y.bincount() / len(y)), "divided by N"),
        (lambda y, p: _judged(y, p, _own(y, p).mean()), "share one threshold"),
        (
            lambda y, p: (p.argmax(1) != y) & (p.amax(1) >= _limits(y, p)[y]),
            "with the threshold of the label",
        ),
    ],
}  # fmt: skip


# Wrong in ways that no message describes: only what differs may be said.
WITHOUT_A_STORY = {
    "cohen_kappa": [lambda a, b: round(metrics.cohen_kappa(a, b), 2)],
    "yolo_row": [lambda box, h, w: yolo_row_by_fractions(box + torch.tensor([0, 0, 1, 1]), h, w)],
    "bits_apart": [
        lambda a, b: int((a > b).sum()),
        lambda a, b: int(((a.roll(-1, 1) > a) != (b.roll(-1, 1) > b)).sum()),
        lambda a, b: bits_apart_by_loop(a[:-1], b[:-1]),
    ],
    "leaking": [lambda g, t: t & torch.isin(g, g[-t.int()])],
    "doubted": [
        lambda y, p: (p.argmax(1) != y) & (p.amax(1) >= 0.5),
        lambda y, p: _judged(y, p, _limits(y, p), p / _limits(y, p)),
        lambda y, p: (p.argmax(1) != y) & (_own(y, p) < _limits(y, p)[y]),
    ],
}


@pytest.mark.parametrize("exercise", preparation.EXERCISES, ids=lambda exercise: exercise.name)
def test_an_unknown_mistake_is_given_no_known_name(exercise):
    for answer in WITHOUT_A_STORY[exercise.name]:
        result = exercise.check(answer)
        assert result.outcome == "wrong values"
        assert not any(known.message in result.text for known in exercise.misconceptions), result


def test_the_exercises_stand_in_the_notebooks_order():
    notebook = json.loads((ROOT / "notebooks/02_data.ipynb").read_text(encoding="utf-8"))
    code = "".join("".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code")
    places = [code.index(f"ex.{exercise.name}.check(") for exercise in preparation.EXERCISES]
    assert places == sorted(places)


def test_which_pictures_are_judged_wrongly_is_said():
    text = preparation.leaking.check(lambda groups, is_test: is_test).text
    assert "2 of 4 numbers differ, at [2, 3]." in text


# --- the solutions themselves, against the package ----------------------------------------------


def test_kappa_is_the_packages():
    generator = torch.Generator().manual_seed(1)
    a = torch.randint(0, 4, (50,), generator=generator)
    b = torch.where(torch.rand(50, generator=generator) < 0.5, a, 3 - a)
    assert preparation.cohen_kappa.reference(a, b) == pytest.approx(metrics.cohen_kappa(a, b))


def test_a_brighter_picture_has_the_same_hash():
    picture = torch.rand(8, 9, generator=torch.Generator().manual_seed(5))
    assert preparation.bits_apart.reference(picture, picture * 0.6 + 0.2) == 0
