"""What a network answers inside, before the answer that we asked for."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@torch.no_grad()
def feature_maps(
    model: nn.Module, images: Tensor, *, layers: Sequence[str] | None = None
) -> dict[str, Tensor]:
    """What layers of ``model`` answer to ``images``, read by forward hooks.

    Args:
        images: (N, C, H, W) float in [0, 1].
        layers: module names as in ``model.named_modules()``; default all convolutions.

    Returns:
        name -> (N, C', H', W') on the model's device, in the order in which the layers ran.

    Raises:
        ValueError: if there is no such layer, or the model has no convolution.
    """
    modules = dict(model.named_modules())
    if layers is None:
        layers = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    if not layers or not set(layers) <= set(modules):
        raise ValueError(
            f"layers must name modules of {type(model).__name__}, by default its nn.Conv2d; got "
            f"{list(layers)}. It has: {', '.join(name for name in modules if name) or 'none'}."
        )
    maps: dict[str, Tensor] = {}
    hooks = [modules[name].register_forward_hook(_keeper(maps, name)) for name in layers]
    parameter = next(model.parameters(), images)
    try:
        with _evaluating(model):
            model(images.to(parameter.device))
    finally:
        for hook in hooks:
            hook.remove()
    return maps


def _keeper(maps: dict[str, Tensor], name: str):
    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        maps[name] = output.detach()

    return keep


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block; afterwards each module's own mode again."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
