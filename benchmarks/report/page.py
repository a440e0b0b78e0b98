"""What a page of the report is drawn from, and what a section of it is.

A section is a file in `benchmarks/report/sections` with the constant `SECTION`; other packages add theirs by the
entry-point group `beltline.sections`. The formats that have room for sections, HTML and Markdown, show all there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..soak.schema import SoakSummary
from ..timing.measurement import Measurement
from .decision import overall_verdict, shown_row, teacher_of
from .gallery import GalleryItem
from .inspected_view import InspectedView
from .schema import Report, Row
from .schema_parts import VerdictWord

WIDE_PX, HALF_PX, _NARROW_PX = 1040.0, 510.0, 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A finished report with what lies beside it.

    Attributes:
        report: The report.json, checked.
        traces: Measurements by row name; charts without one are left out.
        gallery: The shown row's escapes and overkills.
        soak: Of the row shown, if there was one.
        inspected: What of the camera's frames is inspected; None: all of them, or nobody knows.
    """

    report: Report
    traces: Mapping[str, Measurement]
    gallery: Sequence[GalleryItem] = ()
    soak: SoakSummary | None = None
    inspected: InspectedView | None = None

    @property
    def row(self) -> Row:
        """The row shown: the selected one, or the one that came closest."""
        return shown_row(self.report)

    @property
    def teacher(self) -> Row | None:
        """The teacher's row."""
        return teacher_of(self.report)

    @property
    def verdict(self) -> VerdictWord:
        """The page's verdict."""
        return overall_verdict(self.report)

    @property
    def trace(self) -> Measurement | None:
        """The shown row's measurement, if it has a judged frame."""
        trace = self.traces.get(self.row.name)
        return trace if trace is not None and trace.response_ns.size else None

    @property
    def response_ms(self) -> NDArray[np.float64] | None:
        """The shown row's response times, float64 `[frames]`."""
        return None if self.trace is None else np.asarray(self.trace.response_ns / 1e6, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the report.

    Attributes:
        name: Of the section, unique.
        order: Sections stand by rising order; the built-in ones leave gaps of ten.
        show: Gives what its templates name besides `page`, `report` and `row`; None: the section is left out.
        html: Jinja template of a `<section>`; every value is escaped. `chart(figure)`, `sign(verdict)` and
            `cells_of(cells)` are at hand, and the filters of `benchmarks.report.wording`.
        markdown: Jinja template of the same for `--format md`; every value is escaped, and `table(heads, lines)` is at
            hand. Empty: the section is not shown there.
    """

    name: str
    order: int
    show: Callable[[Page], Mapping[str, Any] | None]
    html: str
    markdown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart as SVG for a wide page and for a phone; the style sheet shows one of the two."""

    wide: str
    narrow: str


def both(draw: Callable[[float], str], *, wide_px: float = WIDE_PX) -> Chart:
    """Draw a chart wide and narrow."""
    return Chart(wide=draw(wide_px), narrow=draw(_NARROW_PX))
