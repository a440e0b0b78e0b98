"""The JSON Schema of line files, for editors."""

from __future__ import annotations

import json
from typing import Any

from ..compress.recipe import methods
from .line_file import LineFile

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def line_schema() -> dict[str, Any]:
    """Give the schema; a recipe's steps are those of the methods that are there.

    >>> sorted(line_schema()["required"])
    ['data', 'line']
    """
    schema = LineFile.model_json_schema()
    schema["$defs"] = {**schema["$defs"], **_step_definitions()}
    return {"$schema": _DIALECT, **schema}


def schema_text() -> str:
    """Give the schema as the text of `pipeline/line.schema.json`."""
    return json.dumps(line_schema(), indent=1, sort_keys=True) + "\n"


def _step_definitions() -> dict[str, Any]:
    """A step is a method's name, or that name with its settings below it."""
    definitions: dict[str, Any] = {}
    forms: list[dict[str, Any]] = [{"enum": sorted(methods())}]
    for name, method in methods().items():
        settings = method.step_type.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= settings.pop("$defs", {})
        definitions[f"step_{name}"] = settings
        below = {"anyOf": [{"$ref": f"#/$defs/step_{name}"}, {"type": "null"}]}
        forms.append({"type": "object", "properties": {name: below}, "required": [name], "additionalProperties": False})
    definitions["Step"] = {"title": "Step", "description": "One step: `{method: {settings}}`.", "anyOf": forms}
    return definitions
