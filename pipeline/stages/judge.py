"""From tried rows to judged ones: every row against the gates, and which one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from ...benchmarks.proof.gate import Evidence, Finding, Run
from ...benchmarks.proof.miss_rate import Outcome
from ...benchmarks.proof.steadiness import steadiness
from ...benchmarks.proof.summary import engine_summary, latency_summary
from ...benchmarks.proof.verdict import Standing, Verdict, judge, select
from ...benchmarks.timing.measuring import prove_measurement
from ...inspection.statistics.judging import TeacherDecisions, decide, judge_quality
from ...inspection.statistics.threshold import OperatingPoint
from .int8_gain import with_int8_weighed, without_idle_int8
from .job import DOUBT, RunJob
from .results import Judged, RowResult
from .rows import TEACHER
from .score import as_decided, fitted


def judged_rows(job: RunJob, results: Sequence[RowResult]) -> list[Judged]:
    """Judge every row; all but the teacher are compared with the teacher's decisions on test."""
    points = {result.plan.name: fitted(job, result.scored) for result in results}
    teacher = next(result for result in results if result.plan.name == TEACHER)
    scores, samples = as_decided(job, job.dataset.of("test"), teacher.scored.test)
    reference = decide(TEACHER, scores, samples, threshold=points[TEACHER].threshold)
    return with_int8_weighed(
        [_judge(job, result, points[result.plan.name], None if result is teacher else reference) for result in results]
    )


def _judge(job: RunJob, result: RowResult, point: OperatingPoint, reference: TeacherDecisions | None) -> Judged:
    gates, deadline_ms = job.line_file.gates, job.budget.deadline_ms
    scores, samples = as_decided(job, job.dataset.of("test"), result.scored.test)
    quality = judge_quality(
        scores,
        samples,
        threshold=point.threshold,
        gates=gates,
        teacher=reference,
        seed=job.line_file.seed,
    )
    belt = result.timed.belt
    proof = prove_measurement(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    steady = steadiness(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    run = Run(proof=proof, deadline_ms=deadline_ms, steadiness=steady, frames_per_s=job.budget.arrivals.frames_per_s)
    size_bytes, counts = result.artifact.size_bytes, result.counts
    evidence = Evidence(run=run, quality=quality, size_bytes=size_bytes, counts=counts, belt=belt)
    verdict = judge(evidence, gates)
    return Judged(
        result=result,
        quality=quality,
        verdict=verdict if job.doubt is None else _doubted(verdict, job.doubt),
        latency=latency_summary(belt, deadline_ms=deadline_ms, proof=proof, steady=steady),
        point=point,
    )


def _doubted(verdict: Verdict, doubt: str) -> Verdict:
    """Let nothing fit that was compared with a teacher that may be useless."""
    finding = Finding(
        outcome="inconclusive",
        lead=DOUBT,
        seen=doubt,
        next_step="Make sure of the teacher first: a run without --quick, and more defective parts in val.",
        title="A useful teacher",
    )
    outcome: Outcome = "inconclusive" if verdict.verdict == "fits" else verdict.verdict
    return replace(verdict, verdict=outcome, findings=MappingProxyType({"teacher": finding, **verdict.findings}))


def chosen_row(judged: Sequence[Judged]) -> str | None:
    """Give the name of the cheapest row that fits on every device it was measured on, or None.

    An int8 row that is not faster than its float sibling is not chosen where that one fits.
    """
    return select(_standings(without_idle_int8(judged)))


def _standings(judged: Sequence[Judged]) -> list[Standing]:
    """Give each model's standing; one that is to run on several devices must fit all of them, the slowest counts."""
    models: dict[str, list[Judged]] = {}
    for each in judged:
        models.setdefault(each.result.plan.name, []).append(each)
    return [max((_standing(each) for each in rows), key=_worse) for rows in models.values()]


def _standing(judged: Judged) -> Standing:
    return Standing(
        name=judged.result.name,
        verdict=judged.verdict.verdict,
        engine_p50_ms=engine_summary(judged.result.timed.back_to_back)["p50"],
        size_bytes=judged.result.artifact.size_bytes,
    )


def _worse(standing: Standing) -> tuple[bool, float]:
    return standing.verdict != "fits", standing.engine_p50_ms
