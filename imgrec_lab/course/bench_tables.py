"""Machine reports as text: a title line for each part, and tables of aligned columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgrec_lab.bench import Report

_WIDTH = 100


def report_text(report: Report) -> str:
    """One report, part by part; of what does not apply or failed, why."""
    lines = [f"Machine, {report.date} UTC" + (", measured quickly" if report.quick else "")]
    lines += _table(_machine(report))
    for name, show in _PARTS.items():
        if name not in report.seconds:
            continue
        lines += ["", f"{_TITLES[name]} ({report.seconds[name]:.1f} s)"]
        if name in report.failures:
            lines += _wrapped(f"not measured: {report.failures[name]}")
        else:
            lines += show(report.parts[name])
    return "\n".join([*lines, *_listed("Warnings", report.warnings)])


def comparison_text(reports: Sequence[Report]) -> str:
    """A table with one column a report; in brackets the ratio to the first."""
    from imgrec_lab import bench

    numbered = list(enumerate(reports, 1))
    names = bench.machine_names(reports)
    machines = [[f"[{n}]", name, f"{report.date} UTC", "quick" if report.quick else ""]
                for (n, report), name in zip(numbered, names, strict=True)]  # fmt: skip
    lines = ["Machines; in brackets below, the ratio to [1]", *_table(machines)]
    heads, align = [row[0] for row in machines], "l" + "r" * len(names)
    for unit, rows in bench.compare_reports(reports).items():
        table = [[row, *_cells(list(map(cells.get, names)))] for row, cells in rows.items()]
        lines += ["", unit[0].upper() + unit[1:], *_table([["", *heads], *table], align=align)]
    for n, report in numbered:
        failures = [f"{name}: {why}" for name, why in report.failures.items()]
        lines += _listed(f"Not measured on [{n}]", failures)
        lines += _listed(f"Warnings of [{n}]", report.warnings)
    return "\n".join(lines)


def _cells(values: list[float | None]) -> list[str]:
    first = values[0]
    cells = ["-" if value is None else _number(value) for value in values]
    if first is None:
        return cells
    ratios = ["" if value is None else f" ({_ratio(value / first)})" for value in values[1:]]
    return [cell + ratio for cell, ratio in zip(cells, ["", *ratios], strict=True)]


def _ratio(ratio: float) -> str:
    return f"{_number(ratio)}x" if ratio >= 0.1 else f"1/{1 / ratio:,.0f}"


def _machine(report: Report) -> Iterable[list[str]]:
    from imgrec_lab import bench

    facts = report.facts
    yield ["device", facts["device"]]
    if facts["note"]:
        yield ["", facts["note"]]
    for number, gpu in enumerate(facts["gpus"]):
        free = "" if gpu["free_gib"] is None else f", {gpu['free_gib']:.1f} free"
        memory = f"{gpu['memory_gib']:.1f} GiB{free}"
        yield [f"GPU {number}", f"{gpu['name']}, {memory}, capability {gpu['compute_capability']}"]
    yield ["processor", f"{facts['processor']}, {facts['instructions']}"]
    yield ["may use", str(bench.Limits(**report.limits))]
    yield ["trains in", facts["precision"]]
    yield ["published", facts["card"] or "bench.CARDS has no such device"]
    packages = ("python", "torch", "torchvision", "imgrec_lab")
    versions = [f"{name} {facts[name]}" for name in packages]
    yield ["software", ", ".join([*versions, facts["system"]])]


def _timing(part: dict[str, Any]) -> list[str]:
    low, high = part["interval_ms"]
    rows = [
        ["bench.measure", f"{part['ours_ms']:.4g} ms", f"({low:.4g} to {high:.4g})"],
        ["torch's timer", f"{part['torchs_ms']:.4g} ms", ""],
    ]
    return _table(rows, align="lrl")


def _roofline(part: dict[str, Any]) -> list[str]:
    kinds = list(next(iter(part["gflops"].values())))
    rows = [["GFLOP/s", *kinds]]
    for precision, rates in part["gflops"].items():
        rows.append([precision, *(_number(rates[kind]) for kind in kinds)])
    lines = _table(rows, align="l" + "r" * len(kinds))
    sizes = part["bandwidth_gb_s"]
    rows = [["moved", *(_size(num_bytes) for num_bytes, _ in sizes)],
            ["GB/s", *(_number(rate) for _, rate in sizes)]]  # fmt: skip
    return [*lines, "", *_table(rows, align="l" + "r" * len(sizes))]


def _ladder(part: list[dict[str, Any]]) -> list[str]:
    rows = [["change", "images/s", "95 % interval", "kept", "set to"]]
    for rung in part:
        if rung["images_per_s"] is None:
            continue
        low, high = map(_number, rung["interval"])
        kept = "yes" if rung["kept"] else "no"
        rows.append([rung["name"], _number(rung["images_per_s"]), f"{low} to {high}", kept,
                     rung["setting"]])  # fmt: skip
    lines = _table(rows, align="lrrll")
    notes = [f"{rung['name']}: {rung['note']}" for rung in part if rung["note"]]
    return [*lines, *(line for note in notes for line in _wrapped(note))]


def _memory(part: dict[str, Any]) -> list[str]:
    rows = [[name.removesuffix("_mib"), f"{mib:.1f}", "MiB"]
            for name, mib in part["predicted"].items() if name != "peak_mib"]  # fmt: skip
    rows.append(["predicted together", f"{part['predicted']['peak_mib']:.1f}", "MiB"])
    rows.append(["measured", f"{part['measured_peak_mib']:.1f}", "MiB"])
    return _table(rows, align="lrl")


def _energy(part: dict[str, Any]) -> list[str]:
    if part["joules"] is None:
        return _wrapped(f"not known: {part['reason']}")
    watts = part["joules"] / part["seconds"]
    return [f"  {_number(part['joules'])} J a step, {watts:.0f} W: {part['source']} alone"]


def _throttling(part: list[str]) -> list[str]:
    return [f"  held down by {cause}" for cause in part] or ["  nothing holds the clock down"]


_PARTS: dict[str, Callable[[Any], list[str]]] = {
    "timing": _timing, "roofline": _roofline, "ladder": _ladder, "memory": _memory,
    "energy": _energy, "throttling": _throttling, "timing at the end": _timing,
}  # fmt: skip
_TITLES = {
    "timing": "Timing: one matrix product, by two timers",
    "roofline": "Roofline: arithmetic by precision, and memory traffic by the size of a call",
    "ladder": "Ladder: images a second of a training loop, one change a row",
    "memory": "Memory: one training step of models.ResNet, 32 pictures of 64 x 64",
    "energy": "Energy: the same training step",
    "throttling": "Throttling: the GPU's clock under load",
    "timing at the end": "Timing at the end: the same matrix product again",
}


def _listed(title: str, sentences: Iterable[str]) -> list[str]:
    lines = [line for sentence in sentences for line in _wrapped(sentence)]
    return ["", title, *lines] if lines else []


def _table(rows: Iterable[Sequence[str]], *, align: str = "") -> list[str]:
    """Rows with aligned columns; ``align`` has "l" or "r" for each column, default all "l"."""
    columns = []
    for cells, side in zip_longest(zip(*rows, strict=True), align, fillvalue="l"):
        width = max(map(len, cells))
        columns.append([cell.rjust(width) if side == "r" else cell.ljust(width) for cell in cells])
    return [("  " + "  ".join(row)).rstrip() for row in zip(*columns, strict=True)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _number(value: float) -> str:
    """Three digits that count, and thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _size(num_bytes: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if num_bytes < 1024:
            return f"{num_bytes:.0f} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.0f} GiB"
