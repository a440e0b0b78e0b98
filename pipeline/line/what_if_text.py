"""A what-if in plain sentences and a small table; the facts are those of `what_if`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...benchmarks.belt_speed.belt_speed import LimitedBy
from ...benchmarks.report.wording import plural, significant
from ...inspection.line.line import Line

ASSUMED = (
    "a frame keeps the device busy for as long at any pace as it did in the trace",
    "parts that lie off their places or touch do so by the same distance at any speed",
    "the fixed times do not change with the speed",
)
"""What every prediction rests on, in words."""

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
    """Put a what-if into words and a table for a terminal."""
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
    return [_aligned(row, widths) for row in (heads, *rows)]


def _cells(point: dict[str, Any], facts: dict[str, Any]) -> tuple[str, ...]:
    marks = [words for name, words in _MARKS.items() if facts[name] and facts[name]["factor"] == point["factor"]]
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


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.rjust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
    return "  ".join([*cells, row[-1]]).rstrip()


def _minutes(facts: dict[str, Any], point: dict[str, Any]) -> str:
    return f"{point['frames_to_prove'] / facts['cameras'] * point['period_ms'] / 60_000:.3g} min"


def _speed(point: dict[str, Any]) -> str:
    return f"{significant(point['speed_mm_s'])} mm/s"


def _ms(value: float) -> str:
    return f"{value:.3g} ms"
