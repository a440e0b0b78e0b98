"""Findings: the areas of a heatmap that show a defect, with their kind, place and size.

One function, used alike where models are judged, where parity is proven and on the line. What it takes is a heatmap as
every backend gives it; what it gives is in camera pixels and, where the scale is known, in millimetres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .connected import Areas, areas_of, rim_of
from .outlines import Contour, Outlines
from .zones import Zone, cells_in

UNNAMED = "defect"
"""Kind of a finding where the model tells no kinds apart."""

_NOWHERE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known of a frame before it is looked at: everything that turns cells into pixels, millimetres and names.

    Attributes:
        threshold: Of the model: areas that reach it are findings, in [0, 1].
        kinds: Names of the model's kinds, in the order of its heatmaps; empty where it tells none apart.
        pixels_per_mm: Camera pixels of a millimetre on the part; None: not known.
        left: Camera pixels that lie left of what the heatmap covers.
        top: Those above it.
        zones: Named polygons, as pairs, see `Zone`.
    """

    threshold: float
    kinds: tuple[str, ...] = ()
    pixels_per_mm: float | None = None
    left: int = 0
    top: int = 0
    zones: tuple[tuple[str, Zone], ...] = ()


class Box(NamedTuple):
    """An upright rectangle in camera pixels, the edges included; as COCO has it."""

    left: float
    top: float
    width: float
    height: float


class Finding(NamedTuple):
    """A connected area that shows a defect. Lengths without a unit in their name are in camera pixels.

    A tuple, not a dataclass: many are made for a frame while its time runs.

    Attributes:
        kind: Name of the kind, or `defect` where the model tells none apart.
        box: Around it, upright.
        contour: Corners of its outline, `[[x, y], ...]`, in order; outlines with more than 48 corners are simplified.
        area: In square pixels.
        length: Of the smallest rectangle around it, at any angle: the longer side.
        width: The shorter side.
        peak: Highest value in it, in [0, 1].
        mean: Mean value in it, in [0, 1].
        sure: How sure the kind is among all kinds, in [0, 1]; 1 where there are no kinds.
        zones: Which share of the area lies in which zone, in (0, 1]; zones that it does not touch are left out.
        pixels_per_mm: The scale; None: not known.
    """

    kind: str
    box: Box
    contour: Sequence[Sequence[float]]
    area: float
    length: float
    width: float
    peak: float
    mean: float
    sure: float = 1.0
    zones: Mapping[str, float] = _NOWHERE
    pixels_per_mm: float | None = None

    @property
    def area_mm2(self) -> float | None:
        """In square millimetres, where the scale is known."""
        return None if self.pixels_per_mm is None else self.area / self.pixels_per_mm**2

    @property
    def length_mm(self) -> float | None:
        """In millimetres, where the scale is known."""
        return None if self.pixels_per_mm is None else self.length / self.pixels_per_mm

    @property
    def width_mm(self) -> float | None:
        """In millimetres, where the scale is known."""
        return None if self.pixels_per_mm is None else self.width / self.pixels_per_mm

    def to_json(self) -> dict[str, Any]:
        """Give what leaves the program: `kind`, `box`, `contour`, sizes in `px` and, where known, in `mm`, scores."""
        sizes = {"area_px": round(self.area, 1), "length_px": round(self.length, 1), "width_px": round(self.width, 1)}
        if self.pixels_per_mm is not None:
            scale = self.pixels_per_mm
            sizes["area_mm2"] = round(self.area / scale**2, 4)
            sizes["length_mm"] = round(self.length / scale, 3)
            sizes["width_mm"] = round(self.width / scale, 3)
        return {
            "kind": self.kind,
            "box": [round(each, 1) for each in self.box],
            **sizes,
            "peak": round(self.peak, 4),
            "mean": round(self.mean, 4),
            "sure": round(self.sure, 4),
            "zones": {name: round(share, 3) for name, share in self.zones.items()},
            "contour": list(self.contour),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], *, pixels_per_mm: float | None = None) -> Finding:
        """Read what `to_json` wrote, rounded as it is there."""
        return cls(
            kind=value["kind"],
            box=Box(*value["box"]),
            contour=value["contour"],
            area=value["area_px"],
            length=value["length_px"],
            width=value["width_px"],
            peak=value["peak"],
            mean=value["mean"],
            sure=value["sure"],
            zones=dict(value["zones"]),
            pixels_per_mm=pixels_per_mm,
        )


def find(
    heatmap: NDArray[np.uint8],
    view: View,
    *,
    size: tuple[int, int],
    kinds: NDArray[np.uint8] | None = None,
) -> tuple[Finding, ...]:
    """Find the areas of a heatmap that reach the threshold.

    A clear area, whose peak is above one half, reaches as far as the heatmap is above one half, the likeliest rim of
    what was marked in training; a faint one as far as half its peak. Areas touch over corners, too (8-connected).

    Args:
        heatmap: uint8 `[rows, columns]`, 255 = surely defective there.
        view: Threshold, names, scale, zones.
        size: Height and width of what the heatmap covers, in camera pixels: of the region, or else of the frame.
        kinds: uint8 `[kinds, rows, columns]`, as many as `view.kinds`; None: the model tells none apart.

    Returns:
        The findings, the largest first, at most 64.

    >>> spot = np.zeros((8, 8), np.uint8)
    >>> spot[2:4, 3:6] = 255
    >>> [found] = find(spot, View(threshold=0.5, pixels_per_mm=10), size=(80, 80))
    >>> found.box, found.length_mm, found.area_mm2
    (Box(left=30.0, top=20.0, width=30.0, height=20.0), 3.0, 6.0)
    """
    level = min(255, max(1, round(view.threshold * 255)))
    areas = areas_of(heatmap, level) if heatmap.size else None
    if areas is None:
        return ()
    rows, columns = heatmap.shape
    sheet = _Sheet(
        areas=areas,
        kinds=kinds,
        view=view,
        step=(size[1] / columns, size[0] / rows),
        zones=_zone_cells(view.zones, (rows, columns), (view.left, view.top, size[1], size[0])) if view.zones else (),
    )
    return tuple(sorted(_measured(sheet), key=lambda found: -found.area))


class _Sheet(NamedTuple):
    """What the areas of one frame have in common.

    Attributes:
        areas: At least one.
        kinds: uint8 `[kinds, rows, columns]`, or None.
        view: As given.
        step: Camera pixels of a cell, to the right and downwards.
        zones: Cells of each zone, bool `[rows, columns]`.
    """

    areas: Areas
    kinds: NDArray[np.uint8] | None
    view: View
    step: tuple[float, float]
    zones: tuple[tuple[str, NDArray[np.bool_]], ...]


@lru_cache(maxsize=8)
def _zone_cells(
    zones: tuple[tuple[str, Zone], ...], shape: tuple[int, int], view: tuple[int, int, int, int]
) -> tuple[tuple[str, NDArray[np.bool_]], ...]:
    return tuple((name, cells_in(zone, shape, view=view)) for name, zone in zones)


class _Shares(NamedTuple):
    """What the cells of all areas say of kinds and zones, an entry for each area.

    Attributes:
        kinds: Place of the strongest kind.
        sure: Its share of all kinds.
        zones: By name: the share of the area that lies in it.
    """

    kinds: list[int]
    sure: list[float]
    zones: dict[str, list[float]]


def _shares(sheet: _Sheet) -> _Shares:
    areas, view = sheet.areas, sheet.view
    several = sheet.kinds is not None and len(view.kinds) > 1
    if not several and not sheet.zones:
        return _Shares([0] * len(areas.starts), [1.0] * len(areas.starts), {})
    rows, columns = np.divmod(areas.places, areas.width)
    cells = (rows - 1) * (areas.width - 2) + columns - 1  # without the zeros around
    zones = {
        name: (np.add.reduceat(zone.ravel()[cells], areas.starts, dtype=np.int64) / areas.counts).tolist()
        for name, zone in sheet.zones
    }
    return _Shares(*_kinds_of(sheet, cells, areas.starts), zones)


def _kinds_of(sheet: _Sheet, cells: NDArray[np.int64], starts: NDArray[np.int64]) -> tuple[list[int], list[float]]:
    """Say which kind is the strongest in each area, and its share; `cells` are those of one area after another."""
    if sheet.kinds is None or len(sheet.view.kinds) < 2:
        return [0] * len(starts), [1.0] * len(starts)
    within = np.take(sheet.kinds.reshape(len(sheet.kinds), -1), cells, axis=1)
    sums = np.add.reduceat(within, starts, axis=1, dtype=np.int64)
    return sums.argmax(axis=0).tolist(), (sums.max(axis=0) / np.maximum(sums.sum(axis=0), 1)).tolist()


def _measured(sheet: _Sheet) -> list[Finding]:
    import cv2

    view, areas, (right, down) = sheet.view, sheet.areas, sheet.step
    origin = (view.left - right * 0.5, view.top - down * 0.5)  # zeros lie around; the middles of cells half a cell in
    points, starts = rim_of(areas)
    points *= np.float32(right) if right == down else np.array(sheet.step, np.float32)
    low, high = np.minimum.reduceat(points, starts) + origin, np.maximum.reduceat(points, starts) + origin
    boxes = list(map(Box._make, np.concatenate((low, high - low), axis=1).tolist()))
    turned = [cv2.minAreaRect(points[start:end])[1] for start, end in pairwise([*starts.tolist(), len(points)])]
    outlines = Outlines(areas, boxes, step=sheet.step, origin=origin)
    shares, names, cell = _shares(sheet), view.kinds or (UNNAMED,), right * down
    within = zip(
        boxes,
        turned,
        areas.counts.tolist(),
        np.maximum.reduceat(areas.values, areas.starts).tolist(),
        np.add.reduceat(areas.values, areas.starts, dtype=np.int64).tolist(),
        shares.kinds,
        shares.sure,
        strict=True,
    )
    return [
        Finding(
            names[kind],
            box,
            Contour(outlines, place),
            min(count * cell, one * other),
            max(one, other),
            min(one, other),
            peak / 255,
            total / (count * 255),
            sure,
            {name: each[place] for name, each in shares.zones.items() if each[place]} if shares.zones else {},
            view.pixels_per_mm,
        )
        for place, (box, (one, other), count, peak, total, kind, sure) in enumerate(within)
    ]
