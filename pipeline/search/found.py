"""What a search found, kept in the run's folder: the recipes for whoever names its rows, the facts for the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...compress.recipe import RecipeSettings
from ...inspection.base.storage import digest_of_json, write_json
from ..line.line_file import LineFile
from ..stages.job import RunJob
from .settings import SearchSettings

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
    """Give the part `search` of report.json; empty where the recipes were written by hand."""
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
