"""What pydantic refuses, in plain sentences: the place, what was wanted, what was got."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from .errors import LineFileError

_LONGEST_SHOWN = 60
_LONGEST_TEXT = 300
_LONGEST_PART = 40
_DEEPEST = 8
_WANTED = {
    "bool": "true or false",
    "date": "a date",
    "dict": "a block of keys (`key: value`)",
    "float": "a number",
    "int": "a whole number",
    "list": "a list (lines that begin with `-`)",
    "model": "a block of keys (`key: value`)",
    "path": "a path",
    "string": "text",
    "tuple": "a list (lines that begin with `-`)",
}
_COMPARED = {"greater_than": (">", "gt"), "greater_than_equal": (">=", "ge"),
             "less_than": ("<", "lt"), "less_than_equal": ("<=", "le")}  # fmt: skip
_LENGTHS = {
    "string_too_long": "text of at most {max_length} characters",
    "string_too_short": "text of at least {min_length} characters",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
}

Settings = TypeVar("Settings", bound=BaseModel)


class SettingsError(LineFileError):
    """Settings of a plug-in that its model refused.

    Attributes:
        refused: As pydantic raised it.
        model: The plug-in's model, by which keys nearby can be named.
        key: The key that the settings stand below, such as `prune`; empty where they stand beside the plug-in's name.
    """

    def __init__(self, refused: ValidationError, model: type[BaseModel], *, key: str, lead: str) -> None:
        super().__init__(lead + describe_validation(refused, below=key))
        self.refused, self.model, self.key = refused, model, key


def checked_settings(model: type[Settings], options: Any, *, key: str = "", lead: str = "") -> Settings:
    """Check what a user wrote for a plug-in.

    Args:
        model: The plug-in's.
        options: As written.
        key: The key that they stand below, if any.
        lead: Begins the message.

    Raises:
        SettingsError: They are not as the model wants them.
    """
    try:
        return model.model_validate(options)
    except ValidationError as error:
        raise SettingsError(error, model, key=key, lead=lead) from error


def describe_validation(error: ValidationError, *, most: int = 1, below: str = "") -> str:
    """Say what is wrong with values that a model refused; safe for files from outside, whatever they hold.

    Args:
        error: As pydantic raised it.
        most: So many problems are named, the rest is counted.
        below: Leads every place, such as the name of the plug-in whose settings these are.

    >>> from beltline.inspection.line.gates import OverkillGate
    >>> try:
    ...     OverkillGate.model_validate({"max": 2})
    ... except ValidationError as error:
    ...     describe_validation(error, below="overkill")
    'overkill.max: wanted a number < 1, got 2'
    """
    problems = error.errors(include_url=False)
    named = [f"{_place((below, *each['loc']))}{describe_problem(each)}" for each in problems[:most]]
    more = [f"and {len(problems) - most} more"] if most > 1 and len(problems) > most else []
    return "; ".join([*named, *more])


def describe_problem(problem: Any) -> str:
    """Describe one of `ValidationError.errors()`, without its place."""
    kind: str = problem["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in ("value_error", "assertion_error"):
        return str(problem.get("ctx", {}).get("error", problem["msg"]))[:_LONGEST_TEXT]
    return f"wanted {_wanted(problem)}, got {shown(problem['input'])}"


def shown(value: Any) -> str:
    """Show a value as a file would hold it, in at most 60 characters.

    >>> shown(None), shown("plain"), shown([1] * 99)[-6:]
    ('nothing', '"plain"', ' 1,...')
    """
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    text = text if text.isprintable() else json.dumps(value, default=str, skipkeys=True)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """Ask whether a name like it was meant; empty where none is."""
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _wanted(problem: Any) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind in _COMPARED:
        sign, key = _COMPARED[kind]
        return f"a number {sign} {context[key]:g}"
    if kind in ("literal_error", "enum"):
        return str(context["expected"])
    if kind == "string_pattern_mismatch":
        return f"text that matches {context['pattern']}"
    if kind in _LENGTHS:
        return _LENGTHS[kind].format(**context)
    plainly: str = problem["msg"].removeprefix("Input should be ")
    return _WANTED.get(kind.split("_")[0], plainly)[:_LONGEST_TEXT]


def _place(location: tuple[int | str, ...]) -> str:
    named = [part if isinstance(part, int) or part.isprintable() else repr(part) for part in location if part != ""]
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:_LONGEST_PART]}" for part in named]
    return f"{''.join(parts[:_DEEPEST]).lstrip('.')}: " if parts else ""
