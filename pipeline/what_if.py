"""How fast may the belt run with this model on this device? A measured run, replayed at other speeds, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..benchmarks.belt_speed import LimitedBy, Pace, at_speed, case_of, frames_missing, highest_speed, limited_by
from ..benchmarks.measurement import Measurement
from ..benchmarks.report.wording import plural
from ..inspection.gates import MissGate
from ..inspection.line import Line, budget_of

ASSUMED = (
    "a frame keeps the device busy for as long at any pace as it did in the trace",
    "parts that lie off their places or touch do so by the same distance at any speed",
    "the fixed times do not change with the speed",
)
"""What every prediction rests on, in words."""

_PACES = {"belt": "at the belt's pace", "back_to_back": "back to back"}
_SLOWEST = 0.5
_BEYOND = 1.15


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
        (replayed), `frames_missing` (0 where the trace is long enough to prove anything), `confidence`, `limited_by`,
        `today`, `asked`, `highest` (lines at a speed, as in `belt_speed.Pace`, with `speed_mm_s`), `points` (the same
        by rising speed), `sentences` (how fast the belt may run, and what ends it), `assumed` (sentences).

    Raises:
        MeasurementError: The trace holds no judged frame.
    """
    asked = question or Question()
    case = case_of(measurement, budget_of(line, seed=seed), gate, cameras=asked.cameras, buffer=asked.buffer)
    today_mm_s, highest = line.belt_speed_mm_s, highest_speed(case)
    factor = asked.speed_mm_s / today_mm_s if asked.speed_mm_s else None
    facts = {
        "predicted": True,
        "measured": {
            "cpu": measurement.fingerprint.get("cpu"),
            "mode": measurement.mode,
            "artifact_digest": measurement.artifact_digest,
        },
        "cameras": case.budget.arrivals.cameras,
        "buffer": asked.buffer,
        "frames": int(case.busy.size),
        "frames_missing": frames_missing(case),
        "confidence": gate.confidence,
        "limited_by": limited_by(case),
        "today": _point(at_speed(case, 1.0), today_mm_s),
        "asked": _point(at_speed(case, factor), today_mm_s) if factor else None,
        "highest": _point(highest, today_mm_s) if highest else None,
        "points": [_point(at_speed(case, each), today_mm_s) for each in _factors(highest, factor, speeds)],
        "assumed": list(ASSUMED),
    }
    return {**facts, "sentences": [_highest_sentence(facts), _limit_sentence(facts, line)]}


def what_if_text(facts: dict[str, Any]) -> str:
    """Put a prediction into words and a table for a terminal."""
    lines = [
        *_answer(facts),
        "",
        *_table(facts),
        "",
        _origin(facts),
        *(f"- {sentence}{',' if sentence != ASSUMED[-1] else '.'}" for sentence in facts["assumed"]),
        "Measure at the new speed before you rely on it: change line.yaml and run `beltline bench`.",
    ]
    return "\n".join(lines)


def _factors(highest: Pace | None, asked: float | None, speeds: int) -> list[float]:
    """Spread speeds evenly from half of today's to a little above the highest, which stands among them."""
    top = highest.factor if highest else 1.0
    even = np.geomspace(min(_SLOWEST, top / 2), max(top, _SLOWEST) * _BEYOND, speeds).tolist()
    near = [each for each in (1.0, asked, top) if each]
    kept = [each for each in even if all(abs(each / other - 1) > 0.03 for other in near)]
    return sorted({*near, *kept})


def _point(pace: Pace, today_mm_s: float) -> dict[str, Any]:
    return {"speed_mm_s": pace.factor * today_mm_s, **asdict(pace)}


def _highest_sentence(facts: dict[str, Any]) -> str:
    """Say in one sentence how fast the belt may run."""
    highest, today_mm_s = facts["highest"], facts["today"]["speed_mm_s"]
    if highest is None:
        return "No speed holds: frames that come together find the buffer full however slow the belt is."
    doubt = "" if highest["holds"] else "As far as so short a run can tell (nothing is proven by it), "
    return (
        f"{doubt}{'the' if doubt else 'The'} belt may run at up to {_speed(highest)}, {highest['factor']:.2f} times "
        f"today's {today_mm_s:g} mm/s: a trigger every {_ms(highest['period_ms'])}, {_ms(highest['deadline_ms'])} for "
        f"a decision, the device busy {highest['utilisation']:.0%} of the time."
    )


def _limit_sentence(facts: dict[str, Any], line: Line) -> str:
    """Say in one or two sentences what ends the rise of the speed, and what would move it."""
    limit: LimitedBy | None = facts["limited_by"]
    highest = facts["highest"]
    if limit is None or highest is None:
        return "Allow more frames to wait, or trigger the cameras one after the other."
    by_limit: dict[LimitedBy, str] = {
        "deadline": f"What ends it is the deadline: {_spent(line, highest)}.",
        "throughput": "What ends it is the throughput: frames would come faster than the device works them off. Take a "
        "smaller model, a faster device or fewer frames a part.",
        "arrivals": "What ends it is that frames come unevenly (parts off their places or touching, cameras triggered "
        "together): evenly spread, as many a second would hold. Keep parts apart, or let the cameras trigger in turn.",
        "slow_frames": "What ends it is waiting behind slow frames: up to "
        f"{plural(highest['backlog_frames'], 'frame')} wait for up to {_ms(highest['backlog_ms'])}. "
        "Find what else runs on the device, or take one whose times vary less.",
    }
    return by_limit[limit]


def _answer(facts: dict[str, Any]) -> list[str]:
    lines = list(facts["sentences"])
    if facts["frames_missing"]:
        lines.append(
            f"The trace is too short to prove any speed: measure {facts['frames_missing']:,} more frames in one run."
        )
    if facts["asked"] is not None:
        lines.append(_asked_sentence(facts))
    return lines


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
    outcome = (
        "it holds" if asked["holds"] else "it is not proven to hold" if not asked["misses"] else "it does not hold"
    )
    if asked["utilisation"] >= 1:
        outcome = "it does not hold, the backlog grows without end"
    lost = f", {asked['lost']:,} of them lost" if facts["buffer"] is not None else ""
    return (
        f"At {_speed(asked)} {outcome}: {asked['misses']:,} of {asked['frames']:,} frames late{lost} (at most "
        f"{100 * asked['miss_upper']:.3g} % with {100 * facts['confidence']:g} % confidence); at most "
        f"{plural(asked['backlog_frames'], 'frame')} waiting, for up to {_ms(asked['backlog_ms'])}."
    )


def _spent(line: Line, highest: dict[str, Any]) -> str:
    total_ms = highest["deadline_ms"] + sum(line.fixed_ms.values())
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
    return [_aligned(row, widths) for row in (heads, *rows)]


def _cells(point: dict[str, Any], facts: dict[str, Any]) -> tuple[str, ...]:
    marks = [name for name in ("today", "asked", "highest") if facts[name] and facts[name]["factor"] == point["factor"]]
    return (
        f"{point['speed_mm_s']:.4g}",
        f"{point['factor']:.2f}",
        f"{point['period_ms']:.4g}",
        f"{point['deadline_ms']:.4g}" if point["deadline_ms"] > 0 else "none",
        f"{point['utilisation']:.0%}",
        f"{100 * point['miss_upper']:.3g} %",
        f"{point['backlog_frames']:,} ({_ms(point['backlog_ms'])})",
        f"{point['lost']:,}",
        ", ".join([*marks, *([] if point["holds"] else ["does not hold" if point["misses"] else "not proven"])]),
    )


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
    return "  ".join([*cells, row[-1]]).rstrip()


def _speed(point: dict[str, Any]) -> str:
    return f"{point['speed_mm_s']:.4g} mm/s"


def _ms(value: float) -> str:
    return f"{value:.3g} ms"
