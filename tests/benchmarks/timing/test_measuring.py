from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.proof.summary import latency_summary
from beltline.benchmarks.timing.measurement import Measurement
from beltline.benchmarks.timing.measuring import (
    Demand,
    MeasureLimits,
    measure_at_line_rate,
    measure_back_to_back,
    prove_measurement,
)
from beltline.export.contracts import Artifact, Frame
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals, due_ns
from beltline.inspection.line.gates import MissGate
from beltline.targets.profile import target_of

Pretend = Callable[..., Artifact]
_LOOSE = MissGate(max=0.2, confidence=0.9)


@pytest.fixture
def bench(frames: list[Frame]) -> Callable[..., Measurement]:
    def run(artifact: Artifact, **changes: Any) -> Measurement:
        asked: dict[str, Any] = {
            "arrivals": Arrivals(period_ns=10_000_000),
            "deadline_ms": 200.0,
            "gate": _LOOSE,
            "limits": MeasureLimits(frames=60, seconds=5, warmup_frames=4),
            **changes,
        }
        given = {"target": target_of("local", threads=1), "progress": asked.pop("progress", lambda _: None)}
        if asked["arrivals"] is None:
            return measure_back_to_back(artifact, frames, limits=asked["limits"], **given)
        return measure_at_line_rate(artifact, frames, demand=Demand(**asked), **given)

    return run


def test_belt_run_is_described_and_stops_as_soon_as_the_gate_is_held(
    pretend: Pretend, bench: Callable[..., Measurement]
) -> None:
    artifact = pretend(busy_ms=[1.0])
    measured = bench(artifact)
    proof = prove_measurement(measured, deadline_ms=200.0, gate=_LOOSE)
    assert measured.fingerprint["run"]["stopped"] == "fits" == proof.verdict
    assert measured.response_ns.size == proof.frames == 14  # (1 - 0.2) ** 14 <= 0.1 / 2
    assert measured.warmup >= 4
    assert measured.artifact_digest == artifact.digest
    steps = np.diff(measured.scheduled_ns[measured.warmup :])
    assert (steps == 10_000_000).all()
    facts = measured.fingerprint
    assert facts["run"]["pinned_cpus"] == list(target_of("local", threads=1).cpus)
    assert facts["run"]["garbage_collection"] == "frozen and off"
    assert facts["cpu"]
    assert facts["versions"]["numpy"] == np.__version__


def test_what_came_between_and_how_well_the_timer_keeps_stands_in_the_trace(
    pretend: Pretend, bench: Callable[..., Measurement]
) -> None:
    run = bench(pretend(busy_ms=[1.0])).fingerprint["run"]
    assert run["frames"] == 14
    assert run["timer"]["shortest_period_ns"] <= 10_000_000
    assert run["disturbances"]["voluntary_switches"] >= 14  # the pretended model sleeps
    assert {"involuntary_switches", "minor_page_faults", "major_page_faults", "steal_ms", "throttle_events"} <= set(
        run["disturbances"]
    )


def test_cameras_wait_for_each_other_and_an_uneven_belt_is_offered_by_its_rule(
    pretend: Pretend, bench: Callable[..., Measurement]
) -> None:
    uneven = Arrivals(
        period_ns=20_000_000, cameras=2, jitter_ns=3_000_000, burst_every=5, burst_parts=3, burst_pitch_ns=8_000_000
    )
    measured = bench(pretend(busy_ms=[2.0]), arrivals=uneven)
    due = measured.scheduled_ns[measured.warmup :]
    assert measured.arrivals == uneven
    assert np.array_equal(due - due[0], due_ns(uneven, start=0, frames=due.size) - due_ns(uneven, start=0, frames=1))
    assert (measured.response_ns[1::2] - measured.response_ns[0::2] >= 2_000_000).all()


def test_a_stall_is_charged_to_every_frame_that_it_delays(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    # Each fourth frame takes 35 ms at a period of 10 ms: the two behind it wait although they are quick themselves.
    measured = bench(
        pretend(busy_ms=[0.5, 0.5, 0.5, 35.0]), deadline_ms=9.0, limits=MeasureLimits(frames=40, seconds=5)
    )
    response_ms = measured.response_ns / 1e6
    slow = np.flatnonzero(measured.engine_ns / 1e6 > 30)
    behind = slow[slow + 2 < response_ms.size]
    assert (response_ms[behind + 1] > 20).all()
    assert (response_ms[behind + 2] > 10).all()
    assert measured.fingerprint["run"]["stopped"] in {"misses", "frames"}


def test_a_hopeless_model_stops_after_its_first_look(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    measured = bench(
        pretend(busy_ms=[40.0]), arrivals=Arrivals(period_ns=31_250_000), deadline_ms=20.0, gate=MissGate()
    )
    proof = prove_measurement(measured, deadline_ms=20.0, gate=MissGate())
    assert proof.verdict == "misses"
    assert measured.response_ns.size == 60


def test_a_backlog_cannot_outlast_the_time(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    gate = MissGate(stall_ms=0.0)  # ten frames late in a row are no single stall then
    limits = MeasureLimits(frames=100_000, seconds=1.0, warmup_frames=1)
    measured = bench(
        pretend(busy_ms=[100.0]),
        arrivals=Arrivals(period_ns=20_000_000),
        deadline_ms=5.0,
        gate=gate,
        limits=limits,
    )
    assert measured.fingerprint["run"]["stopped"] == "time"
    assert measured.response_ns.size < 12
    assert prove_measurement(measured, deadline_ms=5.0, gate=gate).verdict == "misses"


def test_too_few_frames_are_inconclusive_with_the_number_still_needed(
    pretend: Pretend, bench: Callable[..., Measurement]
) -> None:
    measured = bench(
        pretend(busy_ms=[0.2]), gate=MissGate(), deadline_ms=2_000.0, limits=MeasureLimits(frames=20, seconds=5)
    )
    proof = prove_measurement(measured, deadline_ms=2_000.0, gate=MissGate())
    assert (proof.verdict, proof.frames, proof.frames_needed) == ("inconclusive", 20, 4603 - 20)


def test_back_to_back_offers_a_frame_when_the_one_before_is_decided(
    pretend: Pretend, bench: Callable[..., Measurement]
) -> None:
    measured = bench(pretend(busy_ms=[2.0]), arrivals=None)
    assert measured.response_ns.size == 60
    assert measured.period_ns == 0
    assert (measured.scheduled_ns == measured.started_ns).all()
    proof = prove_measurement(measured, deadline_ms=200.0, gate=_LOOSE)
    assert (proof.verdict, proof.frames) == ("fits", 60)
    assert latency_summary(measured, deadline_ms=200.0, proof=proof)["pacer_p99_us"] is None


def test_progress_is_told_in_the_slack(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    notified: list[dict[str, Any]] = []
    bench(pretend(busy_ms=[0.2]), arrivals=Arrivals(period_ns=30_000_000), gate=MissGate(), progress=notified.append)
    counts = [facts["frames"] for facts in notified if "frames" in facts]
    assert counts == sorted(counts)
    assert counts


def test_two_measurements_never_run_at_the_same_time(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    lock = os.open(
        Path(tempfile.gettempdir()) / f"beltline-{os.getuid()}.measuring.lock", os.O_CREAT | os.O_RDWR, 0o600
    )
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting, released_ns = threading.Event(), 0

    def release() -> None:
        nonlocal released_ns
        waiting.wait(30)
        released_ns = time.perf_counter_ns()
        os.close(lock)

    other = threading.Thread(target=release)
    other.start()
    measured = bench(pretend(busy_ms=[0.2]), progress=lambda facts: waiting.set() if "waiting" in facts else None)
    other.join()
    assert waiting.is_set()
    assert measured.started_ns[0] > released_ns


@pytest.mark.parametrize(
    ("plan", "message"),
    [({"busy_ms": [0.1], "die_at": 3}, "code 9"), ({"busy_ms": [0.1], "fail_at": 3}, "the engine burned")],
)
def test_a_process_that_breaks_is_an_error_with_its_words(
    pretend: Pretend, bench: Callable[..., Measurement], plan: dict[str, Any], message: str
) -> None:
    with pytest.raises(MeasurementError, match=message):
        bench(pretend(**plan))


def test_an_unknown_backend_names_those_there_are(pretend: Pretend, bench: Callable[..., Measurement]) -> None:
    from dataclasses import replace

    with pytest.raises(MeasurementError, match=r"got 'abacus'"):
        bench(replace(pretend(busy_ms=[1.0]), backend="abacus"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrivals": Arrivals(period_ns=10)}, "a frame every 1e-05 ms is more than the timer of this machine holds"),
        ({"deadline_ms": -3.0}, "deadline_ms must be > 0"),
    ],
)
def test_numbers_that_cannot_be_measured_with_are_refused(
    pretend: Pretend, bench: Callable[..., Measurement], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(MeasurementError, match=message):
        bench(pretend(busy_ms=[1.0]), **changes)


def test_one_repeated_frame_is_refused(pretend: Pretend) -> None:
    frame = np.zeros((4, 4, 1), dtype=np.uint8)
    with pytest.raises(MeasurementError, match="at least 2 different frames"):
        measure_at_line_rate(
            pretend(busy_ms=[1.0]),
            [frame, frame.copy()],
            demand=Demand(arrivals=Arrivals(period_ns=10_000_000), deadline_ms=20.0, gate=_LOOSE),
            target=target_of("local", threads=1),
        )


def test_limits_must_be_positive() -> None:
    with pytest.raises(MeasurementError, match="frames >= 1"):
        MeasureLimits(frames=0)
