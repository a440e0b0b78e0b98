"""`beltline bench --compare A B`: two rows measured interleaved, or two traces where they may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..benchmarks.proof.ratio import Ratio
from ..benchmarks.timing.compared_traces import NOT_COVERED, compare_traces
from ..benchmarks.timing.interleaved import interleaved_ratio
from ..inspection.base.errors import LineFileError, MeasurementError
from .console import Console
from .line.line_file import LineFile
from .line.quick import quickened
from .run import Outcome, open_job, row_artifact
from .search.found import with_found
from .stages.interleaved import QUICK_ROUNDS, ROUNDS, measure_interleaved
from .stages.measure import require_on_devices, this_machine
from .stages.rows import RowPlan, planned_rows, require_parts

_TRACE = ".npz"


def are_traces(one: str, other: str) -> bool:
    """Whether two names mean trace files.

    Raises:
        MeasurementError: One does, the other does not.
    """
    kinds = {name.endswith(_TRACE) for name in (one, other)}
    if len(kinds) > 1:
        msg = f"--compare: wanted two rows or two traces ({_TRACE}), got {one} and {other}"
        raise MeasurementError(msg)
    return kinds.pop()


def compare_trace_files(one: Path, other: Path) -> Outcome:
    """Compare two traces.

    Raises:
        MeasurementError: One cannot be read, or they differ in what must be alike; the message names it.
    """
    return _outcome(str(one), str(other), compare_traces(one, other), rounds=None)


def compare_rows(
    line_file: LineFile,
    names: tuple[str, str],
    *,
    runs: Path,
    rounds: int | None = None,
    quick: bool = False,
    console: Console,
) -> Outcome:
    """Make two rows (what is made already is taken) and measure them interleaved on this machine.

    Args:
        line_file: What the user asked for.
        names: Two different rows of the run; the baselines count.
        runs: Folder of all runs.
        rounds: How often each takes its turn, >= 2; None: 8, or 3 where quick.
        quick: As in `run`.
        console: Where progress goes.

    Raises:
        LineFileError: No such row, or one row twice.
        BeltlineError: Anything else that the user can mend.
    """
    asked = with_found(quickened(line_file) if quick else line_file, runs)
    plans = _chosen(asked, names)
    require_parts(plans, runs=True)
    with open_job(asked, runs=runs, console=console) as job:
        device = this_machine(job.devices)
        require_on_devices(plans, (device,))
        artifacts = {plan.name: row_artifact(job, plan) for plan in plans}
        turns = measure_interleaved(
            job,
            artifacts,
            device,
            rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
            threads={plan.name: plan.threads for plan in plans if plan.threads is not None},
        )
    one, other = (turns[name] for name in names)
    return _outcome(*names, interleaved_ratio(one, other), rounds=len(one.times_ms["p50"]))


def _chosen(line_file: LineFile, names: tuple[str, str]) -> tuple[RowPlan, ...]:
    known = {plan.name: plan for plan in planned_rows(line_file, baselines=True)}
    for name in names:
        if name not in known:
            msg = f"--compare: wanted two of {', '.join(known)}, got {name!r}"
            raise LineFileError(msg)
    if names[0] == names[1]:
        msg = f"--compare: wanted two different rows, got {names[0]} twice"
        raise LineFileError(msg)
    return tuple(known[name] for name in names)


def _outcome(one: str, other: str, ratios: Mapping[str, Ratio], *, rounds: int | None) -> Outcome:
    lines = [_sentence(one, other, ratio) for ratio in ratios.values()]
    lines.append(f"measured interleaved, {rounds} rounds" if rounds else f"not interleaved: {NOT_COVERED}")
    return Outcome(
        verdict="done",
        exit_code=0,
        report=None,
        message="\n".join(lines),
        summary={
            "compared": [one, other],
            "interleaved": rounds is not None,
            "rounds": rounds,
            "ratio": {name: ratio.to_json() for name, ratio in ratios.items()},
        },
    )


def _sentence(one: str, other: str, ratio: Ratio) -> str:
    interval = f"{ratio.confidence:.0%}: {ratio.lower:.3f} to {ratio.upper:.3f}"
    certain = "" if ratio.differs else "; which is faster is not certain"
    return f"{ratio.statistic}: {one} takes {ratio.ratio:.3f} times as long as {other} ({interval}{certain})"
