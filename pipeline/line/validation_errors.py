"""Mistakes in a line file as messages: place, key, what was wanted, what was got, what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...compress.recipe import Step
from ...inspection.base.errors import LineFileError
from ...inspection.base.plugins import unknown_plugin
from ...inspection.base.validation import SettingsError, describe_problem, nearest, shown
from .yaml_positions import Location, PlacedYaml

_MOST_SHOWN = 10

_RENAMED = {"views": "augmentation", "light": "lighting", "negative": "invert", "strokes": "synthetic_defects"}
"""Keys as the first drafts of line files had them, and what they are called now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake.

    Attributes:
        location: Keys and positions that lead to it.
        text: What was wanted, what was got, what to do.
    """

    location: Location
    text: str


def raise_if_any(problems: Sequence[Problem], placed: PlacedYaml) -> None:
    """Raise one LineFileError that lists the errors by line, if there are any."""
    if not problems:
        return
    ordered = sorted(problems, key=lambda each: placed.line_of(each.location))
    lines = [
        f"{placed.source}:{placed.line_of(each.location)}: {placed.key_of(each.location)}: {each.text}"
        for each in ordered[:_MOST_SHOWN]
    ]
    if len(ordered) > _MOST_SHOWN:
        lines.append(f"... and {len(ordered) - _MOST_SHOWN} more")
    raise LineFileError("\n".join(lines))


def problems_of(error: ValidationError, model: type[BaseModel], *, base: Location = ()) -> list[Problem]:
    """Describe pydantic's errors; those that a plug-in's settings raised are followed to their own place."""
    return [problem for each in error.errors() for problem in _problems_of_one(each, model, base)]


def problems_in_values(written: Any, checked: Any, *, base: Location = ()) -> list[Problem]:
    """Find what pydantic takes and a line must not: true for 1, numbers that are infinite or none."""
    if isinstance(checked, float) and not math.isfinite(checked):
        return [Problem(location=base, text=f"wanted a finite number, got {shown(written)}; write digits")]
    if isinstance(checked, int | float) and isinstance(written, bool) and not isinstance(checked, bool):
        return [Problem(location=base, text=f"wanted a number, got {shown(written)}; write digits")]
    pairs = ((part, old, new) for part, old, new in _children(written, checked))
    return list(chain.from_iterable(problems_in_values(old, new, base=(*base, part)) for part, old, new in pairs))


def one_of(location: Location, name: str, known: Iterable[str]) -> Problem | None:
    """Give a mistake, with the nearest name, where `name` is not among the known ones."""
    names = sorted(known)
    if name in names:
        return None
    return Problem(location=location, text=f"wanted one of {', '.join(names)}, got {shown(name)}{nearest(name, names)}")


def one_plugin(location: Location, name: str, folder: str) -> Problem | None:
    """Give a mistake where no plug-in of a folder has that name; see `unknown_plugin`."""
    wrong = unknown_plugin(folder, name)
    return None if wrong is None else Problem(location=location, text=wrong)


def _problems_of_one(error: Any, model: type[BaseModel], base: Location) -> list[Problem]:
    location: Location = (*base, *error["loc"])
    refused = error.get("ctx", {}).get("error")
    if isinstance(refused, SettingsError):
        below = refused.key and isinstance(error["input"], dict)
        inner = (*location, refused.key) if below else location
        return problems_of(refused.refused, refused.model, base=inner)
    return [Problem(location=location, text=_text(error, model, error["loc"]))]


def _text(error: Any, model: type[BaseModel], location: Location) -> str:
    if error["type"] == "missing":
        return "is missing; add it"
    if error["type"] == "extra_forbidden":
        return _unknown_key(str(location[-1]), model, location[:-1])
    # A block's own check begins with the block's name, which stands before it here as its place.
    text = describe_problem(error).removeprefix(f"{location[-1] if location else ''}: ")
    return f"{text}{_way_out(error['type'], error['input'])}"


def _way_out(kind: str, written: Any) -> str:
    if kind.startswith("string") and isinstance(written, int | float):
        return "; put it in quotes"
    if kind.startswith(("int", "float")) and isinstance(written, str) and re.match(r"[-+]?\d", written):
        return "; write the number alone, without a unit or quotes (the key's name says the unit)"
    if kind.startswith("tuple") and not isinstance(written, list | tuple):
        return "; write [...] around it"
    return ""


def _unknown_key(key: str, model: type[BaseModel], parent: Location) -> str:
    known = sorted(_fields_at(model, parent))
    if not known:
        return "unknown key; remove it"
    if _RENAMED.get(key) in known:
        return f"is called {_RENAMED[key]!r} now; write that instead"
    return f"unknown key{nearest(key, known) or ';'} known here: {', '.join(known)}"


def _fields_at(annotation: Any, location: Location) -> set[str]:
    """Give the keys that the models at a location know; parts that name no field (positions, tags) are passed over."""
    models = list(_models_in(annotation))
    if not location:
        return {name for model in models for name in model.model_fields}
    part, rest = location[0], location[1:]
    inner = [model.model_fields[str(part)].annotation for model in models if str(part) in model.model_fields]
    return {name for each in inner or [annotation] for name in _fields_at(each, rest)}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models_in(each)


def _children(written: Any, checked: Any) -> Iterator[tuple[str | int, Any, Any]]:
    if isinstance(checked, Step):
        yield from ((name, options, checked.settings) for name, options in _entries(written))
    elif isinstance(checked, BaseModel) and isinstance(written, dict):
        values = {name: getattr(checked, name) for name in type(checked).model_fields}
        yield from ((name, written[name], value) for name, value in values.items() if name in written)
    elif isinstance(checked, dict) and isinstance(written, dict):
        yield from ((name, written[name], value) for name, value in checked.items() if name in written)
    elif isinstance(checked, tuple | list) and isinstance(written, list):
        yield from zip(range(len(written)), written, checked, strict=False)


def _entries(written: Any) -> Iterable[tuple[str, Any]]:
    return written.items() if isinstance(written, dict) else ()
