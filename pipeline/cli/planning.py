"""The verb `plan`: what belt and photographs allow and prove, and with a trace how fast the belt may run."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Json, LineFileArgument, Verbose, answered, print_answer, print_json, read_line_file

if TYPE_CHECKING:
    from ...inspection.data.dataset import Dataset
    from ..line.line_file import LineFile
    from ..line.what_if import Question

Trace = Annotated[
    Path | None,
    typer.Option("--trace", metavar="FILE", help="A trace (runs/NAME/traces/ROW.npz): how fast may the belt run?"),
]
Speed = Annotated[float | None, typer.Option("--speed", min=0.001, max=1e6, metavar="MM_S", help="Look at this speed.")]
Faster = Annotated[str | None, typer.Option("--faster", metavar="PERCENT", help="Look at a belt so much faster: 20%.")]
Cameras = Annotated[int | None, typer.Option("--cameras", min=1, max=64, help="So many cameras share the device.")]
Buffer = Annotated[int | None, typer.Option("--buffer", min=0, help="So many frames may wait, the next is lost.")]
Beside = Annotated[
    list[str] | None,
    typer.Option("--beside", metavar="LINE=TRACE", help="Does this line, with its trace, fit on the same device?"),
]
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of line files instead, for editors.")]
BeltOnly = Annotated[bool, typer.Option("--belt-only", help="Leave the photographs aside: they are yet to be taken.")]

_NEEDS_TRACE = (
    "--speed, --faster, --cameras, --buffer and --beside look at a measured run: add --trace runs/NAME/traces/ROW.npz"
)
_BESIDE = "--beside wants LINE=TRACE such as right/line.yaml=runs/right/traces/small-int8.npz"


def plan(
    line_file: LineFileArgument = None,
    trace: Trace = None,
    speed: Speed = None,
    faster: Faster = None,
    cameras: Cameras = None,
    buffer: Buffer = None,
    beside: Beside = None,
    schema: Schema = False,
    belt_only: BeltOnly = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Say what the belt asks for and what the photographs can prove. Deadline, period, late decisions, parts needed.

    With --trace: how fast the belt may run with a model that was measured, predicted from its frames.
    With --beside as well: whether several lines fit on one device.
    """
    with answered(as_json=as_json):
        if schema:
            from ..line.line_file import schema_text

            typer.echo(schema_text(), nl=False)
            return
        given = read_line_file(line_file, runs=Path("runs"))
        asked = (speed, faster, cameras, buffer) != (None, None, None, None)
        if trace is None and (asked or beside):
            raise typer.BadParameter(_NEEDS_TRACE)
        if trace is not None and beside:
            if asked:
                msg = "--beside looks at every line as it is: leave --speed, --faster, --cameras and --buffer out"
                raise typer.BadParameter(msg)
            _answer_several(given, trace, beside, as_json=as_json)
        elif trace is not None:
            _answer_what_if(given, trace, _question(given, speed, faster, cameras, buffer), as_json=as_json)
        else:
            dataset = None if belt_only or line_file is None else _dataset(given)
            _answer(given, dataset, as_json=as_json, verbose=verbose)


def _answer(line_file: LineFile, dataset: Dataset | None, *, as_json: bool, verbose: bool) -> None:
    from ..line.line_file import lock_text
    from ..line.plan import plan as plan_of
    from ..line.plan import plan_text

    facts = plan_of(line_file, dataset)
    if verbose:
        typer.echo(lock_text(line_file), err=True)
    if as_json:
        print_json(facts)
    else:
        typer.echo(plan_text(facts))


def _dataset(line_file: LineFile) -> Dataset:
    """Read the photographs as `run` would; how far it is shows on a terminal only."""
    from ...inspection.data.loading import load_dataset
    from ..console import Console

    needs_defects = not line_file.teacher.good_only
    if not sys.stderr.isatty():
        return load_dataset(line_file.data, camera=line_file.camera, needs_defects=needs_defects)
    with Console().progress("data") as advance:
        return load_dataset(
            line_file.data,
            camera=line_file.camera,
            progress=lambda done, of: advance("files", done, of),
            needs_defects=needs_defects,
        )


def _answer_what_if(line_file: LineFile, trace: Path, question: Question, *, as_json: bool) -> None:
    from ...benchmarks.timing.measurement import read_trace
    from ..line.what_if import what_if, what_if_text

    gate = line_file.gates.deadline_miss
    facts = what_if(read_trace(trace), line_file.line, gate, question=question, seed=line_file.seed)
    if as_json:
        print_json(facts)
    else:
        typer.echo(what_if_text(facts))


def _answer_several(line_file: LineFile, trace: Path, beside: list[str], *, as_json: bool) -> None:
    from ...benchmarks.belt_speed.belt_speed import Case, case_of
    from ...benchmarks.timing.measurement import read_trace
    from ...inspection.line.line import budget_of
    from ..line.line_file import load_line_file
    from ..line.several_belts import several_belts, several_belts_text

    lines = [(line_file, trace)]
    for each in beside:
        named, separator, measured = each.rpartition("=")
        if not separator or not named or not measured:
            msg = f"{_BESIDE}, got {each!r}"
            raise typer.BadParameter(msg)
        lines.append((load_line_file(Path(named)), Path(measured)))
    cases: dict[str, Case] = {}
    for line, path in lines:
        name = line.run_name if line.run_name not in cases else f"{line.run_name}-{len(cases) + 1}"
        budget = budget_of(line.line, seed=line.seed)
        cases[name] = case_of(read_trace(path), budget, line.gates.deadline_miss)
    facts = several_belts(cases, seed=line_file.seed)
    print_answer(facts, several_belts_text(facts), as_json=as_json)


def _question(
    line_file: LineFile, speed: float | None, faster: str | None, cameras: int | None, buffer: int | None
) -> Question:
    from ..line.what_if import Question

    if faster is not None:
        share = re.fullmatch(r"\+?(\d+(?:\.\d+)?) ?%", faster.strip())
        if share is None or speed is not None:
            msg = f"--faster wants a percentage such as 20%, and not together with --speed; got {faster!r}"
            raise typer.BadParameter(msg)
        speed = line_file.line.belt_speed_mm_s * (1 + float(share[1]) / 100)
    if speed is not None and not math.isfinite(speed):
        msg = f"--speed wants mm/s such as 600, got {speed}"
        raise typer.BadParameter(msg)
    return Question(speed_mm_s=speed, cameras=cameras, buffer=buffer)
