"""What a model finds on test, what the limits of a line make of it, and how both compare with what people marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...export.kept_maps import KeptMaps
from ...inspection.data.dataset import Sample
from ...inspection.data.frame import FrameSpec
from ...inspection.decision.findings import Finding, find
from ...inspection.decision.judging import Judge, Judged
from ...inspection.decision.marked import held_to, marked_findings
from ...inspection.statistics.average_precision import AveragePrecision, average_precision, missing
from ...inspection.statistics.judging import by_part
from ...inspection.statistics.matching import FindingsSeen, findings_seen
from ...inspection.statistics.quality import Decided, LimitsSeen
from .job import RunJob
from .score import Scores, as_decided

Marked = Sequence[tuple[Finding, ...] | None]
"""What people marked on each photograph of test; None: it is defective, and nobody said where."""

_NOWHERE = np.zeros((1, 1, 1), np.uint8)
_ANY_CUT = 0.5
_FAINT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTest:
    """Test as one model and the limits see it: photographs, or whole parts where `data.decide` is `any`.

    Attributes:
        scores: float64 `[decided]`.
        samples: As long; what the limits tolerate counts as good.
        rejected: What is ejected, bool `[decided]`; None: what reaches the threshold.
        limits: How often each limit decided; None: there are none.
        findings: Against what people marked; None: nobody marked anything.
    """

    scores: NDArray[np.float64]
    samples: tuple[Sample, ...]
    rejected: NDArray[np.bool_] | None = None
    limits: LimitsSeen | None = None
    findings: FindingsSeen | None = None


def marked_on_test(job: RunJob, frame: FrameSpec) -> Marked:
    """Measure what people marked on each photograph of test; `frame` of any model of the run."""
    view = job.line_file.judging.view(frame, _ANY_CUT)
    return [marked_findings(job.dataset, sample, view) for sample in job.dataset.of("test")]


def on_test(job: RunJob, scored: Scores, frame: FrameSpec, *, threshold: float, marked: Marked) -> OnTest:
    """Decide on test by threshold and limits, and compare findings with what people marked."""
    samples = job.dataset.of("test")
    scores, decided = as_decided(job, samples, scored.test)
    if scored.test_maps is None:
        return OnTest(scores=scores, samples=decided)
    judged = _judged_frames(job, samples, scored.test, KeptMaps(scored.test_maps), frame, threshold)
    findings = _compared(job, judged, frame, marked)
    if findings is not None:
        findings = replace(findings, average_precision=_precision(job, KeptMaps(scored.test_maps), frame, marked))
    limits = job.line_file.limits
    if not limits:
        return OnTest(scores=scores, samples=decided, findings=findings)
    held = tuple(held_to(sample, found, limits) for sample, found in zip(samples, marked, strict=True))
    ejected, whole = np.array([each.ruling.ejects for each in judged]), held
    if job.line_file.data.decide == "any":
        highest, whole = by_part(ejected.astype(np.float64), held)
        ejected = highest > 0
    return OnTest(
        scores=scores, samples=whole, rejected=ejected, limits=_limits_seen(judged, samples, held), findings=findings
    )


def _judged_frames(
    job: RunJob, samples: tuple[Sample, ...], scores: NDArray[np.float64], maps: KeptMaps, frame: FrameSpec, cut: float
) -> list[Judged]:
    judge, judged = Judge(job.line_file.judging, frame, cut), []
    for place, (sample, score) in enumerate(zip(samples, scores, strict=True)):
        kept = maps[place] if score >= cut else _NOWHERE
        kinds = kept[1:] if len(kept) > 1 else None
        judged.append(judge.judge(float(score), kept[0], size=(sample.height, sample.width), kinds=kinds))
    return judged


def _compared(job: RunJob, judged: list[Judged], frame: FrameSpec, marked: Marked) -> FindingsSeen | None:
    """Compare where somebody said where defects are; None where nobody did."""
    pairs = [(own, each.findings) for own, each in zip(marked, judged, strict=True) if own is not None]
    if not any(own for own, _ in pairs):
        return None
    return findings_seen(
        [own for own, _ in pairs],
        [found for _, found in pairs],
        knows_kinds=bool(frame.kinds),
        pixels_per_mm=job.line_file.camera.pixels_per_mm,
    )


def _precision(job: RunJob, maps: KeptMaps, frame: FrameSpec, marked: Marked) -> AveragePrecision | None:
    """Look for everything down to faint values, whatever the threshold: so detection is measured in papers."""
    if missing() is not None:
        return None
    view, own, found = job.line_file.judging.view(frame, _FAINT), [], []
    for sample, kept, listed in zip(job.dataset.of("test"), maps, marked, strict=True):
        if listed is not None:
            own.append(listed)
            kinds = kept[1:] if len(kept) > 1 else None
            found.append(find(kept[0], view, size=(sample.height, sample.width), kinds=kinds))
    return average_precision(own, found, knows_kinds=bool(frame.kinds))


def _limits_seen(judged: list[Judged], samples: tuple[Sample, ...], held: tuple[Sample, ...]) -> LimitsSeen:
    pairs = [(each.ruling, sample.defective) for each, sample in zip(judged, held, strict=True) if each.ruling.because]
    counts = Counter((ruling.because, ruling.action, defective) for ruling, defective in pairs)
    decided = [
        Decided(limit=limit, action=action, defective=counts[limit, action, True], good=counts[limit, action, False])
        for limit, action in sorted({(limit, action) for limit, action, _ in counts})
    ]
    return LimitsSeen(
        decided=tuple(sorted(decided, key=lambda each: -(each.defective + each.good))),
        reviewed=sum(each.ruling.action == "review" for each in judged),
        tolerated=sum(was.defective and not now.defective for was, now in zip(samples, held, strict=True)),
        of=len(samples),
    )
