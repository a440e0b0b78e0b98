"""Int8 as each runtime wants it, all as ONNX with QuantizeLinear and DequantizeLinear.

- `open_vino`: NNCF. Weights int8 per output channel, activations per tensor. Ranges are the true extremes of the
  calibration frames: NNCF's own default, the mean of each frame's extremes, clips just those frames that stand out, the
  defects (on our own networks it moved logits about five times as far). Its fast bias correction made things worse
  there too and is off unless asked for. Where the recipe ends in OpenVINO, activations before depthwise convolutions
  have a range per channel; other runtimes do not take that.
- `onnx_runtime`: ONNX Runtime's own quantizer. Activations uint8, weights int8 per output channel: on x86 this pair has
  its own instruction (VPDPBUSD). Int8 activations took 1.7 times as long on an AVX-512 VNNI processor, and weights per
  tensor were no faster.
- `tensor_rt`: ONNX Runtime's quantizer held to what TensorRT takes (`beltline check` says yes): symmetric int8 on both
  sides, weights per output channel, float biases; only the inputs of layers are quantized, so that a layer fuses with
  its activation, and of a residual sum only the shortcut, so that the sum fuses with the convolution before it.

Where a processor that runs or scores the graph is an x86 one without VNNI, weights keep to 7 bits in all of them: two
products of 8 x 8 bits overflow the 16 bits that they are added in there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...pixels_first import cast_pixels_first
from ...recipe import GraphContext
from .calibration import Calibration, onnx_runtime_reader, quietly
from .scope import QuantizedScope, leave_sums_to_layers
from .settings import QuantizeStep

if TYPE_CHECKING:
    from onnx import ModelProto

_FUSED_BY_TENSOR_RT = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add"]
_CALIBRATED = MappingProxyType(
    {"min_max": "MinMax", "mean": "MinMax", "percentile": "Percentile", "histogram": "Entropy"}
)


def scheme_of(step: QuantizeStep, backend: str) -> str:
    """Name the scheme that a step follows in a recipe which ends in `backend`."""
    return step.scheme or (backend if backend in SCHEMES else "open_vino")


def narrow_weights(step: QuantizeStep, context: GraphContext) -> bool:
    """Whether weights keep to 7 of their 8 bits."""
    return bool(step.made_for(context.weight_bits))


def _by_nncf(model: ModelProto, scope: QuantizedScope, frames: Calibration, step: QuantizeStep) -> ModelProto:
    per_channel = None if frames.context.backend == "open_vino" else False
    with quietly():
        import nncf
        from nncf.quantization.advanced_parameters import OverflowFix, QuantizationParameters

        nncf.set_log_level(logging.ERROR)
        return nncf.quantize(
            model,
            nncf.Dataset(frames),
            subset_size=len(frames),
            preset=nncf.QuantizationPreset(step.preset),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=_nncf_ranges(step),
                activations_quantization_params=QuantizationParameters(per_channel=per_channel, mode=_nncf_mode(step)),
                disable_bias_correction=not step.bias_correction,
                overflow_fix=OverflowFix.ENABLE if narrow_weights(step, frames.context) else None,
            ),
            ignored_scope=nncf.IgnoredScope(names=list(scope.outside), validate=False),
        )


def _nncf_mode(step: QuantizeStep) -> Any:
    """Name the mode of activations; None: as the preset has it.

    NNCF's histogram gives two ends, of which a symmetric range takes the upper one alone: on circuit boards, where dark
    lies farther from zero than bright, that cut half of the input away.
    """
    from nncf.common.quantization.structs import QuantizationScheme

    return QuantizationScheme.ASYMMETRIC if step.calibrator == "histogram" else None


def _nncf_ranges(step: QuantizeStep) -> Any:
    from nncf.quantization.range_estimator import (
        AggregatorType,
        RangeEstimatorParameters,
        RangeEstimatorParametersSet,
        StatisticsType,
    )

    if step.calibrator == "percentile":
        # a symmetric range takes the upper end alone, so that one has to be of magnitudes
        upper = StatisticsType.ABS_QUANTILE if step.preset == "performance" else StatisticsType.QUANTILE
        return RangeEstimatorParameters(
            min=_quantile(StatisticsType.QUANTILE, AggregatorType.MIN, step),
            max=_quantile(upper, AggregatorType.MAX, step),
        )
    named = {"min_max": "MINMAX", "mean": "MEAN_MINMAX", "histogram": "HISTOGRAM"}
    return getattr(RangeEstimatorParametersSet, named[step.calibrator])


def _quantile(statistics: Any, aggregator: Any, step: QuantizeStep) -> Any:
    """Take that share of each frame's values, and of all frames the one that stands out: it may show the defect."""
    from nncf.quantization.range_estimator import StatisticsCollectorParameters

    outside = (100 - step.percentile) / 200
    return StatisticsCollectorParameters(
        statistics_type=statistics, aggregator_type=aggregator, quantile_outlier_prob=outside
    )


def _by_onnx_runtime(model: ModelProto, scope: QuantizedScope, frames: Calibration, step: QuantizeStep) -> ModelProto:
    from onnxruntime.quantization import QuantType

    return _quantized_statically(
        model,
        frames,
        step,
        activation_type=QuantType.QUInt8,
        nodes_to_exclude=[*scope.outside, *scope.last_layers],
        # ReLUs that only stand in the zero point would be lost where a layer goes back to float
        extra_options={"QDQKeepRemovableActivations": True} if step.keep_escapes else {},
    )


def _by_tensor_rt(model: ModelProto, scope: QuantizedScope, frames: Calibration, step: QuantizeStep) -> ModelProto:
    from onnxruntime.quantization import QuantType

    quantized = _quantized_statically(
        model,
        frames,
        step,
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
    cast_pixels_first(quantized)
    return quantized


def _quantized_statically(
    model: ModelProto, frames: Calibration, step: QuantizeStep, *, extra_options: dict[str, Any], **options: Any
) -> ModelProto:
    import onnx

    with quietly(), TemporaryDirectory(prefix="beltline-quantize-") as folder:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        path = Path(folder) / "quantized.onnx"
        quantize_static(
            model,
            path,
            onnx_runtime_reader(frames),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            reduce_range=narrow_weights(step, frames.context),
            calibrate_method=CalibrationMethod[_CALIBRATED[step.calibrator]],
            extra_options={**extra_options, **_calibration_options(step, frames)},
            **options,
        )
        return onnx.load(path)


def _calibration_options(step: QuantizeStep, frames: Calibration) -> dict[str, Any]:
    """Give what ONNX Runtime's calibrators are told; histograms keep all activations of all frames, so in parts."""
    in_parts = {"CalibStridedMinMax": frames.part, "CalibTensorRangeSymmetric": False}
    options: dict[str, dict[str, Any]] = {
        "min_max": {},
        "mean": {"CalibMovingAverage": True},
        "percentile": {"CalibPercentile": step.percentile, **in_parts},
        "histogram": in_parts,
    }
    return options[step.calibrator]


SCHEMES: Mapping[str, Callable[[ModelProto, QuantizedScope, Calibration, QuantizeStep], ModelProto]] = MappingProxyType(
    {"open_vino": _by_nncf, "onnx_runtime": _by_onnx_runtime, "tensor_rt": _by_tensor_rt}
)
