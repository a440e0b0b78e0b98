"""Whether a station's inspectors that share CPUs fit together, by the traces in their bundles.

The answer is worked out in a process of its own: it takes seconds, and the line goes on meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...benchmarks.belt_speed.belt_speed import Case
from ...export.bundles.reading import Unpacked, manifest_of
from ...inspection.base.errors import BeltlineError, MissingPartError, StationError
from ...inspection.line.arrivals import due_ns
from ...inspection.line.line import LineBudget
from ...station.serving import Admit
from ...station.versions.at_work import AtWork
from ...targets.host import LocalHost

Level = Literal["proven", "seen", "anyway"]
_LIMIT_S = 300
_NICE = 10
_APART = "give each CPUs of its own (`engine: {cpus: [...]}`)"


def admission_for(level: Level) -> Admit:
    """Give what decides whether inspectors may share CPUs, see `StationSettings.admit`."""
    return partial(_admit, level)


def _admit(level: Level, works: Mapping[str, AtWork]) -> None:
    if level == "anyway":
        return
    facts = prediction(works)
    if facts["fit"] == "no" or (facts["fit"] == "seen" and level == "proven"):
        less = "" if facts["fit"] == "no" else ", or write `admit: seen`"
        msg = f"{facts['text']}\n{facts['sentence']} It is not taken in; {_APART}{less}"
        raise StationError(msg)


def prediction(works: Mapping[str, AtWork]) -> dict[str, Any]:
    """Predict the bundles at work on one device, in another process.

    Returns:
        As `several_belts` gives it, and its `text`.

    Raises:
        StationError: A bundle holds no run, or the process failed.
    """
    return _apart({name: _belt(work) for name, work in works.items()})


def _belt(work: AtWork) -> dict[str, Any]:
    return {
        "version": work.version,
        "folder": str(work.unpacked.folder),
        "backend": work.model.backend,
        "deadline_ms": work.deadline_ns / 1e6,
    }


def _apart(belts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Work it out in another process."""
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "beltline.pipeline.deploy.admission"],
            input=json.dumps(belts),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": LocalHost().import_path},
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"whether {', '.join(belts)} fit together could not be worked out: {error}; or write `admit: anyway`"
        raise StationError(msg) from error
    if ended.returncode:
        raise StationError((ended.stderr.strip().splitlines() or ["the admission ended without a message"])[-1])
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def case_of_bundle(name: str, belt: Mapping[str, Any]) -> Case:
    """Prepare a bundle's run for replaying.

    Args:
        name: Of the inspector, for messages.
        belt: `version`, `folder` (where it is unpacked), `backend` and `deadline_ms` of the station.

    Raises:
        StationError: The bundle holds no run of this backend.
        BundleError: It is damaged.
    """
    folder = Path(belt["folder"])
    manifest = manifest_of(folder)
    trace = Unpacked(folder=folder, manifest=manifest).trace()
    if trace is None or belt["backend"] not in trace.busy_us:
        msg = (
            f"{name}: {belt['version']} holds no run of {belt['backend']}, so nobody knows whether it fits beside "
            f"others; bundle it again on the machine that measured it, {_APART}, or write `admit: anyway`"
        )
        raise StationError(msg)
    busy = np.array(trace.busy_us[belt["backend"]], dtype=np.int64) * 1000
    arrivals = trace.rule()
    budget = LineBudget(
        period_ms=arrivals.period_ns / 1e6,
        deadline_ms=belt["deadline_ms"],
        fixed_ms=0.0,
        fixed_parts_ms={},
        arrivals=arrivals,
    )
    due = due_ns(arrivals, start=0, frames=busy.size)
    return Case(busy=busy, due=due, budget=budget, gate=manifest.gates.deadline_miss)


def main() -> None:
    """Read belts from stdin, write the prediction to stdout; both JSON."""
    os.nice(_NICE)
    from ..line.several_belts import several_belts, several_belts_text

    try:
        facts = several_belts({name: case_of_bundle(name, belt) for name, belt in json.load(sys.stdin).items()})
    except ModuleNotFoundError as error:
        sys.stderr.write(f"whether inspectors fit together needs {error.name}; run: pip install 'beltline[line]'")
        raise SystemExit(MissingPartError.exit_code) from error
    except BeltlineError as error:
        sys.stderr.write(f"{error}\n".replace("\n", " "))
        raise SystemExit(error.exit_code) from error
    sys.stdout.write(json.dumps({**facts, "text": several_belts_text(facts)}))


if __name__ == "__main__":
    main()
