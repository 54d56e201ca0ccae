"""What this machine is and takes, the report of it, and files of reports."""

import dataclasses
import getpass
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from imgrec_lab import bench
from imgrec_lab.bench import anonymous, gpu_driver, hardware_facts, other_work, power, reports
from imgrec_lab.course import measured

GIB = 2**30
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class NVMLError(Exception):
    pass


class FakeDriver(SimpleNamespace):
    """Stands for the module pynvml; a value that is an error is raised."""

    NVMLError = NVMLError

    def nvmlInit(self):
        self._answer(self.init)

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        self.millijoules = self._answer(self.millijoules) + 5000
        return self.millijoules

    def nvmlDeviceGetUtilizationRates(self, handle):
        return SimpleNamespace(gpu=self._answer(self.busy_percent))

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(free=self._answer(self.free_bytes))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):
        return self._answer(self.reasons)

    @staticmethod
    def _answer(value):
        if isinstance(value, Exception):
            raise value
        return value


@pytest.fixture
def driver(monkeypatch):
    fake = FakeDriver(init=None, millijoules=0, busy_percent=0, free_bytes=30 * GIB, reasons=0)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    properties = SimpleNamespace(
        name="NVIDIA RTX A6000", total_memory=48 * GIB, major=8, minor=6, uuid="0-1"
    )
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    return fake


@pytest.fixture
def gpus(driver, monkeypatch):
    """A machine with GPUs, of which torch says what this sets."""
    machine = SimpleNamespace(count=1, free=47.5, reserved=0.0)
    for name, answer in {
        "is_available": lambda: True,
        "device_count": lambda: machine.count,
        "current_device": lambda: 0,
        "get_device_name": lambda device: "NVIDIA RTX A6000",
        "get_device_capability": lambda device: (8, 6),
        "mem_get_info": lambda device: (int(machine.free * GIB), 48 * GIB),
        "memory_reserved": lambda device: int(machine.reserved * GIB),
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return machine


def zone(folder, *, name="package-0", energy_uj="1000000", max_uj="9999999"):
    folder.mkdir()
    for file, text in {"name": name, "energy_uj": energy_uj, "max_energy_range_uj": max_uj}.items():
        (folder / file).write_text(f"{text}\n")
    return folder / "energy_uj"


# ---- energy


def test_the_energy_of_a_call_is_what_the_processors_counter_says(tmp_path):
    counter = zone(tmp_path / "intel-rapl:0")

    def call():
        call.count += 1
        counter.write_text(f"{int(counter.read_text()) + 2000}")

    call.count = 0
    found = bench.energy(call, CPU, seconds=0.1, powercap=tmp_path)
    assert found.joules == pytest.approx(0.002) and found.reason == ""
    assert found.watts == pytest.approx(0.002 / found.seconds)
    assert call.count * found.seconds >= 0.1 and found.source == "the processor"


def test_a_counter_that_begins_again_goes_on(tmp_path):
    counter = zone(tmp_path / "intel-rapl:0", energy_uj="9000000", max_uj="9999999")
    joules = power._Packages([counter.parent])
    counter.write_text("500000")  # 1 J to the end, and 0.5 J
    assert joules() == pytest.approx(1.5)
    counter.write_text("600000")
    assert joules() == pytest.approx(1.6)


def test_packages_are_added_and_no_zone_is_counted_twice(tmp_path):
    names = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "core", "intel-rapl:1": "package-1",
             "intel-rapl:2": "psys"}  # fmt: skip
    counters = [zone(tmp_path / folder, name=name) for folder, name in names.items()]
    joules = power._counter(CPU, tmp_path)
    for counter in counters:
        counter.write_text("3000000")
    assert joules() == pytest.approx(4.0)


def silence(device, powercap=Path("nowhere")):
    found = bench.energy(lambda: pytest.fail("it must not run"), device, powercap=powercap)
    assert found.joules is found.seconds is found.watts is None
    return found.reason


def test_a_machine_that_does_not_tell_says_so(tmp_path):
    assert silence(CPU, tmp_path) == (
        "this machine does not tell: no counter of its processor in Linux' powercap."
    )
    assert silence(torch.device("mps")) == "this machine does not tell the energy of mps."


def test_without_permission_the_reason_says_what_to_try(tmp_path, monkeypatch):
    zone(tmp_path / "intel-rapl:0")
    read = Path.read_text

    def refuse(path, *args):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *args)

    monkeypatch.setattr(Path, "read_text", refuse)
    reason = silence(CPU, tmp_path)
    assert reason.startswith("no permission to read the processor's counter")
    assert reason.endswith("Try again as root, with sudo.")


def test_a_broken_counter_and_one_that_stands_still_are_told(tmp_path):
    zone(tmp_path / "intel-rapl:0", energy_uj="much")
    assert silence(CPU, tmp_path) == "the processor's counter cannot be read (ValueError)."
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("7")
    found = bench.energy(lambda: None, CPU, seconds=0.1, powercap=tmp_path)
    assert found.joules is None and "stood still for 0.1 s" in found.reason


def test_a_gpu_is_asked_through_its_driver(driver):
    calls = []
    found = bench.energy(lambda: calls.append(1), CUDA, seconds=0.1)
    assert found.source == "the GPU" and found.reason == ""
    assert 5 / len(calls) <= found.joules <= 5  # J between two answers, less calls than all


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("Not Supported", "this GPU does not tell; Volta and later do"),
        ("Insufficient Permissions", "no permission to ask the driver. Ask who runs"),
        ("Unknown Error", "NVIDIA's driver does not tell: Unknown Error."),
    ],
)
def test_a_driver_that_refuses_is_a_reason(answer, sentence, driver):
    driver.millijoules = NVMLError(answer)
    assert silence(CUDA).startswith(sentence)


@pytest.mark.parametrize("answer", ["Driver Not Loaded", "NVML Shared Library Not Found"])
def test_a_driver_that_is_not_there_is_a_reason(answer, driver):
    driver.init = NVMLError(answer)
    assert "NVIDIA's driver is not loaded" in silence(CUDA) or "NVML is not" in silence(CUDA)


def test_the_package_that_asks_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it fails then
    assert silence(CUDA).endswith("is not installed. Try pip install nvidia-ml-py.")


def test_energy_over_too_short_a_time_is_refused():
    for seconds in (0.01, float("inf")):
        with pytest.raises(ValueError, match=f"at least 0.1, .* finite; got {seconds}. Try 1."):
            bench.energy(lambda: None, CPU, seconds=seconds)


def test_what_slows_a_gpu_is_named_but_not_that_it_was_idle(driver):
    driver.reasons = 0x1 | 0x4 | 0x40
    assert gpu_driver.slowed_by(lambda: None, CUDA, seconds=0.01) == [
        "its power limit", "its temperature, by hardware",
    ]  # fmt: skip


# ---- facts


def test_a_machine_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    facts = bench.machine_facts(CPU)
    assert (facts.kind, facts.gpus, facts.note, facts.card) == ("cpu", (), "", "")
    assert facts.instructions == torch.backends.cpu.get_cpu_capability()
    assert facts.torch == torch.__version__


def test_one_gpu_and_its_published_card(gpus, monkeypatch):
    monkeypatch.delenv("IMGREC_PRECISION", raising=False)
    facts = bench.machine_facts(CUDA)
    assert facts.gpus == (bench.Gpu("NVIDIA RTX A6000", 48.0, 47.5, "8.6", True),)
    assert (facts.card, facts.note, facts.precision) == ("RTX A6000", "", "bfloat16")
    assert not any("GPU" in warning for warning in facts.warnings)


def test_of_several_gpus_one_is_measured(gpus, driver):
    gpus.count = 3
    facts = bench.machine_facts(torch.device("cuda", 1))
    assert facts.note == "of 3 GPUs, number 1 is measured; the others are not used"
    assert [gpu.free_gib for gpu in facts.gpus] == [30, 47.5, 30]
    driver.free_bytes = NVMLError("Not Supported")
    assert bench.machine_facts(CUDA).gpus[1].free_gib is None


def test_a_gpu_in_use_by_others_is_a_warning(gpus, driver):
    gpus.free, gpus.reserved = 37.0, 2.0
    driver.busy_percent = 64
    memory, busy = bench.machine_facts(CUDA).warnings[-2:]
    assert memory.startswith("the GPU is in use by others: 9.0 GiB of its memory are taken")
    assert busy.startswith("the GPU is in use by others: it was busy for 64%")
    gpus.reserved, driver.busy_percent = 10.5, NVMLError("Not Supported")
    assert not any("others" in warning for warning in bench.machine_facts(CUDA).warnings)


def test_more_threads_than_a_container_allows_is_a_warning(monkeypatch):
    monkeypatch.setattr(hardware_facts, "limits", lambda: bench.Limits(1.5, 2, 64, 256))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    warning = bench.machine_facts(CPU).warnings[0]
    assert "64 threads where 2 cores count" in warning and "OMP_NUM_THREADS=2" in warning
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert bench.machine_facts(CPU).warnings == ()


# ---- the report


def check(ours_ms=1.0, torchs_ms=1.0, warnings=()):
    return reports.TimingCheck(ours_ms, (0.9, 1.1), torchs_ms, tuple(warnings))


def rung(name, images_per_s, note=""):
    return SimpleRung(name, images_per_s, images_per_s and (0.9, 1.1), bool(images_per_s), note)


@dataclasses.dataclass(frozen=True)
class SimpleRung:
    name: str
    images_per_s: float | None
    interval: tuple[float, float] | None
    kept: bool
    note: str
    setting: str = ""


def parts(**others):
    fast = {
        "timing": check,
        "roofline": lambda: {"gflops": {"float32": {"matmul": 50.0}}, "bandwidth_gb_s": [(1, 9.0)]},
        "ladder": lambda: (rung("plain loop", 700.0), rung("TF32", None, "only on CUDA GPUs")),
        "memory": lambda: {"measured_peak_mib": 170.0},
        "energy": lambda: bench.Energy(None, None, "the processor", "it does not tell."),
        "timing at the end": check,
    }
    return fast | others


@pytest.fixture
def fakes(monkeypatch):
    """Replaces parts of the report, all of which are fast."""

    def use(**others):
        monkeypatch.setattr(reports, "measuring_parts", lambda device, quick: parts(**others))
        monkeypatch.setattr(reports, "machine_facts", lambda device: FACTS)

    monkeypatch.setattr(other_work, "others_seconds", lambda: 0.0)
    use()
    return use


FACTS = bench.Facts(
    device="A processor, 2 threads", kind="cpu", precision="float32", processor="A processor",
    instructions="AVX2", gpus=(), note="", card="", system="Linux", python="3.12", torch="2.6",
    torchvision="0.21", imgrec_lab="0.1.0", warnings=(),
)  # fmt: skip


def test_a_report_holds_every_part_and_how_long_it_took(fakes):
    said = []
    report = bench.machine_report(quick=True, say=said.append)
    assert list(report.parts) == list(report.seconds) == list(parts())
    assert said[0].startswith("timing: 0.") and len(said) == 6
    assert report.quick and report.warnings == () and report.failures == {}
    assert report.facts["device"] == "A processor, 2 threads"
    assert report.limits == dataclasses.asdict(bench.limits())
    assert report.parts["ladder"][1]["note"] == "only on CUDA GPUs"


def test_what_is_known_is_not_measured_again(fakes):
    def measure():
        raise AssertionError("measured")

    fakes(ladder=measure)
    known = (bench.Rung("plain loop", 5.0, (4.0, 6.0), True, 0.0),)
    report = bench.machine_report(known={"ladder": known})
    assert report.parts["ladder"] == [dataclasses.asdict(known[0]) | {"interval": [4.0, 6.0]}]
    assert report.failures == {} and set(report.parts) == set(parts())


def test_a_known_part_that_there_is_not(fakes):
    with pytest.raises(ValueError, match="known must name parts of timing, .*; got speed."):
        bench.machine_report(known={"speed": 1})


def test_a_part_that_fails_leaves_its_sentence_and_the_others_go_on(fakes):
    def fail():
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual.")

    fakes(roofline=fail)
    said = []
    report = bench.machine_report(say=said.append)
    assert report.failures == {"roofline": "CUDA out of memory. Tried to allocate 2 GiB."}
    assert "roofline" not in report.parts and "timing at the end" in report.parts
    assert said[1].endswith(", failed")


def test_a_machine_that_throttles_is_warned_of(fakes, monkeypatch):
    slow = "it ended 12% slower than it began: throttling, or other work"
    timing = bench.Timing((1.0, 1.2, 1.4), 1, (slow,))
    monkeypatch.setattr(reports, "measure", lambda job, **choices: timing)
    fakes(
        timing=lambda: reports._check_timing(lambda: None, 0.01),
        **{"timing at the end": lambda: check(ours_ms=2.4), "throttling": lambda: ["its heat"]},
    )
    warnings = bench.machine_report().warnings
    assert f"timing: {slow}" in warnings
    assert "timing at the end is 100% slower than at first: throttling, or other work" in warnings
    assert "the GPU's clock is held down by its heat" in warnings


def test_timers_that_disagree_are_a_warning(fakes):
    fakes(timing=lambda: check(torchs_ms=0.8))
    warnings = bench.machine_report().warnings
    assert warnings == ("timing: torch's timer is 20% faster than ours: other work",)


def test_a_processor_in_use_by_others_is_a_warning(fakes, monkeypatch):
    seconds = iter(range(0, 1000, 40))
    monkeypatch.setattr(other_work, "others_seconds", lambda: float(next(seconds)))
    monkeypatch.setattr(reports, "limits", lambda: bench.Limits(16, 32, 48, 64))
    warning = bench.machine_report().warnings[0]
    assert warning == "timing: other programs kept 40.0 of 48 cores busy: end them first"
    monkeypatch.setattr(reports, "limits", lambda: bench.Limits(8, 32, 48, 64))
    assert bench.machine_report().warnings == (), "a container has its own cores"


def test_own_work_and_that_of_children_is_not_of_others():
    before, start = other_work._own_seconds(), time.process_time()
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    while time.process_time() < start + 0.2:
        pass
    assert other_work._own_seconds() - before >= 0.4
    assert other_work.others_seconds() >= 0


def test_the_timing_check_holds_two_medians_of_the_same_job():
    job = reports._product(CPU)
    found = reports._check_timing(job, 0.05)
    assert 0.2 < found.torchs_ms / found.ours_ms < 5, "other tests may run beside this one"


def test_predicted_and_measured_memory_belong_to_the_same_step():
    found = reports._step_memory(CPU)
    assert found.predicted.peak_mib == pytest.approx(found.measured_peak_mib, rel=0.13)


@pytest.mark.parametrize(("quick", "compiled"), [(True, False), (False, True)])
def test_only_a_long_report_compiles(quick, compiled, monkeypatch):
    monkeypatch.setattr(reports, "throughput_ladder", lambda **choices: choices["compiled"])
    measuring = reports.measuring_parts(CPU, quick)
    assert list(measuring) == list(parts()) and measuring["ladder"]() is compiled


def test_a_gpu_is_asked_what_slows_it(driver, monkeypatch):
    monkeypatch.setattr(reports, "_product", lambda device: lambda: None)
    driver.reasons = 0x20
    assert reports.measuring_parts(CUDA, True)["throttling"]() == ["its temperature"]


def test_a_report_names_no_host_user_or_folder(fakes, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "annas-laptop.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/Anna Maria"))

    def fail():
        raise OSError("anna@annas-laptop: no file /home/Anna Maria/my data/x.py at 3 GB/s")

    fakes(ladder=fail, memory=lambda: {"note": r"C:\Users\anna\x failed, ~/runs/7 too"})
    report = bench.machine_report()
    text = json.dumps(dataclasses.asdict(report))
    assert not any(word in text.lower() for word in ("anna", "laptop", "home", "users", "runs"))
    assert "at 3 GB/s" in report.failures["ladder"]
    assert report.parts["memory"]["note"] == "(path) failed, (path) too"


def test_sentences_without_names_stay_as_they_are(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    text = "shown to root only; 12 GB/s and/or 3 images/s"
    assert anonymous.anonymous([text]) == [text]


# ---- files


def test_reports_come_back_as_they_were_written(fakes, tmp_path):
    first, second = bench.machine_report(), bench.machine_report(quick=True)
    bench.save_reports([first, second], tmp_path / "a.json")
    assert bench.read_reports(tmp_path / "a.json") == (first, second)
    document = json.loads((tmp_path / "a.json").read_text())
    assert (document["schema"], document["version"]) == ("imgrec_lab machine report", 1)


def test_merging_keeps_the_order_and_drops_doubles(fakes):
    first, second = bench.machine_report(), bench.machine_report(quick=True)
    assert bench.merge_reports([second], [first, second], [first]) == (second, first)


def written(path, change=lambda document: None) -> Path:
    report = dataclasses.asdict(bench.machine_report())
    document = {"schema": "imgrec_lab machine report", "version": 1, "reports": [report]}
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(version=2), "is of version 2, this imgrec_lab reads 1: a later "
         "imgrec_lab wrote it. Update this one"),
        (lambda d: d.update(version=0), "of version 0, .* measured otherwise. Measure again"),
        (lambda d: d.update(version="new"), "must say its version, a number; it says 'new'"),
        (lambda d: d.update(schema="COCO"), "is JSON of something else"),
        (lambda d: d.update(reports=[]), "at least one report; it holds none"),
        (lambda d: d["reports"].append(7), "report 2 of .* lacks date, quick"),
        (lambda d: d["reports"][0].pop("facts"), "report 1 of .* lacks facts: it was cut"),
        (lambda d: d["reports"][0].update(parts=[]), "report 1 of .*: parts must be a dict; got"),
        (lambda d: d["reports"][0]["facts"].pop("device"), "report 1 of .* is damaged"),
        (lambda d: d["reports"][0]["parts"]["ladder"][0].update(images_per_s="9"), "is damaged"),
        (lambda d: d["reports"][0]["parts"]["ladder"][0].update(images_per_s=-1), "above 0"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_report_of_ours_is_refused(change, sentence, fakes, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        bench.read_reports(written(tmp_path / "a.json", change))


def test_what_is_no_file_of_json_is_refused(fakes, tmp_path):
    with pytest.raises(ValueError, match=r"there is no file .*a.json. imgrec-lab bench --json"):
        bench.read_reports(tmp_path / "a.json")
    with pytest.raises(ValueError, match="is a folder. Name the .json file in it"):
        bench.read_reports(tmp_path)
    for content in (b"", b'{"schema": ', b"\xff\xfe\x00", b"[1, 2]"):
        (tmp_path / "b.json").write_bytes(content)
        with pytest.raises(
            ValueError, match="b.json must (be JSON; .* Is it cut off|hold machine)"
        ):
            bench.read_reports(tmp_path / "b.json")


# ---- side by side


def test_numbers_stand_side_by_side_and_gaps_stay_gaps(fakes):
    first = bench.machine_report()
    fakes(ladder=lambda: (rung("plain loop", 1400.0), rung("TF32", 3.0)), memory=lambda: {})
    second = bench.machine_report()
    table = bench.compare_reports([first, second])
    name, other = bench.machine_names([first, second])
    assert (name, other) == ("A processor, 2 threads", "A processor, 2 threads (2)")
    assert table["training, images/s"] == {
        "plain loop": {name: 700.0, other: 1400.0}, "TF32": {other: 3.0},
    }  # fmt: skip
    assert table["arithmetic, GFLOP/s"] == {"matmul, float32": {name: 50.0, other: 50.0}}
    assert table["memory, MiB (less is better)"] == {"one training step": {name: 170.0}}
    assert "energy, J (less is better)" not in table


def test_the_stored_reports_can_be_read_and_hold_every_part():
    reports_ = [report for path in measured.machines() for report in bench.read_reports(path)]
    assert reports_
    for report in reports_:
        assert report.failures == {} and {"timing", "roofline", "ladder", "memory"} <= set(
            report.parts
        )
        assert bench.Roofline(**report.parts["roofline"]).bandwidth(2**20) > 0
