"""The verb `bundle`: a run up to its report, of which only what is not done is done, and then the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...inspection.base.errors import BeltlineError, BundleError
from ...station.versions.admission import Verified, verify_bundle
from ..console import Console
from ..line.line_file import LineFile
from ..line.quick import quickened
from ..report.reporting import write_report
from ..run import measured_rows, open_job
from ..search.found import with_found
from ..stages.rows import RowPlan, planned_rows, require_parts
from .bundling import BundleOptions, bundle_rows
from .device_bundle import trtexec_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A bundle that was written and verified here.

    Attributes:
        path: The file.
        verified: What it stood.
        trtexec: The command that builds the engine by hand; None: the bundle is for this kind of machine.
    """

    path: Path
    verified: Verified
    trtexec: str | None = None


def bundle_job(line_file: LineFile, *, runs: Path, quick: bool, options: BundleOptions, console: Console) -> Bundled:
    """Write a bundle of a line's run and verify it as any other machine would.

    Raises:
        BeltlineError: Anything that the user can correct, such as a row that does not fit.
    """
    asked = with_found(quickened(line_file) if quick else line_file, runs)
    plans = _plans(asked, options)
    require_parts(plans, runs=True)
    with open_job(asked, runs=runs, console=console) as opened:
        job, results = measured_rows(opened, plans)
        path, _ = bundle_rows(job, results, write_report(job, results), options)
    try:
        return Bundled(path=path, verified=verify_bundle(path, other_device=True), trtexec=trtexec_of(path))
    except BeltlineError:
        path.unlink()
        raise


def _plans(line_file: LineFile, options: BundleOptions) -> tuple[RowPlan, ...]:
    """Plan the rows of a plain run; where a wanted row is none of them, the baselines as well."""
    wanted = {name.partition("@")[0] for name in options.rows}
    for baselines in (False, True):
        plans = planned_rows(line_file, baselines=baselines)
        known = {plan.name for plan in plans}
        if wanted <= known:
            return plans
    msg = f"--row: wanted one of {', '.join(sorted(known))}, got {', '.join(sorted(wanted - known))}"
    raise BundleError(msg)
