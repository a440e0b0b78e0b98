"""The gates where no defect is known: nothing is claimed of escapes, and overkill by the threshold's rank."""

from __future__ import annotations

from beltline.benchmarks.gates.escape import GATE as ESCAPE
from beltline.benchmarks.gates.overkill import GATE as OVERKILL
from beltline.benchmarks.proof.gate import Evidence, Finding
from beltline.inspection.line.gates import EscapeGate, OverkillGate
from beltline.inspection.statistics.bounds import rate_lower, rate_upper
from beltline.inspection.statistics.quality import Quality, Rate


def _rate(count: int, of: int) -> Rate:
    lower, upper = (
        bound(count, of, confidence=0.95) if of else float(bound is rate_upper) for bound in (rate_lower, rate_upper)
    )
    return Rate(count=count, of=of, upper=upper, lower=lower, parts=of)


def _evidence(guarantee: Rate | None, *, tested: Rate) -> Evidence:
    quality = Quality(auroc=None, auroc_interval=(0, 1), threshold=0.5, escape=_rate(0, 0), overkill=tested)
    return Evidence(run=None, quality=quality, guarantee=guarantee)  # type: ignore[arg-type]  # no gate here asks for a run


def _overkill(guarantee: Rate | None, *, tested: Rate) -> Finding:
    return OVERKILL.judge(_evidence(guarantee, tested=tested), OverkillGate(max=0.05))


def test_no_defect_is_inconclusive_and_says_how_many_prove_it() -> None:
    finding = ESCAPE.judge(_evidence(None, tested=_rate(0, 12)), EscapeGate())
    assert finding.outcome == "inconclusive"
    assert finding.reason == (
        "Without a defect nothing proves that defects are caught: the test has no defective part; "
        "any share of them may escape."
    )
    assert "59 different ones" in finding.next_step


def test_60_good_parts_of_val_prove_overkill_though_12_in_the_test_could_not() -> None:
    finding = _overkill(_rate(0, 60), tested=_rate(0, 12))
    assert finding.outcome == "fits"
    assert "with 95 % confidence at most 4.87 % of good parts are rejected" in finding.proven
    assert finding.detail == "For at most 2 %, val needs 89 more good parts."
    assert _overkill(None, tested=_rate(0, 12)).outcome == "inconclusive"


def test_with_25_good_parts_it_says_how_many_more() -> None:
    finding = _overkill(_rate(0, 25), tested=_rate(0, 5))
    assert finding.outcome == "inconclusive"
    assert "at least 34 more good parts" in finding.next_step


def test_a_test_that_surely_contradicts_decides() -> None:
    finding = _overkill(_rate(0, 60), tested=_rate(30, 60))
    assert finding.outcome == "misses"
