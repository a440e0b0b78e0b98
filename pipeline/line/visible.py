"""Which defects a network would see at the planned scale, from the marks alone, before anything is trained."""

from __future__ import annotations

from statistics import quantiles
from typing import Any

from ...compress.teacher.frames import network_size
from ...inspection.data.dataset import Dataset, evenly
from ...inspection.data.kinds import defects_of
from .line_file import LineFile

CELL_PX = 4
"""Network pixels of a heatmap cell: the finest that the families here have (`stride: 4`)."""

_LOOKED_AT = 400
_LOOKED_AT_PIXELS = 8 << 30
_FEW = 0.05
_USUAL_BYTES = 64_000_000
"""What a station takes without being told, `largest_frame_mb`."""

_SMALLEST_SHARE = 0.05


def visible(line_file: LineFile, dataset: Dataset) -> dict[str, Any] | None:
    """Compare the sizes of marked defects with the cells of a heatmap.

    Args:
        line_file: Says the network's input, or tiles.
        dataset: At most 400 marked images are looked at, evenly spread over train and val, of very large ones fewer.

    Returns:
        JSON-able: `defects` counted, `longest_px` (5 %, median, 95 % of their longer sides in camera pixels), `input`
        (height and width that the network takes), `scale` (network pixels for one of the camera), `tiles` of a frame,
        `hidden` (share of defects whose longer side is shorter than a cell), `scale_needed` (so that 95 % span a cell
        at least) and `advice` (empty where few are hidden) and `frame_bytes` (of a frame as
        it is inspected, decoded). None where no defect is marked.

    Raises:
        DataError: A mask cannot be read, or tiles do not fit.
    """
    marked = [each for each in dataset.samples if each.defective and each.marked and each.split != "test"]
    pixels = max((each.height * each.width for each in marked), default=1)
    looked_at = min(_LOOKED_AT, max(30, _LOOKED_AT_PIXELS // pixels))
    boxes = [box for sample in evenly(marked, looked_at) for _, box in defects_of(dataset, sample)]
    longest = sorted(max(right - left, bottom - top) for left, top, right, bottom in boxes)
    if len(longest) < 2:
        return None
    height, width = network_size(dataset, line_file.teacher.input_size)
    frame_height, frame_width = dataset.samples[0].height, dataset.samples[0].width
    tiles = dataset.camera.tiles
    scale = min(height / frame_height, width / frame_width) if tiles is None else tiles.scale
    hidden = sum(side * scale < CELL_PX for side in longest) / len(longest)
    cuts = quantiles(longest, n=20)
    needed = CELL_PX / max(1.0, longest[int(_SMALLEST_SHARE * len(longest))])
    return {
        "defects": len(longest),
        "longest_px": [round(cuts[0], 1), round(cuts[9], 1), round(cuts[18], 1)],
        "input": [height, width],
        "scale": round(scale, 4),
        "tiles": 1 if tiles is None else tiles.count(frame_height, frame_width),
        "hidden": round(hidden, 4),
        "scale_needed": round(min(1.0, needed), 4),
        "frame_bytes": frame_height * frame_width * dataset.file_channels,
        "advice": _advice(hidden, min(1.0, needed), (frame_height, frame_width)),
    }


def visible_text(facts: dict[str, Any]) -> list[str]:
    """Describe it for a terminal, in lines."""
    low, middle, high = facts["longest_px"]
    rows, columns = facts["input"]
    size, defects = f"{columns} x {rows}", facts["defects"]
    shown = f"frames shrunk to {size}" if facts["tiles"] == 1 else f"{facts['tiles']} tiles of {size}"
    lines = [
        f"what the network sees: {shown}, {facts['scale']:g} network pixels for one of the camera",
        f"  {defects} marked defects are {low:g} to {high:g} camera pixels long (5 % to 95 %, median {middle:g})",
        f"  {facts['hidden']:.0%} of them are smaller than a heatmap cell of {CELL_PX} network pixels",
    ]
    if facts["frame_bytes"] > _USUAL_BYTES:
        largest = -(-facts["frame_bytes"] // 1_000_000)
        lines.append(f"  a frame takes {largest} MB: write largest_frame_mb: {largest} in station.yaml")
    return [*lines, f"  {facts['advice']}"] if facts["advice"] else lines


def _advice(hidden: float, needed: float, frame: tuple[int, int]) -> str:
    if hidden <= _FEW:
        return ""
    rows, columns = (max(32, 32 * -(-round(side * needed) // 32)) for side in frame)
    tiles = f"camera.tiles: {{size: 512, overlap: 64, scale: {max(0.02, round(needed, 2)):g}}}"
    if max(rows, columns) <= 1024:
        return f"write teacher.input_size: [{rows}, {columns}], so that 95 % span a cell; or {tiles}"
    return f"write {tiles}, so that 95 % span a cell"
