"""What limits a layer, and what fills the memory: ``plots.roofline``, ``plots.memory_bars``."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from imgrec_lab.plots import figures
from imgrec_lab.plots.figures import BLUE, GREEN, HAIRLINE, INK, MUTED, ORANGE, PURPLE, SKY

_MARKERS = "os^Dv<>P"
_BOLD, _THIN = {"color": INK, "lw": 2.2}, {"color": MUTED, "lw": 1.2, "ls": "--"}
_PARTS = (BLUE, SKY, GREEN, PURPLE, ORANGE, HAIRLINE)


def roofline(
    peaks: Mapping[str, float],
    bandwidths: Mapping[str, float],
    layers: Sequence[Any] = (),
    *,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Roofs of a machine on logarithmic axes, and layers as dots below them.

    Args:
        peaks: name -> 10^9 floating-point operations a second: the flat parts, the first one bold.
        bandwidths: name -> 10^9 bytes a second: the slopes, the first one bold.
        layers: with ``kind``, ``intensity`` (operations a byte) and ``gflops``, as
            ``bench.measure_layers`` gives them; a marker for each kind.

    Raises:
        ValueError: if there is no peak or no bandwidth, or one is not above 0.
    """
    if not peaks or not bandwidths or min(*peaks.values(), *bandwidths.values()) <= 0:
        raise ValueError(
            f"peaks and bandwidths must each name at least one rate above 0; got {dict(peaks)} and "
            f"{dict(bandwidths)}."
        )
    ax = figures.new_axes(ax, figures.PAGE_INCHES, 4.4)
    places = [layer.intensity for layer in layers]
    low = min([0.06, *(place / 2 for place in places)])
    high = max(
        [100.0, 4 * max(peaks.values()) / min(bandwidths.values()), *(2 * p for p in places)]
    )
    _draw_roofs(ax, peaks, bandwidths, low, high)
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    looks = zip(itertools.cycle(_MARKERS), itertools.cycle(figures.PALETTE), strict=False)
    for kind, (marker, color) in zip(kinds, looks, strict=False):
        mine = [layer for layer in layers if layer.kind == kind]
        ax.plot(
            [layer.intensity for layer in mine], [layer.gflops for layer in mine], marker,
            color=color, ms=7, mec="white", mew=0.7, ls="", label=f"{kind} ({len(mine)})", zorder=3,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(low, high)
    xlabel = "arithmetic intensity (floating-point operations a byte)"
    figures.frame(ax, title or "Roofline", xlabel, "speed (GFLOP/s)", grid="both")
    if layers:
        figures.legend(ax, loc="lower right")
    return ax


def _draw_roofs(
    ax: Axes, peaks: Mapping[str, float], bandwidths: Mapping[str, float], low: float, high: float
) -> None:
    """Flat roofs from where the fastest slope meets them, slopes up to the highest roof."""
    top, fastest = max(peaks.values()), max(bandwidths.values())
    for at, (name, peak) in enumerate(peaks.items()):
        ax.plot([peak / fastest, high], [peak, peak], **(_THIN if at else _BOLD))
        crowded = any(1 < other / peak < 1.25 for other in peaks.values())  # its name goes below
        ax.annotate(
            f"{name}: {peak:,.3g} GFLOP/s", (high / 1.1, peak), (0, -3 if crowded else 3),
            textcoords="offset points", ha="right", va="top" if crowded else "bottom",
            fontsize=8.5, color=INK,
        )  # fmt: skip
    for at, (name, rate) in enumerate(bandwidths.items()):
        ax.plot([low, top / rate], [low * rate, top], **(_THIN if at else _BOLD))
        height = top * (0.12 if at == 0 else 0.4)  # the bold one's name below it, others above
        place, side = (height / rate * 1.2, "left") if at == 0 else (height / rate / 1.2, "right")
        ax.text(place, height, f"{name}: {rate:,.3g} GB/s", ha=side, va="center", fontsize=8.5,
                color=INK)  # fmt: skip


def memory_bars(
    rows: Mapping[str, Mapping[str, float]],
    *,
    measured: Mapping[str, float] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """What fills the memory in a training step, as one bar a run; a diamond for what was measured.

    Args:
        rows: name -> {part: MiB}; the same parts in each, at most six.
        measured: name -> MiB in all, for some or all of the rows.

    Raises:
        ValueError: if there is no row, or parts differ.
    """
    parts = list(next(iter(rows.values()), {}))
    if not 0 < len(parts) <= len(_PARTS) or any(list(row) != parts for row in rows.values()):
        raise ValueError(
            f"rows must have the same parts, one to {len(_PARTS)} of them; got {dict(rows)}."
        )
    ax = figures.new_axes(ax, figures.PAGE_INCHES, 0.5 * len(rows) + 1.4)
    longest = max(sum(row.values()) for row in rows.values())
    for place, row in enumerate(rows.values()):
        figures.stack_bar(
            ax, place, row, _PARTS, write="{:,.0f}".format, least=0.06 * longest,
            named=place == 0, height=0.66,
        )  # fmt: skip
    _mark_measured(ax, rows, measured or {})
    figures.frame(ax, title or "Memory of a training step", "MiB", "")
    ax.set_yticks(range(len(rows)), list(rows), fontsize=9)
    ax.set_ylim(len(rows) - 0.45, -0.55)
    figures.legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.28), ncols=len(parts) + 1)
    return ax


def _mark_measured(
    ax: Axes, rows: Mapping[str, Mapping[str, float]], measured: Mapping[str, float]
) -> None:
    found = {place: measured[name] for place, name in enumerate(rows) if name in measured}
    if found:
        ax.plot(
            list(found.values()), list(found), "D", color=INK, ms=6, mec="white", label="measured"
        )
