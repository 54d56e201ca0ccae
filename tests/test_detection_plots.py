"""Figures of detectors: what was found, the curve, the errors, and the dense grids."""

import itertools
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from imgrec_lab import metrics, plots

pytestmark = pytest.mark.usefixtures("no_figures_left")

IMAGE = torch.full((3, 48, 64), 128, dtype=torch.uint8)
CLASSES = ("stop", "yield")
TRUTH = {
    "boxes": torch.tensor([[4.0, 4, 14, 14], [30, 4, 40, 14], [50, 30, 60, 40]]),
    "labels": torch.tensor([0, 1, 0]),
}
FOUND = {
    "boxes": torch.tensor(
        [[4.0, 4, 14, 14], [5, 4, 15, 14], [30, 4, 40, 14], [2, 30, 12, 40], [50, 30, 60, 40]]
    ),
    "scores": torch.tensor([0.97, 0.9, 0.8, 0.7, 0.1]),
    "labels": torch.tensor([0, 0, 0, 1, 0]),
}


def texts(ax):
    return [text.get_text().strip() for text in ax.texts]


def looks(ax):
    return [(to_hex(patch.get_edgecolor()).upper(), patch.get_linestyle()) for patch in ax.patches]


# -------------------------------------------------------------------------------------- detections


def test_what_is_right_wrong_and_missed_differs_in_word_colour_and_line():
    ax = plots.detections(IMAGE, FOUND, TRUTH, CLASSES)
    right, wrong, missed = (plots.BLUE, "-"), (plots.VERMILLION, "-."), (plots.PALETTE[6], "--")
    assert looks(ax) == [right, wrong, wrong, wrong, missed, missed]
    assert texts(ax) == [
        "stop 0.97", "stop 0.90 (duplicate)", "stop 0.80 (class)", "yield 0.70 (background)",
        "missed: yield", "missed: stop",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == "1 right, 3 wrong, 2 missed"


def test_thresholds_decide_what_is_drawn_and_what_is_right():
    ax = plots.detections(IMAGE, FOUND, TRUTH, CLASSES, score_threshold=0.05)
    assert ax.get_title(loc="left") == "2 right, 3 wrong, 1 missed"
    shifted = FOUND | {"boxes": FOUND["boxes"] + torch.tensor([3.0, 0, 3, 0])}  # IoU 7 / 13
    for iou_threshold, right in ((0.5, 1), (0.6, 0), (0.05, 1)):
        ax = plots.detections(IMAGE, shifted, TRUTH, CLASSES, iou_threshold=iou_threshold)
        assert ax.get_title(loc="left").startswith(f"{right} right")


def test_a_crowd_is_neither_missed_nor_are_boxes_in_it_wrong():
    crowd = torch.tensor([False, True, True])
    ax = plots.detections(IMAGE, FOUND, TRUTH | {"crowd": crowd}, CLASSES, score_threshold=0.05)
    assert ax.get_title(loc="left") == "1 right, 3 wrong, 0 missed"
    assert looks(ax)[4][1] == ":" and texts(ax)[4] == "stop 0.10"


def test_masks_are_drawn_and_missed_objects_have_none():
    masks = torch.zeros(5, 48, 64, dtype=torch.bool)
    masks[:, 5:9, 5:9] = True
    for target in (TRUTH, None):
        ax = plots.detections(IMAGE, FOUND | {"masks": masks}, target, CLASSES)
        assert len(ax.collections) == 4  # one outline each


def test_without_a_truth_every_class_has_a_colour():
    ax = plots.detections(IMAGE, FOUND, None, CLASSES)
    (a, _), (b, _), (c, _), (d, _) = looks(ax)
    assert a == b == c != d and {style for _, style in looks(ax)} == {"-"}
    assert ax.get_title(loc="left") == "4 found"


def test_nothing_found_and_nothing_there():
    nothing = {key: value[:0] for key, value in FOUND.items()}
    ax = plots.detections(IMAGE, nothing, TRUTH, CLASSES)
    assert ax.get_title(loc="left") == "0 right, 0 wrong, 3 missed"
    empty = {key: value[:0] for key, value in TRUTH.items()}
    ax = plots.detections(IMAGE, FOUND, empty, CLASSES, title="own")
    assert len(ax.patches) == 4 and ax.get_title(loc="left") == "own"
    assert not plots.detections(IMAGE, nothing, empty, CLASSES).patches


def test_labels_beyond_the_classes():
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0 for 1 classes; got 0\.\.1"):
        plots.detections(IMAGE, FOUND, None, ["stop"])
    with pytest.raises(ValueError, match=r"targets\[0\]\['labels'\] must lie in 0\.\.1"):
        plots.detections(IMAGE, FOUND, TRUTH | {"labels": torch.tensor([0, 1, 2])}, CLASSES)


# -------------------------------------------------------------------------------- precision-recall


def test_the_curve_is_drawn_raw_and_without_its_dents():
    precision, recall = torch.tensor([1.0, 0.5, 2 / 3]), torch.tensor([0.25, 0.25, 0.5])
    ax = plots.precision_recall(precision, recall, average_precision=0.4167)
    steps, raw = ax.lines
    assert np.allclose(raw.get_xydata(), [[0.25, 1], [0.25, 0.5], [0.5, 2 / 3]])
    corners = [[0, 1], [0.25, 1], [0.25, 2 / 3], [0.5, 2 / 3], [0.5, 0]]
    assert np.allclose(steps.get_xydata(), corners)
    assert steps.get_drawstyle() == "steps-pre"
    assert ax.get_title(loc="left") == "Precision and recall: AP 0.417"
    assert ax.get_xlabel().startswith("recall") and ax.get_ylabel().startswith("precision")


def test_the_shaded_area_is_the_average_precision():
    generator = torch.Generator().manual_seed(1)
    scores = torch.rand(300, generator=generator)
    correct = torch.rand(300, generator=generator) < scores
    curve = metrics.precision_recall(scores, correct, 250)
    ax = plots.precision_recall(curve.precision, curve.recall)
    shade = ax.patches[0].get_data()
    area = (shade.values * np.diff(shade.edges)).sum()
    expected = metrics.average_precision(curve.precision, curve.recall)
    assert 0.3 < area < 0.9 and area == pytest.approx(expected, abs=0.01)


def test_several_curves_have_names_that_cover_no_other():
    ax = None
    for number in range(5):
        recall = torch.linspace(0.1, 0.9 - 0.01 * number, 20)
        ax = plots.precision_recall(
            1 - recall / 2,
            recall,
            average_precision=0.5,
            name=f"IoU 0.{number}",
            title="all",
            ax=ax,
        )
    ax.figure.canvas.draw()
    assert sorted(texts(ax)) == [f"IoU 0.{number}, AP 0.500" for number in range(5)]
    assert len({line.get_color() for line in ax.lines}) == 5
    # the boxes of the letters, not of the line that ties them to the curve
    extents = [plt.Text.get_window_extent(text).extents for text in ax.texts]
    for (_, low_a, _, high_a), (_, low_b, _, high_b) in itertools.combinations(extents, 2):
        assert high_a <= low_b + 2 or high_b <= low_a + 2
    assert max(extent[2] for extent in extents) <= ax.figure.bbox.width


def test_a_curve_of_no_detection():
    ax = plots.precision_recall(torch.zeros(0), torch.zeros(0), average_precision=0)
    assert ax.get_title(loc="left") == "Precision and recall: AP 0.000"
    named = plots.precision_recall(torch.zeros(0), torch.zeros(0), name="stop")
    assert texts(named) == ["stop"]


def test_curves_that_are_none_are_refused():
    good = torch.tensor([0.5, 0.6])
    with pytest.raises(ValueError, match=r"both have shape \(M,\); got \(2,\) and \(1,\)"):
        plots.precision_recall(good, good[:1])
    for precision, recall in (
        (good, good.flip(0)),
        (good * 2, good),
        (good, torch.tensor([0.1, math.nan])),
    ):
        with pytest.raises(ValueError, match="recall must never fall; got precision"):
            plots.precision_recall(precision, recall)
    assert not plt.get_fignums()


# ------------------------------------------------------------------------------------------ errors


def test_errors_are_written_with_what_they_cost():
    errors = metrics.detection_errors([FOUND], [TRUTH], num_classes=2)
    counts, gains = plots.error_breakdown(errors.counts, errors.ap50_gain)
    rows = [label.get_text().split("\n")[0] for label in counts.get_yticklabels()]
    assert rows == list(errors.ap50_gain)  # "correct" is no error
    assert texts(counts) == [str(errors.counts[kind]) for kind in rows]
    assert texts(gains) == [f"{errors.ap50_gain[kind]:+.3f}" for kind in rows]
    widths = [patch.get_width() for patch in gains.patches]
    assert widths == pytest.approx([errors.ap50_gain[kind] for kind in rows])
    assert gains.get_xlabel() == "AP50 won (fraction)"


def test_losses_and_unknown_gains():
    _, gains = plots.error_breakdown({"own": 3, "other": 1}, {"own": -0.01, "other": math.nan})
    assert texts(gains) == ["\N{MINUS SIGN}0.010", "not known"]
    assert gains.get_xlim()[0] == pytest.approx(-0.01)


def test_errors_without_counts_are_refused():
    with pytest.raises(ValueError, match="counts must hold all kinds of error that gains holds"):
        plots.error_breakdown({"class": 1}, {"class": 0.1, "missed": 0.2})
    with pytest.raises(ValueError, match="one at least; got"):
        plots.error_breakdown({}, {})
    with pytest.raises(ValueError, match="axes must be 2 axes; got 1"):
        plots.error_breakdown({"a": 1}, {"a": 0}, axes=[plt.figure().subplots()])


# ------------------------------------------------------------------------------------- dense grids


def grid(height=48, width=64, sizes=(8, 16)):
    points, strides = [], []
    for size in sizes:
        y, x = ((torch.arange(-(-side // size)) + 0.5) * size for side in (height, width))
        y, x = torch.meshgrid(y, x, indexing="ij")
        points.append(torch.stack([x.ravel(), y.ravel()], dim=1))
        strides.append(torch.full((x.numel(),), float(size)))
    return torch.cat(points), torch.cat(strides)


POINTS, STRIDES = grid()  # 6 x 8 and 3 x 4


def test_each_location_bears_the_mark_of_its_box():
    assigned = torch.full((60,), -1)
    assigned[[0, 1]], assigned[48] = 2, 0
    fine, coarse = plots.assignment(IMAGE, POINTS, STRIDES, assigned, TRUTH["boxes"])
    assert fine.get_title(loc="left") == "stride 8: 2 of 48 answer"
    assert coarse.get_title(loc="left") == "stride 16: 1 of 12 answer"
    nothing, marks = fine.lines
    assert len(nothing.get_xdata()) == 46
    assert np.allclose(marks.get_xydata(), [[3.5, 3.5], [11.5, 3.5]])  # imshow counts from centres
    other = coarse.lines[1]
    assert marks.get_marker() != other.get_marker() and marks.get_color() != other.get_color()
    for ax, box, line in ((fine, 2, marks), (coarse, 0, other)):
        solid = [patch for patch in ax.patches if patch.get_linestyle() == "-"]
        assert len(ax.patches) == 3 and len(solid) == 1
        assert to_hex(solid[0].get_edgecolor()).upper() == line.get_color()
        assert texts(ax) == [f"box {box}"]


def test_a_picture_without_boxes_has_only_dots():
    nobody = torch.full((60,), -1)
    for ax in plots.assignment(IMAGE, POINTS, STRIDES, nobody, torch.zeros(0, 4)):
        assert len(ax.lines) == 1 and not ax.patches and ": 0 of" in ax.get_title(loc="left")


def test_an_assignment_that_does_not_fit_is_refused():
    boxes, nobody = TRUTH["boxes"], torch.full((60,), -1)
    with pytest.raises(ValueError, match=r"assigned must hold one index for each of the 60"):
        plots.assignment(IMAGE, POINTS, STRIDES, nobody[None], boxes)
    with pytest.raises(ValueError, match=r"the index of one of 3 boxes; got -1\.\.3"):
        plots.assignment(IMAGE, POINTS, STRIDES, nobody.index_fill(0, torch.tensor([4]), 3), boxes)
    with pytest.raises(ValueError, match="names must be one a box: 3; got 1"):
        plots.assignment(IMAGE, POINTS, STRIDES, nobody, boxes, ["stop"])
    with pytest.raises(ValueError, match=r"points must have shape \(A, 2\) and strides \(A,\)"):
        plots.assignment(IMAGE, POINTS[:5], STRIDES, nobody, boxes)
    with pytest.raises(ValueError, match="axes must be 2 axes; got 1"):
        plots.assignment(IMAGE, POINTS, STRIDES, nobody, boxes, axes=[plt.figure().subplots()])
    plt.close()
    with pytest.raises(ValueError, match=r"image must have shape \(C, H, W\); got \(48, 64\)"):
        plots.assignment(IMAGE[0], POINTS, STRIDES, nobody, boxes)
    assert not plt.get_fignums()


def test_dense_scores_lie_where_their_locations_are():
    scores = torch.zeros(60, 2)
    scores[9], scores[59, 1] = torch.tensor([0.4, 0.2]), 0.9
    fine, coarse = plots.dense_scores(IMAGE, scores, POINTS, STRIDES)
    cells = np.asarray(fine.images[1].get_array())
    assert cells.shape == (6, 8) and cells[1, 1] == pytest.approx(0.4) and cells.sum() < 0.41
    assert fine.images[1].get_extent() == [-0.5, 63.5, 47.5, -0.5]  # the whole picture
    assert coarse.images[1].get_array()[2, 3] == pytest.approx(0.9)
    assert coarse.get_title(loc="left") == "stride 16: 3 × 4, best 0.90"
    assert fine.get_xlim() == (-0.5, 63.5) and fine.get_ylim() == (47.5, -0.5)
    single = plots.dense_scores(IMAGE, scores.amax(dim=1), POINTS, STRIDES)
    assert (np.asarray(single[0].images[1].get_array()) == cells).all()


def test_cells_may_reach_beyond_the_picture():
    points, strides = grid(height=50, width=70, sizes=(32,))
    image = torch.zeros(1, 50, 70)
    (ax,) = plots.dense_scores(image, torch.rand(len(strides)), points, strides)
    assert ax.images[1].get_extent()[1] > 70 and ax.get_xlim() == (-0.5, 69.5)


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="scores must be probabilities; got -1 to -1"):
        plots.dense_scores(IMAGE, torch.full((60, 2), -1.0), POINTS, STRIDES)
    with pytest.raises(ValueError, match=r"shape \(A, K\) or \(A,\) with A = 60; got \(1, 60\)"):
        plots.dense_scores(IMAGE, torch.zeros(1, 60), POINTS, STRIDES)
    assert not plt.get_fignums()
