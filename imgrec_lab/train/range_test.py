"""The learning-rate range test: the loop's own steps, at rates that grow."""

import copy
import itertools
import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from imgrec_lab import runtime
from imgrec_lab.train.learning_rates import default_optimizer
from imgrec_lab.train.training_loop import Loader, LossFn, train_one_epoch


class RangeTest(NamedTuple):
    """Rates that were tried in turn, lowest first, and the loss at each, smoothed."""

    lrs: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def suggestion(self) -> float:
        """A third of the rate at which the smoothed loss was lowest: fast, with some distance."""
        return self.lrs[self.losses.index(min(self.losses))] / 3


def lr_range_test(
    model: nn.Module,
    loader: Loader,
    *,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
    loss_fn: LossFn = F.cross_entropy,
) -> RangeTest:
    """Train a copy of ``model`` while the rate grows step by step, and watch the loss.

    Ends early once the smoothed loss is four times its lowest value. The model and the loader's
    ``epoch`` stay as they are.

    Args:
        model: maps images (N, C, H, W) to what ``loss_fn`` takes.
        loader: sized iterable of (images, targets) batches; begun again where it is too short.
        lowest, highest: the first and the last rate, above 0; they grow by the same factor.
        steps: how many rates, at least 10.
        loss_fn: (outputs, targets) to a scalar.

    Raises:
        ValueError: if the rates or ``steps`` make no sense, or the loader is empty.

    Source: Smith 2017, https://arxiv.org/abs/1506.01186.
    """
    if not 0 < lowest < highest < math.inf or steps < 10:
        raise ValueError(
            "lowest must be above 0 and below highest, and steps at least 10; got "
            f"{lowest}, {highest} and {steps}. Try 1e-5, 1.0 and 100."
        )
    if len(loader) == 0:
        raise ValueError("loader must hold at least one batch; got none. Is the set empty?")
    device, epoch = runtime.pick_device(), getattr(loader, "epoch", None)
    model = copy.deepcopy(model).to(device, memory_format=torch.channels_last)
    lrs = [lowest * (highest / lowest) ** (k / (steps - 1)) for k in range(steps)]
    optimizer, scaler = default_optimizer(model, lr=lowest), runtime.gradient_scaler(device)
    losses, mean = [], 0.0
    epochs = itertools.chain.from_iterable(itertools.repeat(loader))
    for step, (lr, batch) in enumerate(zip(lrs, epochs, strict=False), 1):
        for group in optimizer.param_groups:
            group["lr"] = lr
        score = train_one_epoch(
            model, [batch], optimizer, scaler=scaler, loss_fn=loss_fn, score_fn=None
        )
        mean = 0.9 * mean + 0.1 * score.loss
        smoothed = mean / (1 - 0.9**step)  # the mean starts from 0; this makes up for it
        if losses and not smoothed < 4 * min(losses):
            break
        losses.append(smoothed)
    if epoch is not None:
        loader.epoch = epoch
    return RangeTest(tuple(lrs[: len(losses)]), tuple(losses))
