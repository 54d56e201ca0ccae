"""Boxes on pictures, and tables of scores."""

import matplotlib.pyplot as plt
import pytest
import torch

from imgrec_lab import plots
from imgrec_lab.plots import box_plots

pytestmark = pytest.mark.usefixtures("no_figures_left")


def picture(height: int = 40, width: int = 60) -> torch.Tensor:
    return torch.zeros(3, height, width, dtype=torch.uint8)


def test_a_box_runs_along_the_edges_of_its_pixels():
    ax = plots.show_boxes(picture(), torch.tensor([[10.0, 5, 20, 8]]), ["stop"], title="one")
    patch = ax.patches[0]
    assert (patch.get_x(), patch.get_y()) == (9.5, 4.5)  # pixel 10 spans 9.5 to 10.5 in imshow
    assert (patch.get_width(), patch.get_height()) == (10, 3)
    assert ax.get_title(loc="left") == "one"
    assert [text.get_text().strip() for text in ax.texts] == ["stop"]


def test_a_class_keeps_its_colour_and_no_box_is_fine():
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    ax = plots.show_boxes(picture(), boxes, ["stop", "yield", "stop"])
    a, b, c = (patch.get_edgecolor() for patch in ax.patches)
    assert a == c != b
    plots.show_boxes(None, boxes[:1], colors="black", linestyle="--", ax=ax)
    assert len(ax.patches) == 4 and ax.patches[3].get_linestyle() == "--"
    empty = plots.show_boxes(picture(), torch.zeros(0, 4), [])
    assert len(empty.patches) == 0


def test_names_cover_no_other_name_and_stay_inside():
    placed: list[tuple] = []
    limits = (0.0, 0.0, 60.0, 40.0)
    for box in ([5, 12, 15, 20], [6, 13, 16, 21], [50, 0, 60, 4], [0, 38, 4, 40]):
        place = box_plots._free_place(box, (14.0, 5.0), limits, placed)
        assert min(place[:2]) >= 0 and place[2] <= 60 and place[3] <= 40
        assert not any(box_plots._overlap(place, other) for other in placed)
        placed.append(place)


def test_boxes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"boxes must have shape \(M, 4\); got \(4,\)"):
        plots.show_boxes(picture(), torch.zeros(4))
    with pytest.raises(ValueError, match="names must be one a box: 2; got 1"):
        plots.show_boxes(picture(), torch.zeros(2, 4), ["a"])
    with pytest.raises(ValueError, match="colors must be one for all boxes or one a box: 1"):
        plots.show_boxes(picture(), torch.zeros(1, 4), colors=["red", "blue"])
    with pytest.raises(ValueError, match="image must be a picture, or ax must be axes"):
        plots.show_boxes(None, torch.zeros(1, 4))
    assert not plt.get_fignums()


def test_a_score_table_writes_mean_and_interval():
    rows = {
        "day": {"day": [0.9, 1.0], "night": [0.4, 0.5]},
        "both": {"day": [0.9, 0.9], "night": [0.8, 0.8]},
    }
    ax = plots.score_table(rows, title="table")
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["0.95\n± 0.64", "0.45\n± 0.64", "0.90\n± 0.00", "0.80\n± 0.00"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["day", "night"]
    shades = ax.images[0].get_array().sum(axis=2)  # the darker the better
    assert shades[0, 0] < shades[1, 0] < shades[1, 1] < shades[0, 1]


def test_a_score_table_needs_the_same_columns_everywhere():
    with pytest.raises(ValueError, match="the same columns in the same order; got"):
        plots.score_table({"a": {"x": [1, 1]}, "b": {"y": [1, 1]}})
    with pytest.raises(ValueError, match="at least one row"):
        plots.score_table({})
    assert not plt.get_fignums()


def test_a_sweep_shows_means_with_their_intervals():
    lines = {"a": {70: [0.4, 0.6], 280: [0.7, 0.7]}, "b": {70: [0.1, 0.1]}}
    ax = plots.sweep(lines, xlabel="pictures", log_x=True)
    bars = {bar.get_label(): bar for bar in ax.containers}
    assert list(bars["a"].lines[0].get_ydata()) == pytest.approx([0.5, 0.7])
    low, high = (cap.get_ydata()[0] for cap in bars["a"].lines[1])
    assert (low, high) == pytest.approx((0.5 - 1.2706, 0.5 + 1.2706))  # t of one degree is 12.706
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["70", "280"]
    assert ax.get_legend() and not plots.sweep({"a": lines["a"]}, xlabel="x").get_legend()


def test_a_sweep_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one line of one value; got"):
        plots.sweep({"a": {}}, xlabel="x")
    assert not plt.get_fignums()
