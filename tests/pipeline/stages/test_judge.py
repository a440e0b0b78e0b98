"""From scores to verdict and exit code: a useless teacher's students fit no line, however alike they are to it."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.report.finished import finished_report, formats
from beltline.benchmarks.report.schema import Report
from beltline.benchmarks.timing.measurement import Measurement
from beltline.export.contracts import Artifact
from beltline.inspection.data.dataset import Dataset, Sample
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.line.line import budget_of
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import LineFile
from beltline.pipeline.report.reporting import _report
from beltline.pipeline.run import Outcome, outcome_of
from beltline.pipeline.stages.job import RunJob
from beltline.pipeline.stages.judge import RowResult, judged_rows
from beltline.pipeline.stages.measure import Device
from beltline.pipeline.stages.rows import RowPlan
from beltline.pipeline.stages.score import Scores, Timed
from beltline.targets.settings import TargetSettings
from beltline.targets.target import Target
from pydantic import BaseModel

LINE = {
    "name": "judged",
    "line": {"belt_speed_mm_s": 1500, "part_pitch_mm": 30, "camera_to_ejector_mm": 105, "fixed_ms": {"plc": 30}},
    "data": {"root": "/data"},
}
DEVICE = Device(
    settings=TargetSettings(), target=Target(name="local", threads=1, cpus=(0,)), facts={}, missing={},
    stopped=threading.Event(),
)  # fmt: skip


def samples(good: int, bad: int, *, photographs: int = 1) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            path=f"{split}/{index:04}.png", label="good" if index < good else "pit", defective=index >= good, mask=None,
            group=f"{split}-{index >= good}-{index // photographs}", split=split, digest=f"sha256:{index:064x}",
            height=8, width=8,
        )
        for split in ("val", "test") for index in range(good + bad)
    )  # fmt: skip


def run_at_line_rate(job: RunJob, *, frames: int = 6000) -> Timed:
    due = np.arange(frames, dtype=np.int64) * job.budget.arrivals.period_ns
    took = 1_000_000 + np.random.default_rng(0).integers(0, 100_000, frames)
    belt = Measurement(
        mode="belt", arrivals=job.budget.arrivals, warmup=0, scheduled_ns=due, started_ns=due, engine_start_ns=due,
        engine_end_ns=due + took, decided_ns=due + took, fingerprint={}, artifact_digest="d",
    )  # fmt: skip
    return Timed(belt=belt, back_to_back=replace(belt, mode="back_to_back", arrivals=None))


def job_of(folder: Path, shown: tuple[Sample, ...], **changes: Any) -> RunJob:
    gates = {"deadline_miss": {"max": 0.002, "confidence": 0.95, "stall_ms": 40.0}, **changes.pop("gates", {})}
    line_file = LineFile.model_validate({**LINE, **changes, "gates": gates})
    dataset = Dataset(name="drawn", root=Path("/data"), channels=1, bit_depth=8, samples=shown)
    return RunJob(
        folder=folder, line_file=line_file, budget=budget_of(line_file.line), dataset=dataset, target=DEVICE.target,
        console=Console(), started="2026-03-14T09:26:53+00:00", devices=(DEVICE,),
    )  # fmt: skip


def finished(job: RunJob, teacher: Scores, student: Scores) -> tuple[Report, Outcome, Path]:
    file = job.folder / "model.onnx"
    file.write_bytes(b"weights")
    timed = run_at_line_rate(job)
    frame = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,))
    results = [
        RowResult(
            name=name, plan=RowPlan(name=name, role=role, backend="onnx_runtime"),
            artifact=Artifact(path=file, digest="d", backend="onnx_runtime", precision="fp32", size_bytes=7,
                              frame=frame, built_for="local"),
            counts={}, scored=scored, timed=timed, parity=None, device=DEVICE,
        )
        for name, role, scored in (("teacher", "teacher", teacher), ("student", "baseline", student))
    ]  # fmt: skip
    report = _report(job, judged_rows(job, results))
    path = job.folder / "report.json"
    path.write_text(json.dumps(report.model_dump(mode="json", by_alias=True), allow_nan=False))
    return report, outcome_of(report, path), path


def drawn(good: int, bad: int, *, lift: float, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Draw scores in [0, 1], those of defects higher by so much."""
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(0.4, 0.05, good), random.normal(0.4 + lift, 0.05, bad)])
    return np.asarray(np.clip(values, 0, 1), np.float64)


def alike(scores: Scores) -> Scores:
    """A student that scores as its teacher does, but for the last digits."""
    return Scores(val=scores.val * 0.999, test=scores.test * 0.999)


USELESS = {
    "constant": lambda _: np.full(325, 0.5),
    "random": lambda seed: drawn(300, 25, lift=0.0, seed=seed),
    "inverted": lambda seed: drawn(300, 25, lift=-0.3, seed=seed),
}


@pytest.mark.parametrize("kind", USELESS)
def test_students_of_a_useless_teacher_do_not_fit(kind: str, tmp_path: Path) -> None:
    job = job_of(tmp_path, samples(300, 25))
    teacher = Scores(val=USELESS[kind](1), test=USELESS[kind](2))
    report, outcome, path = finished(job, teacher, alike(teacher))
    student = report.rows[1]
    assert student.quality is not None
    assert student.quality.escape.count >= 18
    assert student.quality.paired is not None
    assert student.quality.paired.increase == 0, "by the rise over the teacher alone nothing is wrong"
    assert (report.selected, outcome.verdict, outcome.exit_code) == (None, "misses", 3)
    assert [row.gates["escape"].outcome for row in report.rows] == ["misses", "misses"]
    assert report.cautions
    assert "coin toss" in outcome.message
    for name, form in formats().items():
        text = " ".join(form.render(finished_report(path)).replace("\xa0", " ").split())
        assert "coin toss" in text, name
        assert f"{student.quality.escape.count} of 25" in text or name in ("csv", "json"), name
        assert not re.search(r"Defects caught( \||<[^/]*/>|<[^>]*>|\s)*holds", text), name


def test_a_good_teachers_student_fits_where_there_are_defects_enough_to_prove_it(tmp_path: Path) -> None:
    for defects, teachers, students, exit_code in (
        (200, "fits", "fits", 0),
        (100, "fits", "inconclusive", 0),
        (12, "inconclusive", "inconclusive", 4),
    ):
        shown = samples(600, defects)
        teacher = Scores(val=drawn(600, defects, lift=0.5, seed=1), test=drawn(600, defects, lift=0.5, seed=3))
        job = job_of(tmp_path, shown, gates={"overkill": {"max": 0.2}}, threshold={"max_overkill": 0.05})
        report, outcome, _ = finished(job, teacher, alike(teacher))
        assert [row.verdict for row in report.rows] == [teachers, students], defects
        assert outcome.exit_code == exit_code, defects
        assert report.cautions == []
    assert "at least 160 different defective parts" in outcome.message


def test_parts_seen_by_several_photographs_are_judged_whole_and_counted_once(tmp_path: Path) -> None:
    """Each defect shows on one of three photographs: by photograph two of three escape, by part none does."""
    shown = samples(600, 300, photographs=3)
    scores = drawn(600, 300, lift=0.5, seed=1)
    scores[600:][np.arange(300) % 3 != 0] = 0.4
    teacher = Scores(val=scores, test=scores)
    gates = {"gates": {"overkill": {"max": 0.3}}, "threshold": {"max_overkill": 0.05}}
    by_photograph = finished(job_of(tmp_path, shown, **gates), teacher, alike(teacher))[0].rows[1].quality
    data = {"root": "/data", "decide": "any"}
    by_part = finished(job_of(tmp_path, shown, data=data, **gates), teacher, alike(teacher))[0].rows[1].quality
    assert by_photograph is not None
    assert by_part is not None
    assert (by_photograph.escape.count, by_photograph.escape.of, by_photograph.escape.parts) == (200, 300, 100)
    assert (by_part.escape.count, by_part.escape.of, by_part.overkill.of) == (0, 100, 200)
    assert [(each.name, each.count, each.of) for each in by_photograph.by_kind] == [("pit", 200, 300)]
    assert len(by_photograph.by_group) == 100


def test_what_was_left_out_of_the_data_stands_in_every_form(tmp_path: Path) -> None:
    job = job_of(tmp_path, samples(300, 60))
    caution = "12 files belong to no sample, such as extra/12.png"
    job = replace(job, dataset=replace(job.dataset, notes=(caution,), cautions=(caution,)))
    teacher = Scores(val=drawn(300, 60, lift=0.5, seed=1), test=drawn(300, 60, lift=0.5, seed=3))
    report, outcome, path = finished(job, teacher, alike(teacher))
    assert report.cautions == [caution]
    assert f"mind: {caution}" in outcome.message
    for name, form in formats().items():
        assert "belong to no sample" in form.render(finished_report(path)), name


def test_a_written_report_holds_no_key_that_its_model_does_not_name(tmp_path: Path) -> None:
    teacher = Scores(val=drawn(300, 60, lift=0.5, seed=1), test=drawn(300, 60, lift=0.5, seed=3))
    report, _, path = finished(job_of(tmp_path, samples(300, 60)), teacher, alike(teacher))
    assert unnamed(report) == []
    read = finished_report(path).report
    assert read == report
    assert read.model_dump(mode="json", by_alias=True) == json.loads(path.read_text())


def unnamed(part: BaseModel, place: str = "") -> list[str]:
    found = [f"{place}.{key}" for key in part.model_extra or {}]
    for name in type(part).model_fields:
        value = getattr(part, name)
        each = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
        found += [key for inner in each if isinstance(inner, BaseModel) for key in unnamed(inner, f"{place}.{name}")]
    return found
