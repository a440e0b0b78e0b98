"""ONNX files that came from anywhere: parsed with suspicion before anything else looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
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
    model = parse_model(path, beside=False)
    require_valid(model, path)
    return model


def require_valid(model: ModelProto, path: Path) -> None:
    """Refuse operators outside ONNX, and what ONNX's own checker does not take.

    Raises:
        GraphError: Either.
    """
    _require_standard_operators(model, path)
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise _not_valid(path, error) from error


def parse_model(path: Path, *, beside: bool = True) -> ModelProto:
    """Parse an ONNX file, whatever its operators are; nothing in it is run.

    Args:
        path: The file.
        beside: Take in weights that lie in files beside it (external data); else refuse them.

    Returns:
        The model with all its weights inside.

    Raises:
        GraphError: No ONNX file, too large, without any operator, or weights in other files that are not to be had.
        MissingPartError: onnx is not installed.
    """
    if (missing := missing_package("onnx", "graph")) is not None:
        raise MissingPartError(missing)
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(_bytes_of(path))
        _require_operators(model, path)
        _take_in(model, path, beside=beside)
    except GraphError:
        raise
    except (DecodeError, ValueError) as error:
        raise _not_valid(path, error) from error
    return model


def files_beside(path: Path) -> tuple[Path, ...]:
    """Give the files that hold a model's weights outside it, sorted; none of them is read.

    Raises:
        GraphError: No ONNX file, or one of them is not to be had.
        MissingPartError: onnx is not installed.
    """
    if (missing := missing_package("onnx", "graph")) is not None:
        raise MissingPartError(missing)
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(_bytes_of(path))
    except (DecodeError, ValueError) as error:
        raise _not_valid(path, error) from error
    tensors = [each for graph in _graphs(model.graph) for each in _tensors(graph) if _is_external(each)]
    places = {each.name: entry.value for each in tensors for entry in each.external_data if entry.key == "location"}
    return tuple(sorted({_file_beside(path, place, name) for name, place in places.items()}))


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


def _require_operators(model: ModelProto, path: Path) -> None:
    if not model.graph.node:
        msg = f"{path}: wanted an ONNX file, got one without any operator"
        raise GraphError(msg)


def _take_in(model: ModelProto, path: Path, *, beside: bool) -> None:
    """Move weights that lie in files beside the model into it, in place."""
    outside = [tensor for graph in _graphs(model.graph) for tensor in _tensors(graph) if _is_external(tensor)]
    if outside and not beside:
        msg = f"{path}: tensor {outside[0].name!r} lies in another file; save the model with all weights inside"
        raise GraphError(msg)
    total = model.ByteSize()
    for tensor in outside:
        raw = _external_bytes(tensor, path, room=_MAX_BYTES - total)
        total += len(raw)
        tensor.raw_data = raw
        tensor.ClearField("external_data")
        tensor.data_location = tensor.DEFAULT


def _external_bytes(tensor: Any, path: Path, *, room: int) -> bytes:
    """Read a tensor's numbers from a file in the model's own folder; exactly as many as its shape says."""
    from math import prod

    from onnx.helper import tensor_dtype_to_np_dtype

    entries = {each.key: each.value for each in tensor.external_data}
    file = _file_beside(path, entries.get("location", ""), tensor.name)
    try:
        wanted = prod(tensor.dims) * tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", wanted))
        size = file.stat().st_size
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: tensor {tensor.name!r} lies in {file.name}, which cannot be read: {error}; put it there"
        raise GraphError(msg) from error
    if min(tensor.dims, default=0) < 0 or length != wanted or offset < 0 or offset + length > size:
        msg = (
            f"{path}: tensor {tensor.name!r} wants {wanted} bytes, the model says {length} at {offset} of {file.name}, "
            f"which has {size}; export both files again"
        )
        raise GraphError(msg)
    if length > room:
        msg = f"{path}: with its weights the model is larger than {_MAX_BYTES} bytes, the most that an ONNX file holds"
        raise GraphError(msg)
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _file_beside(path: Path, location: str, name: str) -> Path:
    """Give the file that a model names; it lies in the model's folder, links followed, or it is refused."""
    folder = path.parent.resolve()
    file = (folder / location).resolve()
    if not location or PurePosixPath(location).is_absolute() or not file.is_relative_to(folder) or file == folder:
        msg = f"{path}: tensor {name!r} lies at {location!r}, wanted a file in the model's own folder; it is not read"
        raise GraphError(msg)
    if not file.is_file():
        msg = f"{path}: tensor {name!r} lies in {location!r}, which is not there; put it beside the model"
        raise GraphError(msg)
    return file


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
