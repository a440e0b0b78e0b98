"""`quantize`: weights and activations in 8 bits, from a float graph and some training frames (static, post-training).

How each runtime wants its int8 is in `quantizing.schemes`. Resize, normalisation, pooling, sigmoid and heatmap stay in
float, see `quantized_scope`; so does the logit map. With `keep_escapes` layers stay in float, too, where int8 would
cost escapes, see `quantizing.escapes`; the file's lineage names them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ....inspection.base.errors import BeltlineError, MissingPartError, RecipeError
from ....inspection.base.packages import missing_package
from ....inspection.base.storage import write_bytes
from ...graph_bytes import graph_bytes, properties_of, with_line
from ...recipe import GraphContext
from .calibration import Calibration, spread_frames
from .escapes import keep_escapes
from .folding import fold_weights
from .schemes import SCHEMES, narrow_weights, scheme_of
from .scope import QuantizedScope, name_nodes, quantized_scope
from .settings import NARROW, QuantizeStep
from .shifts import FRAMES, NOTICED, advice, logit_shift, scores_on

if TYPE_CHECKING:
    from onnx import ModelProto


class Quantize:
    """The method; it keeps no state."""

    name = "quantize"
    works_on: Literal["graph"] = "graph"
    step_type = QuantizeStep
    packages = ("nncf", "onnx", "onnxruntime")

    def missing(self) -> str | None:
        """Say what is not installed."""
        absent = (missing_package(package, "quantize") for package in ("onnx", "onnxruntime", "nncf"))
        return next((each for each in absent if each is not None), None)

    def apply(self, source: Path, step: QuantizeStep, context: GraphContext) -> None:
        """Quantize the ONNX file `source` into `context.target_file`; frame settings in it are kept.

        Raises:
            MissingPartError: A package is not installed.
            RecipeError: There is nothing to quantize, it is quantized already, there are no calibration frames, or
                escapes are to be kept and nobody can judge them.
        """
        if (missing := self.missing()) is not None:
            msg = f"method {self.name}: {missing}"
            raise MissingPartError(msg)
        model = _named_model(source)
        properties = properties_of(model)
        scope = quantized_scope(model.graph)
        _require_quantizable(model, scope, context)
        scheme = scheme_of(step, context.backend)
        quantized = _quantized(source, scheme, step, context)
        lineage = f"quantize: {scheme}, {step.calibrator}"
        if scheme == "open_vino" and (better := _better_scheme(source, quantized, step, context)) is not None:
            context.notify(f"quantize: {better}")
            lineage = f"{lineage}; it {better}"
        if step.keep_escapes:
            quantized, found = _as_far_as_escapes_allow(quantized, source, step, context)
            lineage = f"{lineage}: {found}"
        if narrow_weights(step, context):
            lineage = f"{lineage}; {NARROW}"
        write_bytes(context.target_file, graph_bytes(quantized, properties=with_line(properties, lineage)))


def _quantized(source: Path, scheme: str, step: QuantizeStep, context: GraphContext) -> ModelProto:
    """Quantize a file by a scheme.

    Raises:
        RecipeError: The quantizer does not take the graph; it raises anything, of which one sentence is left.
    """
    model = _named_model(source)  # read anew: quantizers leave their input in pieces
    try:
        return SCHEMES[scheme](
            model, quantized_scope(model.graph), Calibration(context=context, wanted=step.frames), step
        )
    except BeltlineError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        seen = f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
        others = ", ".join(each for each in SCHEMES if each != scheme)
        msg = f"quantize: {scheme} does not take this graph ({seen}); write scheme: one of {others}, or drop the step"
        raise RecipeError(msg) from error


def _better_scheme(source: Path, quantized: ModelProto, step: QuantizeStep, context: GraphContext) -> str | None:
    """Say so where NNCF's int8 moves logits visibly, and much further than ONNX Runtime's."""
    frames = list(spread_frames(context, min(FRAMES, step.frames), doing="comparing"))
    reference = scores_on(_named_model(source), frames)
    shift = logit_shift(scores_on(quantized, frames), reference)
    if not shift > NOTICED:
        return None
    plain = QuantizeStep(scheme="onnx_runtime", frames=step.frames)
    other = _quantized(source, "onnx_runtime", plain, context)
    return advice(shift, logit_shift(scores_on(other, frames), reference))


def _as_far_as_escapes_allow(
    quantized: ModelProto, source: Path, step: QuantizeStep, context: GraphContext
) -> tuple[ModelProto, str]:
    if context.judge is None:
        msg = "quantize: keep_escapes wants val and a teacher to judge on, got neither; run it in a line, or drop it"
        raise RecipeError(msg)
    given = _named_model(source)  # read anew: quantizers leave their input in pieces
    mixture = keep_escapes(quantized, given, context.judge, ranked_on=step.ranked_on, progress=context.progress)
    return mixture.model, mixture.lineage()


def _named_model(source: Path) -> ModelProto:
    import onnx

    model = onnx.load(source, load_external_data=False)
    fold_weights(model)
    name_nodes(model.graph)
    return model


def _require_quantizable(model: ModelProto, scope: QuantizedScope, context: GraphContext) -> None:
    from onnx import TensorProto

    if any(node.op_type in {"QuantizeLinear", "QLinearConv"} for node in model.graph.node):
        msg = "quantize: wanted a float graph, got one that is quantized already; write the step once"
        raise RecipeError(msg)
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer):
        msg = "quantize: wanted a float32 graph, got one with float16 weights; write half behind quantize"
        raise RecipeError(msg)
    if not scope.network:
        msg = "quantize: wanted a graph with convolutions or matrix products, got none; drop the step"
        raise RecipeError(msg)
    if context.calibration_count < 1:
        msg = "quantize: wanted training frames to calibrate with, got none; add images to the train split"
        raise RecipeError(msg)


METHOD = Quantize()
