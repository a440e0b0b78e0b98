"""`beltline bench --compare A B`: two rows measured interleaved, or two traces where they may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..benchmarks.proof.ratio import Ratio, ratios_of_runs
from ..benchmarks.timing.interleaved import SHARES, interleaved_ratio
from ..benchmarks.timing.measurement import Measurement, read_trace
from ..inspection.base.errors import LineFileError, MeasurementError
from ..targets.fingerprint import differences
from .console import Console
from .line.line_file import LineFile
from .line.quick import quickened
from .run import Outcome, open_job, row_artifact
from .search.found import with_found
from .stages.interleaved import QUICK_ROUNDS, ROUNDS, measure_interleaved
from .stages.measure import require_on_devices, this_machine
from .stages.rows import RowPlan, planned_rows, require_parts

_TRACE = ".npz"

NOT_COVERED = (
    "the two did not run interleaved: what the machine did between them is in the ratio and not in its interval; "
    "for a ratio to rely on compare two rows of a run"
)
"""What a ratio of two traces always says of itself."""


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
        BeltlineError: Anything else that the user can correct.
    """
    asked = with_found(quickened(line_file) if quick else line_file, runs)
    plans = _chosen(asked, names)
    require_parts(plans, runs=True)
    with open_job(asked, runs=runs, console=console) as job:
        device = this_machine(job.devices)
        require_on_devices(plans, (device,))
        artifacts = {plan.name: row_artifact(job, plan) for plan in plans}
        measurements = measure_interleaved(
            job,
            artifacts,
            device,
            rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
            threads={plan.name: plan.threads for plan in plans if plan.threads is not None},
        )
    one, other = (measurements[name] for name in names)
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
    lines = []
    for ratio in ratios.values():
        interval = f"{ratio.confidence:.0%}: {ratio.lower:.3f} to {ratio.upper:.3f}"
        certain = "" if ratio.differs else "; which is faster is not certain"
        lines.append(f"{ratio.statistic}: {one} takes {ratio.ratio:.3f} times as long as {other} ({interval}{certain})")
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


def compare_traces(path: Path, against: Path) -> Mapping[str, Ratio]:
    """Give the ratio of response times of two traces: `p50` and `p99`, the first over the second.

    Raises:
        MeasurementError: One cannot be read, is too short, or the two differ in what a comparison needs alike: the
            message names each difference.
    """
    one, other = read_trace(path), read_trace(against)
    if found := unlike(one, other):
        msg = (
            f"{path} and {against} cannot be compared: {'; '.join(found)}; measure both again on one machine, "
            "or compare two rows of a run, which are measured interleaved"
        )
        raise MeasurementError(msg)
    return ratios_of_runs(one.response_ns, other.response_ns, shares=dict(SHARES))


def unlike(one: Measurement, other: Measurement) -> tuple[str, ...]:
    """Name all that differs between two measurements and must not: machine, versions, threads, CPUs, mode, arrivals.

    Returns:
        Such as `mode: 'belt' against 'back_to_back'`; empty where they may be compared.
    """
    return (*differences(one.fingerprint, other.fingerprint), *differences(_terms(one), _terms(other)))


def _terms(measurement: Measurement) -> dict[str, Any]:
    run = measurement.fingerprint.get("run", {})
    arrivals = asdict(measurement.arrivals) if measurement.arrivals else {}
    return {
        "mode": measurement.mode,
        "threads": run.get("threads"),
        "pinned_cpus": run.get("pinned_cpus"),
        **{f"arrivals.{name}": value for name, value in arrivals.items()},
    }
