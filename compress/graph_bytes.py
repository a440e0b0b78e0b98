"""ONNX models as bytes: the same model gives the same bytes, and they tell nothing of the machine that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def properties_of(model: ModelProto) -> dict[str, str]:
    """Give the model's metadata properties by key."""
    return {each.key: each.value for each in model.metadata_props}


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
