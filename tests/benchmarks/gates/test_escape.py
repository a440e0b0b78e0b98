"""Escapes: the bound of all defects, whatever the teacher does, and the rise over the teacher's."""

from __future__ import annotations

import re

import numpy as np
import pytest
from beltline.benchmarks.gates.escape import GATE
from beltline.benchmarks.proof.gate import Evidence, Finding, Run
from beltline.benchmarks.proof.miss_rate import Proof
from beltline.inspection.line.gates import EscapeGate, KindGate
from beltline.inspection.statistics.bounds import rate_lower, rate_upper
from beltline.inspection.statistics.paired import compare_escapes
from beltline.inspection.statistics.quality import Paired, Portion, Quality, Rate

IN_TIME = Run(
    proof=Proof(verdict="fits", misses=0, frames=4603, upper=0.001, lower=0.0, frames_needed=0), deadline_ms=10.0
)


def rate(count: int, of: int, *, parts: int | None = None) -> Rate:
    lower, upper = (bound(count, of, confidence=0.95) for bound in (rate_lower, rate_upper))
    return Rate(count=count, of=of, upper=upper, lower=lower, parts=parts)


def paired(new: int, recovered: int, of: int) -> Paired:
    ours, theirs = np.zeros(of, dtype=bool), np.zeros(of, dtype=bool)
    ours[:new] = True
    theirs[of - recovered :] = recovered > 0
    names = [str(part) for part in range(of)]
    return compare_escapes(ours, theirs, paths=names, groups=names, against="teacher", confidence=0.95)


def judged(escape: Rate, against: Paired | None = None, gate: EscapeGate | None = None) -> Finding:
    quality = Quality(
        auroc=0.9, auroc_interval=(0.8, 1), threshold=0.5, escape=escape, overkill=rate(0, 100), paired=against
    )
    return GATE.judge(Evidence(run=IN_TIME, quality=quality), gate or EscapeGate())


@pytest.mark.parametrize(
    ("count", "of", "outcome"),
    [(0, 59, "fits"), (0, 58, "inconclusive"), (18, 25, "misses"), (24, 24, "misses"), (1, 93, "fits"),
     (30, 888, "fits"), (40, 888, "inconclusive"), (68, 888, "misses"), (0, 1, "inconclusive")],
)  # fmt: skip
def test_the_absolute_bound(count: int, of: int, outcome: str) -> None:
    assert judged(rate(count, of)).outcome == outcome


@pytest.mark.parametrize(("escapes", "defects"), [(18, 25), (24, 24), (300, 600)])
def test_a_student_as_useless_as_its_teacher_misses(escapes: int, defects: int) -> None:
    same = paired(0, 0, defects)
    found = judged(rate(escapes, defects), same)
    assert found.outcome == "misses"
    assert found.reason.startswith(f"Too many defects escape: {escapes} of {defects} defects escape, 0 that")
    assert "teacher first" in found.next_step
    by_the_rise_alone = judged(rate(escapes, 600), paired(0, 0, 600), EscapeGate(max=0.999))
    assert by_the_rise_alone.outcome == "fits"


def test_both_limits_must_hold_and_the_worse_decides() -> None:
    assert judged(rate(2, 600), paired(1, 1, 600)).outcome == "fits"
    risen = judged(rate(40, 2000), paired(40, 0, 2000), EscapeGate(max_increase=0.005))
    assert risen.outcome == "misses"
    assert "rises by at least" in risen.proven
    assert "Compress less" in risen.next_step
    open_ = judged(rate(2, 100), paired(1, 0, 100))
    assert open_.outcome == "inconclusive"
    assert "may escape" in open_.proven
    assert "may rise" in open_.proven


@pytest.mark.parametrize("defects", [1, 5, 10, 12, 19])
@pytest.mark.parametrize("escapes", [0, 1])
def test_few_defects_are_told_only_what_is_sure(escapes: int, defects: int) -> None:
    alone, against = judged(rate(escapes, defects)), judged(rate(escapes, defects), paired(escapes, 0, defects))
    assert alone.outcome == against.outcome == "inconclusive"
    assert "at least 59 different defective parts" in alone.next_step
    assert "at least 160 different defective parts" in against.next_step
    for found in (alone, against):
        assert "about" not in found.next_step
        assert "Compress less" not in found.next_step


def test_many_photographs_of_few_parts_are_few() -> None:
    assert "at least 59 different" in judged(rate(1, 60, parts=6)).next_step


def test_one_number_is_asked_for_that_suffices_for_the_absolute_bound() -> None:
    found = judged(rate(3, 100))
    (more,) = re.findall(r"about ([\d,]+) more", found.next_step)
    total = 100 + int(more.replace(",", ""))
    assert rate_upper(round(0.03 * total), total, confidence=0.95) <= 0.05
    both = judged(rate(1, 60), paired(0, 0, 60))
    assert both.next_step.count("more defective parts") == 1


def test_whoever_allows_many_escapes_is_not_told_that_defects_are_caught() -> None:
    found = judged(rate(300, 600), gate=EscapeGate(max=0.6))
    assert found.outcome == "fits"
    assert found.title == "At most 60 % escape"
    assert judged(rate(0, 600)).title == "Defects caught"


def test_the_scale_shows_what_decides() -> None:
    assert judged(rate(30, 888)).scale == (30 / 888, rate(30, 888).upper, 0.05)
    rise = paired(10, 0, 2000)
    found = judged(rate(10, 2000), rise, EscapeGate(max_increase=0.001))
    assert found.scale == (rise.increase, rise.increase_upper, 0.001)


def _kinds(gate: EscapeGate, **counts: tuple[int, int]) -> Finding:
    portions = []
    for kind, (count, of) in counts.items():
        lower, upper = (bound(count, of, confidence=gate.kind_confidence) for bound in (rate_lower, rate_upper))
        portions.append(Portion(name=kind, rate=Rate(count=count, of=of, upper=upper, lower=lower)))
    quality = Quality(
        auroc=0.9,
        auroc_interval=(0.8, 1),
        threshold=0.5,
        escape=rate(0, 1000),
        overkill=rate(0, 100),
        gated_kinds=tuple(portions),
    )
    return GATE.judge(Evidence(run=IN_TIME, quality=quality), gate)


def test_a_kind_has_a_limit_of_its_own() -> None:
    gate = EscapeGate(kinds={"crack": KindGate(max=0.01)})
    assert _kinds(gate, crack=(0, 299)).outcome == "fits"
    missed = _kinds(gate, crack=(20, 299))
    assert (missed.outcome, "of crack at least" in missed.proven) == ("misses", True)
    few = _kinds(gate, crack=(0, 20))
    assert few.outcome == "inconclusive"
    assert "at least 299 different parts with crack" in few.next_step


def test_many_limits_share_the_error() -> None:
    gate = EscapeGate(kinds={"crack": KindGate(max=0.01), "pit": KindGate(max=0.01)})
    assert gate.kind_confidence == pytest.approx(0.975)
    assert _kinds(gate, crack=(0, 299), pit=(0, 299)).outcome == "inconclusive"
    assert _kinds(gate, crack=(0, 368), pit=(0, 368)).outcome == "fits"
