"""`quantize`: weights and activations in 8 bits, from a float graph and some training frames (static, post-training).

Three schemes, all ONNX with QuantizeLinear / DequantizeLinear:

- `open_vino`: NNCF. Weights int8 per output channel, activations per tensor. Ranges are the true extremes of the
  calibration frames: NNCF's default, the mean of each frame's extremes, clips just those frames that stand out, the
  defects (on our own networks it moved logits about five times as far). Its fast bias correction made things worse
  there too and is off unless asked for. Where the recipe ends in OpenVINO, activations before depthwise convolutions
  have a range per channel; other runtimes do not take that.
- `onnx_runtime`: ONNX Runtime's own quantizer. Activations uint8, weights int8 per output channel: on x86 this pair has
  its own instruction (VPDPBUSD). Int8 activations took 1.7 times as long on an AVX-512 VNNI processor, and weights per
  tensor were no faster. On a processor without VNNI write `reduce_range: true`: two products of 8 x 8 bits overflow the
  16 bits that they are added in there.
- `tensor_rt`: ONNX Runtime's quantizer held to what TensorRT takes (`beltline check` says yes): symmetric int8 on both
  sides, weights per output channel, float biases; only the inputs of layers are quantized, so that a layer fuses with
  its activation, and of a residual sum only the shortcut, so that the sum fuses with the convolution before it.

Resize, normalisation, pooling, sigmoid and heatmap stay in float, see `quantized_scope`; so does the logit map.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ...inspection.errors import MissingPartError, RecipeError
from ...inspection.packages import missing_package
from ...inspection.storage import write_bytes
from ..graph_bytes import graph_bytes, properties_of
from ..quantized_scope import QuantizedScope, leave_sums_to_layers, name_nodes, quantized_scope
from ..recipe import GraphContext

if TYPE_CHECKING:
    from onnx import ModelProto

Scheme = Literal["open_vino", "onnx_runtime", "tensor_rt"]
_FUSED_BY_TENSOR_RT = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add"]


class QuantizeStep(BaseModel):
    """Settings of `quantize`.

    Attributes:
        scheme: Whose rules to follow; None: those of the recipe's backend, NNCF's where it has none of its own.
        frames: Training frames to calibrate with, spread evenly over those offered.
        preset: NNCF only. `performance`: symmetric activations; `mixed`: asymmetric ones where they help, for networks
            with other activations than ReLU (about 4 % slower).
        bias_correction: NNCF only. Shift each bias by the mean error of its layer.
        reduce_range: ONNX Runtime only. 7-bit weights, for x86 processors without VNNI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    scheme: Scheme | None = None
    frames: int = Field(default=128, ge=1, le=10_000)
    preset: Literal["performance", "mixed"] = "performance"
    bias_correction: bool = False
    reduce_range: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibration:
    """Frames as the quantizers want them: `{input name: frame}`, as often as they ask."""

    context: GraphContext
    wanted: int

    def __len__(self) -> int:
        return min(self.wanted, self.context.calibration_count)

    def __iter__(self) -> Iterator[dict[str, NDArray[np.uint8]]]:
        offered = self.context.calibration_count
        chosen = {position * offered // len(self) for position in range(len(self))}
        done = 0
        for position, frame in enumerate(self.context.calibration()):
            if position in chosen:
                yield {"frame": frame}
                done += 1
                self.context.progress("calibrating", done, len(self))


class Quantize:
    """The method; it keeps no state."""

    name = "quantize"
    works_on: Literal["graph"] = "graph"
    step_type = QuantizeStep

    def missing(self) -> str | None:
        """Say what is not installed."""
        absent = (missing_package(package, "quantize") for package in ("onnx", "onnxruntime", "nncf"))
        return next((each for each in absent if each is not None), None)

    def apply(self, source: Path, step: QuantizeStep, context: GraphContext) -> None:
        """Quantize the ONNX file `source` into `context.target_file`; frame settings in it are kept.

        Raises:
            MissingPartError: A package is not installed.
            RecipeError: There is nothing to quantize, it is quantized already, or there are no calibration frames.
        """
        if (missing := self.missing()) is not None:
            msg = f"method {self.name}: {missing}"
            raise MissingPartError(msg)
        import onnx

        model = onnx.load(source, load_external_data=False)
        properties = properties_of(model)
        name_nodes(model.graph)
        scope = quantized_scope(model.graph)
        _require_quantizable(model, scope, context)
        scheme = step.scheme or (context.backend if context.backend in _SCHEMES else "open_vino")
        quantized = _SCHEMES[scheme](model, scope, _Calibration(context=context, wanted=step.frames), step)
        write_bytes(context.target_file, graph_bytes(quantized, properties=properties))


def _require_quantizable(model: ModelProto, scope: QuantizedScope, context: GraphContext) -> None:
    if any(node.op_type in {"QuantizeLinear", "QLinearConv"} for node in model.graph.node):
        msg = "quantize: wanted a float graph, got one that is quantized already; write the step once"
        raise RecipeError(msg)
    if not scope.network:
        msg = "quantize: wanted a graph with convolutions or matrix products, got none; drop the step"
        raise RecipeError(msg)
    if context.calibration_count < 1:
        msg = "quantize: wanted training frames to calibrate with, got none; add images to the train split"
        raise RecipeError(msg)


def _by_nncf(model: ModelProto, scope: QuantizedScope, frames: _Calibration, step: QuantizeStep) -> ModelProto:
    per_channel = None if frames.context.backend == "open_vino" else False
    with _quiet():
        import nncf
        from nncf.quantization.advanced_parameters import QuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        return nncf.quantize(
            model,
            nncf.Dataset(frames),
            subset_size=len(frames),
            preset=nncf.QuantizationPreset(step.preset),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                activations_quantization_params=QuantizationParameters(per_channel=per_channel),
                disable_bias_correction=not step.bias_correction,
            ),
            ignored_scope=nncf.IgnoredScope(names=list(scope.outside), validate=False),
        )


def _by_onnx_runtime(model: ModelProto, scope: QuantizedScope, frames: _Calibration, step: QuantizeStep) -> ModelProto:
    from onnxruntime.quantization import QuantType

    return _quantized_statically(
        model,
        frames,
        reduce_range=step.reduce_range,
        activation_type=QuantType.QUInt8,
        nodes_to_exclude=[*scope.outside, *scope.last_layers],
    )


def _by_tensor_rt(model: ModelProto, scope: QuantizedScope, frames: _Calibration, _: QuantizeStep) -> ModelProto:
    from onnxruntime.quantization import QuantType

    quantized = _quantized_statically(
        model,
        frames,
        activation_type=QuantType.QInt8,
        nodes_to_exclude=list(scope.outside),
        op_types_to_quantize=_FUSED_BY_TENSOR_RT,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": _FUSED_BY_TENSOR_RT,
        },
    )
    leave_sums_to_layers(quantized.graph)
    return quantized


def _quantized_statically(model: ModelProto, frames: _Calibration, **options: Any) -> ModelProto:
    import onnx

    with _quiet(), TemporaryDirectory(prefix="beltline-quantize-") as folder:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        path = Path(folder) / "quantized.onnx"
        quantize_static(
            model,
            path,
            _reader(frames),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            **options,
        )
        return onnx.load(path)


def _reader(frames: _Calibration) -> Any:
    """Turn frames into what ONNX Runtime wants: an object with `get_next`, which gives None at the end."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._frames = iter(frames)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(self._frames, None)

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep third parties' side effects inside: importing and running the quantizers.

    NNCF logs and draws to stdout, replaces the class of all later loggers, and reports usage over the network unless
    NNCF_CI is set when it is imported. ONNX Runtime's quantizer advises on the root logger, which installs a handler.
    """
    root, logger_class = logging.getLogger(), logging.getLoggerClass()
    ci_before, disabled_before = os.environ.get("NNCF_CI"), logging.root.manager.disable
    handlers = list(root.handlers)
    os.environ["NNCF_CI"] = "1"
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(disabled_before)
        logging.setLoggerClass(logger_class)
        root.handlers[:] = handlers
        os.environ.pop("NNCF_CI")
        if ci_before is not None:
            os.environ["NNCF_CI"] = ci_before


_SCHEMES: dict[str, Callable[[ModelProto, QuantizedScope, _Calibration, QuantizeStep], ModelProto]] = {
    "open_vino": _by_nncf,
    "onnx_runtime": _by_onnx_runtime,
    "tensor_rt": _by_tensor_rt,
}

METHOD = Quantize()
