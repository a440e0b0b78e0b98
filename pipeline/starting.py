"""From a folder of good photographs to a first inspector: line file, memory of good parts, report and bundle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.special import logit

from ..inspection.base.errors import LineFileError
from ..inspection.base.storage import write_bytes
from ..inspection.data.dataset import SPLITS, Sample
from ..inspection.line.line import Line
from .console import Console
from .deploy.bundling import BundleOptions, bundle_rows
from .line.line_file import LineFile, load_line_file
from .report.reporting import write_report
from .run import Outcome, measured_rows, open_job, outcome_of
from .stages.build_teacher import make_teacher
from .stages.job import RunJob
from .stages.judge import RowResult
from .stages.rows import TEACHER, RowPlan, planned_rows, require_parts

FIRST = "memory"
"""The row that is there at once; the second one, a distilled student in int8, comes with `beltline run`."""

_STRANGE = 6.0
_MAD_TO_DEVIATION = 1.4826
_SHOWN = 12
_MINUTES = 0.05
_ASSUMED = Line(belt_speed_mm_s=300.0, part_pitch_mm=150.0, camera_to_ejector_mm=150.0)
_VIEWS = {"symmetries": "none", "zoom": 1.08, "aspect": 1.03, "rotation_deg": 2, "lighting": 0.5}
_STUDENT = {
    "distill": {
        "network": {"family": "timm", "backbone": "tf_efficientnet_lite0", "pretrained": True, "width": 32},
        "fit": {"epochs": 6, "samples_per_epoch": 400, "batch": 16, "learning_rate": 0.002, "augmentation": _VIEWS},
        "teacher": {"labels": 0, "score": 0, "heatmap": 0, "logits": 1},
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A photograph that lies far from all others, among the good ones.

    Attributes:
        path: Relative to the data's root.
        deviations: Of its score from the median, in robust standard deviations.
    """

    path: str
    deviations: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a start has made.

    Attributes:
        line_file: The line file that was written, or was there and gone on with.
        outcome: How the run ended.
        bundle: The first inspector.
        outliers: Photographs that may show no good part, the strangest first.
        left_out: Those that were left out for it.
    """

    line_file: Path
    outcome: Outcome
    bundle: Path
    outliers: tuple[Outlier, ...]
    left_out: tuple[Outlier, ...] = ()


def start_line(folder: Path, line_file: Path, *, runs: Path, without_outliers: bool, console: Console) -> Started:
    """Write a line file for a folder of good photographs and make its first inspector.

    Args:
        folder: Photographs of good parts, in any sub-folders.
        line_file: Where the line file is written; one that was written for the same folder is gone on with.
        runs: Folder of all runs.
        without_outliers: Whether photographs that lie far from all others are left out.
        console: Where progress goes.

    Raises:
        BeltlineError: What the user can correct, such as too few photographs.
    """
    _write_line_file(folder, line_file)
    started = _made(line_file, runs=runs, console=console)
    if not (without_outliers and started.outliers):
        return started
    _leave_out(line_file, [each.path for each in started.outliers])
    again = _made(line_file, runs=runs, console=console)
    return replace(again, left_out=started.outliers)


def line_text(folder: Path, name: str) -> str:
    """Write the line file: what is assumed of the belt is marked as such.

    Args:
        folder: The photographs.
        name: Of the line.
    """
    content: dict[str, Any] = {
        "name": name,
        "line": _ASSUMED.model_dump(include={"belt_speed_mm_s", "part_pitch_mm", "camera_to_ejector_mm"}),
        "data": {"root": str(folder), "reader": "good_parts"},
        "teacher": {"kind": "memory"},
        "recipes": [{"name": FIRST}, {"name": "student-int8", "steps": [_STUDENT, "quantize"]}],
        "gates": {"deadline_miss": {"max": 0.01, "confidence": 0.95}, "overkill": {"max": 0.05}},
    }
    lead = (
        "# Written by `beltline start`: good parts only, no defect is known yet.\n"
        "# The figures of the belt below are assumed: correct them, then `beltline run` this file.\n"
    )
    return lead + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def started_text(started: Started) -> str:
    """Say what was made and what is missing for a proof, for people."""
    lines = [started.outcome.message]
    if started.left_out:
        lines.append(f"left out, since they lie far from all others: {_listed(started.left_out)}")
    if started.outliers:
        lines.append(
            f"mind: these photographs lie far from all others; look whether they show good parts: "
            f"{_listed(started.outliers)}; `beltline start --without-outliers` leaves them out"
        )
    lines.append(f"line file: {started.line_file} (the belt's figures in it are assumed: correct them)")
    lines.append(f"bundle: {started.bundle}")
    lines.append(f"a smaller and faster inspector: beltline run {started.line_file}")
    return "\n".join(lines)


def _listed(outliers: Sequence[Outlier]) -> str:
    shown = ", ".join(f"{each.path} ({each.deviations:.0f} deviations)" for each in outliers[:_SHOWN])
    return shown + (f" and {len(outliers) - _SHOWN} more" if len(outliers) > _SHOWN else "")


def _write_line_file(folder: Path, line_file: Path) -> None:
    if not folder.is_dir():
        msg = f"{folder}: wanted a folder with photographs of good parts, got none there; correct the path"
        raise LineFileError(msg)
    if line_file.exists():
        if load_line_file(line_file).data.root != folder.resolve():
            msg = f"{line_file} is there already and is for other photographs; name another one with --output"
            raise LineFileError(msg)
        return
    cleaned = "".join(each if each.isalnum() and each.isascii() else "-" for each in folder.resolve().name).strip("-")
    write_bytes(line_file, line_text(folder.resolve(), (cleaned or "line")[:50]).encode())


def _leave_out(line_file: Path, paths: Sequence[str]) -> None:
    content = yaml.safe_load(line_file.read_text(encoding="utf-8"))
    content["data"]["leave_out"] = sorted({*content["data"].get("leave_out", ()), *paths})
    lead = "".join(line for line in line_file.read_text(encoding="utf-8").splitlines(True) if line.startswith("#"))
    write_bytes(line_file, (lead + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)).encode())


def _made(path: Path, *, runs: Path, console: Console) -> Started:
    first, plans = _first_rows(path)
    require_parts(plans, runs=True)
    with open_job(first, runs=runs, console=console) as opened:
        job, results = measured_rows(opened, plans)
        report = write_report(job, results)
        bundle = job.folder / "bundle" / f"{first.run_name}-{FIRST}.beltline"
        bundle.parent.mkdir(exist_ok=True)
        bundle_rows(job, results, report, BundleOptions(rows=(FIRST,), anyway=True, output=bundle))
        outcome = outcome_of(report, job.folder / "report.json")
        return Started(line_file=path, outcome=outcome, bundle=bundle, outliers=_outliers(job, results))


def _first_rows(path: Path) -> tuple[LineFile, tuple[RowPlan, ...]]:
    """Plan the teacher and the row that is it, both on the row's runtime: they share one artifact and its figures."""
    asked = load_line_file(path)
    recipes = tuple(each for each in asked.recipes if each.name == FIRST and not each.steps)
    if not recipes:
        way = f"write `- name: {FIRST}` under recipes, or go on with `beltline run {path}`"
        msg = f"{path}: wanted the recipe {FIRST} without steps, as `start` writes it, got none; {way}"
        raise LineFileError(msg)
    measure = asked.measure.model_copy(update={"minutes": _MINUTES})
    first = asked.model_copy(update={"recipes": recipes, "measure": measure})
    teacher, memory = planned_rows(first, baselines=False)
    return first, (replace(teacher, backend=memory.backend), memory)


def _outliers(job: RunJob, results: Sequence[RowResult]) -> tuple[Outlier, ...]:
    """Find good photographs that are strange to all others; those of train by the half that did not hold them."""
    teacher = next(result for result in results if result.plan.name == TEACHER)
    strangeness = json.loads((make_teacher(job).path.parent / "strangeness.json").read_text(encoding="utf-8"))
    found = {each["path"]: float(each["deviations"]) for each in strangeness}
    for split in SPLITS[1:]:
        scores = teacher.scored.val if split == "val" else teacher.scored.test
        found |= _logits(job.dataset.of(split), scores)
    values = np.array(list(found.values()))
    middle = float(np.median(values))
    spread = max(_MAD_TO_DEVIATION * float(np.median(np.abs(values - middle))), 0.1)
    far = {path: (value - middle) / spread for path, value in found.items() if value - middle > _STRANGE * spread}
    ordered = sorted(far.items(), key=lambda each: -each[1])
    return tuple(Outlier(path=path, deviations=round(value, 1)) for path, value in ordered)


def _logits(samples: Sequence[Sample], scores: Any) -> dict[str, float]:
    """Give the deviations of good photographs: a memory's logit is the deviations of good parts less four."""
    logits = logit(np.clip(scores, 1e-9, 1 - 1e-9)) + 4.0
    return {sample.path: float(value) for sample, value in zip(samples, logits, strict=True) if not sample.defective}
