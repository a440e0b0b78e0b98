from __future__ import annotations

from typing import Any

import pytest
from beltline.inspection.base.errors import RecipeError
from beltline.inspection.line.gates import Gates
from beltline.inspection.line.line import Line, budget_of
from beltline.pipeline.search.found import edge_numbers, finalists
from beltline.pipeline.search.trials import Grade, Timing, Trial, trial_from_json

BUDGET = budget_of(Line(belt_speed_mm_s=500, part_pitch_mm=10, camera_to_ejector_mm=60, fixed_ms={"plc": 20}))
GATES = Gates()


def trial(number: int, p99_ms: float, escapes: int, *, increase: float = 0.0, **changes: Any) -> Trial:
    timing = Timing(engine_p99_ms=p99_ms, p50_ms=p99_ms, p99_ms=p99_ms, paced=True, trained=True)
    grade = Grade(epochs=9, escapes=escapes, defects=100, increase=increase, auroc=0.9, size_bytes=1000)
    facts: dict[str, Any] = {"ending": "whole", "timing": timing, "grades": (grade, grade)}
    return Trial(number=number, words=f"student {number}", **{**facts, **changes})


def chosen(*trials: Trial, count: int) -> list[int]:
    return [each.number for each in finalists(trials, count=count, budget=BUDGET, gates=GATES)]


def test_the_edge_is_taken_from_the_fastest_to_the_surest() -> None:
    edge = [trial(number, 1 + number, 20 - 4 * number) for number in range(5)]
    beaten = trial(9, 5, 20)
    assert edge_numbers([*edge, beaten]) == {0, 1, 2, 3, 4}
    assert chosen(beaten, *edge, count=3) == [0, 2, 4]
    assert chosen(beaten, *edge, count=1) == [0]
    assert chosen(*edge[:2], beaten, count=3) == [0, 1, 9], "where the edge is short, the next best"


def test_what_breaks_a_gate_on_val_is_no_row_while_another_holds() -> None:
    fast_and_blind = trial(0, 0.5, 60, increase=0.4)
    late = trial(1, 5000, 1)
    sound = trial(2, 2, 10, increase=0.01)
    assert max(late.violations(BUDGET, GATES)) > 0
    assert chosen(fast_and_blind, late, sound, count=3) == [2]
    assert chosen(fast_and_blind, trial(3, 1, 30, increase=0.1), count=1) == [3], "else the one nearest to the gates"


def test_a_rate_that_the_belt_outruns_is_too_slow_even_within_the_deadline() -> None:
    assert trial(0, 15, 0).violations(BUDGET, GATES)[0] <= 0
    assert trial(0, 25, 0).violations(BUDGET, GATES)[0] == pytest.approx(0.25), "a part comes every 20 ms"


def test_without_a_whole_trial_the_furthest_is_taken() -> None:
    stopped = trial(0, 1, 5, ending="stopped")
    once = trial(1, 1, 1, ending="stopped", grades=stopped.grades[:1])
    assert chosen(once, stopped, count=2) == [0]


def test_nothing_graded_says_what_went_wrong() -> None:
    failed = trial(0, 1, 1, ending="failed", grades=(), error="the loss became nan")
    slow = trial(1, 1, 1, ending="too slow", grades=())
    with pytest.raises(RecipeError, match=r"of 2 that could be graded.*1 are too slow.*the loss became nan"):
        chosen(failed, slow, count=1)


def test_a_trial_survives_its_way_through_json() -> None:
    whole = trial(3, 1, 5)
    assert trial_from_json(whole.to_json()) == whole
    bare = Trial(number=1, words="x", ending="failed", error="why")
    assert trial_from_json(bare.to_json()) == bare
