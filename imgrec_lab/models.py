"""Small image classifiers, written to be read.

Each takes ``float32 (N, C, H, W)`` images in [0, 1] and returns logits ``(N, K)``. The first layer
normalises, so a picture needs no preparation and a saved model carries its own statistics.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


class Normalize(nn.Module):
    """Shift and scale each channel; also the one place where a model checks its input.

    Args:
        mean: the value of each channel that becomes 0, one a channel.
        std: the distance from ``mean`` that becomes 1, one a channel.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        if len(mean) != len(std) or min(std, default=0) <= 0:
            raise ValueError(
                "mean and std must have one entry a channel, and every std must be above 0; "
                f"got mean={tuple(mean)}, std={tuple(std)}."
            )
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images, same shape.

        Raises:
            TypeError: if ``images`` are not floating point.
            ValueError: if they are not (N, C, H, W) with the expected number of channels.
        """
        if not images.is_floating_point():
            raise TypeError(
                f"images must be floating point in [0, 1]; got {images.dtype}. "
                "Try images.float() / 255, or take batches from datasets.make_loader."
            )
        channels = len(self.mean)
        if images.dim() != 4 or images.shape[1] != channels:
            raise ValueError(
                f"images must have shape (N, {channels}, H, W); got {tuple(images.shape)}. "
                "For one picture use images[None]; for grey pictures build the model with "
                "in_channels=1."
            )
        return (images - self.mean) / self.std


def _centred(channels: int) -> Normalize:
    """Pixels in [0, 1] to about [-2, 2]: what most photographs need, whatever the set."""
    return Normalize([0.5] * channels, [0.25] * channels)


class Linear(nn.Module):
    """One weight a pixel and class: the simplest model that can be trained."""

    def __init__(
        self, num_classes: int, *, image_size: tuple[int, int] = (32, 32), in_channels: int = 3
    ):
        super().__init__()
        self.normalize = _centred(in_channels)
        self.head = nn.Linear(in_channels * math.prod(image_size), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.head(self.normalize(images).flatten(1))


class MLP(nn.Module):
    """Fully connected layers: every pixel is joined to every hidden unit, wherever it lies."""

    def __init__(
        self,
        num_classes: int,
        *,
        image_size: tuple[int, int] = (32, 32),
        in_channels: int = 3,
        hidden: Sequence[int] = (256, 128),
    ):
        super().__init__()
        self.normalize = _centred(in_channels)
        sizes = [in_channels * math.prod(image_size), *hidden]
        layers: list[nn.Module] = []
        for size_in, size_out in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(size_in, size_out), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(sizes[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.head(self.body(self.normalize(images).flatten(1)))


def conv_bn_relu(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and ReLU; ``stride`` 2 halves height and width."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def conv_pool_bn_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """A 3x3 convolution whose 2x2 maxima are normalised: half the height and width, and cheaper."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class TinyCNN(nn.Module):
    """Three convolutions, each followed by a halving of the picture, then an average and a head.

    Args:
        num_classes: K.
        in_channels: 3 for colour, 1 for grey.
        width: channels after the first convolution; doubled by each later one.
    """

    def __init__(self, num_classes: int, *, in_channels: int = 3, width: int = 16):
        super().__init__()
        self.normalize = _centred(in_channels)
        self.conv1 = conv_bn_relu(in_channels, width)
        self.conv2 = conv_bn_relu(width, 2 * width)
        self.conv3 = conv_bn_relu(2 * width, 4 * width)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K), for pictures of at least 8 x 8 pixels."""
        x = self.normalize(images)  # (N, C, H, W)
        x = self.pool(self.conv1(x))  # (N, width, H/2, W/2)
        x = self.pool(self.conv2(x))  # (N, 2 width, H/4, W/4)
        x = self.pool(self.conv3(x))  # (N, 4 width, H/8, W/8)
        return self.head(x.mean(dim=(2, 3)))


class QuickCNN(nn.Module):
    """As much accuracy as a few minutes on a CPU buy: wide where the picture is already small.

    The first convolution halves the picture, so that no layer works at full size; maxima are taken
    before normalising, which leaves a quarter of the numbers to normalise.

    Args:
        num_classes: K.
        in_channels: 3 for colour, 1 for grey.
        widths: channels of the three stages, each of which halves the picture again.
    """

    def __init__(
        self, num_classes: int, *, in_channels: int = 3, widths: Sequence[int] = (32, 128, 256)
    ):
        super().__init__()
        first, second, third = widths
        self.normalize = _centred(in_channels)
        self.stem = conv_bn_relu(in_channels, first, stride=2)
        self.body = nn.Sequential(
            conv_pool_bn_relu(first, first),
            conv_pool_bn_relu(first, second),
            conv_bn_relu(second, second),
            conv_pool_bn_relu(second, third),
        )
        self.head = nn.Linear(third, num_classes, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K), for pictures of at least 16 x 16 pixels."""
        x = self.body(self.stem(self.normalize(images)))  # (N, third, H/16, W/16)
        return self.head(x.amax(dim=(2, 3)))


class ResidualBlock(nn.Module):
    """Two convolutions whose result is *added* to their input, so that depth cannot lose it.

    Source: He et al. 2016, https://arxiv.org/abs/1512.03385.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1):
        super().__init__()
        self.conv1 = conv_bn_relu(in_channels, out_channels, stride=stride)
        self.conv2 = conv_bn_relu(out_channels, out_channels)[:-1]  # ReLU comes after the sum
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        return F.relu(self.conv2(self.conv1(x)) + self.shortcut(x))


class ResNet(nn.Module):
    """A residual network: a stem, stages of residual blocks, an average and a head.

    Args:
        num_classes: K.
        in_channels: 3 for colour, 1 for grey.
        widths: channels of each stage; every stage after the first halves the picture.
        blocks_per_stage: residual blocks in each stage.

    Source: He et al. 2016, https://arxiv.org/abs/1512.03385.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 128),
        blocks_per_stage: int = 1,
    ):
        super().__init__()
        self.normalize = _centred(in_channels)
        self.stem = conv_bn_relu(in_channels, widths[0])
        blocks: list[nn.Module] = []
        for stage, (size_in, size_out) in enumerate(
            zip([widths[0], *widths], widths, strict=False)
        ):
            blocks.append(ResidualBlock(size_in, size_out, stride=1 if stage == 0 else 2))
            blocks += [ResidualBlock(size_out, size_out) for _ in range(blocks_per_stage - 1)]
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        x = self.body(self.stem(self.normalize(images)))  # (N, D, H', W')
        return self.head(x.mean(dim=(2, 3)))


def count_parameters(model: nn.Module) -> int:
    """Number of trainable values in ``model``."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def count_flops(
    model: nn.Module, image_size: tuple[int, int] = (32, 32), *, in_channels: int = 3
) -> int:
    """Floating-point operations of one forward pass of one picture; a multiply-add counts as 2.

    Counted by torch's own counter: convolutions and matrix products. A training step costs about
    three times as much, since the backward pass does each product twice.
    """
    weight = next(model.parameters())
    image = torch.zeros(1, in_channels, *image_size, device=weight.device, dtype=weight.dtype)
    was_training = model.training
    model.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    model.train(was_training)
    return counter.get_total_flops()
