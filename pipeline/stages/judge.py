"""From tried rows to judged ones: every row against the gates, and which one is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...benchmarks.proof.steadiness import steadiness
from ...benchmarks.proof.summary import engine_summary, latency_summary
from ...benchmarks.proof.verdict import Standing, Verdict, judge, select
from ...benchmarks.timing.measuring import prove_measurement
from ...export.contracts import Artifact
from ...export.parity import Parity
from ...inspection.statistics.judging import TeacherDecisions, decide, judge_quality
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.threshold import OperatingPoint
from .int8_gain import with_int8_weighed, without_idle_int8
from .interleaved import Compared
from .job import RunJob
from .measure import Device
from .rows import TEACHER, RowPlan
from .score import Timed, Tried, fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Everything that was found out about one row.

    Attributes:
        name: The plan's; of a model that is measured on several devices `<plan>@<device>`.
        plan: What was to be made.
        artifact: What runs.
        counts: `parameters` and `macs`, where the network is known.
        tried: Scores on val and test.
        timed: Latency.
        parity: Against torch; None for the teacher in torch.
        device: Where it was timed.
        compared: Against the teacher, where all rows took turns.
    """

    name: str
    plan: RowPlan
    artifact: Artifact
    counts: Mapping[str, int]
    tried: Tried
    timed: Timed
    parity: Parity | None
    device: Device
    compared: Compared | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row with what came of it.

    Attributes:
        result: What was found out.
        quality: Escapes and overkill on test.
        verdict: What the gates say.
        latency: The report's `latency_ms`.
        point: Where the threshold was fitted on val.
        rather: Of an int8 row that is not faster: its float sibling.
    """

    result: RowResult
    quality: Quality
    verdict: Verdict
    latency: dict[str, Any]
    point: OperatingPoint
    rather: str | None = None


def judged_rows(job: RunJob, results: Sequence[RowResult]) -> list[Judged]:
    """Judge every row; all but the teacher are compared with the teacher's decisions on test."""
    points = {result.plan.name: fitted(job, result.tried) for result in results}
    teacher = next(result for result in results if result.plan.name == TEACHER)
    test = job.dataset.of("test")
    reference = decide(TEACHER, teacher.tried.test, test, threshold=points[TEACHER].threshold)
    return with_int8_weighed(
        [_judge(job, result, points[result.plan.name], None if result is teacher else reference) for result in results]
    )


def _judge(job: RunJob, result: RowResult, point: OperatingPoint, reference: TeacherDecisions | None) -> Judged:
    gates, deadline_ms = job.line_file.gates, job.budget.deadline_ms
    quality = judge_quality(
        result.tried.test,
        job.dataset.of("test"),
        threshold=point.threshold,
        gates=gates,
        teacher=reference,
        seed=job.line_file.seed,
    )
    belt = result.timed.belt
    proof = prove_measurement(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    steady = steadiness(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    return Judged(
        result=result,
        quality=quality,
        verdict=judge(
            proof,
            quality,
            gates,
            deadline_ms=deadline_ms,
            steadiness=steady,
            frames_per_s=job.budget.arrivals.frames_per_s,
        ),
        latency=latency_summary(belt, deadline_ms=deadline_ms, proof=proof, steady=steady),
        point=point,
    )


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
