"""What came between while frames were judged: other processes, other machines, memory, heat."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...inspection.base.errors import MeasurementError
from ...targets.conditions import counters, grown
from .measurement import Measurement

_TRIES = 8
_SUSPENDED_NS = 10_000_000
_LARGEST_SLEW = 1e-3
_READING_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Three clocks read at (nearly) the same moment, in ns.

    Attributes:
        monotonic_ns: The one that frames are timed with.
        boot_ns: It goes on while the machine is suspended.
        raw_ns: It is never set.
    """

    monotonic_ns: int
    boot_ns: int
    raw_ns: int


def read_clocks() -> Clocks:
    """Read all clocks, as close together as a few tries allow."""
    tries = [_read_once() for _ in range(_TRIES)]
    return min(tries, key=lambda each: each[0])[1]


def clock_problem(before: Clocks, after: Clocks) -> str | None:
    """Say what was wrong with the clock between two readings, or None.

    A pace more than 0.1 % off counts: setting the time by `adjtime` stays within 0.05 %.

    >>> before = Clocks(monotonic_ns=0, boot_ns=0, raw_ns=0)
    >>> clock_problem(before, Clocks(monotonic_ns=10**9, boot_ns=3 * 10**9, raw_ns=10**9))
    'the machine was suspended for 2 s'
    """
    passed_ns = after.monotonic_ns - before.monotonic_ns
    suspended_ns = after.boot_ns - before.boot_ns - passed_ns
    if suspended_ns > _SUSPENDED_NS:
        return f"the machine was suspended for {suspended_ns / 1e9:.3g} s"
    off_ns = passed_ns - (after.raw_ns - before.raw_ns)
    if abs(off_ns) > _READING_NS + _LARGEST_SLEW * abs(passed_ns):
        return f"the clock was set while it ran: it is {off_ns / 1e6:+.3g} ms off after {passed_ns / 1e9:.3g} s"
    return None


def _read_once() -> tuple[int, Clocks]:
    begin_ns = time.perf_counter_ns()
    boot_ns, raw_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    end_ns = time.perf_counter_ns()
    return end_ns - begin_ns, Clocks(monotonic_ns=(begin_ns + end_ns) // 2, boot_ns=boot_ns, raw_ns=raw_ns)


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
