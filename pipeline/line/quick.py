"""`--quick`: the same path with fewer epochs and frames, to see a whole run in minutes."""

from __future__ import annotations

from ...compress.recipe import RecipeSettings, Step
from ...compress.training.fit_settings import FitSettings
from ..search.settings import SearchSettings
from .line_file import LineFile

_EPOCHS_SHARE = 8
_TRIALS = 5
_SEARCH_MINUTES = 4.0
_SAMPLES = 1200
_MINUTES = 0.4
QUICK = "-quick"
"""Ends the name of every quick run."""


def quickened(line_file: LineFile) -> LineFile:
    """Shrink training to an eighth of its epochs, at most 1,200 views each, and measuring to 24 s a row.

    A search is cut to five trials, four minutes and two rows.

    The run gets a folder of its own (`<name>-quick`), so that it never stands in for a real one.
    """
    teacher = line_file.teacher
    measure = line_file.measure
    settled: LineFile = line_file.model_copy(
        update={
            "name": f"{line_file.run_name[:58]}{QUICK}",
            "teacher": teacher.model_copy(
                update={"fit": _short(teacher.fit), "assistant": _short_steps(teacher.assistant)}
            ),
            "recipes": tuple(_short_recipe(recipe) for recipe in line_file.recipes),
            "search": _short_search(line_file.search),
            "measure": measure.model_copy(update={"minutes": min(_MINUTES, measure.minutes)}),
        }
    )
    return settled


def _short(fit: FitSettings) -> FitSettings:
    samples = min(_SAMPLES, fit.samples_per_epoch or _SAMPLES)
    return fit.model_copy(update={"epochs": max(1, fit.epochs // _EPOCHS_SHARE), "samples_per_epoch": samples})


def _short_search(search: SearchSettings | None) -> SearchSettings | None:
    if search is None:
        return None
    less = {"trials": min(_TRIALS, search.trials), "minutes": min(_SEARCH_MINUTES, search.minutes)}
    return search.model_copy(update={**less, "rows": min(2, search.rows), "fit": _short(search.fit)})


def _short_recipe(recipe: RecipeSettings) -> RecipeSettings:
    return recipe.model_copy(update={"steps": _short_steps(recipe.steps)})


def _short_steps(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    return tuple(_short_step(step) for step in steps)


def _short_step(step: Step) -> Step:
    if (training := step.settings.training) is None:
        return step
    return step.model_copy(update={"settings": step.settings.trained_with(_short(training))})
