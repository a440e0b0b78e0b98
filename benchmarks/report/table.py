"""All rows as a table: what each costs, how it sorts, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass

from .schema import Parity, Quality, Rate, Report, Row
from .schema_parts import VerdictWord
from .schema_times import Latency, Speedup
from .wording import auroc, count, ms, percent, size

VERDICT_LABELS: dict[VerdictWord, str] = {"fits": "fits", "misses": "misses", "inconclusive": "not proven"}
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
    main: str = _NONE
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row; `number` is also its mark in the charts."""

    number: int
    row: Row
    selected: bool
    verdict: str
    how: str
    cells: tuple[Cell, ...]


def table_rows(report: Report) -> list[TableRow]:
    """Give the rows in the report's order."""
    return [
        TableRow(
            number=number,
            row=row,
            selected=row.name == report.selected,
            verdict=VERDICT_LABELS[row.verdict],
            how=" \N{RIGHTWARDS ARROW} ".join(row.recipe) or row.role,
            cells=_cells(row),
        )
        for number, row in enumerate(report.rows, start=1)
    ]


def summary_rows(report: Report, *, most: int = 6) -> list[TableRow]:
    """Give the rows for the one page that is signed: selected row, teacher and those that fit before others."""
    order = {"fits": 0, "inconclusive": 1, "misses": 2}
    ranked = sorted(
        table_rows(report),
        key=lambda each: (not each.selected, each.row.role != "teacher", order[each.row.verdict], each.number),
    )
    return sorted(ranked[:most], key=lambda each: each.number)


def _cells(row: Row) -> tuple[Cell, ...]:
    quality = row.quality
    return (
        Cell(heading="Size", main=_NONE if row.size_bytes is None else size(row.size_bytes)),
        _typical(row),
        _slow(row.latency_ms),
        _late(row.latency_ms),
        _auroc(quality),
        _rate("Escapes", quality.escape if quality else None),
        _paired(quality),
        _rate("Overkill", quality.overkill if quality else None),
        _flips(row.parity),
    )


def _typical(row: Row) -> Cell:
    if row.latency_ms is None:
        return Cell(heading="Typical")
    engine = f"engine {ms(row.engine_ms.p50)}" if row.engine_ms else ""
    detail = "; ".join(part for part in (engine, _faster(row.speedup)) if part)
    return Cell(heading="Typical", main=ms(row.latency_ms.p50), detail=detail)


def _faster(speedup: Speedup | None) -> str:
    """Say how a row compares with the one it were interleaved with, typical times with their interval."""
    if speedup is None:
        return ""
    times = speedup.p50
    bounds = f"{times.lower:.3g}\N{EN DASH}{times.upper:.3g}"
    return f"{times.ratio:.3g}\N{MULTIPLICATION SIGN} as fast as {speedup.against} ({bounds})"


def _slow(latency: Latency | None) -> Cell:
    if latency is None:
        return Cell(heading="Slow")
    return Cell(heading="Slow", main=ms(latency.slowest_known), detail=f"1 in {latency.slowest_one_in:,}")


def _late(latency: Latency | None) -> Cell:
    if latency is None:
        return Cell(heading="Late")
    main = f"{count(latency.misses)} of {count(latency.frames)}"
    return Cell(heading="Late", main=main, detail=f"\N{LESS-THAN OR EQUAL TO} {percent(latency.miss_upper)}")


def _auroc(quality: Quality | None) -> Cell:
    if quality is None or quality.auroc is None:
        return Cell(heading="AUROC")
    low, high = quality.auroc_interval
    return Cell(heading="AUROC", main=auroc(quality.auroc), detail=f"{auroc(low)}\N{EN DASH}{auroc(high)}")


def _rate(heading: str, rate: Rate | None) -> Cell:
    if rate is None:
        return Cell(heading=heading)
    bound = f"\N{LESS-THAN OR EQUAL TO} {percent(rate.upper)}"
    return Cell(heading=heading, main=f"{count(rate.count)} of {count(rate.of)}", detail=bound)


def _paired(quality: Quality | None) -> Cell:
    if quality is None or quality.paired is None:
        return Cell(heading="New")
    return Cell(heading="New", main=count(quality.paired.new_escapes), detail=f"{quality.paired.recovered} recovered")


def _flips(parity: Parity | None) -> Cell:
    if parity is None:
        return Cell(heading="Flips")
    return Cell(heading="Flips", main=count(parity.flips), detail=f"of\u00a0{count(parity.frames)}")
