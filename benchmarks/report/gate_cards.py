"""The three gates of a row as the reader sees them: in time, defects caught, good parts kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...inspection.statistics.bounds import rate_lower
from .charts.gauge import gauge
from .schema import Paired, Report, Row
from .schema_types import VerdictWord
from .wording import count, ms, named, percent, plural, significant

GATE_WORDS: dict[VerdictWord, str] = {"fits": "holds", "misses": "missed", "inconclusive": "not proven"}

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCard:
    """One gate.

    Attributes:
        key: The gate's key in line.yaml.
        title: The promise in two or three words.
        status: Whether it holds; None where there is nothing to compare with.
        seen: What was counted.
        sentence: What that proves.
        scale: What was seen, its bound, and the limit; None without a limit.
        label: What a screen reader says in place of the gauge.
    """

    key: str
    title: str
    status: VerdictWord | None
    seen: str
    sentence: str
    scale: tuple[float, float, float] | None = None
    label: str = ""

    @property
    def gauge(self) -> str:
        """The scale as SVG, or empty."""
        if self.scale is None:
            return ""
        seen, upper, limit = self.scale
        return gauge(seen, upper, limit, label=self.label, kind=self.status or "inconclusive")


def gate_cards(report: Report, row: Row) -> list[GateCard]:
    """Give the gates that the row was held against, as far as it was measured.

    Where the row says what became of each gate (`gate_verdicts`), that stands; else it follows from the bounds, and
    never says more than the row's verdict: nothing is missed in a row that misses nothing, and if all bounds hold in
    a row that is not proven, the run was unsteady, which puts the deadline in doubt.
    """
    found = (_deadline(report, row), _escape(report, row), _overkill(report, row))
    cards = [card for card in found if card is not None]
    if row.gate_verdicts:
        return [replace(card, status=row.gate_verdicts.get(card.key, card.status)) for card in cards]
    return _no_surer_than(row.verdict, cards)


def _no_surer_than(verdict: VerdictWord, cards: Sequence[GateCard]) -> list[GateCard]:
    if verdict != "misses":
        cards = [replace(card, status="inconclusive") if card.status == "misses" else card for card in cards]
    if verdict == "inconclusive" and all(card.status in ("fits", None) for card in cards):
        return [replace(card, status="inconclusive") if card.key == "deadline_miss" else card for card in cards]
    return list(cards)


def _deadline(report: Report, row: Row) -> GateCard | None:
    latency, budget = row.latency_ms, report.budget
    if latency is None:
        return None
    lower = rate_lower(latency.misses, latency.frames, confidence=budget.confidence)
    hourly = budget.frames_per_hour
    seen = f"{count(latency.misses)} of {plural(latency.frames, 'frame')} late"
    return GateCard(
        key="deadline_miss",
        title="Decided in time",
        status=_status(latency.miss_upper, lower, budget.miss_max),
        seen=seen,
        sentence=(
            f"At most {percent(latency.miss_upper)} are later than {ms(budget.deadline_ms)}, proven at "
            f"{percent(budget.confidence)} confidence: no more than {count(round(latency.miss_upper * hourly))} of "
            f"{plural(round(hourly), 'frame')} an hour. Limit {percent(budget.miss_max)}."
        ),
        scale=(latency.misses / latency.frames, latency.miss_upper, budget.miss_max),
        label=f"{seen}, at most {percent(latency.miss_upper)}, limit {percent(budget.miss_max)}",
    )


def _escape(report: Report, row: Row) -> GateCard | None:
    if row.quality is None:
        return None
    escape, paired = row.quality.escape, row.quality.paired
    sure = percent(report.gates.escape.confidence if report.gates else _CONFIDENCE)
    card = GateCard(
        key="escape",
        title="Defects caught",
        status=None,
        seen=f"{count(escape.count)} of {plural(escape.of, 'defect')} escape",
        sentence=f"At most {percent(escape.upper)} of all defects get through, proven at {sure} confidence.",
    )
    if paired is None or report.gates is None:
        return card
    return _against(card, paired, limit=report.gates.escape.max_increase, sure=sure)


def _against(card: GateCard, paired: Paired, *, limit: float, sure: str) -> GateCard:
    """Add the comparison with the teacher, in escapes per 100 defects."""
    if paired.increase is None or paired.increase_upper is None:
        return card
    lower = paired.increase if paired.increase_lower is None else paired.increase_lower
    other = named(paired.against)
    rise, most, allowed = (significant(100 * value) for value in (paired.increase, paired.increase_upper, limit))
    sentence = (
        f"{_sentence_case(other)} catches {count(paired.new_escapes)} of these, but misses {count(paired.recovered)} "
        f"that this model catches. Of 100 defects at most {most} more escape than with {other}, proven at {sure} "
        f"confidence. Limit {limit * 100:g}."
    )
    return replace(
        card,
        status=_status(paired.increase_upper, lower, limit),
        sentence=sentence,
        scale=(paired.increase, paired.increase_upper, limit),
        label=f"of 100 defects {rise} more escape than with {other}, at most {most}, limit {allowed}",
    )


def _overkill(report: Report, row: Row) -> GateCard | None:
    if row.quality is None:
        return None
    overkill = row.quality.overkill
    card = GateCard(
        key="overkill",
        title="Good parts kept",
        status=None,
        seen=f"{count(overkill.count)} of {count(overkill.of)} rejected",
        sentence=f"At most {percent(overkill.upper)} of good parts are rejected in vain.",
    )
    if report.gates is None:
        return card
    gate = report.gates.overkill
    lower = rate_lower(overkill.count, overkill.of, confidence=gate.confidence)
    return replace(
        card,
        status=_status(overkill.upper, lower, gate.max),
        sentence=(
            f"At most {percent(overkill.upper)} of good parts are rejected in vain, proven at "
            f"{percent(gate.confidence)} confidence. Limit {percent(gate.max)}."
        ),
        scale=(overkill.rate, overkill.upper, gate.max),
        label=f"{percent(overkill.rate)} rejected, at most {percent(overkill.upper)}, limit {percent(gate.max)}",
    )


def _sentence_case(name: str) -> str:
    return "The teacher" if name == named("teacher") else name


def _status(upper: float, lower: float, limit: float) -> VerdictWord:
    if upper <= limit:
        return "fits"
    return "misses" if lower > limit else "inconclusive"
