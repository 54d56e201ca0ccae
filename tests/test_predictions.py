"""`imgrec-lab predict`: boxes in the pictures' own pixels, drawings, and what cannot be read."""

import json

import pytest
import torch
from picture_folders import reddish_and_bluish
from PIL import Image

from imgrec_lab import course, detect
from imgrec_lab.course import detection_recipes, predictions, recipes

CLASSES = ("speed 30", "Straße")


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """An untrained detector for pictures of 64 x 64, saved as training saves it."""
    torch.manual_seed(0)
    recipe = detection_recipes.DetectionRecipe(image_size=(64, 64))
    path = tmp_path_factory.mktemp("detector") / "model.pt"
    return detection_recipes.save_detector(detect.Detector(2), CLASSES, recipe, path)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """An untrained classifier of red and blue, saved as training saves it."""
    torch.manual_seed(0)
    recipe = recipes.Recipe(network="tinycnn", image_size=(16, 16))
    path = tmp_path_factory.mktemp("classifier") / "model.pt"
    model = recipes.NETWORKS["tinycnn"](2)
    return recipes.save_classifier(model, ("blue", "red"), recipe, path)


@pytest.fixture
def finds(monkeypatch):
    """``finds(boxes)`` makes every detector find these, in the pixels of its own small picture."""

    def choose(boxes):
        seen = []

        def predict(model, images, **thresholds):
            seen.append((images, thresholds))
            scores = torch.linspace(0.9, 0.4, len(boxes))
            labels = torch.arange(len(boxes)) % 2
            return [
                {"boxes": torch.tensor(boxes).reshape(-1, 4), "scores": scores, "labels": labels}
            ]

        monkeypatch.setattr(detect, "predict", predict)
        return seen

    return choose


def picture(path, *, height: int = 50, width: int = 100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (200, 30, 30)).save(path)
    return str(path)


def predict(*arguments, model, out) -> int:
    return course.main(["predict", *map(str, arguments), "--model", str(model), "--out", str(out)])


def read(out, name: str = "detections.json") -> dict:
    return json.loads((out / name).read_text("utf-8"))


def test_boxes_come_back_in_the_pictures_own_pixels(detector, finds, tmp_path, capsys):
    # 50 x 100 becomes 32 x 64 between bars of 16 rows; the last box lies in the lower bar.
    seen = finds([[0.0, 16, 64, 48], [32, 20, 48, 30], [0, 50, 20, 60]])
    file = picture(tmp_path / "a.jpg")
    assert predict(file, model=detector, out=tmp_path / "out") == 0
    images, thresholds = seen[0]
    assert images.shape == (1, 3, 64, 64) and images[0, :, :16].sum() == 0
    assert thresholds == {"score_threshold": 0.3, "iou_threshold": 0.5}
    saved = read(tmp_path / "out")
    assert saved["score_threshold"] == 0.3 and saved["iou_threshold"] == 0.5
    assert saved["pictures"] == [
        {
            "file": file,
            "height": 50,
            "width": 100,
            "objects": [
                {"class": "speed 30", "score": 0.9, "box": [0, 0, 100, 50]},
                {"class": "Straße", "score": 0.65, "box": [50, 6.25, 75, 21.88]},
            ],
            "drawing": "a.png",
        }
    ]
    assert capsys.readouterr().out == f"{file}: 2 found: speed 30 0.90, Straße 0.65\n"


def test_boxes_are_drawn(detector, finds, tmp_path):
    file = picture(tmp_path / "a.png", height=60, width=60)
    finds([[16.0, 16, 48, 48]])
    predict(file, model=detector, out=tmp_path / "one")
    drawn = Image.open(tmp_path / "one" / "a.png").convert("RGB")
    assert drawn.size == (480, 480)
    edge, inside = drawn.getpixel((120, 240)), drawn.getpixel((240, 240))
    assert inside == (200, 30, 30) and edge != inside


def test_a_real_detector_is_loaded_and_asked(detector, tmp_path):
    file = picture(tmp_path / "a.png")
    arguments = [file, "--score-threshold", "0", "--iou-threshold", "1"]
    assert predict(*arguments, model=detector, out=tmp_path / "out") == 0
    found = read(tmp_path / "out")["pictures"][0]["objects"]
    assert len(found) > 10 and {item["class"] for item in found} <= set(CLASSES)
    for item in found:
        x1, y1, x2, y2 = item["box"]
        assert 0 <= x1 < x2 <= 100 and 0 <= y1 < y2 <= 50 and 0 <= item["score"] <= 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_pictures_of_any_mode_are_looked_at(mode, detector, tmp_path):
    Image.new(mode, (30, 40)).save(tmp_path / "a.png")
    assert predict(tmp_path / "a.png", model=detector, out=tmp_path / "out") == 0


@pytest.mark.parametrize(("height", "width"), [(1, 4000), (4000, 1), (1, 1), (3000, 2000)])
def test_thin_tiny_and_large_pictures_are_drawn_at_a_size_that_can_be_shown(
    height, width, detector, finds, tmp_path
):
    finds([[0.0, 0, 64, 64]])
    file = picture(tmp_path / "a.png", height=height, width=width)
    assert predict(file, model=detector, out=tmp_path / "out") == 0
    assert read(tmp_path / "out")["pictures"][0]["objects"][0]["box"] == [0, 0, width, height]
    with Image.open(tmp_path / "out" / "a.png") as drawn:
        assert min(drawn.size) >= 100 and max(drawn.size) <= 1600


def test_a_turned_photo_is_measured_upright(detector, finds, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.new("RGB", (100, 50)).save(tmp_path / "a.jpg", exif=exif)
    finds([[16.0, 0, 48, 64]])
    assert predict(tmp_path / "a.jpg", model=detector, out=tmp_path / "out") == 0
    entry = read(tmp_path / "out")["pictures"][0]
    assert (entry["height"], entry["width"]) == (100, 50)
    assert entry["objects"][0]["box"] == [0, 0, 50, 100]


def test_same_names_and_the_pictures_themselves_are_not_overwritten(detector, finds, tmp_path):
    finds([])
    out = tmp_path / "out"
    files = [picture(tmp_path / name) for name in ("x/a.png", "y/a.png", "y/A.jpg", "out/B.png")]
    files.append(picture(tmp_path / "x" / "a-2.png"))
    before = (out / "B.png").read_bytes()
    assert predict(*files, model=detector, out=out) == 0
    drawings = [entry["drawing"] for entry in read(out)["pictures"]]
    assert drawings == ["a.png", "a-2.png", "A-3.png", "B-2.png", "a-2-2.png"]
    assert all((out / name).is_file() for name in drawings)
    assert (out / "B.png").read_bytes() == before


def test_files_that_cannot_be_read_are_named_and_do_not_stop_the_others(detector, tmp_path, capsys):
    (tmp_path / "note.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    good = picture(tmp_path / "good.png")
    bad = [tmp_path / "note.png", tmp_path / "folder", tmp_path / "absent.png"]
    assert predict(bad[0], good, *bad[1:], model=detector, out=tmp_path / "out") == 1
    errors = capsys.readouterr().err.splitlines()
    assert "note.png cannot be read as a picture: not a picture that Pillow knows" in errors[0]
    assert "folder is a folder, not a picture. Name its pictures" in errors[1]
    assert "absent.png cannot be read as a picture: no such file" in errors[2]
    assert len(errors) == 3 and all(line.startswith("imgrec-lab: ") for line in errors)
    saved = read(tmp_path / "out")
    assert [entry["file"] for entry in saved["pictures"]] == [good]
    assert [entry["path"] for entry in saved["unreadable"]] == [str(path) for path in bad]


def test_a_classifier_gives_probabilities(classifier, tmp_path, capsys):
    folder = reddish_and_bluish(tmp_path / "colours", per_class=1)
    files = [folder / "red" / "0.png", folder / "blue" / "0.png"]
    assert predict(*files, model=classifier, out=tmp_path / "out") == 0
    model, classes, _ = recipes.load_classifier(classifier)
    for file, entry in zip(files, read(tmp_path / "out", "classes.json")["pictures"], strict=True):
        image = predictions.image_files.read_image(file)[None] / 255
        probs = model(image).softmax(dim=1)[0].tolist()
        expected = dict(zip(classes, probs, strict=True))
        assert entry["classes"] == pytest.approx(expected, abs=1e-4)
        assert list(entry["classes"].values()) == sorted(entry["classes"].values(), reverse=True)
    assert "0.png: red 0." in (out := capsys.readouterr().out) or "0.png: blue 0." in out
    assert not (tmp_path / "out" / "0.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--score-threshold", "1.5"], "score_threshold must lie in [0, 1]; got 1.5. Try 0.3"),
        (["--iou-threshold", "-1"], "iou_threshold must lie in [0, 1]; got -1. Try 0.5"),
        (["--score-threshold", "nan"], "score_threshold must lie in [0, 1]; got nan"),
        (["--model", "{classifier}", "--iou-threshold", "0.5"], "iou_threshold is for detectors"),
        (["--model", "absent.pt"], "no file absent.pt"),
        (["--model", "{picture}"], "damaged or of another kind"),
        (["--out", "{picture}"], "out must be a folder that can be written"),
    ],
)
def test_what_cannot_work_is_said_before_any_picture(
    arguments, sentence, detector, classifier, tmp_path, capsys
):
    file = picture(tmp_path / "a.png")
    places = {"classifier": classifier, "picture": file}
    arguments = [argument.format(**places) for argument in arguments]
    command = ["predict", file, "--model", str(detector), "--out", str(tmp_path / "out")]
    assert course.main([*command, *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and sentence in captured.err and captured.err.count("\n") == 1
