"""What came between while frames were judged: other processes, other machines, memory, heat."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ...inspection.base.errors import MeasurementError
from ...targets.conditions import counters, grown
from .clock import clock_problem, read_clocks
from .measurement import Measurement


@contextmanager
def watching_disturbances(cpus: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Watch a stretch of a measurement.

    Args:
        cpus: Logical CPUs that the process is pinned to.

    Yields:
        An empty dict; at the end it holds, of this process and all its threads, `involuntary_switches` (the processor
        was taken away), `voluntary_switches`, `minor_page_faults` and `major_page_faults` (these wait for a disk), and
        what `targets.conditions.counters` counted meanwhile.

    Raises:
        MeasurementError: The machine was suspended or its clock was set meanwhile; no time in the trace can be true.
    """
    found: dict[str, Any] = {}
    watched = tuple(cpus)
    clocks, before = read_clocks(), _reading(watched)
    yield found
    found.update(grown(before, _reading(watched)))
    if problem := clock_problem(clocks, read_clocks()):
        msg = f"{problem} while measuring; keep the machine awake, let its time settle, and measure again"
        raise MeasurementError(msg)


def circumstances(measurement: Measurement) -> dict[str, Any]:
    """Gather what a measurement notes of its circumstances.

    Returns:
        JSON-able: `timer` (see `timer.Timer`; None back to back), `disturbances` (see above), `before` and `after`
        (see `targets.conditions.conditions`).
    """
    run = measurement.fingerprint.get("run", {})
    return {
        "timer": run.get("timer"),
        "disturbances": run.get("disturbances", {}),
        "before": measurement.fingerprint.get("conditions", {}),
        "after": run.get("conditions_after", {}),
    }


def _reading(cpus: tuple[int, ...]) -> dict[str, float | None]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "involuntary_switches": used.ru_nivcsw,
        "voluntary_switches": used.ru_nvcsw,
        "minor_page_faults": used.ru_minflt,
        "major_page_faults": used.ru_majflt,
        **counters(cpus=cpus),
    }
