"""`imgrec-lab train --task detect` from labelled pictures to its results, and what it refuses."""

import csv
import json
import math

import pytest
import torch
from picture_folders import reddish_and_bluish
from PIL import Image

from imgrec_lab import augment, course, datasets, detect, scenes, train
from imgrec_lab.course import detection_recipes, recipes
from imgrec_lab.course.detection_recipes import DetectionRecipe

SMALL = DetectionRecipe(image_size=(64, 64), epochs=2, batch_size=8)


def drawn(count: int, *, seed: int = 5) -> datasets.SceneSet:
    batch = scenes.draw_streets(count, image_size=(64, 64), seed=seed)
    return datasets.SceneSet(batch.images, batch.targets, scenes.CLASSES)


def without_objects(data: datasets.SceneSet) -> datasets.SceneSet:
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    return datasets.SceneSet(data.images, [nothing] * len(data), data.classes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty street scenes of 64 x 64 in COCO's format."""
    return datasets.to_annotations(drawn(40), tmp_path_factory.mktemp("streets") / "coco")


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    arguments = "--task detect --image-size 64 --epochs 2 --batch-size 8 --ema-decay 0.9"
    status = course.main(["train", "--data", str(folder), "--out", str(out), *arguments.split()])
    assert status == 0
    return out


def test_it_writes_what_is_promised(finished):
    result = json.loads((finished / "result.json").read_text())
    scores = result["test"]
    assert (
        scores["images"] == result["val"]["images"] == 4
        and 0 <= scores["ap"] <= scores["ap50"] <= 1
    )
    assert list(scores["classes"]) == list(scenes.CLASSES)
    for values in scores["classes"].values():
        assert (values["ap50"] is None) == (values["objects"] == 0)
    assert scores["ap_large"] is None  # no sign is that large: NaN, which JSON does not know
    assert result["recipe"]["image_size"] == [64, 64] and result["recipe"]["ema_decay"] == 0.9
    assert "torch" in result["machine"] and result["ended"] == "finished"
    with (finished / "history.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    for name in ("found.png", "precision_recall.png"):
        assert Image.open(finished / name).width > 400
    left = {path.name for path in finished.iterdir()}
    assert left == {
        "model.pt", "history.csv", "history.json", "result.json", "found.png",
        "precision_recall.png",
    }  # fmt: skip


def test_the_model_comes_back_as_it_was(finished):
    model, classes, recipe = detection_recipes.load_detector(finished / "model.pt")
    assert classes == scenes.CLASSES and recipe.image_size == (64, 64) and not model.training
    saved = torch.load(finished / "model.pt", weights_only=True)
    assert saved["versions"]["torch"] == str(torch.__version__)
    weights = model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in saved["weights"].items())


@pytest.mark.filterwarnings("ignore:(voc|yolo) has no place for", "ignore:no training picture")
@pytest.mark.parametrize("format", ["coco", "voc", "yolo"])
def test_folders_in_each_format_are_read(format, tmp_path):
    path = datasets.to_annotations(drawn(30), tmp_path / format, format=format)
    sets = detection_recipes._read_sets(path, SMALL)
    assert [len(part) for part in sets] == [24, 3, 3]
    count = sum(sum(part.counts().values()) for part in sets)
    assert count == sum(drawn(30).counts().values())
    assert sets.train.images.shape[2:] == (64, 64)


def test_a_set_is_found_by_its_name_and_masks_go_where_they_are_needed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    sets = detection_recipes._read_sets("streets", SMALL)
    assert sets.train.images.shape[2:] == (64, 64) and "masks" not in sets.train.targets[0]
    recipe = DetectionRecipe(network="mask_rcnn", image_size=(64, 64))
    assert "masks" in detection_recipes._read_sets("streets", recipe).train.targets[0]
    with pytest.raises(ValueError, match="'signs' has one class a picture. Try streets"):
        detection_recipes._read_sets("signs", SMALL)


def test_it_learns_to_find_squares(tmp_path):
    """Red and blue squares on grey, a class each."""
    generator = torch.Generator().manual_seed(0)
    images = torch.full((120, 3, 64, 64), 128, dtype=torch.uint8)
    targets = []
    for index, image in enumerate(images):
        x, y = torch.randint(0, 44, (2,), generator=generator).tolist()
        label = index % 2
        image[:, y : y + 20, x : x + 20] = 0
        image[2 * label, y : y + 20, x : x + 20] = 255
        box = torch.tensor([[x, y, x + 20, y + 20]], dtype=torch.float32)
        targets.append({"boxes": box, "labels": torch.tensor([label])})
    data = datasets.SceneSet(images, targets, ("red", "blue"))
    path = datasets.to_annotations(data, tmp_path / "squares", format="yolo")
    recipe = DetectionRecipe(image_size=(64, 64), epochs=8, batch_size=8)
    scores = detection_recipes.train_detector(path, tmp_path / "out", recipe)
    assert scores.ap50 > 0.9


def test_torchvision_is_trained_by_the_same_command(folder, tmp_path):
    arguments = "--task detect --network ssdlite --image-size 64 --epochs 1 --batch-size 8"
    command = ["train", "--data", str(folder), "--out", str(tmp_path), *arguments.split()]
    assert course.main(command) == 0
    model, _, recipe = detection_recipes.load_detector(tmp_path / "model.pt")
    assert isinstance(model, detect.TorchvisionDetector) and recipe.network == "ssdlite"


def test_damaged_foreign_and_missing_models_are_named(finished, tmp_path):
    whole = (finished / "model.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    torch.save({"something": 1}, tmp_path / "foreign.pt")
    saved = torch.load(finished / "model.pt", weights_only=True)
    torch.save({**saved, "classes": saved["classes"][:5]}, tmp_path / "fewer_classes.pt")
    for name in ("cut.pt", "foreign.pt", "fewer_classes.pt"):
        with pytest.raises(ValueError, match=f"{name} is damaged or of another kind"):
            detection_recipes.load_detector(tmp_path / name)
    with pytest.raises(ValueError, match="no file .*absent.pt"):
        detection_recipes.load_detector(tmp_path / "absent.pt")


def test_each_kind_of_model_goes_to_its_own_loader(finished, tmp_path):
    recipe = recipes.Recipe(network="tinycnn")
    model = recipes.NETWORKS["tinycnn"](2)
    path = recipes.save_classifier(model, ("a", "b"), recipe, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="must hold a detector; .* trained with --task classify"):
        detection_recipes.load_detector(path)
    with pytest.raises(ValueError, match="must hold a classifier; .* trained with --task detect"):
        recipes.load_classifier(finished / "model.pt")


@pytest.mark.filterwarnings("ignore:no training picture")
def test_a_run_that_was_cut_off_goes_on_and_not_with_other_classes(folder, tmp_path, monkeypatch):
    whole = detection_recipes.train_detector(folder, tmp_path / "whole", SMALL)
    rows = []

    def cut_off_at_the_second(row):
        rows.append(row)
        if len(rows) == 2:
            raise SystemError("the power is gone")
        return ""

    with monkeypatch.context() as patched, pytest.raises(SystemError):
        patched.setattr(detection_recipes.history, "table_row", cut_off_at_the_second)
        detection_recipes.train_detector(folder, tmp_path / "out", SMALL)
    fewer = drawn(40)
    for target in fewer.targets:
        target["labels"] %= 3
    fewer = datasets.SceneSet(fewer.images, fewer.targets, ("a", "b", "c"))
    other = datasets.to_annotations(fewer, tmp_path / "other")
    with pytest.raises(ValueError, match="must belong to this run; its model: "):
        detection_recipes.train_detector(other, tmp_path / "out", SMALL, resume=True)
    resumed = detection_recipes.train_detector(folder, tmp_path / "out", SMALL, resume=True)
    assert str(resumed) == str(whole)
    assert not (tmp_path / "out" / "checkpoint.pt").exists()


def test_the_policy_is_the_one_that_was_asked_for(folder, tmp_path, monkeypatch):
    used, whole_fit = [], train.fit

    def fit_and_note(*arguments, **choices):
        used.append(choices["augment"])
        return whole_fit(*arguments, **choices)

    monkeypatch.setattr(train, "fit", fit_and_note)
    policy = augment.Policy([augment.Brightness(0.4)])
    path = policy.save(tmp_path / "policy.json")
    for choice in (["--policy", str(path)], ["--flip"], []):
        command = ["train", "--task", "detect", "--data", str(folder), "--out", str(tmp_path)]
        assert course.main([*command, "--image-size", "64", "--epochs", "1", *choice]) == 0
    assert used[0] == policy
    assert augment.Flip() in used[1].steps and augment.Flip() not in used[2].steps


@pytest.mark.filterwarnings("ignore:no training picture")
def test_it_learns_from_windows_and_is_judged_on_whole_pictures(folder, tmp_path, monkeypatch):
    seen = {True: set(), False: set()}  # picture sizes, in training and not
    forward = detect.Detector.forward

    def forward_and_note(model, images):
        seen[model.training].add(tuple(images.shape[2:]))
        return forward(model, images)

    monkeypatch.setattr(detect.Detector, "forward", forward_and_note)
    command = ["train", "--task", "detect", "--data", str(folder), "--out", str(tmp_path)]
    choices = ["--image-size", "80x96", "--window", "48", "--epochs", "1", "--flip"]
    assert course.main([*command, *choices]) == 0
    assert seen == {True: {(48, 48)}, False: {(80, 96)}}
    assert detection_recipes.load_detector(tmp_path / "model.pt")[2].window == 48


def test_the_policy_works_inside_the_window():
    recipe = DetectionRecipe(image_size=(64, 64), window=32, flip=True)
    batch = drawn(6)
    torch.manual_seed(0)
    images, targets = detection_recipes._changes(recipe)(batch.images, batch.targets)
    torch.manual_seed(0)
    cut = augment.Windows((32, 32))(batch.images, batch.targets)
    expected_images, expected = detection_recipes._policy(recipe)(*cut)
    assert images.shape == (6, 3, 32, 32) and torch.equal(images, expected_images)
    for one, other in zip(targets, expected, strict=True):
        assert torch.equal(one["boxes"], other["boxes"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--window", "40"], "window must be a multiple of 16 pixels, and at most 64"),
        (["--window", "0"], "at most 64, the picture's shorter side; got 0. Take one larger than"),
        (["--image-size", "64x96", "--window", "80"], "at most 64, the picture's shorter side; "),
        (["--network", "fcos", "--window", "32"], "a window is for the network detector; fcos wo"),
        (["--task", "classify", "--window", "32"], "--window must be left out with --task class"),
        (["--shift", "2"], "--shift must be left out with --task detect"),
        (["--lighting", "0.3", "--label-smoothing", "0.1"], "--label-smoothing and --lighting"),
        (["--network", "resnet"], "network must be one of detector, ssdlite, fcos"),
        (["--image-size", "100"], "multiples of 16 pixels for detector; got 100 x 100. Try 128"),
        (["--image-size", "64x0"], "multiples of 16 pixels for detector; got 64 x 0"),
        (["--image-size", "48", "--network", "fcos"], "multiples of 32 pixels for fcos; got 48 x"),
        (["--flip", "--policy", "{policy}"], "takes the place of flip; got both"),
        (["--resume"], "resume needs a run that was cut off"),
        (["--network", "mask_rcnn", "--data", "{bare}"], "mask_rcnn learns from masks"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "{classes}"], "draw boxes first: widgets.annotator."),
        (["--data", "signs"], "'signs' has one class a picture"),
        (["--data", "{empty}"], "must show objects; none of the 16 in"),
        (["--data", "{few}"], "none is left for validation. Label at least 3"),
    ],
)
@pytest.mark.filterwarnings("ignore:no training picture")
def test_the_command_answers_in_one_sentence(arguments, sentence, folder, tmp_path, capsys):
    bare = drawn(20)
    boxes = [{"boxes": t["boxes"], "labels": t["labels"]} for t in bare.targets]
    bare = datasets.SceneSet(bare.images, boxes, bare.classes)
    places = {
        "policy": augment.Policy([]).save(tmp_path / "policy.json"),
        "classes": reddish_and_bluish(tmp_path / "classes", per_class=2),
        "bare": datasets.to_annotations(bare, tmp_path / "bare"),
        "empty": datasets.to_annotations(without_objects(drawn(20)), tmp_path / "empty"),
        "few": datasets.to_annotations(drawn(2), tmp_path / "few"),
    }
    arguments = [argument.format(**places) for argument in arguments]
    start = ["train", "--task", "detect", "--image-size", "64", "--data", str(folder)]
    assert course.main([*start, "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("imgrec-lab: ") and sentence in error and error.count("\n") == 1


@pytest.mark.parametrize("size", ["big", "64x64x3", "64x"])
def test_a_size_that_is_none_is_named(size, folder, capsys):
    with pytest.raises(SystemExit):
        course.main(["train", "--data", str(folder), "--image-size", size])
    assert f"must be one number or HEIGHTxWIDTH, such as 128 or 96x160; got '{size}'" in (
        capsys.readouterr().err
    )


def test_what_the_help_says_of_defaults_is_true(capsys):
    with pytest.raises(SystemExit):
        course.main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    one, two = recipes.Recipe(), DetectionRecipe()
    assert f"({one.image_size[0]} / {two.image_size[0]})" in text
    assert f"passes over the pictures ({one.epochs} / {two.epochs})" in text
    assert f"pictures a step ({one.batch_size} / {two.batch_size})" in text
    assert one.lr == two.lr and f"the highest learning rate ({one.lr:g})" in text


def test_a_class_without_a_training_picture_is_named_and_its_score_is_defined(tmp_path):
    data = drawn(30)
    for target in data.targets:
        target["labels"] %= 2
    renamed = datasets.SceneSet(data.images, data.targets, ("sign", "post", "ghost"))
    path = datasets.to_annotations(renamed, tmp_path / "data")
    with pytest.warns(UserWarning, match="no training picture shows 'ghost': it will not be found"):
        scores = detection_recipes.train_detector(path, tmp_path / "out", SMALL)
    assert math.isnan(scores.ap50_per_class[2]) and not math.isnan(scores.ap50)


@pytest.mark.filterwarnings("ignore:no training picture")
def test_test_pictures_without_objects_give_no_score_and_no_crash(folder, tmp_path):
    parts = datasets.from_annotations(folder, image_size=(64, 64))
    parts = parts._replace(test=without_objects(parts.test))
    path = datasets.to_annotations(parts, tmp_path / "data")
    scores = detection_recipes.train_detector(path, tmp_path / "out", SMALL)
    assert math.isnan(scores.ap)
    assert json.loads((tmp_path / "out" / "result.json").read_text())["test"]["ap"] is None


def test_an_interrupt_while_training_still_writes_everything(folder, tmp_path, capsys, monkeypatch):
    def interrupt(row):
        raise KeyboardInterrupt

    monkeypatch.setattr(detection_recipes.history, "table_row", interrupt)
    detection_recipes.train_detector(folder, tmp_path, SMALL)
    assert "interrupted after 1 whole epochs" in capsys.readouterr().out
    assert json.loads((tmp_path / "result.json").read_text())["ended"] == "interrupted"
    assert (tmp_path / "checkpoint.pt").is_file()


def test_an_out_that_is_a_file_is_refused_before_training(folder, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    command = ["train", "--task", "detect", "--data", str(folder), "--out"]
    assert course.main([*command, str(tmp_path / "notes.txt")]) == 2
    assert "out must be a folder that can be written" in capsys.readouterr().err
