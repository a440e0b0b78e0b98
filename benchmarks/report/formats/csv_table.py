"""`report --format csv`: a line for each row, units in the header, for spreadsheets and scripts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO

from ..finished import FinishedReport, Format
from ..schema import Portion, Quality, Report, Row
from ..schema_times import Latency

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins like this for a formula (OWASP, "CSV Injection")."""

_Value = str | float | None
_COLUMNS: dict[str, Callable[[Report, Row], _Value]] = {
    "row": lambda _, row: row.name,
    "role": lambda _, row: row.role,
    "device": lambda report, row: report.device_of(row).name,
    "verdict": lambda _, row: row.verdict,
    "selected": lambda report, row: _flag(row.name == report.selected),
    "backend": lambda _, row: row.backend,
    "precision": lambda _, row: row.precision,
    "recipe": lambda _, row: "; ".join(row.recipe),
    "size_bytes": lambda _, row: row.size_bytes,
    "transport_bytes": lambda _, row: row.transport_bytes,
    "parameters": lambda _, row: row.parameters,
    "macs": lambda _, row: row.macs,
    "period_ms": lambda report, _: report.budget.period_ms,
    "deadline_ms": lambda report, _: report.budget.deadline_ms,
    "frames": lambda _, row: _timed(row, lambda latency: latency.frames),
    "late_frames": lambda _, row: _timed(row, lambda latency: latency.misses),
    "late_share_upper": lambda _, row: _timed(row, lambda latency: latency.miss_upper),
    "response_p50_ms": lambda _, row: _timed(row, lambda latency: latency.p50),
    "response_p99_ms": lambda _, row: _timed(row, lambda latency: latency.p99),
    "response_p999_ms": lambda _, row: _timed(row, lambda latency: latency.p999),
    "engine_p50_ms": lambda _, row: row.engine_ms.p50 if row.engine_ms else None,
    "back_to_back_p50_ms": lambda _, row: row.back_to_back_ms.p50 if row.back_to_back_ms else None,
    "auroc": lambda _, row: _sorted(row, lambda quality: quality.auroc),
    "auroc_low": lambda _, row: _sorted(row, lambda quality: _end(quality, 0)),
    "auroc_high": lambda _, row: _sorted(row, lambda quality: _end(quality, 1)),
    "threshold": lambda _, row: _sorted(row, lambda quality: quality.threshold),
    "defects": lambda _, row: _sorted(row, lambda quality: quality.escape.of),
    "escapes": lambda _, row: _sorted(row, lambda quality: quality.escape.count),
    "escape_share_upper": lambda _, row: _sorted(row, lambda quality: quality.escape.upper),
    "new_escapes": lambda _, row: _sorted(row, lambda quality: quality.paired.new_escapes if quality.paired else None),
    "recovered": lambda _, row: _sorted(row, lambda quality: quality.paired.recovered if quality.paired else None),
    "good_parts": lambda _, row: _sorted(row, lambda quality: quality.overkill.of),
    "overkills": lambda _, row: _sorted(row, lambda quality: quality.overkill.count),
    "overkill_share_upper": lambda _, row: _sorted(row, lambda quality: quality.overkill.upper),
    "flips": lambda _, row: row.parity.flips if row.parity else None,
    "escapes_by_kind": lambda _, row: _sorted(row, lambda quality: _portions(quality.by_kind)),
    "escapes_by_group": lambda _, row: _sorted(row, lambda quality: _portions(quality.by_group)),
    "reason": lambda _, row: row.reasons[0] if row.reasons else None,
    "cautions": lambda report, row: " ".join([*row.cautions, *report.data.cautions]),
}


def _render(finished: FinishedReport) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    gates = list(dict.fromkeys(name for row in finished.report.rows for name in row.gates))
    writer.writerow([*_COLUMNS, *(f"gate_{name}" for name in gates)])
    for row in finished.report.rows:
        found = [row.gates[name].outcome if name in row.gates else None for name in gates]
        writer.writerow(
            [_cell(value) for value in (*(pick(finished.report, row) for pick in _COLUMNS.values()), *found)]
        )
    return text.getvalue()


def _cell(value: _Value) -> _Value:
    """Keep a spreadsheet from running a name as a formula; numbers are left alone."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _portions(portions: list[Portion]) -> str:
    return "; ".join(f"{each.name} {each.count}/{each.of}" for each in portions)


def _end(quality: Quality, end: int) -> float | None:
    return None if quality.auroc is None else quality.auroc_interval[end]


def _flag(holds: bool) -> str:
    return "yes" if holds else "no"


def _timed(row: Row, pick: Callable[[Latency], _Value]) -> _Value:
    return pick(row.latency_ms) if row.latency_ms else None


def _sorted(row: Row, pick: Callable[[Quality], _Value]) -> _Value:
    return pick(row.quality) if row.quality else None


FORMAT = Format(name="csv", suffix=".csv", render=_render)
