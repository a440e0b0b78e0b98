"""The table of a study of students, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from ...inspection.base.storage import write_bytes
from ...pipeline.stages.job import RunJob
from ...pipeline.stages.rows import TEACHER
from .students import Cell

_SIDE = 0.975


@dataclass(frozen=True, slots=True, kw_only=True)
class OverSeeds:
    """The mean of one figure over seeds, with its two-sided 95 % interval.

    The interval says how far another choice of seeds would move the mean; other images would move it further.

    Attributes:
        mean: Over seeds.
        lower: Of the interval; None for a single value.
        upper: Likewise.
    """

    mean: float
    lower: float | None
    upper: float | None

    def text(self, spec: str) -> str:
        """Give mean and interval in a format such as `.3f` or `+.1%`.

        >>> over_seeds([0.2, 0.3]).text(".2f"), over_seeds([0.2]).text(".2f")
        ('0.25 (-0.39 to 0.89)', '0.20')
        """
        if self.lower is None or self.upper is None:
            return f"{self.mean:{spec}}"
        return f"{self.mean:{spec}} ({self.lower:{spec}} to {self.upper:{spec}})"


def over_seeds(values: Sequence[float]) -> OverSeeds:
    """Average over seeds; the interval is Student's t.

    >>> found = over_seeds([1.0, 2.0, 3.0])
    >>> found.mean, round(found.upper - found.mean, 4)
    (2.0, 2.4841)
    """
    if len(values) < 2:
        return OverSeeds(mean=fmean(values), lower=None, upper=None)
    from scipy.stats import t

    mean, reach = fmean(values), float(t.ppf(_SIDE, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return OverSeeds(mean=mean, lower=mean - reach, upper=mean + reach)


TABLE = "table.md"


def table_text(job: RunJob, cells: Iterable[Cell]) -> str:
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
