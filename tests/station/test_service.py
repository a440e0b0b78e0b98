"""The station's core with a real engine process: every frame is answered once, in time or to the safe side."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.errors import BundleError
from beltline.station.frames import FaultyFrame, OfferedFrame
from beltline.station.outcomes import Seen
from beltline.station.service import Service
from beltline.station.settings import StationSettings

PLENTY_MS = 60_000


def settings(bundle: Any, **changes: Any) -> StationSettings:
    base = {"bundle": bundle.path, "deadline_ms": PLENTY_MS, "http": None}
    return StationSettings.model_validate({**base, **changes})


@contextmanager
def running(wanted: StationSettings) -> Iterator[Service]:
    service = Service(wanted)
    try:
        service.start()
        yield service
    finally:
        service.stop()


def offered(image: Frame, number: int = 0) -> OfferedFrame:
    now_ns = time.monotonic_ns()
    return OfferedFrame(
        number=number, source="test", name=f"{number}.png", image=image, captured_ns=time.monotonic_ns()
    )


def eventually(true: Callable[[], bool], *, within_s: float = 60.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "did not come about"
        time.sleep(0.01)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def engine_pid(service: Service) -> int:
    engine = service._keeper._engine
    assert engine is not None
    return engine.pid


def test_decisions_are_those_of_the_bundle(bundle: Any, frames: list[Frame]) -> None:
    golden = bundle.parts.golden
    with running(settings(bundle)) as service:
        outcomes = [service.offer(offered(image, at)).result(30) for at, image in enumerate(frames)]
        tally = service.counters.snapshot()
    assert [outcome.score for outcome in outcomes] == pytest.approx(golden.scores["onnx_runtime"], abs=1e-6)
    assert [outcome.answer == "reject" for outcome in outcomes] == list(golden.rejects["onnx_runtime"])
    assert {outcome.standing for outcome in outcomes} == {"answered"}
    assert (tally.offered, tally.answered, tally.under_way) == (len(frames), len(frames), 0)
    assert tally.engine_ms.count == tally.latency_ms.count == tally.scores.count == len(frames)


def test_a_frame_whose_deadline_comes_first_is_answered_to_the_safe_side(bundle: Any, frames: list[Frame]) -> None:
    with running(settings(bundle, deadline_ms=50)) as service:
        with frozen(engine_pid(service)):
            with_engine = service.offer(offered(frames[0], 1))
            waiting = service.offer(offered(frames[0], 2))
            outcomes = [with_engine.result(30), waiting.result(30)]
        eventually(lambda: service._dispatcher.idle)
        tally = service.counters.snapshot()
    assert [(each.standing, each.answer, each.score) for each in outcomes] == [("late", "reject", None)] * 2
    assert "engine had not decided" in outcomes[0].detail
    assert "it waited" in outcomes[1].detail
    assert (tally.offered, tally.late, tally.rejected, tally.under_way) == (2, 2, 2, 0)


def test_the_safe_side_may_be_to_let_parts_pass(bundle: Any, frames: list[Frame]) -> None:
    with running(settings(bundle, deadline_ms=50, late="pass")) as service, frozen(engine_pid(service)):
        assert service.offer(offered(frames[0])).result(30).answer == "pass"


@pytest.mark.parametrize(("order", "refused", "last"), [("oldest", [4, 5], 3), ("newest", [1, 2], 3)])
def test_a_full_queue_refuses_and_says_so(
    order: str, refused: list[int], last: int, bundle: Any, frames: list[Frame]
) -> None:
    """One frame is with the engine, three wait; of two more, the newcomers or the longest waiting give way."""
    decided: list[Seen] = []
    with running(settings(bundle, queue={"frames": 3, "order": order})) as service:
        service.subscribe("order", decided.append)
        with frozen(engine_pid(service)):
            futures = [service.offer(offered(frames[0], number)) for number in range(6)]
            assert [at for at, future in enumerate(futures) if future.done()] == refused
        outcomes = [future.result(30) for future in futures]
        eventually(lambda: len(decided) == 6)
        tally = service.counters.snapshot()
    assert {outcomes[at].standing for at in refused} == {"refused"}
    assert {outcomes[at].answer for at in refused} == {"reject"}
    assert decided[-1].outcome.number == last
    assert (tally.offered, tally.answered, tally.refused, tally.under_way) == (6, 4, 2, 0)


def test_what_the_model_cannot_take_is_faulty_and_the_next_frame_is_not(bundle: Any, frames: list[Frame]) -> None:
    colour = np.zeros((80, 100, 3), np.uint8)
    broken = FaultyFrame(number=1, source="test", name="b", captured_ns=time.monotonic_ns(), why="torn")
    huge = np.zeros((2000, 1000, 1), np.uint8)
    with running(settings(bundle, largest_frame_mb=1)) as service:
        bad = [service.offer(offered(colour)), service.offer(broken), service.offer(offered(huge))]
        assert [future.result(30).standing for future in bad] == ["faulty"] * 3
        assert bad[1].result().detail == "torn"
        assert service.offer(offered(frames[0])).result(30).standing == "answered"
        tally = service.counters.snapshot()
    assert (tally.faulty, tally.answered, tally.rejected >= 3) == (3, 1, True)


def test_a_killed_engine_is_started_again_and_no_frame_is_lost(bundle: Any, frames: list[Frame]) -> None:
    with running(settings(bundle)) as service:
        first = engine_pid(service)
        os.kill(first, signal.SIGKILL)
        outcome = service.offer(offered(frames[0])).result(60)
        assert outcome.standing in ("answered", "refused")
        assert service.offer(offered(frames[1])).result(60).standing == "answered"
        tally = service.counters.snapshot()
        assert engine_pid(service) != first
    assert tally.restarts == {"engine": 1}
    assert tally.under_way == 0
    assert any("its process died" in each.text for each in tally.incidents)


def test_a_stuck_engine_is_killed_and_started_again(bundle: Any, frames: list[Frame]) -> None:
    with running(settings(bundle, watchdog={"engine_s": 0.2})) as service:
        stuck = engine_pid(service)
        os.kill(stuck, signal.SIGSTOP)
        outcome = service.offer(offered(frames[0])).result(60)
        assert (outcome.standing, outcome.answer) == ("refused", "reject")
        assert "worked on one frame for 0.2 s" in outcome.detail
        assert service.offer(offered(frames[1])).result(60).standing == "answered"
        assert service.counters.snapshot().restarts == {"engine": 1}


def test_a_slow_or_failing_outlet_delays_nobody(bundle: Any, frames: list[Frame]) -> None:
    def slow(_: Seen) -> None:
        time.sleep(0.2)

    def failing(_: Seen) -> None:
        msg = "away"
        raise ConnectionError(msg)

    with running(settings(bundle)) as service:
        service.subscribe("slow", slow, frames=2)
        service.subscribe("failing", failing)
        for number in range(8):
            assert service.offer(offered(frames[0], number)).result(30).standing == "answered"
        eventually(lambda: service.counters.snapshot().dropped["failing"] == 8)
        dropped = service.counters.snapshot().dropped
        incidents = [each for each in service.counters.snapshot().incidents if each.part == "failing"]
    assert dropped["slow"] >= 3
    assert len(incidents) == 1
    assert "away" in incidents[0].text


def test_outlets_see_pixels_and_heatmap(bundle: Any, frames: list[Frame]) -> None:
    seen: list[Seen] = []
    with running(settings(bundle)) as service:
        service.subscribe("page", seen.append)
        service.offer(offered(frames[3])).result(30)
        eventually(lambda: len(seen) == 1)
    assert np.array_equal(seen[0].image, frames[3])  # type: ignore[arg-type]
    assert seen[0].heatmap is not None
    assert seen[0].heatmap.ndim == 2


def test_stopping_answers_what_is_under_way_and_refuses_what_comes_later(bundle: Any, frames: list[Frame]) -> None:
    service = Service(settings(bundle))
    service.start()
    under_way = [service.offer(offered(frames[0], number)) for number in range(5)]
    service.stop()
    assert [future.result(0).standing for future in under_way] == ["answered"] * 5
    assert service.offer(offered(frames[0])).result(0).standing == "refused"


def test_a_future_cannot_be_cancelled(bundle: Any, frames: list[Frame]) -> None:
    with running(settings(bundle)) as service:
        future = service.offer(offered(frames[0]))
        assert not future.cancel()
        assert future.result(30).standing == "answered"


def test_the_engine_process_ends_with_the_station(bundle: Any) -> None:
    with running(settings(bundle)) as service:
        pid = engine_pid(service)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Service(StationSettings(bundle=tmp_path / "none.beltline"))
