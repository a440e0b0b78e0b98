from __future__ import annotations

from dataclasses import replace

import pytest
from beltline.benchmarks.proof.gate import Evidence, Run
from beltline.benchmarks.proof.late_bursts import LateBursts
from beltline.benchmarks.proof.miss_rate import Proof
from beltline.benchmarks.proof.steadiness import Steadiness
from beltline.benchmarks.proof.verdict import Standing, judge, select
from beltline.inspection.line.gates import Gates
from beltline.inspection.statistics.bounds import rate_lower, rate_upper
from beltline.inspection.statistics.quality import Paired, Quality, Rate

_PROOF = Proof(verdict="fits", misses=0, frames=5_296, upper=0.001, lower=0.0, frames_needed=0)
_SPELLS = LateBursts(
    utilisation=0.1,
    allowed_frames=1,
    longest_frames=0,
    near_ms=50.0,
    allowed_near_frames=2,
    longest_near_frames=1,
    cluster_frames=1.0,
    stall_ms=0,
    stall_burst_frames=1,
    stretched_frames=1,
    stretched_stall_ms=80,
)
_STEADY = Steadiness(
    autocorrelation=0.1,
    drift_p_value=0.4,
    drift_ms=0.1,
    late_after_drift=0,
    slowest_ms=30.0,
    cluster_frames=1.0,
    bursts=_SPELLS,
)
_PAIRED = Paired(
    against="teacher",
    new_escapes=4,
    recovered=3,
    p_value=1.0,
    increase=0.001,
    increase_upper=0.015,
    increase_lower=-0.012,
)


def _rate(count: int, of: int) -> Rate:
    lower, upper = (bound(count, of, confidence=0.95) for bound in (rate_lower, rate_upper))
    return Rate(count=count, of=of, upper=upper, lower=lower)


_QUALITY = Quality(
    auroc=0.97,
    auroc_interval=(0.96, 0.98),
    threshold=0.4,
    escape=_rate(30, 888),
    overkill=_rate(30, 1_000),
    paired=_PAIRED,
)


def _judge(proof: Proof = _PROOF, quality: Quality = _QUALITY, steady: Steadiness | None = _STEADY):  # noqa: ANN202
    run = Run(proof=proof, deadline_ms=86.0, steadiness=steady, frames_per_s=50.0)
    return judge(Evidence(run=run, quality=quality), Gates())


def test_all_gates_held_fits() -> None:
    found = _judge()
    assert found.verdict == "fits"
    assert found.next_steps == ()
    assert found.reasons[0] == (
        "In time: 0 of 5,296 frames were decided later than 86.0 ms; with 99 % confidence at most 0.1 % of all parts "
        "get a late answer, allowing for stalls of the device up to 100 ms."
    )
    assert len(found.reasons) == 3


def test_the_teacher_is_its_own_reference() -> None:
    assert _judge(quality=replace(_QUALITY, paired=None)).verdict == "fits"


def test_late_frames_miss_whatever_the_quality() -> None:
    found = _judge(replace(_PROOF, verdict="misses", misses=134, frames=134, upper=1.0, lower=0.96))
    assert found.verdict == "misses"
    assert found.reasons[0].startswith("Too slow for this belt: 134 of 134 frames")
    assert found.next_steps


def test_too_few_frames_name_the_number() -> None:
    found = _judge(replace(_PROOF, verdict="inconclusive", frames=1_000, upper=0.0046, frames_needed=4_296))
    assert found.verdict == "inconclusive"
    assert "4,296 more frames" in found.next_steps[0]


@pytest.mark.parametrize(
    ("upper", "lower", "verdict", "message"),
    [
        (0.02, 0.0, "fits", "Escapes hold"),
        (0.035, 0.0, "inconclusive", "Not enough defective parts"),
        (0.05, 0.021, "misses", "Too many defects escape"),
    ],
)
def test_the_escape_gate(upper: float, lower: float, verdict: str, message: str) -> None:
    paired = replace(_PAIRED, increase=0.01, increase_upper=upper, increase_lower=lower)
    found = _judge(quality=replace(_QUALITY, paired=paired))
    assert found.verdict == verdict
    assert any(message in reason for reason in found.reasons)


def test_more_defects_are_asked_for_by_number() -> None:
    paired = replace(_PAIRED, increase=0.01, increase_upper=0.03)
    steps = _judge(quality=replace(_QUALITY, paired=paired)).next_steps
    assert "2,664 more defective parts" in steps[0]  # twice as far off as allowed: four times the parts
    worse = replace(_PAIRED, increase=0.025, increase_upper=0.03, increase_lower=0.01)
    assert "Compress less" in _judge(quality=replace(_QUALITY, paired=worse)).next_steps[0]


@pytest.mark.parametrize(
    ("count", "of", "verdict"),
    [(30, 1_000, "fits"), (4, 100, "inconclusive"), (0, 20, "inconclusive"), (90, 1_000, "misses")],
)
def test_the_overkill_gate(count: int, of: int, verdict: str) -> None:
    assert _judge(quality=replace(_QUALITY, overkill=_rate(count, of))).verdict == verdict


def test_more_good_parts_are_asked_for_by_a_number_that_suffices() -> None:
    step = _judge(quality=replace(_QUALITY, overkill=_rate(4, 100))).next_steps[0]
    more = int("".join(char for char in step if char.isdigit()))
    assert rate_upper(round(0.04 * (100 + more)), 100 + more, confidence=0.95) <= 0.05
    in_groups = replace(_rate(4, 100), upper=0.15)
    grouped = _judge(quality=replace(_QUALITY, overkill=in_groups)).next_steps[0]
    assert int("".join(char for char in grouped if char.isdigit())) > 2 * more
    hopeless = _judge(quality=replace(_QUALITY, overkill=_rate(6, 100))).next_steps[0]
    assert "will not help" in hopeless


def test_the_worst_gate_comes_first() -> None:
    quality = replace(_QUALITY, overkill=_rate(90, 1_000))
    found = _judge(replace(_PROOF, verdict="inconclusive", frames_needed=9), quality)
    assert found.verdict == "misses"
    assert found.reasons[0].startswith("Too many good parts")


def test_a_longer_run_is_asked_for_with_its_duration() -> None:
    short = replace(_PROOF, verdict="inconclusive", frames=1_000, frames_needed=3_603, upper=0.0046)
    assert _judge(short).next_steps[0] == (
        "Measure at least 3,603 more frames in one run, 4,603 in all, 1.5 minutes at line rate "
        "(raise measure.minutes or measure.frames)."
    )
    one_late = replace(short, frames=5_000, misses=1, bursts=1, frames_needed=2_427)
    assert "some 12,774 if they go on" in _judge(one_late).next_steps[0]  # that is with three late ones
    too_many = replace(short, frames=5_000, misses=6, bursts=6, frames_needed=9_604)
    assert _judge(too_many).next_steps[0].startswith("Find what delays the late frames")


def test_the_stalls_allowed_for_are_said() -> None:
    proof = replace(_PROOF, frames=15_888, burst_frames=3)
    assert "(one makes up to 3 frames late, so the 15,888 count as 5,296)" in _judge(proof).reasons[0]


def test_a_drift_towards_the_deadline_withdraws_fits() -> None:
    drifting = replace(_STEADY, drift_p_value=1e-6, drift_ms=60.0, late_after_drift=3)
    found = _judge(steady=drifting)
    assert found.verdict == "inconclusive"
    assert "soak" in found.next_steps[0]
    assert _judge(steady=replace(drifting, late_after_drift=0)).verdict == "fits"
    assert _judge(replace(_PROOF, frames=14_000), steady=drifting).verdict == "fits"  # three late ones could be borne


def test_spells_of_slow_frames_withdraw_fits() -> None:
    bursts = replace(_SPELLS, cluster_frames=8.0, stretched_frames=4, stretched_stall_ms=130)
    steady = replace(_STEADY, cluster_frames=8.0, bursts=bursts)
    found = _judge(steady=steady)
    assert found.verdict == "inconclusive"
    assert "1,324 independent" in found.reasons[0]
    assert "stall_ms to at least 130 and measure some 18,412 frames" in found.next_steps[0]
    assert _judge(replace(_PROOF, frames=40_000), steady=steady).verdict == "fits"


def test_a_longer_stall_than_assumed_withdraws_fits_whatever_the_number_of_frames() -> None:
    bursts = replace(_SPELLS, longest_near_frames=9, stall_ms=310, stall_burst_frames=6)
    found = _judge(replace(_PROOF, frames=400_000), steady=replace(_STEADY, bursts=bursts))
    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("The device stalls for longer than assumed: 9 frames in a row were slower than")
    assert "stall_ms to at least 310 and measure some 27,618 frames in one run, 9.2 minutes" in found.next_steps[0]
    late = replace(bursts, longest_frames=7)
    assert "7 frames in a row were late" in _judge(steady=replace(_STEADY, bursts=late)).reasons[0]


def test_a_device_that_is_busier_than_planned_for_withdraws_fits() -> None:
    bursts = replace(_SPELLS, utilisation=0.6, allowed_frames=4, stretched_frames=4)
    found = _judge(steady=replace(_STEADY, bursts=bursts))
    assert found.verdict == "inconclusive"
    assert found.reasons[0].startswith("The device was busy for 60 % of the time, more than planned for")


def test_the_cheapest_row_that_fits_is_selected() -> None:
    rows = [
        Standing(name="teacher", verdict="fits", engine_p50_ms=40.0, size_bytes=50),
        Standing(name="small", verdict="fits", engine_p50_ms=2.0, size_bytes=9),
        Standing(name="smaller", verdict="fits", engine_p50_ms=2.0, size_bytes=5),
        Standing(name="tiny", verdict="inconclusive", engine_p50_ms=1.0, size_bytes=1),
    ]
    assert select(rows) == "smaller"
    assert select(rows[3:]) is None
