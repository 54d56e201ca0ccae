"""What a training run would take on each card; reached as ``plots.plan_sheet``."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import (
    BLUE,
    GREEN,
    HAIRLINE,
    INK,
    MUTED,
    ORANGE,
    PAGE_INCHES,
    PURPLE,
    SKY,
    VERMILLION,
)

_COLORS = (BLUE, SKY, GREEN, ORANGE, PURPLE, HAIRLINE)
_ROW_INCHES, _MEMORY_INCHES, _OTHER_INCHES = 0.235, 0.55, 1.9
_GREY, _BAND = "#9A9A9A", "#EEF4F9"
_UNITS_H = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0, "days": 24.0}
_TICKS = {  # what a reader can say, and hours apart by about three
    f"{count} {unit}" if (count, unit) != (1, "days") else "1 day": count * _UNITS_H[unit]
    for unit, counts in {
        "s": (1, 3, 10, 30), "min": (1, 3, 10, 30), "h": (1, 3, 10),
        "days": (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000),
    }.items()
    for count in counts
}  # fmt: skip
_COLUMNS = (0.13, 0.26, 0.39)  # right ends, in widths of the lower axes beyond their own


def plan_sheet(
    plans: Sequence[Any],
    *,
    chosen: str,
    lacking: Mapping[str, str] | None = None,
    title: str = "",
    axes: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """What fills the chosen card's memory, and what the run takes and costs on each card.

    Below, a dot is the time predicted and the line through it what is likely; cards on which the
    run does not fit are grey, with the largest batch that would.

    Args:
        plans: of the same run on several cards, as ``bench.plan`` gives them.
        chosen: the card whose memory is shown.
        lacking: name -> why a card cannot run it at all, such as "no bfloat16".
        title: what is trained.
        axes: two, one above the other; default on a new figure.

    Raises:
        ValueError: if there is no plan, or the chosen card is none of these.
    """
    lacking = lacking or {}
    mine = {plan.card: plan for plan in plans}
    if not plans or chosen not in (*mine, *lacking):
        names = ", ".join((*mine, *lacking)) or "none"
        raise ValueError(f"chosen must be the card of one of the plans: {names}; got {chosen!r}.")
    if axes is None:
        rows = len(plans) + len(lacking)
        axes = add_plan_axes(plt.figure(figsize=plan_inches(rows), dpi=figures.DPI))
    memory_ax, cards_ax = axes
    if chosen in mine:
        _draw_memory(memory_ax, mine[chosen], title)
    else:
        figures.frame(memory_ax, f"{chosen}: {lacking[chosen]}", "", "")
        memory_ax.set_axis_off()
    _draw_cards(cards_ax, sorted(plans, key=lambda plan: plan.hours), chosen, lacking)
    return memory_ax, cards_ax


def plan_inches(rows: int) -> tuple[float, float]:
    """Width and height of a sheet of so many cards."""
    return PAGE_INCHES, _MEMORY_INCHES + rows * _ROW_INCHES + _OTHER_INCHES


def add_plan_axes(figure: Figure) -> tuple[Axes, Axes]:
    """The two axes of a sheet, at fixed places of a figure of ``plan_inches``."""
    width, height = figure.get_size_inches()
    left, wide = 1.15 / width, 1 - (1.15 + 2.15) / width
    bar = figure.add_axes(
        (left, 1 - (0.35 + _MEMORY_INCHES) / height, 1 - 1.35 / width, _MEMORY_INCHES / height)
    )
    tall = height - _MEMORY_INCHES - _OTHER_INCHES
    return bar, figure.add_axes((left, 0.5 / height, wide, tall / height))


# -------------------------------------------------------------------------------- one card's memory


def _parts(plan: Any) -> dict[str, float]:
    """GiB, by what they are for."""
    use = plan.memory
    named = {
        "weights": use.parameters_mib,
        "gradients": use.gradients_mib,
        "optimizer": use.optimizer_mib,
        "activations": use.activations_mib + use.workspace_mib,
        "pictures": use.batch_mib,
    }
    parts = {name: mib / 1024 for name, mib in named.items()}
    return parts | {"CUDA and gaps": plan.needed_gib - sum(parts.values())}


def _gib_text(gib: float) -> str:
    return f"{gib:.2g}" if gib < 10 else f"{gib:.0f}"


def _draw_memory(ax: Axes, plan: Any, title: str) -> None:
    width = 1.04 * max(plan.needed_gib, plan.card_gib)
    ax.axvspan(0, plan.card_gib, color=_BAND, lw=0, zorder=0)
    figures.stack_bar(
        ax, 0, _parts(plan), _COLORS, write=_gib_text, least=0.055 * width, height=0.62, lw=0.6
    )
    ax.axvline(plan.card_gib, color=INK, lw=2)
    verdict = f"{plan.needed_gib:.1f} of {plan.card_gib:.1f} GiB"
    verdict = f"fits, {verdict}" if plan.fits else f"does not fit, {verdict}"
    head = f"{title}, on one {plan.card}: " if title else f"{plan.card}: "
    figures.frame(ax, head + verdict, "memory of the card (GiB)", "")
    ax.title.set_color(INK if plan.fits else VERMILLION)
    ax.set(xlim=(0, width), ylim=(-0.5, 0.5))
    ax.yaxis.set_major_locator(NullLocator())
    ax.spines["left"].set_visible(False)
    figures.legend(
        ax, loc="upper center", bbox_to_anchor=(0.5, -0.72), ncols=len(_COLORS),
        handlelength=1, handletextpad=0.4, columnspacing=1.3,
    )  # fmt: skip


# ------------------------------------------------------------------------------------ all the cards


def _draw_cards(ax: Axes, plans: list[Any], chosen: str, lacking: Mapping[str, str]) -> None:
    names = [plan.card for plan in plans] + list(lacking)
    _frame_cards(ax, plans, names)
    at = names.index(chosen)
    ax.axhspan(at - 0.5, at + 0.5, color=_BAND, lw=0, zorder=0)
    for row, plan in enumerate(plans):
        color = _GREY if not plan.fits else BLUE if plan.card == chosen else INK
        ax.plot(plan.hours_interval, (row, row), color=color, lw=1.2, alpha=0.6)
        ax.plot(plan.hours, row, "o", color=color, ms=6, mfc=color if plan.fits else "white")
        _write_row(ax, row, _columns(plan), color)
    for row, reason in enumerate(lacking.values(), len(plans)):
        _write_row(ax, row, (reason,), _GREY)
    fitting = {plan.card for plan in plans if plan.fits}
    for label, name in zip(ax.get_yticklabels(), names, strict=True):
        label.set_color(INK if name in fitting else _GREY)
        label.set_fontweight("bold" if name == chosen else "normal")


def _columns(plan: Any) -> tuple[str, ...]:
    """Speed, time and price in words, or what would fit."""
    if not plan.fits:
        return (f"too large: {plan.largest_batch:,} fit" if plan.largest_batch else "too large",)
    cost = "" if plan.cost_usd is None else f"{plan.cost_usd:,.2f}"
    return f"{plan.images_per_s:,.0f}", duration(plan.hours), cost


def _write_row(ax: Axes, row: float, texts: tuple[str, ...], color: str) -> None:
    """Three columns beside the axes, or one sentence."""
    places = _COLUMNS if len(texts) > 1 else _COLUMNS[-1:]
    for place, text in zip(places, texts, strict=True):
        ax.text(
            1 + place, row, text, transform=ax.get_yaxis_transform(), fontsize=8.5, color=color,
            va="center", ha="right",
        )  # fmt: skip


def _frame_cards(ax: Axes, plans: list[Any], names: list[str]) -> None:
    low = min(plan.hours_interval[0] for plan in plans) / 1.25
    high = max(plan.hours_interval[1] for plan in plans) * 1.25
    figures.frame(
        ax, "", "time for the whole training, and where it is likely to lie", "", grid="x"
    )
    ax.set_xscale("log")
    ticks = {name: hours for name, hours in _TICKS.items() if low <= hours <= high}
    ax.set_xticks(list(ticks.values()), list(ticks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(low, high)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(names) - 0.5, -0.6)
    _write_row(ax, -1.0, ("images/s", "time", "USD"), MUTED)


def duration(hours: float) -> str:
    """A time in the unit that people would say it in."""
    unit = "s"
    for name, least in {"min": 1 / 60, "h": 1.0, "days": 48.0}.items():
        unit = name if hours >= least else unit
    value = hours / _UNITS_H[unit]
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"
