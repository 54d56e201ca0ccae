"""What a training run would take on another machine; reached as ``widgets.planner``."""

import functools
import math
from types import SimpleNamespace
from typing import Any

from ipywidgets import HTML, Dropdown, HBox, IntSlider, SelectionSlider
from matplotlib.figure import Figure
from torch import nn

from imgrec_lab import bench, models, plots
from imgrec_lab.plots import figures, plan_plots
from imgrec_lab.widgets.widget_parts import Panel, picture_widget, png

_CLASSES = 100
_SIZES_PX = (32, 64, 96, 128, 160, 224, 256, 320, 384, 512)
_PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
_BATCHES = tuple(2**power for power in range(13))
_MENUS = ("network", "image_size", "precision", "card")
_SLIDERS = ("batch_size", "pictures", "epochs")
_PICTURES = tuple(count * 10**power for power in range(3, 8) for count in (1, 2, 5))


def _torchvision(name: str) -> nn.Module:
    from torchvision import models as zoo

    return getattr(zoo, name)(num_classes=_CLASSES)


# The same function each time, so that each is rehearsed once.
NETWORKS = {
    "TinyCNN": functools.partial(models.TinyCNN, _CLASSES),
    "QuickCNN": functools.partial(models.QuickCNN, _CLASSES),
    "ResNet (ours)": functools.partial(models.ResNet, _CLASSES),
    "ResNet-50": functools.partial(_torchvision, "resnet50"),
    "MobileNetV3": functools.partial(_torchvision, "mobilenet_v3_large"),
    "EfficientNet-B0": functools.partial(_torchvision, "efficientnet_b0"),
}


def planner(*, network: str = "ResNet-50", card: str = "RTX A5000") -> Panel:
    """Choose a network, pictures and a card, and see whether it fits, what it takes and costs.

    A network is rehearsed when it is first chosen with a size and a precision, which takes some
    seconds; what moves after that is computed at once.

    Args:
        network: one of the menu's, to begin with.
        card: to begin with.

    Returns:
        Panel with the parts ``network, image_size, precision, card, batch_size, pictures, epochs,
        picture`` and ``message``.

    Raises:
        ValueError: if network or card are unknown.
    """
    if network not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}; got {network!r}.")
    panel = _controls(network, bench.find_card(card).name)
    parts, rehearsed = panel.parts, set()

    def draw(change: dict | None = None) -> None:
        new = (parts.network.value, parts.image_size.value, parts.precision.value)
        if new not in rehearsed:
            parts.message.value = "Rehearsing a training step …"
            rehearsed.add(new)
        plans, lacking = plan_cards(**_choices(parts))
        parts.picture.value = png(_sheet(parts, plans, lacking))
        parts.message.value = sentence(plans, chosen=parts.card.value, lacking=lacking)

    for name in (*_MENUS, *_SLIDERS):
        getattr(parts, name).observe(draw, "value")
    draw()
    return panel


def plan_cards(
    *, network: str, image_size: int, precision: str, batch_size: int, pictures: int, epochs: int
) -> tuple[list[bench.Plan], dict[str, str]]:
    """The same run planned on every card that computes in this precision, and why others cannot.

    Args:
        network: a name in ``NETWORKS``.
        image_size: height and width, pixels.
        precision, batch_size, pictures, epochs: as for ``bench.plan``.
    """
    plans, lacking = [], {}
    for card in bench.CARDS:
        if precision not in bench.card_roofline(card).gflops:
            lacking[card.name] = f"no {precision}"
            continue
        plans.append(
            bench.plan(
                NETWORKS[network], image_size=(image_size, image_size), batch_size=batch_size,
                pictures=pictures, epochs=epochs, card=card, precision=precision,
            )
        )  # fmt: skip
    return plans, lacking


def sentence(plans: list[bench.Plan], *, chosen: str, lacking: dict[str, str]) -> str:
    """What the figure says of the chosen card, and what the machine around it needs, in HTML."""
    if chosen in lacking:
        names = ", ".join(bench.card_roofline(bench.find_card(chosen)).gflops)
        return f"The {chosen} has <b>{lacking[chosen]}</b>: it computes in {names}."
    plan = next(plan for plan in plans if plan.card == chosen)
    return f"{_memory_words(plan)} {_time_words(plan)}<br>{_ram_words(plan)}"


def _memory_words(plan: bench.Plan) -> str:
    room = f"{plan.needed_gib:.1f} GiB of {plan.card_gib:.1f}"
    if not plan.fits:
        return (
            f"On the {plan.card} it <b>does not fit</b>: {room}. The largest batch is "
            f"<b>{plan.largest_batch:,}</b>; smaller ones can be added up before a step."
        )
    return (
        f"On the {plan.card} it <b>fits</b>: {room}. Up to {plan.largest_batch:,} pictures would."
    )


def _time_words(plan: bench.Plan) -> str:
    if not plan.fits:
        return ""
    low, high = map(plan_plots.duration, plan.hours_interval)
    words = (
        f"About <b>{plan.images_per_s:,.0f} images/s</b> if the loader keeps up, "
        f"<b>{plan_plots.duration(plan.hours)}</b> in all (likely {low} to {high}), at most "
        f"{_kwh(plan.energy_kwh)} kWh"
    )
    if plan.launching:
        words += "; limited by the CPU, which asks for each operation: take a larger batch"
    price = "no cloud price known" if plan.cost_usd is None else f"<b>{plan.cost_usd:,.2f} USD</b>"
    return f"{words}. Rented: {price}."


def _kwh(energy: float) -> str:
    return f"{energy:,.0f}" if energy >= 10 else f"{energy:.2g}"


def _ram_words(plan: bench.Plan) -> str:
    ram = plan.ram
    return (
        f"The machine needs <b>{math.ceil(ram.least_gib):,} GiB of RAM</b> (system "
        f"{ram.system_gib:.0f}, processes {ram.processes_gib:.1f}, batches on their way "
        f"{ram.batches_gib:.1f}), and {math.ceil(ram.total_gib):,} to keep all picture files at "
        f"hand. “Twice the GPU memory” would be {plan.rule_gib:,.0f}."
    )


def _choices(parts: SimpleNamespace) -> dict[str, Any]:
    names = ("network", "image_size", "precision", "batch_size", "pictures", "epochs")
    return {name: getattr(parts, name).value for name in names}


def _sheet(parts: SimpleNamespace, plans: list[bench.Plan], lacking: dict[str, str]) -> Figure:
    size = plan_plots.plan_inches(len(plans) + len(lacking))
    figure = Figure(figsize=size, dpi=figures.DPI)
    title = (
        f"{parts.network.value}, {parts.image_size.value} px, batch {parts.batch_size.value:,}, "
        f"{parts.precision.value}"
    )
    plots.plan_sheet(
        plans, chosen=parts.card.value, lacking=lacking, title=title,
        axes=plan_plots.add_plan_axes(figure),
    )  # fmt: skip
    return figure


def _controls(network: str, card: str) -> Panel:
    parts = {
        "network": Dropdown(options=list(NETWORKS), value=network, description="network"),
        "image_size": Dropdown(
            options=[(f"{side} × {side} px", side) for side in _SIZES_PX], value=224,
            description="pictures of",
        ),
        "precision": Dropdown(options=_PRECISIONS, value="float16", description="precision"),
        "card": Dropdown(
            options=[known.name for known in bench.CARDS], value=card, description="card"
        ),
        "batch_size": _steps("batch size", _BATCHES, 128),
        "pictures": _steps("pictures", _PICTURES, 100_000),
        "epochs": IntSlider(
            value=30, min=1, max=300, description="epochs", continuous_update=False
        ),
    }  # fmt: skip
    rows = []
    for names, width in ((_MENUS, "204px"), (_SLIDERS, "274px")):
        chosen = [parts[name] for name in names]
        for part in chosen:
            part.layout.width, part.layout.flex = width, "0 0 auto"
            part.style.description_width = "72px"
        rows.append(HBox(chosen, layout={"flex_flow": "row wrap"}))
    picture, message = picture_widget(), HTML()
    return Panel([*rows, picture, message], **parts, picture=picture, message=message)


def _steps(description: str, values: tuple[int, ...], value: int) -> SelectionSlider:
    return SelectionSlider(
        options=[(f"{count:,}", count) for count in values], value=value, description=description,
        continuous_update=False,
    )  # fmt: skip
