"""How the output of a user's network is read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
