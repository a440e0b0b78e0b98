"""How often is a verdict on lateness wrong? `python -m beltline.studies.latency.false_fits`.

Thousands of synthetic lines with a known true share of late frames go through what a measured run goes through: looks
planned beforehand, the sequential test, the run's steadiness, the judgement. `fits` above the limit and `misses` below
it are false; each is counted, with its exact 95 % interval (Clopper and Pearson).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TextIO

import numpy as np
from numpy.typing import NDArray

from ...benchmarks.gates.deadline_miss import in_time
from ...benchmarks.proof.gate import Run
from ...benchmarks.proof.interim_looks import InterimLook, plan_looks
from ...benchmarks.proof.miss_rate import Outcome, prove
from ...benchmarks.proof.steadiness import steadiness
from ...inspection.line.gates import MissGate
from ...inspection.line.stalls import burst_frames
from ...inspection.statistics.bounds import rate_lower, rate_upper
from .synthetic_lines import BELT, DEADLINE_MS, WORK_MS, Behaviour, draw_lines, measurement_of

if TYPE_CHECKING:
    from rich.table import Table

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
        "is 2 % at 95 % confidence where nothing else is written. Cases marked * break what the proof assumes."
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


LINES = 2_000
FACTORS = (0.25, 0.5, 0.9, 0.98, 1.02, 1.1, 1.5, 3.0)
"""True shares of late frames, in limits."""

_FIRST_FRAMES = 32
_RUN_BURSTS = 1_500
_GATE = MissGate(max=0.02, confidence=0.95)
_STRICT = MissGate(max=0.001, confidence=0.99)
_STRICT_FRAMES = 11_000
_STALL_MS = {1: 20.0, 3: 46.0, 10: 109.0, 20: 199.0}
"""The stall that makes so many frames late on the synthetic belt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of line, and what its proof assumes of it.

    Attributes:
        name: Stands in the table.
        behaviour: How frames come to be late.
        gate: What must hold; its stall is the assumption.
        frames: Longest run.
        holds: Whether the assumption is right, so that the error must stay within the confidence.
    """

    name: str
    behaviour: Behaviour
    gate: MissGate
    frames: int
    holds: bool


def cases() -> tuple[Case, ...]:
    """List the kinds of lines: those that the proof is made for, then those that it is not."""
    return (
        _case("independent", Behaviour(), allowed=1),
        _case("independent, allowed for 10", Behaviour(), allowed=10),
        _case("bursts of 3", Behaviour(burst=3), allowed=3),
        _case("bursts of 10", Behaviour(burst=10), allowed=10),
        _case("bursts of 1 to 10", Behaviour(burst=10, shortest_burst=1), allowed=10),
        _case("AR(1) with 0.9", Behaviour(correlation=0.9), allowed=20),
        _strict("independent, 0.1 % at 99 %", Behaviour(), allowed=1),
        _strict("bursts of 3, 0.1 % at 99 %", Behaviour(burst=3), allowed=3),
        _case("bursts of 3, taken for 1", Behaviour(burst=3), allowed=1, holds=False),
        _case("bursts of 10, taken for 3", Behaviour(burst=10), allowed=3, holds=False),
        _case("bursts of 10, taken for 1", Behaviour(burst=10), allowed=1, holds=False),
        _case("AR(1) with 0.9, taken for 1", Behaviour(correlation=0.9), allowed=1, holds=False),
        _case("AR(1) with 0.99, taken for 1", Behaviour(correlation=0.99), allowed=1, holds=False),
        _case("AR(1) with 0.99, taken for 10", Behaviour(correlation=0.99), allowed=10, holds=False),
        replace(_case("slower and slower within the run", Behaviour(rise=1.5), allowed=1, holds=False), frames=200),
        _case("slower and slower after it", Behaviour(rise=1.5), allowed=1, holds=False),
    )


def study(
    chosen: Sequence[Case], *, lines: int = LINES, seed: int = 0, factors: Sequence[float] = FACTORS
) -> Iterator[Cell]:
    """Judge synthetic lines of each case at each true rate.

    Args:
        chosen: The cases.
        lines: How many for each cell.
        seed: One seed gives one table, whatever else is in it.
        factors: True shares of late frames, in limits.
    """
    for case in chosen:
        for factor in factors:
            yield _cell(case, factor, lines, seed)


def main(argv: list[str]) -> int:
    """Print the tables; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="false_fits", description="How often is a verdict on lateness wrong?")
    parser.add_argument("--lines", type=int, default=LINES, help="synthetic lines for each cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if options.lines < 1:
        parser.error(f"--lines must be at least 1, got {options.lines}")
    cells = []
    for cell in study(cases(), lines=options.lines, seed=options.seed):
        cells.append(cell)
        if cell.factor == FACTORS[-1]:
            sys.stderr.write(f"{cell.case}: done\n")
    if options.json:
        counted = [
            {**asdict(cell), "wrong": cell.wrong, "interval": interval(cell.wrong, cell.lines)} for cell in cells
        ]
        sys.stdout.write(json.dumps({"lines": options.lines, "seed": options.seed, "cells": counted}) + "\n")
        return 0
    write_tables(cells, sys.stdout)
    return 0


def _case(name: str, behaviour: Behaviour, *, allowed: int, holds: bool = True) -> Case:
    gate = _GATE.model_copy(update={"stall_ms": _STALL_MS[allowed]})
    return Case(name=name, behaviour=behaviour, gate=gate, frames=allowed * _RUN_BURSTS, holds=holds)


def _strict(name: str, behaviour: Behaviour, *, allowed: int) -> Case:
    gate = _STRICT.model_copy(update={"stall_ms": _STALL_MS[allowed]})
    return Case(name=name, behaviour=behaviour, gate=gate, frames=allowed * _STRICT_FRAMES, holds=True)


def _cell(case: Case, factor: float, lines: int, seed: int) -> Cell:
    burst = burst_frames(
        case.gate.stall_ms, arrivals=BELT, deadline_ms=DEADLINE_MS, utilisation=WORK_MS * 1e6 / BELT.period_ns
    )
    looks = plan_looks(case.gate, limit_frames=case.frames, first_frames=_FIRST_FRAMES, burst_frames=burst)
    name = int.from_bytes(case.name.encode(), "big")
    random = np.random.default_rng([seed, round(1000 * factor), name])
    judged = [
        _judged(response_ms, case.gate, looks)
        for block in draw_lines(
            case.behaviour, rate=factor * case.gate.max, lines=lines, frames=case.frames, random=random
        )
        for response_ms in block
    ]
    return Cell(
        case=case.name,
        holds=case.holds,
        burst_frames=burst,
        factor=factor,
        confidence=case.gate.confidence,
        lines=lines,
        fits=sum(outcome == "fits" for outcome, _ in judged),
        misses=sum(outcome == "misses" for outcome, _ in judged),
        mean_frames=float(np.mean([frames for _, frames in judged])),
    )


def _judged(response_ms: NDArray[np.float64], gate: MissGate, looks: Sequence[InterimLook]) -> tuple[Outcome, int]:
    """Judge a run as a measured one is judged: it ends where the proof is decided, and is looked at as a whole."""
    proof = prove(response_ms > DEADLINE_MS, gate=gate, looks=looks)
    if proof.verdict == "inconclusive":
        return proof.verdict, proof.frames
    steady = steadiness(measurement_of(response_ms[: proof.frames]), deadline_ms=DEADLINE_MS, gate=gate)
    return in_time(Run(proof=proof, deadline_ms=DEADLINE_MS, steadiness=steady), gate).outcome, proof.frames


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
