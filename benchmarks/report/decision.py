"""What the page says first: the verdict in plain words, the gates behind it, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from ...inspection.bounds import frames_needed, rate_lower
from .charts.gauge import gauge
from .schema import Report, Row, VerdictWord
from .wording import count, ms, percent, plural, points, size, times

HEADINGS: dict[VerdictWord, str] = {
    "fits": "Ready for the line",
    "misses": "Not ready for the line",
    "inconclusive": "Not proven yet",
}
GATE_WORDS: dict[VerdictWord, str] = {"fits": "holds", "misses": "missed", "inconclusive": "not proven"}

_MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCard:
    """One gate as the reader sees it.

    Attributes:
        title: The promise in two or three words.
        status: Whether it holds; None where there is nothing to compare with.
        seen: What was counted.
        sentence: What that proves.
        gauge: SVG, or empty.
    """

    title: str
    status: VerdictWord | None
    seen: str
    sentence: str
    gauge: str = ""


def shown_row(report: Report) -> Row:
    """Give the selected row; where none is, the candidate that came closest; where there is none, the teacher."""
    if report.selected is not None:
        return next(row for row in report.rows if row.name == report.selected)
    order = ("fits", "inconclusive", "misses")
    candidates = [row for row in report.rows if row.role != "teacher" and not row.predicted] or report.rows
    return min(candidates, key=lambda row: (order.index(row.verdict), _typical_ms(row)))


def overall_verdict(report: Report) -> VerdictWord:
    """Give the page's verdict: without a selected row nothing fits, however well one row may look alone."""
    verdict = shown_row(report).verdict
    return "inconclusive" if report.selected is None and verdict == "fits" else verdict


def teacher_of(report: Report) -> Row | None:
    """Give the teacher's row."""
    return next((row for row in report.rows if row.role == "teacher"), None)


def lead_sentence(report: Report) -> str:
    """Say in one or two sentences what was found, from the shown row's figures."""
    if report.headline:
        return report.headline
    row, deadline = shown_row(report), ms(report.budget.deadline_ms)
    if row.latency_ms is None:
        return f"No measurement of {row.name} is in this report, so nothing can be said about the line."
    typical = f"it typically decides in {ms(row.latency_ms.p50)} of the {deadline} that the belt leaves"
    by_verdict: dict[VerdictWord, str] = {
        "fits": f"Use {row.name}: {typical}, and every gate holds with the confidence asked for.",
        "misses": f"No model holds every gate. {row.name} comes closest; {typical}.",
        "inconclusive": f"{row.name} may well do, but there is too little evidence to sign for it; {typical}.",
    }
    return by_verdict[overall_verdict(report)]


def next_steps(report: Report) -> list[str]:
    """Give the shown row's next steps; where it brings none, what follows from the verdict."""
    row = shown_row(report)
    if row.next_steps:
        return row.next_steps
    steps: dict[VerdictWord, list[str]] = {
        "fits": [
            "Go through the escapes below with whoever answers for quality; each is a defect that would be shipped.",
            "Let the model run beside today's inspection for a shift before it ejects parts on its own.",
        ],
        "misses": ["See which gate is missed above; change the recipe or the line, then run again."],
        "inconclusive": _more_evidence(report, row),
    }
    return steps[overall_verdict(report)]


def comparison(report: Report) -> list[tuple[str, str, str, str]]:
    """Set the shown row against the teacher: (what, teacher, row, how much better); empty where there is no pair."""
    row, teacher = shown_row(report), teacher_of(report)
    if teacher is None or teacher is row:
        return []
    lines = []
    if teacher.latency_ms and row.latency_ms and row.latency_ms.p50:
        before, after = teacher.latency_ms.p50, row.latency_ms.p50
        lines.append(("Typical decision", ms(before), ms(after), _gain(before / after, "faster", "slower")))
    if teacher.size_bytes and row.size_bytes:
        ratio = teacher.size_bytes / row.size_bytes
        lines.append(("Size on disk", _size(teacher), _size(row), _gain(ratio, "smaller", "larger")))
    if teacher.quality and row.quality:
        before, after = teacher.quality.auroc, row.quality.auroc
        lines.append(("Sorting quality (AUROC)", f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}"))
    return lines


def gate_cards(report: Report) -> list[GateCard]:
    """Give the three gates of the shown row: in time, defects caught, good parts kept."""
    row = shown_row(report)
    cards = (_deadline_card(report, row), _escape_card(report, row), _overkill_card(report, row))
    return [card for card in cards if card is not None]


def _deadline_card(report: Report, row: Row) -> GateCard | None:
    latency, budget = row.latency_ms, report.budget
    if latency is None:
        return None
    status = row.gate_verdicts.get("deadline_miss") or _status(
        latency.miss_upper, rate_lower(latency.misses, latency.frames, confidence=budget.confidence), budget.miss_max
    )
    hourly = _MS_PER_HOUR / budget.period_ms
    sentence = (
        f"At most {percent(latency.miss_upper)} come late, proven at {percent(budget.confidence)} confidence: "
        f"no more than {count(round(latency.miss_upper * hourly))} of {plural(round(hourly), 'frame')} an hour. "
        f"Limit {percent(budget.miss_max)}."
    )
    seen = f"{count(latency.misses)} of {plural(latency.frames, 'frame')} late"
    label = f"{seen}, at most {percent(latency.miss_upper)}, limit {percent(budget.miss_max)}"
    picture = gauge(latency.misses / latency.frames, latency.miss_upper, budget.miss_max, label=label, kind=status)
    return GateCard(title="Decided in time", status=status, seen=seen, sentence=sentence, gauge=picture)


def _escape_card(report: Report, row: Row) -> GateCard | None:
    if row.quality is None:
        return None
    escape, paired = row.quality.escape, row.quality.paired
    title, seen = "Defects caught", f"{count(escape.count)} of {plural(escape.of, 'defect')} let through"
    bound = f"At most {percent(escape.upper)} of all defects get through (95\u00a0% confidence)."
    if paired is None or paired.increase is None or paired.increase_upper is None or report.gates is None:
        return GateCard(title=title, status=row.gate_verdicts.get("escape"), seen=seen, sentence=bound)
    gate = report.gates.escape
    status = row.gate_verdicts.get("escape") or _status(
        paired.increase_upper,
        paired.increase if paired.increase_lower is None else paired.increase_lower,
        gate.max_increase,
    )
    sentence = (
        f"{paired.new_escapes} that {paired.against} catches, while {paired.recovered} that it misses are caught. "
        f"Against it at most {points(paired.increase_upper)} more get through, proven at {percent(gate.confidence)} "
        f"confidence. Limit {points(gate.max_increase)}."
    )
    label = (
        f"rise {points(paired.increase)}, at most {points(paired.increase_upper)}, limit {points(gate.max_increase)}"
    )
    picture = gauge(paired.increase, paired.increase_upper, gate.max_increase, label=label, kind=status)
    return GateCard(title=title, status=status, seen=seen, sentence=sentence, gauge=picture)


def _overkill_card(report: Report, row: Row) -> GateCard | None:
    if row.quality is None:
        return None
    overkill = row.quality.overkill
    title, seen = "Good parts kept", f"{count(overkill.count)} of {plural(overkill.of, 'good part')} rejected"
    bound = f"At most {percent(overkill.upper)} of good parts are rejected"
    if report.gates is None:
        return GateCard(
            title=title,
            status=row.gate_verdicts.get("overkill"),
            seen=seen,
            sentence=f"{bound} (95\u00a0% confidence).",
        )
    gate = report.gates.overkill
    lower = rate_lower(overkill.count, overkill.of, confidence=gate.confidence)
    status = row.gate_verdicts.get("overkill") or _status(overkill.upper, lower, gate.max)
    sentence = f"{bound}, proven at {percent(gate.confidence)} confidence. Limit {percent(gate.max)}."
    label = f"{percent(overkill.rate)} seen, at most {percent(overkill.upper)}, limit {percent(gate.max)}"
    picture = gauge(overkill.rate, overkill.upper, gate.max, label=label, kind=status)
    return GateCard(title=title, status=status, seen=seen, sentence=sentence, gauge=picture)


def _status(upper: float, lower: float, limit: float) -> VerdictWord:
    if upper <= limit:
        return "fits"
    return "misses" if lower > limit else "inconclusive"


def _more_evidence(report: Report, row: Row) -> list[str]:
    steps = []
    if row.latency_ms is not None and row.latency_ms.miss_upper > report.budget.miss_max:
        misses = row.latency_ms.misses
        needed = frames_needed(report.budget.miss_max, confidence=report.budget.confidence, misses=misses)
        steps.append(
            f"Measure again with at least {plural(needed, 'frame')}: so many prove the limit at {misses} late."
        )
    if row.quality is not None:
        steps.append("Photograph and label more parts, defective ones above all, and run again.")
    return steps or ["Run the measurement on the device that will stand at the line."]


def _gain(ratio: float, better: str, worse: str) -> str:
    return f"{times(ratio)} {better}" if ratio >= 1 else f"{times(1 / ratio)} {worse}"


def _typical_ms(row: Row) -> float:
    return row.latency_ms.p50 if row.latency_ms else float("inf")


def _size(row: Row) -> str:
    return size(row.size_bytes or 0)
