"""A search in the form that report.json and its page take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .choosing import edge_numbers
from .course import Track
from .points import trial_name
from .settings import SearchSettings
from .trials import Trial


def search_facts(
    trials: Sequence[Trial], settings: SearchSettings, track: Track, *, spent_s: float, rows: Collection[int]
) -> dict[str, Any]:
    """Give the part `search` of report.json; see `benchmarks.report.search_schema`.

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
