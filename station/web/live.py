"""What the live page shows, as facts: the light, the rate, the misses, the last frames."""

from __future__ import annotations

import math
import time
from collections import deque
from typing import Any

from ..counters import Tally
from ..outcomes import Outcome
from ..watching.drift import DriftWatch, describe_drift
from .facade import Shown, StationFacade

_HOLD_S = 1.5
"""A rejected part keeps the light red so long, or a fast belt would show it for the blink of an eye."""

_QUIET_S = 5.0
_RATE_OVER_S = 10.0
_INCIDENTS = 5


class Rate:
    """Frames a second over the last ten seconds, from counts at the moments when somebody looks."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_s(self, offered: int) -> float | None:
        """Note a count and give the rate; None: nobody looked before."""
        now_s = time.monotonic()
        self._seen.append((now_s, offered))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_OVER_S:
            self._seen.popleft()
        first_s, first = self._seen[0]
        return (offered - first) / (now_s - first_s) if now_s - first_s > 0.2 else None


def live_facts(facade: StationFacade, rate: Rate) -> dict[str, Any]:
    """Give everything that the page shows; JSON-able."""
    tally, served = facade.snapshot(), facade.served()
    return {
        "light": _light(facade),
        "bundle": tally.bundle,
        "rate_per_s": rate.per_s(tally.offered),
        "offered": tally.offered,
        "rejected": tally.rejected,
        "misses": tally.late + tally.refused + tally.faulty,
        "standings": {"late": tally.late, "refused": tally.refused, "faulty": tally.faulty},
        "waiting": tally.waiting,
        "deadline_ms": served.deadline_ms,
        "latency_ms": {"p50": _finite(tally.latency_ms.quantile(0.5)), "p99": _finite(tally.latency_ms.quantile(0.99))},
        "threshold": served.threshold,
        "cautions": list(served.cautions),
        "drift": _drift(facade.drift),
        "frames": [_frame(shown) for shown in facade.last.shown()],
        "incidents": _incidents(tally),
    }


def _light(facade: StationFacade) -> dict[str, Any]:
    """Choose the light: a rejection stays for a moment; nothing lights where no part came for a while."""
    passed, rejected = facade.last.last("pass"), facade.last.last("reject")
    latest = max((each for each in (passed, rejected) if each), key=lambda each: each.decided_ns, default=None)
    if latest is None or _age_s(latest) > max(_QUIET_S, 10 * facade.served().period_ms / 1000):
        return {"state": "quiet", "word": "NO PARTS", "why": "" if facade.ready() else "no model is at work"}
    if rejected is not None and (latest is rejected or _age_s(rejected) < _HOLD_S):
        why = "" if rejected.standing == "answered" else rejected.standing
        return {"state": "reject", "word": "REJECT", "why": why}
    return {"state": "pass", "word": "PASS", "why": "" if latest.standing == "answered" else latest.standing}


def _age_s(outcome: Outcome) -> float:
    return (time.monotonic_ns() - outcome.decided_ns) / 1e9


def _frame(shown: Shown) -> dict[str, Any]:
    outcome = shown.outcome
    return {
        "key": shown.key,
        "name": outcome.name or f"{outcome.source} {outcome.frame_number}",
        "answer": outcome.answer,
        "standing": outcome.standing,
        "score": outcome.score,
        "review": outcome.review,
        "found": _found(outcome),
        "age_s": round(_age_s(outcome), 1),
    }


def _found(outcome: Outcome) -> str:
    """Say what the largest finding is and how long, and how many more there are."""
    if not outcome.findings:
        return ""
    first, more = outcome.findings[0], len(outcome.findings) - 1
    size = f"{first['length_mm']:.2f} mm" if "length_mm" in first else f"{first['length_px']:.0f} px"
    return f"{first['kind']}, {size}{f', and {more} more' if more else ''}"


def _drift(watch: DriftWatch | None) -> dict[str, Any] | None:
    if watch is None or watch.latest is None:
        return None
    drifting = watch.latest.drifting
    return {
        "drifting": [each.what for each in drifting],
        "p_corrected": min((each.p_corrected for each in drifting), default=None),
        "words": describe_drift(watch.latest),
    }


def _incidents(tally: Tally) -> list[dict[str, Any]]:
    latest = list(tally.incidents)[-_INCIDENTS:][::-1]
    return [{"unix_s": each.unix_ns // 1_000_000_000, "part": each.part, "text": each.text} for each in latest]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
