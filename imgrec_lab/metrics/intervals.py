"""How sure repeated runs are of their mean."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

# Two-sided 95 % quantiles of Student's t distribution for 1, 2, ... 30 degrees of freedom.
_T_95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


class Estimate(NamedTuple):
    """A mean over repeated runs and the half width of its 95 % interval."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def mean_interval(scores: Sequence[float]) -> Estimate:
    """Mean of repeated runs with its 95 % Student-t interval.

    Args:
        scores: one number a run (seed), at least two.

    Raises:
        ValueError: for fewer than two runs: one run says nothing about its spread.
    """
    num_runs = len(scores)
    if num_runs < 2:
        raise ValueError(f"scores must hold at least 2 runs; got {num_runs}. Add a seed.")
    values = torch.as_tensor(scores, dtype=torch.float64)
    freedom = num_runs - 1
    quantile = _T_95[freedom - 1] if freedom <= len(_T_95) else 1.96 + 2.5 / freedom  # to 0.1 %
    half_width = quantile * values.std().item() / math.sqrt(num_runs)
    return Estimate(values.mean().item(), half_width)
