"""`python -m beltline.studies.endurance BUNDLE --minutes 60`: run, then say what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

from ...inspection.base.errors import BeltlineError
from ...station.counters import Tally
from ...station.service import Service
from ...station.serving import serve
from .audit import Audit
from .faults import faults_for, go_wrong
from .scene import PARTNERS, Scene, set_up


def main() -> None:
    """Read the arguments, run, print the facts as JSON; exit code 3 where a frame was lost."""
    arguments = _arguments()
    try:
        with set_up(arguments.bundle, period_ms=arguments.period_ms, without=arguments.without) as scene:
            facts = endure(scene, minutes=arguments.minutes, pause_s=0 if arguments.calm else arguments.pause_s)
    except BeltlineError as error:
        sys.stderr.write(f"endurance: {error}\n")
        raise SystemExit(error.exit_code) from error
    sys.stdout.write(f"{json.dumps(facts, indent=1)}\n")
    raise SystemExit(0 if facts["lost"] == 0 and not facts["wrong"] else 3)


def endure(scene: Scene, *, minutes: float, pause_s: float) -> dict[str, Any]:
    """Run a station for a while.

    Args:
        scene: What stands around it.
        minutes: How long.
        pause_s: Between two faults; 0: none happens.

    Returns:
        JSON-able: the audit's facts, `counted` (the station's own), `faults`, `not_possible`, `lost`, `wrong`.
    """
    stop, happened, missing = Event(), dict[str, int](), dict[str, str]()
    audits: list[Audit] = []
    threads: list[Thread] = []

    def on_start(service: Service) -> None:
        audit = Audit(service)
        audits.append(audit)
        audit.start()
        faults = faults_for(scene, service)
        missing.update({fault.name: fault.missing for fault in faults if fault.missing})

        def disturb() -> None:
            def note(name: str, begins: bool) -> None:
                _print(f"fault: {name}{'' if begins else ' is over'}")
                audit.disturb(disturbed=begins)

            happened.update(go_wrong(faults, pause_s=pause_s, stop=stop, note=note))

        threads.append(Thread(target=_timer, args=(stop, minutes * 60), daemon=True))
        if pause_s:
            threads.append(Thread(target=disturb, daemon=True))
        for thread in threads:
            thread.start()

    tally = serve(scene.settings, _print, stop=stop, on_start=on_start)
    for thread in threads:
        thread.join()
    return facts_of(tally, audits[0].facts(), happened, missing)


def facts_of(tally: Tally, seen: dict[str, Any], happened: dict[str, int], missing: dict[str, str]) -> dict[str, Any]:
    """Put the station's own counts beside those from outside, and compare them."""
    counted = {
        name: getattr(tally, name)
        for name in ("offered", "answered", "late", "refused", "faulty", "switches", "rollbacks")
    }
    ended = {name: counted[name] for name in ("answered", "late", "refused", "faulty")}
    heard = {name: seen["standings"].get(name, 0) for name in ended}
    wrong = [] if ended == heard else [f"the station counted {ended}, from outside it was {heard}"]
    if seen["belt"]["twice"]:
        wrong.append(f"{seen['belt']['twice']} frames of the belt were answered twice")
    return {
        **seen,
        "counted": counted,
        "restarts": dict(tally.restarts),
        "dropped": dict(tally.dropped),
        "most_waiting": tally.most_waiting,
        "faults": happened,
        "not_possible": missing,
        "lost": tally.under_way + seen["belt"]["never"],
        "wrong": wrong,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m beltline.studies.endurance", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pause-s", type=float, default=20.0, help="between two faults")
    parser.add_argument("--period-ms", type=float, default=None, help="of the belt; else the bundle's")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--without", nargs="+", choices=PARTNERS, default=(), help="partners that stay away")
    return parser.parse_args()


def _timer(stop: Event, seconds: float) -> None:
    stop.wait(seconds)
    stop.set()


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
