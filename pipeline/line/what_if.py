"""How fast may the belt run with this model on this device? A measured run, replayed at other speeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...benchmarks.belt_speed.belt_speed import Case, LimitedBy, Pace, at_speed, case_of, highest_speed, limited_by
from ...benchmarks.report.wording import plural, significant
from ...benchmarks.timing.measurement import Measurement
from ...benchmarks.timing.measuring import prove_measurement
from ...inspection.line.gates import MissGate
from ...inspection.line.line import Line, budget_of

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
    points = sorted(
        [*filter(None, paces.values()), *(at_speed(case, each) for each in others)], key=lambda pace: pace.factor
    )
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


ASSUMED = (
    "a frame keeps the device busy for as long at any pace as it did in the trace",
    "parts that lie off their places or touch do so by the same distance at any speed",
    "the fixed times do not change with the speed",
)
"""What every prediction rests on."""

_PACES = {"belt": "at line rate", "back_to_back": "back to back"}
_MARKS = {"today": "today", "asked": "asked", "proven": "highest proven", "seen": "highest seen"}
_CLOSE = 1.05


def speed_sentence(facts: dict[str, Any]) -> str:
    """Say how fast the belt may run, as proven and as seen."""
    proven, seen = facts["proven"], facts["seen"]
    if seen is None:
        return "No speed holds: frames that come together find the buffer full however slow the belt is."
    details = (
        f"{_speed(seen)}, {seen['factor']:.2f} times today's {_speed(facts['today'])}: a trigger every "
        f"{_ms(seen['period_ms'])}, {_ms(seen['deadline_ms'])} for a decision, the device busy "
        f"{seen['utilisation']:.0%} of the time"
    )
    if proven is not None and seen["factor"] < _CLOSE * proven["factor"]:
        return f"The belt may run at up to {details}."
    reach = f"proves speeds up to {_speed(proven)}" if proven else "is too short to prove any speed"
    return (
        f"This run {reach}. As far as it has seen, the belt may run at up to {details}; a run of "
        f"{seen['frames_to_prove']:,} frames at that speed ({_minutes(facts, seen)}) would prove it."
    )


def limit_sentence(facts: dict[str, Any], line: Line) -> str:
    """Say what ends the rise of the speed, and what would move it."""
    limit: LimitedBy | None = facts["limited_by"]
    seen = facts["seen"]
    if limit is None or seen is None:
        return "Allow more frames to wait, or trigger the cameras one after the other."
    by_limit: dict[LimitedBy, str] = {
        "deadline": f"What ends it is the deadline: {_spent(line, seen)}.",
        "throughput": "What ends it is the throughput: frames would come faster than the device works them off. Take a "
        "smaller model, a faster device or fewer frames a part.",
        "arrivals": "What ends it is that frames come unevenly (parts off their places or touching, cameras triggered "
        "together): evenly spread, as many a second would hold. Keep parts apart, or let the cameras trigger in turn.",
        "slow_frames": f"What ends it is waiting behind slow frames: up to {plural(seen['backlog_frames'], 'frame')} "
        f"at once, for up to {_ms(seen['backlog_ms'])}. Find what else runs on the device, or take one whose times "
        "vary less.",
    }
    return by_limit[limit]


def what_if_text(facts: dict[str, Any]) -> str:
    """Describe a what-if for a terminal: sentences and a table."""
    lines = [
        *facts["sentences"],
        *([_asked_sentence(facts)] if facts["asked"] else []),
        "",
        *_table(facts),
        "",
        _origin(facts),
        *(f"- {sentence}{',' if sentence != ASSUMED[-1] else '.'}" for sentence in facts["assumed"]),
        "Measure at the new speed before you rely on it: change line.yaml and run `beltline bench`.",
    ]
    return "\n".join(lines)


def _origin(facts: dict[str, Any]) -> str:
    measured = facts["measured"]
    return (
        f"Predicted from {facts['frames']:,} frames measured {_PACES[measured['mode']]} on "
        f"{measured['cpu'] or 'an unknown processor'}; it assumes that"
    )


def _asked_sentence(facts: dict[str, Any]) -> str:
    asked = facts["asked"]
    if asked["deadline_ms"] <= 0:
        return f"At {_speed(asked)} it does not hold: the fixed times leave no time for a decision."
    lost = f", {asked['lost']:,} of them lost" if facts["buffer"] is not None else ""
    return (
        f"At {_speed(asked)} {_outcome(facts, asked)}: {asked['misses']:,} of {asked['frames']:,} frames late{lost} "
        f"(at most {100 * asked['miss_upper']:.3g} % with {100 * facts['confidence']:g} % confidence); at most "
        f"{plural(asked['backlog_frames'], 'frame')} waiting, for up to {_ms(asked['backlog_ms'])}."
    )


def _outcome(facts: dict[str, Any], asked: dict[str, Any]) -> str:
    if asked["holds"]:
        return "it holds"
    if asked["seems_to_hold"]:
        needed = f"{asked['frames_to_prove']:,} frames ({_minutes(facts, asked)})"
        return f"it seems to hold, a run of {needed} would prove it"
    grows = ", the backlog grows without end" if asked["utilisation"] >= 1 else ""
    return f"it does not hold{grows}"


def _spent(line: Line, seen: dict[str, Any]) -> str:
    total_ms = seen["deadline_ms"] + sum(line.fixed_ms.values())
    if not line.fixed_ms:
        return f"a part is at the ejector after {_ms(total_ms)}; move the ejector further away"
    longest = max(line.fixed_ms, key=lambda name: line.fixed_ms[name])
    return (
        f"a part is at the ejector after {_ms(total_ms)}, the fixed times take {_ms(sum(line.fixed_ms.values()))} of "
        f"that, and slow frames need the rest. Shorten {longest} ({_ms(line.fixed_ms[longest])}), or move the ejector "
        "further away"
    )


def _table(facts: dict[str, Any]) -> list[str]:
    heads = ("speed mm/s", "x today", "period ms", "deadline ms", "busy", "late at most", "waiting", "lost", "")
    rows = [_cells(each, facts) for each in facts["points"]]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads))]
    lines = (
        [*(cell.rjust(width) for cell, width in zip(row, widths[:-1], strict=False)), row[-1]] for row in (heads, *rows)
    )
    return ["  ".join(line).rstrip() for line in lines]


def _cells(point: dict[str, Any], facts: dict[str, Any]) -> tuple[str, ...]:
    marks = [mark for name, mark in _MARKS.items() if facts[name] and facts[name]["factor"] == point["factor"]]
    holds = "" if point["holds"] else "not proven" if point["seems_to_hold"] else "does not hold"
    return (
        f"{point['speed_mm_s']:.4g}",
        f"{point['factor']:.2f}",
        f"{point['period_ms']:.4g}",
        f"{point['deadline_ms']:.4g}" if point["deadline_ms"] > 0 else "none",
        f"{point['utilisation']:.0%}",
        f"{100 * point['miss_upper']:.3g} %",
        f"{point['backlog_frames']:,} ({_ms(point['backlog_ms'])})",
        f"{point['lost']:,}",
        ", ".join(filter(None, [*marks, holds])),
    )


def _minutes(facts: dict[str, Any], point: dict[str, Any]) -> str:
    return f"{point['frames_to_prove'] / facts['cameras'] * point['period_ms'] / 60_000:.3g} min"


def _speed(point: dict[str, Any]) -> str:
    return f"{significant(point['speed_mm_s'])} mm/s"


def _ms(value: float) -> str:
    return f"{value:.3g} ms"
