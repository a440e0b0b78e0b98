"""`report --format md`: verdict, gates and all models as tables, for a merge request or a wiki."""

from __future__ import annotations

import re

from ..decision import HEADINGS, lead_sentence, next_steps, overall_verdict, shown_row
from ..finished import FinishedReport, Format
from ..gate_cards import GATE_WORDS, gate_cards
from ..schema import Report
from ..table import Cell, table_rows
from ..wording import moment, ms, percent

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&@!])")


def _render(finished: FinishedReport) -> str:
    report = finished.report
    parts = [
        f"# {HEADINGS[overall_verdict(report)]}",
        _text(lead_sentence(report)),
        _gates(report),
        "## Next",
        "\n".join(f"{number}. {_text(step)}" for number, step in enumerate(next_steps(report), start=1)),
        "## All models",
        _models(report),
        _origin(report),
    ]
    return "\n\n".join(parts).replace("\u00a0", " ") + "\n"


def _gates(report: Report) -> str:
    row = shown_row(report)
    cards = gate_cards(report, row)
    lines = [[card.title, GATE_WORDS[card.status] if card.status else "", card.seen, card.sentence] for card in cards]
    return _table([f"Gate, {row.name}", "", "Seen", "Proven"], lines)


def _models(report: Report) -> str:
    rows = table_rows(report)
    heads = ["Model", "Runs on", *(cell.heading for cell in rows[0].cells), "Verdict"]
    lines = [
        [
            row.row.name + (" (selected)" if row.selected else ""),
            f"{row.row.backend}, {row.row.precision}",
            *(_cell(cell) for cell in row.cells),
            row.verdict + (" (predicted)" if row.row.predicted else ""),
        ]
        for row in rows
    ]
    return _table(heads, lines)


def _origin(report: Report) -> str:
    budget = report.budget
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


def _cell(cell: Cell) -> str:
    return f"{cell.main} ({cell.detail})" if cell.detail else cell.main


def _table(heads: list[str], lines: list[list[str]]) -> str:
    ruler = ["---"] * len(heads)
    rows = [[_text(cell) for cell in heads], ruler, *([_text(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _text(words: str) -> str:
    r"""Give words as they stand, none of them taken for markup; a line break would end a table's row.

    >>> _text("student_16 <b>|")
    'student\\_16 \\<b\\>\\|'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))


FORMAT = Format(name="md", suffix=".md", render=_render)
