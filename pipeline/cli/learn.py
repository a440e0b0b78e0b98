"""The verb `learn`: what people found on the line goes into the next version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, Runs, Verbose, answered, print_answer

Line = Annotated[Path, typer.Argument(metavar="LINE.YAML", help="The line file; it is not changed.")]
Good = Annotated[
    Path | None, typer.Option("--good", metavar="FOLDER", help="Photographs of good parts, such as rejected ones.")
]
Defect = Annotated[
    Path | None,
    typer.Option("--defect", metavar="FOLDER", help="Photographs of defective parts; its sub-folders name kinds."),
]
AtWork = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="FILE", help="The version at work; else the one learned last, or the run's."),
]
_WORSE = 3


def learn(
    line_file: Line,
    good: Good = None,
    defect: Defect = None,
    bundle: AtWork = None,
    runs: Runs = Path("runs"),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Add what people found, make the next version, and let it replace the old one if it is not worse (else exit 3)."""
    with answered(as_json=as_json):
        from ..console import Console
        from ..learning.describing import learned_facts, learned_text
        from ..learning.learning import learn_line

        learned = learn_line(
            line_file, good=good, defects=defect, at_work=bundle, runs=runs, console=Console(verbose=verbose)
        )
        print_answer(learned_facts(learned), learned_text(learned), as_json=as_json)
        if learned.chosen is None:
            raise typer.Exit(_WORSE)
