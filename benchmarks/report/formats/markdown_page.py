"""`report --format md`: verdict, gates, and the sections as text and tables, for a merge request or a wiki."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..decision import GATE_LABELS, HEADINGS, lead_sentence
from ..finished import FinishedReport, Format, page_of
from ..page import Page
from ..render import environment, shown_sections
from ..wording import moment, ms, percent

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&@!])")


class _Made(str):
    """Text that is Markdown already."""

    __slots__ = ()


def _render(finished: FinishedReport) -> str:
    page = page_of(finished)
    report = page.report
    markdown = environment(finalize=lambda value: value if isinstance(value, _Made) else _text(str(value)))
    markdown.globals["table"] = lambda heads, lines: _Made(_table(heads, lines))
    parts = [
        f"# {HEADINGS[page.verdict]}",
        _text(lead_sentence(report)),
        *(f"**Mind:** {_text(caution)}" for caution in report.cautions),
        _gates(page),
        *(
            markdown.from_string(section.markdown).render(shown).strip()
            for section, shown in shown_sections(page)
            if section.markdown
        ),
        _origin(page),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n\n".join(filter(None, parts))).replace("\u00a0", " ") + "\n"


def _gates(page: Page) -> str:
    lines = [[each.title, GATE_LABELS[each.outcome], each.seen, each.sentence] for each in page.row.gates.values()]
    return _table([f"Gate, {page.row.name}", "", "Seen", "Proven"], lines) if lines else ""


def _origin(page: Page) -> str:
    report, budget = page.report, page.report.budget
    line = (
        f"Line: a frame every {ms(budget.period_ms)}, {ms(budget.deadline_ms)} for a decision, at most "
        f"{percent(budget.miss_max)} late with {percent(budget.confidence)} confidence."
    )
    facts = [
        line,
        f"Device: {', '.join(filter(None, (report.device.name, report.device.cpu)))}.",
        f"Data: {report.data.name}, {report.data.digest}.",
        f"Started {moment(report.started)}." if report.started else "",
    ]
    return " ".join(_text(fact) for fact in facts if fact)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    ruler = ["---"] * len(heads)
    rows = [[_text(cell) for cell in heads], ruler, *([_text(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(text: str) -> str:
    r"""Give words as they stand, none of them taken for markup; a line break would end a table's row.

    >>> _text("student_16 <b>|")
    'student\\_16 \\<b\\>\\|'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


FORMAT = Format(name="md", suffix=".md", render=_render)
