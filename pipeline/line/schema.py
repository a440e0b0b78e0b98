"""The JSON Schema of line files, for editors."""

from __future__ import annotations

import json
import re
from typing import Any

from ...compress.recipe import methods
from .line_file import LineFile

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*?)(?=^ {4}\w|\Z)", re.MULTILINE | re.DOTALL)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def line_schema() -> dict[str, Any]:
    """Give the schema; a recipe's steps are those of the methods that are there.

    >>> sorted(line_schema()["required"])
    ['data', 'line']
    """
    schema = LineFile.model_json_schema()
    definitions = {**schema.pop("$defs"), **_step_definitions()}
    explained: dict[str, Any] = _explained({**schema, "$defs": definitions})
    return {"$schema": _DIALECT, **explained}


def schema_text() -> str:
    """Give the schema as the text of `pipeline/line/line.schema.json`."""
    return json.dumps(line_schema(), indent=1, sort_keys=True) + "\n"


def _explained(value: Any) -> Any:
    """Move what models' docstrings say of their attributes to the keys, where an editor shows it; at any depth."""
    if isinstance(value, list):
        return [_explained(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _explained(each) for name, each in value.items()}
    text = inner.get("description")
    return _moved_to_keys(inner, text) if isinstance(text, str) and "properties" in inner else inner


def _moved_to_keys(model: dict[str, Any], text: str) -> dict[str, Any]:
    summary, _, attributes = text.partition("\n\nAttributes:\n")
    properties = dict(model["properties"])
    for name, words in _ATTRIBUTE.findall(attributes):
        if name in properties:
            properties[name] = {"description": " ".join(words.split()), **properties[name]}
    return {**model, "description": summary, "properties": properties}


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
