from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.benchmarks.timing.interleaved import Round, interleaved_ratio, measured_rounds, rounds_of
from beltline.benchmarks.timing.measurement import Measurement
from beltline.benchmarks.timing.measuring import MeasureLimits
from beltline.export.contracts import Artifact, Frame
from beltline.inspection.base.errors import MeasurementError
from beltline.targets.profile import target_of
from beltline.targets.target import Target

LIMITS = MeasureLimits(frames=8, seconds=0.4, warmup_frames=2)


@pytest.fixture
def pair(pretend: Callable[..., Artifact], tmp_path: Path) -> dict[str, Artifact]:
    """Two models: `slow` waits 24 ms for each frame, `fast` 3 ms."""
    return {name: kept(pretend(busy_ms=[busy]), tmp_path / name) for name, busy in (("slow", 24.0), ("fast", 3.0))}


def kept(artifact: Artifact, folder: Path) -> Artifact:
    folder.mkdir()
    return artifact.moved_to(Path(shutil.copy(artifact.path, folder)))


def on_one_thread(artifacts: dict[str, Artifact]) -> dict[str, tuple[Artifact, Target]]:
    return {name: (each, target_of("local", threads=1)) for name, each in artifacts.items()}


def back_to_back(belt: Callable[..., Measurement], times_ms: list[float], **facts: Any) -> Measurement:
    measurement = belt(times_ms, period_ms=1000.0)
    return replace(measurement, mode="back_to_back", arrivals=None, **facts)


def test_models_take_turns_and_every_other_round_runs_backwards(pair: dict[str, Artifact], frames: list[Frame]) -> None:
    notified: list[tuple[int, str]] = []
    found = list(
        measured_rounds(
            on_one_thread(pair),
            frames,
            numbers=[0, 1],
            limits=LIMITS,
            progress=lambda number, name: notified.append((number, name)),
        )
    )
    assert notified == [(0, "slow"), (0, "fast"), (1, "fast"), (1, "slow")]
    starts = [int(turn.started_ns[0]) for each in found for turn in each.measurements.values()]
    assert starts == sorted(starts)
    assert all(turn.mode == "back_to_back" for each in found for turn in each.measurements.values())
    measurements = rounds_of(found)
    assert list(measurements) == ["slow", "fast"]
    assert measurements["slow"].frames == sum(each.measurements["slow"].response_ns.size for each in found)
    assert measurements["slow"].typical_ms("p50") >= 24
    ratio = interleaved_ratio(measurements["fast"], measurements["slow"])["p50"]
    assert len(ratio.by_round) == 2
    assert ratio.ratio < 1
    assert json.loads(json.dumps(measurements["fast"].to_json()))["rounds"] == 2


def test_p50_and_p99_of_each_round_are_order_statistics(belt: Callable[..., Measurement]) -> None:
    times_ms = [*range(1, 101)]
    rounds = [
        Round(number=number, measurements={"one": back_to_back(belt, [*times_ms, 500.0 * number + 200])})
        for number in range(3)
    ]
    measurements = rounds_of(rounds)["one"]
    assert measurements.times_ms["p50"] == (51.0, 51.0, 51.0)
    assert measurements.times_ms["p99"] == (100.0, 100.0, 100.0)
    assert measurements.frames == 303


def test_one_model_alone_is_refused(pair: dict[str, Artifact], frames: list[Frame]) -> None:
    alone = {"slow": pair["slow"]}
    with pytest.raises(MeasurementError, match="at least 2 models"):
        next(measured_rounds(on_one_thread(alone), frames, numbers=[0]))


def test_a_machine_that_changed_between_two_turns_is_named(belt: Callable[..., Measurement]) -> None:
    same, other = back_to_back(belt, [1.0]), back_to_back(belt, [1.0], fingerprint={"cpu": "slide rule"})
    rounds = [
        Round(number=0, measurements={"a": same, "b": same}),
        Round(number=1, measurements={"b": same, "a": other}),
    ]
    with pytest.raises(MeasurementError, match="before a in round 1: cpu: 'abacus' against 'slide rule'"):
        rounds_of(rounds)


def test_rounds_that_are_not_whole_are_refused(belt: Callable[..., Measurement]) -> None:
    turn = back_to_back(belt, [1.0])
    with pytest.raises(MeasurementError, match="at least one round"):
        rounds_of([])
    with pytest.raises(MeasurementError, match="round 1 has a, the first a, b"):
        rounds_of([Round(number=0, measurements={"a": turn, "b": turn}), Round(number=1, measurements={"a": turn})])


def test_a_failed_turn_says_why(pretend: Callable[..., Artifact], frames: list[Frame], tmp_path: Path) -> None:
    broken = kept(pretend(busy_ms=[0.1], fail_at=1), tmp_path / "broken")
    pair = {"broken": broken, "again": broken}
    with pytest.raises(MeasurementError, match="the engine burned"):
        list(measured_rounds(on_one_thread(pair), frames, numbers=[0]))
