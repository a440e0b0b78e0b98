"""The station's core with a real engine process: every frame is answered once, in time or to the safe side."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import BundleError
from beltline.station.frames import FaultyFrame
from beltline.station.outcomes import Outcome, Seen
from beltline.station.service import Service
from beltline.station.settings import StationSettings
from stationing import engine_pid, eventually, frozen, offered, running, settings_of

QUEUE_FRAMES = 3


@pytest.fixture(scope="module")
def service(bundle: Any) -> Iterator[Service]:
    queue = {"frames": QUEUE_FRAMES}
    watchdog = {"engine_s": 30}
    wanted = settings_of(bundle=bundle.path, largest_frame_mb=1, queue=queue, watchdog=watchdog)
    with running(wanted) as started:
        yield started
        tally = started.counters.snapshot()
        assert tally.under_way == 0
        assert tally.passed + tally.rejected == tally.offered


def decided(service: Service, *images: Frame) -> list[Outcome]:
    return [service.offer(offered(image, at)).result(60) for at, image in enumerate(images)]


def test_decisions_are_those_of_the_bundle(service: Service, bundle: Any, frames: list[Frame]) -> None:
    golden = bundle.parts.golden
    outcomes = decided(service, *frames)
    assert [outcome.score for outcome in outcomes] == pytest.approx(golden.scores["onnx_runtime"], abs=1e-6)
    assert [outcome.answer == "reject" for outcome in outcomes] == list(golden.rejects["onnx_runtime"])
    assert {outcome.standing for outcome in outcomes} == {"answered"}
    assert {outcome.bundle for outcome in outcomes} == {service.at_work.version}
    tally = service.counters.snapshot()
    assert tally.engine_ms.count == tally.latency_ms.count == tally.scores.count == tally.answered


def test_a_frame_whose_deadline_comes_first_is_answered_to_the_safe_side(service: Service, frames: list[Frame]) -> None:
    """One is with the engine, the other waits; the engine's reply that comes later changes nothing."""
    with frozen(engine_pid(service)):
        futures = [service.offer(offered(frames[0], number, due_in_ms=100)) for number in (1, 2)]
        outcomes = [future.result(60) for future in futures]
    assert [(each.standing, each.answer, each.score) for each in outcomes] == [("late", "reject", None)] * 2
    assert "engine had not decided" in outcomes[0].detail
    assert "it waited" in outcomes[1].detail
    eventually(lambda: service._dispatcher.idle)
    assert decided(service, frames[0])[0].standing == "answered"


def test_a_full_queue_refuses_and_says_so(service: Service, frames: list[Frame]) -> None:
    before = service.counters.snapshot()
    with frozen(engine_pid(service)):
        futures = [service.offer(offered(frames[0], number)) for number in range(QUEUE_FRAMES + 3)]
        refused = [at for at, future in enumerate(futures) if future.done()]
    outcomes = [future.result(60) for future in futures]
    assert refused == [QUEUE_FRAMES + 1, QUEUE_FRAMES + 2]
    assert {(outcomes[at].standing, outcomes[at].answer) for at in refused} == {("refused", "reject")}
    tally = service.counters.snapshot()
    assert tally.refused - before.refused == 2
    assert tally.most_waiting == QUEUE_FRAMES


def test_what_the_model_cannot_take_is_faulty_and_the_next_frame_is_not(service: Service, frames: list[Frame]) -> None:
    colour, huge = np.zeros((80, 100, 3), np.uint8), np.zeros((2000, 1000, 1), np.uint8)
    torn = FaultyFrame(number=1, source="test", name="b", captured_ns=time.monotonic_ns(), why="torn")
    seen: list[Seen] = []
    service.subscribe("faulty", seen.append)
    outcomes = [service.offer(each).result(0) for each in (offered(colour), torn, offered(huge))]
    assert [(each.standing, each.answer) for each in outcomes] == [("faulty", "reject")] * 3
    assert outcomes[1].detail == "torn"
    assert "1 MB" in outcomes[2].detail
    eventually(lambda: len(seen) == 3)
    assert {each.image is None for each in seen} == {True}
    assert decided(service, frames[0])[0].standing == "answered"


def test_a_killed_engine_is_started_again_and_no_frame_is_lost(service: Service, frames: list[Frame]) -> None:
    first, before = engine_pid(service), service.counters.snapshot()
    os.kill(first, signal.SIGKILL)
    assert service.offer(offered(frames[0])).result(60).standing in ("answered", "refused")
    assert decided(service, frames[1])[0].standing == "answered"
    tally = service.counters.snapshot()
    assert engine_pid(service) != first
    assert tally.restarts["engine"] == before.restarts.get("engine", 0) + 1
    assert any("its process died" in each.text for each in tally.incidents)


def test_a_slow_or_failing_outlet_delays_nobody(service: Service, frames: list[Frame]) -> None:
    def slow(_: Seen) -> None:
        time.sleep(0.2)

    def failing(_: Seen) -> None:
        msg = "away"
        raise ConnectionError(msg)

    service.subscribe("slow", slow, frames=2)
    service.subscribe("failing", failing)
    assert {outcome.standing for outcome in decided(service, *frames[:8])} == {"answered"}
    eventually(lambda: service.counters.snapshot().dropped.get("failing") == 8)
    tally = service.counters.snapshot()
    assert tally.dropped["slow"] >= 3
    (incident,) = [each for each in tally.incidents if each.part == "failing"]
    assert "away" in incident.text


def test_outlets_see_pixels_and_heatmap(service: Service, frames: list[Frame]) -> None:
    seen: list[Seen] = []
    service.subscribe("page", seen.append)
    decided(service, frames[3])
    eventually(lambda: len(seen) == 1)
    assert seen[0].image is not None
    assert np.array_equal(seen[0].image, frames[3])
    assert seen[0].heatmap is not None
    assert seen[0].heatmap.ndim == 2


def test_a_future_cannot_be_cancelled(service: Service, frames: list[Frame]) -> None:
    future = service.offer(offered(frames[0]))
    assert not future.cancel()
    assert future.result(60).standing == "answered"


def test_a_stuck_engine_is_killed_and_started_again_and_the_safe_side_may_be_to_pass(
    bundle: Any, frames: list[Frame]
) -> None:
    with running(settings_of(bundle=bundle.path, watchdog={"engine_s": 0.3}, late="pass")) as service:
        pid = engine_pid(service)
        os.kill(pid, signal.SIGSTOP)
        outcome = service.offer(offered(frames[0])).result(60)
        assert (outcome.standing, outcome.answer) == ("refused", "pass")
        assert "worked on one frame for 0.3 s" in outcome.detail
        eventually(lambda: service._supervisor._engine is not None and engine_pid(service) != pid)
        assert service.counters.snapshot().restarts["engine"] >= 1


def test_stopping_answers_what_is_under_way_refuses_what_comes_later_and_leaves_no_process(
    bundle: Any, frames: list[Frame]
) -> None:
    service = Service(settings_of(bundle=bundle.path))
    service.start()
    pid = engine_pid(service)
    under_way = [service.offer(offered(frames[0], number)) for number in range(5)]
    service.stop()
    assert [future.result(0).standing for future in under_way] == ["answered"] * 5
    assert service.offer(offered(frames[0])).result(0).standing == "refused"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Service(StationSettings(bundle=tmp_path / "none.beltline"))


def test_descriptors_above_1023_are_waited_for_too(bundle: Any, frames: list[Frame]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        with running(settings_of(bundle=bundle.path)) as service:
            assert {each.standing for each in decided(service, *frames)} == {"answered"}
            with frozen(engine_pid(service)):
                late = service.offer(offered(frames[0], due_in_ms=50)).result(60)
            assert late.standing == "late"
            assert service.healthy() == ""
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
