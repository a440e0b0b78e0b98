"""What the report shows beside its figures: the worst mistakes of the row shown, and its soak."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...benchmarks.report.files import soak_of
from ...benchmarks.report.gallery import GalleryItem
from ...benchmarks.soak.schema import SoakSummary
from ...export.artifacts import backends
from ...export.scoring import score_samples
from ...inspection.base.errors import MeasurementError
from ...inspection.data.dataset import Sample
from ...inspection.data.masks import read_mask
from ...inspection.data.streaming import frames_of
from ..stages.job import RunJob
from ..stages.judge import Judged
from ..stages.score import as_decided

_GALLERY_EACH = 12


def soak_shown(job: RunJob, shown: Judged) -> SoakSummary | None:
    """Read the soak of the row shown; a damaged one is told of and does not keep the report from being written."""
    names = (shown.result.name, shown.result.plan.name)
    try:
        return soak_of(job.folder, names, artifact_digest=shown.result.artifact.digest)
    except MeasurementError as error:
        job.console.notify(f"left out of the report: {error}")
        return None


def gallery(job: RunJob, shown: Judged) -> list[GalleryItem]:
    """Show the worst escapes and overkills: those furthest on the wrong side of the threshold."""
    scores, test = as_decided(job, job.dataset.of("test"), shown.result.scored.test)
    rejected = scores >= shown.quality.threshold
    order = np.argsort(scores, kind="stable")
    escapes = [int(i) for i in order if test[i].defective and not rejected[i]][:_GALLERY_EACH]
    overkills = [int(i) for i in order[::-1] if not test[i].defective and rejected[i]][:_GALLERY_EACH]
    chosen = [*escapes, *overkills]
    samples = tuple(test[i] for i in chosen)
    artifact = shown.result.artifact
    with backends()[artifact.backend].load(artifact, threads=job.target.threads) as session:
        heatmaps = score_samples(session, job.dataset, samples, keep_heatmaps=range(len(samples))).heatmaps
    return [
        GalleryItem(
            path=sample.path,
            label=sample.label,
            kind="escape" if sample.defective else "overkill",
            score=float(scores[index]),
            frame=frame,
            heatmap=heatmaps[position],
            mask=_mask(job, sample),
        )
        for position, (index, sample, frame) in enumerate(
            zip(chosen, samples, frames_of(job.dataset, samples), strict=True)
        )
    ]


def _mask(job: RunJob, sample: Sample) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    return read_mask(job.dataset.root / sample.mask, job.dataset.masks) if sample.mask else None
