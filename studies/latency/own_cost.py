"""What does measuring cost, and how late is it itself? `python -m beltline.studies.latency.own_cost`.

The measuring loop offers frames that need no work: back to back, which shows what it adds to each frame, and at
several periods, which shows how late the pacer starts a frame that finds the device idle.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat

import numpy as np

from ...benchmarks.timing.disturbances import watching_disturbances
from ...benchmarks.timing.loop import AT_ONCE, offer
from ...benchmarks.timing.process import pin, undisturbed
from ...benchmarks.timing.timer import NO_FRAME, Timer, examine_timer, lateness_ns, no_work
from ...benchmarks.timing.worker import Recorder, room_for
from ...inspection.statistics.quantile import quantiles

PERIODS_MS = (1.0, 10.0, 100.0)
SECONDS = 10.0

_NEVER_NS = 1 << 62
_BACK_TO_BACK = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopCost:
    """What the loop adds to a frame, medians over many, in ns.

    Attributes:
        frame_ns: From one start to the next, with no work between: everything that measuring takes.
        timed_ns: Share of it that lies between start and decision, and so in every response time.
    """

    frame_ns: float
    timed_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late frames without work were started.

    Attributes:
        period_ms: One was due so often.
        frames: How many.
        p50_us: Median lateness.
        p99_us: 99th percentile.
        max_us: The latest.
    """

    period_ms: float
    frames: int
    p50_us: float
    p99_us: float
    max_us: float


def loop_cost(*, frames: int = _BACK_TO_BACK) -> LoopCost:
    """Offer frames that need no work back to back.

    Args:
        frames: How many, >= 2.
    """
    recorder = Recorder(rows=room_for(frames), end_ns=_NEVER_NS)
    offer(no_work, [NO_FRAME], repeat(AT_ONCE, frames), note=recorder.note, in_slack=lambda: None)
    started_ns, decided_ns = recorder.rows[:, 1], recorder.rows[:, 4]
    return LoopCost(frame_ns=float(np.median(np.diff(started_ns))), timed_ns=float(np.median(decided_ns - started_ns)))


def lateness(period_ms: float, timer: Timer, *, seconds: float = SECONDS) -> Lateness:
    """Offer frames that need no work at a period.

    Args:
        period_ms: From frame to frame, > 0.
        timer: Says how long to spin.
        seconds: For so long.
    """
    frames = max(2, round(1000 * seconds / period_ms))
    late_ns = lateness_ns(round(period_ms * 1e6), frames=frames, spin_ns=timer.spin_ns)
    p50, p99 = quantiles(late_ns, [0.5, 0.99]) / 1e3
    return Lateness(
        period_ms=period_ms, frames=frames, p50_us=float(p50), p99_us=float(p99), max_us=float(late_ns.max()) / 1e3
    )


def main(argv: Sequence[str]) -> int:
    """Print the figures; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="own_cost", description="What does measuring cost, and how late is it?")
    parser.add_argument("--cpu", type=int, default=0, help="pin to this CPU")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each period")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    pin((options.cpu,))
    with undisturbed(), watching_disturbances((options.cpu,)) as disturbances:
        timer, cost = examine_timer(), loop_cost()
        late = [lateness(period_ms, timer, seconds=options.seconds) for period_ms in PERIODS_MS]
    if options.json:
        lateness_facts = [asdict(each) for each in late]
        facts = {"cost": asdict(cost), "timer": asdict(timer), "lateness": lateness_facts, "disturbances": disturbances}
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        sys.stdout.write(_text(timer, cost, late))
        sys.stdout.write(f"\nMeanwhile: {_disturbed(disturbances)}.\n")
    return 0


def _disturbed(found: Mapping[str, float | None]) -> str:
    """Say what came between, so that a disturbed frame is not taken for a poor timer."""
    facts = {name: value for name, value in found.items() if value is not None}
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in facts.items())


def _text(timer: Timer, cost: LoopCost, late: Sequence[Lateness]) -> str:
    lines = [
        f"The loop takes {cost.frame_ns:.0f} ns a frame, {cost.timed_ns:.0f} ns of it between start and decision.",
        f"Sleeping lasts {timer.oversleep_us:.0f} us too long; the last {timer.spin_ns / 1e6:g} ms are spun.",
        "",
        "| period | frames | late, median | p99 | worst |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *map(_row, late)]) + "\n"


def _row(late: Lateness) -> str:
    times = " | ".join(f"{value:.2f} us" for value in (late.p50_us, late.p99_us, late.max_us))
    return f"| {late.period_ms:g} ms | {late.frames} | {times} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
