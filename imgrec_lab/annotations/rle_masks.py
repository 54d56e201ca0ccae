"""Masks as COCO's compressed run lengths, and back.

Run lengths count pixels down the columns, first those outside, then inside, and so on in turn. The
compressed text holds each as base-32 digits, lowest first, in the characters "0" to "o"; from the
fourth on it holds the difference to the length two before. Equal to pycocotools, character by
character. Source: https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MOST_DIGITS = 7  # of five bits: run lengths below 2 ** 34


def encode(mask: np.ndarray) -> str:
    """The compressed run lengths of one mask.

    Args:
        mask: (H, W), bool or 0 and 1.

    Raises:
        ValueError: if there are not two dimensions.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(
            f"mask must have shape (H, W); got {mask.shape}. For (M, H, W) encode each of them."
        )
    column_wise = mask.T.ravel() != 0  # (W * H,)
    changes = np.flatnonzero(column_wise[1:] != column_wise[:-1]) + 1
    starts = [0, 0] if column_wise[:1].any() else [0]  # the first run counts pixels outside
    return compress(np.diff(np.concatenate([starts, changes, [column_wise.size]])))


def decode(rle: str, height: int, width: int) -> np.ndarray:
    """The mask (H, W) bool of compressed run lengths.

    Raises:
        ValueError: unless they cover height * width pixels.
    """
    lengths = expand(rle, height, width)
    inside = np.arange(lengths.size) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T  # (H, W)


def area(rle: str, height: int, width: int) -> int:
    """Number of pixels of the mask."""
    return int(expand(rle, height, width)[1::2].sum())


def box(rle: str, height: int, width: int) -> tuple[float, float, float, float]:
    """The tight (x1, y1, x2, y2) around the mask, half-open; zeros where it is empty."""
    lengths = expand(rle, height, width)
    ends = np.cumsum(lengths)
    first, last = (ends - lengths)[1::2], (ends - 1)[1::2]  # of each run inside
    first, last = first[last >= first], last[last >= first]
    if not first.size:
        return 0.0, 0.0, 0.0, 0.0
    crosses = (first // height != last // height).any()  # a run that goes on in the next column
    top, bottom = (0, height - 1) if crosses else ((first % height).min(), (last % height).max())
    return float(first[0] // height), float(top), float(last[-1] // height + 1), float(bottom + 1)


def compress(lengths: Sequence[int] | np.ndarray) -> str:
    """Run lengths as text.

    Args:
        lengths: (R,) not negative; the first counts pixels outside, the next inside, in turn.
    """
    values = np.asarray(lengths, dtype=np.int64).copy()
    values[3:] -= np.asarray(lengths, dtype=np.int64)[1:-2]
    digits = (values[:, None] >> (5 * np.arange(_MOST_DIGITS))) & 31  # (R, digits), lowest first
    rest = values[:, None] >> (5 * np.arange(1, _MOST_DIGITS + 1))  # what comes after each
    done = np.where(digits & 16, rest == -1, rest == 0)  # the rest is the sign, which bit 4 tells
    used = np.cumsum(done, axis=1) - done == 0  # up to the first that is done
    characters = digits + 32 * ~done + ord("0")
    return characters[used].astype(np.uint8).tobytes().decode("ascii")


def expand(rle: str, height: int, width: int) -> np.ndarray:
    """Run lengths (R,) int64 from text.

    Raises:
        ValueError: unless the text is of this kind and covers height * width pixels.
    """
    codes = np.frombuffer(rle.encode("utf-8"), dtype=np.uint8).astype(np.int64) - ord("0")  # (L,)
    ends = np.flatnonzero(codes & 32 == 0)
    if not codes.size or codes.min() < 0 or codes.max() > 63 or ends[-1:] != codes.size - 1:
        raise ValueError(f"rle must be COCO's compressed run lengths; got {rle[:40]!r}.")
    starts = np.concatenate([[0], ends[:-1] + 1])  # (R,)
    digits = ends - starts + 1  # of each value
    place = np.arange(codes.size) - np.repeat(starts, digits)  # (L,), 0 is the lowest
    if digits.max() > _MOST_DIGITS:
        raise ValueError(f"rle must hold run lengths below 2 ** 34; got {rle[:40]!r}.")
    values = np.add.reduceat((codes & 31) << (5 * place), starts)  # (R,)
    values -= np.where(codes[ends] & 16, 1 << (5 * digits), 0)  # bit 4 of the highest is the sign
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0 or values.sum() != height * width:
        raise ValueError(
            f"rle must cover {height} x {width} = {height * width} pixels; "
            f"its run lengths add up to {values.sum()}. Height comes before width."
        )
    return values
