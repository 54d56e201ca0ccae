"""Milliseconds of one training step, one change at a time: memory layout, precision, compilation.

Run it from the repository's root; it rewrites step_speed.json beside itself. Every variant starts
from the same weights, and its first loss is written down beside its time.
"""

import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from imgrec_lab import models, runtime

os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()  # compile anew, as a learner would
BATCH, REPEATS, ROUNDS = 128, 5, 5
FULL, HALF = runtime.Precision(torch.float32), runtime.Precision(torch.bfloat16)
VARIANTS = {
    "usual layout, float32": (torch.contiguous_format, FULL, False),
    "channels last, float32": (torch.channels_last, FULL, False),
    "channels last, bfloat16": (torch.channels_last, HALF, False),
    "channels last, float32, compiled": (torch.channels_last, FULL, True),
}


class Step:
    """Forward and backward pass of QuickCNN on one batch, in one variant."""

    def __init__(self, layout: torch.memory_format, precision: runtime.Precision, compiled: bool):
        runtime.seed_everything(0)
        self.device, self.precision = runtime.pick_device(), precision
        self.model = models.QuickCNN(14).to(self.device, memory_format=layout)
        images = torch.rand(BATCH, 3, 32, 32, device=self.device)
        self.images = images.to(memory_format=layout)
        self.labels = torch.arange(BATCH, device=self.device) % 14
        if compiled:
            self.model.compile()
        self.first_seconds, self.loss = self.timed()

    def timed(self) -> tuple[float, float]:
        start = time.perf_counter()
        with self.precision.autocast(self.device):
            logits = self.model(self.images)
        loss = F.cross_entropy(logits.float(), self.labels)
        loss.backward()
        value = loss.item()  # waits for the device
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start, value


def main() -> None:
    steps = {name: Step(*variant) for name, variant in VARIANTS.items()}
    seconds = {name: [] for name in steps}
    for _ in range(ROUNDS):  # in turns: the machine's speed varies from minute to minute
        for name, step in steps.items():
            seconds[name] += [step.timed()[0] for _ in range(REPEATS)]
    rows = {
        name: {
            "median_ms": round(1000 * statistics.median(seconds[name]), 2),
            "fastest_ms": round(1000 * min(seconds[name]), 2),
            "first_step_seconds": round(step.first_seconds, 2),
            "first_loss": round(step.loss, 5),
        }
        for name, step in steps.items()
    }
    facts = {"network": "QuickCNN(14)", "batch": BATCH, "image_size": [32, 32]}
    facts |= {"repeats": REPEATS * ROUNDS, "rows": rows, "machine": runtime.report()}
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
