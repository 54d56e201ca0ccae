"""Which pixels: torchvision's Mask R-CNN round the layers of our own detector, on drawn streets.

``python results/mask_rcnn_streets.py``. The detector learns boxes first, as for
``bccd_detector.py``; then its pyramid becomes the backbone of a small Mask R-CNN, which learns from
the outlines in windows of the 1,200 streets of ``datasets.load("streets")``, and is tested on the
250 of its test part, once. Runs on one core, so that other work can have the other.
"""

import json
import statistics
from pathlib import Path

import streets_detectors
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign

from imgrec_lab import augment, datasets, detect, metrics, models, runtime, scenes, train
from imgrec_lab.annotations import rle_masks
from imgrec_lab.box_ops import Detections, Target

STREETS, STREET_EPOCHS = 12_000, 6
SIDE, EPOCHS, WINDOW, SURE = 128, 8, 64, 0.5
SHOWN = (2, 8, 17)  # test streets that the lesson draws
FILE = Path(__file__).with_suffix(".json")
WIDTH = 64  # channels of the detector's pyramid


class Backbone(nn.Module):
    """The pyramid of a detector as torchvision wants it: maps with names."""

    out_channels = WIDTH

    def __init__(self, detector: detect.Detector):
        super().__init__()
        del detector.classify, detector.measure  # Mask R-CNN has heads of its own
        self.detector = detector

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {str(level): x for level, x in enumerate(self.detector.pyramid(images))}


def mask_rcnn(detector: detect.Detector, num_classes: int) -> detect.TorchvisionDetector:
    levels = [str(level) for level in range(len(detector.strides))]
    model = MaskRCNN(
        Backbone(detector),
        # Windows stay as they are, and whole streets too, which have this size; the detector
        # scales colours itself.
        _skip_resize=True,  # in training only
        min_size=SIDE,
        max_size=SIDE,
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        rpn_anchor_generator=AnchorGenerator(((10, 14), (20, 28), (40, 56)), ((0.5, 1.0),) * 3),
        rpn_pre_nms_top_n_train=500,
        rpn_post_nms_top_n_train=100,
        rpn_pre_nms_top_n_test=500,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=64,
        box_batch_size_per_image=32,
        box_roi_pool=MultiScaleRoIAlign(levels, 7, 2),
        box_head=TwoMLPHead(WIDTH * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, num_classes + 1),  # and the background
        mask_roi_pool=MultiScaleRoIAlign(levels, 14, 2),
        mask_head=MaskRCNNHeads(WIDTH, (WIDTH, WIDTH), 1),
        mask_predictor=MaskRCNNPredictor(WIDTH, WIDTH, num_classes + 1),
    )
    return detect.TorchvisionDetector(model, num_classes)


def mask_overlaps(found: Detections, target: Target) -> list[float]:
    """The IoU of each found mask with that of the sign that its box found."""
    matched = metrics.match_detections(found["boxes"], found["scores"], target["boxes"])
    overlaps = []
    for mask, sign in zip(found["masks"], matched.tolist(), strict=True):
        if sign >= 0:
            there = target["masks"][sign]
            overlaps.append(float((mask & there).sum() / (mask | there).sum()))
    return overlaps


def shown(found: list[Detections]) -> list[dict]:
    return [
        {
            "picture": row,
            "found": {
                "boxes": [[round(x, 1) for x in box] for box in found[row]["boxes"].tolist()],
                "scores": [round(score, 3) for score in found[row]["scores"].tolist()],
                "labels": found[row]["labels"].tolist(),
            },
            "masks": [rle_masks.encode(mask.numpy()) for mask in found[row]["masks"]],
        }
        for row in SHOWN
    ]


def main() -> None:
    detector, box_seconds = streets_detectors.trained(
        "ours", streets_detectors.drawn(STREETS, 21), epochs=STREET_EPOCHS, seed=0
    )
    data = datasets.load("streets")
    runtime.seed_everything(0)
    model = mask_rcnn(detector, len(scenes.CLASSES))
    history = train.fit(
        model,
        datasets.make_loader(data.train, batch_size=32, shuffle=True, seed=0),
        epochs=EPOCHS,
        lr=2e-3,
        loss_fn=model.loss,
        score_fn=None,
        augment=augment.Windows((WINDOW, WINDOW)),
        on_epoch=lambda so_far: print(so_far.epochs[-1], flush=True),
    )
    scores = detect.evaluate(model, datasets.make_loader(data.test, batch_size=50))
    found = detect.predict(model, data.test.images, score_threshold=SURE)
    overlaps = [mask_overlaps(one, t) for one, t in zip(found, data.test.targets, strict=True)]
    per_sign = [overlap for picture in overlaps for overlap in picture]
    facts = {
        "data": f"{len(data.train):,} drawn streets of 128 x 128 pixels in windows of {WINDOW}, "
        f"{len(data.test)} others to test",
        "parameters": models.count_parameters(model),
        "epochs": EPOCHS,
        "train_seconds": round(sum(epoch.seconds for epoch in history.epochs)),
        "detector_before": {
            "scenes": STREETS,
            "epochs": STREET_EPOCHS,
            "seconds": round(box_seconds),
        },
        **{key: round(getattr(scores, key), 4) for key in ("ap", "ap50", "ap75")},
        "score_threshold": SURE,
        "signs": sum(len(target["boxes"]) for target in data.test.targets),
        "signs_found": len(per_sign),
        "mean_mask_iou": round(statistics.mean(per_sign), 4),
        "shown": {"pictures": shown(found)},
        "machine": runtime.report(),
    }
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
