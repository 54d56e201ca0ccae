"""``imgrec-lab bench`` and ``bench compare``: what is printed, written and refused."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from imgrec_lab import bench, course, plots

RUNGS = ("plain loop", "larger batch", "TF32")
UNITS = ("training, images/s", "arithmetic, GFLOP/s", "traffic, GB/s",
         "memory, MiB (less is better)", "energy, J (less is better)")  # fmt: skip


def report(device="A processor, 2 threads", speed=1.0, **changes) -> bench.Report:
    """A made-up report of a machine that is so many times as fast as the first."""
    facts = {
        "device": device, "kind": "cpu", "precision": "float32", "processor": device,
        "instructions": "AVX2", "gpus": [], "note": "", "card": "", "system": "Linux",
        "python": "3.12", "torch": "2.6", "torchvision": "0.21", "imgrec_lab": "0.1.0",
        "warnings": [],
    }  # fmt: skip
    timing = {"ours_ms": 1.2, "interval_ms": [1.1, 1.3], "torchs_ms": 1.25, "warnings": []}
    found = bench.Report(
        date="2025-12-01 12:00:00",
        quick=True,
        facts=facts,
        limits={"cores": 2, "memory_gib": 4.0, "host_cores": 64, "host_memory_gib": 256.0},
        parts={
            "timing": timing,
            "roofline": {
                "gflops": {"float32": {"matmul": 50 * speed, "conv": 40 * speed}},
                "bandwidth_gb_s": [[49152, 3 * speed], [2**28, 9 * speed]],
            },
            "ladder": [rung(RUNGS[0], 700 * speed), rung(RUNGS[1], 750 * speed), rung(RUNGS[2])],
            "memory": {
                "predicted": {"parameters_mib": 1.5, "peak_mib": 170.6},
                "measured_peak_mib": 174.0,
            },
            "energy": {"joules": None, "seconds": None, "source": "the processor",
                       "reason": "no permission to read the processor's counter."},
            "timing at the end": timing,
        },
        failures={},
        seconds=dict.fromkeys(
            ("timing", "roofline", "ladder", "memory", "energy", "timing at the end"), 0.5
        ),
        warnings=(),
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


def rung(name, images_per_s=None):
    interval = images_per_s and [0.9 * images_per_s, 1.1 * images_per_s]
    note = "" if images_per_s else "only on CUDA GPUs"
    return {"name": name, "images_per_s": images_per_s, "interval": interval, "difference": None,
            "kept": bool(images_per_s), "note": note, "setting": ""}  # fmt: skip


@pytest.fixture
def measured(monkeypatch):
    """Replaces the measuring; holds how often it was asked for, and what it gives."""
    calls = []

    def measure(quick, say):
        calls.append(quick)
        say("timing: 0.5 s")
        return report(date=f"2025-12-01 12:00:0{len(calls)}")

    monkeypatch.setattr(bench, "machine_report", measure)
    return calls


# ---- measure


def test_a_report_is_printed_part_by_part(measured, capsys):
    assert course.main(["bench", "--quick"]) == 0
    assert measured == [True]
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == "timing: 0.5 s"
    for line in (
        "Machine, 2025-12-01 12:00:01 UTC, measured quickly",
        "  may use    2 cores (the host has 64), 4.0 GiB of memory (the host has 256.0)",
        "  published  bench.CARDS has no such device",
        "Roofline: arithmetic by precision, and memory traffic by the size of a call (0.5 s)",
        "  GFLOP/s  matmul  conv",
        "  moved  48 KiB  256 MiB",
        "  plain loop         700     630 to 770  yes",
        "  TF32: only on CUDA GPUs",
        "  not known: no permission to read the processor's counter.",
    ):
        assert line in printed.out.splitlines()


def test_gpus_throttling_energy_failures_and_warnings_are_printed(monkeypatch, capsys):
    gpu = {"name": "A GPU", "memory_gib": 48.0, "free_gib": 40.0, "compute_capability": "8.6"}
    made = report(warnings=("the GPU is in use by others",), failures={"memory": "out of memory"})
    made.facts.update(gpus=[gpu, gpu | {"free_gib": None}], note="of 2 GPUs, number 0 is measured")
    made.parts["throttling"] = ["its power limit"]
    made.parts["energy"] = {"joules": 2.5, "seconds": 0.01, "source": "the GPU", "reason": ""}
    made.seconds["throttling"] = 0.5
    monkeypatch.setattr(bench, "machine_report", lambda **choices: made)
    assert course.main(["bench"]) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in (
        "             of 2 GPUs, number 0 is measured",
        "  GPU 0      A GPU, 48.0 GiB, 40.0 free, capability 8.6",
        "  GPU 1      A GPU, 48.0 GiB, capability 8.6",
        "  2.5 J a step, 250 W: the GPU alone",
        "  held down by its power limit",
        "  not measured: out of memory",
        "  the GPU is in use by others",
    ):
        assert line in printed


def test_a_file_gathers_reports(measured, tmp_path, capsys):
    path = tmp_path / "here.json"
    for count in (1, 2):
        assert course.main(["bench", "--json", str(path)]) == 0
        assert f"written to {path}; reports in that file: {count}" in capsys.readouterr().out
    assert [found.date[-1] for found in bench.read_reports(path)] == ["1", "2"]


@pytest.mark.parametrize("content", ["", "[]", '{"schema": "imgrec_lab machine report"}'])
def test_another_file_is_refused_before_measuring_and_kept(content, measured, tmp_path, capsys):
    path = tmp_path / "precious.json"
    path.write_text(content)
    assert course.main(["bench", "--json", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"imgrec-lab: {path} must ")
    assert measured == [] and path.read_text() == content


def test_a_place_that_cannot_be_written_is_refused_before_measuring(measured, tmp_path, capsys):
    for path in (tmp_path, tmp_path / "none" / "a.json"):
        assert course.main(["bench", "--json", str(path)]) == 2
        assert "a file in a folder that is there; got" in capsys.readouterr().err
    assert measured == []


def test_a_folder_without_permission_is_refused(measured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert course.main(["bench", "--json", str(tmp_path / "a.json")]) == 2
    assert "no permission to write into the folder of" in capsys.readouterr().err


def test_the_commands_are_found_without_loading_torch():
    code = (
        "import sys; from imgrec_lab import course; course._parser(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- compare


def saved(folder: Path, **reports: bench.Report) -> list[str]:
    for name, made in reports.items():
        bench.save_reports([made], folder / f"{name}.json")
    return [str(folder / f"{name}.json") for name in reports]


def test_machines_stand_in_columns_with_their_ratios(tmp_path, capsys):
    slow, fast = report(), report("A GPU", 10.0, warnings=("it is hot",), quick=False)
    fast.parts["energy"] |= {"joules": 2.5}
    del fast.parts["roofline"]
    fast.failures["roofline"] = "out of memory"
    files = saved(tmp_path, slow=slow, fast=fast)
    assert course.main(["bench", "compare", *files]) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in (
        "  [1]  A processor, 2 threads  2025-12-01 12:00:00 UTC  quick",
        "  [2]  A GPU                   2025-12-01 12:00:00 UTC",
        "                [1]          [2]",
        "  plain loop    700  7,000 (10x)",
        "  matmul, float32   50    -",
        "  one training step    -  2.5",
        "  one training step  174  174 (1x)",
        "Not measured on [2]",
        "  roofline: out of memory",
        "Warnings of [2]",
        f"drawn in {tmp_path / 'slow_compared.png'}",
    ):
        assert line in printed
    assert not any(line.startswith("  TF32") for line in printed)
    assert (tmp_path / "slow_compared.png").read_bytes().startswith(b"\x89PNG")
    assert plt.get_fignums() == []


def test_one_file_may_hold_all_machines_and_the_figure_may_lie_elsewhere(tmp_path, capsys):
    bench.save_reports([report(), report("A GPU", 9.0)], tmp_path / "all.json")
    where = tmp_path / "figure.png"
    assert course.main(["bench", "compare", str(tmp_path / "all.json"), "--png", str(where)]) == 0
    assert where.exists() and f"drawn in {where}" in capsys.readouterr().out


def test_one_report_is_nothing_to_compare(tmp_path, capsys):
    [file] = saved(tmp_path, one=report())
    assert course.main(["bench", "compare", file, file]) == 2
    assert "compare needs two different reports" in capsys.readouterr().err


def test_a_figure_never_replaces_a_report(tmp_path, capsys):
    files = saved(tmp_path, a=report(), b=report("A GPU"))
    assert course.main(["bench", "compare", *files, "--png", files[0]]) == 2
    assert "a file whose name ends in .png; got" in capsys.readouterr().err
    assert len(bench.read_reports(files[0])) == 1


def test_a_missing_file_is_one_line(tmp_path, capsys):
    [file] = saved(tmp_path, a=report())
    assert course.main(["bench", "compare", file, str(tmp_path / "b.json")]) == 2
    assert capsys.readouterr().err.startswith(f"imgrec-lab: there is no file {tmp_path}/b.json.")


# ---- the figure


def drawn(*reports):
    axes = plots.machines(bench.compare_reports(reports))
    figure = axes[0].figure
    figure.canvas.draw()
    return axes, figure


def test_the_figure_has_a_panel_a_unit_a_row_a_measurement_and_a_dot_a_machine():
    axes, figure = drawn(report(), report("A GPU", 10.0))
    assert [f"{ax.get_ylabel()}, {ax.get_xlabel()}" for ax in axes] == list(UNITS[:4])
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list(RUNGS[:2])
    assert all(ax.get_xscale() == "log" for ax in axes)
    dots = [tuple(line.get_xdata()) for line in axes[0].lines if len(line.get_xdata())]
    assert dots == [(700,), (7000,), (750,), (7500,)]
    key = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert key == ["A processor, 2 threads", "A GPU"] and axes[0].get_title("left")
    plt.close(figure)


def test_a_machine_without_a_ladder_is_named_and_has_no_dot():
    without = report("A GPU", 10.0)
    del without.parts["ladder"]
    axes, figure = drawn(report(), without)
    assert axes[0].get_xlabel() == "images/s\nnot measured: A GPU"
    assert axes[1].get_xlabel() == "GFLOP/s"
    assert sum(len(line.get_xdata()) for line in axes[0].lines) == 2
    plt.close(figure)


def test_six_machines_with_long_names_stay_on_the_page():
    made = [report(f"A processor of a long name, number {n}", 2.0**n) for n in range(6)]
    axes, figure = drawn(*made)
    right = axes[0].get_legend().get_window_extent().x1
    assert right <= figure.bbox.width and figure.get_size_inches()[0] == 8.5
    assert figure.get_size_inches()[1] < 15
    plt.close(figure)


def test_axes_of_the_caller_are_drawn_on():
    figure, given = plt.subplots(4)
    assert list(plots.machines(bench.compare_reports([report()]), axes=given)) == list(given)
    plt.close(figure)


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        ({}, "at least one value in each unit; got none"),
        ({"a, b": {}}, "at least one value"),
        ({"a, b": {"row": {"x": 0.0}}}, "values must be above 0 and finite"),
        ({"a, b": {"row": {"x": float("nan")}}}, "values must be above 0"),
        ({"a, b": {"row": {str(n): 1.0 for n in range(9)}}}, "at most 8 machines.*got 9. Draw two"),
    ],
)
def test_what_cannot_be_drawn_is_refused(comparison, sentence):
    with pytest.raises(ValueError, match=sentence):
        plots.machines(comparison)


def test_axes_must_be_as_many_as_units():
    with pytest.raises(ValueError, match="axes must be 1, one a unit; got 2"):
        plots.machines({"a, b": {"row": {"x": 1.0}}}, axes=[None, None])
