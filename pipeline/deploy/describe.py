"""What a device says of itself: `python -m beltline.pipeline.deploy.describe`, run there; one JSON object on stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

from ...export.artifacts import backends, runtime_packages
from ...targets.fingerprint import fingerprint
from ...targets.kernel_files import cpus_by_core


def describe() -> dict[str, Any]:
    """Describe this machine.

    Returns:
        JSON-able: `facts` (its fingerprint), `cpus` (pairs of core and CPU as `cpus_by_core` orders them), `missing`
        (backend to what it lacks, in words; only those that lack something).
    """
    lacking = {name: backend.missing() for name, backend in backends().items()}
    return {
        "facts": fingerprint(runtime_packages()),
        "cpus": [list(pair) for pair in cpus_by_core()],
        "missing": {name: lack for name, lack in lacking.items() if lack is not None},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(describe()) + "\n")
