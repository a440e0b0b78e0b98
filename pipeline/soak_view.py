"""What is seen of a soak while it runs: a table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.table import Table

from ..benchmarks.timing.measuring import Progress
from ..inspection.base.durations import describe_duration
from .console import Console

_PLAIN_EVERY_S = 10.0
_PLAIN_LINES = 200


@contextmanager
def soak_view(
    console: Console, label: str, *, asked_s: float, already_s: float, frames_per_s: float
) -> Iterator[Progress]:
    """Show how a soak stands, from what its recorder tells; the measurement never waits for this.

    Args:
        console: Where it goes.
        label: What is soaked.
        asked_s: How long the belt is to run.
        already_s: How long it has run in earlier sessions.
        frames_per_s: What the belt brings.

    Yields:
        Takes the facts that `benchmarks.soak` tells about once a second.
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
    """Put the facts into words, by their headings; a dash where the device shows nothing.

    >>> facts = {"frames": 900, "misses": 1, "p50_ms": 1.25, "p99_ms": 2.0, "temperature_c": 61.4, "clock_mhz": None}
    >>> " ".join(f"{name} {words}" for name, words in shown_facts(facts, rate=99.6, left_s=300).items())
    'frames/s 99.6 p50 1.25 ms p99 2.00 ms late 1 of 900 warmth 61 °C clock - left 5 min'
    """
    p50, p99, warmth, clock = (facts.get(name) for name in ("p50_ms", "p99_ms", "temperature_c", "clock_mhz"))
    return {
        "frames/s": f"{rate:.1f}",
        "p50": "-" if p50 is None else f"{p50:.2f} ms",
        "p99": "-" if p99 is None else f"{p99:.2f} ms",
        "late": f"{facts['misses']:,} of {facts['frames']:,}",
        "warmth": "-" if warmth is None else f"{warmth:.0f} °C",
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
            console.notify(f"{label}: " + ", ".join(f"{name} {words}" for name, words in shown.items()))

    return show
