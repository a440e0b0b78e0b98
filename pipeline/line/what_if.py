"""How fast may the belt run with this model on this device? A measured run, replayed at other speeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...benchmarks.belt_speed.belt_speed import Case, Pace, at_speed, case_of, highest_speed, limited_by
from ...benchmarks.timing.measurement import Measurement
from ...benchmarks.timing.measuring import prove_measurement
from ...inspection.line.gates import MissGate
from ...inspection.line.line import Line, budget_of
from .what_if_text import ASSUMED, limit_sentence, speed_sentence

_SLOWEST, _BEYOND, _APART = 0.5, 1.15, 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is to be different from the line as it is.

    Attributes:
        speed_mm_s: A speed to look at; None: none in particular.
        cameras: So many share the device, triggered together; None: as the line says.
        buffer: Frames that may wait, the next is lost; None: as many as come.
    """

    speed_mm_s: float | None = None
    cameras: int | None = None
    buffer: int | None = None


def what_if(
    measurement: Measurement,
    line: Line,
    gate: MissGate,
    *,
    question: Question | None = None,
    speeds: int = 7,
    seed: int = 0,
) -> dict[str, Any]:
    """Predict a line at other speeds from a measured run; decides no verdict.

    Args:
        measurement: Of the model on the device, in any mode.
        line: The belt as it is.
        gate: Late decisions allowed.
        question: What is to be different; None: only the speed.
        speeds: How many speeds to look at, besides today's, the one asked for and the highest.
        seed: Of the line's jitter.

    Returns:
        JSON-able: `predicted` (true), `measured` (what the trace says of itself), `cameras`, `buffer`, `frames`
        (replayed), `confidence`, `limited_by`, `today`, `asked`, `proven` and `seen` (the highest speed by the bound
        and by what was seen; each a line at a speed, as in `belt_speed.Pace`, with `speed_mm_s`), `points` (the same by
        rising speed), `sentences` (how fast the belt may run, and what ends it), `assumed` (sentences).

    Raises:
        MeasurementError: The trace holds no judged frame.
    """
    asked, today_mm_s = question or Question(), line.belt_speed_mm_s
    case = case_of(measurement, budget_of(line, seed=seed), gate, cameras=asked.cameras, buffer=asked.buffer)
    factor = asked.speed_mm_s / today_mm_s if asked.speed_mm_s else None
    today, proven = _today(measurement, case), highest_speed(case, proven=True)
    paces = {
        "today": today,
        "asked": today if factor == 1 else at_speed(case, factor) if factor else None,
        "proven": today if today.holds and (proven is None or proven.factor < 1) else proven,
        "seen": highest_speed(case, proven=False),
    }
    others = _factors([pace.factor for pace in paces.values() if pace], paces["seen"], speeds)
    points = sorted([*filter(None, paces.values()), *(at_speed(case, each) for each in others)], key=_factor_of)
    facts = {
        "predicted": True,
        "measured": _measured(measurement),
        "cameras": case.budget.arrivals.cameras,
        "buffer": asked.buffer,
        "frames": int(case.busy.size),
        "confidence": gate.confidence,
        "limited_by": limited_by(case),
        **{name: _point(pace, today_mm_s) if pace else None for name, pace in paces.items()},
        "points": [_point(each, today_mm_s) for each in {pace.factor: pace for pace in points}.values()],
        "assumed": list(ASSUMED),
    }
    return {**facts, "sentences": [speed_sentence(facts), limit_sentence(facts, line)]}


def _today(measurement: Measurement, case: Case) -> Pace:
    """Give the line as it is; where that is what was measured, the measurement's own proof stands."""
    replayed = at_speed(case, 1.0)
    if measurement.arrivals != case.budget.arrivals or case.buffer is not None:
        return replayed
    proof = prove_measurement(measurement, deadline_ms=case.budget.deadline_ms, gate=case.gate)
    return replace(replayed, misses=proof.misses, miss_upper=proof.upper, holds=proof.verdict == "fits")


def _factors(taken: list[float], highest: Pace | None, speeds: int) -> list[float]:
    """Spread speeds evenly from half of today's to a little above the highest, not too close to those there already."""
    top = highest.factor if highest else 1.0
    even = np.geomspace(min(_SLOWEST, top / 2), max(top, _SLOWEST) * _BEYOND, speeds).tolist()
    return [each for each in even if all(abs(each / other - 1) > _APART for other in taken)]


def _measured(measurement: Measurement) -> dict[str, Any]:
    return {
        "cpu": measurement.fingerprint.get("cpu"),
        "mode": measurement.mode,
        "artifact_digest": measurement.artifact_digest,
    }


def _point(pace: Pace, today_mm_s: float) -> dict[str, Any]:
    return {"speed_mm_s": pace.factor * today_mm_s, **asdict(pace)}


def _factor_of(pace: Pace) -> float:
    return pace.factor
