"""The parts of soak.json that are lists: sessions, points, and the figures of a stretch."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from .evidence import Evidence
from .folder import SoakSession, cold_rows, measured_s
from .histogram import quantile_ns
from .points import Point


def stretch_row(point: Point | None) -> dict[str, Any] | None:
    """Give the figures of some frames; see `schema.Stretch`."""
    if point is None:
        return None
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
    quantiles = {name: quantile_ns(point.response, share) / 1e6 for name, share in shares.items()}
    return {"frames": point.frames, **quantiles, "max_ms": point.response.largest_ns / 1e6, "misses": point.misses}


def session_rows(soak: Evidence) -> list[dict[str, Any]]:
    """Describe each session; see `schema.Session`."""
    ended = [session.began_unix_s + measured_s(session) for session in soak.sessions]
    return [
        {
            "index": session.index,
            "began": str(session.start.get("began", "")),
            "gap_before_s": session.began_unix_s - ended_before if ended_before is not None else None,
            "measured_s": measured_s(session),
            "frames": sum(each.frames for each in soak.series.points if each.session == session.index),
            "cold": _cold(session),
            "steady_from_s": _steady_from_s(soak, session),
        }
        for session, ended_before in zip(soak.sessions, [None, *ended[:-1]], strict=True)
    ]


def point_rows(soak: Evidence) -> list[dict[str, Any]]:
    """Describe each point; see `schema.PointRow`."""
    lengths = accumulate((measured_s(session) for session in soak.sessions), initial=0.0)
    begins = dict(zip((session.index for session in soak.sessions), lengths, strict=False))
    return [
        {
            "session": each.session,
            "at_s": begins[each.session] + each.place * soak.series.point_ns / 1e9,
            "steady": soak.is_steady(each),
            **{name: value for name, value in (stretch_row(each) or {}).items() if name != "p999_ms"},
            **{name: each.conditions.get(name) for name in ("temperature_c", "clock_mhz", "load_1min")},
            "throttle_events": each.counters.get("throttle_events"),
        }
        for each in soak.series.points
    ]


def _cold(session: SoakSession) -> dict[str, Any]:
    rows = cold_rows(session)
    work_ms = ((rows[:, -1] - rows[:, 1]) / 1e6).tolist()
    return {"frames": len(work_ms), "first_ms": work_ms[0] if work_ms else None, "max_ms": max(work_ms, default=None)}


def _steady_from_s(soak: Evidence, session: SoakSession) -> float | None:
    place = soak.places.get(session.index)
    return None if place is None else place * soak.series.point_ns / 1e9
