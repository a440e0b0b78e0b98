"""What the page says first: the verdict in plain words, what to bear in mind, what to do next, and what was gained."""

from __future__ import annotations

from collections.abc import Sequence

from .schema import Report, Row
from .schema_parts import VerdictWord
from .wording import auroc, minus, ms, named, percent, size, times

HEADINGS: dict[VerdictWord, str] = {
    "fits": "Ready for the line",
    "misses": "Not ready for the line",
    "inconclusive": "Not proven yet",
}
GATE_LABELS: dict[VerdictWord, str] = {"fits": "holds", "misses": "missed", "inconclusive": "not proven"}

_CHANCE = 0.5
_MANY_ESCAPES = 0.1


def shown_row(report: Report) -> Row:
    """Give the selected row; where none is, the candidate that came closest; where there is none, the teacher.

    Closest is the better verdict, then the fewer gates that do not hold, then the shorter typical time.
    """
    if report.selected is not None:
        return next(row for row in report.rows if row.name == report.selected)
    order = ("fits", "inconclusive", "misses")
    candidates = [row for row in report.rows if row.role != "teacher"] or report.rows
    return min(
        candidates,
        key=lambda row: (
            order.index(row.verdict),
            sum(each.outcome != "fits" for each in row.gates.values()),
            typical_ms(row) or float("inf"),
        ),
    )


def overall_verdict(report: Report) -> VerdictWord:
    """Give the page's verdict: without a selected row nothing fits, however well one row may look alone."""
    verdict = shown_row(report).verdict
    return "inconclusive" if report.selected is None and verdict == "fits" else verdict


def teacher_of(report: Report) -> Row | None:
    """Give the teacher's row."""
    return next((row for row in report.rows if row.role == "teacher"), None)


def lead_sentence(report: Report) -> str:
    """Say in one or two sentences what was found, from the shown row's figures."""
    row, deadline = shown_row(report), ms(report.budget.deadline_ms)
    if row.latency_ms is None:
        return f"No measurement of {row.name} is in this report, so nothing can be said about the line."
    typical = f"it typically decides in {ms(row.latency_ms.p50)} of the {deadline} that the belt leaves"
    doubt = "may well do, but there is too little evidence to sign for it"
    if any(each.outcome != "fits" and each.scale and each.scale[0] > each.scale[2] for each in row.gates.values()):
        doubt = "comes closest, but what was seen so far speaks against it"
    by_verdict: dict[VerdictWord, str] = {
        "fits": f"Use {row.name}: {typical}, and every gate holds with the confidence asked for.",
        "misses": f"No model holds every gate. {row.name} comes closest; {typical}.",
        "inconclusive": f"{row.name} {doubt}; {typical}.",
    }
    return by_verdict[overall_verdict(report)]


def decided_one_by_one(rows: Sequence[Row]) -> bool:
    """Whether all rows measured were also timed back to back.

    Only these times compare models: at line rate a model too slow for it queues up, and its times say how long
    the run was, not how slow the model is.
    """
    return all(row.back_to_back_ms is not None for row in rows if row.latency_ms is not None)


def typical_ms(row: Row, *, one_by_one: bool = False) -> float | None:
    """Give a row's typical time: of one decision back to back, or from frame due to decision at line rate."""
    if one_by_one:
        return row.back_to_back_ms.p50 if row.back_to_back_ms else None
    return row.latency_ms.p50 if row.latency_ms else None


def next_steps(report: Report) -> list[str]:
    """Give the shown row's next steps; where it brings none, what follows from the verdict."""
    row = shown_row(report)
    if row.next_steps:
        return row.next_steps
    if overall_verdict(report) != "fits":
        return ["See which gate does not hold; change the recipe or the line, then run again."]
    return [
        "Go through the escapes below with whoever answers for quality: each is a defect that would be shipped.",
        "Let the model run beside today's inspection for a shift before it ejects parts on its own.",
    ]


def row_cautions(row: Row, teacher: Row | None) -> list[str]:
    """Say what whoever relies on a row must bear in mind, whatever its verdict; mostly nothing.

    They stand in report.json and on every other channel: terminal, page, md, csv, junit, bundle, station.
    """
    compared = [row] if teacher is None or teacher.name == row.name else [row, teacher]
    found = [
        f"On the test parts {named(each.name)} may sort no better than a coin toss: its AUROC is "
        f"{auroc(each.quality.auroc)}, and {_CHANCE} is a coin toss. Nothing compared with it means much."
        for each in compared
        if each.quality is not None and each.quality.auroc is not None and each.quality.auroc_interval[0] <= _CHANCE
    ]
    if row.quality is not None and row.quality.escape.rate >= _MANY_ESCAPES:
        escape = row.quality.escape
        found.append(
            f"{escape.count:,} of {escape.of:,} defects in the test get through, {percent(escape.rate)} of them; "
            "decide whether so many are bearable, whatever the gates allow."
        )
    return [each.replace("\u00a0", " ") for each in found]


def comparison(report: Report) -> list[tuple[str, str, str, str]]:
    """Set the shown row against the teacher: (what, teacher, row, gain); empty where there is no such pair."""
    row, teacher = shown_row(report), teacher_of(report)
    if teacher is None or teacher is row:
        return []
    lines = _times(teacher, row)
    if teacher.size_bytes and row.size_bytes:
        ratio = teacher.size_bytes / row.size_bytes
        lines.append(("Size", size(teacher.size_bytes), size(row.size_bytes), _gain(ratio, "smaller", "larger")))
    if teacher.quality and row.quality:
        before, after = teacher.quality.auroc, row.quality.auroc
        if before is None or after is None:
            return lines
        lines.append(("Sorting (AUROC)", auroc(before), auroc(after), minus(f"{after - before:+.3f}")))
    return lines


def _times(teacher: Row, row: Row) -> list[tuple[str, str, str, str]]:
    """Compare times taken interleaved where there are such: apart, the machine may have been another one by then."""
    before, after, speedup = teacher.interleaved_ms, row.interleaved_ms, row.speedup
    if before and after and speedup and speedup.against == teacher.name:
        gain = _gain(speedup.p50.ratio, "faster", "slower")
        return [("One decision, interleaved", ms(before.p50), ms(after.p50), gain)]
    one_by_one = decided_one_by_one([row, teacher])
    slow, fast = typical_ms(teacher, one_by_one=one_by_one), typical_ms(row, one_by_one=one_by_one)
    if not slow or not fast:
        return []
    name = "One decision" if one_by_one else "Typical decision"
    return [(name, ms(slow), ms(fast), _gain(slow / fast, "faster", "slower"))]


def _gain(ratio: float, better: str, worse: str) -> str:
    return f"{times(ratio)} {better}" if ratio >= 1 else f"{times(1 / ratio)} {worse}"
