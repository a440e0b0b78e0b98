"""All counts in the text form that Prometheus scrapes; made anew for each scrape, nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..counters import Histogram, Tally
from ..watching.drift import TEST, DriftTest
from ..watching.reject_ring import RingTally

if TYPE_CHECKING:
    from prometheus_client import Metric

_EVERY_LATENCY_EDGE, _EVERY_SCORE_EDGE = 4, 5


def metrics_text(tally: Tally, *, drift: DriftTest | None, ring: RingTally | None) -> tuple[bytes, str]:
    """Write what a scrape gets.

    Returns:
        The text and its content type.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collected([*_frames(tally), *_times(tally), *_events(tally), *_drift(drift), *_ring(ring)]))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Collected:
    """What the library wants to be asked for metrics."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def _frames(tally: Tally) -> list[Metric]:
    standings = {
        "answered": tally.answered, "late": tally.late, "refused": tally.refused, "faulty": tally.faulty,
    }  # fmt: skip
    return [
        _counter("beltline_frames_offered", "Frames that came in, by source.", "source", tally.by_source),
        _counter("beltline_frames", "Frames that were answered, by how it came about.", "standing", standings),
        _counter(
            "beltline_answers", "What they were answered with.", "answer",
            {"pass": tally.passed, "reject": tally.rejected},
        ),
        _counter(
            "beltline_references", "Frames that could not be compared, by why.", "why",
            {"no_reference": tally.without_reference, "not_aligned": tally.not_aligned},
        ),
        _gauge("beltline_queue_frames", "Frames that wait for the engine now.", tally.waiting),
        _gauge("beltline_queue_frames_most", "The most that ever waited.", tally.most_waiting),
        _gauge("beltline_frames_under_way", "Frames without an answer yet.", tally.under_way),
    ]  # fmt: skip


def _times(tally: Tally) -> list[Metric]:
    every = _EVERY_LATENCY_EDGE
    return [
        _histogram("beltline_latency_seconds", "From frame to decision.", tally.latency_ms, every=every, unit=1000.0),
        _histogram("beltline_engine_seconds", "The engine's own time.", tally.engine_ms, every=every, unit=1000.0),
        _histogram("beltline_score", "Scores of the model, in [0, 1].", tally.scores, every=_EVERY_SCORE_EDGE),
    ]


def _events(tally: Tally) -> list[Metric]:
    return [
        _counter("beltline_dropped", "Outcomes that an outlet did not take.", "outlet", tally.dropped),
        _counter("beltline_http_refused", "Requests that were refused, by why.", "why", tally.refused_requests),
        _counter("beltline_restarts", "Parts that the watchdog started anew.", "part", tally.restarts),
        _counter(
            "beltline_bundle_switches", "Bundles put to work, and taken back.", "way",
            {"to_new": tally.switches, "back": tally.rollbacks},
        ),
        _gauge("beltline_start_time_seconds", "When counting began, Unix time.", tally.started_unix_ns / 1e9),
        _labelled_gauge("beltline_bundle", "The bundle at work.", "version", {tally.bundle: 1.0}),
    ]  # fmt: skip


def _drift(look: DriftTest | None) -> list[Metric]:
    if look is None:
        return []
    named = {each.what: each for each in look.findings}
    corrected = {name: each.p_corrected for name, each in named.items()}
    return [
        _labelled_gauge(
            "beltline_drift_p_value", f"{TEST}, last window, corrected for all looks of a day.", "what", corrected
        ),
        _labelled_gauge(
            "beltline_drift_distance", f"{TEST}: distance of the distribution functions.", "what",
            {name: each.distance for name, each in named.items()},
        ),
        _gauge("beltline_drift_looks", "Windows looked at with this bundle.", look.number),
    ]  # fmt: skip


def _ring(ring: RingTally | None) -> list[Metric]:
    if ring is None:
        return []
    return [
        _gauge("beltline_rejects_kept", "Rejected frames on disk.", ring.kept),
        _gauge("beltline_rejects_kept_bytes", "Their size.", ring.size_bytes),
        _counter(
            "beltline_rejects", "Rejected frames, stored or only counted.", "fate",
            {"stored": ring.stored, "skipped": ring.skipped},
        ),
    ]  # fmt: skip


def _counter(name: str, description: str, label: str, values: Mapping[str, int]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, description, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _labelled_gauge(name: str, description: str, label: str, values: Mapping[str, float]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, description, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _gauge(name: str, description: str, value: float) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(name, description, value=value)


def _histogram(name: str, description: str, counted: Histogram, *, every: int, unit: float = 1.0) -> Metric:
    """Give a histogram with each so manieth edge, cumulative, as Prometheus wants it."""
    from prometheus_client.core import HistogramMetricFamily

    buckets, below = [], 0
    for place, (edge, count) in enumerate(zip(counted.edges, counted.counts, strict=False), start=1):
        below += count
        if place % every == 0:
            buckets.append((repr(edge / unit), float(below)))
    buckets.append(("+Inf", float(counted.count)))
    return HistogramMetricFamily(name, description, buckets=buckets, sum_value=counted.total / unit)
