"""An exercise of lesson 04: CutMix, whose labels count the pixels that were really pasted."""

import torch
import torch.nn.functional as F

from imgrec_lab.checks import Case, Exercise, Misconception


def cutmix_solution(
    images: torch.Tensor, labels: torch.Tensor, partners: torch.Tensor, box: tuple, num_classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste a rectangle of each picture's partner into it, in the same place; mix the labels.

    Args:
        images: (N, H, W) float32, grey.
        labels: (N,) int64.
        partners: (N,) int64: picture i gets a part of picture partners[i].
        box: x1, y1, x2, y2 of the rectangle in whole pixels, x2 and y2 not included. It may reach
            beyond the picture; nothing is pasted there.
        num_classes: K.

    Returns:
        the new pictures (N, H, W), and soft labels (N, K) float32: what share of a picture's
        pixels comes from a picture of class k.
    """
    height, width = images.shape[1:]
    x1, x2 = (min(max(x, 0), width) for x in box[0::2])
    y1, y2 = (min(max(y, 0), height) for y in box[1::2])
    mixed = images.clone()
    mixed[:, y1:y2, x1:x2] = images[partners, y1:y2, x1:x2]
    pasted = (x2 - x1) * (y2 - y1) / (height * width)
    own = F.one_hot(labels, num_classes).float()  # (N, K)
    return mixed, (1 - pasted) * own + pasted * own[partners]


def _mix_cases() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    labels, partners = torch.arange(6) % 4, torch.randperm(6, generator=generator)

    def case(about: str, labels: list, partners: list, size: tuple, box: tuple, k: int = 3) -> Case:
        images = torch.arange(1.0, 1 + len(labels) * size[0] * size[1]).reshape(-1, *size)
        return Case(about, (images, torch.tensor(labels), torch.tensor(partners), box, k))

    return [
        case("one pixel of four", [0, 1], [1, 0], (2, 2), (1, 0, 2, 1), 2),
        case("a class that does not occur", [0, 1], [1, 0], (2, 4), (1, 0, 2, 2)),
        case("three pictures in a ring", [0, 1, 2], [1, 2, 0], (2, 4), (0, 1, 3, 2)),
        case("both are of class 1", [1, 1], [1, 0], (2, 4), (1, 0, 2, 2)),
        case("over the right and the lower edge", [0, 1], [1, 0], (3, 4), (2, 1, 5, 4)),
        case("over the left and the upper edge", [0, 1], [1, 0], (3, 4), (-2, -1, 2, 2)),
        case("a rectangle outside of the picture", [0, 1], [1, 0], (3, 4), (5, 1, 7, 2)),
        case("a rectangle larger than the picture", [0, 1], [1, 0], (3, 4), (-1, -1, 6, 5)),
        case("the first is its own partner", [0, 1, 2], [0, 2, 1], (2, 4), (1, 0, 2, 2)),
        Case(
            "six pictures of 7 x 9 pixels",
            (torch.rand(6, 7, 9, generator=generator), labels, partners, (5, -3, 13, 4), 4),
        ),
    ]


def _clipped(box, images):
    height, width = images.shape[1:]
    x1, y1, x2, y2 = (
        min(max(edge, 0), side) for edge, side in zip(box, (width, height) * 2, strict=True)
    )
    return x1, y1, x2, y2


def _share(box, images):
    return (box[2] - box[0]) * (box[3] - box[1]) / images[0].numel()


def _pictures(images, partners, box):
    x1, y1, x2, y2 = box
    mixed = images.clone()
    mixed[:, y1:y2, x1:x2] = images[partners, y1:y2, x1:x2]
    return mixed


def _soft(labels, partners, share, num_classes):
    own = F.one_hot(labels, num_classes).float()
    return (1 - share) * own + share * own[partners]


def _with_labels(soft):
    """A wrong answer whose pictures are right: ``soft(own, other, share)`` are its labels."""

    def answer(images, labels, partners, box, num_classes):
        box = _clipped(box, images)
        own = F.one_hot(labels, num_classes).float()
        share = _share(box, images)
        return _pictures(images, partners, box), soft(own, own[partners], share)

    return answer


def _overwritten(own, other, share):
    return torch.where(other > 0, torch.tensor(share), (1 - share) * own)


wrong_side = _with_labels(lambda own, other, share: share * own + (1 - share) * other)
labels_of_the_own = _with_labels(lambda own, other, share: own)
labels_of_the_partner = _with_labels(lambda own, other, share: other)
half_and_half = _with_labels(lambda own, other, share: (own + other) / 2)
both_in_full = _with_labels(lambda own, other, share: (own + other).clamp(max=1))
overwritten = _with_labels(_overwritten)
majority = _with_labels(lambda own, other, share: own if share <= 0.5 else other)
hard_labels = _with_labels(lambda own, other, share: (own + share * (other - own)).argmax(dim=1))


def drawn_share(images, labels, partners, box, num_classes):
    soft = _soft(labels, partners, _share(box, images), num_classes)
    return _pictures(images, partners, _clipped(box, images)), soft


def drawn_share_of_at_most_1(images, labels, partners, box, num_classes):
    soft = _soft(labels, partners, min(_share(box, images), 1), num_classes)
    return _pictures(images, partners, _clipped(box, images)), soft


def nothing_clipped(images, labels, partners, box, num_classes):
    soft = _soft(labels, partners, _share(box, images), num_classes)
    return _pictures(images, partners, box), soft


def wrong_side_as_drawn(images, labels, partners, box, num_classes):
    soft = _soft(labels, partners, 1 - _share(box, images), num_classes)
    return _pictures(images, partners, box), soft


def counted_from_the_end(images, labels, partners, box, num_classes):
    soft = _soft(labels, partners, _share(_clipped(box, images), images), num_classes)
    return _pictures(images, partners, box), soft


def x_and_y_swapped(images, labels, partners, box, num_classes):
    swapped = cutmix_solution(images.mT, labels, partners, box, num_classes)
    return swapped[0].mT, swapped[1]


def one_pixel_more(images, labels, partners, box, num_classes):
    x1, y1, x2, y2 = box
    return cutmix_solution(images, labels, partners, (x1, y1, x2 + 1, y2 + 1), num_classes)


def corner_and_size(images, labels, partners, box, num_classes):
    x1, y1, width, height = box
    box = (x1, y1, x1 + width, y1 + height)
    return cutmix_solution(images, labels, partners, box, num_classes)


def _with_pictures(pictures):
    """A wrong answer whose labels are right: ``pictures(images, partners, box)`` are its own."""

    def answer(images, labels, partners, box, num_classes):
        box = _clipped(box, images)
        soft = _soft(labels, partners, _share(box, images), num_classes)
        return pictures(images, partners, box), soft

    return answer


def _one_after_the_other(images, partners, box):
    x1, y1, x2, y2 = box
    mixed = images.clone()
    for i, partner in enumerate(partners.tolist()):
        mixed[i, y1:y2, x1:x2] = mixed[partner, y1:y2, x1:x2].clone()
    return mixed


one_after_the_other = _with_pictures(_one_after_the_other)
rectangle_kept = _with_pictures(lambda images, p, box: _pictures(images[p], p.argsort(), box))
blended = _with_pictures(lambda images, p, box: images.lerp(images[p], _share(box, images)))
partner_in_whole = _with_pictures(lambda images, p, box: images[p])


def partners_the_other_way(images, labels, partners, box, num_classes):
    return cutmix_solution(images, labels, partners.argsort(), box, num_classes)


def next_in_the_batch(images, labels, partners, box, num_classes):
    return cutmix_solution(images, labels, torch.arange(len(labels)).flip(0), box, num_classes)


def classes_that_occur(images, labels, partners, box, num_classes):
    return cutmix_solution(images, labels, partners, box, int(labels.max()) + 1)


_DRAWN = (
    "The share is that of the rectangle that was drawn, and a part of it lies outside. Count the "
    "pixels that were really pasted: clip first, then take the area."
)

_WRONG_SIDE = "The share is on the wrong side: what was pasted shows the partner's class."

cutmix = Exercise(
    name="cutmix",
    title="CutMix with honest labels",
    difficulty=2,
    minutes=12,
    teaches="A soft label says how much of each class a picture shows; the pixels decide.",
    reference=cutmix_solution,
    why="Clipping to the picture settles both what is pasted and how much it is, so the label "
    "agrees with the pixels. Everything is read from the old pictures and written into a copy.",
    cases=_mix_cases,
    hints=(
        "Clip the rectangle to the picture first. Then paste it, and count its pixels.",
        "mixed = images.clone(); mixed[:, y1:y2, x1:x2] is the rectangle in all pictures, and "
        "images[partners, y1:y2, x1:x2] what belongs there.",
        "own = F.one_hot(labels, num_classes).float(); with share = pasted pixels / (H * W) the "
        "labels are (1 - share) * own + share * own[partners].",
    ),
    returns=("images", "labels"),
    misconceptions=(
        Misconception(drawn_share, _DRAWN),
        Misconception(drawn_share_of_at_most_1, _DRAWN),
        Misconception(nothing_clipped, _DRAWN),
        Misconception(
            counted_from_the_end,
            "To Python a start below 0 counts from the end, so that the slice is another one or "
            "empty. Clip x1 and y1 at 0 before slicing.",
        ),
        Misconception(wrong_side, _WRONG_SIDE),
        Misconception(wrong_side_as_drawn, _WRONG_SIDE),
        Misconception(
            labels_of_the_own,
            "The pictures are mixed and the labels are not. (Or was the share a whole number, 0?)",
        ),
        Misconception(
            labels_of_the_partner, "These are the labels of the partners. Most may be the own."
        ),
        Misconception(half_and_half, "Both classes get one half. Let the pixels decide how much."),
        Misconception(
            both_in_full, "Both classes get 1. The row of a picture must add up to 1: shares."
        ),
        Misconception(
            overwritten,
            "Where both pictures are of one class, the second share replaced the first. Add them.",
        ),
        Misconception(
            majority,
            "Only the class with most of the pixels is named. A soft label keeps both shares.",
        ),
        Misconception(
            hard_labels,
            "The labels are class numbers (N,). Give a row of K shares for each picture.",
            by_shape=True,
        ),
        Misconception(
            x_and_y_swapped,
            "x and y are swapped: rows come first, images[:, y1:y2, x1:x2].",
        ),
        Misconception(
            one_pixel_more,
            "The rectangle is a row and a column too large: x2 and y2 are not included, as in a "
            "slice.",
        ),
        Misconception(
            corner_and_size,
            "The last two numbers of the box were taken for its size; they are its other corner.",
        ),
        Misconception(
            one_after_the_other,
            "Some pictures got a part of a picture that had been pasted into before. Read from the "
            "old images, write into the copy.",
        ),
        Misconception(
            rectangle_kept,
            "The wrong part was replaced: all but the rectangle comes from the partner.",
        ),
        Misconception(
            blended,
            "All pixels were blended, which is mixup. CutMix replaces those of the rectangle.",
        ),
        Misconception(
            partner_in_whole, "The whole picture was replaced by the partner, not a rectangle."
        ),
        Misconception(
            partners_the_other_way,
            "The partners are the wrong way round: picture i gets a part of picture partners[i]. "
            "With only two pictures nobody notices.",
        ),
        Misconception(
            next_in_the_batch,
            "The batch was turned upside down to find partners. Use partners as it is given.",
        ),
        Misconception(
            classes_that_occur,
            "There is no column for a class that does not occur here: F.one_hot(labels, "
            "num_classes).",
            by_shape=True,
        ),
    ),
)
