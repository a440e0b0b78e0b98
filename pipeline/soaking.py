"""`beltline bench --soak`: one row under the line's load for as long as asked, and the verdict on its steady state."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from ..benchmarks.report.files import soak_folder
from ..benchmarks.report.reading import read_report
from ..benchmarks.soak.folder import already_s
from ..benchmarks.soak.ordering import soak
from ..benchmarks.soak.schema import SoakSummary
from ..benchmarks.soak.summarising import summarise
from ..benchmarks.timing.measuring import Progress
from ..export.contracts import Artifact
from ..inspection.base.durations import describe_duration
from ..inspection.base.errors import LineFileError
from ..inspection.base.storage import write_json
from ..inspection.data.streaming import frames_of, held_together
from .console import Console
from .line.line_file import LineFile
from .line.quick import quickened
from .run import Outcome, open_job, row_artifact
from .search.found import with_found
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
        BeltlineError: Anything else that the user can correct.
    """
    asked = with_found(quickened(line_file) if quick else line_file, runs)
    if not any(target.ssh is None for target in asked.target):
        msg = "a soak runs on the machine that it is started on, but target names others only; log in there to soak"
        raise LineFileError(msg)
    for_processors = any(step.settings.made_for(7) for recipe in asked.recipes for step in recipe.steps)
    with open_job(asked, runs=runs, console=console, measures=for_processors) as job:  # as the rows were made
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
    report = job.folder / "report.json"
    if report.exists() and (selected := read_report(report)["selected"]) is not None:
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


def _soaked(job: RunJob, plan: RowPlan, artifact: Artifact, folder: Path, seconds: float) -> bool:
    """Run the belt until its time is reached; says whether the user stopped it first."""
    name = plan.name
    samples = held_together(job.dataset, job.dataset.of("test"), _OFFERED_FRAMES)
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


_PLAIN_EVERY_S = 10.0
_PLAIN_LINES = 200


@contextmanager
def soak_view(
    console: Console, label: str, *, asked_s: float, already_s: float, frames_per_s: float
) -> Iterator[Progress]:
    """Show how a soak stands, from what its recorder reports; the measurement never waits for this.

    Args:
        console: Where it goes.
        label: What is soaked.
        asked_s: How long the belt is to run.
        already_s: How long it has run in earlier sessions.
        frames_per_s: What the belt brings.

    Yields:
        Takes the facts that the recorder reports, about once a second.
    """
    with console.live() as show:
        if show is None:
            show_line = _in_lines(console, label, every_s=max(_PLAIN_EVERY_S, asked_s / _PLAIN_LINES))
        last = {"frames": 0, "at_s": time.monotonic()}

        def progress(facts: Mapping[str, Any]) -> None:
            if "frames" not in facts:
                console.notify(f"{label}: {facts.get('waiting', '')}")
                return
            now_s = time.monotonic()
            rate = (facts["frames"] - last["frames"]) / max(1e-3, now_s - last["at_s"])
            last.update(frames=facts["frames"], at_s=now_s)
            left_s = max(0.0, asked_s - already_s - facts["frames"] / frames_per_s)
            shown = shown_facts(facts, rate=rate, left_s=left_s)
            if show is None:
                show_line(shown)
            else:
                show(_table(label, shown))

        yield progress


def shown_facts(facts: Mapping[str, Any], *, rate: float, left_s: float) -> dict[str, str]:
    """Format the facts, by their headings; a dash where the device shows nothing.

    >>> facts = {"frames": 900, "misses": 1, "p50_ms": 1.25, "p99_ms": 2.0, "temperature_c": 61.4, "clock_mhz": None}
    >>> " ".join(f"{name} {figure}" for name, figure in shown_facts(facts, rate=99.6, left_s=300).items())
    'frames/s 99.6 p50 1.25 ms p99 2.00 ms late 1 of 900 temperature 61 °C clock - left 5 min'
    """
    p50, p99, temperature, clock = (facts.get(name) for name in ("p50_ms", "p99_ms", "temperature_c", "clock_mhz"))
    return {
        "frames/s": f"{rate:.1f}",
        "p50": "-" if p50 is None else f"{p50:.2f} ms",
        "p99": "-" if p99 is None else f"{p99:.2f} ms",
        "late": f"{facts['misses']:,} of {facts['frames']:,}",
        "temperature": "-" if temperature is None else f"{temperature:.0f} °C",
        "clock": "-" if clock is None else f"{clock:,.0f} MHz",
        "left": describe_duration(left_s),
    }


def _table(label: str, shown: Mapping[str, str]) -> Table:
    table = Table(title=label, title_justify="left")
    for name in shown:
        table.add_column(name, justify="right")
    table.add_row(*shown.values())
    return table


def _in_lines(console: Console, label: str, *, every_s: float) -> Callable[[Mapping[str, str]], None]:
    last_s = time.monotonic()

    def show(shown: Mapping[str, str]) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= every_s:
            last_s = time.monotonic()
            console.notify(f"{label}: " + ", ".join(f"{name} {figure}" for name, figure in shown.items()))

    return show
