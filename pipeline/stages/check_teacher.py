"""The teacher on val, before anything is compressed: whatever is compared with a useless one would seem to fit."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from ...compress.teacher.settings import TeacherSettings
from ...inspection.base.errors import WeightsError
from ...inspection.base.storage import write_json
from ...inspection.statistics.usefulness import Doubt, Usefulness, parts_needed, usefulness
from ..line.quick import QUICK
from .artifact import build_artifact
from .build_teacher import make_teacher
from .job import Made, RunJob
from .score import score_val
from .stages import Stage, run_stage
from .versions import runtime_of

_RUNTIME_OF_GRAPHS = "onnx_runtime"
_GOES_ON = "The run goes on, but no verdict can be `fits`"
_KEPT = "`beltline run` will compress nothing with it, or call nothing `fits`"
_OF_TRAINING = {
    "alike": "training did not get going: lower teacher.fit.learning_rate, or train for more epochs",
    "inverted": "that looks like labels that are swapped: check data.good and the labels",
    "chance": "train longer (teacher.fit.epochs, samples_per_epoch), show smaller defects (teacher.input_size, "
    "teacher.fit.augmentation.crop), and check the labels",
}
_OF_MEMORY = (
    "what it remembers of good parts does not tell these defects: give it larger frames (teacher.input_size) where "
    "they are small, more good photographs, or train on defects: leave kind: memory out"
)


def useful_teacher(job: RunJob, *, stops: bool = True) -> tuple[RunJob, Made]:
    """Make the teacher and judge it on val.

    A quick run trains too little to tell, and a val split of a few parts cannot: there it is said, and no row's verdict
    is `fits`. Scores that are all alike, or sort the wrong way round, stop every run.

    Args:
        job: The run.
        stops: Whether a useless teacher ends it; where nothing is built on the teacher, it is a doubt like the others.

    Returns:
        The job, which knows of a doubt, and the teacher.

    Raises:
        WeightsError: The teacher is useless; the message says what it looks like and what to do.
        GraphError: It gives something that is no score.
    """
    teacher = make_teacher(job)
    found = _judged(job, teacher)
    if found.finding in ("useful", "no defects"):
        return job, teacher
    settings = job.line_file.teacher
    doubt = Doubt(seen=_seen(found), advice=_looks_like(found, settings))
    quick = job.line_file.run_name.endswith(QUICK)
    if stops and (found.finding in ("alike", "inverted") or (found.finding == "chance" and not quick)):
        msg = f"teacher: {doubt.text}. Nothing was compressed: whatever is compared with it would seem to fit"
        raise WeightsError(msg)
    job.console.notify(f"CAUTION: teacher: {doubt.text}. {_GOES_ON if stops else _KEPT}")
    return replace(job, doubt=doubt), teacher


def _judged(job: RunJob, teacher: Made) -> Usefulness:
    seed = job.line_file.seed
    runtime, checkpoint = (_RUNTIME_OF_GRAPHS, None) if teacher.path.suffix == ".onnx" else ("torch_eager", teacher)
    inputs = {"teacher": teacher.key, "data": job.dataset.digest, "seed": seed}
    stage = Stage(name="check teacher", inputs={**inputs, "runtime": runtime_of(runtime, teacher.path)})

    def work(folder: Path) -> None:
        scores = score_val(job, build_artifact(job, runtime, teacher, checkpoint), "teacher")
        write_json(folder / "usefulness.json", asdict(usefulness(scores, job.dataset.of("val"), seed=seed)))

    folder = run_stage(job.folder, stage, work, notify=job.console.detail)
    stored = json.loads((folder / "usefulness.json").read_text(encoding="utf-8"))
    return Usefulness(**{**stored, "interval": tuple(stored["interval"])})


def _seen(found: Usefulness) -> str:
    """Say what the scores show."""
    if found.finding == "alike":
        return f"all its scores on val are {found.score:.4g}"
    low, high = found.interval
    area = (
        f"its AUROC on val is {found.auroc:.3f}, with 95 % confidence {low:.2f} to {high:.2f}, and 0.5 is a coin toss"
    )
    if found.finding == "inverted":
        return f"{area}: it sorts the wrong way round (1 - AUROC is {1 - found.auroc:.3f})"
    return area


def _looks_like(found: Usefulness, settings: TeacherSettings) -> str:
    """Say what that usually comes from, and what to do."""
    if found.finding == "too few":
        return (
            f"val shows {found.defective_parts} defective and {found.good_parts} good parts, too few to tell a good "
            f"teacher from a useless one: give val at least {parts_needed()} of each"
        )
    if settings.good_only:
        return _OF_MEMORY
    if settings.factory is not None or (settings.kind is not None and settings.compares is None):
        return _of_another_tool(settings, inverted=found.finding == "inverted")
    if settings.weights is not None or settings.onnx is not None:
        return "that looks like a model of another line, or one that was fed otherwise: check the file and the data"
    return _OF_TRAINING[found.finding]


def _of_another_tool(settings: TeacherSettings, *, inverted: bool) -> str:
    if inverted:
        other = 0 if settings.good_class else 1
        return (
            f"that looks like the class order: write good_class: {other}, or give an anomaly map of larger = stranger"
        )
    how = settings.normalisation or f"mean {settings.mean} and std {settings.std}"
    return (
        f"that looks like another normalisation than the weights were trained with (now {how}, channels "
        f"{settings.channels}), a wrong class order or kind of output (now good_class {settings.good_class}, "
        f"{settings.reading.output}), or weights of another training"
    )
