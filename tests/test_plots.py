"""Figures: what is drawn where, that nothing global changes, and the text of every error."""

from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from imgrec_lab import metrics, plots
from imgrec_lab.history import Epoch, History
from imgrec_lab.plots import figures, image_plots

pytestmark = pytest.mark.usefixtures("no_figures_left")
CLASSES = ("cat", "dog", "owl")
COUNTS = torch.tensor([[8, 2, 0], [0, 9, 1], [5, 0, 5]])


def random_images(count=4, channels=3, height=6, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (count, channels, height, width)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def history(*, val=True, epochs=3):
    rows = []
    for epoch in range(1, epochs + 1):
        val_loss, val_accuracy = (2.2 / epoch, 0.15 * epoch) if val else (None, None)
        rows.append(Epoch(epoch, 2.0 / epoch, 0.2 * epoch, val_loss, val_accuracy, 1.0, 9.0))
    return History(tuple(rows))


RANGE_TEST = SimpleNamespace(lrs=(1e-3, 1e-2, 1e-1), losses=(2.0, 1.0, 3.0), suggestion=1e-2 / 3)


def bowl(first, second):
    return first**2 + second**2


def texts(ax):
    return [text.get_text() for text in ax.texts]


def title(ax):
    return ax.get_title(loc="left")


# Every public figure with its smallest sensible input; ``axes`` is how many axes it draws on.
CALLS = {
    "show_images": (1, lambda **ax: plots.show_images(random_images(), **ax)),
    "predictions": (1, lambda **ax: plots.predictions(
        random_images(3), torch.tensor([0, 1, 2]), torch.eye(3), CLASSES, **ax)),
    "pixel_values": (1, lambda **ax: plots.pixel_values(random_images()[0], **ax)),
    "kernel_response": (3, lambda **ax: plots.kernel_response(
        random_images()[0], torch.ones(3, 3), torch.randn(4, 6), **ax)),
    "feature_maps": (1, lambda **ax: plots.feature_maps(torch.randn(5, 4, 6), **ax)),
    "filters": (1, lambda **ax: plots.filters(torch.randn(5, 3, 3, 3), **ax)),
    "receptive_field": (1, lambda **ax: plots.receptive_field(
        random_images()[0], {"conv1": 3, "conv2": 5}, **ax)),
    "gradient_histogram": (1, lambda **ax: plots.gradient_histogram(
        random_images()[0], torch.rand(2, 2, 4), **ax)),
    "curves": (2, lambda **ax: plots.curves(history(), **ax)),
    "curve_sheet": (3, lambda **ax: plots.curve_sheet(
        {"one": history(), "two": history(val=False), "three": history()}, **ax)),
    "rate_curve": (1, lambda **ax: plots.rate_curve(history(), **ax)),
    "lines": (1, lambda **ax: plots.lines({"a": [3, 2, 1]}, title="runs", **ax)),
    "range_test": (1, lambda **ax: plots.range_test(RANGE_TEST, **ax)),
    "descent": (2, lambda **ax: plots.descent(
        bowl, {"slow": torch.ones(2, 2), "fast": torch.eye(2)}, **ax)),
    "time_split": (1, lambda **ax: plots.time_split(
        {"mine": {"loading": 1.0, "training": 3.0}}, **ax)),
    "probabilities": (1, lambda **ax: plots.probabilities(torch.eye(3)[0], CLASSES, **ax)),
    "confusion_matrix": (1, lambda **ax: plots.confusion_matrix(COUNTS, CLASSES, **ax)),
    "class_accuracy": (1, lambda **ax: plots.class_accuracy(COUNTS, CLASSES, **ax)),
    "compare": (1, lambda **ax: plots.compare({"a": [0.5, 0.6], "b": [0.7, 0.8]}, **ax)),
}  # fmt: skip
SHEETS = {"show_images", "predictions", "feature_maps", "filters"}


@pytest.mark.parametrize("name", CALLS)
def test_figure_is_rendered_labelled_and_returned(name):
    count, call = CALLS[name]
    axes = np.atleast_1d(call())
    assert len(axes) == count
    axes[0].figure.canvas.draw()
    for ax in axes:
        if name not in SHEETS:  # a sheet of pictures has no axes
            assert title(ax) and ax.get_xlabel() and ax.get_ylabel()


@pytest.mark.parametrize("name", CALLS)
def test_given_axes_are_used_and_pyplot_is_left_alone(name):
    count, call = CALLS[name]
    figure = Figure((4 * count, 4))
    given = figure.subplots(1, count)
    drawn = call(ax=given) if count == 1 else call(axes=given)
    assert np.atleast_1d(drawn)[-1] is np.atleast_1d(given)[-1]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", CALLS)
def test_no_global_style_is_changed(name):
    before = dict(matplotlib.rcParams)
    CALLS[name][1]()
    assert dict(matplotlib.rcParams) == before


def test_all_names_every_public_figure():
    assert set(CALLS) <= set(plots.__all__)


# ------------------------------------------------------------------------------ sheets of pictures


def test_show_images_puts_each_picture_where_it_belongs():
    images = random_images(count=3, height=24, width=30)
    canvas = plots.show_images(images, columns=2).images[0].get_array()
    step = 30 + 2
    for index, (x, y) in enumerate(((0, 0), (step, 0), (0, 24 + 2))):
        tile = canvas[y : y + 24, x : x + 30]
        np.testing.assert_allclose(tile, images[index].permute(1, 2, 0) / 255, atol=1e-6)
    assert (canvas[24 + 2 :, step:] == 1).all()  # no fourth picture


def test_tiny_tiles_are_enlarged_without_smoothing():
    image = torch.tensor([[0.0, 1.0], [1.0, 0.0]])[None, None]
    canvas = plots.show_images(image).images[0].get_array()
    np.testing.assert_array_equal(canvas[..., 0], np.kron(image[0, 0], np.ones((12, 12))))


def test_new_sheet_is_enlarged_by_a_whole_number():
    ax = plots.show_images(random_images(count=16, height=32, width=32))
    ax.figure.canvas.draw()
    canvas_width = ax.images[0].get_array().shape[1]
    assert ax.get_window_extent().width / canvas_width == pytest.approx(3, abs=1e-6)


def test_float_bool_grey_and_gradient_tensors_look_like_uint8():
    grey = random_images(count=2, channels=1)
    as_bytes = plots.show_images(grey).images[0].get_array()
    as_floats = plots.show_images((grey / 255).requires_grad_()).images[0].get_array()
    half = plots.show_images((grey / 255).to(torch.bfloat16)).images[0].get_array()
    np.testing.assert_allclose(as_bytes, as_floats, atol=1e-6)
    np.testing.assert_allclose(as_bytes, half, atol=1 / 128)


def test_captions_and_their_colors():
    ax = plots.show_images(random_images(2), ["a", "b"], title_colors=[plots.BLUE, plots.ORANGE])
    assert texts(ax) == ["a", "b"]
    assert [text.get_color() for text in ax.texts] == [plots.BLUE, plots.ORANGE]


def test_captions_never_overlap_sideways():
    names = ["a very long class name indeed"] * 8
    ax = plots.show_images(random_images(8, height=32, width=32), names)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert all(a.x1 < b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_predictions_names_the_true_class_of_a_mistake_only():
    probs = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.2, 0.6]])
    ax = plots.predictions(random_images(2), torch.tensor([0, 1]), probs, CLASSES)
    assert texts(ax) == ["cat 0.90", "owl 0.60\nis dog"]
    assert [text.get_color() for text in ax.texts] == [plots.BLUE, plots.VERMILLION]
    assert title(ax).startswith("1 of 2 right")


def test_feature_maps_share_one_scale_with_white_at_zero():
    maps = torch.zeros(2, 24, 24)
    maps[0], maps[1] = 4.0, -2.0
    ax = plots.feature_maps(maps, columns=2)
    canvas = ax.images[0].get_array()
    np.testing.assert_allclose(canvas[-1, 0], figures.DIVERGING(1.0)[:3], atol=0.01)
    np.testing.assert_allclose(canvas[-1, -1], figures.DIVERGING(0.25)[:3], atol=0.01)
    zero = plots.feature_maps(torch.zeros(1, 24, 24)).images[0].get_array()
    assert (zero == 1).all()


def test_filters_of_rgb_show_zero_as_grey_and_others_one_tile_a_channel():
    weights = torch.zeros(2, 3, 24, 24)
    weights[1] = 1.0
    canvas = plots.filters(weights, columns=2).images[0].get_array()
    assert canvas[0, 0].tolist() == [0.5, 0.5, 0.5] and canvas[0, -1].tolist() == [1, 1, 1]
    deep = plots.filters(torch.randn(20, 18, 3, 3))
    assert "the first 16 × 16" in title(deep)
    assert len(deep.collections[0].get_paths()) == 256


# -------------------------------------------------------------------------------------- one picture


def test_pixel_values_writes_the_numbers_row_by_row():
    image = torch.tensor([[[0, 128, 255], [1, 2, 3]]], dtype=torch.uint8)
    ax = plots.pixel_values(image)
    assert texts(ax) == ["0", "128", "255", "1", "2", "3"]
    assert title(ax) == "grey, uint8, 2 × 3 pixels"
    assert ax.texts[0].get_color() == "white" and ax.texts[2].get_color() == figures.INK


def test_pixel_values_of_floats_and_colors():
    assert texts(plots.pixel_values(torch.full((1, 1, 1), 0.256))) == ["0.26"]
    image = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None]
    assert texts(plots.pixel_values(image)) == ["10\n20\n30"]


def test_signed_numbers_get_a_minus_and_two_hues():
    ax = plots.pixel_values(torch.tensor([[[-3, 0, 3]]]))
    assert texts(ax) == ["\N{MINUS SIGN}3", "0", "3"]
    left, middle, right = ax.images[0].get_array()[0]
    assert left[0] > left[2] and right[2] > right[0]  # vermillion, blue
    np.testing.assert_allclose(middle, 1, atol=0.02)


def test_whole_numbers_are_grey_from_black_to_their_maximum():
    painted = plots.pixel_values(torch.tensor([[[0, 3, 6]]])).images[0].get_array()
    np.testing.assert_allclose(painted[0, :, 0], [0, 0.5, 1])


def test_kernel_response_panels():
    image = torch.arange(25.0).reshape(1, 5, 5)
    kernel = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    response = torch.zeros(4, 4)
    axes = plots.kernel_response(image, kernel, response)
    assert [title(ax) for ax in axes] == ["picture, 5 × 5", "kernel, 2 × 2", "response, 4 × 4"]
    assert texts(axes[1]) == ["0", "1", "\N{MINUS SIGN}1", "0"]
    assert texts(axes[0])[:3] == ["0", "1", "2"]
    large = plots.kernel_response(random_images(height=20)[0], kernel, torch.zeros(19, 7))
    assert texts(large[0]) == []


def test_receptive_field_squares_have_their_size_and_centre():
    image = random_images(height=16, width=16)[0]
    ax = plots.receptive_field(image, {"conv1": 3, "deep": 40}, center=(7, 5))
    small, large = ax.patches
    assert (small.get_x(), small.get_y(), small.get_width()) == (3.5, 5.5, 3)
    low, high = ax.get_xlim()
    assert low < large.get_x() and large.get_x() + 40 < high  # seen whole, though larger
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["conv1: 3 × 3 px", "deep: 40 × 40 px"]


def test_gradient_histogram_strokes_lie_along_the_edge():
    histograms = torch.zeros(1, 2, 2)  # bins: 0-90 and 90-180 degrees, middles 45 and 135
    histograms[0, 0, 0] = 2.0
    histograms[0, 1, 1] = 1.0
    image = torch.zeros(3, 8, 16)
    strokes = plots.gradient_histogram(image, histograms).collections[0].get_segments()
    directions = [end - start for start, end in strokes]
    lengths = [np.hypot(*direction) for direction in directions]
    assert lengths == pytest.approx([0.96 * 8, 0, 0, 0.48 * 8])
    # A gradient at 45 degrees (right and down) means an edge from lower left to upper right.
    assert directions[0][0] == pytest.approx(-directions[0][1])
    assert strokes[0].mean(axis=0) == pytest.approx([3.5, 3.5])
    assert strokes[3].mean(axis=0) == pytest.approx([11.5, 3.5])


# ------------------------------------------------------------------------------------------ results


def test_curves_draw_the_history():
    loss, accuracy = plots.curves(history())
    assert loss.lines[0].get_xydata().tolist() == [[1, 2.0], [2, 1.0], [3, 2 / 3]]
    assert accuracy.lines[1].get_ydata() == pytest.approx([0.15, 0.3, 0.45])
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]


def test_curves_without_validation_and_while_running():
    loss, _ = plots.curves(history(val=False))
    assert len(loss.lines) == 1
    loss, accuracy = plots.curves(SimpleNamespace(epochs=()), total_epochs=10)
    assert loss.get_xlim() == (0.5, 10.5) and accuracy.get_ylim() == (0, 1)


def test_confusion_matrix_counts_colors_and_title():
    ax = plots.confusion_matrix(COUNTS, CLASSES)
    assert title(ax) == "22 of 30 right (0.733)"
    assert texts(ax) == ["8", "2", "9", "1", "5", "5"]  # zeros are left empty
    painted = ax.images[0].get_array()
    assert painted[0, 0, 2] > painted[0, 0, 0] and painted[0, 1, 0] > painted[0, 1, 2]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(CLASSES)


def test_confusion_matrix_of_many_classes_writes_no_numbers():
    names = [str(index) for index in range(43)]
    assert texts(plots.confusion_matrix(torch.eye(43), names)) == []


def test_class_accuracy_puts_the_worst_on_top_and_leaves_out_the_absent():
    counts = torch.tensor([[8, 2, 0], [4, 6, 0], [0, 0, 0]])
    ax = plots.class_accuracy(counts, CLASSES)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dog", "cat"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.6, 0.8])
    assert texts(ax) == ["0.60  of 10", "0.80  of 10"]
    low, high = ax.collections[0].get_segments()[1][:, 0]  # Wilson interval of 8 of 10
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_probabilities_order_and_colors():
    probs = torch.tensor([0.2, 0.7, 0.1])
    ax = plots.probabilities(probs, CLASSES, top=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dog", "cat"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.7, 0.2])
    wrong = plots.probabilities(probs, CLASSES, label=0)
    colors = [bar.get_facecolor() for bar in wrong.patches]
    assert colors[:2] == [to_rgba(plots.VERMILLION), to_rgba(plots.BLUE)]
    assert title(wrong) == "dog, probability 0.70 (is cat)"


def test_compare_draws_mean_interval_and_every_seed():
    ax = plots.compare({"a": [0.5, 0.6, 0.7]}, parameters={"a": 1_230_000})
    assert ax.lines[0].get_xdata() == pytest.approx([0.5, 0.6, 0.7])
    assert (ax.lines[0].get_ydata() > 0).all()  # beside the interval, not hidden by it
    low, high = ax.collections[0].get_segments()[0][:, 0]
    half_width = 4.303 * 0.1 / 3**0.5
    assert (low, high) == pytest.approx((0.6 - half_width, 0.6 + half_width))
    assert texts(ax) == [f"0.600 ± {half_width:.3f}"]
    right = ax.child_axes[0]
    assert [label.get_text() for label in right.get_yticklabels()] == ["1.23 M"]


@pytest.mark.parametrize("runs", [2, 3, 10, 11, 20, 31])
def test_compare_draws_the_interval_that_metrics_prints(runs):
    scores = torch.rand(runs, generator=torch.Generator().manual_seed(runs)).tolist()
    low, high = plots.compare({"a": scores}).collections[0].get_segments()[0][:, 0]
    mean, half_width = metrics.mean_interval(scores)
    assert (low + high) / 2 == pytest.approx(mean)
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.01)


def test_compare_of_one_seed_claims_no_interval():
    assert texts(plots.compare({"a": [0.5]})) == ["0.500"]


# ------------------------------------------------------------------------------------------- errors

IMAGES = random_images(2)
BAD_INPUT = [
    (lambda: plots.show_images(IMAGES[0]), "For one picture use image[None]"),
    (lambda: plots.show_images(IMAGES.permute(0, 2, 3, 1)), "images.permute(0, 3, 1, 2)"),
    (lambda: plots.show_images(IMAGES[:0]), "N >= 1"),
    (lambda: plots.show_images(IMAGES.float()), "must lie in [0, 1]; these reach from"),
    (lambda: plots.show_images(torch.full((1, 3, 2, 2), torch.nan)), "must lie in [0, 1]"),
    (lambda: plots.show_images(IMAGES, ["a"]), "titles must have one entry for each of the 2"),
    (lambda: plots.show_images(IMAGES, title_colors=["k"]), "title_colors must have one entry"),
    (lambda: plots.show_images(IMAGES, columns=0), "columns must be at least 1; got 0"),
    (lambda: plots.pixel_values(IMAGES), "For (H, W) use image[None]"),
    (lambda: plots.pixel_values(torch.zeros(1, 30, 4)), "up to 20 x 20 pixels; got 30 x 4"),
    (lambda: plots.kernel_response(IMAGES[0], torch.ones(1, 1, 3, 3), torch.ones(2, 2)),
     "kernel must have shape (h, w); got (1, 1, 3, 3)"),
    (lambda: plots.kernel_response(IMAGES[0], torch.ones(3, 3), torch.ones(1, 2, 2)),
     "response must have shape (H, W); got (1, 2, 2)"),
    (lambda: plots.kernel_response(IMAGES[0], torch.ones(3, 3), torch.ones(2, 2), axes=[None]),
     "axes must be 3 axes; got 1"),
    (lambda: plots.feature_maps(torch.ones(1, 2, 3, 3)), "For one picture of a batch use maps[0]"),
    (lambda: plots.feature_maps(torch.full((1, 2, 2), torch.inf)), "maps must be finite"),
    (lambda: plots.filters(torch.ones(3, 3)), "Pass the weight of a Conv2d"),
    (lambda: plots.receptive_field(IMAGES[0], {}), "at least one side of 1 px"),
    (lambda: plots.gradient_histogram(IMAGES[0], -torch.ones(1, 1, 9)), "must not be negative"),
    (lambda: plots.curves(History()), "at least one epoch; got none"),
    (lambda: plots.probabilities(torch.tensor([2.0, -1.0, 5.0]), CLASSES), "logits.softmax(dim=1)"),
    (lambda: plots.probabilities(torch.eye(3), CLASSES), "use probs[0]"),
    (lambda: plots.probabilities(torch.eye(2)[0], CLASSES), "each of the 3 classes"),
    (lambda: plots.probabilities(torch.eye(3)[0], CLASSES, label=3), "labels must lie in 0..2"),
    (lambda: plots.predictions(IMAGES, torch.tensor([0]), torch.eye(3)[:2], CLASSES),
     "must have the same length; got 2, 1 and 2"),
    (lambda: plots.predictions(IMAGES, torch.tensor([0, 7]), torch.eye(3)[:2], CLASSES),
     "labels must lie in 0..2 for 3 classes; got 0..7"),
    (lambda: plots.confusion_matrix(torch.ones(2, 3), CLASSES), "shape (K, K) = (3, 3)"),
    (lambda: plots.confusion_matrix(-COUNTS, CLASSES), "none negative"),
    (lambda: plots.class_accuracy(torch.zeros(3, 3), CLASSES), "at least one image"),
    (lambda: plots.compare({"a": []}), "at least one score for each name; got {'a': 0}"),
    (lambda: plots.compare({"a": [1.0]}, parameters={"b": 1}), "must have the names of rows"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD_INPUT, ids=[text for _, text in BAD_INPUT])
def test_bad_input_is_refused_in_words(call, message):
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)
    assert plt.get_fignums() == []  # refused before a figure was opened


def test_integer_pictures_are_refused_as_a_type():
    with pytest.raises(TypeError, match=r"must be uint8 .* got torch.int64"):
        image_plots.show_images(torch.ones(1, 3, 2, 2, dtype=torch.int64))
