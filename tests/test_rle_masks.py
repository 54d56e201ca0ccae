"""Masks as run lengths and outlines: by hand, and character by character as pycocotools."""

import numpy as np
import pytest

from imgrec_lab.annotations import outlines, rle_masks, tracing

# pycocotools has not caught up with numpy 2; its warnings are not ours.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def random_masks():
    rng = np.random.default_rng(0)
    yield from (np.zeros((4, 3), bool), np.ones((4, 3), bool), np.ones((1, 1), bool))
    for height, width in ((7, 5), (1, 40), (40, 1), (64, 48)):
        for share in (0.05, 0.5, 0.9):
            yield rng.random((height, width)) < share
    smooth = np.add.outer(np.arange(90) - 40, np.arange(70) - 30) ** 2 < 900
    yield smooth


def test_run_lengths_by_hand():
    mask = np.array([[0, 1, 1], [0, 0, 1]], bool)  # down the columns: 0 0 1 0 1 1
    rle = rle_masks.encode(mask)
    assert rle_masks.expand(rle, 2, 3).tolist() == [2, 1, 1, 2]
    assert np.array_equal(rle_masks.decode(rle, 2, 3), mask)
    assert rle_masks.area(rle, 2, 3) == 3 and rle_masks.box(rle, 2, 3) == (1, 0, 3, 2)


def test_run_lengths_are_those_of_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    for mask in random_masks():
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        ours = rle_masks.encode(mask)
        assert ours == theirs["counts"].decode()
        assert np.array_equal(rle_masks.decode(ours, *mask.shape), coco.decode(theirs).astype(bool))
        assert rle_masks.area(ours, *mask.shape) == coco.area(theirs)
        x, y, width, height = coco.toBbox(theirs)
        assert rle_masks.box(ours, *mask.shape) == (x, y, x + width, y + height)


def test_outlines_fill_what_pycocotools_fills_but_for_their_edge():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    for _ in range(60):
        ring = tuple(rng.uniform(-5, 45, 2 * rng.integers(3, 9)).round(1))
        ours = outlines.polygons_to_mask([ring], 40, 40)
        theirs = coco.decode(coco.frPyObjects([list(ring)], 40, 40))[:, :, 0].astype(bool)
        for y, x in np.argwhere(ours != theirs):
            assert _distance(ring, x + 0.5, y + 0.5) <= 0.3, (ring, x, y)


def _distance(ring, x: float, y: float) -> float:
    """From a point to the nearest edge of a ring."""
    corners = np.reshape(ring, (-1, 2))
    along = np.roll(corners, -1, axis=0) - corners
    to = np.array([x, y]) - corners
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    place = np.clip((to * along).sum(axis=1) / length, 0, 1)[:, None]
    return float(np.sqrt(((to - place * along) ** 2).sum(axis=1)).min())


def test_a_mask_traced_and_filled_is_the_same_mask():
    for mask in random_masks():
        rings = tracing.mask_to_polygons(mask)
        assert np.array_equal(outlines.polygons_to_mask(rings, *mask.shape), mask)
        if mask.any():
            one = outlines.joined(rings)
            assert np.array_equal(outlines.polygons_to_mask([one], *mask.shape), mask)


def test_area_and_box_of_an_outline():
    triangle = (1.0, 1.0, 9.0, 1.0, 9.0, 7.0)
    assert outlines.area([triangle], 10, 10) == 24
    assert outlines.box([triangle, (0.0, 5.0, 2.0, 5.0, 2.0, 8.0)]) == (0, 1, 9, 8)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "rings",
    [
        [(5, 5, 25, 5, 25, 25, 5, 25)] * 2,  # one covers the other
        [(5, 5, 25, 5, 25, 25, 5, 25), (15, 15, 35, 15, 35, 30, 15, 30)],  # they overlap
        [(5, 5, 25, 25, 25, 5, 5, 25)],  # a bow tie
        [(-10, 5, 10, 5, 10, 25, -10, 25)],  # half outside
        [(5, 5, 25, 5, 25, 25, 5, 25)],
        [(0, 0, 40, 0, 40, 30, 20, 30, 20, 10, 0, 10)],
    ],
)
def test_the_area_is_what_pycocotools_counts(rings):
    masks = pytest.importorskip("pycocotools.mask")
    theirs = masks.merge(masks.frPyObjects([list(map(float, ring)) for ring in rings], 30, 40))
    assert outlines.area(rings, 30, 40) == masks.area(theirs)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: rle_masks.encode(np.zeros((1, 2, 3))), r"mask must have shape \(H, W\); got"),
        (lambda: rle_masks.decode("3", 4, 4), "must cover 4 x 4 = 16 pixels; .* add up to 3"),
        (lambda: rle_masks.decode("é", 4, 4), "must be COCO's compressed run lengths"),
        (lambda: rle_masks.decode("", 4, 4), "must be COCO's compressed run lengths"),
        (lambda: rle_masks.decode("o" * 9 + "0", 4, 4), "run lengths below 2"),
    ],
)
def test_what_is_no_mask_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
