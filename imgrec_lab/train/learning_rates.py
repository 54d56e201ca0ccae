"""Optimizers, schedules of the learning rate, and what else decides about a step."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


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


def rates_of(schedule: Callable[..., LRScheduler], *, steps: int) -> list[float]:
    """The rate of each of ``steps`` steps as a share of the highest, to look at a schedule."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    plan, rates = schedule(optimizer, steps=steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        plan.step()
    return rates


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
