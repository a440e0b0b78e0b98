"""Weights of an int8 graph drawn together onto a few levels: nothing runs faster, but less has to be sent.

Weight sharing of Deep Compression (Han et al. 2016, arXiv 1510.00149, section 3) on integers: the levels are int8
themselves, so the graph stays an ordinary one and every runtime runs it as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

_CODES = 256
_LOWEST = -128


def clustered(model: ModelProto, levels: int) -> ModelProto:
    """Give a copy of an int8 model in which each layer's weights take at most so many values.

    Args:
        model: With weights as int8 constants behind DequantizeLinear.
        levels: Of each layer, in [2, 256].
    """
    from onnx import ModelProto as Model
    from onnx import numpy_helper

    copy = Model()
    copy.CopyFrom(model)
    for tensor in int8_weights(copy):
        drawn = nearest_levels(numpy_helper.to_array(tensor), levels)
        tensor.CopyFrom(numpy_helper.from_array(drawn, tensor.name))
    return copy


def int8_weights(model: ModelProto) -> Iterator[TensorProto]:
    """Give the int8 constants with two dimensions or more that a DequantizeLinear reads."""
    from onnx import TensorProto

    read = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for tensor in model.graph.initializer:
        if tensor.name in read and tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1:
            yield tensor


def nearest_levels(codes: NDArray[np.int8], levels: int) -> NDArray[np.int8]:
    """Replace integers by the best few, in the sense of squared error: k-means in one dimension, exactly.

    With 256 possible values the best division into neighbouring runs is found by dynamic programming (Wang and Song
    2011, Ckmeans.1d.dp), so that no random start decides.

    >>> nearest_levels(np.array([1, 2, 2, 90, 91, -7], dtype=np.int8), 3).tolist()
    [2, 2, 2, 90, 90, -7]
    """
    places = codes.astype(np.int64) - _LOWEST
    counts = np.bincount(places.ravel(), minlength=_CODES).astype(np.float64)
    table = np.zeros(_CODES, dtype=np.int8)
    for begin, end in _runs(counts, levels):
        weight = counts[begin:end]
        if weight.any():
            table[begin:end] = np.round((weight * (np.arange(begin, end) + _LOWEST)).sum() / weight.sum())
    return table[places]


def _runs(counts: NDArray[np.float64], levels: int) -> list[tuple[int, int]]:
    """Divide the 256 codes into so many runs `[begin, end)` with the least squared error."""
    cost = _run_costs(counts)
    best, begins = cost[0], list[NDArray[np.int64]]()
    for _ in range(1, levels):
        total = best[:-1, None] + cost[1:]  # the last run begins behind the end of all before it
        chosen = np.argmin(total, axis=0)
        best = total[chosen, np.arange(_CODES)]
        begins.append(chosen + 1)
    runs, end = list[tuple[int, int]](), _CODES
    for begin_of in reversed(begins):
        runs.append((int(begin_of[end - 1]), end))
        end = runs[-1][0]
    return [*runs, (0, end)]


def _run_costs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared error of one level for codes `first .. last`, `[first, last]`; infinite where last comes before first."""
    values = np.arange(_CODES, dtype=np.float64)
    mass, first, second = (np.concatenate([[0.0], np.cumsum(counts * values**power)]) for power in range(3))
    weight, total, square = (each[None, 1:] - each[:-1, None] for each in (mass, first, second))
    cost = square - np.divide(total**2, weight, out=np.zeros_like(total), where=weight > 0)
    return np.where(np.tri(_CODES, k=-1, dtype=bool), np.inf, np.maximum(cost, 0.0))
