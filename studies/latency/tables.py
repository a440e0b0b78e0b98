"""The tables of `false_fits`, on a terminal or as plain text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table

from ...inspection.statistics.bounds import rate_lower, rate_upper

_SIDE = 0.975


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What became of the lines of one case at one true rate.

    Attributes:
        case: Name of the case.
        holds: Whether its assumption is right.
        burst_frames: Late frames that its proof takes as one event.
        factor: True share of late frames, in limits.
        confidence: Of the gate.
        lines: How many were drawn.
        fits: So many were judged to fit.
        misses: So many were judged to miss.
        mean_frames: Until the run ended.
    """

    case: str
    holds: bool
    burst_frames: int
    factor: float
    confidence: float
    lines: int
    fits: int
    misses: int
    mean_frames: float

    @property
    def wrong(self) -> int:
        """Lines on which the verdict is false: `fits` above the limit, `misses` below it."""
        return self.fits if self.factor > 1 else self.misses

    @property
    def right(self) -> int:
        """Lines on which it is true."""
        return self.misses if self.factor > 1 else self.fits


def interval(count: int, of: int) -> tuple[float, float]:
    """Give the exact two-sided 95 % interval of a share.

    >>> [round(end, 3) for end in interval(50, 2000)]
    [0.019, 0.033]
    """
    return rate_lower(count, of, confidence=_SIDE), rate_upper(count, of, confidence=_SIDE)


def write_tables(cells: Sequence[Cell], stream: TextIO) -> None:
    """Write three tables: judged to fit, judged to miss, frames used; a row for each case, a column for each rate.

    Args:
        cells: Case by case, each with the same rates.
        stream: Where to write; colours only on a terminal.
    """
    from rich.console import Console

    console = Console(file=stream, width=None if stream.isatty() else 160)
    lines = cells[0].lines
    console.print(
        _table(cells, f"Judged to fit, in % of {lines:,} lines each (95 % interval)", _share_that_fits),
        _table(cells, "Judged to miss, in %", _share_that_misses),
        _table(cells, "Frames until the end, mean", lambda cell: f"{cell.mean_frames:,.0f}"),
    )
    console.print(
        "Columns: the true share of late frames, in limits. Above 1, `fits` is false; below 1, `misses` is. The limit "
        "is 2 % at 95 % confidence where nothing else is said. Cases marked * break what the proof assumes."
    )


def _table(cells: Sequence[Cell], title: str, shown: Callable[[Cell], str]) -> Table:
    from rich import box
    from rich.table import Table

    factors = list(dict.fromkeys(cell.factor for cell in cells))
    table = Table(title=title, box=box.MARKDOWN, title_justify="left")
    table.add_column("lines that are late ...")
    table.add_column("one event", justify="right")
    for factor in factors:
        table.add_column(f"{factor:g}", justify="right", no_wrap=True)
    for case in dict.fromkeys(cell.case for cell in cells):
        row = [cell for cell in cells if cell.case == case]
        name = case if row[0].holds else f"{case} *"
        table.add_row(name, f"{row[0].burst_frames}", *(shown(cell) for cell in row))
    return table


def _share_that_fits(cell: Cell) -> str:
    return _share(cell.fits, cell, wrong=cell.factor > 1)


def _share_that_misses(cell: Cell) -> str:
    return _share(cell.misses, cell, wrong=cell.factor < 1)


def _share(count: int, cell: Cell, *, wrong: bool) -> str:
    """Give a share; where it is false its interval, and in colour where that lies above the error allowed."""
    share = f"{100 * count / cell.lines:.1f}"
    if not wrong:
        return share
    low, high = interval(count, cell.lines)
    shown = f"{share} ({100 * low:.1f}-{100 * high:.1f})"
    return f"[red]{shown}[/red]" if low > 1 - cell.confidence else shown
