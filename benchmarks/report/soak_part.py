"""The soak of the shown row, if there was one: did it hold once the device had its final temperature?"""

from __future__ import annotations

from dataclasses import dataclass

from ...inspection.base.durations import describe_duration
from ..soak.schema import SoakSummary, Stretch
from .schema_types import VerdictWord
from .wording import count, ms, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPart:
    """The words and figures of a soak.

    Attributes:
        verdict: On its steady part.
        lead: How long it ran, and what that says.
        sentences: Why, and what slowed the device.
        columns: Headings of the table after the first.
        lines: Name and a figure for each column.
    """

    verdict: VerdictWord
    lead: str
    sentences: tuple[str, ...]
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def soak_part(soak: SoakSummary) -> SoakPart:
    """Put a soak into words and a table: the first minute beside the steady state."""
    stretches = [("First minute", soak.first_minute), ("Before it was steady", soak.before_steady)]
    stretches += [("Steady", soak.steady), ("Whole", soak.whole)]
    known = [(name, stretch) for name, stretch in stretches if stretch is not None]
    return SoakPart(
        verdict=soak.verdict,
        lead=_lead(soak),
        sentences=tuple(dict.fromkeys([*soak.reasons, *soak.throttling])),
        columns=tuple(name for name, _ in known),
        lines=tuple(_lines([stretch for _, stretch in known])),
    )


def _lead(soak: SoakSummary) -> str:
    interrupted = f", in {plural(len(soak.sessions), 'session')}" if len(soak.sessions) > 1 else ""
    length = describe_duration(soak.measured_s)
    short = "" if soak.complete else f" of the {describe_duration(soak.asked_s)} asked for"
    frames = (
        f"{soak.row} ran under the line's load for {length}{short}{interrupted}: {count(soak.whole.frames)} frames."
    )
    began = next((each.at_s for each in soak.points if each.steady), None)
    if soak.steady is None or began is None:
        return f"{frames} The device never became steady, so nothing is said of its steady state."
    return f"{frames} From {describe_duration(began)} on the device was steady; the verdict is on that part."


def _lines(stretches: list[Stretch]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        ("Frames", tuple(count(each.frames) for each in stretches)),
        ("Typical", tuple(ms(each.p50_ms) for each in stretches)),
        ("1 in 100", tuple(ms(each.p99_ms) for each in stretches)),
        ("1 in 1,000", tuple(ms(each.p999_ms) for each in stretches)),
        ("Slowest", tuple(ms(each.max_ms) for each in stretches)),
        ("Late", tuple(count(each.misses) for each in stretches)),
    ]
