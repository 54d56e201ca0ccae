"""How long an audit of 60,000 photographs takes, and how much memory.

Run it from the repository's root with the image folder of CIFAR-10 (its train and test level) as
argument; it rewrites audit_speed.json beside itself.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

from imgrec_lab import audit, runtime


def main() -> None:
    load = os.getloadavg()[0]
    start = time.perf_counter()
    report = audit.audit(sys.argv[1])
    seconds = time.perf_counter() - start
    result = {
        "machine": runtime.report(),
        "pictures": report.num_pictures,
        "seconds": round(seconds, 1),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "load_before": round(load, 2),
        "findings": report.kinds(),
    }
    print(result)
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
