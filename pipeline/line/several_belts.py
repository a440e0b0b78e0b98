"""Do several lines fit on one device? A measured run of each, replayed together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...benchmarks.belt_speed.belt_speed import Case
from ...benchmarks.belt_speed.shared_device import HANDOVER_NS, Fit, share_device
from ...benchmarks.report.wording import significant

ASSUMED = (
    "all runs were measured on this device, with the CPUs and threads that the engines will share",
    "one engine works at a time, and the belts take turns, as the inspectors of a station do",
    "a frame keeps the device busy for as long beside the other belts as it did alone",
    f"to change from one belt's engine to another's takes at most {HANDOVER_NS / 1e6:g} ms",
)
"""What every prediction rests on."""

_COLUMNS = ("belt", "busy", "deadline ms", "slowest alone", "beside the others", "late", "late at most", "")
_FITS: Mapping[Fit, str] = {"proven": "fits", "seen": "fits as seen, not proven", "no": "does not fit"}


def several_belts(cases: Mapping[str, Case], *, seed: int = 0) -> dict[str, Any]:
    """Predict lines that share a device; decides no verdict, but whether a station takes them in.

    Args:
        cases: A measured run of each line, by the line's name.
        seed: Of where in its trace each line begins.

    Returns:
        JSON-able: `predicted` (true), `fit` (`proven`, `seen` or `no`), `utilisation`, `keeps_up`, `phases` (ways to
        lie to each other in time that were tried), `belts` (each as in `shared_device.SharedBelt`, at its worst phase),
        `sentence`, `assumed` (sentences).

    Raises:
        MeasurementError: There is no line.
    """
    found = share_device(cases, seed=seed)
    facts = {
        "predicted": True,
        "fit": found.fit,
        "utilisation": found.utilisation,
        "keeps_up": found.keeps_up,
        "phases": found.phases,
        "belts": [asdict(belt) for belt in found.belts],
        "assumed": list(ASSUMED),
    }
    return {**facts, "sentence": _sentence(facts)}


def several_belts_text(facts: dict[str, Any]) -> str:
    """Describe it for a terminal: a sentence, a table, and what it rests on."""
    rows = [_COLUMNS, *(_cells(belt) for belt in facts["belts"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(
        [
            facts["sentence"],
            "",
            *table,
            "",
            f"Each belt at its worst of {facts['phases']} ways to lie to the others in time, in ms. It assumes that",
            *(f"- {sentence}{',' if sentence != ASSUMED[-1] else '.'}" for sentence in facts["assumed"]),
        ]
    )


def _sentence(facts: dict[str, Any]) -> str:
    names = [belt["name"] for belt in facts["belts"]]
    lines, busy = f"{', '.join(names[:-1])} and {names[-1]}", f"busy {facts['utilisation']:.0%} of the time"
    if not facts["keeps_up"]:
        return f"{lines} do not fit on one device: it would be {busy}, and a backlog grows without end."
    worst = [belt["name"] for belt in facts["belts"] if belt["fit"] == facts["fit"]]
    if facts["fit"] == "no":
        return (
            f"{lines} do not fit on one device ({busy}): too many frames of {', '.join(worst)} would be late. Take a "
            "smaller model, give each its own CPUs, move an ejector further away, or slow a belt down."
        )
    if facts["fit"] == "seen":
        return (
            f"{lines} seem to fit on one device ({busy}), but the runs are too short to prove it for "
            f"{', '.join(worst)}: measure longer with `beltline bench`."
        )
    return f"{lines} fit on one device ({busy}), each within its gate."


def _cells(belt: dict[str, Any]) -> tuple[str, ...]:
    return (
        belt["name"],
        f"{belt['utilisation']:.0%}",
        f"{belt['deadline_ms']:g}",
        significant(belt["alone_ms"]),
        significant(belt["slowest_ms"]),
        f"{belt['misses']:,} of {belt['frames']:,}",
        f"{100 * belt['miss_upper']:.3g} %",
        _FITS[belt["fit"]],
    )
