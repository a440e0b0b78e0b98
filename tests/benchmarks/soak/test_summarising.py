from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.soak.schema import SoakSummary, read_soak
from beltline.benchmarks.soak.summarising import summarise
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import MissGate

Write = Callable[..., Path]
GATE = MissGate(max=0.02, confidence=0.95, stall_ms=0.0)
DEADLINE_MS = 10.0


def summary(folder: Path, *, asked_s: float, gate: MissGate = GATE) -> SoakSummary:
    return summarise(folder, row="small", asked_s=asked_s, deadline_ms=DEADLINE_MS, gate=gate)


def noisy(frames: int, *, level_ms: float = 2.0, late: int = 0, seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    work_ms = level_ms + random.gamma(4.0, 0.05, frames)
    work_ms[random.choice(frames, late, replace=False)] = 15.0
    return work_ms


def test_a_steady_device_in_time_fits(write_soak: Write) -> None:
    found = summary(write_soak(noisy(5_000)), asked_s=100)
    assert (found.verdict, found.complete, found.next_steps) == ("fits", True, [])
    assert found.steady is not None
    assert found.steady.misses == 0
    assert found.whole.frames == 5_000
    assert found.miss_upper is not None
    assert found.miss_upper < GATE.max
    assert any(reason.startswith("First minute against steady state") for reason in found.reasons)


def test_a_steady_device_that_is_late_misses(write_soak: Write) -> None:
    found = summary(write_soak(noisy(5_000, late=250)), asked_s=100)
    assert found.verdict == "misses"
    assert found.whole.misses == 250


def test_a_device_that_cannot_keep_up_misses_though_it_is_never_steady(write_soak: Write) -> None:
    found = summary(write_soak([25.0] * 4_000), asked_s=80)
    assert (found.verdict, found.steady) == ("misses", None)
    assert found.whole.misses > 3_900


def test_a_device_that_only_warms_up_is_not_judged(write_soak: Write) -> None:
    found = summary(write_soak(np.linspace(2.0, 4.0, 6_000)), asked_s=120)
    assert (found.verdict, found.steady) == ("inconclusive", None)
    assert found.reasons[0].startswith("Never steady")
    assert "Soak for 4 min at least" in found.next_steps[0]


def test_a_short_soak_is_not_judged(write_soak: Write) -> None:
    found = summary(write_soak(noisy(500)), asked_s=10)
    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("Too short to show a steady state: it takes 50 s")


def test_frames_before_the_steady_state_are_shown_and_named_where_they_break_the_gate(write_soak: Write) -> None:
    warm = 2.0 + 2.0 * (1 - np.exp(-np.arange(9_000) / 400))
    work_ms = noisy(9_000, level_ms=0.0) + warm
    work_ms[:1_200:5] = 15.0
    found = summary(write_soak(work_ms), asked_s=180)
    assert found.verdict == "fits"
    assert found.before_steady is not None
    assert found.before_steady.misses == found.whole.misses == 240
    assert any("they alone break the gate" in reason for reason in found.reasons)
    assert found.sessions[0].steady_from_s is not None
    assert found.sessions[0].steady_from_s >= 20


def test_a_soak_that_was_stopped_does_not_fit_yet(write_soak: Write) -> None:
    found = summary(write_soak(noisy(5_000)), asked_s=200)
    assert (found.verdict, found.complete) == ("inconclusive", False)
    assert found.reasons[0].startswith("Stopped after 100 s of 3.33 min. So far: In time")
    assert "goes on from here" in found.next_steps[0]


def test_too_few_steady_frames_say_for_how_long_to_soak(write_soak: Write) -> None:
    found = summary(write_soak(noisy(5_000)), asked_s=100, gate=MissGate(max=1e-4, confidence=0.99, stall_ms=0.0))
    assert found.verdict == "inconclusive"
    assert found.next_steps == ["Soak for 15.6 min at least, if no further frame is late."]


def test_each_session_must_become_steady_anew_and_the_gap_is_told(write_soak: Write) -> None:
    found = summary(write_soak(noisy(4_000), noisy(4_000, seed=4), noisy(200, seed=5)), asked_s=164)
    assert [each.gap_before_s for each in found.sessions] == [
        None,
        pytest.approx(1e6 - 80, abs=0.1),
        pytest.approx(1e6 - 80, abs=0.1),
    ]
    assert [each.steady_from_s is not None for each in found.sessions] == [True, True, False]
    assert [each.steady for each in found.points if each.session == 2] == [False] * 4
    assert found.points[-1].at_s == pytest.approx(163, abs=0.2)


def test_throttling_is_named(write_soak: Write) -> None:
    folder = write_soak(noisy(5_000), readings=lambda index: {"throttle_events": float(index), "temperature_c": 80.0})
    found = summary(folder, asked_s=100)
    assert found.throttling == ["Heat: the processor reports that it slowed itself down 9 times."]
    assert found.throttling[0] in found.reasons


def test_several_cameras_are_judged_by_trigger(write_soak: Write) -> None:
    found = summary(write_soak(noisy(12_000), arrivals=Arrivals(period_ns=20_000_000, cameras=2)), asked_s=120)
    assert found.verdict == "fits"
    assert found.frames_per_s == 100


def test_a_summary_comes_back_from_disk_and_holds_a_small_series(write_soak: Write, tmp_path: Path) -> None:
    written = summary(write_soak(noisy(4_000), noisy(1_000)), asked_s=100)
    path = tmp_path / "soak.json"
    path.write_text(json.dumps(written.model_dump(mode="json", by_alias=True), allow_nan=False))
    found = read_soak(path)
    assert found == written
    assert len(found.points) == 100
    assert sum(each.frames for each in found.points) == 5_000
    assert min(each.at_s for each in found.points if each.session == 1) == pytest.approx(80, abs=0.1)
    assert all(each.temperature_c is None for each in found.points)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"schema": 2}, "schema"), ({"miss_upper": 1.5}, "miss_upper"), ({"points": [{}]}, r"points\[0\].session")],
)
def test_a_summary_that_is_none_is_refused_by_name(
    write_soak: Write, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    written = summary(write_soak(noisy(500)), asked_s=10).model_dump(mode="json", by_alias=True)
    path = tmp_path / "soak.json"
    path.write_text(json.dumps({**written, **change}))
    with pytest.raises(MeasurementError, match=rf"soak\.json: {message}"):
        read_soak(path)


def test_no_summary_without_frames(write_soak: Write, tmp_path: Path) -> None:
    folder = write_soak()
    with pytest.raises(MeasurementError, match="no frame was recorded"):
        summary(folder, asked_s=10)
    (tmp_path / "cut.json").write_text("{")
    with pytest.raises(MeasurementError, match="not a summary of a soak"):
        read_soak(tmp_path / "cut.json")
