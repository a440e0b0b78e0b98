"""`cluster`: the int8 weights of each layer drawn together onto a few levels, so that less has to be sent to a device.

Written behind `quantize`. The device stores and runs an ordinary int8 model, as fast as before: what shrinks is the
bundle on its way (`transport_bytes` in the report), whose files are entropy-coded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ....inspection.base.errors import MissingPartError, RecipeError
from ....inspection.base.packages import missing_package
from ....inspection.base.storage import write_bytes
from ...graph_bytes import graph_bytes, properties_of, with_line
from ...recipe import EscapeJudge, GraphContext, StepSettings
from ..quantize.escapes import escape_limit

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

_ALL = 256


class ClusterStep(StepSettings):
    """Settings of `cluster`.

    Attributes:
        levels: How many values the weights of a layer may take; 64 are 6 bits before entropy coding.
        keep_escapes: Judge the graph on val and double the levels until the escape gate holds there (or, where the
            graph that came in misses it, until nothing is lost).
    """

    to_int8: ClassVar[bool] = True
    levels: int = Field(default=64, ge=2, le=128)
    keep_escapes: bool = True

    @property
    def judged(self) -> bool:
        """With `keep_escapes`."""
        return self.keep_escapes

    def unjudged(self) -> ClusterStep:
        """Cluster to `levels`, whatever it costs."""
        return self.model_copy(update={"keep_escapes": False})


class Cluster:
    """The method; it keeps no state."""

    name = "cluster"
    works_on: Literal["graph"] = "graph"
    step_type = ClusterStep
    packages = ("onnx",)

    def missing(self) -> str | None:
        """Say what is not installed."""
        return missing_package("onnx", "quantize")

    def apply(self, source: Path, step: ClusterStep, context: GraphContext) -> None:
        """Cluster the weights of the ONNX file `source` and write `context.target_file`.

        Raises:
            MissingPartError: onnx is not installed.
            RecipeError: There are no int8 weights, or escapes are to be kept and nobody can judge them.
        """
        if (missing := self.missing()) is not None:
            msg = f"method {self.name}: {missing}"
            raise MissingPartError(msg)
        import onnx

        model = onnx.load(source, load_external_data=False)
        if not any(True for _ in int8_weights(model)):
            msg = "cluster: wanted a graph with int8 weights, got none; write quantize before it"
            raise RecipeError(msg)
        levels = _fewest_levels(source, model, step, context) if step.keep_escapes else step.levels
        drawn = clustered(model, levels) if levels < _ALL else model
        lineage = f"cluster: the weights of each layer on {min(levels, _ALL)} levels"
        write_bytes(context.target_file, graph_bytes(drawn, properties=with_line(properties_of(model), lineage)))


def _fewest_levels(source: Path, model: ModelProto, step: ClusterStep, context: GraphContext) -> int:
    """Double the levels until the escape gate holds on val; 256 are all that there are."""
    judge: EscapeJudge | None = context.judge
    if judge is None:
        msg = "cluster: keep_escapes wants val and a teacher to judge on, got neither; write keep_escapes: false"
        raise RecipeError(msg)
    limit = escape_limit(judge, judge.escapes(judge.scores(source)))
    levels = step.levels
    with TemporaryDirectory(prefix="beltline-clusters-") as folder:
        path = Path(folder) / "clustered.onnx"
        while levels < _ALL:
            drawn = clustered(model, levels)
            path.write_bytes(graph_bytes(drawn, properties=properties_of(model)))
            context.progress("levels", levels, _ALL)
            if judge.escapes(judge.scores(path)).increase_upper <= limit:
                break
            levels *= 2
    return levels


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


METHOD = Cluster()
