"""The training step that is timed and whose memory is measured: ``bench.training_step``."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgrec_lab.runtime import Precision


def training_step(
    model: nn.Module, images: Tensor, labels: Tensor, *, precision: Precision
) -> Callable[[], None]:
    """A function that takes one step with AdamW, on the device of the images.

    Between two calls there are no gradients, so that the second can be held against
    ``bench.memory_profile``. The loss is not scaled, so float16 is good for timing only.
    """
    model.to(images.device, memory_format=torch.channels_last).train()
    images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        with precision.autocast(images.device):
            outputs = model(images)
        F.cross_entropy(outputs.float(), labels).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
