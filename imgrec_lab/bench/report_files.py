"""Files of machine reports: save, read, merge them, and lay reports side by side."""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from imgrec_lab import atomic_files
from imgrec_lab.bench.reports import Report

_SCHEMA, _VERSION = "imgrec_lab machine report", 1
_FIELDS = {"date": str, "quick": bool, "facts": dict, "limits": dict, "parts": dict,
           "failures": dict, "seconds": dict, "warnings": list}  # fmt: skip
_AGAIN = "imgrec-lab bench --json FILE measures this machine."
_PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
_KINDS = ("matmul", "conv", "depthwise")

TRAINING, ARITHMETIC, TRAFFIC = "training, images/s", "arithmetic, GFLOP/s", "traffic, GB/s"
MEMORY, ENERGY = "memory, MiB (less is better)", "energy, J (less is better)"
Comparison = dict[str, dict[str, dict[str, float]]]  # what and unit -> row -> machine -> value


def save_reports(reports: Sequence[Report], path: Path | str) -> None:
    """Write reports to one JSON file, whole or not at all; what was there is replaced.

    To add to a file: ``save_reports(merge_reports(read_reports(path), [report]), path)``.
    """
    records = [dataclasses.asdict(report) for report in reports]
    document = {"schema": _SCHEMA, "version": _VERSION, "reports": records}
    atomic_files.write_text(Path(path), json.dumps(document, indent=1) + "\n")


def read_reports(path: Path | str) -> tuple[Report, ...]:
    """The reports of a file that ``save_reports`` wrote.

    Raises:
        ValueError: if it is no such file, of another version, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"a report must be a file; {path} is a folder. Name the .json file in it.")
    if not path.exists():
        raise ValueError(f"there is no file {path}. imgrec-lab bench --json {path} makes one.")
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:  # of JSON, or of letters
        raise ValueError(f"{path} must be JSON; {error}. Is it cut off? {_AGAIN}") from None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise ValueError(
            f'{path} must hold machine reports, with "schema": "{_SCHEMA}"; it is JSON of '
            f"something else. {_AGAIN}"
        )
    _check_version(document.get("version"), path)
    records = document.get("reports")
    if not isinstance(records, list) or not records:
        raise ValueError(f"{path} must hold at least one report; it holds none. {_AGAIN}")
    return tuple(_report(record, f"report {n} of {path}") for n, record in enumerate(records, 1))


def _check_version(version: Any, path: Path) -> None:
    if version == _VERSION:
        return
    if not isinstance(version, int):
        raise ValueError(f"{path} must say its version, a number; it says {version!r}. {_AGAIN}")
    if version > _VERSION:
        cure = "a later imgrec_lab wrote it. Update this one"
    else:
        cure = f"its numbers are measured otherwise. Measure again: {_AGAIN}"
    raise ValueError(f"{path} is of version {version}, this imgrec_lab reads {_VERSION}: {cure}.")


def _report(record: Any, where: str) -> Report:
    record = record if isinstance(record, dict) else {}
    if missing := [name for name in _FIELDS if name not in record]:
        raise ValueError(f"{where} lacks {', '.join(missing)}: it was cut or edited. {_AGAIN}")
    for name, kind in _FIELDS.items():
        if not isinstance(record[name], kind):
            raise ValueError(
                f"{where}: {name} must be a {kind.__name__}; got {record[name]!r:.40}. {_AGAIN}"
            )
    values = {name: record[name] for name in _FIELDS}
    report = Report(**values | {"warnings": tuple(record["warnings"])})
    try:
        compare_reports([report])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where} is damaged ({error!r}). {_AGAIN}") from None
    return report


def merge_reports(*groups: Iterable[Report]) -> tuple[Report, ...]:
    """All reports in their order, each once."""
    merged: list[Report] = []
    for group in groups:
        merged += [report for report in group if report not in merged]
    return tuple(merged)


def compare_reports(reports: Sequence[Report]) -> Comparison:
    """The numbers of reports side by side: what and its unit -> row -> machine -> value.

    What a machine does not have is left out of its rows, and a row that none has is left out.

    Raises:
        ValueError: if a number is not above 0 and finite.
    """
    table: Comparison = {}
    for machine, report in zip(machine_names(reports), reports, strict=True):
        for (unit, row), value in _numbers(report.parts).items():
            cells = table.setdefault(unit, {}).setdefault(row, {})
            if value is None:
                continue
            if not 0 < value < math.inf:
                raise ValueError(f"{row}, {unit} must be above 0 and finite; got {value}.")
            cells[machine] = value
    found = {unit: {row: cells for row, cells in rows.items() if cells}
             for unit, rows in table.items()}  # fmt: skip
    return {unit: rows for unit, rows in found.items() if rows}


def machine_names(reports: Sequence[Report]) -> list[str]:
    """The device of each report, numbered where several have the same."""
    devices = [str(report.facts["device"]) for report in reports]
    seen = [devices[: place + 1].count(device) for place, device in enumerate(devices)]
    return [name if n == 1 else f"{name} ({n})" for name, n in zip(devices, seen, strict=True)]


def _numbers(parts: dict[str, Any]) -> dict[tuple[str, str], float | None]:
    """(what and its unit, row) -> value, in the same order whatever a machine has."""
    found: dict[tuple[str, str], float | None] = {}
    for rung in parts.get("ladder", []):
        found[TRAINING, rung["name"]] = rung["images_per_s"]
    roof = parts.get("roofline", {})
    for precision, kind in itertools.product(_PRECISIONS, _KINDS):
        rates = roof.get("gflops", {}).get(precision, {})
        found[ARITHMETIC, f"{kind}, {precision}"] = rates.get(kind)
    found[TRAFFIC, "sum of two tensors"] = max(
        (rate for _, rate in roof.get("bandwidth_gb_s", [])), default=None
    )
    found[MEMORY, "one training step"] = parts.get("memory", {}).get("measured_peak_mib")
    found[ENERGY, "one training step"] = parts.get("energy", {}).get("joules")
    return found
