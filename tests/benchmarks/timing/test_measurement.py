from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.timing.measurement import TIMES, Measurement, read_trace, write_trace
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals, due_ns
from numpy.typing import NDArray

Belt = Callable[..., Measurement]


def test_a_trace_comes_back_as_it_was_written(tmp_path: Path, belt: Belt) -> None:
    measured = belt([2.0, 3.0, 40.0, 2.0], cold_ms=[90.0, 8.0])
    write_trace(tmp_path / "deep" / "run.npz", measured)
    again = read_trace(tmp_path / "deep" / "run.npz")
    for name in TIMES:
        assert np.array_equal(getattr(again, name), getattr(measured, name))
    assert (again.mode, again.arrivals, again.warmup) == (measured.mode, measured.arrivals, 2)
    assert again.fingerprint == measured.fingerprint
    assert again.artifact_digest == measured.artifact_digest


@pytest.mark.parametrize("left", [0, 10, 0.5, 0.98])
def test_a_trace_cut_in_the_middle_is_refused(tmp_path: Path, belt: Belt, left: float) -> None:
    path = tmp_path / "run.npz"
    write_trace(path, belt([2.0] * 50))
    content = path.read_bytes()
    path.write_bytes(content[: int(left if left > 1 else left * len(content))])
    with pytest.raises(MeasurementError, match="not a readable trace"):
        read_trace(path)


def test_flipped_bytes_are_noticed(tmp_path: Path, belt: Belt) -> None:
    path = tmp_path / "run.npz"
    write_trace(path, belt(list(np.linspace(2, 9, 200))))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(MeasurementError):
        read_trace(path)


def test_a_missing_file_and_another_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="not a readable trace"):
        read_trace(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("frames,ms\n")
    with pytest.raises(MeasurementError, match="not a readable trace"):
        read_trace(tmp_path / "text.npz")


def _save(path: Path, measured: Measurement, *, facts: dict[str, Any] | None = None, **arrays: Any) -> None:
    """Write a trace by hand, past the checks."""
    notified = {
        "format": 2,
        "mode": measured.mode,
        "arrivals": asdict(measured.arrivals) if measured.arrivals else None,
        "warmup": measured.warmup,
        "fingerprint": {},
        "artifact_digest": "sha256:0",
        **(facts or {}),
    }
    times = {name: getattr(measured, name) for name in TIMES} | arrays
    np.savez(path, facts=np.frombuffer(json.dumps(notified).encode(), dtype=np.uint8), **times)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"format": 1}, "trace format 1 is not 2"),
        ({"mode": "camera"}, "mode must be"),
        ({"warmup": 99}, "warmup must be a whole number"),
        ({"warmup": 0.5}, "warmup must be a whole number"),
        ({"arrivals": None}, "must hold its arrivals"),
        ({"arrivals": {"period_ns": 0}}, "period_ns must be"),
        ({"arrivals": {"belt": 1}}, "not a readable trace"),
        ({"arrivals": {"period_ns": float("nan")}}, "period_ns must be"),
        ({"arrivals": {"period_ns": -5}}, "period_ns must be"),
        ({"arrivals": [1, 2]}, "not a readable trace"),
        ({"arrivals": {"period_ns": 1_000}}, "a frame is missing"),
        ({"fingerprint": []}, "fingerprint must be an object"),
    ],
)
def test_facts_that_cannot_be_true_are_refused(tmp_path: Path, belt: Belt, facts: dict[str, Any], message: str) -> None:
    _save(tmp_path / "run.npz", belt([2.0, 3.0, 2.0]), facts=facts)
    with pytest.raises(MeasurementError, match=message):
        read_trace(tmp_path / "run.npz")


def test_times_with_nan_are_refused(tmp_path: Path, belt: Belt) -> None:
    measured = belt([2.0, 3.0])
    _save(tmp_path / "run.npz", measured, decided_ns=np.array([1.0, np.nan]))
    with pytest.raises(MeasurementError, match=r"decided_ns: wanted int64 \[2\], got float64"):
        read_trace(tmp_path / "run.npz")


def test_pickled_objects_are_never_opened(tmp_path: Path, belt: Belt) -> None:
    measured = belt([2.0, 3.0])
    _save(tmp_path / "run.npz", measured, decided_ns=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(MeasurementError, match="not a readable trace"):
        read_trace(tmp_path / "run.npz")


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beltline.benchmarks.timing.measurement._MOST_BYTES", 1_000_000)
    content = io.BytesIO()
    np.save(content, np.zeros(200_000, dtype=np.int64))
    with zipfile.ZipFile(tmp_path / "run.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("facts.npy", content.getvalue())
    with pytest.raises(MeasurementError, match="at most 1000000 are read"):
        read_trace(tmp_path / "run.npz")


@pytest.mark.parametrize(
    ("name", "index", "change_ns", "message"),
    [
        ("scheduled_ns", 0, -(10**12), "must not be negative"),
        ("decided_ns", 1, -40_000_000, "frame 1: decided_ns lies before"),
        ("started_ns", 1, -1_000, "frame 1: started_ns lies before"),
        ("engine_end_ns", 2, -40_000_000, "frame 2: engine_end_ns lies before"),
    ],
)
def test_times_that_cannot_be_true_are_not_even_written(
    tmp_path: Path, belt: Belt, name: str, index: int, change_ns: int, message: str
) -> None:
    measured = belt([2.0, 3.0, 2.0])
    values = getattr(measured, name).copy()
    values[index] += change_ns
    with pytest.raises(MeasurementError, match=message):
        write_trace(tmp_path / "run.npz", replace(measured, **{name: values}))
    assert not (tmp_path / "run.npz").exists()


def test_a_dropped_frame_shows(tmp_path: Path, belt: Belt) -> None:
    measured = belt([2.0, 3.0, 70.0, 2.0, 2.0])
    kept = np.array([0, 1, 3, 4])
    without = replace(measured, **{name: getattr(measured, name)[kept] for name in TIMES})
    with pytest.raises(MeasurementError, match=r"judged frame 2 .* a frame is missing or was moved"):
        write_trace(tmp_path / "run.npz", without)


def _on(arrivals: Arrivals, frames: int) -> Measurement:
    """Decide every frame at once, as it falls due."""
    due = 10**9 + due_ns(arrivals, start=0, frames=frames)
    start = np.maximum.accumulate(due + 5 * np.arange(frames))
    return Measurement(
        mode="belt",
        arrivals=arrivals,
        warmup=0,
        scheduled_ns=due,
        started_ns=start,
        engine_start_ns=start + 1,
        engine_end_ns=start + 2,
        decided_ns=start + 3,
        fingerprint={"run": {"frames": frames, "first_due_ns": int(due[0])}},
        artifact_digest="sha256:0",
    )


UNEVEN = Arrivals(
    period_ns=10**6, cameras=2, jitter_ns=3 * 10**5, burst_every=9, burst_parts=3, burst_pitch_ns=10**5, seed=4
)


def _without(measured: Measurement, kept: NDArray[Any]) -> Measurement:
    return replace(measured, **{name: getattr(measured, name)[kept] for name in TIMES})


def test_an_uneven_belt_comes_back_with_its_rule(tmp_path: Path) -> None:
    write_trace(tmp_path / "run.npz", _on(UNEVEN, 200))
    assert read_trace(tmp_path / "run.npz").arrivals == UNEVEN


@pytest.mark.parametrize("change", [{"seed": 5}, {"cameras": 1}, {"jitter_ns": 0}, {"burst_parts": 4}])
def test_the_times_of_another_belt_are_refused(tmp_path: Path, change: dict[str, int]) -> None:
    with pytest.raises(MeasurementError, match="a frame is missing or was moved"):
        write_trace(tmp_path / "run.npz", replace(_on(UNEVEN, 200), arrivals=replace(UNEVEN, **change)))


@pytest.mark.parametrize("moved_ns", [-1, 1, 50_000])
def test_a_moved_frame_shows(tmp_path: Path, moved_ns: int) -> None:
    measured = _on(UNEVEN, 200)
    due = measured.scheduled_ns.copy()
    due[77] += moved_ns
    late = {name: getattr(measured, name) + 10**6 for name in TIMES[1:]}
    with pytest.raises(MeasurementError, match=r"judged frame 77 .* was moved"):
        write_trace(tmp_path / "run.npz", replace(measured, scheduled_ns=due, **late))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (np.arange(199), "199 judged frames are left of 200"),
        (np.arange(1, 200), "199 judged frames are left of 200"),
        (np.array([*range(60), *range(61, 200)]), "a frame is missing"),
    ],
)
def test_a_frame_that_was_dropped_anywhere_shows(tmp_path: Path, kept: NDArray[Any], message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        write_trace(tmp_path / "run.npz", _without(_on(Arrivals(period_ns=10**6), 200), kept))


def test_a_run_whose_beginning_was_moved_shows(tmp_path: Path) -> None:
    measured = _on(Arrivals(period_ns=10**6), 200)
    later = replace(measured, **{name: getattr(measured, name) + 10**6 for name in TIMES})
    with pytest.raises(MeasurementError, match="not the one that the run began with"):
        write_trace(tmp_path / "run.npz", later)


def test_a_clock_that_jumps_back_shows(tmp_path: Path) -> None:
    measured = _on(UNEVEN, 50)
    jumped = {name: np.where(np.arange(50) < 20, 0, -(10**8)) + getattr(measured, name) for name in TIMES[1:]}
    with pytest.raises(MeasurementError, match="frame 20: started_ns lies before"):
        write_trace(tmp_path / "run.npz", replace(measured, **jumped))


def test_overlapping_frames_are_refused(tmp_path: Path, belt: Belt) -> None:
    measured = belt([2.0, 3.0, 2.0])
    decided = measured.decided_ns.copy()
    decided[0] = measured.started_ns[1] + 1
    with pytest.raises(MeasurementError, match="frame 1 started before"):
        write_trace(tmp_path / "run.npz", replace(measured, decided_ns=decided))
