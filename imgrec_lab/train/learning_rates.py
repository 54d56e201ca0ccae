"""Optimizers, schedules of the learning rate, and the test that finds a good one."""

import copy
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgrec_lab import runtime


def default_optimizer(model: nn.Module, *, lr: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels (0.05) and leaves biases and norms alone."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def one_cycle(optimizer: Optimizer, *, steps: int) -> LRScheduler:
    """Each group's rate climbs to the value it has now, then falls to zero along a cosine.

    Args:
        optimizer: its rates become the highest ones, reached after a quarter of ``steps``.
        steps: of the optimizer in the whole run, at least 1.

    Source: Smith and Topin 2018, https://arxiv.org/abs/1708.07120.
    """
    warmup = max(1, steps // 4)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 + 0.5 * math.cos(math.pi * (step + 1 - warmup) / (steps + 1 - warmup))

    return LambdaLR(optimizer, share)


def cosine(optimizer: Optimizer, *, steps: int) -> LRScheduler:
    """Each group's rate falls from the value it has now to zero along half a cosine.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983.
    """
    return LambdaLR(optimizer, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps))


def constant(optimizer: Optimizer, *, steps: int) -> LRScheduler:
    """Each group keeps the rate that it has now."""
    return LambdaLR(optimizer, lambda step: 1.0)


def clip_gradients(optimizer: Optimizer, *, max_norm: float) -> Optimizer:
    """Shorten the gradient to ``max_norm`` before each step of ``optimizer``; returns it.

    The norm is taken over all weights together, after gradients were scaled back.

    Raises:
        ValueError: if ``max_norm`` is not above 0.

    Source: Pascanu et al. 2013, https://arxiv.org/abs/1211.5063.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0; got {max_norm}. Try 1.0.")
    weights = [p for group in optimizer.param_groups for p in group["params"]]

    def clip(*_) -> None:
        nn.utils.clip_grad_norm_(weights, max_norm)

    optimizer.register_step_pre_hook(clip)
    return optimizer


def average_of_steps(model: nn.Module, *, decay: float) -> AveragedModel:
    """A copy of ``model`` whose weights follow the steps slowly: an exponential moving average.

    Args:
        model: what is trained; on its final device.
        decay: how much of the old average each step keeps, above 0 and below 1; at 0.99 about
            the last 100 steps count.

    Raises:
        ValueError: if ``decay`` is outside that range.

    Source: Polyak and Juditsky 1992, https://doi.org/10.1137/0330046.
    """
    if not 0 < decay < 1:
        raise ValueError(f"ema_decay must lie above 0 and below 1; got {decay}. Try 0.99.")
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def stop_early(*, patience: int) -> Callable:
    """For ``fit(..., on_epoch=...)``: end the run once ``patience`` epochs brought nothing better.

    Raises:
        ValueError: if ``patience`` is below 1.
    """
    if patience < 1:
        raise ValueError(f"patience must be at least 1 epoch; got {patience}.")
    return lambda history: history.epochs[-1].epoch - history.best.epoch >= patience


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
    loader,
    *,
    lowest: float = 1e-5,
    highest: float = 1.0,
    steps: int = 100,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
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
    model = copy.deepcopy(model).to(device, memory_format=torch.channels_last).train()
    lrs = [lowest * (highest / lowest) ** (k / (steps - 1)) for k in range(steps)]
    optimizer, losses, mean = default_optimizer(model, lr=lowest), [], 0.0
    epochs = itertools.chain.from_iterable(itertools.repeat(loader))
    for step, (lr, (images, targets)) in enumerate(zip(lrs, epochs, strict=False), 1):
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(model(images.to(device)).float(), targets.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = 0.9 * mean + 0.1 * loss.item()
        smoothed = mean / (1 - 0.9**step)  # the mean starts from 0; this makes up for it
        if losses and not smoothed < 4 * min(losses):
            break
        losses.append(smoothed)
    if epoch is not None:
        loader.epoch = epoch
    return RangeTest(tuple(lrs[: len(losses)]), tuple(losses))
