from __future__ import annotations

from typing import Any

from beltline.inspection.line.gates import Gates
from beltline.inspection.line.line import Line, budget_of
from beltline.pipeline.search.trials import Grade, Timing, Trial
from beltline.studies.students.search_cost import costs

BUDGET = budget_of(Line(belt_speed_mm_s=500, part_pitch_mm=100, camera_to_ejector_mm=60, fixed_ms={"plc": 20}))


def trial(number: int, p99_ms: float, escapes: int, **changes: Any) -> Trial:
    timing = Timing(engine_p99_ms=p99_ms, p50_ms=p99_ms, p99_ms=p99_ms, paced=True, trained=True)
    grade = Grade(epochs=9, escapes=escapes, defects=100, increase=0.0, auroc=0.9, size_bytes=1)
    facts = {"ending": "whole", "timing": timing, "grades": (grade,), "ended_s": 60.0 * (number + 1)}
    return Trial(number=number, words="x", **{**facts, **changes})


def test_the_moment_counts_when_the_best_was_nearly_reached() -> None:
    found = costs([trial(3, 0.98, 10), trial(0, 4, 10), trial(1, 1, 10), trial(2, 3, 30)], budget=BUDGET, gates=Gates())
    fastest, dominated = found
    assert (fastest.best, fastest.trials, fastest.minutes) == (0.98, 2, 2.0)
    assert (dominated.trials, dominated.minutes) == (2, 2.0)
    assert dominated.best > 0


def test_what_did_not_end_or_was_not_trained_counts_for_nothing() -> None:
    stopped = trial(0, 0.1, 0, ending="stopped")
    going = trial(1, 0.1, 0, ending="under way", ended_s=None)
    assert costs([stopped, going], budget=BUDGET, gates=Gates()) == []
    (only,) = [each for each in costs([stopped, trial(2, 1, 5)], budget=BUDGET, gates=Gates()) if "p99" in each.measure]
    assert (only.best, only.trials) == (1, 2)
