"""All rows as a table: what each costs, how it sorts, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass

from .schema import Latency, Quality, Report, Row, VerdictWord
from .wording import auroc, count, ms, percent, size

VERDICT_WORDS: dict[VerdictWord, str] = {"fits": "fits", "misses": "misses", "inconclusive": "not proven"}
_NONE = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One figure.

    Attributes:
        heading: The column's heading.
        main: The figure.
        detail: A second line in small print; may be empty.
    """

    heading: str
    main: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row; `number` is also its mark in the chart."""

    number: int
    row: Row
    selected: bool
    verdict: str
    cells: tuple[Cell, ...]


def table_rows(report: Report) -> list[TableRow]:
    """Give the rows in the report's order."""
    return [
        TableRow(
            number=number,
            row=row,
            selected=row.name == report.selected,
            verdict=VERDICT_WORDS[row.verdict],
            cells=_cells(row),
        )
        for number, row in enumerate(report.rows, start=1)
    ]


def _cells(row: Row) -> tuple[Cell, ...]:
    latency, quality = row.latency_ms, row.quality
    return (
        Cell(heading="Runs on", main=row.backend, detail=row.precision),
        Cell(heading="Size", main=_NONE if row.size_bytes is None else size(row.size_bytes)),
        Cell(heading="Typical time", main=ms(latency.p50) if latency else _NONE, detail=_engine(row)),
        Cell(heading="Slow frames", main=ms(latency.slowest_known) if latency else _NONE, detail=_which(latency)),
        _late(latency),
        _auroc(quality),
        _escapes(quality),
        _overkill(quality),
        Cell(heading="Flips", main=count(row.parity.flips) if row.parity else _NONE, detail=_flips(row)),
    )


def _engine(row: Row) -> str:
    return f"engine {ms(row.engine_ms.p50)}" if row.engine_ms else ""


def _which(latency: Latency | None) -> str:
    if latency is None:
        return ""
    return "99\u00a0% within" if latency.p999 is None else "99.9\u00a0% within"


def _late(latency: Latency | None) -> Cell:
    if latency is None:
        return Cell(heading="Late", main=_NONE)
    main = f"{count(latency.misses)} of {count(latency.frames)}"
    return Cell(heading="Late", main=main, detail=f"at most {percent(latency.miss_upper)}")


def _auroc(quality: Quality | None) -> Cell:
    if quality is None:
        return Cell(heading="AUROC", main=_NONE)
    low, high = quality.auroc_interval
    return Cell(heading="AUROC", main=auroc(quality.auroc), detail=f"{auroc(low)} to {auroc(high)}")


def _escapes(quality: Quality | None) -> Cell:
    if quality is None:
        return Cell(heading="Escapes", main=_NONE)
    main = f"{count(quality.escape.count)} of {count(quality.escape.of)}"
    paired = quality.paired
    new = f", {paired.new_escapes} new, {paired.recovered} recovered" if paired else ""
    return Cell(heading="Escapes", main=main, detail=f"at most {percent(quality.escape.upper)}{new}")


def _overkill(quality: Quality | None) -> Cell:
    if quality is None:
        return Cell(heading="Overkill", main=_NONE)
    main = f"{count(quality.overkill.count)} of {count(quality.overkill.of)}"
    return Cell(heading="Overkill", main=main, detail=f"at most {percent(quality.overkill.upper)}")


def _flips(row: Row) -> str:
    return f"of {count(row.parity.frames)}" if row.parity else ""
