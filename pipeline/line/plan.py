"""What the belt asks for, worked out before anything is trained."""

from __future__ import annotations

import math
from typing import Any

from ...inspection.data.dataset import Dataset
from ...inspection.line.line import Line, LineBudget, budget_of
from ...inspection.line.stalls import burst_frames, planned_utilisation
from ...inspection.statistics.bounds import frames_needed
from ...inspection.statistics.paired import parts_needed
from .line_file import LineFile
from .provable import provable, provable_text
from .training_memory import training_memory, training_memory_text
from .visible import visible, visible_text

_MISSES_SHOWN = (0, 1, 2, 5)


def plan(line_file: LineFile, dataset: Dataset | None = None) -> dict[str, Any]:
    """Work out what a line allows and what it takes to prove it.

    Args:
        line_file: The line.
        dataset: Its photographs; None: they are not looked at.

    Returns:
        JSON-able: `name`, `target`, `budget` (as in report.json), `frames_per_s` (of all cameras), `arrivals`
        (`cameras`, `jitter_ms`, `bursts` as in line.yaml or None), `travel_ms`, `fixed_ms` by name,
        `stall` (`stall_ms` that the proof allows for, `utilisation` assumed, `burst_frames` that one such stall makes
        late at most), `proof` (one entry for each number of such bursts seen: `misses`, `frames`, `minutes` at the
        line rate), `parts` (the fewest test parts that can pass each quality gate), `data` (see `provable`; None
        where no data set was given), `camera` (see `visible`; None likewise), `training` (see `training_memory`; None
        where no teacher is trained), `notes` (plain sentences).

    Raises:
        LineFileError: The fixed times leave no time for a decision.
    """
    budget, gates = budget_of(line_file.line, seed=line_file.seed), line_file.gates
    miss = gates.deadline_miss
    return {
        "name": line_file.run_name,
        "target": ", ".join(each.label for each in line_file.target),
        "budget": {
            "period_ms": _rounded(budget.period_ms),
            "deadline_ms": _rounded(budget.deadline_ms),
            "miss_max": miss.max,
            "confidence": miss.confidence,
        },
        "frames_per_s": _rounded(1000 * line_file.line.cameras / budget.period_ms),
        "arrivals": line_file.line.model_dump(include={"cameras", "jitter_ms", "bursts"}),
        "travel_ms": _rounded(budget.deadline_ms + budget.fixed_ms),
        "fixed_ms": budget.fixed_parts_ms,
        "stall": _stall(line_file, budget),
        "proof": [_proof(line_file, budget, misses) for misses in _MISSES_SHOWN],
        "parts": {
            "defective": max(
                frames_needed(gates.escape.max, confidence=gates.escape.confidence),
                parts_needed(gates.escape.max_increase, confidence=gates.escape.confidence),
            ),
            "good": frames_needed(gates.overkill.max, confidence=gates.overkill.confidence),
        },
        "data": None if dataset is None else provable(dataset, gates, whole_parts=line_file.data.decide == "any"),
        "camera": None if dataset is None else visible(line_file, dataset),
        "training": None if dataset is None else training_memory(line_file, dataset),
        "notes": _notes(line_file, budget),
    }


def plan_text(facts: dict[str, Any]) -> str:
    """Describe a plan for a terminal."""
    budget = facts["budget"]
    fixed = ", ".join(f"{name} {value:g}" for name, value in facts["fixed_ms"].items()) or "none"
    lines = [
        f"line {facts['name']} on {facts['target']}",
        f"  a frame every        {budget['period_ms']:g} ms ({facts['frames_per_s']:g} frames/s)",
        *_arrivals_lines(facts["arrivals"]),
        f"  camera to ejector    {facts['travel_ms']:g} ms, of which fixed: {fixed}",
        f"  deadline             {budget['deadline_ms']:g} ms from frame to decision",
        f"  late decisions       at most {budget['miss_max']:.4%} of frames, at {budget['confidence']:.1%} confidence",
        f"  stalls allowed for   {_stall_text(facts['stall'])}",
        "frames needed to prove that, at line rate",
        *(f"  {row['misses']} late: {row['frames']:>8} frames, {row['minutes']:g} min" for row in facts["proof"]),
        "test parts needed to prove quality, at least (several images of one are one)",
        f"  {facts['parts']['defective']} defective (if none more escapes)",
        f"  {facts['parts']['good']} good (if none is rejected)",
        *([] if facts["data"] is None else provable_text(facts["data"])),
        *([] if facts["camera"] is None else visible_text(facts["camera"])),
        *([] if facts["training"] is None else training_memory_text(facts["training"])),
        *(f"note: {note}" for note in facts["notes"]),
        *(f"note: data: {note}" for note in (facts["data"] or {"notes": ()})["notes"]),
    ]
    return "\n".join(lines)


def _arrivals_lines(arrivals: dict[str, Any]) -> list[str]:
    """Say what is not as on an even belt in front of one camera."""
    lines = []
    if arrivals["cameras"] > 1:
        lines.append(f"  cameras              {arrivals['cameras']}, triggered together: so many frames at each moment")
    if arrivals["jitter_ms"]:
        lines.append(f"  parts off their place by up to {arrivals['jitter_ms']:g} ms either way")
    if bursts := arrivals["bursts"]:
        lines.append(
            f"  parts that touch     {bursts['parts']} in every {bursts['every']}, {bursts['pitch_mm']:g} mm apart"
        )
    return lines


def _stall(line_file: LineFile, budget: LineBudget) -> dict[str, Any]:
    stall_ms = line_file.gates.deadline_miss.stall_ms
    busy = planned_utilisation(budget.arrivals, deadline_ms=budget.deadline_ms)
    frames = burst_frames(stall_ms, arrivals=budget.arrivals, deadline_ms=budget.deadline_ms, utilisation=busy)
    return {"stall_ms": stall_ms, "utilisation": _rounded(busy), "burst_frames": frames}


def _stall_text(stall: dict[str, Any]) -> str:
    frames = stall["burst_frames"]
    event = "each late frame counts" if frames == 1 else f"up to {frames} frames late in a row count"
    return (
        f"up to {stall['stall_ms']:g} ms on a device busy {stall['utilisation']:.0%} of the time: {event} as one event"
    )


def _proof(line_file: LineFile, budget: LineBudget, misses: int) -> dict[str, Any]:
    gate, burst = line_file.gates.deadline_miss, _stall(line_file, budget)["burst_frames"]
    frames = burst * frames_needed(gate.max, confidence=gate.confidence, misses=misses)
    return {"misses": misses, "frames": frames, "minutes": round(frames / budget.arrivals.frames_per_s / 60, 2)}


def _notes(line_file: LineFile, budget: LineBudget) -> list[str]:
    notes = []
    proof = _proof(line_file, budget, 0)
    if proof["minutes"] > line_file.measure.minutes:
        notes.append(
            f"at line rate the proof takes {proof['minutes']:g} minutes a row, measure.minutes is "
            f"{line_file.measure.minutes:g}: what is not measured at that pace leaves the verdict inconclusive"
        )
    if line_file.measure.frames is not None and line_file.measure.frames < proof["frames"]:
        notes.append(f"measure.frames is {line_file.measure.frames}: below {proof['frames']} no row can fit")
    return [*notes, *_notes_on_choosing(line_file), *_notes_on_pace(line_file.line, budget)]


def _notes_on_choosing(line_file: LineFile) -> list[str]:
    """Say what it costs to try several candidates on one test split (Bonferroni)."""
    scored = line_file.search.rows if line_file.search else len(line_file.recipes)
    confidence, what = line_file.gates.escape.confidence, "rows of the search" if line_file.search else "recipes"
    if scored < 2:
        return []
    shared = 1 - (1 - confidence) / scored
    note = (
        f"{scored} {what} are tried on one test split, so a lucky one passes a gate wrongly up to {scored} times as "
        f"often: to be {confidence:.0%} sure of the one selected, write confidence: {shared:.4g}"
    )
    return [note]


def _notes_on_pace(line: Line, budget: LineBudget) -> list[str]:
    notes, each_ms = [], budget.period_ms / line.cameras
    if budget.deadline_ms > budget.period_ms:
        under_way = line.cameras * math.ceil(budget.deadline_ms / budget.period_ms)
        notes.append(
            f"the deadline is longer than the period: up to {under_way} frames are under "
            f"way at once, and the model must still keep up with one every {each_ms:g} ms"
        )
    if line.cameras > 1:
        notes.append(
            f"the {line.cameras} cameras' frames are due at the same moment and decided one after the other: in time "
            f"if a decision takes at most {min(each_ms, budget.deadline_ms / line.cameras):.4g} ms"
        )
    if line.bursts:
        apart_ms = 1000 * line.bursts.pitch_mm / line.belt_speed_mm_s / line.frames_per_part / line.cameras
        notes.append(
            f"where parts touch, a frame comes every {apart_ms:.4g} ms: what the model has not decided by then waits, "
            "and the wait counts"
        )
    return notes


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
