"""How fast a device could run a network, from data sheets alone: never measured, always called predicted.

The roofline model (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785): a layer takes as long as the
slower of two things, its arithmetic at the device's peak and its weights and activations through its memory. Layers
follow one another. Left out is what no data sheet gives: kernels below their peak, launches, caches that save a way to
memory, camera and decision. Against published times on a Jetson see `benchmarks.studies.published_times`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Arithmetic = Literal["fp32", "fp16", "int8"]
BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "int8": 1}
"""What one number takes in memory."""

_OPERATIONS_A_MAC = 2


class Roofline(BaseModel):
    """One engine of a device in one power mode.

    Attributes:
        mode: As the device calls it, such as `15W`; for a PC what the clock is.
        engine: What computes.
        memory_gb_s: Bandwidth of the memory, in 10^9 bytes/s.
        tera_operations_s: Peak by arithmetic, dense (no sparsity), a multiplication and an addition counted as two.
        source: Where these figures stand, and how they were worked out from it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: str = Field(min_length=1)
    engine: Literal["cpu", "gpu"]
    memory_gb_s: float = Field(gt=0)
    tera_operations_s: dict[Arithmetic, Annotated[float, Field(gt=0)]] = Field(min_length=1)
    source: str = Field(min_length=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWork:
    """What one layer asks of a device.

    Attributes:
        name: As the graph calls it.
        macs: Multiply-accumulates.
        weights: How many it has.
        activations: Numbers that it reads and writes.
    """

    name: str
    macs: int
    weights: int
    activations: int


def predicted_ms(layers: Iterable[LayerWork], roofline: Roofline, arithmetic: Arithmetic) -> float:
    """Predict the time of one frame in the network, in ms.

    Args:
        layers: All layers with weights; what lies between them is taken as fused.
        roofline: Has a peak for this arithmetic.
        arithmetic: Of all layers.

    >>> nano = Roofline(mode="15W", engine="gpu", memory_gb_s=100, tera_operations_s={"int8": 20}, source="an example")
    >>> heavy = LayerWork(name="a", macs=10**9, weights=10**6, activations=10**6)
    >>> wide = LayerWork(name="b", macs=10**6, weights=10**6, activations=9 * 10**6)
    >>> predicted_ms([heavy], nano, "int8"), predicted_ms([wide], nano, "int8")
    (0.1, 0.1)
    """
    peak = roofline.tera_operations_s[arithmetic] * 1e12
    bandwidth = roofline.memory_gb_s * 1e9
    seconds = (
        max(
            layer.macs * _OPERATIONS_A_MAC / peak,
            (layer.weights + layer.activations) * BYTES[arithmetic] / bandwidth,
        )
        for layer in layers
    )
    return 1e3 * sum(seconds)
