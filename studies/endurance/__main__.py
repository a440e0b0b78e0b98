"""`python -m beltline.studies.endurance BUNDLE [BUNDLE] --minutes 60`: run, then say what came of it."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from ...inspection.base.errors import BeltlineError
from ...station.counters import Tally
from ...station.service import Service
from ...station.serving import serve_together
from ..station.coil_server import NOTE
from .audit import Audit
from .faults import faults_for, go_wrong
from .scene import PARTNERS, Scene, misbehaving_clients, set_up, write_large

_LARGE_EVERY_S = 2.0
_CLIENTS_END_S = 60.0
_POLL_S = 0.2
_SERVER = re.compile(r"(\w+): page, metrics and inference at http://127\.0\.0\.1:(\d+)$")

SERVED: dict[str, int] = {}
"""Port of each inspector's server."""


def main() -> None:
    """Read the arguments, run, print the facts as JSON; exit code 3 where a frame was lost."""
    arguments = _arguments()
    bundles = (arguments.bundle, arguments.other or arguments.bundle)
    try:
        with set_up(bundles, period_ms=arguments.period_ms, without=arguments.without) as scene:
            facts = endure(scene, minutes=arguments.minutes, pause_s=0 if arguments.calm else arguments.pause_s)
    except BeltlineError as error:
        sys.stderr.write(f"endurance: {error}\n")
        raise SystemExit(error.exit_code) from error
    sys.stdout.write(f"{json.dumps(facts, indent=1)}\n")
    wrong = facts["wrong"] or any(belt["lost"] or belt["wrong"] for belt in facts["belts"].values())
    raise SystemExit(3 if wrong else 0)


class Run:
    """One run: the station, those who watch it, and those who disturb it."""

    def __init__(self, scene: Scene, *, pause_s: float) -> None:
        self.stop = Event()
        self.audits: dict[str, Audit] = {}
        self.faults: dict[str, int] = {}
        self.missing: dict[str, str] = {}
        self.wrong: list[str] = []
        self.clients: dict[str, Any] = {}
        self._scene, self._pause_s = scene, pause_s
        self._threads: list[Thread] = []

    def begin(self, services: Mapping[str, Service], *, seconds: float) -> None:
        """Watch and disturb from now on, for so long."""
        for name, service in services.items():
            self.audits[name] = Audit(service, belt=f"{name}.replay")
            self.audits[name].start()
        works: list[Callable[[], None]] = [partial(_timer, self.stop, seconds), self._write_large]
        if self._pause_s:
            works.append(partial(self._disturb, services))
        if self._scene.clients:
            works.append(self._misbehave)
        self._threads = [Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Wait for everyone, after the station has ended."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _disturb(self, services: Mapping[str, Service]) -> None:
        faults = faults_for(self._scene, services["left"], services["right"])
        self.missing.update({fault.name: fault.missing for fault in faults if fault.missing})

        def note(name: str, begins: bool) -> None:
            _print(f"fault: {name}{'' if begins else ' is over'}")
            for audit in self.audits.values():
                audit.disturb(disturbed=begins)

        happened, wrong = go_wrong(faults, pause_s=self._pause_s, stop=self.stop, note=note)
        self.faults.update(happened)
        self.wrong += wrong

    def _misbehave(self) -> None:
        """Let clients at the left inspector's server, as soon as it has said where it is."""
        while not (port := SERVED.get("left")) and not self.stop.wait(_POLL_S):
            continue
        if port is None:
            return
        with misbehaving_clients(port, self._scene.picture) as clients:
            self.stop.wait()
            answer, _ = clients.communicate(b"\n", timeout=_CLIENTS_END_S)
        self.clients.update(json.loads(answer or b"{}"))

    def _write_large(self) -> None:
        number = 0
        while not self.stop.wait(_LARGE_EVERY_S):
            number += 1
            write_large(self._scene, number)


def endure(scene: Scene, *, minutes: float, pause_s: float) -> dict[str, Any]:
    """Run a station for a while.

    Args:
        scene: What stands around it.
        minutes: How long.
        pause_s: Between two faults; 0: none happens, and nobody misbehaves but the HTTP clients.

    Returns:
        JSON-able: `belts` (by inspector: as of `facts_of`), `faults`, `not_possible`, `clients` (what they did), `plc`
        (outcomes of the right belt that it noted, and how many twice), `wrong`.
    """
    SERVED.clear()
    run = Run(scene, pause_s=pause_s)
    tallies = serve_together(scene.settings, _heard, stop=run.stop, on_start=partial(run.begin, seconds=minutes * 60))
    run.end()
    belts = {name: facts_of(tally, run.audits[name].facts()) for name, tally in tallies.items()}
    noted = plc_facts(scene.notes) if scene.modbus is not None else None
    return {
        "belts": belts,
        "faults": run.faults,
        "not_possible": run.missing,
        "clients": run.clients,
        "plc": noted,
        "wrong": [*run.wrong, *_miscounted(noted, belts["right"])],
    }


def plc_facts(notes: Path) -> dict[str, int]:
    """Count what the PLC noted: outcomes by their numbers, those noted twice, and those that came out of order."""
    numbers = np.array([number for number, _, _ in NOTE.iter_unpack(_whole_notes(notes))], dtype=np.int64)
    return {
        "outcomes": int(np.unique(numbers).size),
        "twice": int(numbers.size - np.unique(numbers).size),
        "out_of_order": int((np.diff(numbers) < 0).sum()),
    }


def _whole_notes(notes: Path) -> bytes:
    raw = notes.read_bytes() if notes.exists() else b""
    return raw[: len(raw) // NOTE.size * NOTE.size]


def _miscounted(noted: dict[str, int] | None, right: dict[str, Any]) -> list[str]:
    """Compare the PLC's own count with the station's: what the station does not count as dropped, it must have."""
    if noted is None:
        return []
    wanted = right["outcomes"] - right["dropped"].get("modbus_tcp", 0)
    found = []
    if noted["outcomes"] != wanted:
        found.append(f"the PLC noted {noted['outcomes']} outcomes of the right belt, wanted {wanted}")
    return found + [f"the PLC noted {noted[key]} {key}" for key in ("twice", "out_of_order") if noted[key]]


def facts_of(tally: Tally, seen: dict[str, Any]) -> dict[str, Any]:
    """Put an inspector's own counts beside those from outside, and compare them.

    Returns:
        JSON-able: the audit's facts, `counted` (the inspector's own), `restarts`, `dropped`, `refused_requests`,
        `most_waiting`, `lost`, `wrong` (sentences).
    """
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
        "refused_requests": dict(tally.refused_requests),
        "most_waiting": tally.most_waiting,
        "lost": tally.under_way + seen["belt"]["never"],
        "wrong": wrong,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m beltline.studies.endurance", description=__doc__)
    parser.add_argument("bundle", type=Path, help="of the left belt")
    parser.add_argument("other", type=Path, nargs="?", help="another product, of the right belt; else the same bundle")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pause-s", type=float, default=20.0, help="between two faults")
    parser.add_argument("--period-ms", type=float, default=None, help="of the belts; else the bundles'")
    parser.add_argument("--calm", action="store_true", help="no faults")
    parser.add_argument("--without", nargs="+", choices=PARTNERS, default=(), help="partners that stay away")
    return parser.parse_args()


def _heard(text: str) -> None:
    """Pass a message of the station on; where a server listens is kept."""
    if found := _SERVER.match(text):
        SERVED[found[1]] = int(found[2])
    _print(text)


def _timer(stop: Event, seconds: float) -> None:
    stop.wait(seconds)
    stop.set()


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
