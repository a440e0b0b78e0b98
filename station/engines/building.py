"""Engines that are built where they run, built ahead of the engine process, which has to be ready soon.

`install` has built them already; it is only after an update of JetPack, or on a new GPU, that there is something to do:
`python -m beltline.station.engines.building FOLDER` with the folder of an unpacked bundle, such as
`/opt/beltline/current/bundle`. The station does the same before it starts such an engine, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ...export.artifacts import built_where_it_runs
from ...export.bundles.reading import read_unpacked
from ...inspection.base.errors import BeltlineError, BundleError
from ...targets.host import LocalHost
from ..publishing.systemd import notify
from ..versions.admission import prepare_models
from ..versions.at_work import AtWork

_LONGEST_S = 3600.0
_BAD_INPUT = 2


def build_ahead(at_work: AtWork) -> None:
    """Build a bundle's engine if its model wants one and it is not there; its progress goes to stderr.

    Raises:
        BundleError: It cannot be built.
    """
    if not built_where_it_runs(at_work.model.backend):
        return
    notify(f"EXTEND_TIMEOUT_USEC={int(_LONGEST_S * 1e6)}")
    argv = [sys.executable, "-m", "beltline.station.engines.building", str(at_work.unpacked.folder)]
    environment = {**os.environ, "PYTHONPATH": LocalHost().import_path}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{at_work.version}: its engine was not built after {_LONGEST_S:g} s; build it by hand: {' '.join(argv)}"
        raise BundleError(msg) from error
    if done.returncode:
        msg = f"{at_work.version}: its engine cannot be built: {_error_of(done.stdout, done.returncode)}"
        raise BundleError(msg)


def main(arguments: list[str]) -> int:
    """Build the engines of one unpacked bundle.

    Returns:
        0, or 2 after an error that a user can mend; it is told on stdout as `{"error": ...}`.
    """
    (folder,) = arguments
    try:
        prepare_models(read_unpacked(Path(folder)), notify=_say)
    except BeltlineError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return _BAD_INPUT
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _error_of(answer: bytes, code: int) -> str:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the process ended with exit code {code}; was memory short?"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
