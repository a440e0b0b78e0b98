"""From a photograph to a PLC's coil over Modbus TCP: `python -m beltline.studies.station.capture_to_coil BUNDLE`.

The bundle's golden frames come at an even pace; a Modbus server in a process of its own, on this machine, notes when
its coil is written. Measured is the time from the moment a frame is there until the request that sets the coil is
received: queue, engine, decision and Modbus, without a camera and without a network between the machines.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...export.bundles.golden import frame_of
from ...inspection.base.errors import BeltlineError
from ...inspection.statistics.quantile import quantile
from ...station.engines.pinning import keeping_to
from ...station.frames import OfferedFrame
from ...station.outcomes import Outcome, Seen
from ...station.publishing.wiring import Wiring
from ...station.service import Service
from ...station.settings import StationSettings
from ..endurance.partners import LOOPBACK, Partner, free_port
from .coil_server import NOTE

_WARM_UP = 50
_SETTLE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How frames come.

    Attributes:
        frames: So many are measured, after 50 to warm up.
        period_ms: From one to the next.
        deadline_ms: Of the station; None: the bundle's.
    """

    frames: int
    period_ms: float
    deadline_ms: float | None = None


def capture_to_coil(bundle: Path, pace: Pace) -> dict[str, Any]:
    """Run a station and a PLC.

    Returns:
        JSON-able: `frames`, `period_ms`, `lost` (outcomes whose registers were never written), `standings`, and
        `coil_ms` and `number_ms` (from the frame to its coil, and to its registers): `p50`, `p99`, `max`.

    Raises:
        BeltlineError: No bundle works here, or the PLC does not start.
    """
    with TemporaryDirectory() as folder:
        port, notes = free_port(), Path(folder) / "notes"
        plc = Partner(
            "plc", [sys.executable, "-m", "beltline.studies.station.coil_server", str(port), str(notes)], port=port
        )
        plc.start()
        try:
            plc.await_listening()
            outcomes = _run(bundle, port, notes, pace)
        finally:
            plc.kill()
        return _facts(outcomes, _read(notes), pace)


def _run(bundle: Path, port: int, notes: Path, pace: Pace) -> list[Outcome]:
    modbus = {"host": LOOPBACK, "port": port}
    settings = StationSettings.model_validate(
        {
            "allow_unsigned": True,  # it is only timed here
            "bundle": bundle,
            "http": None,
            "drift": None,
            "deadline_ms": pace.deadline_ms,
            "results": [{"modbus_tcp": modbus}],
        }
    )
    service, seen = Service(settings), list[Seen]()
    try:
        with keeping_to(service.other_cpus):
            wiring = Wiring(service)
            service.subscribe("study", seen.append, frames=1_000_000, with_pixels=False)
            service.start()
            _show(service, pace)
            until_s = time.monotonic() + _SETTLE_S
            while len(_read(notes)) < pace.frames + _WARM_UP and time.monotonic() < until_s:
                time.sleep(0.1)
    finally:
        service.stop()
    wiring.stop()
    return [each.outcome for each in seen]


def _show(service: Service, pace: Pace) -> None:
    unpacked = service.at_work.unpacked
    images = [frame_of((unpacked.folder / each.file).read_bytes(), name=each.file) for each in unpacked.golden().frames]
    due_ns = time.monotonic_ns()
    for number in range(pace.frames + _WARM_UP):
        due_ns += round(pace.period_ms * 1e6)
        time.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        image = images[number % len(images)]
        service.take(OfferedFrame(number=number, source="study", name="", image=image, captured_ns=time.monotonic_ns()))


def _read(notes: Path) -> dict[int, tuple[int, int]]:
    raw = notes.read_bytes() if notes.exists() else b""
    whole = raw[: len(raw) // NOTE.size * NOTE.size]
    return {number: (coil_ns, registers_ns) for number, coil_ns, registers_ns in NOTE.iter_unpack(whole)}


def _facts(outcomes: Sequence[Outcome], written: Mapping[int, tuple[int, int]], pace: Pace) -> dict[str, Any]:
    measured = [each for each in outcomes if each.frame_number >= _WARM_UP]
    there = [each for each in measured if each.number in written]
    facts = {
        "frames": len(measured),
        "period_ms": pace.period_ms,
        "lost": len(measured) - len(there),
        "standings": dict(Counter(each.standing for each in measured)),
    }
    for place, name in enumerate(("coil_ms", "number_ms")):
        taken_ms = np.array([written[each.number][place] - each.captured_ns for each in there]) / 1e6
        facts[name] = {"p50": None, "p99": None, "max": None} if not there else {
            "p50": round(quantile(taken_ms, 0.5), 3),
            "p99": round(quantile(taken_ms, 0.99), 3),
            "max": round(float(taken_ms.max()), 3),
        }  # fmt: skip
    return facts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m beltline.studies.station.capture_to_coil", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--period-ms", type=float, default=20.0)
    parser.add_argument("--deadline-ms", type=float, default=None)
    given = parser.parse_args(arguments)
    try:
        facts = capture_to_coil(
            given.bundle, Pace(frames=given.frames, period_ms=given.period_ms, deadline_ms=given.deadline_ms)
        )
    except BeltlineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{json.dumps(facts, indent=1)}\n")
    return 0 if facts["lost"] == 0 else 3


if __name__ == "__main__":
    sys.exit(main())
