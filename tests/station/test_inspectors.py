"""Several inspectors in one station, with real OpenVINO engines: two belts, one machine, neither starves the other."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.bundles.trace import trace_of
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import StationError
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import Gates, MissGate
from beltline.pipeline.deploy.admission import admission_for
from beltline.station.engines.sharing import Turn, Turns
from beltline.station.outcomes import Outcome, Seen
from beltline.station.service import Service
from beltline.station.serving import serve_together
from beltline.station.settings import StationSettings
from beltline.station.unit_file import writable_by
from pydantic import ValidationError
from stationing import PLENTY_MS, engine_pid, eventually, frozen, offered
from typing_extensions import Self

PERIOD_NS = 20_000_000
MANY = 5000


@pytest.fixture(scope="module")
def pair_of_lines(bundle: Any, openvino_parts: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`left` and `right` fit together (3 and 4 of 20 ms); `slow` does not fit beside them, `mute` holds no run."""
    folder, parts = tmp_path_factory.mktemp("lines"), openvino_parts
    gates = Gates(deadline_miss=MissGate(max=0.01))
    for name, busy_ms in (("left", 3), ("right", 4), ("slow", 30), ("mute", 0)):
        trace = trace_of(Arrivals(period_ns=PERIOD_NS), {"open_vino": np.full(MANY, busy_ms * 1_000_000)})
        made = replace(parts, name=name, gates=gates, trace=trace if busy_ms else None)
        write_bundle(folder / f"{name}.beltline", made, key=bundle.key)
    return folder


def settings_of(folder: Path, left: str = "left", right: str = "right", **changes: Any) -> StationSettings:
    common = {"deadline_ms": PLENTY_MS, "http": None, "engine": {"spare": False}, "queue": {"frames": 256}, **changes}
    inspectors = [{"name": side, "bundle": folder / f"{name}.beltline", **common} for side, name in
                  (("one", left), ("two", right))]  # fmt: skip
    return StationSettings.model_validate({"inspectors": inspectors, "state": folder / "state"})


class Belts:
    """A running station with two inspectors, and what became of every frame."""

    def __init__(self, settings: StationSettings) -> None:
        self.stop, self.started = Event(), Event()
        self.services: Mapping[str, Service] = {}
        self.outcomes: dict[str, list[Outcome]] = {"one": [], "two": []}
        self.tallies: dict[str, Any] = {}
        self._settings = settings
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.started.wait(120)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        def on_start(services: Mapping[str, Service]) -> None:
            self.services = services
            for name, service in services.items():

                def take(seen: Seen, kept: list[Outcome] = self.outcomes[name]) -> None:
                    kept.append(seen.outcome)

                service.subscribe("test", take, frames=100_000, with_pixels=False)
            self.started.set()

        admit = admission_for("proven")
        self.tallies = serve_together(self._settings, lambda _: None, admit=admit, stop=self.stop, on_start=on_start)


@pytest.fixture(scope="module")
def belts(pair_of_lines: Path) -> Iterator[Belts]:
    with Belts(settings_of(pair_of_lines)) as running:
        yield running


def test_each_inspector_decides_with_its_own_bundle_and_numbers_its_own_parts(
    belts: Belts, frames: list[Frame]
) -> None:
    eventually(lambda: all(service.engine_pid for service in belts.services.values()))
    for name, service in belts.services.items():
        decided = [service.offer(offered(image, at)).result(60) for at, image in enumerate(frames)]
        golden = service.at_work.unpacked.golden()
        assert [each.score for each in decided] == pytest.approx(golden.scores["open_vino"], abs=1e-6), name
        assert {each.standing for each in decided} == {"answered"}
        assert [each.number for each in decided] == list(range(decided[0].number, decided[0].number + len(frames)))
    versions = {service.at_work.version.partition("-")[0] for service in belts.services.values()}
    assert versions == {"left", "right"}


def test_a_burst_on_one_belt_does_not_starve_the_other(belts: Belts, frames: list[Frame]) -> None:
    """While 200 frames of one belt wait, one of the other is decided after the one that is worked on."""
    one, two = belts.services["one"], belts.services["two"]
    assert one.share.turn.shared
    with frozen(engine_pid(one)):
        piled_up = [one.offer(offered(frames[0], at)) for at in range(200)]
        waits = two.offer(offered(frames[1]))
    decided_ns = waits.result(60).decided_ns
    burst = [each.result(60) for each in piled_up]
    assert {each.standing for each in burst} == {"answered"}
    assert sum(each.decided_ns < decided_ns for each in burst) == 1


def test_an_engine_that_hangs_keeps_the_other_belt_waiting_until_its_deadline_at_most(
    belts: Belts, frames: list[Frame]
) -> None:
    one, two = belts.services["one"], belts.services["two"]
    with frozen(engine_pid(one)):
        hangs = one.offer(offered(frames[0], due_in_ms=200))
        waits = two.offer(offered(frames[1]))
        assert (hangs.result(60).standing, waits.result(60).standing) == ("late", "answered")
    eventually(lambda: one.idle)


def test_an_engine_that_dies_takes_no_turn_with_it(belts: Belts, frames: list[Frame]) -> None:
    one, two = belts.services["one"], belts.services["two"]
    pid = engine_pid(one)
    os.kill(pid, signal.SIGKILL)
    assert two.offer(offered(frames[1])).result(60).standing == "answered"
    eventually(lambda: one.engine_pid not in (0, pid))
    assert one.offer(offered(frames[0])).result(60).standing == "answered"


def test_both_belts_run_to_their_end_and_every_frame_is_answered(pair_of_lines: Path, frames: list[Frame]) -> None:
    (pictures := pair_of_lines / "pictures").mkdir()
    for at, frame in enumerate(frames):
        cv2.imwrite(str(pictures / f"{at:03}.png"), frame)
    sources = [{"replay": {"path": pictures, "period_ms": 3, "frames": 120}}]
    lines: list[str] = []
    tallies = serve_together(settings_of(pair_of_lines, sources=sources), lines.append, admit=admission_for("proven"))
    assert {name: (each.offered, each.answered, each.under_way) for name, each in tallies.items()} == {
        "one": (120, 120, 0),
        "two": (120, 120, 0),
    }
    assert {name: dict(each.by_source) for name, each in tallies.items()} == {
        "one": {"one.replay": 120},
        "two": {"two.replay": 120},
    }
    assert any(line.startswith("one: left-") for line in lines)


@pytest.mark.parametrize(
    ("right", "what"), [("slow", "do not fit on one device"), ("mute", "two: mute-.* holds no run of open_vino")]
)
def test_what_does_not_fit_beside_the_others_is_not_taken_in(pair_of_lines: Path, right: str, what: str) -> None:
    with pytest.raises(StationError, match=what) as refused:
        serve_together(settings_of(pair_of_lines, right=right), print, admit=admission_for("proven"))
    assert "engine: {cpus: [...]}" in str(refused.value)


def test_turns_go_to_whoever_has_waited_longest() -> None:
    turns, woken = Turns(), list[str]()
    one, two, three = (Turn(turns) for _ in range(3))
    for name, turn in (("one", one), ("two", two), ("three", three)):
        turn.wake = lambda name=name: woken.append(name)  # type: ignore[misc]
    assert (one.take(), two.take(), three.take(), one.take()) == (True, False, False, True)
    one.give_back()
    assert (woken, one.take(), two.take()) == (["two"], False, True)
    three.give_back()  # it waits no more
    two.give_back()
    assert (woken, one.take()) == (["two", "one"], True)
    assert Turn().take()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"deadline_ms": 5}, "deadline_ms belongs to one of them"),
        ({"inspectors": [{"http": None}]}, "has no name"),
        ({"inspectors": [{"name": "a", "state": "x"}]}, "a: state is for all inspectors"),
        ({"inspectors": [{"name": "a"}, {"name": "a", "http": None}]}, r"the same name \(a\)"),
        ({"inspectors": [{"name": "a"}, {"name": "b"}]}, r"the same address of http \(127.0.0.1:8080\)"),
    ],
)
def test_mistakes_in_the_file_are_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        StationSettings.model_validate({"inspectors": [{"name": "a"}, {"name": "b", "http": None}], **changes})


def test_cpus_that_the_others_took_are_missed(pair_of_lines: Path) -> None:
    settings = settings_of(pair_of_lines)
    every = tuple(sorted(os.sched_getaffinity(0)))
    greedy = settings.inspectors[0].model_copy(update={"engine": settings.inspectors[0].engine.model_copy(
        update={"cpus": every})})  # fmt: skip
    with pytest.raises(StationError, match="none is left for two"):
        serve_together(settings.model_copy(update={"inspectors": (greedy, settings.inspectors[1])}), print)


def test_the_unit_may_write_where_each_inspector_writes() -> None:
    ring = {"name": "a", "ring": {"folder": "/rejects/a"}, "http": None}
    settings = StationSettings.model_validate({"inspectors": [ring, {"name": "b"}], "state": "/state"})
    assert writable_by(settings) == (Path("/state"), Path("/rejects/a"))
