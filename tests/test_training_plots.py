"""Figures of training: what is drawn where, and the text of every error."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from imgrec_lab import plots
from imgrec_lab.history import Epoch, History

pytestmark = pytest.mark.usefixtures("no_figures_left")


def history(losses, *, lrs=None):
    lrs = lrs or [None] * len(losses)
    rows = [
        Epoch(number, loss, 0.1 * number, loss + 1, 0.05 * number, 1.0, 9.0, lr)
        for number, (loss, lr) in enumerate(zip(losses, lrs, strict=True), 1)
    ]
    return History(tuple(rows))


def drawn(ax):
    """The lines of an axes by their labels."""
    return {line.get_label(): np.asarray(line.get_ydata(), dtype=float) for line in ax.lines}


# -------------------------------------------------------------------------------------- curve sheet


def test_curve_sheet_has_a_panel_a_run_on_one_scale():
    runs = {"good": history([2.0, 1.0]), "bad": history([2.2, 900.0])}
    axes = plots.curve_sheet(runs)
    assert [ax.get_title(loc="left") for ax in axes] == ["good", "bad"]
    np.testing.assert_allclose(drawn(axes[0])["training"], [2, 1])
    np.testing.assert_allclose(drawn(axes[1])["validation"], [3.2, 901])
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert 2.2 < axes[0].get_ylim()[1] < 5  # one run that explodes does not flatten the others


def test_curve_sheet_of_accuracy_reaches_from_0_to_1():
    (ax,) = plots.curve_sheet({"one": history([2.0, 1.0])}, quantity="accuracy")
    np.testing.assert_allclose(drawn(ax)["validation"], [0.05, 0.1])
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] >= 1


def test_curve_sheet_fills_rows_of_so_many_columns():
    axes = plots.curve_sheet({str(k): history([1.0]) for k in range(5)}, columns=2)
    assert len(axes) == len(axes[0].figure.axes) == 5
    assert axes[0].get_position().y0 > axes[2].get_position().y0 > axes[4].get_position().y0


def test_curve_sheet_refuses_in_words():
    with pytest.raises(ValueError, match="quantity must be 'loss' or 'accuracy'; got 'rate'"):
        plots.curve_sheet({"one": history([1.0])}, quantity="rate")
    with pytest.raises(ValueError, match="at least one run, each of an epoch or more"):
        plots.curve_sheet({"one": History()})
    with pytest.raises(ValueError, match="at least one run"):
        plots.curve_sheet({})


def test_rate_curve_draws_the_rates_that_are_known():
    ax = plots.rate_curve(history([3.0, 2.0, 1.0], lrs=[0.1, None, 0.02]), total_epochs=9)
    np.testing.assert_allclose(drawn(ax)["rate"], [0.1, 0.02])
    assert ax.get_xlim() == (0.5, 9.5)
    assert not plots.rate_curve(History(), total_epochs=3).lines


# -------------------------------------------------------------------------------------------- lines


def test_lines_of_seeds_are_faint_around_their_mean():
    ax = plots.lines({"a": [[1, 3], [3, 5]], "b": [7, 8]}, x=[0.1, 1.0], log_x=True)
    np.testing.assert_allclose(drawn(ax)["a"], [2, 4])
    np.testing.assert_allclose(drawn(ax)["b"], [7, 8])
    faint = [line for line in ax.lines if line.get_alpha() is not None]
    assert len(faint) == 2 and ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "1"]


def test_lines_count_from_1_and_may_differ_in_length():
    ax = plots.lines({"a": [5, 6, 7], "b": [5]})
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2, 3], [1]]


def test_smooth_lines_are_means_of_what_came_before():
    ax = plots.lines({"a": [1, 3, 8]}, smooth=2)
    np.testing.assert_allclose(drawn(ax)["a"], [1, 2, 5.5])


def test_lines_refuse_in_words():
    with pytest.raises(ValueError, match="rows must hold at least one named row"):
        plots.lines({})
    with pytest.raises(ValueError, match=r"'a' has shape \(3,\) for 2 places"):
        plots.lines({"a": [1, 2, 3]}, x=[1, 2])
    with pytest.raises(ValueError, match=r"'a' has shape \(0,\) for at least 1 places"):
        plots.lines({"a": []})


# -------------------------------------------------------------------------------------- range test


def test_range_test_marks_the_lowest_loss_and_the_suggestion():
    test = SimpleNamespace(lrs=(1e-3, 1e-2, 1e-1), losses=(2.0, 1.0, 3.0), suggestion=0.005)
    ax = plots.range_test(test)
    lines = {line.get_label(): line for line in ax.lines}
    assert list(lines["lowest loss"].get_xdata()) == [1e-2]
    (suggested,) = [line for label, line in lines.items() if "0.005" in label]
    assert list(suggested.get_xdata()) == [0.005, 0.005]


def test_range_test_refuses_what_does_not_fit():
    for lrs, losses in (((), ()), ((0.1, 0.2), (1.0,))):
        with pytest.raises(ValueError, match=f"got {len(lrs)} rates and {len(losses)} losses"):
            plots.range_test(SimpleNamespace(lrs=lrs, losses=losses, suggestion=0.1))


# ----------------------------------------------------------------------------------------- descent


def test_descent_draws_each_way_over_the_same_landscape():
    way = torch.tensor([[2.0, 1.0], [1.0, 0.5], [0.0, 0.0]])
    axes = plots.descent(lambda a, b: a**2 + b**2, {"SGD": way, "AdamW": way / 2})
    assert [ax.get_title(loc="left") for ax in axes] == ["SGD: 2 steps", "AdamW: 2 steps"]
    np.testing.assert_allclose(axes[0].lines[0].get_xydata(), way)
    assert axes[0].get_xlim() == axes[1].get_xlim()


@pytest.mark.parametrize("path", [torch.zeros(3), torch.zeros(3, 3), torch.zeros(1, 2)])
def test_descent_refuses_other_shapes(path):
    with pytest.raises(ValueError, match=r"paths must be \(T, 2\) with T >= 2"):
        plots.descent(lambda a, b: a + b, {"bad": path})


# -------------------------------------------------------------------------------------- time split


def test_time_split_draws_shares_that_fill_the_bar():
    runs = {"slow": {"loading": 6.0, "training": 2.0}, "fast": {"loading": 1.0, "training": 3.0}}
    ax = plots.time_split(runs, claim={"loading": 0.3, "training": 0.7})
    widths = np.array([patch.get_width() for patch in ax.patches]).reshape(3, 2)
    np.testing.assert_allclose(widths, [[0.3, 0.7], [0.75, 0.25], [0.25, 0.75]])
    written = [text.get_text() for text in ax.texts]
    assert {"75%", "8.0 s", "4.0 s"} <= set(written)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["what is claimed", "slow", "fast"]


@pytest.mark.parametrize(
    "runs",
    [{}, {"a": {}}, {"a": {"x": 1.0}, "b": {"y": 1.0}}, {"a": {"x": 0.0}}],
)
def test_time_split_refuses_in_words(runs):
    with pytest.raises(ValueError, match="runs must all have the parts"):
        plots.time_split(runs)
