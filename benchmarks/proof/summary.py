"""A measurement in numbers: the `latency_ms` part of a row in report.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ...inspection.base.errors import MeasurementError
from ...inspection.statistics.quantile import quantile, quantile_interval
from ..timing.measurement import Measurement
from .miss_rate import Proof
from .steadiness import Steadiness, steadiness


def latency_summary(
    measurement: Measurement, *, deadline_ms: float, proof: Proof, steady: Steadiness | None = None
) -> dict[str, Any]:
    """Summarise response times (frame due to decision), in ms; nothing is left out of any number.

    Args:
        measurement: At least one judged frame.
        deadline_ms: Where a frame is late.
        proof: What `prove_measurement` said of it: it gives `miss_upper` and what follows it.
        steady: Of the same measurement, where it is known already.

    Returns:
        JSON-able: `frames`, `p50`, `p99`, `p999` (order statistics, rounded up), `max`, `misses`, `miss_upper`,
        `miss_events` (bursts of late frames, as the proof counts them), `burst_frames` (up to so many late frames in a
        row are one event), `effective_frames` (frames over that: what the bound rests on), `scope`, `mode`,
        `p50_interval` and `p99_interval` (95 %; an end is None where the run is too short for it), `pre`, `engine` and
        `post` (median of each part), `cold` (the frames before the judged ones), `pacer_p99_us` (how late the pacer
        itself was; None where no frame found it idle), `steadiness`.

    Raises:
        MeasurementError: No judged frames.
    """
    response_ms = np.sort(measurement.response_ns / 1e6)
    if not response_ms.size:
        msg = "summary: wanted at least 1 judged frame, got 0; allow more frames or seconds"
        raise MeasurementError(msg)
    return {
        "frames": int(response_ms.size),
        **{name: quantile(response_ms, share) for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))},
        "max": float(response_ms[-1]),
        "misses": int((measurement.response_ns > round(deadline_ms * 1e6)).sum()),
        "miss_upper": proof.upper,
        "miss_events": proof.events,
        "burst_frames": proof.burst_frames,
        "effective_frames": proof.effective_frames,
        "scope": "frame_to_decision",
        "mode": measurement.mode,
        "p50_interval": quantile_interval(response_ms, 0.5),
        "p99_interval": quantile_interval(response_ms, 0.99),
        **_parts(measurement),
        "cold": _cold(measurement),
        "pacer_p99_us": pacer_p99_us(measurement),
        "steadiness": asdict(steady or steadiness(measurement, deadline_ms=deadline_ms)),
    }


def engine_summary(measurement: Measurement) -> dict[str, float]:
    """Summarise the time in the engine alone, in ms: the `engine_ms` part of a row."""
    engine_ms = measurement.engine_ns / 1e6
    return {"p50": quantile(engine_ms, 0.5), "p99": quantile(engine_ms, 0.99)}


def pacer_p99_us(measurement: Measurement) -> float | None:
    """Give the 99th percentile of the pacer's own lateness in microseconds.

    Only frames that were due after the one before had been decided count: else the wait is the model's, not the
    pacer's. Either way the wait is part of the response time.
    """
    if measurement.mode != "belt":
        return None
    due, started, decided = (
        each[measurement.warmup :]
        for each in (measurement.scheduled_ns, measurement.started_ns, measurement.decided_ns)
    )
    idle = due[1:] > decided[:-1]
    late_us = (started[1:] - due[1:])[idle] / 1e3
    return quantile(late_us, 0.99) if late_us.size else None


def _parts(measurement: Measurement) -> dict[str, float]:
    marks = (
        measurement.started_ns,
        measurement.engine_start_ns,
        measurement.engine_end_ns,
        measurement.decided_ns,
    )
    spans = zip(("pre", "engine", "post"), marks[:-1], marks[1:], strict=True)
    return {name: quantile(((end - begin)[measurement.warmup :] / 1e6), 0.5) for name, begin, end in spans}


def _cold(measurement: Measurement) -> dict[str, Any]:
    cold_ms = (measurement.decided_ns - measurement.started_ns)[: measurement.warmup] / 1e6
    if not cold_ms.size:
        return {"frames": 0, "first": None, "max": None}
    return {"frames": int(cold_ms.size), "first": float(cold_ms[0]), "max": float(cold_ms.max())}
