"""`half`: the network in float16, in the ONNX file itself, where real frames show that float16 holds it.

TensorRT builds strongly typed networks from version 11 on, and Beltline always does: a layer runs in float16 only where
the file says so. What stands before and behind the network (resize, normalisation, pooling, sigmoid, heatmap) stays in
float32, so that the frame comes in as uint8 and the score goes out as before. What float16 cannot hold stays in
float32 too, layer by layer, and the file's lineage names it; see `float16_plan`.

Write it behind `quantize`, never before: ranges are calibrated in float32, and the scales then take the type of their
tensors, which is what opset 19 asks for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from ....inspection.base.errors import MissingPartError, RecipeError
from ....inspection.base.packages import missing_package
from ....inspection.base.storage import write_bytes
from ...graph_bytes import FLOAT16_KEY, graph_bytes, properties_of, with_line
from ...recipe import GraphContext, StepSettings

if TYPE_CHECKING:
    from onnx import ModelProto

_NAMES_SHOWN = 12


class HalfStep(StepSettings):
    """Settings of `half`.

    Attributes:
        frames: Training frames that activations are watched on, spread evenly over those offered.
        headroom: Activations must stay so many times below float16's largest number, 65504: the next frame may be
            brighter than all that were watched.
    """

    frames: int = Field(default=64, ge=1, le=10_000)
    headroom: float = Field(default=8.0, ge=1, le=1000)


class Half:
    """The method `half`."""

    name = "half"
    works_on: Literal["graph"] = "graph"
    step_type = HalfStep
    packages = ("onnx", "onnxruntime")

    def missing(self) -> str | None:
        """Say what is not installed."""
        absent = (missing_package(package, "quantize") for package in ("onnx", "onnxruntime"))
        return next((each for each in absent if each is not None), None)

    def apply(self, source: Path, step: HalfStep, context: GraphContext) -> None:
        """Cast the network in the ONNX file `source` to float16 and write `context.target_file`.

        Raises:
            MissingPartError: A package is not installed.
            RecipeError: There is nothing to cast, it is float16 already, or there are no calibration frames.
        """
        if (missing := self.missing()) is not None:
            msg = f"method {self.name}: {missing}"
            raise MissingPartError(msg)
        import onnx

        from ..quantize.calibration import spread_frames
        from .graph import cast_nodes, ready_for_float16
        from .plan import largest_magnitudes, plan_float16

        given = onnx.load(source, load_external_data=False)
        properties = properties_of(given)
        _require_castable(given, context)
        model = ready_for_float16(given)
        ranges = largest_magnitudes(model, spread_frames(context, step.frames, doing="watching activations"))
        plan = plan_float16(model, ranges, headroom=step.headroom)
        if not plan.half:
            kept = "; ".join(f"{name}: {why}" for name, why in plan.kept[:_NAMES_SHOWN])
            msg = f"half: float16 holds none of the network's {len(plan.kept)} operators ({kept}); drop the step"
            raise RecipeError(msg)
        cast_nodes(model, plan.half)
        line = f"half: {len(plan.half)} operators in float16{_notified(plan.kept)}"
        extended = {**with_line(properties, line), FLOAT16_KEY: "network"}
        write_bytes(context.target_file, graph_bytes(model, properties=extended))


def _require_castable(model: ModelProto, context: GraphContext) -> None:
    from onnx import TensorProto

    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer):
        msg = "half: wanted a float32 graph, got one with float16 weights; write the step once"
        raise RecipeError(msg)
    if context.calibration_count < 1:
        msg = "half: wanted training frames to watch activations on, got none; add images to the train split"
        raise RecipeError(msg)


def _notified(kept: tuple[tuple[str, str], ...]) -> str:
    """Name what stays in float32; a long list ends in a count, the file itself shows the rest."""
    if not kept:
        return ", none left out"
    named = [f"{name} ({why})" for name, why in kept[:_NAMES_SHOWN]]
    more = [f"{len(kept) - _NAMES_SHOWN} more"] if len(kept) > _NAMES_SHOWN else []
    return f", {len(kept)} stay in float32: " + ", ".join([*named, *more])


METHOD = Half()
