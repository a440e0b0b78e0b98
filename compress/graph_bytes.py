"""ONNX models as bytes: the same model gives the same bytes, and they tell nothing of the machine that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto

LINEAGE_KEY = "beltline.lineage"
"""Metadata property of an ONNX file: a JSON list with one line for each step that made it, oldest first."""

FLOAT16_KEY = "beltline.float16"
"""Metadata property of an ONNX file whose network was cast to float16; its value says nothing more."""

_MOST_LINES = 100
_LONGEST_LINE = 4000


def properties_of(model: ModelProto) -> dict[str, str]:
    """Give the model's metadata properties by key."""
    return {each.key: each.value for each in model.metadata_props}


def lineage_of(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Give the lines that say how a file was made; none where it does not say, or not as it should.

    >>> lineage_of({LINEAGE_KEY: '["teacher plain", "distill plain"]'}), lineage_of({LINEAGE_KEY: "?"})
    (('teacher plain', 'distill plain'), ())
    """
    try:
        lines = json.loads(properties.get(LINEAGE_KEY, "[]"))
    except (ValueError, RecursionError):
        return ()
    return tuple(str(line)[:_LONGEST_LINE] for line in lines[:_MOST_LINES]) if isinstance(lines, list) else ()


def with_line(properties: Mapping[str, str], line: str) -> dict[str, str]:
    """Give the properties of a file that one more step has changed."""
    return with_lineage(properties, (*lineage_of(properties), line))


def with_lineage(properties: Mapping[str, str], lines: Sequence[str]) -> dict[str, str]:
    """Give the properties of a file that these steps have made."""
    return {**properties, LINEAGE_KEY: json.dumps(list(lines))}


def graph_bytes(model: ModelProto, *, properties: Mapping[str, str]) -> bytes:
    """Serialise a model; tools, source lines and paths that it names are dropped, in place.

    The exporter writes the Python stack of every operator into the file: it would differ from machine to machine and
    tell where it was made.

    Args:
        model: The whole model.
        properties: The metadata properties to keep; all others go.
    """
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    model.producer_name = "beltline"
    model.ClearField("producer_version")
    for key in sorted(properties):
        model.metadata_props.add(key=key, value=properties[key])
    return bytes(model.SerializeToString(deterministic=True))
