"""Several belts on this machine at once: `python -m beltline.studies.station.two_belts LEFT.beltline RIGHT.beltline`.

Each bundle is an inspector of one station, and its golden frames come at the pace of its belt. Counted is from
outside, and set beside what the traces in the bundles predict for the worst way in which the belts can lie to each
other. With `--burst` the first belt brings so many frames at once every ten seconds; the others must not be late then.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

from ...benchmarks.proof.miss_rate import prove_counts
from ...export.bundles.golden import frame_of
from ...export.bundles.reading import Unpacked, open_bundle
from ...inspection.base.errors import BeltlineError
from ...inspection.line.gates import MissGate
from ...pipeline.deploy.admission import prediction
from ...station.frames import OfferedFrame
from ...station.service import Service
from ...station.serving import serve_together
from ...station.settings import StationSettings
from ...station.versions.at_work import AtWork
from ..endurance.audit import Audit
from ..endurance.scene import write_pictures

_BURST_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the belts run.

    Attributes:
        minutes: How long.
        period_ms: From one frame to the next, of all belts; None: each bundle's.
        deadline_ms: Likewise.
        burst: So many frames come at once on the first belt, every ten seconds; 0: none do.
    """

    minutes: float
    period_ms: float | None = None
    deadline_ms: float | None = None
    burst: int = 0


def run_belts(bundles: Sequence[Path], options: Options) -> dict[str, Any]:
    """Run a station with an inspector for each bundle.

    Returns:
        JSON-able: `predicted` (see `several_belts`; None where a bundle holds no run), and `belts`: by name the audit's
        facts and the station's counts, `late_share` and its upper bound at 99 % of all frames of its belt.

    Raises:
        BeltlineError: A bundle does not work here.
    """
    stop, audits, threads = Event(), dict[str, Audit](), list[Thread]()
    predicted: list[dict[str, Any] | None] = []

    def on_start(services: Mapping[str, Service]) -> None:
        for name, service in services.items():
            audits[name] = Audit(service, belt=f"{name}.replay")
            audits[name].start()
        threads.append(Thread(target=_timer, args=(stop, options.minutes * 60), daemon=True))
        if options.burst:
            threads.append(
                Thread(target=_burst, args=(next(iter(services.values())), options.burst, stop), daemon=True)
            )
        for thread in threads:
            thread.start()

    def admit(works: Mapping[str, AtWork]) -> None:
        try:
            predicted.append(prediction(works))
        except BeltlineError as error:
            sys.stderr.write(f"not predicted: {error}\n")
            predicted.append(None)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="beltline-belts-")))
        settings = _settings(bundles, folder, options)
        tallies = serve_together(settings, _print, admit=admit, stop=stop, on_start=on_start)
    for thread in threads:
        thread.join()
    facts = {name: _facts(audits[name].facts(), tally.offered - tally.under_way) for name, tally in tallies.items()}
    return {"minutes": options.minutes, "burst": options.burst, "predicted": predicted, "belts": facts}


def _settings(bundles: Sequence[Path], folder: Path, options: Options) -> StationSettings:
    inspectors = []
    for number, path in enumerate(bundles, start=1):
        with open_bundle(path) as bundle:
            unpacked: Unpacked = bundle.unpack(folder / f"unpacked-{number}")
        write_pictures(unpacked, folder / f"belt-{number}", torn=False)
        budget = unpacked.manifest.budget
        replay = {"path": folder / f"belt-{number}", "period_ms": options.period_ms or budget.period_ms}
        inspectors.append(
            {
                "name": f"belt-{number}",
                "bundle": path,
                "allow_unsigned": True,
                "sources": [{"replay": replay}],
                "deadline_ms": options.deadline_ms,
                "queue": {"frames": 64},
                "drift": None,
                "http": None,
            }
        )
    return StationSettings.model_validate({"inspectors": inspectors, "state": folder / "state"})


def _burst(service: Service, frames: int, stop: Event) -> None:
    """Offer frames at once, over and over, under the name of another source: the audit times the belt's own."""
    unpacked = service.at_work.unpacked
    golden = unpacked.golden().frames[0].file
    image = frame_of((unpacked.folder / golden).read_bytes(), name=golden)
    while not stop.wait(_BURST_EVERY_S):
        for number in range(frames):
            now_ns = time.monotonic_ns()
            service.take(OfferedFrame(number=number, source="burst", name="", image=image, captured_ns=now_ns))


def _facts(seen: dict[str, Any], ended: int) -> dict[str, Any]:
    belt = seen["belt_standings"]
    frames, late = sum(belt.values()), belt.get("late", 0) + belt.get("refused", 0)
    proof = prove_counts(frames=frames, misses=late, bursts=late, gate=MissGate()) if frames else None
    return {
        **seen,
        "lost": ended - seen["outcomes"] + seen["belt"]["never"],
        "late_share": late / frames if frames else None,
        "late_upper": None if proof is None else proof.upper,
    }


def _timer(stop: Event, seconds: float) -> None:
    stop.wait(seconds)
    stop.set()


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study from the command line; exit code 3 where a frame was lost."""
    parser = argparse.ArgumentParser(prog="python -m beltline.studies.station.two_belts", description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--period-ms", type=float, default=None, help="of all belts; else each bundle's")
    parser.add_argument("--deadline-ms", type=float, default=None, help="of all belts; else each bundle's")
    parser.add_argument("--burst", type=int, default=0, help="frames at once on the first belt, every ten seconds")
    given = parser.parse_args(arguments)
    options = Options(
        minutes=given.minutes, period_ms=given.period_ms, deadline_ms=given.deadline_ms, burst=given.burst
    )
    try:
        facts = run_belts(given.bundles, options)
    except BeltlineError as error:
        sys.stderr.write(f"two_belts: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{json.dumps(facts, indent=1)}\n")
    return 0 if not any(belt["lost"] for belt in facts["belts"].values()) else 3


if __name__ == "__main__":
    sys.exit(main())
