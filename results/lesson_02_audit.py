"""What the audit says of two public sets; lesson 02, which cannot carry their pictures, quotes it.

``python results/lesson_02_audit.py BCCD RACCOON`` from the repository's root, each the folder that
``imgrec-lab data get`` unpacks; it rewrites lesson_02_audit.json beside itself.
"""

import json
import sys
from pathlib import Path

from imgrec_lab import audit, runtime


def main() -> None:
    reports = [audit.audit(folder) for folder in sys.argv[1:]]
    facts = {
        "machine": runtime.report(),
        "sets": [json.loads(report.to_json()) for report in reports],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
