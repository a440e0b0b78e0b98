"""One self-contained page from a report: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...inspection.base.plugins import plugins
from ...inspection.base.storage import digest_of_json
from ..soak.schema import SoakSummary
from ..timing.measurement import Measurement
from . import wording
from .charts.gauge import gauge
from .decision import GATE_LABELS, HEADINGS, lead_sentence
from .gallery import GalleryItem
from .inspected_view import InspectedView
from .page import Page, Section
from .reading import checked_report
from .schema import GateFinding
from .sections.budget import budget_figure
from .table import summary_rows, table_rows

_TEMPLATES = Path(__file__).parent / "templates"
_HEAD_CHARACTERS = 1000
_WORDINGS = ("ms", "percent", "count", "plural", "size", "speed", "auroc", "moment", "named", "tied")
_MACROS = '{% from "macros.html.j2" import chart, sign, cells_of, table %}'


def sections() -> list[Section]:
    """Give all sections in the order in which they stand, those of other packages included."""
    found = plugins("benchmarks.report.sections").values()
    return sorted(found, key=lambda each: (each.order, each.name))


def shown_sections(page: Page) -> list[tuple[Section, dict[str, Any]]]:
    """Give the sections that have something to show, each with what its templates name."""
    common = {
        "page": page,
        "report": page.report,
        "row": page.row,
        "teacher": page.teacher,
        "verdict": page.verdict,
        "gate_labels": GATE_LABELS,
    }
    found = [(section, section.show(page)) for section in sections()]
    return [(section, {**common, **shown}) for section, shown in found if shown is not None]


def environment(**options: Any) -> Environment:
    """Give a Jinja environment with the filters that say numbers as people read them; unknown names are errors."""
    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options)  # noqa: S701 - escaping is the caller's choice: HTML or Markdown
    made.filters.update({name: getattr(wording, name) for name in _WORDINGS})
    return made


def render_report(
    report: Mapping[str, Any],
    gallery: Sequence[GalleryItem] = (),
    traces: Mapping[str, Measurement] | None = None,
    *,
    soak: SoakSummary | None = None,
    inspected: InspectedView | None = None,
) -> str:
    """Render the page.

    Args:
        report: report.json, schema 1.
        gallery: The shown row's escapes and overkills; as many as there is room for are shown.
        traces: Measurements by row name; charts without one are left out.
        soak: Of the row shown, if there was one.
        inspected: What of the camera's frames is inspected; None: all of them.

    Returns:
        A whole HTML document, under 5 MB.

    Raises:
        DataError: The report is not one of schema 1.
    """
    checked = checked_report(report)
    page = Page(report=checked, traces=traces or {}, gallery=gallery, soak=soak, inspected=inspected)
    html = environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)
    html.filters.update(svg=Markup, gauge=_gauge)
    drawn = [html.from_string(_MACROS + section.html).render(shown).strip() for section, shown in shown_sections(page)]
    return html.get_template("report.html.j2").render(
        page=page,
        report=checked,
        row=page.row,
        verdict=page.verdict,
        heading=HEADINGS[page.verdict],
        lead=lead_sentence(checked),
        gate_labels=GATE_LABELS,
        rows=table_rows(checked),
        summary_rows=summary_rows(checked),
        budget=budget_figure(checked),
        sections=[Markup(each) for each in drawn],  # noqa: S704 - rendered above with every value escaped
        digest=digest_of_json(report),
        source=_source_digest(report, soak),
    )


def drawn_from(page: str, report: Mapping[str, Any], soak: SoakSummary | None) -> bool:
    """Whether a page was drawn from this very report and soak: it names their digest."""
    return f'<meta name="beltline-report" content="{_source_digest(report, soak)}">' in page[:_HEAD_CHARACTERS]


def _source_digest(report: Mapping[str, Any], soak: SoakSummary | None) -> str:
    return digest_of_json([report, soak.model_dump(mode="json") if soak else None])


def _gauge(finding: GateFinding) -> Markup:
    """Draw a finding's scale, or nothing."""
    if finding.scale is None:
        return Markup()
    seen, bound, limit = finding.scale
    label = f"{finding.title}: {finding.seen}; {finding.proven}"
    return Markup(gauge(seen, bound, limit, label=label, kind=finding.outcome))  # noqa: S704 - the chart escapes its texts
