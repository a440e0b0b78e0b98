"""What a search found: the trials that become rows, the facts for the report, and both kept in the run's folder."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ...compress.recipe import RecipeSettings
from ...inspection.base.errors import RecipeError
from ...inspection.base.storage import digest_of_json, write_json
from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from ..line.line_file import LineFile
from ..stages.job import RunJob
from .halving import Score, pareto_front, ranked
from .loop import Track
from .settings import SearchSettings
from .space import trial_name
from .trials import Trial

_MOST_ERRORS = 3


def finalists(trials: Sequence[Trial], *, count: int, budget: LineBudget, gates: Gates) -> list[Trial]:
    """Choose the trials that become rows.

    First the best that there are: trained whole and within the gates on val; else trained whole; else whatever came
    furthest, nearest to the gates first. Among them the edge that no other beats, evenly from the fastest to the one
    that lets fewest defects pass; where the edge is shorter, the next best.

    Args:
        trials: All of them.
        count: How many rows there are to be, >= 1.
        budget: The belt's.
        gates: What must hold.

    Returns:
        From fast to slow, at least one.

    Raises:
        RecipeError: No trial came so far that it was graded; the message says what went wrong.
    """
    pool = _pool(trials, count, budget, gates)
    edge = [pool[position] for position in pareto_front([_score(each) for each in pool])]
    chosen = _spread(edge, count)
    for position in ranked([_score(each) for each in pool]):
        if len(chosen) < count and pool[position] not in chosen:
            chosen.append(pool[position])
    return sorted(chosen, key=lambda each: _score(each).p99_ms)


def edge_numbers(trials: Sequence[Trial]) -> set[int]:
    """Give the numbers of the trained trials that no other trained trial beats: the Pareto front."""
    whole = [each for each in trials if each.ending == "whole" and each.score is not None]
    return {whole[position].number for position in pareto_front([_score(each) for each in whole])}


def _pool(trials: Sequence[Trial], count: int, budget: LineBudget, gates: Gates) -> list[Trial]:
    graded = [each for each in trials if each.score is not None and each.ending not in ("failed", "too slow")]
    if not graded:
        raise RecipeError(_nothing_found(trials))
    whole = [each for each in graded if each.ending == "whole"]
    furthest = max(len(each.grades) for each in graded)
    found = whole or [each for each in graded if len(each.grades) == furthest]
    if within := [each for each in found if max(each.violations(budget, gates)) <= 0]:
        return within
    return sorted(found, key=lambda each: max(each.violations(budget, gates)))[:count]


def _nothing_found(trials: Sequence[Trial]) -> str:
    errors = list(dict.fromkeys(each.error for each in trials if each.error))[:_MOST_ERRORS]
    slow = sum(each.ending == "too slow" for each in trials)
    seen = [f"{slow} are too slow for the belt"] if slow else []
    seen += [f"such as: {'; '.join(errors)}"] if errors else []
    return (
        f"search: wanted at least one trial of {len(trials)} that could be graded, got none"
        f"{': ' if seen else ''}{', '.join(seen)}; give it more trials or minutes, or other networks in search.space"
    )


def _spread(edge: Sequence[Trial], count: int) -> list[Trial]:
    """Pick evenly, both ends included."""
    if len(edge) <= count:
        return list(edge)
    if count == 1:
        return [edge[0]]
    places = {round(step * (len(edge) - 1) / (count - 1)) for step in range(count)}
    return [edge[place] for place in sorted(places)]


def _score(trial: Trial) -> Score:
    if trial.score is None:
        msg = f"trial {trial.number} was not graded"
        raise TypeError(msg)
    return trial.score


FOLDER = "search"
"""Of all searches of a run, below its folder."""

_FILE = "found.json"


def keep_found(job: RunJob, recipes: Sequence[RecipeSettings], facts: dict[str, Any]) -> None:
    """Write down what the search of the run's line file found."""
    if job.line_file.search is not None:
        written = [each.model_dump(mode="json") for each in recipes]
        found = {"of": _digest_of(job.line_file.search), "recipes": written, "facts": facts}
        write_json(job.folder / FOLDER / _FILE, found)


def with_found(line_file: LineFile, runs: Path) -> LineFile:
    """Give a line the recipes that its search found, if it is finished; other lines are given back as they are."""
    kept = _read(runs / line_file.run_name / FOLDER, line_file.search)
    if kept is None:
        return line_file
    recipes = tuple(RecipeSettings.model_validate(each) for each in kept["recipes"])
    changed: LineFile = line_file.model_copy(update={"recipes": recipes})
    return changed


def search_of_report(job: RunJob) -> dict[str, Any]:
    """Give the part `search` of report.json; empty where the recipes were not searched."""
    kept = _read(job.folder / FOLDER, job.line_file.search)
    return {} if kept is None else {"search": kept["facts"]}


def _read(folder: Path, settings: SearchSettings | None) -> dict[str, Any] | None:
    """Read what these very settings found; None where nothing was."""
    if settings is None:
        return None
    try:
        found: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return found if found["of"] == _digest_of(settings) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest_of(settings: SearchSettings) -> str:
    return digest_of_json(settings.model_dump(mode="json"))


def search_facts(
    trials: Sequence[Trial], settings: SearchSettings, track: Track, *, spent_s: float, rows: Collection[int]
) -> dict[str, Any]:
    """Give the part `search` of report.json; see `benchmarks.report.schema_parts`.

    Args:
        trials: All of them, by number.
        settings: As asked.
        track: What they had in common.
        spent_s: Seconds of search in all calls.
        rows: Numbers of the trials that became rows.
    """
    edge = edge_numbers(trials)
    return {
        "trials": [
            {**_facts(each, track), "on_edge": each.number in edge, "is_row": each.number in rows} for each in trials
        ],
        "rungs": list(track.rungs),
        "asked_trials": settings.trials,
        "asked_minutes": float(settings.minutes),
        "spent_minutes": round(spent_s / 60, 2),
        "engine": settings.engine,
    }


def _facts(trial: Trial, track: Track) -> dict[str, Any]:
    found: dict[str, Any] = {
        "number": trial.number,
        "name": trial_name(trial.number),
        "words": trial.words,
        "ending": trial.ending,
        "holds": trial.holds(track.budget, track.gates),
        "error": trial.error,
        "ended_s": trial.ended_s,
    }
    if trial.drawn is not None and trial.timing is not None:
        found |= {"p99_ms": trial.timing.engine_p99_ms, "back_to_back_p99_ms": trial.drawn.engine_p99_ms}
    if trial.grades:
        last = trial.grades[-1]
        found |= {"escapes": last.escapes, "defects": last.defects, "increase": last.increase}
        found |= {"auroc": last.auroc, "epochs": last.epochs, "size_bytes": last.size_bytes}
    return found
