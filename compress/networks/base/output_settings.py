"""How the output of a user's network is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

_SUMS_TO_ONE = 1e-3
_CELLS = 3

OutputKind = Literal[
    "mask_logit",
    "mask_probability",
    "mask_class_logits",
    "mask_class_probabilities",
    "class_logits",
    "class_probabilities",
    "anomaly_map",
]
ChannelOrder = Literal["rgb", "bgr"]


class OutputSettings(BaseModel):
    """What a module returns, and in which order it takes colours.

    Attributes:
        output: The kind, see `TeacherSettings.output`.
        output_at: Key, attribute or place where the module returns several.
        good_class: The class of good parts.
        channels: The order in which it takes colours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    output: OutputKind = "mask_logit"
    output_at: str | int | None = None
    good_class: int = Field(default=0, ge=0, le=10_000)
    channels: ChannelOrder = "rgb"


def shape_misfit(shape: Sequence[int], settings: OutputSettings, *, frames: int, key: str = "output") -> str | None:
    """Say how an output's shape is not what its kind says, and what to write; None where it is.

    Args:
        shape: Of the output for some frames.
        settings: The kind.
        frames: How many.
        key: Where the kind is written.

    >>> shape_misfit([2, 2, 16, 16], OutputSettings(output="mask_logit"), frames=2)
    'gives [2, 2, 16, 16], which is no mask_logit; write output: mask_class_logits'
    """
    dimensions, got, classes = len(shape), list(shape), settings.output.startswith("class")
    if not shape or shape[0] != frames:
        return f"gives {got} for {frames} frames; it must take a batch and give [N, ...]"
    channels = 1 if dimensions in (1, 3) else shape[1]
    right = dimensions in ((1, 2) if classes else (3, 4))
    if not right or not (classes or channels == 1 or settings.output.startswith("mask_class")):
        way = {1: "class_logits", 2: "class_logits"}.get(dimensions)
        if dimensions in (3, 4):
            way = "mask_logit (or anomaly_map)" if channels == 1 else "mask_class_logits"
        do = f"write {key}: {way}" if way else "give one mask [N, 1, h, w] or class logits [N, classes]"
        return f"gives {got}, which is no {settings.output}; {do}"
    if dimensions in (3, 4) and min(shape[-2:]) < _CELLS:
        return f"gives a map of {got[-2:]}, wanted at least {_CELLS} x {_CELLS} cells; write a larger input_size"
    if settings.good_class >= max(channels, 2):
        return f"gives {channels} classes; good_class must be below that"
    return None


def value_misfit(values: NDArray[np.float32], settings: OutputSettings, *, key: str = "output") -> str | None:
    """Say how an output's values on real frames are not what its kind says, and what to write; None where they are.

    Args:
        values: `[frames, ...]`.
        settings: The kind.
        key: Where the kind is written.
    """
    if not bool(np.isfinite(values).all()):
        return "gives nan or infinity on real frames; check its weights and the normalisation they were trained with"
    low, high = float(values.min()), float(values.max())
    several = values.ndim in (2, 4) and values.shape[1] > 1
    probable = low >= 0 and high <= 1 and not (several and bool((abs(values.sum(axis=1) - 1) > _SUMS_TO_ONE).any()))
    if "logit" in settings.output and probable and high > low:
        other = {"mask_logit": "mask_probability"}.get(
            settings.output, settings.output.replace("logits", "probabilities")
        )
        return (
            f"gives values on {len(values)} real frames that all lie in [0, 1]{' and sum to 1' if several else ''}: "
            f"probabilities, not logits (no good part would score below a half); write {key}: {other}"
        )
    if "probabilit" in settings.output and not probable:
        other = {"mask_probability": "mask_logit"}.get(
            settings.output, settings.output.replace("probabilities", "logits")
        )
        return f"should give probabilities, got values from {low:.3g} to {high:.3g}; write {key}: {other}"
    return None
