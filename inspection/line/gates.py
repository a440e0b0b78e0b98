"""The gates of line.yaml: what must hold, and how surely, before the verdict is `fits`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Share = Annotated[float, Field(gt=0, lt=1, description="A share of all frames or parts, in (0, 1); 2 % is 0.02.")]
Confidence = Annotated[float, Field(ge=0.5, lt=1, description="One-sided confidence, in [0.5, 1); 95 % is 0.95.")]
Stall = Annotated[
    float, Field(ge=0, le=3_600_000, description="Longest stall of the device that the proof allows for, in ms.")
]

_GATE = ConfigDict(frozen=True, extra="forbid", strict=True)


class MissGate(BaseModel):
    """Frames whose decision comes after the deadline: the upper bound of their share must not exceed `max`.

    Late frames come in bursts, and no test can bound a burst that it has not seen. `stall_ms` says how long the device
    may stop at most: what one such stall delays counts as one event, and the proof takes that many times the frames.
    """

    model_config = _GATE

    max: Share = 0.001
    confidence: Confidence = 0.99
    stall_ms: Stall = 100.0


class KindGate(BaseModel):
    """Defects of one kind passed: the upper bound of their share must not exceed `max`."""

    model_config = _GATE

    max: Share


class EscapeGate(BaseModel):
    """Defects passed: of all defects, and compared with the teacher on the same parts.

    The upper bound of the escape rate must not exceed `max`, whatever the teacher does: students of a useless one let
    no more defects pass than it does. Above 5 %, measurement system analysis calls an inspector unacceptable (AIAG,
    MSA, 4th edition, attribute studies); 59 defects without an escape prove it at 95 %.
    The upper bound of the rise over the teacher's must not exceed `max_increase` (0.02: two more per 100 defects).
    `kinds` are limits for kinds of defect by themselves; with several of them each bound gets its share of the error
    (Bonferroni), so that all of them together hold with the confidence asked for.
    """

    model_config = _GATE

    max: Share = 0.05
    max_increase: Share = 0.02
    confidence: Confidence = 0.95
    kinds: dict[str, KindGate] = Field(
        default_factory=dict,
        max_length=64,
        description="limits for kinds of defect, by name, such as crack: {max: 0.01}",
    )

    @model_serializer(mode="wrap")
    def _without_kinds(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not: bundles without gates for kinds are written as they always were."""
        written: dict[str, Any] = write(self)
        return written if self.kinds else {name: value for name, value in written.items() if name != "kinds"}

    @property
    def kind_confidence(self) -> float:
        """Confidence of each kind's bound.

        >>> round(EscapeGate(kinds={"crack": KindGate(max=0.01), "pit": KindGate(max=0.1)}).kind_confidence, 4)
        0.975
        """
        return 1 - (1 - self.confidence) / max(1, len(self.kinds))


class OverkillGate(BaseModel):
    """Good parts rejected: the upper bound of their share must not exceed `max`."""

    model_config = _GATE

    max: Share = 0.05
    confidence: Confidence = 0.95


class Gates(BaseModel):
    """All gates; each one that line.yaml leaves out has its default.

    >>> Gates(overkill=OverkillGate(max=0.1)).deadline_miss
    MissGate(max=0.001, confidence=0.99, stall_ms=100.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deadline_miss: MissGate = MissGate()
    escape: EscapeGate = EscapeGate()
    overkill: OverkillGate = OverkillGate()
