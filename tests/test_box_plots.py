"""Boxes on pictures, and tables of scores."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from imgrec_lab import plots
from imgrec_lab.plots import box_names

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


def test_a_score_at_the_end_of_a_name_changes_no_colour():
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    names = ["speed 30 0.97", "speed 30 0.5", "speed 80 0.97"]
    a, b, c = (patch.get_edgecolor() for patch in plots.show_boxes(picture(), boxes, names).patches)
    assert a == b != c


def overlaps(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_names_cover_no_other_name_and_stay_inside():
    boxes = np.array([[5, 12, 15, 20], [6, 13, 16, 21], [50, 0, 60, 4], [0, 38, 4, 40]], float)
    places = box_names.place_names(boxes, np.array([[14.0, 5]] * 4), (0, 0, 60, 40))
    assert (places[:, :2] >= 0).all() and (places[:, 2:] <= (60, 40)).all()
    assert not any(overlaps(a, b) for a, b in itertools.combinations(places, 2))
    assert places[0].tolist() == [5, 7, 19, 12]  # above, from the left side of its box


def test_a_name_that_fits_nowhere_begins_at_the_edge():
    places = box_names.place_names(np.array([[2.0, 2, 4, 4]]), np.array([[30.0, 5]]), (0, 0, 20, 9))
    assert places[0, 0] == 0


@pytest.mark.parametrize("size", [(128, 128), (480, 640), (300, 100)])
def test_names_of_a_crowd_can_be_read(size):
    generator = torch.Generator().manual_seed(0)
    height, width = size
    corners = torch.rand(24, 2, generator=generator) * torch.tensor([width, height]) * 0.95
    sides = (0.03 + 0.12 * torch.rand(24, 2, generator=generator)) * width
    boxes = torch.cat([corners, corners + sides], dim=1)
    names = [f"roadworks 0.{number}" for number in range(10, 34)]
    ax = plots.show_boxes(picture(*size), boxes, names)
    ax.figure.canvas.draw()
    extents = [text.get_window_extent().extents for text in ax.texts]
    inner = [(x1 + 1, y1 + 1, x2 - 1, y2 - 1) for x1, y1, x2, y2 in extents]
    assert not any(overlaps(a, b) for a, b in itertools.combinations(inner, 2))
    frame = ax.get_window_extent().padded(6).extents
    assert all(frame[0] <= x1 and x2 <= frame[2] for x1, _, x2, _ in extents)
    assert all(text.get_fontsize() >= 6 for text in ax.texts)


def test_a_name_touches_its_box_whatever_the_layout():
    figure = plt.figure(figsize=(8, 3), layout="constrained")
    for ax in figure.subplots(1, 4):
        plots.show_boxes(picture(), torch.tensor([[50.0, 20, 58, 28]]), ["priority road"], ax=ax)
    figure.canvas.draw()
    for ax in figure.axes:
        name, box = (artist.get_window_extent() for artist in (ax.texts[0], ax.patches[0]))
        assert name.padded(3).overlaps(box) and not name.padded(-3).overlaps(box)


def test_a_name_far_from_its_box_is_tied_to_it():
    boxes = torch.tensor([[28.0, 18, 32, 22]] * 12)
    ax = plots.show_boxes(picture(), boxes, ["a long name of a sign"] * 12)
    assert ax.lines
    for line in ax.lines:
        x, y = line.get_xydata()[-1]
        assert 27.5 <= x <= 31.5 and 17.5 <= y <= 21.5  # it ends at the box
    assert not plots.show_boxes(picture(), boxes[:1], ["stop"]).lines


def test_names_stand_out_from_their_background():
    ax = plots.show_boxes(
        picture(), torch.zeros(8, 4), ["a"] * 8, colors=plots.PALETTE, title="eight colours"
    )
    for text in ax.texts:
        assert contrast(text.get_color(), text.get_bbox_patch().get_facecolor()) >= 4.5


def contrast(color_a, color_b):
    """Of two colours, as WCAG 2.1 defines it."""
    dark, light = sorted(luminance(np.array(to_rgb(color))) for color in (color_a, color_b))
    return (light + 0.05) / (dark + 0.05)


def luminance(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_masks_are_tinted_and_outlined_in_the_colour_of_their_box():
    masks = torch.zeros(3, 40, 60, dtype=torch.bool)
    masks[0, 5:8, 10:20] = True
    masks[1] = True  # up to the edges of the picture; the third is empty
    boxes = torch.tensor([[10.0, 5, 20, 8], [0, 0, 60, 40], [3, 3, 3, 3]])
    ax = plots.show_boxes(picture(), boxes, colors=["#000000", plots.BLUE, "red"], masks=masks)
    tint = ax.images[1].get_array()
    assert tint.shape == (40, 60, 4) and tint[0, 0].tolist() == pytest.approx(
        [*to_rgb(plots.BLUE), 0.35]
    )
    first, second = (contour.get_paths()[0].get_extents().extents for contour in ax.collections)
    assert first.tolist() == [9.5, 4.5, 19.5, 7.5]
    assert second.tolist() == [-0.5, -0.5, 59.5, 39.5]
    assert ax.get_xlim() == (-0.5, 59.5) and ax.get_ylim() == (39.5, -0.5)


def test_masks_that_do_not_fit_are_refused():
    boxes, message = torch.zeros(2, 4), r"one for each of the 2 boxes and as large as the picture"
    for shape in ((1, 40, 60), (2, 40, 61), (2, 1, 40, 60), (40, 60)):
        with pytest.raises(ValueError, match=message):
            plots.show_boxes(picture(), boxes, masks=torch.zeros(shape, dtype=torch.bool))
    with pytest.raises(TypeError, match="masks must be bool; got torch.float32"):
        plots.show_boxes(picture(), boxes, masks=torch.zeros(2, 40, 60))
    assert not plt.get_fignums()


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
