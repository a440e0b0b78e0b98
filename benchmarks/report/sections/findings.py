"""What was found on the parts: which limit decided, which kinds were mistaken, how small defects may be."""

from __future__ import annotations

from typing import Any

from ..page import Page, Section
from ..schema import Quality
from ..wording import count

_HTML = """
<section>
<h2>Findings</h2>
{% for title, said, heads, lines in tables %}
<h3>{{ title }}</h3>
<p>{{ said }}</p>
{% if lines %}{{ table(heads, lines) }}{% endif %}
{% endfor %}
</section>
"""
_MARKDOWN = """
## Findings

{% for title, said, heads, lines in tables %}
### {{ title }}

{{ said }}

{% if lines %}{{ table(heads, lines) }}{% endif %}

{% endfor %}
"""

Table = tuple[str, str, list[str], list[list[str]]]


def _show(page: Page) -> dict[str, Any] | None:
    quality = page.row.quality
    tables = (
        []
        if quality is None
        else [table for table in (_limits(quality), _sizes(quality), _kinds(quality)) if table is not None]
    )
    return {"tables": tables} if tables else None


def _limits(quality: Quality) -> Table | None:
    limits = quality.limits
    if limits is None:
        return None
    said = (
        "Escapes and overkill are counted on decisions after limits, and what people marked is held to the same limits: "
        f"of {count(limits.of)} photographs {count(limits.tolerated)} show defects that the limits allow, which makes "
        f"them good ones. {count(limits.reviewed)} go to a person: they leave the line and count as rejected."
    )
    lines = [[each.limit, each.action, count(each.defective), count(each.good)] for each in limits.decided]
    return "Which limit decided", said, ["Limit", "Decision", "Defective", "Good"], lines


def _sizes(quality: Quality) -> Table | None:
    if quality.findings is None:
        return None
    found, seen = quality.findings.detectability, quality.findings
    unit = found.unit
    said = f"{count(found.found)} of {count(found.defects)} marked defects are found"
    if found.smallest is not None:
        said += f", the smallest {found.smallest:.3g} {unit} long"
    if found.largest_missed is not None:
        said += f"; the largest that is missed is {found.largest_missed:.3g} {unit} long"
    if found.a90_95 is not None and found.a90 is not None:
        said += (
            f". Nine in ten are found from {found.a90:.3g} {unit} on; with 95 % confidence from {found.a90_95:.3g} {unit} "
            "on (a90/95, MIL-HDBK-1823A)."
        )
    else:
        said += f". The size that is proven to be found (a90/95) cannot be said: {found.why_not}."
    said += f" {count(seen.false_findings)} findings lie where nothing was marked; F1 at IoU > 0.33 is {seen.f1:.3f}"
    said += "." if seen.side_error is None else f", and a box's sides are off by {seen.side_error:.3g} {unit} (median)."
    if seen.average_precision is not None:
        at = seen.average_precision
        said += f" Mean average precision: {at.at_33:.3f} at IoU 0.33, {at.at_50:.3f} at 0.5."
    return "How small a defect may be", said, [], []


def _kinds(quality: Quality) -> Table | None:
    if quality.findings is None or quality.findings.kinds_right is None:
        return None
    confusion = quality.findings.confusion
    kinds = sorted({each.kind for each in confusion})
    heads = [*kinds, *sorted({each.taken_for for each in confusion} - set(kinds))]
    counts = {(each.kind, each.taken_for): each.count for each in confusion}
    lines = [[kind, *(count(counts.get((kind, head), 0)) for head in heads)] for kind in kinds]
    said = f"{100 * quality.findings.kinds_right:.3g} % of the defects found are called by their kind."
    return "Which kind was taken for which", said, ["Marked as", *heads], lines


SECTION = Section(name="findings", order=77, show=_show, html=_HTML, markdown=_MARKDOWN)
