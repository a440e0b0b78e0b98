"""The statistics behind the page, in plain words, and what the device went through while it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ....inspection.statistics.bounds import frames_needed, rate_upper
from ..decision import shown_row
from ..page import Page, Section
from ..schema import Paired, Quality, Report, Row
from ..schema_parts import Circumstances, Conditions, Disturbances
from ..wording import count, ms, named, percent, plural

_CONFIDENCE = 0.95
_TREND_P_VALUE = 0.01
_EXAMPLES = (60, 109, 300, 1000)

_HTML = """
<section>
<h2>What the numbers prove</h2>
<div class="notes">
{% for note in notes %}
<div><h3>{{ note.title }}</h3><p>{{ note.text }}</p></div>
{% endfor %}
<div><h3>What a test without an escape proves</h3>
<table class="plain proofs"><thead><tr><th scope="col">Escapes seen</th><th scope="col">Escapes that may remain</th></tr></thead>
<tbody>{% for seen, share in proofs %}<tr><th scope="row">{{ seen }}</th><td>below {{ share }}</td></tr>{% endfor %}</tbody></table></div>
</div>
</section>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A short explanation.

    Attributes:
        title: The question a reader has.
        text: The answer.
    """

    title: str
    text: str


def notes(report: Report) -> list[Note]:
    """Give the notes that the shown row's figures call for."""
    row = shown_row(report)
    found = [_late(report), *_steady(report), *_undisturbed(row)]
    if row.quality is not None:
        confidence = report.gates.escape.confidence if report.gates else _CONFIDENCE
        found += [_escapes(row.quality, confidence), *_none_of(row.quality)]
        found += [_paired(row.quality.paired)] if row.quality.paired else []
        found += [_threshold(), _auroc(row.quality)]
    return [*found, _groups(report)]


def proof_table() -> list[tuple[str, str]]:
    """Give (defects without one escape, share of escapes that this still allows at 95 % confidence).

    >>> [(seen, share.replace(chr(160), " ")) for seen, share in proof_table()][0]
    ('0 of 60', '4.87 %')
    """
    return [
        (f"0 of {count(number)}", percent(round(rate_upper(0, number, confidence=_CONFIDENCE), 4)))
        for number in _EXAMPLES
    ]


def _late(report: Report) -> Note:
    budget, latency = report.budget, shown_row(report).latency_ms
    burst = latency.burst_frames if latency else 1
    needed = burst * frames_needed(budget.miss_max, confidence=budget.confidence)
    text = (
        f"To prove at {percent(budget.confidence)} confidence that no more than {percent(budget.miss_max)} of "
        f"decisions come late takes {count(needed)} frames without one late decision, more if some are late."
    )
    if latency is not None:
        text += (
            f" This run judged {count(latency.frames)} frames and saw {count(latency.misses)} late. A frame's time "
            "counts from the moment it was due, so that one stall is charged to every frame it delays. "
            "No slow frame is left out."
        )
    if burst > 1:
        text += (
            f" A stall of the device makes up to {burst} frames late together. They are one event, not {burst}, so it "
            f"takes {burst} times the frames that it would take if each were late on its own."
        )
    return Note(title="How many frames prove that decisions come in time?", text=text)


def _escapes(quality: Quality, confidence: float) -> Note:
    escape = quality.escape
    text = (
        f"{plural(escape.count, 'escape')} among {plural(escape.of, 'defect')} is what this test saw, not what the "
        f"line will see. A model that lets {percent(escape.upper)} of all defects through would show so few at "
        f"most once in {round(1 / (1 - confidence))} such tests. Fewer than {percent(escape.upper)} is all that this "
        "test proves."
    )
    return Note(title=f"What do {count(escape.count)} of {count(escape.of)} escapes prove?", text=text)


def _none_of(quality: Quality) -> list[Note]:
    if quality.escape.count:
        return []
    text = (
        "Seeing no escape does not mean that there are none: the fewer defects were tried, the more could still slip "
        "through. Only more defective parts in the test make the statement stronger; the table says how many."
    )
    return [Note(title="Why is no escape not the same as zero escapes?", text=text)]


def _steady(report: Report) -> list[Note]:
    latency = shown_row(report).latency_ms
    if latency is None or latency.steadiness is None:
        return []
    steady = latency.steadiness
    trend = f"from its first to its last frame the run became {ms(abs(steady.drift_ms))} "
    trend += "slower" if steady.drift_ms > 0 else "faster"
    chance = "more than chance would do" if steady.drift_p_value < _TREND_P_VALUE else "no more than chance would do"
    text = (
        f"A device that warms up gets slower, and slow frames often come together. Here {trend}, {chance}; nearly "
        f"late frames came in bursts of {steady.cluster_frames:.1f} on average, and neighbouring frames went along "
        f"with each other to a degree of {steady.autocorrelation:.2f} (0: not at all, 1: wholly)."
    )
    return [Note(title="Was the run steady?", text=text)]


def _undisturbed(row: Row) -> list[Note]:
    if row.circumstances is None:
        return []
    return [Note(title="Was the device left alone?", text=describe_circumstances(row.circumstances))]


def _paired(paired: Paired) -> Note:
    other = named(paired.against)
    text = (
        f"Both saw the same defective parts, so only those where they differ count: {paired.new_escapes} that only "
        f"{other} catches and {paired.recovered} that only this model catches. If both were equally good, a "
        f"difference this large or larger would come about by chance in {percent(paired.p_value)} of such tests "
        "(exact McNemar test)."
    )
    return Note(title=f"How is the model compared with {other}?", text=text)


def _threshold() -> Note:
    text = (
        "A part is rejected when its score reaches the threshold. It was fitted on the validation photographs, for the "
        "model exactly as it runs on the device, and then used unchanged on the test photographs."
    )
    return Note(title="Where does the threshold come from?", text=text)


def _auroc(quality: Quality) -> Note:
    if quality.auroc is None:
        text = (
            "Take one defective and one good part at random: AUROC is how often the defective one gets the higher "
            "score. The test photographs show no defect, so nothing is known of it."
        )
        return Note(title="What is AUROC?", text=text)
    low, high = quality.auroc_interval
    text = (
        "Take one defective and one good part at random: AUROC is how often the defective one gets the higher score. "
        f"0.5 is a coin toss, 1 is perfect. Here it is {quality.auroc:.3f}; between {low:.3f} and {high:.3f} with "
        "95\u00a0% confidence."
    )
    return Note(title="What is AUROC?", text=text)


def _groups(report: Report) -> Note:
    images, groups = report.data.images.get("test"), report.data.groups.get("test")
    known = f" The {count(images)} test photographs show {plural(groups, 'group')}." if images and groups else ""
    text = (
        "Several photographs of one part tell less than as many parts. Photographs of one part stay together in "
        f"training or in the test, never in both, and the intervals are computed over parts, not photographs.{known}"
    )
    return Note(title="Why does the report speak of groups?", text=text)


def describe_circumstances(found: Circumstances) -> str:
    """Say what disturbed a run, and how warm and fast the device was before and after it."""
    disturbed = _disturbed(found.disturbances)
    text = "Nothing that this system counts came between while its frames were judged."
    if disturbed:
        text = f"While its frames were judged, {'; '.join(disturbed)}. That is in every figure: no frame was left out."
    return " ".join([text, *_changed(found.before, found.after)])


def _disturbed(found: Disturbances) -> list[str]:
    sentences = []
    if found.involuntary_switches:
        switches = plural(round(found.involuntary_switches), "time")
        sentences.append(f"the processor was taken away from the model {switches} for other work")
    if found.steal_ms:
        sentences.append(f"the host of this virtual machine ran something else for {count(round(found.steal_ms))} ms")
    if found.quota_stopped_ms:
        stopped_ms = count(round(found.quota_stopped_ms))
        sentences.append(
            f"the container stood still for {stopped_ms} ms because its share of the processor was used up"
        )
    if found.throttle_events:
        sentences.append(f"the processor was slowed by heat {plural(round(found.throttle_events), 'time')}")
    if found.major_page_faults:
        sentences.append(f"memory had to be read back from disk {plural(round(found.major_page_faults), 'time')}")
    return sentences


def _changed(before: Conditions, after: Conditions) -> list[str]:
    sentences = []
    if before.temperature_c is not None and after.temperature_c is not None:
        sentences.append(f"Its hottest part went from {before.temperature_c:.0f} to {after.temperature_c:.0f} °C.")
    if before.clock_mhz and after.clock_mhz:
        sentences.append(
            f"Its clock went from {count(round(before.clock_mhz))} to {count(round(after.clock_mhz))} MHz."
        )
    return sentences


def _show(page: Page) -> dict[str, Any]:
    return {"notes": notes(page.report), "proofs": proof_table()}


SECTION = Section(name="notes", order=120, show=_show, html=_HTML)
