"""Rewrite what a runtime refuses into what it takes, where that changes no number, or only by a known factor.

- A bias behind DequantizeLinear becomes the float32 constant that it stands for.
- uint8 around a zero point of 128 becomes int8 around 0 with the same scale: `q - 128` on both sides of the pair.
- uint8 around 0 (values that are never negative) becomes int8 with the scale times 255 / 127: the range stays, half of
  the levels go. That is TensorRT's own symmetric int8 for such a tensor.

- Camera pixels (uint8 inputs) that are moved and then cast are cast first and then moved: no number changes.

Any other zero point needs new calibration, since the range itself has to change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...compress.graph_bytes import graph_bytes, properties_of
from ...compress.pixels_first import cast_pixels_first
from ...inspection.base.storage import write_bytes
from .graph_index import GraphIndex, index_of, name_of

if TYPE_CHECKING:
    from onnx import NodeProto

_MIDDLE = 128
_COARSER = 255 / 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What was rewritten.

    Attributes:
        biases: Biases that became float32 constants.
        shifted: Quantizers moved from uint8 around 128 to int8; no number changes.
        coarser: Quantizers moved from uint8 around 0 to int8; half of the levels are left.
        calibrate_again: Names of quantizers that no rewriting helps.
        pixels: Whether camera pixels are cast first now, and were not.
    """

    biases: int
    shifted: int
    coarser: int
    calibrate_again: tuple[str, ...]
    pixels: bool


def repair_file(source: Path, target: Path) -> Repaired:
    """Write a repaired copy of an ONNX file.

    Args:
        source: The file; left as it is.
        target: Where the copy goes, whole or not at all.

    Raises:
        GraphError: `source` is no ONNX file, is too large, or its weights lie in other files.
        StorageError: `target` cannot be written.
    """
    index = index_of(source)
    biases = [node for node in index.of_type("DequantizeLinear") if _kind(index, node) == np.int32]
    for node in biases:
        _fold_bias(index, node)
    counts = {"shifted": 0, "coarser": 0}
    again = []
    for node in index.of_type("QuantizeLinear", "DequantizeLinear"):
        if node not in biases and _kind(index, node) == np.uint8:
            done = _to_int8(index, node)
            if done is None:
                again.append(name_of(node))
            else:
                counts[done] += 1
    _drop_unread(index)
    pixels = cast_pixels_first(index.model)
    write_bytes(target, graph_bytes(index.model, properties=properties_of(index.model)))
    return Repaired(biases=len(biases), calibrate_again=tuple(again), pixels=pixels, **counts)


def _kind(index: GraphIndex, node: NodeProto) -> Any:
    """Give the numpy type of a quantizer's zero point, else of its quantized constant; uint8 is ONNX's default."""
    for name in (*node.input[2:3], *(node.input[:1] if node.op_type == "DequantizeLinear" else ())):
        value = index.value(name) if name else None
        if value is not None:
            return value.dtype
    return np.dtype(np.uint8)


def _fold_bias(index: GraphIndex, node: NodeProto) -> None:
    quantized, scale = index.value(node.input[0]), index.value(node.input[1])
    if quantized is None or scale is None:
        return
    _set_constant(index, node.output[0], quantized.astype(np.float32) * scale.astype(np.float32))
    index.model.graph.node.remove(node)


def _to_int8(index: GraphIndex, node: NodeProto) -> str | None:
    """Move one quantizer to int8; gives the kind of move, or None where none is exact."""
    scale = index.value(node.input[1])
    zero = index.value(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros((), dtype=np.uint8)
    if scale is None or zero is None or not (np.all(zero == _MIDDLE) or np.all(zero == 0)):
        return None
    middle = bool(np.all(zero == _MIDDLE))
    stored = index.value(node.input[0]) if node.op_type == "DequantizeLinear" else None
    if stored is not None:
        if not middle:
            return None
        _replace_input(index, node, 0, (stored.astype(np.int16) - _MIDDLE).astype(np.int8))
    if not middle:
        _replace_input(index, node, 1, (scale * _COARSER).astype(scale.dtype))
    _replace_input(index, node, 2, np.zeros(zero.shape, dtype=np.int8))
    return "shifted" if middle else "coarser"


def _replace_input(index: GraphIndex, node: NodeProto, position: int, values: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Give a node a constant of its own; others may share the old one."""
    name = f"{node.output[0]}.int8.{position}"
    _set_constant(index, name, values)
    while len(node.input) <= position:
        node.input.append("")
    node.input[position] = name


def _set_constant(index: GraphIndex, name: str, values: np.ndarray[Any, np.dtype[Any]]) -> None:
    from onnx import numpy_helper

    index.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def _drop_unread(index: GraphIndex) -> None:
    graph = index.model.graph
    read = {name for node in graph.node for name in node.input} | {each.name for each in graph.output}
    for tensor in [each for each in graph.initializer if each.name not in read]:
        graph.initializer.remove(tensor)
