"""The `camera:` part of line.yaml: how large what it sees is, and which part of its frames is inspected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..base.errors import DataError
from .bayer import Bayer

Value = TypeVar("Value", bound=np.generic)
_Offset = Annotated[int, Field(ge=0, le=65_535)]
_Length = Annotated[int, Field(ge=1, le=65_536)]


class Region(BaseModel):
    """A rectangle of the camera's frame, in its pixels: the part, not the belt.

    Attributes:
        left: Columns left of it.
        top: Rows above it.
        width: Columns in it.
        height: Rows in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    left: _Offset = 0
    top: _Offset = 0
    width: _Length
    height: _Length

    def cut(self, pixels: NDArray[Value], *, source: str = "frame") -> NDArray[Value]:
        """Give what it shows of `[height, width, ...]`: a view, nothing is copied.

        Args:
            pixels: A whole frame or mask.
            source: Names it in messages.

        Raises:
            DataError: It reaches beyond the frame.

        >>> import numpy as np
        >>> Region(left=2, top=0, width=3, height=1).cut(np.arange(10).reshape(2, 5)).tolist()
        [[2, 3, 4]]
        """
        self.require_within(pixels.shape[0], pixels.shape[1], source=source)
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]

    @property
    def odd(self) -> str:
        """Say why a mosaic's pattern would not begin at its corner as at the frame's; empty: it does."""
        if not self.left % 2 and not self.top % 2:
            return ""
        return (
            f"region: wanted even left and top, since the colours of a Bayer frame repeat every two pixels, got left "
            f"{self.left} and top {self.top}; move it by one"
        )

    def lies_within(self, height: int, width: int) -> bool:
        """Whether a frame of a size holds all of it."""
        return self.top + self.height <= height and self.left + self.width <= width

    def require_within(self, height: int, width: int, *, source: str) -> None:
        """Refuse a frame that does not hold all of it.

        Args:
            height: Of the frame.
            width: Of the frame.
            source: Names the frame in messages.

        Raises:
            DataError: It reaches beyond the frame.
        """
        if not self.lies_within(height, width):
            msg = (
                f"camera.region: wanted a rectangle inside {source}, {width} x {height}, got left {self.left} + width "
                f"{self.width} and top {self.top} + height {self.height}; correct the region, in camera pixels"
            )
            raise DataError(msg)


class Tiles(BaseModel):
    """Pieces that a frame is cut into where shrinking would hide its defects; all of them make one decision.

    Attributes:
        size: Edge of a tile in pixels, a multiple of 32: what the network takes.
        overlap: Pixels that neighbours share; a defect as small as that lies whole in one of them.
        scale: Pixels of a tile for one of the camera: 0.5 shrinks frames to half before they are cut.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    size: Annotated[int, Field(ge=64, le=4096, multiple_of=32)]
    overlap: Annotated[int, Field(ge=0, le=2048)] = 32
    scale: Annotated[float, Field(gt=0.01, le=1, allow_inf_nan=False)] = 1.0

    @model_validator(mode="after")
    def _mostly_apart(self) -> Tiles:
        if self.overlap > self.size // 2:
            msg = f"overlap: wanted at most half of size {self.size}, got {self.overlap}"
            raise ValueError(msg)
        return self

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Give the size that a frame is shrunk to before it is cut."""
        return max(1, round(height * self.scale)), max(1, round(width * self.scale))

    def starts(self, length: int) -> tuple[int, ...]:
        """Give where tiles begin along a side: evenly spread, none beyond it, neighbours sharing `overlap` at least.

        >>> Tiles(size=64, overlap=16).starts(160)
        (0, 48, 96)
        """
        count = max(1, -(-(length - self.overlap) // (self.size - self.overlap)))
        return tuple(round(at * (length - self.size) / max(1, count - 1)) for at in range(count))

    def count(self, height: int, width: int) -> int:
        """Count the tiles of a camera's frame."""
        rows, columns = self.scaled(height, width)
        return len(self.starts(rows)) * len(self.starts(columns))

    def require_smaller(self, height: int, width: int, *, source: str) -> None:
        """Refuse frames that no tile fits into.

        Args:
            height: Of the frame, in the camera's pixels.
            width: Likewise.
            source: Names it in messages.

        Raises:
            DataError: A tile is larger, one way or the other.
        """
        rows, columns = self.scaled(height, width)
        if min(rows, columns) < self.size:
            msg = (
                f"camera.tiles: wanted tiles inside {source}, {width} x {height} ({columns} x {rows} at scale "
                f"{self.scale:g}), got {self.size} x {self.size}; make them smaller, or leave tiles out"
            )
            raise DataError(msg)


class CameraSettings(BaseModel):
    """What is known of the camera.

    Attributes:
        pixels_per_mm: How many of its pixels show one millimetre of the part; None: lengths are told in pixels.
        region: The rectangle that is inspected; None: the whole frame. Training, measurement and the station cut it
            out alike, and heatmaps are placed where it lies.
        ignore: Image of a whole frame's size whose white (above 127) is never judged, such as a clamp; relative to
            line.yaml.
        tiles: Cut frames into tiles instead of shrinking them to the network's input; None: shrink them.
        bayer: Frames are raw mosaics of a colour sensor, whose first two rows have these colours; the network is shown
            colours all the same. None: they are grey or in colour already.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    pixels_per_mm: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    region: Region | None = None
    ignore: Path | None = None
    tiles: Tiles | None = None
    bayer: Bayer | None = None

    @model_validator(mode="after")
    def _begins_with_the_pattern(self) -> CameraSettings:
        if self.bayer is not None and self.region is not None and (wrong := self.region.odd):
            raise ValueError(wrong)
        return self


WHOLE_FRAME = CameraSettings()
"""Nothing is known of the camera."""
