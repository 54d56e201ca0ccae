"""The planner's widget and its sheet: words and rows against ``bench.plan``, controls moved."""

import io
import re
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure
from PIL import Image

from imgrec_lab import bench, plots, widgets
from imgrec_lab.bench import step_forecast
from imgrec_lab.plots import plan_plots
from imgrec_lab.widgets import widget_planner

RUN = {"image_size": 32, "batch_size": 128, "pictures": 50_000, "epochs": 30}


@pytest.fixture
def parts():
    found = widgets.planner(network="TinyCNN", card="RTX 4090").parts
    found.image_size.value = 32
    return found


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    before = plt.get_fignums()
    yield
    assert plt.get_fignums() == before


def drawn(parts) -> bytes:
    picture = Image.open(io.BytesIO(bytes(parts.picture.value)))
    assert picture.width <= 940
    return picture.tobytes()


def words(parts) -> str:
    return re.sub(r"<[^>]+>", "", parts.message.value)


def plan_of(parts) -> bench.Plan:
    return bench.plan(
        widget_planner.NETWORKS[parts.network.value],
        image_size=(parts.image_size.value,) * 2, batch_size=parts.batch_size.value,
        pictures=parts.pictures.value, epochs=parts.epochs.value, card=parts.card.value,
        precision=parts.precision.value,
    )  # fmt: skip


def check_words(parts) -> None:
    plan, said = plan_of(parts), words(parts)
    assert f"On the {plan.card} it {'fits' if plan.fits else 'does not fit'}: " in said
    assert f"{plan.needed_gib:.1f} GiB of {plan.card_gib:.1f}" in said
    assert f"{plan.largest_batch:,}" in said
    assert ("images/s" in said) == plan.fits
    if plan.fits:
        assert f"{plan.images_per_s:,.0f} images/s" in said
        assert f"{plan_plots.duration(plan.hours)} in all" in said
        cost = "no cloud price" if plan.cost_usd is None else f"{plan.cost_usd:,.2f} USD"
        assert cost in said and ("limited by the CPU" in said) == plan.launching
    assert f"would be {plan.rule_gib:,.0f}" in said and "GiB of RAM" in said


# ---------------------------------------------------------------------------------------- widget


def test_every_control_changes_the_picture_or_the_words_and_they_are_true(parts):
    check_words(parts)
    moves = {
        "batch_size": (1, 4096), "pictures": (1_000, 50_000_000), "epochs": (1, 300),
        "card": ("T4", "H200 SXM", "RTX 3080"), "precision": ("float32",),
        "image_size": (512,), "network": ("QuickCNN",),
    }  # fmt: skip
    for name, values in moves.items():
        for value in values:
            before = drawn(parts), words(parts)
            getattr(parts, name).value = value
            assert (drawn(parts), words(parts)) != before, (name, value)
            check_words(parts)
    assert not plan_of(parts).fits and "does not fit" in words(parts)


def test_a_precision_that_the_card_lacks_is_said_and_breaks_nothing(parts):
    parts.card.value = "T4"
    for precision in ("bfloat16", "tf32"):
        parts.precision.value = precision
        assert words(parts) == f"The T4 has no {precision}: it computes in float32, float16."
        drawn(parts)
    parts.card.value = "RTX 4090"
    check_words(parts)


def test_only_another_network_size_or_precision_is_rehearsed(parts):
    step_forecast.forecast_step.cache_clear()
    parts.epochs.value = 31
    assert step_forecast.forecast_step.cache_info().misses == 1
    for name, value in {"batch_size": 256, "pictures": 2_000, "card": "L4"}.items():
        getattr(parts, name).value = value
    assert step_forecast.forecast_step.cache_info().misses == 1


def test_one_change_draws_one_picture(parts, monkeypatch):
    pictures = []
    monkeypatch.setattr(widget_planner, "png", lambda figure: pictures.append(figure) or b"")
    parts.batch_size.value = 512
    parts.card.value = "A10"
    assert len(pictures) == 2


@pytest.mark.slow
def test_each_network_of_the_menu_can_be_planned():
    for network in widget_planner.NETWORKS:
        plans, lacking = widget_planner.plan_cards(network=network, precision="float16", **RUN)
        assert len(plans) == len(bench.CARDS) and lacking == {}
        assert all(plan.fits and plan.hours > 0 for plan in plans)


def test_what_to_begin_with_must_be_known():
    with pytest.raises(ValueError, match="network must be one of TinyCNN, .*; got 'VGG'"):
        widgets.planner(network="VGG")
    with pytest.raises(ValueError, match="known cards; got 'RTX'"):
        widgets.planner(card="RTX")


# ----------------------------------------------------------------------------------------- sheet


def sheet_of(network="TinyCNN", precision="bfloat16", chosen="RTX 3080", **changes):
    plans, lacking = widget_planner.plan_cards(
        network=network, precision=precision, **RUN | changes
    )
    figure = Figure(figsize=plan_plots.plan_inches(len(plans) + len(lacking)))
    axes = plots.plan_sheet(
        plans, chosen=chosen, lacking=lacking, title="a run", axes=plan_plots.add_plan_axes(figure)
    )
    return plans, lacking, axes


def test_a_row_for_each_card_the_fastest_first_and_those_that_lack_the_precision_last():
    plans, lacking, (_, ax) = sheet_of()
    names = [label.get_text() for label in ax.get_yticklabels()]
    fastest_first = sorted(plans, key=lambda plan: plan.hours)
    assert names == [plan.card for plan in fastest_first] + ["T4", "V100 16GB"]
    said = [text.get_text() for text in ax.texts]
    assert said.count("no bfloat16") == len(lacking) == 2
    for plan in plans:
        assert f"{plan.images_per_s:,.0f}" in said
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [plan.hours for plan in fastest_first]


def test_the_bar_is_as_long_as_what_is_needed_and_the_line_stands_at_the_cards_memory():
    plans, _, (ax, _) = sheet_of()
    plan = next(plan for plan in plans if plan.card == "RTX 3080")
    ends = [patch.get_x() + patch.get_width() for patch in ax.patches[1:]]  # after the band
    assert max(ends) == pytest.approx(plan.needed_gib)
    assert ax.lines[0].get_xdata()[0] == plan.card_gib
    assert ax.get_title(loc="left").startswith("a run, on one RTX 3080: fits, 0.5 of 9.8 GiB")


def test_cards_on_which_it_does_not_fit_are_hollow_and_say_what_would():
    plans, _, (memory, ax) = sheet_of("ResNet (ours)", image_size=512, batch_size=512)
    assert {plan.fits for plan in plans} == {True, False}
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    said = [text.get_text() for text in ax.texts]
    for plan, dot in zip(sorted(plans, key=lambda plan: plan.hours), dots, strict=True):
        assert (dot.get_markerfacecolor() == "white") == (not plan.fits)
        assert plan.fits or f"too large: {plan.largest_batch:,} fit" in said
    assert "does not fit" in memory.get_title(loc="left")


def test_a_sheet_of_its_own_for_a_lesson_that_is_printed():
    plans, lacking = widget_planner.plan_cards(network="TinyCNN", precision="float16", **RUN)
    memory, cards = plots.plan_sheet(plans, chosen="T4")
    assert memory.figure is cards.figure and cards.get_xscale() == "log"
    plt.close(memory.figure)


def test_a_card_without_a_plan_is_refused():
    plans, _ = widget_planner.plan_cards(network="TinyCNN", precision="float16", **RUN)
    with pytest.raises(
        ValueError, match="chosen must be the card of one of the plans: RTX A6000, "
    ):
        plots.plan_sheet(plans, chosen="RTX 2080")
    with pytest.raises(ValueError, match="plans: none; got 'T4'"):
        plots.plan_sheet([SimpleNamespace()][:0], chosen="T4")


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0.0005, "1.8 s"), (0.02, "1.2 min"), (0.99, "59 min"), (1, "1.0 h"), (47, "47 h"),
        (48, "2.0 days"), (24_000, "1,000 days"),
    ],
)  # fmt: skip
def test_a_time_in_words(hours, said):
    assert plan_plots.duration(hours) == said
