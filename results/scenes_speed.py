"""How many pictures a second one core draws, in several fresh processes.

Run it from the repository's root; it rewrites scenes_speed.json beside itself.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROCESSES, REPEATS = 8, 6
JOBS = {"crops_32px": 800, "streets_128px": 150}  # pictures a repeat


def rates() -> dict:
    """Pictures a second of wall time, ``REPEATS`` for each job, and the machine."""
    from imgrec_lab import runtime, scenes

    draw = {
        "crops_32px": lambda n, seed: scenes.draw_signs([k % 14 for k in range(n)], seed=seed),
        "streets_128px": lambda n, seed: scenes.draw_streets(n, seed=seed),
    }
    measured: dict[str, list[float]] = {}
    for name, n in JOBS.items():
        draw[name](2 * n, REPEATS)
        for seed in range(REPEATS):
            start = time.perf_counter()
            draw[name](n, seed)
            measured.setdefault(name, []).append(n / (time.perf_counter() - start))
    return {"machine": runtime.report(), **measured}


def main() -> None:
    """Measure in fresh processes of one thread each, one after another."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    runs = []
    for _ in range(PROCESSES):
        command = [sys.executable, __file__, "once"]
        out = subprocess.run(command, env=one_thread, check=True, capture_output=True, text=True)
        runs.append(json.loads(out.stdout))
        print({name: round(statistics.median(runs[-1][name])) for name in JOBS}, flush=True)
    result: dict = {"machine": runs[0]["machine"], "processes": PROCESSES, "repeats": REPEATS}
    for name in JOBS:
        values = sorted(rate for run in runs for rate in run[name])
        result[f"{name}_per_s"] = {
            "median": round(statistics.median(values)),
            "lowest": round(values[0]),
            "highest": round(values[-1]),
        }
    (Path(__file__).with_suffix(".json")).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    print(json.dumps(rates())) if sys.argv[1:] == ["once"] else main()
