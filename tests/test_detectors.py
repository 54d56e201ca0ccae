"""The dense detector, and predict and evaluate, which any model that finds objects can be given to.

``Bright`` stands in for a model where the answer must be known to the pixel.
"""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torchvision import ops

from imgrec_lab import box_ops, datasets, detect, models, scenes, train
from imgrec_lab.detect import detectors, finding
from tests import coloured_squares

NO_BOXES = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
SMALL = {"widths": (8, 8, 12, 16), "blocks": (1, 1, 1), "head_width": 8}


def small_detector(num_classes: int = 3, *, seed: int = 0, **choices) -> detect.Detector:
    """As built, but with answers that differ from place to place."""
    torch.manual_seed(seed)
    model = detect.Detector(num_classes, **{**SMALL, **choices}).eval()
    nn.init.normal_(model.classify.last.weight, std=10)
    nn.init.normal_(model.measure.last.weight, std=3)
    return model


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class Bright(nn.Module):
    """Finds the box of all pixels above 0.5, and the empty place right of the picture."""

    num_classes, strides = 3, (4, 8)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.asked, self.shapes = [], []

    def detections(self, images, **thresholds):
        self.asked.append(thresholds)
        self.shapes.append(tuple(images.shape))
        assert not self.training and not torch.is_grad_enabled()
        assert images.dtype == torch.float32 and images.is_contiguous(
            memory_format=torch.channels_last
        )
        found = []
        for image in images:
            box = box_ops.from_masks((image > 0.5).any(dim=0)[None])  # (1, 4)
            beyond = torch.tensor([[5000.0, 0, 5008, 8]])
            found.append(
                {
                    "boxes": torch.cat([box, beyond]),
                    "scores": torch.tensor([0.9, 0.8]),
                    "labels": torch.tensor([1, 2]),
                    "masks": (image > 0.5).any(dim=0).expand(2, -1, -1),
                }
            )
        return found


def lit(height: int, width: int, box: list[int]) -> torch.Tensor:
    """A dark picture (3, H, W) uint8 with one bright box."""
    image = torch.full((3, height, width), 20, dtype=torch.uint8)
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] = 250
    return image


# ---------------------------------------------------------------------------------------- Detector


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("count", "height", "width"), [(1, 16, 16), (2, 64, 96), (3, 96, 32)])
def test_answers_have_a_row_for_each_location(count, height, width, channels):
    model = small_detector(5, in_channels=channels)
    outputs = model(random_images(count, channels, height, width))
    rows = sum((height // stride) * (width // stride) for stride in model.strides)
    assert outputs["logits"].shape == (count, rows, 5)
    assert outputs["distances"].shape == (count, rows, 4)
    points, strides = detect.locations((height, width), model.strides)
    assert torch.equal(outputs["points"], points) and torch.equal(outputs["strides"], strides)
    assert all(value.isfinite().all() for value in outputs.values())
    assert (outputs["distances"] > 0).all()


def test_the_pyramid_has_a_map_for_each_stride_the_finest_first():
    model = small_detector()
    maps = model.pyramid(random_images(2, 3, 48, 64))
    assert [tuple(x.shape) for x in maps] == [(2, 8, 12, 16), (2, 8, 6, 8), (2, 8, 3, 4)]
    with pytest.raises(ValueError, match="multiples of the largest stride, 16 pixels; got 40"):
        model.pyramid(random_images(1, 3, 40, 64))


def test_an_untrained_detector_expects_nothing():
    torch.manual_seed(0)
    model = detect.Detector(4).eval()
    probs = model(random_images(2, 3, 64, 64))["logits"].sigmoid()
    assert probs.mean().item() == pytest.approx(detectors._PRIOR, rel=0.2)
    assert all(len(found["scores"]) == 0 for found in detect.predict(model, torch.rand(2, 3, 9, 9)))


def test_as_many_strides_as_stages():
    model = small_detector(widths=(8, 8, 8, 8, 8), blocks=(2, 1, 1, 1))
    assert model.strides == (4, 8, 16, 32)
    assert model(random_images(1, 3, 32, 64))["strides"].unique().tolist() == [4, 8, 16, 32]


def test_what_the_coarsest_map_knows_reaches_the_finest_but_not_the_other_way():
    model = small_detector()
    outputs = model(random_images(1, 3, 64, 64))
    for stride, heard in ((4, [True, True, True]), (16, [False, False, True])):
        model.zero_grad()
        own = outputs["strides"] == stride
        outputs["logits"][:, own].sum().backward(retain_graph=True)
        grads = [lateral.weight.grad for lateral in model.laterals]
        assert [grad is not None and bool(grad.any()) for grad in grads] == heard


def test_detections_are_torchvisions_suppression_of_what_is_sure_enough():
    model, images = small_detector(), random_images(2, 3, 32, 48)
    outputs = model(images)
    boxes = detect.decode(outputs["distances"], outputs["points"], outputs["strides"])
    found = model.detections(images, score_threshold=0.02, iou_threshold=0.3, max_detections=15)
    for row in range(2):
        probs = outputs["logits"][row].sigmoid()  # (A, K)
        place, labels = torch.where(probs >= 0.02)
        assert 50 < len(place) < detectors._CANDIDATES
        scores = probs[place, labels]
        kept = ops.batched_nms(boxes[row, place], scores, labels, 0.3)
        assert len(kept) > 15
        kept = kept[:15]
        torch.testing.assert_close(found[row]["boxes"], boxes[row, place[kept]])
        torch.testing.assert_close(found[row]["scores"], scores[kept])
        assert torch.equal(found[row]["labels"], labels[kept])
        assert not found[row]["boxes"].requires_grad


def test_thresholds_at_their_ends():
    model, images = small_detector(), random_images(1, 3, 32, 48)

    def find(**thresholds):
        return detect.predict(model, images, **{"max_detections": 10_000, **thresholds})[0]

    every = find(score_threshold=0, iou_threshold=1)  # nothing is left out but what lies outside
    candidates = 3 * len(detect.locations((32, 48), model.strides)[0])
    assert 100 < len(every["scores"]) <= candidates
    assert all(a >= b for a, b in pairwise(every["scores"].tolist()))
    assert len(find(score_threshold=1)["scores"]) == 0
    apart = find(score_threshold=0, iou_threshold=0)
    for label in range(3):
        same = apart["boxes"][apart["labels"] == label]
        overlap = box_ops.iou(same, same).fill_diagonal_(0)
        assert len(same) and (overlap < 1e-6).all()
    assert len(find(score_threshold=0, iou_threshold=1, max_detections=1)["scores"]) == 1
    few = model.detections(images, max_detections=7)[0]["scores"]
    assert torch.equal(few, model.detections(images)[0]["scores"][:7]) and len(few) == 7


def test_thousands_of_candidates():
    model = small_detector(4)
    images = random_images(1, 3, 128, 128)
    assert len(detect.locations((128, 128), model.strides)[0]) * 4 > 5000
    (found,) = detect.predict(model, images, score_threshold=0)
    assert len(found["scores"]) == 100
    every = {"score_threshold": 0, "iou_threshold": 1, "max_detections": 10_000}
    assert len(model.detections(images, **every)[0]["scores"]) == detectors._CANDIDATES


def test_moving_everything_by_whole_cells_moves_what_is_found():
    model = small_detector()
    for lateral in model.laterals:  # so that the grey round the objects, like padding, is zero
        nn.init.zeros_(lateral.bias)
    image = torch.full((1, 3, 288, 288), 0.5)  # what Normalize maps to 0
    image[..., 128:148, 128:150] = random_images(3, 20, 22)
    moved = image.roll((16, -16), dims=(2, 3))
    here, there = (model.detections(each, score_threshold=0.02)[0] for each in (image, moved))
    assert len(here["scores"]) > 5
    torch.testing.assert_close(there["scores"], here["scores"])
    shift = torch.tensor([-16, 16, -16, 16])
    torch.testing.assert_close(there["boxes"], here["boxes"] + shift)


@pytest.mark.parametrize("with_objects", [True, False])
def test_every_weight_learns_also_from_pictures_without_objects(with_objects):
    model = detect.Detector(3, **SMALL)
    boxes = torch.tensor([[2.0, 2, 14, 14], [8, 8, 48, 48], [2, 2, 62, 62]])  # one for each map
    target = {"boxes": boxes, "labels": torch.tensor([2, 0, 1])}
    targets = [target, NO_BOXES] if with_objects else [NO_BOXES] * 2
    detect.detection_loss(model(random_images(2, 3, 64, 64)), targets).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
        measures = name.startswith("measure")
        assert weight.grad.any() or (measures and not with_objects) or name.endswith("0.bias"), name


def test_each_map_is_normalised_by_what_it_was_trained_with():
    model = small_detector().train()
    images = random_images(4, 3, 64, 64)
    with torch.no_grad():
        for _ in range(200):  # until the running statistics are those of this batch
            trained = model(images)
        used = model.eval()(images)
    for key in ("logits", "distances"):
        off = (used[key] - trained[key]).abs().mean(dim=(0, 2))  # (A,)
        assert (off < 0.1 * trained[key].std()).all(), key


def test_a_step_in_one_batch_of_one_picture():
    model = detect.Detector(3, **SMALL)
    target = {"boxes": torch.tensor([[8.0, 8, 30, 24]]), "labels": torch.tensor([2])}
    history = train.fit(
        model, [(random_images(1, 3, 32, 48), [target])], epochs=1,
        loss_fn=detect.detection_loss, score_fn=None,
    )  # fmt: skip
    assert math.isfinite(history.epochs[0].train_loss)


def test_weights_of_other_classes_are_refused():
    weights = small_detector(5).state_dict()
    with pytest.raises(
        RuntimeError, match=r"size mismatch for classify.last.weight.*\[5, 8, 3, 3\]"
    ):
        small_detector(3).load_state_dict(weights)


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"num_classes": 0}, r"num_classes must be a whole number .*; got 0. Try len\(classes\)"),
        ({"num_classes": 2.5}, "num_classes must be a whole number of at least 1; got 2.5"),
        ({"widths": (8, 8)}, r"widths must be one more than blocks.*got \(8, 8\) and \(1, 1, 1\)"),
        ({"blocks": (1, 1)}, r"widths must be one more .*; got \(8, 8, 12, 16\) and \(1, 1\)"),
        ({"widths": (8,), "blocks": ()}, r"widths must be one more.*got \(8,\) and \(\)"),
    ],
)
def test_detectors_that_cannot_be_built_are_named(choices, sentence):
    with pytest.raises(ValueError, match=sentence):
        detect.Detector(**{"num_classes": 3, **SMALL, **choices})


def test_pictures_that_a_detector_cannot_take_as_they_are():
    model = small_detector()
    with pytest.raises(ValueError, match="of the largest stride, 16 .*; got 64 x 60. detect"):
        model(torch.rand(1, 3, 64, 60))
    with pytest.raises(ValueError, match="got 0 x 64"):
        model(torch.rand(1, 3, 0, 64))
    with pytest.raises(TypeError, match="must be floating point in .0, 1.; got torch.uint8"):
        model(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


# ----------------------------------------------------------------------------------------- predict


def test_predict_by_hand_on_pictures_of_all_sizes_in_their_order():
    boxes = [[3, 4, 9, 8], [0, 0, 5, 7], [3900, 0, 4000, 1], [10, 20, 64, 64], [2, 2, 30, 9]]
    sizes = [(50, 70), (7, 5), (1, 4000), (64, 64), (50, 70)]
    images = [lit(*size, box) for size, box in zip(sizes, boxes, strict=True)]
    model = Bright()
    found = detect.predict(model, images)
    assert [each["boxes"].tolist() for each in found] == [[box] for box in boxes]
    assert all(each["labels"].tolist() == [1] for each in found)  # what lies beyond is left out
    for image, each in zip(images, found, strict=True):
        assert torch.equal(each["masks"][0], image[0] > 128)
        assert each["boxes"].dtype == torch.float32 and each["labels"].dtype == torch.int64
    assert model.shapes == [(2, 3, 56, 72), (1, 3, 8, 8), (1, 3, 8, 4000), (1, 3, 64, 64)]


def test_thresholds_are_handed_on():
    model, image = Bright(), lit(20, 20, [3, 3, 9, 9])
    detect.predict(model, [image])
    chosen = {"score_threshold": 0.5, "iou_threshold": 0.2, "max_detections": 3}
    detect.predict(model, [image], **chosen)
    default = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": 100}
    assert model.asked == [default, chosen]


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    assert sum(len(each["scores"]) for each in expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one["labels"], other["labels"])
        torch.testing.assert_close(one["scores"], other["scores"])
        torch.testing.assert_close(one["boxes"], other["boxes"], rtol=1e-4, atol=1e-3)


def test_how_pictures_come_does_not_matter():
    model = small_detector()
    images = (random_images(3, 3, 64, 96) * 255).to(torch.uint8)
    expected = detect.predict(model, images, score_threshold=0.02)
    pixels = images.float() / 255
    for same in (
        list(images),
        tuple(pixels),
        pixels.double(),
        pixels.contiguous(memory_format=torch.channels_last),
        pixels.transpose(2, 3).contiguous().transpose(2, 3),
        pixels.clone().requires_grad_(),
    ):
        assert_same(detect.predict(model, same, score_threshold=0.02), expected)
    alone = [detect.predict(model, image[None], score_threshold=0.02)[0] for image in images]
    assert_same(alone, expected)


def test_many_pictures_go_in_parts_that_fit_into_memory(monkeypatch):
    model, images = Bright(), [lit(20, 20, [row, 3, 12, 9]) for row in range(5)]
    monkeypatch.setattr(finding, "_BATCH_PIXELS", 2 * 24 * 24)
    found = detect.predict(model, images)
    assert [shape[0] for shape in model.shapes] == [2, 2, 1]
    assert [each["boxes"][0, 0].item() for each in found] == [0, 1, 2, 3, 4]
    monkeypatch.setattr(finding, "_BATCH_PIXELS", 1)  # one picture must always fit
    assert len(detect.predict(model, images)) == 5


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (15, 33), (1, 4000), (4000, 1)])
def test_boxes_lie_inside_pictures_of_any_size(size):
    found = detect.predict(small_detector(), random_images(1, 3, *size), score_threshold=0)[0]
    height, width = size
    x1, y1, x2, y2 = found["boxes"].unbind(dim=1)
    assert len(x1) and (x1 >= 0).all() and (y1 >= 0).all()
    assert (x2 <= width).all() and (y2 <= height).all() and (x1 < x2).all() and (y1 < y2).all()


def test_pictures_are_padded_as_far_as_the_strides_ask_and_no_further():
    model, images = small_detector(), random_images(2, 3, 48, 80)  # multiples of 16, not of 32
    assert_same(
        detect.predict(model, images, score_threshold=0.02, iou_threshold=0.3),
        [
            {**found, "boxes": box_ops.clip(found["boxes"], (48, 80))}
            for found in model.detections(images, score_threshold=0.02, iou_threshold=0.3)
        ],
    )
    localiser = detect.Localiser(3).eval()  # takes any size as it is
    outputs = localiser(images[..., :45, :77])
    found = detect.predict(localiser, images[..., :45, :77], score_threshold=0)
    boxes = torch.cat([each["boxes"] for each in found])
    torch.testing.assert_close(boxes, box_ops.clip(outputs["boxes"], (45, 77)).detach())


def test_a_grey_detector_and_one_of_large_strides():
    grey = small_detector(in_channels=1)
    assert len(detect.predict(grey, random_images(2, 1, 20, 30), score_threshold=0)) == 2
    with pytest.raises(ValueError, match=r"must have shape \(N, 1, H, W\); got \(1, 3, 32, 32\)"):
        detect.predict(grey, torch.rand(1, 3, 20, 30))
    deep = small_detector(widths=(8,) * 6, blocks=(1,) * 5)
    assert deep.strides[-1] == 64
    (found,) = detect.predict(deep, random_images(1, 3, 96, 96), score_threshold=0)
    assert len(found["scores"]) and found["boxes"].max() <= 96


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_detector_in_another_precision(dtype):
    images = random_images(2, 3, 40, 50)
    expected = detect.predict(small_detector(), images, score_threshold=0.5)
    found = detect.predict(small_detector().to(dtype), images, score_threshold=0.5)
    for one, other in zip(found, expected, strict=True):
        assert one["boxes"].dtype == one["scores"].dtype == torch.float32
        surest = min(len(one["scores"]), len(other["scores"]))
        torch.testing.assert_close(
            one["scores"][: surest // 2], other["scores"][: surest // 2], atol=0.02, rtol=0
        )


def test_predicting_learns_nothing():
    model = small_detector().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    detect.predict(model, random_images(2, 3, 40, 50))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_no_pictures_are_no_detections():
    assert detect.predict(Bright(), []) == detect.predict(Bright(), torch.zeros(0, 3, 8, 8)) == []


@pytest.mark.parametrize(
    ("images", "error", "sentence"),
    [
        (None, TypeError, r"a batch \(N, C, H, W\), or a list of .*; got NoneType"),
        ("photo.jpg", TypeError, "got str. Of a set take its images, of one picture make"),
        (torch.rand(1, 3, 8, 8).numpy(), TypeError, "got ndarray"),
        (["photo.jpg"], TypeError, r"got str at index 0. Try image_files.read_image\(path\)"),
        (torch.rand(3, 8, 8), ValueError, r"\(C, H, W\) .*; got \(8, 8\) .*images\[None\]"),
        ([torch.rand(3, 8, 8), torch.rand(3, 0, 8)], ValueError, r"got \(3, 0, 8\) at index 1"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), TypeError, r"got torch.int64 at index 0. Try"),
        (torch.rand(1, 3, 8, 8) * 255, ValueError, r"in \[0, 1\]; got .* at index 0. Try image / "),
        (torch.rand(1, 3, 8, 8) * math.nan, ValueError, "in floating point must lie.*got nan"),
        (torch.rand(1, 3, 8, 8) - 0.5, ValueError, "a model normalises by itself"),
    ],
)
def test_what_is_no_picture_is_named(images, error, sentence):
    with pytest.raises(error, match=sentence):
        detect.predict(Bright(), images)


@pytest.mark.parametrize(
    ("thresholds", "sentence"),
    [
        ({"score_threshold": 1.5}, r"score_threshold must be a number in \[0, 1\]; got 1.5. Try"),
        ({"score_threshold": "high"}, "score_threshold must be a number .*; got 'high'"),
        ({"score_threshold": math.nan}, "score_threshold .*; got nan"),
        ({"iou_threshold": -0.1}, r"iou_threshold must be a number in \[0, 1\]; got -0.1"),
        ({"iou_threshold": None}, "iou_threshold .*; got None"),
        ({"max_detections": 0}, "max_detections must be a whole number of at least 1; got 0. Try"),
        ({"max_detections": 2.5}, "max_detections must be a whole number .*; got 2.5"),
    ],
)
def test_thresholds_that_make_no_sense_are_named(thresholds, sentence):
    with pytest.raises(ValueError, match=sentence):
        detect.predict(Bright(), [lit(8, 8, [1, 1, 2, 2])], **thresholds)


def test_what_finds_no_objects_is_named():
    images = torch.rand(1, 3, 32, 32)
    for model, name in ((models.TinyCNN(3), "TinyCNN"), (3, "int"), (detect.Detector, "type")):
        with pytest.raises(TypeError, match=f"must find objects, .*; got {name}. Classifiers go"):
            detect.predict(model, images)
        with pytest.raises(TypeError, match=f"must find objects, .*; got {name}. Classifiers go"):
            detect.evaluate(model, [(images, [NO_BOXES])])


# ---------------------------------------------------------------------------------------- evaluate


def test_evaluate_by_hand():
    images = torch.stack([lit(40, 50, [3, 4, 20, 30]), lit(40, 50, [5, 5, 35, 25])])
    right = [
        {"boxes": torch.tensor([[3.0, 4, 20, 30]]), "labels": torch.tensor([1]), "image_id": 7},
        {"boxes": torch.tensor([[5.0, 5, 35, 25]]), "labels": torch.tensor([1])},
    ]
    found = detect.evaluate(Bright(), [(images[:1], right[:1]), (images[1:], right[1:])])
    assert found.ap == found.ap50 == found.ar_1 == pytest.approx(1)
    assert found.ap_per_class.isnan().tolist() == [True, False, True]  # classes nobody shows
    half = [{**right[0], "boxes": right[0]["boxes"] + 8}, right[1]]
    assert 0 < detect.evaluate(Bright(), [(images, half)]).ap50 < 1
    crowd = {**half[0], "crowd": torch.tensor([True])}
    alone = detect.evaluate(Bright(), [(images[:1], [crowd])])
    assert math.isnan(alone.ap)


def test_evaluate_keeps_no_masks(monkeypatch):
    """Those of thousands of pictures would fill the memory."""
    compared = {}

    def spy(found, targets, **_):
        compared.update(found=found, targets=targets)

    monkeypatch.setattr(finding.metrics, "mean_average_precision", spy)
    target = {**NO_BOXES, "masks": torch.zeros(0, 20, 20, dtype=torch.bool)}
    detect.evaluate(Bright(), [(lit(20, 20, [1, 1, 9, 9])[None], [target])])
    assert set(compared["found"][0]) == {"boxes", "scores", "labels"}
    assert set(compared["targets"][0]) == {"boxes", "labels"}


def test_evaluate_takes_a_loader_and_pictures_without_objects():
    drawn = scenes.draw_streets(5, image_size=(48, 64), seed=0)
    data = datasets.SceneSet(drawn.images, drawn.targets, scenes.CLASSES)
    loader = datasets.make_loader(data, batch_size=2, device="cpu")
    model = small_detector(len(scenes.CLASSES))
    before = detect.evaluate(model, loader)
    assert 0 <= before.ap50 <= 1 and detect.evaluate(model, loader).ap == before.ap
    nothing = detect.evaluate(Bright(), [(torch.rand(2, 3, 8, 8), [NO_BOXES, NO_BOXES])])
    assert math.isnan(nothing.ap50)


@pytest.mark.parametrize(
    ("targets", "error", "sentence"),
    [
        (torch.tensor([1]), TypeError, "targets must be a list of dicts.*got a Tensor"),
        ([], ValueError, "targets must hold one a picture: 1; got 0"),
        (
            [{"boxes": torch.rand(1, 4), "labels": torch.tensor([3])}],
            ValueError,
            r"labels must lie in 0..2, as the model has 3 classes; targets\[0\] has 3..3",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_named(targets, error, sentence):
    with pytest.raises(error, match=sentence):
        detect.evaluate(Bright(), [(torch.rand(1, 3, 8, 8), targets)])


def test_nothing_to_evaluate_is_named():
    with pytest.raises(ValueError, match="must hold at least one picture; got none"):
        detect.evaluate(Bright(), [])


# ---------------------------------------------------------------------------------------- learning


def fit(model, loader, *, epochs, **options):
    return train.fit(
        model, loader, epochs=epochs, lr=1e-2, loss_fn=detect.detection_loss, score_fn=None,
        **options,
    )  # fmt: skip


def test_rectangles_are_learned_in_seconds():
    """A third class, which no picture shows, neither hinders nor is found."""
    torch.manual_seed(0)
    model = detect.Detector(3, widths=(12, 24, 32, 32), blocks=(1, 1, 1), head_width=32)
    loader = coloured_squares.batches(*coloured_squares.draw(160, seed=0), 5)
    fit(model, loader, epochs=12)
    images, targets = coloured_squares.draw(48, seed=1)
    scores = detect.evaluate(model, [(images, targets)])
    assert scores.ap50 > 0.8
    assert scores.ap50_per_class.isnan().tolist() == [False, False, True]
    found = detect.predict(model, images, score_threshold=0.5)
    assert not any((each["labels"] == 2).any() for each in found)
    empty = [row for row, target in enumerate(targets) if not len(target["boxes"])]
    assert len(empty) > 5 and not any(len(found[row]["scores"]) for row in empty)


def test_a_run_that_was_broken_off_goes_on_to_the_same_weights(tmp_path):
    loader = coloured_squares.batches(*coloured_squares.draw(12, seed=0), 4)
    starts = [detect.Detector(2, **SMALL) for _ in range(2)]
    starts[1].load_state_dict(starts[0].state_dict())
    whole = fit(starts[0], loader, epochs=3)
    file = tmp_path / "run.pt"
    fit(starts[1], loader, epochs=3, checkpoint=file, on_epoch=lambda history: True)
    gone_on = fit(starts[1], loader, epochs=3, checkpoint=file)
    assert [epoch.train_loss for epoch in gone_on.epochs] == [
        epoch.train_loss for epoch in whole.epochs
    ]
    for name, value in starts[0].state_dict().items():
        assert torch.equal(starts[1].state_dict()[name], value), name
    with pytest.raises(ValueError, match="must belong to this run; its model: Detector"):
        fit(detect.Detector(3, **SMALL), loader, epochs=3, checkpoint=file)
