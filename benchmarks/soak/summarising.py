"""From a soak's folder to its summary: every segment is read, one at a time, twice at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from ...inspection.base.errors import MeasurementError
from ...inspection.line.gates import MissGate
from ..proof.late_bursts import near_limit_ms
from .folder import SoakPlan, SoakSession, cold_rows, measured_s, read_plan, segments_of, sessions_of
from .histogram import RELATIVE_ERROR, quantile_ns
from .judging import Evidence, Judgement, Question, judge_steady, never_steady, remarks
from .points import Point, joined, series_of
from .schema import SoakSummary
from .segment import Segment
from .steady import steady_frames, steady_places
from .throttling import throttling_of, unseen_of


def summarise(folder: Path, *, row: str, asked_s: float, deadline_ms: float, gate: MissGate) -> SoakSummary:
    """Judge a soak; it may have been interrupted, and may be judged by another deadline or gate than it was run for.

    Args:
        folder: The soak's folder; see `folder`.
        row: Which row was soaked.
        asked_s: How long the belt was to run, > 0.
        deadline_ms: Responses above it are late, > 0.
        gate: Allowed miss rate and confidence.

    Raises:
        MeasurementError: The trace is damaged or incomplete, or holds no frame; the message names the part.
    """
    plan = read_plan(folder)
    sessions = [each for each in sessions_of(folder) if each.segments]
    if not sessions:
        msg = f"{folder}: no frame was recorded; soak for longer"
        raise MeasurementError(msg)
    question = Question(
        arrivals=plan.arrivals,
        deadline_ms=deadline_ms,
        gate=gate,
        asked_s=asked_s,
        measured_s=sum(measured_s(each) for each in sessions),
    )
    series = series_of(
        _segments(sessions, plan),
        deadline_ns=round(deadline_ms * 1e6),
        period_ns=plan.arrivals.period_ns,
        cameras=plan.arrivals.cameras,
    )
    soak = Evidence(plan=plan, sessions=tuple(sessions), series=series, places=steady_places(series), question=question)
    facts = _facts(soak, _judged(soak))
    return SoakSummary.model_validate({**facts, "row": row, "trace": str(folder)})


def _segments(sessions: Sequence[SoakSession], plan: SoakPlan) -> Iterator[Iterator[Segment]]:
    return (segments_of(session, plan) for session in sessions)


def _judged(soak: Evidence) -> Judgement:
    steady = joined(soak.steady_points)
    if steady is None:
        return Judgement(finding=never_steady(soak.series, soak.question))
    deadline_ms = soak.question.deadline_ms
    near_ms = near_limit_ms(quantile_ns(steady.response, 0.5) / 1e6, deadline_ms)
    frames = steady_frames(
        _segments(soak.sessions, soak.plan),
        soak.places,
        point_ns=soak.series.point_ns,
        cameras=soak.plan.arrivals.cameras,
        limits_ns=(round(deadline_ms * 1e6), round(near_ms * 1e6)),
    )
    return judge_steady(soak.steady_points, frames, near_ms=near_ms, question=soak.question)


def _facts(soak: Evidence, judgement: Judgement) -> dict[str, Any]:
    plan, question, points = soak.plan, soak.question, soak.series.points
    throttling = throttling_of(points, measured_s=question.measured_s)
    proof, steadiness = judgement.proof, judgement.steadiness
    reasons = [judgement.finding.reason, *remarks(soak, judgement), *throttling, unseen_of(points)]
    return {
        "schema": 1,
        "artifact_digest": plan.artifact_digest,
        "backend": plan.backend,
        "period_ms": plan.arrivals.period_ns / 1e6,
        "frames_per_s": plan.arrivals.frames_per_s,
        "deadline_ms": question.deadline_ms,
        "gate": question.gate.model_dump(),
        "asked_s": question.asked_s,
        "measured_s": question.measured_s,
        "complete": question.complete,
        "device": plan.device,
        "sessions": session_rows(soak),
        "whole": stretch_row(joined(points)),
        "first_minute": stretch_row(soak.series.first_minute),
        "before_steady": stretch_row(joined(soak.points_before)),
        "steady": stretch_row(joined(soak.steady_points)),
        "miss_upper": proof.upper if proof else None,
        "burst_frames": proof.burst_frames if proof else None,
        "drift_ms": steadiness.drift_ms if steadiness else None,
        "throttling": list(throttling),
        "verdict": judgement.finding.outcome,
        "reasons": [each for each in reasons if each],
        "next_steps": [step] if (step := judgement.finding.next_step) else [],
        "relative_error": RELATIVE_ERROR,
        "trace_bytes": sum(path.stat().st_size for each in soak.sessions for path in each.folder.iterdir()),
        "point_s": soak.series.point_ns / 1e9,
        "points": point_rows(soak),
    }


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
            "steady_from_s": None if place is None else place * soak.series.point_ns / 1e9,
        }
        for session, ended_before in zip(soak.sessions, [None, *ended[:-1]], strict=True)
        for place in (soak.places.get(session.index),)
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
