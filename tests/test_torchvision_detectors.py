"""torchvision's detectors behind our calls: labels, losses, detections, weights from a file."""

import warnings
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from imgrec_lab import datasets, detect, scenes, train
from imgrec_lab.detect import TorchvisionDetector, torchvision_detector, torchvision_detectors

NAMES = ("ssdlite", "fcos", "retinanet", "faster_rcnn", "mask_rcnn")
EMPTY = {
    "boxes": torch.zeros(0, 4),
    "labels": torch.zeros(0, dtype=torch.int64),
    "masks": torch.zeros(0, 64, 64, dtype=torch.bool),
}


class Recorder(nn.Module):
    """Stands in for torchvision: keeps the targets it gets, and gives fixed losses and answers."""

    def __init__(self, *, two_stage: bool = False, masks: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]))
        if two_stage or masks:
            self.roi_heads = nn.Module()
            self.roi_heads.mask_head = nn.Identity() if masks else None
        self.seen = None

    def forward(self, images, targets=None):
        if targets is not None:
            self.seen = targets
            return {"a": self.weight[0], "b": self.weight[1]}
        found = {"boxes": torch.ones(2, 4), "scores": torch.tensor([0.9, 0.4])}
        found["labels"] = torch.tensor([2, 1])
        if hasattr(self, "roi_heads") and self.roi_heads.mask_head:
            found["masks"] = torch.tensor([0.51, 0.5]).reshape(2, 1, 1, 1).expand(2, 1, 3, 4)
        return [found for _ in images]


@pytest.fixture(scope="module")
def street_loader():
    """Four scenes of 64 x 64 with 1, 2, 1 and no object, one of the two without area."""
    drawn = scenes.draw_streets(4, image_size=(64, 64), seed=6)
    assert [len(target["boxes"]) for target in drawn.targets] == [1, 2, 1, 0]
    drawn.targets[1]["boxes"][0, 2] = drawn.targets[1]["boxes"][0, 0]
    data = datasets.SceneSet(drawn.images, drawn.targets, scenes.CLASSES)
    return datasets.make_loader(data, batch_size=4, device="cpu")


@pytest.fixture(scope="module", params=NAMES)
def fitted(request, street_loader):
    """Each detector after one step and one evaluation, with its history."""
    torch.manual_seed(0)
    model = torchvision_detector(request.param, len(scenes.CLASSES), image_size=(64, 64))
    run = train.fit(
        model, street_loader, street_loader, epochs=1, lr=1e-4, loss_fn=model.loss, score_fn=None
    )
    return request.param, model, run


@pytest.mark.parametrize(("two_stage", "first"), [(False, 0), (True, 1)])
def test_labels_are_shifted_on_the_way_in_and_back(two_stage, first):
    model = TorchvisionDetector(Recorder(two_stage=two_stage), 3)
    target = {"boxes": torch.tensor([[0.0, 0, 2, 2], [1, 1, 4, 4]]), "labels": torch.tensor([0, 2])}
    loss = model.loss(model(torch.zeros(1, 3, 8, 8)), [target])
    assert loss.item() == 5.0  # the sum of both parts
    assert model.model.seen[0]["labels"].tolist() == [first, 2 + first]
    assert target["labels"].tolist() == [0, 2]
    found = model.detections(torch.zeros(1, 3, 8, 8))[0]
    assert found["labels"].tolist() == [2 - first, 1 - first]


def test_what_cannot_be_learned_is_left_out():
    model = TorchvisionDetector(Recorder(masks=True), 3)
    boxes = torch.tensor([[0.0, 0, 2, 2], [5, 1, 5, 4], [3, 3, 2, 4], [0, 0, 8, 8]])
    target = {"boxes": boxes, "labels": torch.arange(4) % 3, "masks": torch.ones(4, 8, 8) > 0}
    target["crowd"] = torch.tensor([False, False, False, True])
    model.loss(model(torch.zeros(1, 3, 8, 8)), [target])
    seen = model.model.seen[0]
    assert seen["boxes"].tolist() == [[0, 0, 2, 2]] and seen["labels"].tolist() == [1]
    assert seen["masks"].shape == (1, 8, 8) and seen["masks"].dtype == torch.uint8
    masks = model.detections(torch.zeros(1, 3, 8, 8))[0]["masks"]
    assert masks.dtype == torch.bool and masks.shape == (2, 3, 4)
    assert masks[0].all() and not masks[1].any()


def test_masks_that_are_missing_and_boxes_of_nan_are_named():
    model = TorchvisionDetector(Recorder(masks=True), 3)
    outputs = model(torch.zeros(2, 3, 8, 8))
    bare = {"boxes": torch.tensor([[0.0, 0, 2, 2]]), "labels": torch.tensor([0])}
    with pytest.raises(ValueError, match=r"targets\[1\] of the batch has none. Take a set with"):
        model.loss(outputs, [EMPTY, bare])
    model = TorchvisionDetector(Recorder(), 3)
    bare["boxes"][0, 2] = torch.nan
    one = model(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r"finite numbers; targets\[0\] has NaN"):
        model.loss(one, [bare])


@pytest.mark.parametrize("label", [-1, 3, 99])
def test_a_class_that_the_model_has_not_is_named(label):
    model = TorchvisionDetector(Recorder(), 3)
    target = {"boxes": torch.tensor([[0.0, 0, 2, 2]]), "labels": torch.tensor([label])}
    with pytest.raises(ValueError, match=rf"must lie in 0..2, .*targets\[0\] has {label}"):
        model.loss(model(torch.zeros(1, 3, 8, 8)), [target])
    with pytest.raises(ValueError, match="one a picture: 2; got 1"):
        model.loss(model(torch.zeros(2, 3, 8, 8)), [EMPTY])


def test_the_loss_is_of_the_weights_that_saw_the_pictures():
    model = TorchvisionDetector(Recorder(), 3)
    average = train.average_of_steps(model, decay=0.5).module
    with torch.no_grad():
        average.model.weight.fill_(7)
    images, targets = torch.zeros(1, 3, 8, 8), [EMPTY]
    score = train.evaluate(average, [(images, targets)], loss_fn=model.loss, score_fn=None)
    assert score.loss == 14.0
    model.train()
    model.loss(model(images), targets).backward()
    assert model.model.weight.grad.tolist() == [1, 1]


def test_each_is_trained_by_the_same_call(fitted):
    name, model, run = fitted
    first = run.epochs[0]
    assert 0 < first.train_loss < 100 and 0 < first.val_loss < 1000
    learned = [p.requires_grad for p in model.parameters()]
    assert all(learned), f"{name} has frozen layers"
    frozen = [m for m in model.modules() if "Frozen" in type(m).__name__]
    assert not frozen


def test_an_evaluation_repeats_and_leaves_the_model_alone(fitted, street_loader):
    _, model, _ = fitted
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    scores = [
        train.evaluate(model, street_loader, loss_fn=model.loss, score_fn=None) for _ in range(2)
    ]
    assert scores[0] == scores[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_detections_are_of_our_form(fitted, street_loader):
    name, model, _ = fitted
    images, _ = next(iter(street_loader))
    found = model.detections(images[:2], score_threshold=0.0, max_detections=7)
    assert len(found) == 2
    for one in found:
        boxes, scores, labels = one["boxes"], one["scores"], one["labels"]
        assert len(boxes) == len(scores) == len(labels) <= 7
        assert boxes.min() >= 0 and boxes.max() <= 64
        assert (scores.diff() <= 0).all() and 0 <= scores.min() <= scores.max() <= 1
        assert 0 <= labels.min() <= labels.max() < len(scenes.CLASSES)
        assert ("masks" in one) == (name == "mask_rcnn")
        if name == "mask_rcnn":
            assert one["masks"].shape == (len(boxes), 64, 64) and one["masks"].dtype == torch.bool
    nothing = model.detections(images[:1], score_threshold=1.0)[0]
    assert nothing["boxes"].shape == (0, 4) and nothing["labels"].shape == (0,)


def test_they_are_judged_by_the_same_call_in_any_precision(fitted, street_loader, monkeypatch):
    _, model, _ = fitted
    for precision in ("float32", "bfloat16"):
        monkeypatch.setenv("IMGREC_PRECISION", precision)
        found = detect.predict(model, [torch.rand(3, 50, 70)], score_threshold=0.0)[0]
        assert found["scores"].dtype == found["boxes"].dtype == torch.float32
        assert len(found["boxes"]) and (found["boxes"] <= torch.tensor([70, 50, 70, 50])).all()
    assert 0 <= detect.evaluate(model, street_loader).ap50 <= 1


def test_weights_go_out_and_in_and_pictures_of_another_size_come_back():
    torch.manual_seed(1)
    one, two = (torchvision_detector("ssdlite", 3, image_size=(64, 96)) for _ in range(2))
    two.load_state_dict(one.state_dict())
    images = torch.rand(2, 3, 200, 300)
    for a, b in zip(
        one.detections(images, score_threshold=0.01),
        two.detections(images, score_threshold=0.01),
        strict=True,
    ):
        assert all(torch.equal(a[key], b[key]) for key in a)
        assert a["boxes"][:, 2].max() > 96  # in the pixels of the picture, not of the network


def smallest_anchors(model: TorchvisionDetector) -> float:
    inner = getattr(model.model, "rpn", model.model)
    features = [torch.zeros(1, 1, 4, 4)] * 6
    sizes = getattr(inner.anchor_generator, "sizes", features)
    pictures = torch.zeros(1, 3, *model.model.transform.min_size * 2)
    found = inner.anchor_generator(
        type("Pictures", (), {"tensors": pictures, "image_sizes": [tuple(pictures.shape[2:])]}),
        features[: len(sizes)],
    )[0]
    return (found[:, 2:] - found[:, :2]).prod(dim=1).sqrt().min().item()


@pytest.mark.parametrize(
    ("name", "image_size", "side"),
    [
        ("ssdlite", (128, 128), 8), ("ssdlite", (416, 416), 16.64), ("ssdlite", (96, 160), 8),
        ("retinanet", (128, 128), 8), ("retinanet", None, 32),
        ("faster_rcnn", (128, 128), 8), ("faster_rcnn", (800, 800), 32),
        ("fcos", (128, 128), 8), ("fcos", None, 8),
    ],
)  # fmt: skip
def test_anchors_suit_the_pictures(name, image_size, side):
    model = torchvision_detector(name, 2, image_size=image_size)
    assert smallest_anchors(model) == pytest.approx(side, rel=0.03)


def test_anchors_are_not_rounded_in_bfloat16(monkeypatch):
    torch.manual_seed(0)
    model = torchvision_detector("ssdlite", 2, image_size=(64, 64)).eval()
    seen = []
    model.model.anchor_generator.register_forward_hook(lambda *call: seen.append(call[2][0]))
    images = torch.rand(1, 3, 64, 64)
    model.detections(images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.detections(images)
    assert seen[0].dtype == torch.float32 and torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_ssdlite_learns(precision, monkeypatch):
    """Red and blue squares, a class each, on grey: found where they are, and named."""
    monkeypatch.setenv("IMGREC_PRECISION", precision)
    torch.manual_seed(0)
    images = torch.full((16, 3, 64, 64), 0.5)
    targets = []
    for index, image in enumerate(images):
        x, y, label = *torch.randint(4, 34, (2,)).tolist(), index % 2
        image[:, y : y + 24, x : x + 24] = 0
        image[2 * label, y : y + 24, x : x + 24] = 1
        box = torch.tensor([[x, y, x + 24, y + 24]], dtype=torch.float32)
        targets.append({"boxes": box, "labels": torch.tensor([label])})
    model = torchvision_detector("ssdlite", 2, image_size=(64, 64))
    batches = [(images, targets)]
    train.fit(model, batches, epochs=30, lr=3e-3, loss_fn=model.loss, score_fn=None)
    for module in model.modules():  # after so few steps, running statistics lag far behind
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches, here one
    model.train()
    with torch.no_grad():
        model.model(list(images), [model._prepared(target, 0) for target in targets])
    right = [
        len(found["labels"]) > 0
        and found["labels"][0] == target["labels"][0]
        and (found["boxes"][0] - target["boxes"][0]).abs().max() < 6
        for found, target in zip(model.detections(images), targets, strict=True)
    ]
    assert sum(right) >= 14


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """An empty TORCH_HOME, and no internet; gives the folder that weights are looked for in."""

    def fail(*args, **options):
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def weights_file(builder: str) -> str:
    return Path(get_model_weights(builder).COCO_V1.url).name


@pytest.mark.parametrize("name", ["ssdlite", "fcos"])
def test_pretrained_weights_come_from_a_file_and_only_the_classes_start_anew(name, no_network):
    builder = torchvision_detectors._BUILDERS[name]
    torch.manual_seed(0)
    coco = get_model(builder, weights=None, weights_backbone=None)
    torch.save(coco.state_dict(), no_network / weights_file(builder))
    model = torchvision_detector(name, 3, pretrained=True, image_size=(64, 64)).model.eval()
    images = torch.rand(2, 3, 64, 64)
    for ours, theirs in zip(
        model.backbone(images).values(), coco.eval().backbone(images).values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    theirs = coco.state_dict()
    anew = {key for key, value in model.state_dict().items() if value.shape != theirs[key].shape}
    assert anew and all(".classification_head." in key for key in anew)
    same = {
        key: torch.equal(value, theirs[key])
        for key, value in model.state_dict().items()
        if key not in anew
    }
    assert all(same.values())


def test_weights_that_cannot_be_had_are_explained(no_network):
    sentence = r"(?s)must come from https://.* or lie in .*ssdlite320.*pth; .*pretrained=False"
    with pytest.raises(OSError, match=sentence) as caught:
        torchvision_detector("ssdlite", 3, pretrained=True)
    assert "no route to host" in str(caught.value)
    damaged = no_network / weights_file("ssdlite320_mobilenet_v3_large")
    damaged.write_bytes(b"<html>not found</html>")
    with warnings.catch_warnings(), pytest.raises(OSError, match="it is damaged: remove it"):
        warnings.simplefilter("ignore")  # torch's, on what it thinks an old file
        torchvision_detector("ssdlite", 3, pretrained=True)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"name": "yolo"}, "name must be one of ssdlite, fcos, .*; got 'yolo'"),
        ({"num_classes": 0}, "num_classes must be a whole number of at least 1; got 0"),
        ({"image_size": (100, 128)}, r"multiples of 32 pixels, .*; got \(100, 128\)"),
        ({"image_size": (0, 128)}, r"multiples of 32 pixels, .*; got \(0, 128\)"),
    ],
)
def test_choices_that_cannot_work_are_named(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        torchvision_detector(**{"name": "ssdlite", "num_classes": 2, **choices})
