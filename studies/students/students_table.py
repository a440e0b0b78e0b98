"""The table of a study of students, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...inspection.base.storage import write_bytes
from ...pipeline.stages.job import RunJob
from ...pipeline.stages.rows import TEACHER
from .seeds import over_seeds
from .students import Cell

TABLE = "table.md"


def notified(job: RunJob, cells: Iterable[Cell]) -> str:
    """Give the table of all cells, which the run's folder holds as far as they came, as `table.md`."""
    seen, table = list[Cell](), ""
    for cell in cells:
        seen.append(cell)
        table = students_table(seen, max_overkill=job.line_file.gates.overkill.max)
        write_bytes(job.folder / TABLE, table.encode())
    return table


def students_table(cells: Sequence[Cell], *, max_overkill: float) -> str:
    """Write a row for each variant, in the order in which they come: means over seeds with their 95 % intervals.

    The last two columns compare a variant with the row above it and with the first, seed by seed: the difference of
    escapes at the gate's overkill on test, in points; below 0 is better.

    Args:
        cells: The teacher's first.
        max_overkill: The gate's, at which `level_escape` was taken.
    """
    head = (
        "trained on",
        "seeds",
        "val AUROC",
        "test AUROC",
        "test escapes, cut on val",
        "test overkill, cut on val",
        f"test escapes at {max_overkill:.0%} overkill",
        "against the row above",
        "against the first student",
    )
    names = list(dict.fromkeys(cell.variant for cell in cells))
    rows = [_row(cells, names, place) for place in range(len(names))]
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(cells: Sequence[Cell], names: list[str], place: int) -> tuple[str, ...]:
    own = [cell for cell in cells if cell.variant == names[place]]
    first = next((name for name in names if name != TEACHER), TEACHER)
    return (
        names[place],
        "-" if names[place] == TEACHER else str(len(own)),
        over_seeds([cell.val_auroc for cell in own]).text(".3f"),
        over_seeds([cell.test_auroc for cell in own]).text(".3f"),
        over_seeds([cell.escape for cell in own]).text(".1%"),
        over_seeds([cell.overkill for cell in own]).text(".1%"),
        over_seeds([cell.level_escape for cell in own]).text(".1%"),
        _difference(own, [cell for cell in cells if place and cell.variant == names[place - 1]]),
        _difference(own, [cell for cell in cells if cell.variant == first]),
    )


def _difference(own: Sequence[Cell], others: Sequence[Cell]) -> str:
    """Compare seed by seed; nothing where there is nothing to compare with."""
    by_seed = {cell.seed: cell.level_escape for cell in others if cell.variant != TEACHER}
    pairs = [100 * (cell.level_escape - by_seed[cell.seed]) for cell in own if cell.seed in by_seed]
    if not pairs or own[0].variant in (TEACHER, others[0].variant):
        return "-"
    return over_seeds(pairs).text("+.1f")
