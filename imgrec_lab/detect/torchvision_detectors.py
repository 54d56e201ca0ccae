"""torchvision's detectors, trained, run and judged by the same calls as our own.

::

    model = detect.torchvision_detector("ssdlite", num_classes=14)
    train.fit(model, loader, loss_fn=model.loss, score_fn=None, epochs=20)
    scores = detect.evaluate(model, test_loader)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torchvision.models import get_model, get_model_weights
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from imgrec_lab import box_ops, runtime
from imgrec_lab.box_ops import Detections, Target
from imgrec_lab.detect import target_checks

_BUILDERS = {
    "ssdlite": "ssdlite320_mobilenet_v3_large",
    "fcos": "fcos_resnet50_fpn",
    "retinanet": "retinanet_resnet50_fpn",
    "faster_rcnn": "fasterrcnn_resnet50_fpn",
    "mask_rcnn": "maskrcnn_resnet50_fpn",
}
_ANCHOR_SHARE = 1 / 25  # of the shorter side: torchvision's smallest anchor has 32 of 800 pixels
_LEAST_ANCHOR_PX = 8  # the finest stride of most of these networks; smaller anchors leave gaps
_KEEP_STATISTICS = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)


class TorchvisionDetector(nn.Module):
    """One of torchvision's detectors behind the calls of ours: labels 0..K-1, no background.

    ``train.fit`` takes ``loss_fn=detector.loss`` and ``score_fn=None``.

    Args:
        model: a network of ``torchvision.models.detection``.
        num_classes: K, without the background that some of them count as a class.
    """

    def __init__(self, model: nn.Module, num_classes: int):
        super().__init__()
        self.model, self.num_classes = model, num_classes
        self.first_label = int(_has_background(model))  # in torchvision's numbering
        self.needs_masks = getattr(getattr(model, "roi_heads", None), "mask_head", None) is not None

    def forward(self, images: Tensor) -> dict[str, Any]:
        """What ``loss`` needs: torchvision's networks compute losses only where they see targets.

        The weights travel along, so that ``loss`` judges the model that saw the pictures, which
        may be an average of this one.
        """
        weights = {**dict(self.model.named_parameters()), **dict(self.model.named_buffers())}
        return {"images": images, "weights": weights}

    def loss(self, outputs: dict[str, Any], targets: list[Target]) -> Tensor:
        """The sum of torchvision's losses, a mean over the batch.

        Objects without area and groups that nobody counted are left out. Without gradients nothing
        is learned, running statistics included, and the sampling of proposals repeats.

        Args:
            outputs: of ``forward``.
            targets: N targets; Mask R-CNN needs their masks.

        Raises:
            TypeError, ValueError: if targets are not as the model needs them: number, shapes,
                classes, masks.
        """
        images = outputs["images"]  # (N, C, H, W)
        target_checks.check_targets(targets, len(images), self.num_classes)
        prepared = [self._prepared(target, index) for index, target in enumerate(targets)]
        autocast = runtime.pick_precision(images.device).autocast(images.device)
        with self._losses_without_learning(images.device), autocast:
            losses = functional_call(self.model, outputs["weights"], (list(images), prepared))
        return torch.stack([part.float() for part in losses.values()]).sum()

    def _prepared(self, target: Target, index: int) -> dict[str, Tensor]:
        boxes = target["boxes"]
        kept = box_ops.area(boxes) > 0  # (M,)
        if "crowd" in target:
            kept &= ~target["crowd"]
        prepared = {"boxes": boxes[kept], "labels": target["labels"][kept] + self.first_label}
        if self.needs_masks:
            if "masks" not in target:
                raise ValueError(
                    f"mask_rcnn learns from masks; targets[{index}] of the batch has none. Take a "
                    "set with outlines, such as streets, or faster_rcnn, which needs boxes only."
                )
            prepared["masks"] = target["masks"][kept].to(torch.uint8)
        return prepared

    @contextmanager
    def _losses_without_learning(self, device: torch.device) -> Iterator[None]:
        """In training: nothing. Else the training mode in which torchvision computes losses."""
        if self.training and torch.is_grad_enabled():
            yield
            return
        modes = {module: module.training for module in self.model.modules()}
        try:
            for module in modes:
                module.training = not isinstance(module, _KEEP_STATISTICS)
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(0)
                yield
        finally:
            for module, mode in modes.items():
                module.training = mode

    @torch.no_grad()
    def detections(
        self,
        images: Tensor,
        *,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> list[Detections]:
        """Boxes, scores and labels of each picture, best first; Mask R-CNN adds masks.

        Args:
            images: (N, C, H, W) float in [0, 1].
            score_threshold: detections that are less sure are left out.
            iou_threshold: of two boxes of a class that share more, the better is kept.
            max_detections: at most this many a picture.
        """
        self.eval()
        head = getattr(self.model, "roi_heads", self.model)
        head.score_thresh, head.nms_thresh = score_threshold, iou_threshold
        head.detections_per_img = max_detections
        return [self._ours(found) for found in self.model(list(images))]

    def _ours(self, found: dict[str, Tensor]) -> Detections:
        ours = {key: found[key].float() for key in ("boxes", "scores")}  # where they were halved
        ours["labels"] = found["labels"] - self.first_label
        if "masks" in found:
            ours["masks"] = found["masks"][:, 0] > 0.5  # (M, 1, H, W) -> (M, H, W)
        return ours


def torchvision_detector(
    name: str,
    num_classes: int,
    *,
    pretrained: bool = False,
    image_size: tuple[int, int] | None = (128, 128),
) -> TorchvisionDetector:
    """Build one of torchvision's detectors for ``num_classes`` classes.

    From scratch, every layer learns, and anchors are as large as suits ``image_size``: from a 25th
    of the shorter side on, at least 8 pixels. (torchvision's begin at 32 pixels, or for ssdlite at
    a fifth of the side, where half the signs of ``streets`` have less than 12.)

    Args:
        name: "ssdlite" (MobileNetV3), "fcos", "retinanet", "faster_rcnn" or "mask_rcnn" (ResNet-50
            with a feature pyramid).
        num_classes: K, without background.
        pretrained: start from weights that were trained on COCO, with torchvision's own anchors and
            frozen first layers; what depends on the number of classes starts anew.
        image_size: (height, width) that pictures are scaled to inside, undistorted, and boxes
            scaled back from; None takes torchvision's, (800, 1333) or, for ssdlite, (320, 320),
            which is also what pretrained weights do best with.

    Raises:
        ValueError: if there is no such detector, or a number makes no sense.
        OSError: if the pretrained weights can be had neither from the internet nor from a file.
    """
    if name not in _BUILDERS:
        raise ValueError(f"name must be one of {', '.join(_BUILDERS)}; got {name!r}.")
    target_checks.check_count("num_classes", num_classes, "Try len(classes).")
    if image_size is not None and not all(side > 0 and side % 32 == 0 for side in image_size):
        raise ValueError(
            "image_size must be multiples of 32 pixels, to which pictures are padded; got "
            f"{tuple(image_size)}. Try (128, 128)."
        )
    background = name not in ("fcos", "retinanet")
    model = get_model(
        _BUILDERS[name], num_classes=num_classes + background, weights=None, weights_backbone=None
    )
    if pretrained:
        _take_coco_weights(model, _BUILDERS[name])
    if image_size is not None:
        _scale_to(model, image_size, anchors=not pretrained)
    _anchors_of(model).anchor_generator.register_forward_pre_hook(_anchors_in_float32)
    return TorchvisionDetector(model, num_classes)


def _has_background(model: nn.Module) -> bool:
    """Whether label 0 is the background: so in SSD and in the two-stage networks."""
    return isinstance(model, SSD) or hasattr(model, "roi_heads")


def _take_coco_weights(model: nn.Module, builder: str) -> None:
    """Copy what fits from COCO's model: all but what depends on the number of classes."""
    weights = get_model_weights(builder).COCO_V1
    try:
        trained = get_model(builder, weights=weights)
    except Exception as error:  # a network, a file and an unpickler fail in many ways
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise OSError(
            f"the weights that {builder} learned on COCO must come from {weights.url} or lie in "
            f"{file}; they could not be read ({error or type(error).__name__}). Connect to the "
            "internet, or copy the file there (if it is there, it is damaged: remove it), or "
            "train from scratch with pretrained=False."
        ) from error
    model.backbone = trained.backbone  # with its frozen layers
    own = model.state_dict()
    fits = {key: v for key, v in trained.state_dict().items() if v.shape == own[key].shape}
    model.load_state_dict(fits, strict=False)


def _scale_to(model: nn.Module, image_size: tuple[int, int], *, anchors: bool) -> None:
    """Let ``model`` work at ``image_size``, perhaps with anchors that suit it."""
    short, long = min(image_size), max(image_size)
    was, owner = model.transform, _anchors_of(model)
    model.transform = GeneralizedRCNNTransform(
        short, long, was.image_mean, was.image_std, size_divisible=was.size_divisible
    )
    start = max(_LEAST_ANCHOR_PX, short * _ANCHOR_SHARE)
    if anchors and isinstance(owner.anchor_generator, DefaultBoxGenerator):
        ratios = owner.anchor_generator.aspect_ratios
        owner.anchor_generator = DefaultBoxGenerator(
            ratios, min_ratio=start / short, max_ratio=0.95
        )
    elif anchors and not hasattr(model, "center_sampling_radius"):  # FCOS measures in strides
        was_sizes = owner.anchor_generator.sizes
        sizes = tuple(tuple(s * start / was_sizes[0][0] for s in level) for level in was_sizes)
        owner.anchor_generator = AnchorGenerator(sizes, owner.anchor_generator.aspect_ratios)


def _anchors_of(model: nn.Module) -> nn.Module:
    return getattr(model, "rpn", model)


def _anchors_in_float32(_: nn.Module, arguments: tuple[Any, list[Tensor]]) -> tuple:
    """torchvision rounds anchors to the features' type; in bfloat16 that is half a pixel of 128."""
    pictures, features = arguments
    return pictures, [level.float() for level in features]
