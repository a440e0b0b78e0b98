"""One self-contained page from a report: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...inspection.base.storage import digest_of_json
from ..soak.schema import SoakSummary
from ..timing.measurement import Measurement
from .cautions import cautions
from .decision import (
    HEADINGS,
    comparison,
    lead_sentence,
    next_steps,
    overall_verdict,
    shown_row,
    teacher_of,
)
from .device_table import device_table
from .facts import fact_sheets
from .figures import (
    belt_speed_figure,
    budget_figure,
    histogram_figure,
    over_run_figure,
    pareto_figure,
    parts_figure,
    search_figure,
    soak_figure,
    tail_figure,
)
from .gallery import Card, GalleryItem, cards
from .gate_cards import GATE_WORDS, gate_cards
from .notes import notes, proof_table
from .reading import checked_report
from .schema import Report
from .search_part import search_part
from .soak_part import soak_part
from .table import step_cells, summary_rows, table_rows
from .wording import auroc, count, moment, ms, named, percent, plural, size, speed, tied

_TEMPLATES = Path(__file__).parent / "templates"
_HEAD_CHARACTERS = 1000


def render_report(
    report: Mapping[str, Any],
    gallery: Sequence[GalleryItem] = (),
    traces: Mapping[str, Measurement] | None = None,
    *,
    soak: SoakSummary | None = None,
) -> str:
    """Render the page.

    Args:
        report: report.json, schema 1.
        gallery: The shown row's escapes and overkills; as many as there is room for are shown.
        traces: Measurements by row name; charts without one are left out.
        soak: Of the row shown, if there was one.

    Returns:
        A whole HTML document, under 5 MB.

    Raises:
        DataError: The report is not one of schema 1.
    """
    checked = checked_report(report)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        svg=Markup,
        ms=ms,
        percent=percent,
        count=count,
        plural=plural,
        size=size,
        speed=speed,
        auroc=auroc,
        moment=moment,
        named=named,
        tied=tied,
    )
    page = environment.get_template("report.html.j2")
    drawn = {**_decision(checked), **_figures(checked, traces or {}), **_gallery(checked, gallery), **_soak(soak)}
    return page.render(digest=digest_of_json(report), source=_source_digest(report, soak), **drawn)


def drawn_from(page: str, report: Mapping[str, Any], soak: SoakSummary | None) -> bool:
    """Whether a page was drawn from this very report and soak: it names their digest."""
    return f'<meta name="beltline-report" content="{_source_digest(report, soak)}">' in page[:_HEAD_CHARACTERS]


def _source_digest(report: Mapping[str, Any], soak: SoakSummary | None) -> str:
    return digest_of_json([report, soak.model_dump(mode="json") if soak else None])


def _soak(soak: SoakSummary | None) -> dict[str, Any]:
    return {"soak": soak_part(soak) if soak else None, "soak_chart": soak_figure(soak) if soak else None}


def _decision(report: Report) -> dict[str, Any]:
    verdict = overall_verdict(report)
    return {
        "report": report,
        "row": shown_row(report),
        "teacher": teacher_of(report),
        "verdict": verdict,
        "heading": HEADINGS[verdict],
        "lead": lead_sentence(report),
        "cautions": cautions(report),
        "next_steps": next_steps(report),
        "comparison": comparison(report),
        "gates": gate_cards(report, shown_row(report)),
        "gate_words": GATE_WORDS,
        "rows": table_rows(report),
        "summary_rows": summary_rows(report),
        "devices": device_table(report),
        "steps": [(step.name, step_cells(step)) for step in shown_row(report).steps],
        "notes": notes(report),
        "proofs": proof_table(),
        "sheets": fact_sheets(report),
    }


def _figures(report: Report, traces: Mapping[str, Measurement]) -> dict[str, Any]:
    trace = traces.get(shown_row(report).name)
    return {
        "budget": budget_figure(report),
        "histogram": histogram_figure(report, traces),
        "tail": tail_figure(report, traces),
        "over_run": over_run_figure(report, traces),
        "parts": parts_figure(report, traces),
        "belt_speed": belt_speed_figure(report),
        "pareto": pareto_figure(report),
        "search": search_part(report),
        "search_chart": search_figure(report),
        "cold_frames": trace.warmup if trace else 0,
        "on_belt": trace is not None and trace.mode == "belt",
    }


def _gallery(report: Report, items: Sequence[GalleryItem]) -> dict[str, Any]:
    quality = shown_row(report).quality
    drawn: list[Card] = []
    if quality is not None:
        new_paths = quality.paired.new_escape_paths if quality.paired else []
        drawn = cards(items, threshold=quality.threshold, new_paths=new_paths)
    return {
        "escapes": [card for card in drawn if card.item.kind == "escape"],
        "overkills": [card for card in drawn if card.item.kind == "overkill"],
    }
