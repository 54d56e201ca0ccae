"""Figures of augmentation: texts and colours of the cells, bars of the histogram, every error."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from imgrec_lab import metrics, plots
from imgrec_lab.plots import effect_plots

pytestmark = pytest.mark.usefixtures("no_figures_left")

# Seeds differ much, pairs of them little: only paired differences show the small effect.
SCORES = {
    "flip": {"clean": [0.30, 0.50, 0.70], "night": [0.50, 0.40, 0.60]},
    "none": {"clean": [0.40, 0.60, 0.80], "night": [0.50, 0.40, 0.60]},
    "light": {"clean": [0.41, 0.58, 0.81], "night": [0.62, 0.53, 0.74]},
}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def cells(ax):
    """The colours of baseline and effects, (rows, columns, 3) each."""
    return [np.asarray(image.get_array()) for image in ax.images[:2]]


def text_at(ax, column, row):
    """What is written in a cell, from top to bottom."""
    found = [text for text in ax.texts if text.get_position()[0] == column]
    found = [text for text in found if abs(text.get_position()[1] - row) < 0.5]
    return sorted(found, key=lambda text: text.get_position()[1])


def contrast(color_a, color_b):
    """Of two colours, as WCAG 2.1 defines it."""
    dark, light = sorted(_luminance(np.array(to_rgb(color))) for color in (color_a, color_b))
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def constant(points, *, seeds=2):
    """Scores whose effects are these percentage points without any spread, row by row."""
    rows = {f"row {k}": row for k, row in enumerate(points)}
    scores = {name: _columns(row, seeds) for name, row in rows.items()}
    return {"none": _columns([0] * len(points[0]), seeds), **scores}


def _columns(row, seeds):
    return {f"column {k}": [0.5 + point / 100] * seeds for k, point in enumerate(row)}


# ------------------------------------------------------------------------------------------ effects


def test_effects_write_the_mean_of_the_baseline_and_differences_of_the_others():
    ax = plots.effects(SCORES, baseline="none")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["clean", "night"]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    assert rows == ["none (accuracy)", "flip", "light"]
    places = ax.get_yticks()
    assert places[1] - places[0] > places[2] - places[1]  # the baseline is set off
    shown = [
        [[text.get_text() for text in text_at(ax, x, y)] for x in ax.get_xticks()] for y in places
    ]
    assert shown[0] == [["60.0 %"], ["50.0 %"]]
    assert shown[1] == [["−10", "± 0.0"], ["0.0", "± 0.0"]]
    assert shown[2][1] == ["+13", "± 2.5"]  # 12, 13 and 14 points: s = 1, t = 4.303
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("tested on", "augmentation")
    assert ax.get_title(loc="left") == "Accuracy gained or lost against 'none'"


def test_effects_are_paired_by_seed():
    ax = plots.effects(SCORES, baseline="none")
    pairs = zip(SCORES["light"]["night"], SCORES["none"]["night"], strict=True)
    paired = metrics.mean_interval([100 * (new - old) for new, old in pairs]).half_width
    apart = metrics.mean_interval(SCORES["light"]["night"]).half_width * 100
    assert paired < 3 < apart
    assert f"± {paired:.1f}" in texts(ax)


def test_effects_color_only_what_can_be_told_from_nothing():
    ax = plots.effects(SCORES, baseline="none")
    baseline, effects = cells(ax)
    assert baseline.shape == effects[:1].shape
    assert np.ptp(baseline, axis=-1).max() == 0  # neutral grey
    worse, better = effects[0, 0], effects[1, 1]
    assert worse[0] - worse[2] > 0.2 and better[2] - better[0] > 0.2  # orange and blue
    for row, column in ((0, 1), (1, 0)):  # exactly nothing; 1, -2 and 1 points
        assert effects[row, column].min() > 0.98
        assert {text.get_color() for text in text_at(ax, column, row)} == {effect_plots.MUTED}
        assert text_at(ax, column, row)[0].get_weight() == "normal"
    assert text_at(ax, 0, 0)[0].get_weight() == "bold"


def test_even_a_small_real_effect_is_seen():
    _, effects = cells(plots.effects(constant([[0.1, -0.1, 0]]), baseline="none", limit=50))
    better, worse, nothing = effects[0]
    assert nothing.min() > 0.98 > 0.88 > max(better.min(), worse.min())


def test_colors_deepen_up_to_the_limit_and_no_further():
    ax = plots.effects(constant([[2, 8, 20, 40], [-2, -8, -20, -40]]), baseline="none", limit=20)
    brightness = cells(ax)[1].mean(axis=-1)
    for row in brightness:
        assert row[0] > row[1] > row[2] == row[3]
    assert {"−20 or less", "+20 or more"} <= set(texts(ax))


@pytest.mark.parametrize(
    ("points", "limit"),
    [
        ([3.2, -4.1, 2.5, 49], "5"),  # one extreme
        ([0.2, 0.3, 0.1], "1"),
        ([12, -11, 17, 16, -3], "20"),
        ([0, 0, 0], "1"),  # nothing is real
        ([7], "10"),
    ],
)
def test_default_limit_is_round_and_robust(points, limit):
    ax = plots.effects(constant([points]), baseline="none")
    assert f"+{limit} or more" in texts(ax)


@pytest.mark.parametrize(
    ("points", "text"),
    [(12.4, "+12"), (-9.96, "−10"), (9.94, "+9.9"), (-0.42, "−0.4"), (0.02, "0.0"), (-0.02, "0.0")],
)
def test_points_carry_their_sign_and_two_digits(points, text):
    ax = plots.effects(constant([[points]]), baseline="none")
    assert text_at(ax, 0, 0)[0].get_text() == text


def test_key_says_in_words_what_colors_and_numbers_mean():
    words = texts(plots.effects(SCORES, baseline="none"))
    assert {"worse", "cannot tell", "better"} <= set(words)
    (notes,) = [text for text in words if "\n" in text]
    assert "percentage points of accuracy against 'none', 3 pairs of seeds, ± 95 %" in notes
    assert "the interval holds 0" in notes and "1 cell in 20 is coloured by chance" in notes


def test_hyphen_of_a_name_is_no_minus():
    scores = {"no-op": SCORES["none"], "flip": SCORES["flip"]}
    assert "against 'no-op'" in "".join(texts(plots.effects(scores, baseline="no-op")))


def test_key_has_the_colors_of_the_cells():
    ax = plots.effects(constant([[-30, 30]]), baseline="none", limit=30)
    worse, unknown, better = (image.get_array()[0] for image in ax.images[2:])
    worst, best = cells(ax)[1][0]
    np.testing.assert_allclose((worse[0], better[-1]), (worst, best), atol=1e-6)
    assert unknown.min() > 0.98
    edges = [image.get_extent()[:2] for image in ax.images[2:]]
    assert edges[0][1] == edges[1][0] and edges[1][1] == edges[2][0]


def test_every_number_can_be_read_on_its_color():
    points = np.linspace(-30, 30, 61).round(1).reshape(1, -1)
    ax = plots.effects(constant(points), baseline="none", limit=25)
    for column, color in enumerate(cells(ax)[1][0]):
        for text in text_at(ax, column, 0):
            assert contrast(text.get_color(), color) >= 4.5


def test_largest_table_fits_the_page_and_its_cells():
    points = np.linspace(-30, 30, 13 * 9).reshape(13, 9)
    scores = constant(points)
    names = {name: f"{name}, a rather long name of what was done" for name in scores}
    names["none"] = "none"
    ax = plots.effects({names[name]: row for name, row in scores.items()}, baseline="none")
    ax.figure.canvas.draw()
    assert ax.figure.get_figwidth() <= 8.5
    width, height = ax.transData.transform((1, -1)) - ax.transData.transform((0, 0))
    for column in range(9):
        mean, half_width = (text.get_window_extent() for text in text_at(ax, column, 5))
        assert max(mean.width, half_width.width) < width
        assert mean.height + half_width.height < height
        assert mean.y0 >= half_width.y1 - 3  # the second line stands below the first
    labels = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in zip(labels, labels[1:], strict=False))
    assert min(label.x0 for label in labels) > 0


def test_names_of_columns_are_wrapped_or_turned():
    def labels(*names):
        scores = {row: {name: [0.5, 0.5] for name in names} for row in ("none", "flip")}
        return plots.effects(scores, baseline="none").get_xticklabels()

    (wrapped,) = labels("low light and fog")
    assert (wrapped.get_text(), wrapped.get_rotation()) == ("low light\nand fog", 0)
    (turned,) = labels("underexposed")
    assert turned.get_rotation() > 0


# ---------------------------------------------------------------------------------- pixel histogram


def bars(ax):
    """Heights of the bars above the floor of their lane, before and after, lane by lane."""
    after, before = ax.patches[::2], ax.patches[1::2]
    floors = [patch.get_data().baseline for patch in after]
    return [
        [patch.get_data().values - floor for patch, floor in zip(patches, floors, strict=True)]
        for patches in (before, after)
    ]


def test_bars_are_shares_of_the_pixels_on_one_scale():
    before = torch.zeros(1, 2, 4, dtype=torch.uint8)
    after = before.clone()
    after[0, 0] = torch.tensor([7, 8, 255, 255])
    ax = plots.pixel_histogram(before, after)
    (old,), (new,) = bars(ax)
    np.testing.assert_allclose(old / old.max(), [1] + [0] * 31)
    np.testing.assert_allclose(new / old.max(), [5 / 8, 1 / 8] + [0] * 29 + [2 / 8], atol=1e-12)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0", "100"]
    np.testing.assert_allclose(np.diff(ax.get_yticks()), old.max())
    assert ax.patches[0].get_data().edges[-1] == 255
    assert ax.get_xlabel() == "pixel value (0 to 255)" and ax.get_ylabel() == "pixels (%)"


def test_each_channel_has_a_lane_red_on_top():
    before = torch.stack([torch.full((3, 5), value) for value in (0.1, 0.5, 0.9)])
    ax = plots.pixel_histogram(before, before.flip(0))
    old, new = bars(ax)
    assert [lane.argmax() for lane in old] == [3, 16, 28]
    assert [lane.argmax() for lane in new] == [28, 16, 3]
    assert texts(ax) == ["red", "green", "blue"]
    heights = [text.get_position()[1] for text in ax.texts]
    assert heights == sorted(heights, reverse=True)
    assert all(0 < lane.max() < 1 for lane in old)  # no lane reaches into the next


def test_before_is_an_outline_and_after_is_filled():
    image = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0))
    ax = plots.pixel_histogram(image, image)
    after, before = ax.patches
    assert after.get_fill() and not before.get_fill()
    names = [text.get_text() for text in ax.legend_.get_texts()]
    key = dict(zip(names, ax.legend_.get_patches(), strict=True))
    assert key["after"].get_fill() and not key["before"].get_fill()


def test_histogram_of_a_byte_and_a_float_picture_is_on_the_scale_of_floats():
    image = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    ax = plots.pixel_histogram(image, image / 255)
    (old,), (new,) = bars(ax)
    np.testing.assert_allclose(old, new)
    assert np.ptp(old) < 1e-12  # eight values a bar
    assert ax.get_xlim() == (0, 1) and ax.get_xlabel() == "pixel value (0 to 1)"


def test_pictures_may_differ_in_size():
    ax = plots.pixel_histogram(torch.zeros(3, 8, 8), torch.zeros(3, 2, 3))
    old, new = bars(ax)
    np.testing.assert_allclose(old, new)


# --------------------------------------------------------------------------------------------- both

CALLS = {
    "effects": lambda **given: plots.effects(SCORES, baseline="none", **given),
    "pixel_histogram": lambda **given: plots.pixel_histogram(
        torch.zeros(3, 4, 4), torch.ones(3, 4, 4), **given
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_given_axes_and_title_are_used(name):
    given = Figure().subplots()
    assert CALLS[name](ax=given, title="mine") is given
    given.figure.canvas.draw()
    assert given.get_title(loc="left") == "mine"
    assert plt.get_fignums() == []
    assert name in plots.__all__


def table(**rows):
    return {name: {"clean": seeds} for name, seeds in rows.items()}


GREY, RGB = torch.zeros(1, 4, 4), torch.zeros(3, 4, 4)
BAD_INPUT = [
    (lambda: plots.effects({}, baseline="none"), "hold the baseline 'none'"),
    (lambda: plots.effects(SCORES, baseline="nothing"), "rows ['flip', 'none', 'light']"),
    (lambda: plots.effects(table(a=[0.1, 0.2]), baseline="a"), "at least one other row"),
    (lambda: plots.effects({"a": {}, "b": {}}, baseline="a"), "at least one column"),
    (lambda: plots.effects({"a": {"x": [0, 1]}, "b": {"y": [0, 1]}}, baseline="a"),
     "the same in the same order; got {'a': ['x'], 'b': ['y']}"),
    (lambda: plots.effects(table(a=[0.1, 0.2], b=[0.1, 0.2, 0.3]), baseline="a"),
     "got cells of 2 and 3 seeds. Keep the seeds that all rows have"),
    (lambda: plots.effects(table(a=[0.1], b=[0.2]), baseline="a"), "got cells of 1 seeds"),
    (lambda: plots.effects(table(a=[71, 72], b=[0.7, 0.8]), baseline="a"),
     "fractions in [0, 1]; they reach from 0.7 to 72. Divide percent by 100"),
    (lambda: plots.effects(table(a=[float("nan"), 0.5], b=[0.7, 0.8]), baseline="a"),
     "fractions in [0, 1]"),
    (lambda: plots.effects(SCORES, baseline="none", limit=0), "limit must be above 0"),
    (lambda: plots.effects(SCORES, baseline="none", limit=float("nan")), "limit must be above 0"),
    (lambda: plots.pixel_histogram(GREY[0], GREY), "before must have shape (C, H, W) with C = 1"),
    (lambda: plots.pixel_histogram(GREY, RGB[:2]), "after must have shape (C, H, W)"),
    (lambda: plots.pixel_histogram(GREY, GREY[:, :0]), "got (1, 0, 4)"),
    (lambda: plots.pixel_histogram(RGB, GREY), "got 3 and 1. For grey use image.expand(3, -1, -1)"),
    (lambda: plots.pixel_histogram(GREY, GREY + 2), "must lie in [0, 1]"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD_INPUT, ids=[text for _, text in BAD_INPUT])
def test_bad_input_is_refused_in_words(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
    assert plt.get_fignums() == []


def test_integer_pictures_are_refused_as_a_type():
    with pytest.raises(TypeError, match=r"must be uint8 .* got torch.int64"):
        plots.pixel_histogram(GREY, GREY.long())
