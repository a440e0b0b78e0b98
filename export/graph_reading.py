"""ONNX files that came from anywhere: parsed with suspicion before anything else looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..inspection.base.errors import GraphError, MissingPartError
from ..inspection.base.packages import missing_package

if TYPE_CHECKING:
    from onnx import ModelProto

_MAX_BYTES = (2 << 30) - 1  # protobuf's own limit; larger models need external data, which is refused
STANDARD_DOMAINS = frozenset({"", "ai.onnx"})


def read_model(path: Path) -> ModelProto:
    """Parse an ONNX file and check all that does not depend on what it is for; nothing in it is run.

    Raises:
        GraphError: No ONNX file, too large, weights in other files, operators outside ONNX, or not valid.
        MissingPartError: onnx is not installed.
    """
    model = parse_model(path)
    _require_standard_operators(model, path)
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _not_valid(path, error) from error
    return model


def parse_model(path: Path) -> ModelProto:
    """Parse an ONNX file that holds all its weights, whatever its operators are; nothing in it is run.

    Raises:
        GraphError: No ONNX file, too large, without any operator, or weights in other files.
        MissingPartError: onnx is not installed.
    """
    if (missing := missing_package("onnx", "graph")) is not None:
        raise MissingPartError(missing)
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(_bytes_of(path))
        _require_self_contained(model, path)
    except GraphError:
        raise
    except (DecodeError, ValueError) as error:
        raise _not_valid(path, error) from error
    return model


def _not_valid(path: Path, error: Exception) -> GraphError:
    return GraphError(f"{path}: wanted a valid ONNX file, got: {str(error).strip().splitlines()[0]}; export it again")


def _bytes_of(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not 0 < size <= _MAX_BYTES:
            msg = f"{path}: wanted an ONNX file of at most {_MAX_BYTES} bytes, got {size} bytes"
            raise GraphError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror})"
        raise GraphError(msg) from error


def _require_self_contained(model: ModelProto, path: Path) -> None:
    if not model.graph.node:
        msg = f"{path}: wanted an ONNX file, got one without any operator"
        raise GraphError(msg)
    graphs = list(_graphs(model.graph))
    outside = [tensor.name for graph in graphs for tensor in _tensors(graph) if _is_external(tensor)]
    if outside:
        msg = f"{path}: tensor {outside[0]!r} lies in another file; save the model with all weights inside"
        raise GraphError(msg)


def _require_standard_operators(model: ModelProto, path: Path) -> None:
    graphs = _graphs(model.graph)
    strange = {f"{n.domain}.{n.op_type}" for graph in graphs for n in graph.node if n.domain not in STANDARD_DOMAINS}
    if strange:
        got = ", ".join(sorted(strange)[:5])
        msg = f"{path}: wanted operators of ONNX itself, got {got}; export without custom operators"
        raise GraphError(msg)


def inner_graphs(graph: Any) -> Iterator[Any]:
    """Give the graphs inside a graph's own nodes (If, Loop, Scan), not those inside them."""
    for node in graph.node:
        for attribute in node.attribute:
            yield from (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else []))


def _graphs(graph: Any) -> Iterator[Any]:
    """Give a graph and all inside it."""
    yield graph
    for each in inner_graphs(graph):
        yield from _graphs(each)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in _sparse_tensors(graph):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)


def _sparse_tensors(graph: Any) -> Iterator[Any]:
    yield from graph.sparse_initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.sparse_tensor, *attribute.sparse_tensors)


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL or len(tensor.external_data))
