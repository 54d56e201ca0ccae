"""One COCO annotation to an instance, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imgrec_lab.annotations import bad_records, outlines, rle_masks
from imgrec_lab.annotations.bad_records import BadRecord
from imgrec_lab.annotations.records import Box, Instance, Picture, Ring

Report = Callable[[BadRecord], None]


def to_instance(
    record: dict, labels: Mapping[object, int], size: tuple[int, int], report: Report
) -> Instance:
    """The instance of one annotation.

    Args:
        record: the annotation's JSON object.
        labels: the label of each category id.
        size: (height, width) of the picture.
        report: takes what is wrong with the outline alone; the instance then keeps its box.

    Raises:
        BadRecord: if it has no known category or no box.
    """
    category = record.get("category_id")
    if not isinstance(category, int | str) or category not in labels:
        raise BadRecord(
            f"its category_id {category!r} is not listed among the categories",
            "List the category, or correct the id.",
            "unknown-class",
        )
    polygons, rle = _shape(record.get("segmentation"), size, report)
    box = _box(record.get("bbox"), polygons, rle, size)
    return Instance(labels[category], box, polygons, rle, crowd=record.get("iscrowd") in (1, "1"))


def _box(bbox: object, polygons: tuple[Ring, ...], rle: str | None, size: tuple[int, int]) -> Box:
    if bbox is None and rle is not None:
        return rle_masks.box(rle, *size)
    if bbox is None and polygons:
        return outlines.box(polygons)
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise BadRecord(
            f"its bbox must be [x, y, width, height]; got {bbox!r:.60}", "Mark the object again."
        )
    x, y, width, height = bad_records.numbers(bbox, "its bbox")
    return bad_records.pixels((x, y, x + width, y + height))


def _shape(
    segmentation: object, size: tuple[int, int], report: Report
) -> tuple[tuple[Ring, ...], str | None]:
    """(polygons, None), ((), rle), or ((), None) where there is no outline that can be used."""
    try:
        if isinstance(segmentation, dict):
            return (), _rle(segmentation, size)
        if not isinstance(segmentation, list | None):
            raise BadRecord(
                f"its segmentation must be a list of polygons or run lengths; "
                f"got {segmentation!r:.60}",
                "Export the file again.",
            )
    except BadRecord as error:
        report(error)
        return (), None
    rings = []
    for values in segmentation or ():
        try:
            rings.append(_ring(values))
        except BadRecord as error:
            report(error)
    return tuple(rings), None


def _ring(values: object) -> Ring:
    if not isinstance(values, list) or len(values) < 6 or len(values) % 2:
        raise BadRecord(
            f"a polygon must have three points or more, [x1, y1, x2, y2, ...]; got {values!r:.60}",
            "Draw the outline again.",
        )
    ring = bad_records.pixels(bad_records.numbers(values, "a polygon"))
    if len(set(zip(ring[::2], ring[1::2], strict=True))) < 3:
        raise BadRecord(
            f"a polygon must have three different points or more; got {values!r:.60}",
            "Draw the outline again.",
        )
    return ring


def _rle(segmentation: dict, size: tuple[int, int]) -> str:
    counts, stated = segmentation.get("counts"), segmentation.get("size")
    if stated != list(size):
        raise BadRecord(
            f"its mask has size {stated}, the picture has [{size[0]}, {size[1]}] (height, width)",
            "Export the masks again.",
        )
    try:
        rle = rle_masks.compress(counts) if isinstance(counts, list) else counts
        rle_masks.expand(rle, *size)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadRecord(f"its mask cannot be used: {error}", "Export the masks again.") from error
    return rle


def from_instance(item: Instance, picture: Picture) -> dict:
    """The JSON object of an instance, without the ids that its file gives it."""
    x1, y1, x2, y2 = item.box
    size = (picture.height, picture.width)
    area = max(0, x2 - x1) * max(0, y2 - y1)
    segmentation: list | dict = [[bad_records.plain(v) for v in ring] for ring in item.polygons]
    if item.rle is not None:
        segmentation = {"size": list(size), "counts": item.rle}
        area = rle_masks.area(item.rle, *size)
    elif item.polygons:
        area = outlines.area(item.polygons, *size)
    bbox = bad_records.pixels((x1, y1, x2 - x1, y2 - y1))
    return {
        "bbox": [bad_records.plain(value) for value in bbox],
        "area": bad_records.plain(round(area, bad_records.PLACES)),
        "segmentation": segmentation,
        "iscrowd": int(item.crowd),
    }
