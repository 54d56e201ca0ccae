"""Rooflines and bars of memory: what is drawn is what was given."""

from types import SimpleNamespace

import pytest

from imgrec_lab import plots

pytestmark = pytest.mark.usefixtures("no_figures_left")

LAYERS = [
    SimpleNamespace(kind="Conv2d", intensity=50.0, gflops=70.0),
    SimpleNamespace(kind="Conv2d", intensity=80.0, gflops=60.0),
    SimpleNamespace(kind="ReLU", intensity=0.125, gflops=3.0),
]
PARTS = {"parameters": 10.0, "activations": 90.0}


def test_slopes_meet_the_highest_roof_where_the_machine_is_balanced():
    ax = plots.roofline({"float32": 100.0, "half": 20.0}, {"memory": 25.0, "cache": 50.0}, LAYERS)
    ends = [tuple(line.get_xydata()[-1]) for line in ax.lines[:4]]
    assert ends[2:] == [(4.0, 100.0), (2.0, 100.0)]
    assert tuple(ax.lines[0].get_xydata()[0]) == (2.0, 100.0), "where the fastest slope arrives"
    written = {text.get_text() for text in ax.texts}
    assert {"float32: 100 GFLOP/s", "half: 20 GFLOP/s", "memory: 25 GB/s"} <= written
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_layers_are_dots_by_kind_and_lie_inside():
    ax = plots.roofline({"float32": 100.0}, {"memory": 25.0}, LAYERS)
    dots = {line.get_label(): line.get_xydata().tolist() for line in ax.lines[2:]}
    assert dots == {"Conv2d (2)": [[50.0, 70.0], [80.0, 60.0]], "ReLU (1)": [[0.125, 3.0]]}
    low, high = ax.get_xlim()
    assert low < 0.125 and high > 80


@pytest.mark.parametrize(
    ("peaks", "bandwidths"), [({}, {"memory": 1.0}), ({"a": 1.0}, {}), ({"a": 0.0}, {"b": 1.0})]
)
def test_a_roofline_needs_rates(peaks, bandwidths):
    with pytest.raises(ValueError, match="peaks and bandwidths must each name at least one rate"):
        plots.roofline(peaks, bandwidths)


def test_more_kinds_of_layers_than_markers_are_drawn_all_the_same():
    layers = [SimpleNamespace(kind=str(n), intensity=1.0, gflops=1.0) for n in range(12)]
    ax = plots.roofline({"float32": 100.0}, {"memory": 25.0}, layers)
    assert len(ax.lines) == 2 + 12


def test_bars_are_as_long_as_the_parts_and_a_diamond_marks_what_was_measured():
    measured = {"batch 16": 104.0, "batch 8": 101.0}
    ax = plots.memory_bars({"batch 8": PARTS, "batch 16": PARTS}, measured=measured)
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends == [10.0, 100.0, 10.0, 100.0]
    assert ax.lines[0].get_xydata().tolist() == [[101.0, 0.0], [104.0, 1.0]]
    key = [text.get_text() for text in ax.get_legend().get_texts()]
    assert key == ["measured", *PARTS]


@pytest.mark.parametrize("rows", [{}, {"a": {}}, {"a": PARTS, "b": {"parameters": 1.0}}])
def test_bars_need_the_same_parts(rows):
    with pytest.raises(ValueError, match="rows must have the same parts, one to 6 of them; got"):
        plots.memory_bars(rows)
