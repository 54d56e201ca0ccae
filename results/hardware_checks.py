"""How far the measuring tools of lesson 09 can be believed on this machine.

``bench.measure`` beside torch's own timer, quiet and disturbed; what measuring costs; memory and
images a second, predicted and then measured. Other programs should rest meanwhile. Run it from the
repository's root; it rewrites hardware_checks.json beside itself.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.utils.benchmark import Timer

from imgrec_lab import bench, models, runtime
from imgrec_lab.bench import timing

PAIRS, ROUNDS = 10, 5
FULL = runtime.Precision(torch.float32)
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {  # builder, picture, batch
    "TinyCNN": (lambda: models.TinyCNN(14), 32, 128),
    "QuickCNN": (lambda: models.QuickCNN(14), 32, 128),
    "ResNet": (lambda: models.ResNet(14), 32, 64),
    "MobileNetV3": (lambda: torchvision.models.mobilenet_v3_large(num_classes=14), 128, 16),
    "ResNet-50": (lambda: torchvision.models.resnet50(num_classes=14), 128, 8),
}
BATCHES = (4, 8, 16, 32)


def batch(pictures: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.rand(pictures, 3, size, size, device=runtime.pick_device())
    return images, torch.zeros(pictures, dtype=torch.long, device=images.device)


def beside_torchs_timer() -> dict:
    """Ratios of our median to that of torch's timer, in turns, on one thread.

    Two threads wait for each other, and their times move by a tenth from second to second.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    images, labels = batch(64, 32)
    step = bench.training_step(models.QuickCNN(14), images, labels, precision=FULL)
    product = torch.rand(512, 512, device=images.device)
    jobs = {"matrix product 512": lambda: product @ product, "training step of QuickCNN": step}
    found = {}
    for name, job in jobs.items():
        timer = Timer("job()", globals={"job": job})  # it takes one thread of itself
        ratios = []
        for _ in range(PAIRS):
            ours = bench.measure(job, least_seconds=1, most_seconds=3).median_ms
            ratios.append(ours / (1000 * timer.blocked_autorange(min_run_time=1).median))
        found[name] = {
            "median": round(statistics.median(ratios), 4),
            "all": [round(r, 4) for r in ratios],
        }
    torch.set_num_threads(threads)
    return found


def warnings_of(disturbed: bool) -> list[str]:
    """What ``measure`` says of a matrix product, with and without programs that come and go."""
    product = torch.rand(512, 512)
    others = "import time, torch\na = torch.rand(900, 900)\n"
    others += "while True:\n    [a @ a for _ in range(12)]\n    time.sleep(0.2)"
    programs = [subprocess.Popen([sys.executable, "-c", others]) for _ in range(2 * disturbed)]
    try:
        time.sleep(8 * disturbed)
        return list(bench.measure(lambda: product @ product, most_seconds=3).warnings)
    finally:
        for program in programs:
            program.kill()
            program.wait()


def cost_of_measuring() -> dict:
    """Nanoseconds that a call gains by being measured, and a block of calls by its two clocks."""
    call = 1e6 * bench.measure(lambda: None).median_ms
    block = 2e6 * bench.measure(timing.clock).median_ms
    return {
        "ns_a_call": round(call, 1),
        "ns_a_block": round(block, 1),
        "share_of_a_block_of_2_ms_of_calls_of_10_us": round(call / 10_000 + block / 2e6, 5),
    }


def memory() -> dict:
    """MiB predicted by ``memory_profile`` and measured, batch by batch."""
    found = {}
    for name, (build, size, _) in NETWORKS.items():
        size = min(size, 96)
        for pictures in BATCHES:
            images, labels = batch(pictures, size)
            use = bench.memory_profile(build, images, labels)
            step = bench.training_step(build(), images, labels, precision=FULL)
            step()
            peak = use.before_mib + bench.measure_memory(step, images.device)
            found.setdefault(f"{name}, {size} px", {})[pictures] = {
                "predicted_mib": round(use.peak_mib, 2),
                "measured_mib": round(peak, 2),
                "ratio": round(use.peak_mib / peak, 3),
            }
    return found


def speed() -> dict:
    """Images a second from the measured roofs, and then measured; in turns, several rounds."""
    rows: dict[str, dict] = {}
    for _ in range(ROUNDS):
        roof = bench.roofline(seconds=0.2)
        for name, (build, size, pictures) in NETWORKS.items():
            images, labels = batch(pictures, size)
            work = bench.count_work(build, images, labels)
            step = bench.training_step(build(), images, labels, precision=FULL)
            found = bench.measure(step, least_seconds=1, most_seconds=4)
            measured = 1000 * pictures / found.median_ms
            predicted = pictures / roof.step_seconds(work)
            row = rows.setdefault(name, {"picture_px": size, "batch": pictures, "runs": []})
            row["runs"].append({
                "predicted": round(predicted, 1), "measured": round(measured, 1),
                "ratio": round(predicted / measured, 3),
                "roof": round(pictures / roof.roof_seconds(work), 1),
                "warnings": list(found.warnings),
            })  # fmt: skip
    for row in rows.values():
        row["median_ratio"] = statistics.median(run["ratio"] for run in row["runs"])
    return rows


def main() -> None:
    facts = {
        "beside_torchs_timer": beside_torchs_timer(),
        "warnings_of_a_quiet_run": warnings_of(disturbed=False),
        "warnings_of_a_disturbed_run": warnings_of(disturbed=True),
        "cost_of_measuring": cost_of_measuring(),
        "memory": memory(),
        "images_per_s": speed(),
        "machine": runtime.report(),
    }
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
