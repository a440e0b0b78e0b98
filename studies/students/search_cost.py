"""What does a search cost? `python -m beltline.studies.students.search_cost line.yaml --trials 8`.

The line's search is done with three times the trials; then it is looked up when the best of all that was found so far
had come within 5 % of the best found in the end: in trials, and in minutes of search. Two measures are told: the
fastest trial that holds the gates on val, and the area that all trained trials together dominate (see `halving.area`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...inspection.base.errors import BeltlineError
from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from ...pipeline.console import Console
from ...pipeline.line.line_file import LineFile, load_line_file
from ...pipeline.line.quick import quickened
from ...pipeline.run import open_job
from ...pipeline.search.halving import Score, area
from ...pipeline.search.searching import require_search, search
from ...pipeline.search.trials import Trial
from ...pipeline.stages.build_teacher import make_teacher

WITHIN = 0.05
TIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """When one measure had come near to where it ended.

    Attributes:
        measure: In words.
        best: Where it ended.
        trials: How many trials had ended when it was within 5 % of that.
        minutes: Minutes of search until then.
    """

    measure: str
    best: float
    trials: int
    minutes: float


def costs(trials: Sequence[Trial], *, budget: LineBudget, gates: Gates) -> list[Cost]:
    """Work out when a finished search was near to its end; a measure that no trial brought is left out.

    Args:
        trials: All that ended.
        budget: The belt's.
        gates: What must hold on val.
    """
    ended = sorted((each for each in trials if each.ended_s is not None), key=lambda each: each.ended_s or 0.0)
    whole = [each.score for each in ended if each.ending == "whole" and each.score is not None]
    if not whole:
        return []
    slowest_ms = 2 * max(each.p99_ms for each in whole)
    holding = [each.score if each.holds(budget, gates) else None for each in ended]
    fastest = [min((each.p99_ms for each in holding[: place + 1] if each), default=None) for place in range(len(ended))]
    areas = [area(_trained(ended[: place + 1]), slowest_ms=slowest_ms) for place in range(len(ended))]
    found = [_cost("area dominated by the trained trials", ended, areas, grows=True)]
    if fastest[-1] is not None:
        measure = "p99 in ms of the fastest trial that holds the gates on val"
        found.insert(0, _cost(measure, ended, fastest, grows=False))
    return found


def study(line_file: LineFile, *, trials: int, runs: Path, console: Console) -> list[Cost]:
    """Search with three times the trials, without a limit of time, and work out the costs.

    Raises:
        BeltlineError: As a run's search does.
    """
    require_search(line_file, notify=console.notify)
    if line_file.search is not None:
        longer = line_file.search.model_copy(update={"trials": TIMES * trials, "minutes": 100_000.0})
        line_file = line_file.model_copy(update={"search": longer})
    with open_job(line_file, runs=runs, console=console) as job:
        found = search(job, make_teacher(job))
        return costs(found.trials, budget=job.budget, gates=job.line_file.gates)


def main(argv: Sequence[str]) -> int:
    """Print the costs; `--json` prints one object instead."""
    parser = argparse.ArgumentParser(prog="cost", description="How many trials and minutes does a search take?")
    parser.add_argument("line_file", type=Path)
    parser.add_argument("--trials", type=int, default=40, help="three times as many are tried")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--quick", action="store_true", help="shorter trainings, as of `run --quick`")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    console = Console()
    try:
        line_file = load_line_file(options.line_file)
        asked = quickened(line_file) if options.quick else line_file
        found = study(asked, trials=options.trials, runs=options.runs, console=console)
    except BeltlineError as error:
        sys.stderr.write(f"cost: {error}\n")
        return error.exit_code
    if options.json:
        facts = {"trials": TIMES * options.trials, "within": WITHIN, "costs": [asdict(each) for each in found]}
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    sys.stdout.writelines(_line(each) for each in found)
    return 0


def _cost(measure: str, ended: Sequence[Trial], values: Sequence[float | None], *, grows: bool) -> Cost:
    best = values[-1] or 0.0
    near = best * (1 - WITHIN if grows else 1 + WITHIN)
    place = next(
        place for place, value in enumerate(values) if value is not None and (value >= near if grows else value <= near)
    )
    return Cost(measure=measure, best=best, trials=place + 1, minutes=round((ended[place].ended_s or 0.0) / 60, 2))


def _trained(trials: Sequence[Trial]) -> list[Score]:
    return [each.score for each in trials if each.ending == "whole" and each.score is not None]


def _line(cost: Cost) -> str:
    return (
        f"{cost.measure}: {cost.best:.4g}, within {WITHIN:.0%} after {cost.trials} trials, {cost.minutes:g} minutes\n"
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
