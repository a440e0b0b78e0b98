from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from beltline.benchmarks.proof.summary import engine_summary, latency_summary, pacer_p99_us
from beltline.benchmarks.timing.measurement import Measurement
from beltline.benchmarks.timing.measuring import prove_measurement
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.gates import MissGate

Belt = Callable[..., Measurement]
_GATE = MissGate(max=0.2, confidence=0.9)


def test_the_summary_has_what_report_json_promises(belt: Belt) -> None:
    measured = belt([2.0, 4.0, 6.0, 25.0, 2.0], cold_ms=[300.0, 5.0])
    proof = prove_measurement(measured, deadline_ms=20.0, gate=_GATE)
    summary = latency_summary(measured, deadline_ms=20.0, proof=proof)
    assert summary["frames"] == 5
    assert summary["p50"] == 6.0
    assert summary["p99"] == summary["p999"] == summary["max"] == 25.0
    assert summary["misses"] == 1
    assert summary["miss_upper"] == proof.upper
    assert summary["scope"] == "frame_to_decision"
    assert summary["cold"] == {"frames": 2, "first": 300.0, "max": 300.0}
    assert (summary["pre"], summary["engine"], summary["post"]) == pytest.approx((0.4, 3.4, 0.2))
    json.dumps(summary, allow_nan=False)
    assert engine_summary(measured)["p50"] == pytest.approx(3.4)


def test_a_frame_behind_a_stall_counts_from_its_due_time(belt: Belt) -> None:
    measured = belt([35.0, 1.0, 1.0, 1.0, 1.0])
    assert (measured.response_ns / 1e6).tolist() == [35.0, 26.0, 17.0, 8.0, 1.0]


def test_a_run_without_judged_frames_is_refused(belt: Belt) -> None:
    measured = belt([], cold_ms=[3.0])
    proof = prove_measurement(measured, deadline_ms=20.0, gate=_GATE)
    with pytest.raises(MeasurementError, match="at least 1 judged frame"):
        latency_summary(measured, deadline_ms=20.0, proof=proof)


def test_the_pacer_answers_only_for_frames_that_found_it_idle(belt: Belt) -> None:
    assert pacer_p99_us(belt([35.0, 1.0, 1.0, 1.0, 1.0])) == 0.0
    assert pacer_p99_us(belt([35.0, 35.0, 35.0])) is None
