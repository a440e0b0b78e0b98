"""Zones of a part: named polygons, in camera pixels or relative to what the camera sees of the part."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

_FINE = 8
"""A cell holds so many points a side that are looked at; one row of them, which OpenCV draws as the edge, is not in."""

Name = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
Point = tuple[float, float]


class Zone(BaseModel):
    """A polygon on the part.

    Attributes:
        polygon: Its corners, `[x, y]`, at least three; x to the right, y downwards.
        relative: Whether they are shares of what is inspected, in [0, 1] (of `camera.region`, or else of the frame),
            instead of camera pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    polygon: Annotated[tuple[Point, ...], Field(min_length=3, max_length=256)]
    relative: bool = False

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Zone:
        corners = np.array(self.polygon, dtype=np.float64)
        if not np.isfinite(corners).all() or (corners < 0).any():
            msg = f"polygon: wanted corners from 0 on, got {_odd(self.polygon)}"
            raise ValueError(msg)
        if self.relative and (corners > 1).any():
            msg = (
                f"polygon: wanted shares in [0, 1], got {_odd(self.polygon)}; leave `relative` out where these are "
                "camera pixels"
            )
            raise ValueError(msg)
        x, y = corners.T
        if not abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) > 0:
            msg = "polygon: wanted corners that enclose an area, got none; name them in their order around it"
            raise ValueError(msg)
        return self


def cells_in(zone: Zone, shape: tuple[int, int], *, view: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Mark the cells of a heatmap that touch a zone.

    Args:
        zone: The polygon.
        shape: Rows and columns of the heatmap.
        view: What the heatmap covers, in camera pixels: left, top, width, height.

    Returns:
        bool `[rows, columns]`.
    """
    import cv2

    rows, columns = shape
    left, top, width, height = view
    corners = np.array(zone.polygon, dtype=np.float64)
    shares = corners if zone.relative else (corners - (left, top)) / (width, height)
    drawn = np.zeros((rows * _FINE, columns * _FINE), dtype=np.uint8)
    points = np.round(shares * (columns * _FINE, rows * _FINE) - 0.5).astype(np.int32)
    cv2.fillPoly(drawn, [points], 1)
    return np.asarray(drawn.reshape(rows, _FINE, columns, _FINE).sum(axis=(1, 3)) > _FINE)


def _odd(polygon: tuple[Point, ...]) -> list[float]:
    """Give the corner that lies furthest from where corners lie."""
    return list(max(polygon, key=lambda corner: (not isfinite(sum(corner)), max(map(abs, corner)))))
