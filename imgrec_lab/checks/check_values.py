"""Values of exercises: say what one is, show it as text, tell whether two are the same."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_tensor(value: Any) -> Tensor | None:
    """Numbers, lists, numpy arrays or a tensor as a tensor on the CPU; None for all else."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    try:
        if isinstance(value, np.ndarray):
            return torch.as_tensor(value.copy(order="C"))  # torch takes no negative strides
        if isinstance(value, (list, tuple)) and all(isinstance(v, Tensor) for v in value):
            return torch.stack([part.detach().cpu() for part in value])
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def kind(value: Any) -> str:
    """What a value is, for a sentence: "a float32 tensor of shape (2, 3)", "an int"."""
    if isinstance(value, Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} numpy array of shape {value.shape}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def show(value: Any, prefix: str = "") -> str:
    """A small value as text after a prefix, a large one as what it is; never an address."""
    if isinstance(value, (bool, int, float)) or value is None:
        return f"{prefix}{value}"
    if isinstance(value, tuple) and any(isinstance(part, Tensor) for part in value):
        return "\n".join(show(part, f"{prefix}[{i}] ") for i, part in enumerate(value))
    numbers = to_tensor(value)
    if numbers is None or numbers.numel() > 64:
        return f"{prefix}{kind(value)}"
    if not isinstance(value, (Tensor, np.ndarray)):
        return f"{prefix}{value}"
    if numbers.ndim == 0:
        number = numbers.item()
        return f"{prefix}{number}" if isinstance(number, bool) else f"{prefix}{number:.6g}"
    array = (numbers.double() if numbers.is_floating_point() else numbers).numpy()
    wide = dict(max_line_width=200, separator=", ", suppress_small=True)
    return prefix + np.array2string(array, precision=4, prefix=prefix, **wide)


def parts(value: Any, count: int) -> tuple | None:
    """What is returned, one part for each of ``count`` names; None where their number is wrong."""
    if count == 1:
        return (value,)
    return tuple(value) if isinstance(value, (tuple, list)) and len(value) == count else None


def compare(
    expected: Any, got: Any, *, names: tuple[str, ...], tolerance: float
) -> tuple[str, str] | None:
    """The first thing in which what came differs from what is expected.

    Args:
        expected: a tensor or number, or a tuple of them where there are several names.
        got: the same, though lists and numpy arrays will do for tensors.
        names: of the parts.
        tolerance: absolute and relative, for floats.

    Returns:
        The outcome ("wrong type", "wrong shape", "wrong dtype" or "wrong values") and a sentence;
        None where nothing differs.
    """
    wanted, returned = parts(expected, len(names)), parts(got, len(names))
    if returned is None:
        return "wrong type", f"Expected a tuple ({', '.join(names)}); got {kind(got)}."
    for name, want, have in zip(names, wanted, returned, strict=True):
        if fault := _compare_part(want, have, tolerance):
            return fault[0], f"{name}: {fault[1]}" if len(names) > 1 else fault[1]
    return None


def agree(a: Any, b: Any, *, count: int, tolerance: float) -> bool:
    """Whether two answers of ``count`` parts have equal shapes and values, of whatever type."""
    pair = parts(a, count), parts(b, count)
    if None in pair:
        return False
    for one, other in zip(*(map(to_tensor, side) for side in pair), strict=True):
        if one is None or other is None or one.shape != other.shape:
            return False
        if not _close(one, other, tolerance).all():
            return False
    return True


def shapes(value: Any, count: int) -> list[tuple[int, ...] | None]:
    """The shape of each of ``count`` parts, None for what is not made of numbers."""
    tensors = [to_tensor(part) for part in parts(value, count) or ()]
    return [None if tensor is None else tuple(tensor.shape) for tensor in tensors]


def _compare_part(expected: Any, got: Any, tolerance: float) -> tuple[str, str] | None:
    want, have = to_tensor(expected), to_tensor(got)
    kinds = f"Expected {kind(expected)}; got {kind(got)}."
    if have is None:
        return "wrong type", kinds
    if want.shape != have.shape:
        return "wrong shape", f"Expected shape {tuple(want.shape)}; got {tuple(have.shape)}."
    if not _fits(want, have, expected, got):
        return "wrong dtype", f"{kinds}{_whole_advice(want, expected, got)}"
    differs = ~_close(want, have, tolerance)
    if not differs.any():
        return None
    if want.numel() == 1:
        return "wrong values", f"Expected {show(want.squeeze())}; got {show(have.squeeze())}."
    return "wrong values", _how_far(want, have, differs)


def _fits(want: Tensor, have: Tensor, expected: Any, got: Any) -> bool:
    """Whether what came is of the kind expected: of tensors the dtype, else whole or not."""
    if isinstance(expected, Tensor) and isinstance(got, Tensor):
        return want.dtype == have.dtype
    # Lists and numpy arrays bring their own precision, and 0 is as good a float as 0.0.
    return _is_whole(want) == _is_whole(have) or (isinstance(expected, float) and _is_whole(have))


def _whole_advice(want: Tensor, expected: Any, got: Any) -> str:
    if not _is_whole(want):
        return ""
    if isinstance(got, Tensor) and not isinstance(expected, Tensor):
        return " Write int(...) around it."
    return " Whole numbers stay whole with // in place of /."


def _how_far(want: Tensor, have: Tensor, differs: Tensor) -> str:
    if want.dtype == have.dtype == torch.bool:
        places = differs.nonzero().squeeze(1).tolist()
        more = ", and more" if len(places) > 10 else ""
        return f"{len(places)} of {want.numel()} numbers differ, at {places[:10]}{more}."
    text = f"{int(differs.sum())} of {want.numel()} numbers differ"
    if not have[differs].isfinite().all():
        return f"{text}; some are nan or infinite."
    if not want[differs].isfinite().all():
        return f"{text}; some of them should be nan or infinite."
    largest = (want.double() - have.double())[differs].abs().max().item()
    return f"{text}; the largest difference is {largest:.3g}."


def _is_whole(numbers: Tensor) -> bool:
    return not (numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool)


def _close(want: Tensor, have: Tensor, tolerance: float) -> Tensor:
    if _is_whole(want) and _is_whole(have):
        return want == have
    return torch.isclose(have.double(), want.double(), tolerance, tolerance, equal_nan=True)
