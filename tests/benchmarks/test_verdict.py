from __future__ import annotations

from dataclasses import replace

import pytest
from beltline.benchmarks.proof import Proof
from beltline.benchmarks.steadiness import Steadiness
from beltline.benchmarks.verdict import Standing, judge, select
from beltline.inspection.bounds import rate_upper
from beltline.inspection.gates import Gates
from beltline.inspection.quality import Paired, Quality, Rate

_PROOF = Proof(verdict="fits", misses=0, frames=5_296, upper=0.001, lower=0.0, frames_needed=0)
_STEADY = Steadiness(autocorrelation=0.1, drift_p_value=0.4, drift_ms=0.1, cluster_frames=1.0, slowest_ms=30.0)
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
    return Rate(count=count, of=of, upper=rate_upper(count, of, confidence=0.95))


_QUALITY = Quality(
    auroc=0.97,
    auroc_interval=(0.96, 0.98),
    threshold=0.4,
    escape=_rate(40, 888),
    overkill=_rate(30, 1_000),
    paired=_PAIRED,
)


def _judge(proof: Proof = _PROOF, quality: Quality = _QUALITY, steady: Steadiness | None = _STEADY):  # noqa: ANN202
    return judge(proof, quality, Gates(), deadline_ms=86.0, steadiness=steady)


def test_all_gates_held_fits() -> None:
    found = _judge()
    assert found.verdict == "fits"
    assert found.next_steps == ()
    assert found.reasons[0] == (
        "In time: 0 of 5,296 frames were decided later than 86.0 ms; with 99 % confidence at most 0.1 % of all parts "
        "get a late answer."
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
    ("upper", "lower", "verdict", "words"),
    [
        (0.02, 0.0, "fits", "Escapes hold"),
        (0.035, 0.0, "inconclusive", "Not enough defective parts"),
        (0.05, 0.021, "misses", "Too many defects escape"),
    ],
)
def test_the_escape_gate(upper: float, lower: float, verdict: str, words: str) -> None:
    paired = replace(_PAIRED, increase=0.01, increase_upper=upper, increase_lower=lower)
    found = _judge(quality=replace(_QUALITY, paired=paired))
    assert found.verdict == verdict
    assert any(words in reason for reason in found.reasons)


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
    hopeless = _judge(quality=replace(_QUALITY, overkill=_rate(6, 100))).next_steps[0]
    assert "will not help" in hopeless


def test_the_worst_gate_comes_first() -> None:
    quality = replace(_QUALITY, overkill=_rate(90, 1_000))
    found = _judge(replace(_PROOF, verdict="inconclusive", frames_needed=9), quality)
    assert found.verdict == "misses"
    assert found.reasons[0].startswith("Too many good parts")


def test_a_drift_towards_the_deadline_withdraws_fits() -> None:
    drifting = replace(_STEADY, drift_p_value=1e-6, drift_ms=60.0)
    found = _judge(steady=drifting)
    assert found.verdict == "inconclusive"
    assert "soak" in found.next_steps[0]
    assert _judge(steady=replace(drifting, drift_ms=2.0)).verdict == "fits"
    assert _judge(steady=replace(drifting, drift_ms=-60.0)).verdict == "fits"


def test_spells_of_slow_frames_withdraw_fits() -> None:
    found = _judge(steady=replace(_STEADY, cluster_frames=4.0))
    assert found.verdict == "inconclusive"
    assert "1,324 independent" in found.reasons[0]
    assert _judge(replace(_PROOF, frames=40_000), steady=replace(_STEADY, cluster_frames=4.0)).verdict == "fits"


def test_the_cheapest_row_that_fits_is_selected() -> None:
    rows = [
        Standing(name="teacher", verdict="fits", engine_p50_ms=40.0, size_bytes=50),
        Standing(name="small", verdict="fits", engine_p50_ms=2.0, size_bytes=9),
        Standing(name="smaller", verdict="fits", engine_p50_ms=2.0, size_bytes=5),
        Standing(name="tiny", verdict="inconclusive", engine_p50_ms=1.0, size_bytes=1),
    ]
    assert select(rows) == "smaller"
    assert select(rows[3:]) is None
