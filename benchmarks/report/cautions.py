"""What the gates do not say: they compare with the teacher, so a poor teacher makes them easy to hold."""

from __future__ import annotations

from .decision import shown_row, teacher_of
from .schema import Report, Row
from .wording import auroc, named, percent

_CHANCE = 0.5
_MANY_ESCAPES = 0.1


def cautions(report: Report) -> list[str]:
    """Give what a reader must bear in mind before signing; mostly nothing."""
    row, teacher = shown_row(report), teacher_of(report)
    found = ["These times were computed, not measured."] if row.predicted else []
    found += [_no_better_than_chance(each) for each in _different(row, teacher) if _may_be_chance(each)]
    if row.quality and row.quality.escape.rate >= _MANY_ESCAPES:
        found.append(
            f"{percent(row.quality.escape.rate)} of the defects in the test get through. The gate only asks how many "
            "more than with the teacher; decide whether so many are bearable."
        )
    return found


def _different(row: Row, teacher: Row | None) -> list[Row]:
    return [row] if teacher is None or teacher is row else [row, teacher]


def _may_be_chance(row: Row) -> bool:
    return row.quality is not None and row.quality.auroc_interval[0] <= _CHANCE


def _no_better_than_chance(row: Row) -> str:
    seen = auroc(row.quality.auroc) if row.quality else ""
    return (
        f"On the test parts {named(row.name)} may sort no better than a coin toss: its AUROC is {seen}, and "
        f"{_CHANCE} is a coin toss. Nothing compared with it means much."
    )
