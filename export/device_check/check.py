"""Check any ONNX file for a device's runtime: every rule, and a summary in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .device_runtime import RUNTIMES, DeviceRuntime
from .findings import Finding, findings_of
from .graph_index import GraphIndex, index_of
from .rules import operators, quantization, tensors

RULES = (*operators.RULES, *quantization.RULES, *tensors.RULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is known of a file; JSON-able with `dataclasses.asdict`.

    Attributes:
        file: Its path.
        runtime: Name of the runtime that it was checked for.
        takes: No rule of level `refused` is broken.
        opset: Of ONNX's own operators.
        weighted: Layers with weights (Conv, ConvTranspose, Gemm, MatMul).
        quantized: Those with quantized activation and weights.
        weight_types: Layers by the type their weights are computed in, or `int8` where both sides are quantized.
        taken_by: For each runtime known, whether it takes the file.
        findings: What breaks a rule, refusals first.
    """

    file: str
    runtime: str
    takes: bool
    opset: int
    weighted: int
    quantized: int
    weight_types: dict[str, int]
    taken_by: dict[str, bool]
    findings: tuple[Finding, ...]


def check_file(path: Path, runtime: DeviceRuntime) -> Checked:
    """Apply every rule to an ONNX file; nothing in it is run.

    Raises:
        GraphError: No ONNX file, too large, or its weights lie in other files.
        MissingPartError: onnx is not installed.
    """
    index = index_of(path)
    by_runtime = {name: _findings(index, each) for name, each in RUNTIMES.items()}
    types = _weight_types(index)
    return Checked(
        file=str(path),
        runtime=runtime.name,
        takes=_takes(by_runtime[runtime.name]),
        opset=index.opset,
        weighted=sum(types.values()),
        quantized=types.get("int8", 0),
        weight_types=types,
        taken_by={name: _takes(found) for name, found in by_runtime.items()},
        findings=by_runtime[runtime.name],
    )


def _findings(index: GraphIndex, runtime: DeviceRuntime) -> tuple[Finding, ...]:
    found = dict.fromkeys(
        finding for rule in RULES for each in index.all() for finding in findings_of(rule, each, runtime)
    )
    return tuple(sorted(found, key=lambda each: each.level != "refused"))


def _takes(findings: tuple[Finding, ...]) -> bool:
    return all(each.level != "refused" for each in findings)


def _weight_types(index: GraphIndex) -> dict[str, int]:
    from onnx import TensorProto

    counts: Counter[str] = Counter()
    for node in index.weighted():
        both = index.is_quantized(node.input[0]) and index.is_quantized(node.input[1])
        kind = index.types.get(node.input[1], TensorProto.UNDEFINED)
        counts["int8" if both else TensorProto.DataType.Name(kind).lower()] += 1
    return dict(sorted(counts.items()))
