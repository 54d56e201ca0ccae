"""What a trained model says of picture files: ``imgrec-lab predict``."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from imgrec_lab import atomic_files, box_ops, detect, plots, runtime
from imgrec_lab.course import detection_recipes, recipes, run_folder
from imgrec_lab.datasets import image_files
from imgrec_lab.datasets.image_files import Unreadable

THRESHOLDS = {"score_threshold": 0.3, "iou_threshold": 0.5}
_SIDE_PX = (480, 1600)  # least and most of a drawn picture's longer side
_DPI = 100
_MOST_IN_WORDS = 3

Look = Callable[[str | Path, Tensor], dict[str, Any]]


def predict_files(
    files: Sequence[str | Path],
    model: str | Path,
    out: str | Path,
    *,
    score_threshold: float | None = None,
    iou_threshold: float | None = None,
) -> list[Unreadable]:
    """Look at pictures of any size with a trained model, and write what it says.

    Prints a line a picture. Of a detector, ``out`` receives each picture with its boxes as PNG,
    and ``detections.json`` with the boxes in the pictures' own pixels; of a classifier,
    ``classes.json`` with the probability of each class.

    Args:
        files: pictures; one that cannot be read does not stop the others.
        model: a ``model.pt`` that ``imgrec-lab train`` wrote.
        out: a folder for the files; made where it is missing.
        score_threshold: of a detector: less sure boxes are left out; None is 0.3.
        iou_threshold: of a detector: of two boxes of a class that share more, the surer is kept;
            None is 0.5.

    Returns:
        the files that could not be read, and why.

    Raises:
        OSError: if ``out`` cannot be written.
        ValueError: if the model cannot be used, or a threshold makes no sense.
    """
    given = {"score_threshold": score_threshold, "iou_threshold": iou_threshold}
    given = {name: value for name, value in given.items() if value is not None}
    finds_boxes = run_folder.read_model(model)["task"] == "detect"
    thresholds = _thresholds(given, finds_boxes, model)
    look = _detector(model, **thresholds) if finds_boxes else _classifier(model)
    out = run_folder.writable(Path(out))
    records, unreadable = [], []
    for file, drawing in zip(files, _drawings(files, out), strict=True):
        try:
            image = _read(file)
        except ValueError as error:
            unreadable.append(Unreadable(str(file), str(error)))
            continue
        record = {"file": str(file), "height": image.shape[1], "width": image.shape[2]}
        record |= look(file, image)
        if finds_boxes:
            record["drawing"] = drawing.name
            _draw(image, record["objects"], drawing)
        print(f"{file}: {_in_words(record)}", flush=True)
        records.append(record)
    written = {"model": str(model), **thresholds, "pictures": records}
    written["unreadable"] = [problem._asdict() for problem in unreadable]
    text = json.dumps(written, indent=1, ensure_ascii=False) + "\n"
    atomic_files.write_text(out / ("detections.json" if finds_boxes else "classes.json"), text)
    return unreadable


def _thresholds(given: dict[str, float], finds_boxes: bool, model: str | Path) -> dict[str, float]:
    for name, value in given.items():
        if not finds_boxes:
            raise ValueError(f"{name} is for detectors, and {model} classifies. Leave it out.")
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1]; got {value:g}. Try {THRESHOLDS[name]}.")
    return THRESHOLDS | given if finds_boxes else {}


def _read(file: str | Path) -> Tensor:
    if Path(file).is_dir():
        raise ValueError(f"{file} is a folder, not a picture. Name its pictures: {file}/*.")
    return image_files.read_image(file)


def _detector(path: str | Path, *, score_threshold: float, iou_threshold: float) -> Look:
    model, classes, recipe = detection_recipes.load_detector(path)
    model.to(runtime.pick_device())

    def look(file: str | Path, image: Tensor) -> dict[str, Any]:
        size, inside = tuple(image.shape[1:]), recipe.image_size
        small = image_files.read_image(file, image_size=inside, fit="pad")  # as in training
        found = detect.predict(
            model, small[None], score_threshold=score_threshold, iou_threshold=iou_threshold
        )[0]
        boxes = _in_own_pixels(found["boxes"], size, inside)
        seen = box_ops.area(boxes) > 0  # and not in the bars that fill up the shape
        return {
            "objects": [
                {
                    "class": classes[label],
                    "score": round(score, 4),
                    "box": [round(side, 2) for side in box],
                }
                for label, score, box in zip(
                    *(value[seen].tolist() for value in (found["labels"], found["scores"], boxes)),
                    strict=True,
                )
            ]
        }

    return look


def _in_own_pixels(boxes: Tensor, size: tuple[int, int], inside: tuple[int, int]) -> Tensor:
    """Boxes (M, 4) on a picture that was brought to ``inside``, on the picture as it was."""
    scale_x, scale_y, left, top = image_files.placing(size, inside, "pad")
    start, scale = torch.tensor([left, top] * 2), torch.tensor([scale_x, scale_y] * 2)
    return box_ops.clip((boxes - start) / scale, size)


def _classifier(path: str | Path) -> Look:
    model, classes, recipe = recipes.load_classifier(path)
    device = runtime.pick_device()
    model.to(device)

    @torch.no_grad()
    def look(file: str | Path, image: Tensor) -> dict[str, Any]:
        small = image_files.read_image(file, image_size=recipe.image_size)  # as in training
        probs = model(small[None].to(device) / 255)[0].softmax(dim=0).cpu()  # (K,)
        order = probs.argsort(descending=True).tolist()
        return {"classes": {classes[label]: round(probs[label].item(), 4) for label in order}}

    return look


def _drawings(files: Sequence[str | Path], out: Path) -> list[Path]:
    """A PNG in ``out`` for each file: all different, and none of them one of ``files``."""

    def place(path: str | Path) -> str:
        return str(Path(path).resolve()).casefold()  # some disks know no capitals

    taken, chosen = set(map(place, files)), []
    for stem in (Path(file).stem for file in files):
        endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
        paths = (out / f"{stem}{ending}.png" for ending in endings)
        chosen.append(next(path for path in paths if place(path) not in taken))
        taken.add(place(chosen[-1]))
    return chosen


def _draw(image: Tensor, objects: Sequence[dict[str, Any]], path: Path) -> None:
    height, width = image.shape[1:]
    longer = min(max(height, width, _SIDE_PX[0]), _SIDE_PX[1]) / _DPI  # inches
    sides = [max(longer * side / max(height, width), 1) for side in (width, height)]
    figure = Figure(figsize=sides, dpi=_DPI)
    boxes = torch.tensor([item["box"] for item in objects]).reshape(-1, 4)
    names = [f"{item['class']} {item['score']:.2f}" for item in objects]
    ax = figure.add_axes((0, 0, 1, 1))
    plots.show_boxes(image, boxes, names, ax=ax).set_aspect("auto")  # of 1 x 4000, shows the row
    atomic_files.write_atomically(path, lambda file: figure.savefig(file, format="png"))


def _in_words(record: dict[str, Any]) -> str:
    if "classes" in record:
        best = list(record["classes"].items())[:_MOST_IN_WORDS]
        return ", ".join(f"{name} {prob:.3f}" for name, prob in best)
    objects = record["objects"]
    best = [f"{item['class']} {item['score']:.2f}" for item in objects[:_MOST_IN_WORDS]]
    best += ["..."] * (len(objects) > len(best))
    return f"{len(objects)} found" + (f": {', '.join(best)}" if best else "")
