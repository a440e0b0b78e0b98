"""From what a model says of a frame to findings and a decision: what training, parity, report and station share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..data.frame import FrameSpec
from .findings import Finding, View, find
from .limits import Limit, Ruling, rule
from .zones import Name, Zone


class Judging(BaseModel):
    """What a line says of findings; a bundle carries it to the station.

    Attributes:
        pixels_per_mm: Camera pixels of a millimetre on the part; None: not known.
        zones: By name.
        limits: None: the score alone decides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    pixels_per_mm: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    zones: Annotated[dict[Name, Zone], Field(max_length=32)] = Field(default_factory=dict)
    limits: Annotated[tuple[Limit, ...], Field(max_length=256)] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Judging:
        if (problem := misfit(self.limits, self.zones, self.pixels_per_mm)) is not None:
            raise ValueError(problem[1])
        return self

    def view(self, frame: FrameSpec, threshold: float) -> View:
        """Give what is known of the frames of a model."""
        region = frame.region
        return View(
            threshold=threshold,
            kinds=frame.kinds,
            pixels_per_mm=self.pixels_per_mm,
            left=0 if region is None else region.left,
            top=0 if region is None else region.top,
            zones=tuple(sorted(self.zones.items())),
        )


def misfit(limits: tuple[Limit, ...], zones: Mapping[str, Zone], pixels_per_mm: float | None) -> tuple[int, str] | None:
    """Say which limit cannot be held, by its place, and why; None where all can."""
    for place, limit in enumerate(limits):
        if limit.zone is not None and limit.zone not in zones:
            known = f"zones has {', '.join(sorted(zones))}" if zones else "there are no zones"
            return place, f"zone: wanted the name of a zone, got {limit.zone!r}; {known}: draw it under zones"
        if limit.in_mm and pixels_per_mm is None:
            name = next(name for name in limit.bounds if "_mm" in name)
            return place, (
                f"{name}: nobody said how large a millimetre is; write camera: {{pixels_per_mm: ...}}, or "
                f"{name.replace('_mm2', '_px2').replace('_mm', '_px')}"
            )
    return None


SCORE_ALONE = Judging()
"""Nothing is known: findings in pixels, and the score decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of a frame, and why.

    Attributes:
        ruling: What to do with the part, and which limit decided.
        findings: What was found, the largest first; none where the score stayed below the threshold.
    """

    ruling: Ruling
    findings: tuple[Finding, ...]


class Judge:
    """Judges the frames of one model: everything that does not change from frame to frame is worked out once.

    Attributes:
        compares: Whether the model compares with a reference: it is then shown the frame above its reference.
    """

    def __init__(self, judging: Judging, frame: FrameSpec, threshold: float) -> None:
        """Take what the line says, how the model treats frames, and its threshold."""
        self._limits = judging.limits
        self._view = judging.view(frame, threshold)
        self._region = frame.region
        self.compares = frame.reference

    @property
    def threshold(self) -> float:
        """Below it a part is accepted, and nothing is looked for."""
        return self._view.threshold

    def judge(
        self,
        score: float,
        heatmap: NDArray[np.uint8],
        *,
        size: tuple[int, int],
        kinds: NDArray[np.uint8] | None = None,
    ) -> Judged:
        """Judge one frame.

        Args:
            score: Of the model, in [0, 1].
            heatmap: uint8 `[rows, columns]`.
            size: Height and width of the camera's frame, or of its region cut out already.
            kinds: uint8 `[kinds, rows, columns]`, where the model tells kinds apart.

        Returns:
            Findings in camera pixels.
        """
        if score < self._view.threshold:
            return Judged(ruling=rule(score, self._view.threshold, (), self._limits), findings=())
        seen = size if self._region is None else (self._region.height, self._region.width)
        findings = find(heatmap, self._view, size=seen, kinds=kinds)
        return Judged(ruling=rule(score, self._view.threshold, findings, self._limits), findings=findings)
