"""The verb `plan`: answers from the belt alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, LineFileArgument, Verbose, answered, print_json, read_line_file

Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of line files instead, for editors.")]


def plan(
    line_file: LineFileArgument = None, schema: Schema = False, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Say what the belt asks for. Deadline, period, late decisions allowed, frames and images that prove them."""
    with answered(as_json=as_json):
        if schema:
            from ..line_schema import schema_text

            typer.echo(schema_text(), nl=False)
            return
        _answer(line_file, as_json=as_json, verbose=verbose)


def _answer(path: Path | None, *, as_json: bool, verbose: bool) -> None:
    from ..line_file import lock_text
    from ..plan import plan as plan_of
    from ..plan import plan_text

    line_file = read_line_file(path, runs=Path("runs"))
    facts = plan_of(line_file)
    if verbose:
        typer.echo(lock_text(line_file), err=True)
    if as_json:
        print_json(facts)
    else:
        typer.echo(plan_text(facts))
