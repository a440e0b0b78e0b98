"""How a camera frame becomes a network's input: one object for training, export and the device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..base.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """Camera frame (uint8, height x width x channels) to network input (float32, channels x height x width).

    The frame is stretched to `height` x `width` (bilinear, half-pixel centres, no antialiasing), divided by 255 and
    normalised per channel: `(value - mean) / std`.

    Attributes:
        height: Network input height in pixels, a multiple of 32.
        width: Network input width in pixels, a multiple of 32.
        channels: 1 (grey) or 3 (RGB order).
        mean: Per channel, on the scale 0..1.
        std: Per channel, on the scale 0..1, > 0.
        frame_height: Height of every camera frame in pixels, or None where frames differ in size.
        frame_width: Width of every camera frame in pixels, or None where frames differ in size.
    """

    height: int
    width: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frame_height: int | None = None
    frame_width: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no network can take."""
        if self.channels not in (1, 3):
            msg = f"frame: channels must be 1 or 3, got {self.channels}"
            raise DataError(msg)
        for name, value in (("height", self.height), ("width", self.width)):
            if value % 32 or not 32 <= value <= 4096:
                msg = f"frame: {name} must be a multiple of 32 in [32, 4096], got {value}"
                raise DataError(msg)
        if len(self.mean) != self.channels or len(self.std) != self.channels or min(self.std) <= 0:
            msg = f"frame: mean and std need {self.channels} values and std > 0, got {self.mean} and {self.std}"
            raise DataError(msg)

    @property
    def resizes(self) -> bool:
        """Whether frames are stretched at all: not if every frame already has the network's input size."""
        return (self.frame_height, self.frame_width) != (self.height, self.width)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form that `from_json` reads."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> FrameSpec:
        """Read what `to_json` wrote.

        >>> spec = FrameSpec(height=160, width=160, channels=1, mean=(0.5,), std=(0.25,))
        >>> FrameSpec.from_json(spec.to_json()) == spec
        True
        """
        try:
            return cls(**{**value, "mean": tuple(value["mean"]), "std": tuple(value["std"])})
        except (KeyError, TypeError) as error:
            msg = f"frame: not a frame specification: {error}"
            raise DataError(msg) from error
