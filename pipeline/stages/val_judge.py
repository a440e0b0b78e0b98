"""What a graph lets escape on val: the judge that steps on the graph may ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.artifacts import backends, built_where_it_runs
from ...export.contracts import Artifact
from ...export.graph_file import open_graph
from ...export.scoring import score_samples
from ...export.sessions import open_session
from ...inspection.data.dataset import Sample, evenly
from ...inspection.statistics.paired import compare_escapes
from ...inspection.statistics.quality import Paired
from .artifact import build_artifact
from .build_teacher import make_teacher
from .job import RunJob
from .rows import TEACHER
from .score import as_decided, fitted_on_val, score_val
from .versions import runtime_of

_REFERENCE = "onnx_runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValJudge:
    """Scores graphs on this machine and compares with the teacher; an `EscapeJudge`.

    Attributes:
        job: The run.
        backend: Runtime that the recipe ends in; one that is built where it runs is stood in for by ONNX Runtime.
    """

    job: RunJob
    backend: str

    @property
    def allowed(self) -> float:
        """The escape gate of the line."""
        return self.job.line_file.gates.escape.max_increase

    @property
    def runtime(self) -> str:
        """Name of what scores."""
        return _REFERENCE if built_where_it_runs(self.backend) else self.backend

    def facts(self) -> dict[str, Any]:
        """Name all that its findings depend on, JSON-able."""
        return {
            "teacher": make_teacher(self.job).key,
            "data": self.job.dataset.digest,
            "escape": self.job.line_file.gates.escape.model_dump(),
            "decide": self.job.line_file.data.decide,
            "cut": self.job.line_file.cut,
            "runtime": runtime_of(self.runtime),
        }

    def scores(self, graph: Path, *, at_most: int | None = None) -> NDArray[np.float64]:
        """Score frames of val, in their order; see `EscapeJudge`."""
        samples = _spread(self.job.dataset.of("val"), at_most)
        runtime, target = backends()[self.runtime], self.job.target
        with TemporaryDirectory(prefix="beltline-judge-") as folder:
            artifact = runtime.build(open_graph(graph), target, Path(folder))
            with open_session(runtime, artifact, threads=target.threads) as session:
                return score_samples(session, self.job.dataset, samples).scores

    def escapes(self, scores: NDArray[np.float64]) -> Paired:
        """Compare with the teacher at thresholds that both have fitted on val; see `EscapeJudge`."""
        passed, bad = self._passed(scores)
        return compare_escapes(
            passed,
            self._passed(score_val(self.job, _teacher(self.job), TEACHER))[0],
            paths=[sample.path for sample in bad],
            groups=[sample.group for sample in bad],
            against=TEACHER,
            confidence=self.job.line_file.gates.escape.confidence,
        )

    def _passed(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.bool_], list[Sample]]:
        """Say which defective parts of val pass at the threshold that these scores get, and which these parts are."""
        decided, samples = as_decided(self.job, self.job.dataset.of("val"), scores)
        defective = np.array([sample.defective for sample in samples])
        passed = decided[defective] < fitted_on_val(self.job, scores).threshold
        return passed, [sample for sample in samples if sample.defective]


def _teacher(job: RunJob) -> Artifact:
    teacher = make_teacher(job)
    if teacher.path.suffix == ".onnx":
        return build_artifact(job, _REFERENCE, teacher)
    return build_artifact(job, "torch_eager", teacher, teacher)


def _spread(samples: tuple[Sample, ...], at_most: int | None) -> tuple[Sample, ...]:
    if at_most is None or at_most >= len(samples):
        return samples
    good = [sample for sample in samples if not sample.defective]
    bad = [sample for sample in samples if sample.defective]
    return (*evenly(good, at_most - at_most // 2), *evenly(bad, at_most // 2))
