"""The runtimes that devices carry, as far as a model file must know them.

Sources: NVIDIA's JetPack release notes for what carries which TensorRT; docs/operators.md of onnx-tensorrt (release
10.0 to 10.7: "opset 9 to opset 20") and NVIDIA's ONNX Opset Guide (TensorRT 11.x: 9 to 25) for opsets.
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
        first_opset: Lowest opset with the Q/DQ forms that its parser takes.
        last_opset: Highest opset that its documentation promises.
        promised: False where no document says which opset is the last one: a higher one is then only warned of.
    """

    name: str
    tensorrt: str
    first_opset: int = 17
    last_opset: int = 20
    promised: bool = True


_KNOWN = (
    DeviceRuntime(name="jetpack6.1", tensorrt="10.3"),
    DeviceRuntime(name="jetpack6.2", tensorrt="10.3"),
    DeviceRuntime(name="jetpack7.2", tensorrt="10.16", promised=False),
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
