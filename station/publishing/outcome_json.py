"""An outcome as one line of JSON: what MQTT, JSON lines and the web say of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from ..outcomes import Outcome


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """Give what others are told: no monotonic clock, which means nothing outside of this machine.

    Returns:
        JSON-able: `number`, `source`, `name`, `answer`, `standing`, `score` (None: the model did not say in time),
        `threshold`, `latency_ms`, `engine_ms` (the model's own part), `decided` (ISO 8601, UTC), `bundle`, `detail`.
    """
    return {
        "number": outcome.number,
        "source": outcome.source,
        "name": outcome.name,
        "answer": outcome.answer,
        "standing": outcome.standing,
        "score": outcome.score,
        "threshold": outcome.threshold,
        "latency_ms": round(outcome.latency_ms, 3),
        "engine_ms": None if outcome.engine_ms is None else round(outcome.engine_ms, 3),
        "decided": moment_of(outcome.unix_ns),
        "bundle": outcome.bundle,
        "detail": outcome.detail,
    }


def outcome_line(outcome: Outcome) -> bytes:
    """Give those facts as one line of JSON, with the newline; whatever stands in a name, it stays one line."""
    return json.dumps(outcome_facts(outcome), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def moment_of(unix_ns: int) -> str:
    """Give a moment of the calendar as text.

    >>> moment_of(1_790_000_000_123_456_789)
    '2026-09-21T14:13:20.123456+00:00'
    """
    seconds, nanoseconds = divmod(unix_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return whole.replace(microsecond=nanoseconds // 1000).isoformat(timespec="microseconds")
