"""Which trials become rows: the edge of what was found, spread from the fastest to the surest."""

from __future__ import annotations

from collections.abc import Sequence

from ...inspection.base.errors import RecipeError
from ...inspection.line.gates import Gates
from ...inspection.line.line import LineBudget
from .halving import Score, pareto_front, ranked
from .trials import Trial

_TOLD = 3


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
    errors = list(dict.fromkeys(each.error for each in trials if each.error))[:_TOLD]
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
