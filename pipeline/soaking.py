"""`beltline bench --soak`: one row under the line's load for as long as asked, and the verdict on its steady state."""

from __future__ import annotations

from pathlib import Path

from ..benchmarks.report.files import soak_folder
from ..benchmarks.report.reading import read_report
from ..benchmarks.soak.folder import already_s
from ..benchmarks.soak.ordering import soak
from ..benchmarks.soak.schema import SoakSummary
from ..benchmarks.soak.summarising import summarise
from ..export.contracts import Artifact
from ..inspection.base.durations import describe_duration
from ..inspection.base.errors import LineFileError
from ..inspection.base.storage import write_json
from ..inspection.data.dataset import evenly
from ..inspection.data.streaming import frames_of
from .console import Console
from .line.line_file import LineFile
from .line.quick import quickened
from .run import Outcome, open_job, row_artifact
from .search.found import with_found
from .soak_view import soak_view
from .stages.job import RunJob
from .stages.rows import RowPlan, planned_rows, require_parts

_OFFERED_FRAMES = 64
_EXIT_CODES = {"fits": 0, "misses": 3, "inconclusive": 4}
_STOPPED = 130


def soak_row(
    line_file: LineFile, *, runs: Path, seconds: float, row: str | None = None, quick: bool = False, console: Console
) -> Outcome:
    """Soak one row on this machine, or go on with its soak; Ctrl-C ends it with trace and summary kept.

    Args:
        line_file: What the user asked for.
        runs: Folder of all runs.
        seconds: How long the belt runs in all, > 0.
        row: Which row; None: the selected one, or the cheapest candidate where none was selected yet.
        quick: In the run folder of `--quick`.
        console: Where progress goes.

    Raises:
        LineFileError: There is no such row, or the line names no device that is this machine.
        BeltlineError: Anything else that the user can mend.
    """
    asked = with_found(quickened(line_file) if quick else line_file, runs)
    if not any(target.ssh is None for target in asked.target):
        msg = "a soak runs on the machine that it is started on, but target names others only; log in there to soak"
        raise LineFileError(msg)
    with open_job(asked, runs=runs, console=console, measures=False) as job:
        plan, artifact = _chosen(job, row)
        folder = soak_folder(job.folder, plan.name)
        stopped = _soaked(job, plan, artifact, folder, seconds)
        gate = job.line_file.gates.deadline_miss
        console.notify(f"{plan.name}: reading the trace")
        summary = summarise(folder, row=plan.name, asked_s=seconds, deadline_ms=job.budget.deadline_ms, gate=gate)
        write_json(folder / "soak.json", summary.model_dump(mode="json", by_alias=True))
        return _outcome(summary, folder / "soak.json", stopped=stopped)


def _chosen(job: RunJob, name: str | None) -> tuple[RowPlan, Artifact]:
    plans = planned_rows(job.line_file, baselines=True)
    if name is not None:
        return _made(job, _named(plans, name))
    if (selected := _selected(job.folder / "report.json")) is not None:
        return _made(job, _named(plans, selected))
    candidates = [plan for plan in plans if plan.role == "candidate"] or [plans[0]]
    made = [_made(job, plan) for plan in candidates]
    return min(made, key=lambda each: each[1].size_bytes)


def _made(job: RunJob, plan: RowPlan) -> tuple[RowPlan, Artifact]:
    require_parts((plan,), runs=True)
    return plan, row_artifact(job, plan)


def _named(plans: tuple[RowPlan, ...], name: str) -> RowPlan:
    found = next((plan for plan in plans if plan.name == name), None)
    if found is None:
        msg = f"--row: wanted one of {', '.join(plan.name for plan in plans)}, got {name!r}"
        raise LineFileError(msg)
    return found


def _selected(report: Path) -> str | None:
    """Read which row was selected by the last measurement, if there was one."""
    return read_report(report)["selected"] if report.exists() else None


def _soaked(job: RunJob, plan: RowPlan, artifact: Artifact, folder: Path, seconds: float) -> bool:
    """Run the belt until its time is reached; says whether the user stopped it first."""
    name = plan.name
    samples = evenly(job.dataset.of("test"), _OFFERED_FRAMES)
    rate, so_far_s = job.budget.arrivals.frames_per_s, already_s(folder)
    if so_far_s:
        job.console.notify(f"{name}: {describe_duration(so_far_s)} are soaked already; going on from there")
    view = soak_view(job.console, name, asked_s=seconds, already_s=so_far_s, frames_per_s=rate)
    try:
        with view as progress:
            soak(
                artifact,
                list(frames_of(job.dataset, samples)),
                arrivals=job.budget.arrivals,
                seconds=seconds,
                deadline_ms=job.budget.deadline_ms,
                target=job.target.with_threads(plan.threads),
                folder=folder,
                progress=progress,
            )
    except KeyboardInterrupt:
        if not already_s(folder):
            raise
        return True
    return False


def _outcome(summary: SoakSummary, path: Path, *, stopped: bool) -> Outcome:
    lines = [f"{summary.verdict}: {summary.row}", *summary.reasons, *summary.next_steps, f"soak: {path}"]
    if stopped:
        left = describe_duration(max(0.0, summary.asked_s - summary.measured_s))
        lines.append(f"stopped with {left} left; trace and summary are kept, and the same command goes on from here")
    return Outcome(
        verdict=summary.verdict,
        exit_code=_STOPPED if stopped else _EXIT_CODES[summary.verdict],
        report=None,
        message="\n".join(lines),
        summary={"row": summary.row, "soak_json": str(path), "stopped": stopped, "measured_s": summary.measured_s},
    )
