"""A finding: one thing that is wrong with a data set, where, and what to do about it."""

from typing import Literal, NamedTuple, get_args

Kind = Literal[
    "unreadable",  # no decoder can open it
    "truncated",  # it begins as a picture and breaks off
    "wrong-extension",  # a PNG that is named .jpg
    "odd-mode",  # palette, CMYK, 16 bits, transparency: read, but perhaps not as meant
    "odd-size",  # far smaller or larger than the rest, or than a network can use
    "exact-duplicate",  # the same pixels under two names
    "near-duplicate",  # the same picture resized, recompressed, cropped or made brighter
    "leak",  # the same picture, exactly or nearly, in two splits
    "imbalance",  # a class that is far rarer than the others, or missing in a split
    "bad-record",  # a line, object or file of labels that cannot be used
    "unknown-class",  # a label that the list of classes does not hold
    "box-outside",  # reaches beyond the picture
    "box-empty",  # has no area, or its corners are swapped
    "box-tiny",  # too few pixels to be learned from
    "box-doubled",  # the same object marked twice
    "no-labels",  # a picture that no label speaks of
    "no-picture",  # a label whose picture is not there
    "label-error",  # a label that a model, trained on the others, does not believe
]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Finding(NamedTuple):
    """One fault, in words that a person can act on.

    Attributes:
        kind: one of ``KINDS``.
        file: the file concerned, relative to the data set, with forward slashes.
        reason: what was found, with its numbers.
        advice: what to do.
        others: further files concerned, such as the other copies of a duplicate.
    """

    kind: Kind
    file: str
    reason: str
    advice: str
    others: tuple[str, ...] = ()
