"""The whole job: data, teacher, recipes, export, measurement, verdict, report; resumable at every stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ..benchmarks.report.decision import next_steps, overall_verdict, shown_row
from ..benchmarks.report.schema import Report
from ..export.contracts import Artifact
from ..export.parity import Parity
from ..inspection.base.errors import RecipeError
from ..inspection.base.storage import write_bytes, write_json
from ..inspection.data.loading import load_dataset, splits_json
from ..inspection.line.line import budget_of
from ..inspection.statistics.usefulness import Doubt
from .console import Console
from .deploy.bundling import bundle_selected
from .line.line_file import LineFile, lock_text
from .line.quick import quickened
from .report.reporting import write_report
from .search.searching import require_search, search
from .stages.artifact import build_artifact
from .stages.build import count, make_graph, make_module
from .stages.check_teacher import useful_teacher
from .stages.interleaved import QUICK_ROUNDS, ROUNDS, Compared, compared, measure_interleaved
from .stages.job import DOUBT, Made, RunJob
from .stages.judge import RowResult
from .stages.measure import Device, devices_of, meet, on_each, require_on_devices, this_machine
from .stages.rows import RowPlan, planned_rows, require_parts, without_missing
from .stages.run_folder import open_run
from .stages.score import check_parity, measure_latency, score_model

Until = Literal["train", "compress", "export", "bench", "report"]
_EXIT_CODES = {"fits": 0, "misses": 3, "inconclusive": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        verdict: `fits`, `misses`, `inconclusive`, or `done` where the verb stops before judging.
        exit_code: As in the README.
        report: `report.html`, if it was written.
        message: For people, one or more lines.
        summary: JSON-able, for `--json`.
    """

    verdict: str
    exit_code: int
    report: Path | None
    message: str
    summary: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row while it is being made."""

    plan: RowPlan
    module: Made
    exported: Made | None = None
    graph: Made | None = None


def run_job(
    line_file: LineFile,
    *,
    runs: Path,
    quick: bool = False,
    baselines: bool = False,
    until: Until = "report",
    console: Console,
) -> Outcome:
    """Do the job, or the part of it up to a verb; what is done already is not done again.

    Args:
        line_file: What the user asked for.
        runs: Folder of all runs.
        quick: Fewer epochs and frames, in a run folder of its own.
        baselines: Add the rows that one would otherwise choose.
        until: The last part to do.
        console: Where progress goes.

    Raises:
        BeltlineError: What the user can correct; nothing half-written is left.
    """
    asked = quickened(line_file) if quick else line_file
    plans = without_missing(planned_rows(asked, baselines=baselines), notify=console.notify)
    searches = asked.search is not None and until != "train"
    if until != "train":
        require_parts(plans, runs=until != "compress")
        require_search(asked, notify=console.notify)
    with open_job(asked, runs=runs, console=console, measures=searches or until in ("bench", "report")) as met:
        require_on_devices(plans, met.devices)
        if until == "train":
            known, teacher = useful_teacher(met, stops=False)
            return _made(until, [teacher.path], doubt=known.doubt)
        known, teacher = useful_teacher(met)
        job, plans = _searched(known, teacher, baselines=baselines) if searches else (known, plans)
        rows = [row for plan in plans for row in _compressed(job, plan, teacher)]
        if until == "compress":
            return _made(until, [row.module.path for row in rows], doubt=job.doubt)
        rows = [_with_graph(job, row) for row in rows]
        if until == "export":
            return _made(until, [_built(job, row)[0].path for row in rows], doubt=job.doubt)
        results = [result for row in rows for result in _tried(job, row)]
        if baselines:
            results = _interleaved(job, results, rounds=QUICK_ROUNDS if quick else ROUNDS)
        report = write_report(job, results)
        return outcome_of(report, job.folder / "report.json", bundle=bundle_selected(job, results, report))


@contextmanager
def open_job(line_file: LineFile, *, runs: Path, console: Console, measures: bool = True) -> Iterator[RunJob]:
    """Take a line's run folder, meet its devices and read its data; the folder is this process's until the block ends.

    Args:
        line_file: What the user asked for.
        runs: Folder of all runs.
        console: Where progress goes.
        measures: Whether the devices are needed; they also are where a step works towards an engine time.

    Raises:
        BeltlineError: The folder is in use, a device cannot be reached, or the data cannot be read.
    """
    times = any(step.settings.wanted_ms is not None for recipe in line_file.recipes for step in recipe.steps)
    with open_run(runs, line_file.run_name) as folder:
        targets = line_file.target if measures or times else [each for each in line_file.target if each.ssh is None]
        devices = meet(targets, threads=line_file.threads, console=console)
        yield _job(line_file, folder, console, devices)


def measured_rows(job: RunJob, plans: Sequence[RowPlan]) -> tuple[RunJob, list[RowResult]]:
    """Make, score and measure rows; what is done already is taken.

    Returns:
        The job, which knows of a doubt in its teacher, and the rows.
    """
    job, teacher = useful_teacher(job)
    rows = [_Row(plan=plan, module=make_module(job, plan, teacher)) for plan in plans]
    return job, [result for row in rows for result in _tried(job, _with_graph(job, row))]


def row_artifact(job: RunJob, plan: RowPlan) -> Artifact:
    """Make what a row runs, its decisions compared with torch's; what is made already is taken."""
    job, teacher = useful_teacher(job)
    module = make_module(job, plan, teacher)
    return _built(job, _with_graph(job, _Row(plan=plan, module=module)))[0]


def outcome_of(report: Report, path: Path, *, bundle: Path | None = None) -> Outcome:
    """Say how a run ended, from its report.

    Args:
        report: The report, checked.
        path: Its report.json; the page lies beside it, if there is one.
        bundle: The selected row as a bundle, if there is one.
    """
    verdict, shown, page = overall_verdict(report), shown_row(report), path.with_name("report.html")
    cautions = [f"mind: {caution}" for caution in report.cautions]
    lines = [f"{verdict}: {shown.name}", *shown.reasons, *cautions, *next_steps(report)]
    lines += [f"{name}: {file}" for name, file in (("report", page), ("bundle", bundle)) if file and file.exists()]
    return Outcome(
        verdict=verdict,
        exit_code=_EXIT_CODES[verdict],
        report=page if page.exists() else None,
        message="\n".join(lines),
        summary={
            "selected": report.selected,
            "report_json": str(path),
            "bundle": None if bundle is None else str(bundle),
            "cautions": report.cautions,
        },
    )


def _job(line_file: LineFile, folder: Path, console: Console, devices: tuple[Device, ...]) -> RunJob:
    started = datetime.now(tz=timezone.utc).isoformat(timespec="seconds")
    write_bytes(folder / "line.lock.yaml", lock_text(line_file).encode())
    with console.progress("data") as advance:
        dataset = load_dataset(
            line_file.data,
            camera=line_file.camera,
            cache=folder / "index.sqlite",
            progress=lambda done, of: advance("files", done, of),
            needs_defects=not line_file.teacher.good_only,
        )
    for note in dataset.notes:
        console.notify(f"data: {note}")
    write_json(folder / "splits.json", splits_json(dataset))
    return RunJob(
        folder=folder,
        line_file=line_file,
        budget=budget_of(line_file.line, seed=line_file.seed),
        dataset=dataset,
        target=this_machine(devices).target,
        devices=devices,
        console=console,
        started=started,
    )


def _searched(job: RunJob, teacher: Made, *, baselines: bool) -> tuple[RunJob, tuple[RowPlan, ...]]:
    """Search for recipes; from here on the run is one whose line file names them."""
    line_file = job.line_file.model_copy(update={"recipes": search(job, teacher).recipes})
    plans = without_missing(planned_rows(line_file, baselines=baselines), notify=job.console.detail)
    return replace(job, line_file=line_file), plans


def _compressed(job: RunJob, plan: RowPlan, teacher: Made) -> list[_Row]:
    """Work off a row's module steps; a baseline that the teacher does not allow, such as half of a tiny one, is no row.

    Raises:
        RecipeError: A step of the user's own cannot be applied.
    """
    try:
        return [_Row(plan=plan, module=make_module(job, plan, teacher))]
    except RecipeError as error:
        if plan.role != "baseline":
            raise
        job.console.notify(f"{plan.name} is left out: {error}")
        return []


def _with_graph(job: RunJob, row: _Row) -> _Row:
    """Export, except where torch runs the checkpoint itself."""
    if row.plan.backend == "torch_eager":
        return row
    exported, graph = make_graph(job, row.plan, row.module)
    return _Row(plan=row.plan, module=row.module, exported=exported, graph=graph)


def _sources(row: _Row) -> tuple[Made, Made | None]:
    """What the backend builds from, and the checkpoint behind it while its numbers are still those of the graph."""
    if row.graph is None:
        return row.module, row.module
    return row.graph, row.module if row.graph is row.exported and row.module.path.suffix != ".onnx" else None


def _built(job: RunJob, row: _Row) -> tuple[Artifact, Parity | None]:
    """Build a row's artifact and compare its decisions with torch's, where torch has the network."""
    artifact = build_artifact(job, row.plan.backend, *_sources(row))
    if row.exported is None or row.module.path.suffix == ".onnx":
        return artifact, None
    return artifact, check_parity(job, row.module, row.exported, artifact, row.plan.name)


def _tried(job: RunJob, row: _Row) -> list[RowResult]:
    """Build and score a row here, and measure it on all its devices at the same time."""
    name, devices = row.plan.name, devices_of(row.plan, job.devices)
    job.console.notify(f"{name}: build, score, measure")
    artifact, parity = _built(job, row)
    counts, scored = count(job, row.module), score_model(job, artifact, name)
    named = {device.name: name if len(devices) == 1 else f"{name}@{device.name}" for device in devices}

    def on(device: Device) -> RowResult:
        return RowResult(
            name=named[device.name],
            plan=row.plan,
            artifact=artifact,
            counts=counts,
            scored=scored,
            timed=measure_latency(job, artifact, named[device.name], device),
            parity=parity,
            device=device,
        )

    return on_each(devices, on)


def _interleaved(job: RunJob, results: Sequence[RowResult], *, rounds: int) -> list[RowResult]:
    """Let all rows of a device are interleaved, so that their ratios do not hang on the hour each was measured in."""
    found: dict[str, Compared] = {}
    for name in dict.fromkeys(result.device.name for result in results):
        here = [result for result in results if result.device.name == name]
        device = max((result.device for result in here), key=lambda each: each.target.threads)
        artifacts = {result.name: result.artifact for result in here}
        threads = {result.name: result.plan.threads for result in here if result.plan.threads is not None}
        if len(artifacts) > 1:
            found.update(compared(measure_interleaved(job, artifacts, device, rounds=rounds, threads=threads)))
    return [replace(result, compared=found.get(result.name)) for result in results]


def _made(until: Until, paths: list[Path], *, doubt: Doubt | None) -> Outcome:
    files = list(dict.fromkeys(str(path) for path in paths))
    cautions = [] if doubt is None else [f"{DOUBT}: {doubt.text}."]
    return Outcome(
        verdict="done",
        exit_code=0,
        report=None,
        message="\n".join([*files, *(f"mind: {caution}" for caution in cautions)]),
        summary={"until": until, "files": files, "cautions": cautions},
    )
