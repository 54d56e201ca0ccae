"""A dense one-stage detector, small enough to read in one sitting.

Every cell of three feature maps states, for each class, how likely it lies in the middle of such an
object, and how far it is from there to the object's four sides. No anchors, no second stage.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms

from imgrec_lab.box_ops import Detections
from imgrec_lab.detect import dense_targets, target_checks
from imgrec_lab.models import Normalize, ResidualBlock, conv_bn_relu

_PRIOR = 0.01  # what an untrained detector believes: 1 % for each class, everywhere
_CANDIDATES = 1000  # locations and classes of a picture that go into the suppression


class Head(nn.Module):
    """Two convolutions and the answers, shared by all maps of the pyramid; their norms are not.

    Maps of different strides have different statistics. One batch norm for all would see each of
    them by itself in training and their mixture afterwards, and be right for none.

    Args:
        width: channels of the maps.
        answers: numbers that each location answers with.
        levels: how many maps there are.
    """

    def __init__(self, width: int, answers: int, *, levels: int):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2)
        )
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(levels)) for _ in self.convs
        )
        self.last = nn.Conv2d(width, answers, 3, padding=1)
        nn.init.normal_(self.last.weight, std=0.01)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(N, D, rows, columns) of each stride -> (N, A, answers), finest map first."""
        for conv, norms in zip(self.convs, self.norms, strict=True):
            maps = [F.relu(norm(conv(x))) for norm, x in zip(norms, maps, strict=True)]
        return torch.cat([self.last(x).flatten(2) for x in maps], dim=2).transpose(1, 2)


class Detector(nn.Module):
    """Backbone, pyramid and heads.

    Args:
        num_classes: K.
        in_channels: 3 for colour, 1 for grey.
        widths: channels at strides 2, 4, 8 and 16; each after the first is one map of the pyramid.
        blocks: residual blocks at each stride from 4 on.
        head_width: channels of the pyramid and its head.

    Source: Lin et al. 2017 (pyramid), https://arxiv.org/abs/1612.03144; Tian et al. 2019 (FCOS),
    https://arxiv.org/abs/1904.01355.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        widths: Sequence[int] = (24, 48, 96, 128),
        blocks: Sequence[int] = (1, 1, 1),
        head_width: int = 64,
    ):
        super().__init__()
        target_checks.check_count("num_classes", num_classes, "Try len(classes).")
        if not blocks or len(widths) != len(blocks) + 1:
            raise ValueError(
                "widths must be one more than blocks, for stride 2 comes first; got "
                f"{tuple(widths)} and {tuple(blocks)}."
            )
        self.num_classes = num_classes
        self.strides = tuple(4 * 2**level for level in range(len(blocks)))
        self.normalize = Normalize([0.5] * in_channels, [0.25] * in_channels)
        self.stem = conv_bn_relu(in_channels, widths[0], stride=2)
        self.stages = nn.ModuleList(
            _stage(*sizes, blocks=count)
            for sizes, count in zip(pairwise(widths), blocks, strict=True)
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, head_width, 1) for width in widths[1:])
        self.classify = Head(head_width, num_classes, levels=len(blocks))
        self.measure = Head(head_width, 4, levels=len(blocks))
        nn.init.constant_(self.classify.last.bias, math.log(_PRIOR / (1 - _PRIOR)))
        nn.init.constant_(self.measure.last.bias, 1.0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Answers of all locations, finest map first; H and W are multiples of the last stride.

        Returns:
            ``logits`` (N, A, K), ``distances`` (N, A, 4) in strides to the left, top, right and
            bottom, ``points`` (A, 2) and ``strides`` (A,) in pixels.
        """
        maps = self.pyramid(images)
        points, strides = dense_targets.locations(
            images.shape[2:], self.strides, device=images.device
        )
        return {
            "logits": self.classify(maps),
            "distances": F.softplus(self.measure(maps).float()),
            "points": points,
            "strides": strides,
        }

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Feature maps (N, D, rows, columns) of each stride, the finest first."""
        self._check_size(images)
        maps, x = [], self.stem(self.normalize(images))  # (N, D, H / 2, W / 2)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for level in reversed(range(len(maps) - 1)):  # what is coarse knows more: pass it down
            maps[level] = maps[level] + F.interpolate(maps[level + 1], scale_factor=2)
        return maps

    @torch.no_grad()
    def detections(
        self,
        images: Tensor,
        *,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> list[Detections]:
        """What is found in each picture, the surest first; call ``detect.predict`` for any size.

        Args:
            images: float (N, C, H, W) in [0, 1], H and W multiples of the last stride; the model
                in eval mode.
            score_threshold: what is less sure is left out.
            iou_threshold: of two boxes of one class that share more, the surer stays.
            max_detections: at most so many a picture.
        """
        outputs = self(images)
        points, strides = outputs["points"], outputs["strides"]
        boxes = dense_targets.decode(outputs["distances"], points, strides)  # (N, A, 4)
        probs = outputs["logits"].float().sigmoid()  # (N, A, K)
        return [
            _suppressed(*one, score_threshold, iou_threshold, max_detections)
            for one in zip(boxes, probs, strict=True)
        ]

    def _check_size(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if height % self.strides[-1] or width % self.strides[-1] or not height * width:
            raise ValueError(
                f"images must have sides that are multiples of the largest stride, "
                f"{self.strides[-1]} pixels; got {height} x {width}. detect.predict takes any "
                "size; for training choose another image_size."
            )


def _stage(size_in: int, size_out: int, *, blocks: int) -> nn.Sequential:
    rest = (ResidualBlock(size_out, size_out) for _ in range(blocks - 1))
    return nn.Sequential(ResidualBlock(size_in, size_out, stride=2), *rest)


def _suppressed(
    boxes: Tensor, probs: Tensor, score_threshold: float, iou_threshold: float, most: int
) -> Detections:
    """From the answers of one picture, boxes (A, 4) and probs (A, K), to its detections."""
    place, labels = (probs >= score_threshold).nonzero(as_tuple=True)
    scores = probs[place, labels]
    scores, order = scores.topk(min(_CANDIDATES, len(scores)))
    boxes, labels = boxes[place[order]], labels[order]
    # Compiled, and equal to box_ops.nms, which is there to be read.
    kept = batched_nms(boxes, scores, labels, iou_threshold)[:most]
    return {"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]}
