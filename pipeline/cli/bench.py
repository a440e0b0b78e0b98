"""The verb `bench`: measure and judge every row."""

from __future__ import annotations

from pathlib import Path

from .job import Baselines, Quick, answer, worked
from .options import Json, LineFileArgument, Runs, Verbose, answered


def bench(
    line_file: LineFileArgument = None,
    runs: Runs = Path("runs"),
    quick: Quick = False,
    baselines: Baselines = False,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Measure and judge every row."""
    with answered(as_json=as_json):
        outcome = worked("bench", line_file, runs=runs, quick=quick, baselines=baselines, verbose=verbose)
        answer(outcome, as_json=as_json)
