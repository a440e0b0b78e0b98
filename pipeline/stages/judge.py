"""From tried rows to judged ones: every row against the gates, whether INT8 has earned its place, and which is chosen.

Users of ONNX Runtime and of small devices often get slower models from quantizing, and lose escapes for nothing: where
INT8 is not faster on a device, the row says so and the float row is preferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ...benchmarks.proof.gate import Evidence, Finding, Run
from ...benchmarks.proof.miss_rate import Outcome
from ...benchmarks.proof.steadiness import steadiness
from ...benchmarks.proof.summary import engine_summary, latency_summary
from ...benchmarks.proof.verdict import Standing, Verdict, judge, select
from ...benchmarks.timing.measurement import Measurement
from ...benchmarks.timing.measuring import prove_measurement
from ...export.contracts import Artifact
from ...export.parity import Parity
from ...inspection.data.kinds import defect_lengths
from ...inspection.statistics.judging import TeacherDecisions, decide, judge_quality
from ...inspection.statistics.quality import Quality
from ...inspection.statistics.quantile import quantile, quantile_interval
from ...inspection.statistics.threshold import OperatingPoint
from ...inspection.statistics.usefulness import Doubt
from .after_limits import OnTest, marked_on_test, on_test
from .interleaved import Compared
from .job import DOUBT, RunJob
from .measure import Device
from .rows import TEACHER, RowPlan
from .score import Scores, Timed, fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """Everything that was found out about one row.

    Attributes:
        name: The plan's; of a model that is measured on several devices `<plan>@<device>`.
        plan: What was to be made.
        artifact: What runs.
        counts: `parameters` and `macs`, where the network is known.
        scored: Scores on val and test.
        timed: Latency.
        parity: Against torch; None for the teacher in torch.
        device: Where it was timed.
        compared: Against the teacher, where all rows were interleaved.
    """

    name: str
    plan: RowPlan
    artifact: Artifact
    counts: Mapping[str, int]
    scored: Scores
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
    points = {result.plan.name: fitted(job, result.scored) for result in results}
    teacher = next(result for result in results if result.plan.name == TEACHER)
    maps_kept = any(result.scored.test_maps is not None for result in results)
    marked = marked_on_test(job, teacher.artifact.frame) if maps_kept else []
    seen = {
        result.name: on_test(
            job,
            result.scored,
            result.artifact.frame,
            threshold=points[result.plan.name].threshold,
            marked=marked,
        )
        for result in results
    }
    by_teacher = seen[teacher.name]
    reference = decide(
        TEACHER,
        by_teacher.scores,
        by_teacher.samples,
        threshold=points[TEACHER].threshold,
        rejected=by_teacher.rejected,
    )
    lengths_px = defect_lengths(job.dataset, [each for each in job.dataset.of("test") if each.defective])
    return with_int8_weighed(
        [
            _judge(
                job,
                result,
                points[result.plan.name],
                seen[result.name],
                reference=None if result is teacher else reference,
                lengths_px=lengths_px,
            )
            for result in results
        ]
    )


def _judge(
    job: RunJob,
    result: RowResult,
    point: OperatingPoint,
    seen: OnTest,
    *,
    reference: TeacherDecisions | None,
    lengths_px: Mapping[str, float],
) -> Judged:
    gates, deadline_ms = job.line_file.gates, job.budget.deadline_ms
    quality = judge_quality(
        seen.scores,
        seen.samples,
        threshold=point.threshold,
        gates=gates,
        teacher=reference,
        seed=job.line_file.seed,
        rejected=seen.rejected,
        limits=seen.limits,
        lengths_px=lengths_px,
    )
    quality = replace(quality, findings=seen.findings)
    belt = result.timed.belt
    proof = prove_measurement(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    steady = steadiness(belt, deadline_ms=deadline_ms, gate=gates.deadline_miss)
    run = Run(proof=proof, deadline_ms=deadline_ms, steadiness=steady, frames_per_s=job.budget.arrivals.frames_per_s)
    size_bytes, counts = result.artifact.size_bytes, result.counts
    guarantee = point.overkill if job.line_file.teacher.good_only else None
    evidence = Evidence(run=run, quality=quality, size_bytes=size_bytes, counts=counts, belt=belt, guarantee=guarantee)
    verdict = judge(evidence, gates)
    return Judged(
        result=result,
        quality=quality,
        verdict=verdict if job.doubt is None else _doubted(verdict, job.doubt),
        latency=latency_summary(belt, deadline_ms=deadline_ms, proof=proof, steady=steady),
        point=point,
    )


def _doubted(verdict: Verdict, doubt: Doubt) -> Verdict:
    """Let nothing fit that was compared with a teacher that may be useless."""
    sure = "Make sure of the teacher first: a run without --quick, and more defective parts in val"
    finding = Finding(
        outcome="inconclusive",
        lead=DOUBT,
        seen=doubt.seen,
        next_step=f"{sure}; {doubt.advice}.",
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


def with_int8_weighed(judged: Sequence[Judged]) -> list[Judged]:
    """Say of each int8 row that is not faster than its float sibling, measured back to back, that it is no gain.

    The sibling is the row with the same steps but for those to int8, on the same runtime, threads and device; where
    there is none, nothing can be said. INT8 is faster where the 95 % interval of its median time lies below the
    sibling's.
    """
    return [_weighed(each, judged) if each.result.artifact.precision == "int8" else each for each in judged]


def without_idle_int8(judged: Sequence[Judged]) -> list[Judged]:
    """Leave out the int8 models that are no gain on any device, where their float siblings fit on all."""
    fitting = {each.result.name for each in judged if each.verdict.verdict == "fits"}
    kept = {each.result.plan.name for each in judged if each.rather not in fitting}
    return [each for each in judged if each.result.plan.name in kept]


def int8_loses(int8: Measurement, in_float: Measurement, *, sibling: str) -> str | None:
    """Compare two back-to-back measurements; a sentence where int8 is not surely faster, None where it is."""
    ours, theirs = _median_ms(int8), _median_ms(in_float)
    if ours[2] < theirs[1]:
        return None
    return (
        f"INT8 is no gain on this device: back to back a frame takes {_interval(ours)}, in "
        f"{sibling} {_interval(theirs)}; keep {sibling}."
    )


def _weighed(judged: Judged, others: Sequence[Judged]) -> Judged:
    result = judged.result
    wanted = _in_float(result.plan)
    for other in others:
        each = other.result
        in_float = each.artifact.precision != "int8" and each.device.name == result.device.name
        if in_float and _in_float(each.plan) == wanted:
            loses = int8_loses(result.timed.back_to_back, each.timed.back_to_back, sibling=each.name)
            if loses is None:
                return judged
            verdict = replace(judged.verdict, remarks=(*judged.verdict.remarks, loses))
            return replace(judged, verdict=verdict, rather=each.name)
    return judged


def _in_float(plan: RowPlan) -> RowPlan:
    """Give what a row shares with its float sibling: all but its name, its role and the steps to int8."""
    steps = tuple(step for step in plan.steps if not step.settings.to_int8)
    return replace(plan, name="", role="candidate", steps=steps)


def _median_ms(measurement: Measurement) -> tuple[float, float, float]:
    """Give the median and the ends of its interval; the extremes where there are too few frames for one."""
    ordered = np.sort(measurement.response_ns / 1e6)
    low, high = quantile_interval(ordered, 0.5)
    middle = quantile(ordered, 0.5)
    return middle, float(ordered[0]) if low is None else low, float(ordered[-1]) if high is None else high


def _interval(median: tuple[float, float, float]) -> str:
    return f"{median[0]:.3g} ms ({median[1]:.3g} to {median[2]:.3g})"
