"""The runtimes that devices carry, as far as a model file must know them.

Sources: NVIDIA's JetPack release notes for what carries which TensorRT. onnx-tensorrt's docs/operators.md of TensorRT
9.2 and 10.15 and its docs/Changelog.md up to 10.15 for which operators the parser takes since when; operators.md of
10.0 to 10.7 ("opset 9 to opset 20") and 10.15 ("9 to 24"), and NVIDIA's ONNX Opset Guide (TensorRT 11.x: 9 to 25) for
opsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ...inspection.base.errors import GraphError


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRuntime:
    """A TensorRT as a JetPack carries it.

    Attributes:
        name: As written after `--for`.
        tensorrt: Its version.
        first_opset: Lowest opset that its parser takes.
        first_quantized_opset: Lowest opset with the forms of QuantizeLinear and DequantizeLinear that it takes.
        last_opset: Highest opset that its documentation promises.
        promised: False where no document says which opset is the last one: a higher one is then only warned of.
    """

    name: str
    tensorrt: str
    first_opset: int = 9
    first_quantized_opset: int = 17
    last_opset: int = 20
    promised: bool = True

    def takes(self, operator: str) -> bool | None:
        """Whether the parser takes an operator of ONNX's own domain; None: no document says since when.

        >>> runtime_named("jetpack6.2").takes("Conv"), runtime_named("jetpack6.2").takes("Attention")
        (True, False)
        """
        if operator in _UNDATED and self.version < _TABLE:
            return None
        return operator in _LISTED and self.version >= _SINCE.get(operator, (0, 0))

    @property
    def version(self) -> tuple[int, ...]:
        """`tensorrt` as numbers."""
        return tuple(int(part) for part in self.tensorrt.split("."))


_TABLE = (10, 15)
_TEXT = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization BlackmanWindow
Cast CastLike Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum DeformConv
DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather
GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample
GroupNormalization GRU HammingWindow HannWindow HardSigmoid HardSwish Hardmax Identity If ImageScaler
InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop LRN LSTM
LpNormalization LpPool MatMul Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonMaxSuppression
NonZero Not OneHot Or Pad ParametricSoftplus Pow PRelu QuantizeLinear RandomNormal RandomNormalLike RandomUniform
RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RMSNormalization RNN RoiAlign
RotaryEmbedding Round STFT ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh
Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh TensorScatter ThresholdedRelu
Tile TopK Transpose Trilu Unsqueeze Upsample Where Xor
"""
_LISTED = frozenset(_TEXT.split())
"""Marked Y in docs/operators.md of TensorRT 10.15."""

_SINCE = MappingProxyType(
    {
        "DeformConv": (10, 1),
        **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow"), (10, 4)),
        "STFT": (10, 5),
        "Attention": (10, 14),
        **dict.fromkeys(("RMSNormalization", "RotaryEmbedding", "TensorScatter"), (10, 15)),
    }
)
"""From docs/Changelog.md; all others are in the table of 9.2 already, or in `_UNDATED`."""

_UNDATED = frozenset({"Gelu", "Mish"})
"""In the table of 10.15, not in that of 9.2, and the changelog is silent."""

_KNOWN = (
    DeviceRuntime(name="jetpack6.1", tensorrt="10.3"),
    DeviceRuntime(name="jetpack6.2", tensorrt="10.3"),
    DeviceRuntime(name="jetpack7.2", tensorrt="10.16", last_opset=24, promised=False),
    DeviceRuntime(name="jetpack7.2.2", tensorrt="11.4", last_opset=25),
)
RUNTIMES = MappingProxyType({runtime.name: runtime for runtime in _KNOWN})


def runtime_named(name: str) -> DeviceRuntime:
    """Find a runtime.

    Raises:
        GraphError: There is none of that name; the message lists those there are.
    """
    if name not in RUNTIMES:
        msg = f"--for: wanted one of {', '.join(RUNTIMES)}, got {name!r}"
        raise GraphError(msg)
    return RUNTIMES[name]
