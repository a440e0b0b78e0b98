"""A finished report in any form: read once from its folder, then printed by one of the plug-ins in `formats`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...inspection.base.errors import DataError
from ...inspection.base.plugins import plugins, unknown_plugin
from .files import soak_of, traces_of
from .page import Page
from .reading import checked_report, read_report
from .schema import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedReport:
    """A report.json that was read and checked.

    Attributes:
        path: Where it lies; `report.html` and `traces/` may lie beside it.
        content: The JSON as it stands in the file, unknown keys included.
        report: The same, checked.
    """

    path: Path
    content: dict[str, Any]
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A form of the report; the constant `FORMAT` of a file in `benchmarks/report/formats`.

    Attributes:
        name: As written after `--format`.
        suffix: Of a file that holds it, with the dot.
        render: Gives the whole text; it runs nothing and measures nothing.
    """

    name: str
    suffix: str
    render: Callable[[FinishedReport], str]


def finished_report(path: Path) -> FinishedReport:
    """Read a report.json.

    Raises:
        DataError: There is none, or it is not one of schema 1.
    """
    content = read_report(path)
    return FinishedReport(path=path, content=content, report=checked_report(content, source=str(path)))


def page_of(finished: FinishedReport) -> Page:
    """Put the traces and the soak that lie beside a report with it.

    Raises:
        MeasurementError: One of them is damaged or of another version.
    """
    folder, report = finished.path.parent, finished.report
    page = Page(report=report, traces=traces_of(folder, (each.name for each in report.rows)))
    artifact_digest = page.traces[page.row.name].artifact_digest if page.row.name in page.traces else None
    soak = soak_of(folder, (page.row.name, page.row.model_name), artifact_digest=artifact_digest)
    return replace(page, soak=soak)


def formats() -> dict[str, Format]:
    """Give all formats by name, those of other packages included."""
    return dict(plugins("benchmarks.report.formats"))


def format_of(name: str | None, *, output: Path | None) -> Format | None:
    """Give the format asked for by name, or by the suffix of the file it goes into; None if neither is given.

    Raises:
        DataError: There is none of that name or suffix; the message lists those that there are.
    """
    known = formats()
    if name is not None and (wrong := unknown_plugin("benchmarks.report.formats", name)) is not None:
        msg = f"--format: {wrong}"
        raise DataError(msg)
    if name is not None or output is None:
        return known[name] if name is not None else None
    fitting = [each for each in known.values() if each.suffix == output.suffix]
    if not fitting:
        msg = f"{output}: no format is known by the suffix {output.suffix!r}; add --format {'|'.join(known)}"
        raise DataError(msg)
    return fitting[0]
