"""Model files of a bundle, looked through before a runtime opens them: nothing may lie in another file.

No onnx is needed: the few fields that can name a file are found on the wire (protobuf encoding; onnx.proto3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from xml.parsers import expat

from ...inspection.base.errors import BundleError

_NESTING = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a TensorProto

_INSIDE: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {
        "model": {7: "graph", 20: "training", 25: "function"},
        "training": {1: "graph", 2: "graph"},
        "graph": {1: "node", 5: "tensor", 15: "sparse"},
        "function": {7: "node", 11: "attribute"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
    }
)
"""Which field of which message holds which message; those that cannot hold a tensor are passed over."""


def require_self_contained(path: Path) -> None:
    """Refuse a model that takes anything from outside its own files.

    Args:
        path: Main file of an artifact; files of other kinds than ONNX and OpenVINO's IR name no others.

    Raises:
        BundleError: It names another file, or is damaged.
    """
    check = _CHECKS.get(path.suffix)
    if check is not None:
        check(path)


def _check_onnx(path: Path) -> None:
    try:
        outside = any(_external(memoryview(path.read_bytes()), "model", 0))
    except (LookupError, ValueError) as error:
        msg = f"{path.name}: wanted an ONNX file, got damaged bytes; do not use this bundle"
        raise BundleError(msg) from error
    if outside:
        msg = f"{path.name}: wanted all weights inside the ONNX file, got some in another file; do not use this bundle"
        raise BundleError(msg)


def _external(message: memoryview, kind: str, depth: int) -> Iterator[bool]:
    """Say of each tensor in a message whether its data lies elsewhere."""
    if depth > _NESTING:
        msg = "nested too deeply"
        raise ValueError(msg)
    for field, value in _fields(message):
        if kind == "tensor":
            yield field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0)
        elif isinstance(value, memoryview) and (inner := _INSIDE[kind].get(field)) is not None:
            yield from _external(value, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        length, at = _varint(message, at) if kind == _BYTES else ({_FIXED64: 8, _FIXED32: 4}[kind], at)
        if at + length > len(message):
            msg = "a field reaches beyond its message"
            raise ValueError(msg)
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    msg = "a number of more than 64 bits"
    raise ValueError(msg)


def _check_ir(path: Path) -> None:
    """OpenVINO's IR takes its weights from the `.bin` beside it, by offset and size."""
    weights = path.with_suffix(".bin")
    room = weights.stat().st_size if weights.is_file() else 0
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype(path)
    parser.StartElementHandler = lambda _, attributes: _check_element(path, attributes, room)
    try:
        parser.Parse(path.read_bytes(), True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, BundleError):
            raise
        msg = f"{path.name}: wanted OpenVINO's IR, got damaged XML ({error}); do not use this bundle"
        raise BundleError(msg) from error


def _refuse_doctype(path: Path) -> Callable[..., None]:
    def refuse(*_declaration: object) -> None:
        msg = f"{path.name}: wanted plain XML, got a document type, which can name files; do not use this bundle"
        raise BundleError(msg)

    return refuse


def _check_element(path: Path, attributes: Mapping[str, str], room: int) -> None:
    if any("weights_path" in text for pair in attributes.items() for text in pair):
        msg = f"{path.name}: wanted weights in {path.stem}.bin, got a path to others; do not use this bundle"
        raise BundleError(msg)
    if "offset" in attributes and "size" in attributes:
        begin, size = int(attributes["offset"]), int(attributes["size"])
        if not 0 <= begin <= begin + size <= room:
            msg = f"{path.name}: wanted weights within {room} bytes, got {begin} + {size}; do not use this bundle"
            raise BundleError(msg)


_CHECKS: Mapping[str, Callable[[Path], None]] = MappingProxyType({".onnx": _check_onnx, ".xml": _check_ir})
