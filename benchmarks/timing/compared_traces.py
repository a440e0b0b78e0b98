"""Two traces from disk compared, if they may be: same machine, same versions, same pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...inspection.base.errors import MeasurementError
from ...targets.fingerprint import differences
from ..proof.ratio import Ratio, ratios_of_runs
from .interleaved import SHARES
from .measurement import Measurement
from .trace import read_trace

NOT_COVERED = (
    "the two did not run interleaved: what the machine did between them is in the ratio and not in its interval; "
    "for a ratio to rely on compare two rows of a run"
)
"""What a ratio of two traces always says of itself."""


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
