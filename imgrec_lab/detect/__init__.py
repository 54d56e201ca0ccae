"""Where things are: a localiser, a dense detector, and torchvision's behind the same calls.

::

    model = detect.Detector(num_classes=len(train_set.classes))
    train.fit(model, loader, epochs=8, loss_fn=detect.detection_loss, score_fn=None)
    found = detect.predict(model, images)  # a list of boxes, scores, labels: pictures of any size
    print(detect.evaluate(model, test_loader))

A detector is a few pure steps, each of which works with no boxes at all: ``locations``, ``assign``,
``encode``, the loss, ``decode`` and ``box_ops.nms``.
"""

from imgrec_lab.detect.dense_targets import assign, decode, encode, locations
from imgrec_lab.detect.detection_losses import class_loss, detection_loss
from imgrec_lab.detect.detectors import Detector
from imgrec_lab.detect.finding import evaluate, predict
from imgrec_lab.detect.localisers import Localiser, localisation_loss, main_object
from imgrec_lab.detect.torchvision_detectors import TorchvisionDetector, torchvision_detector

__all__ = [
    "Detector", "Localiser", "TorchvisionDetector", "assign", "class_loss", "decode",
    "detection_loss", "encode", "evaluate", "localisation_loss", "locations", "main_object",
    "predict", "torchvision_detector",
]  # fmt: skip
