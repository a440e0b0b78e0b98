"""`cluster`: the int8 weights of each layer drawn together onto a few levels, so that less has to be sent to a device.

Written behind `quantize`. The device stores and runs an ordinary int8 model, as fast as before: what shrinks is the
bundle on its way (`transport_bytes` in the report), whose files are entropy-coded.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from ....inspection.base.errors import MissingPartError, RecipeError
from ....inspection.base.packages import missing_package
from ....inspection.base.storage import write_bytes
from ...graph_bytes import graph_bytes, properties_of, with_line
from ...recipe import EscapeJudge, GraphContext, StepSettings
from ..quantize.escapes import escape_limit
from .clusters import clustered, int8_weights

if TYPE_CHECKING:
    from onnx import ModelProto

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
        words = f"cluster: the weights of each layer on {min(levels, _ALL)} levels"
        write_bytes(context.target_file, graph_bytes(drawn, properties=with_line(properties_of(model), words)))


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


METHOD = Cluster()
