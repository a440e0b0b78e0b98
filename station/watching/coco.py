"""Rejected frames as a COCO data set: a label tool opens it, shows what the model found, and people put it right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...inspection.base.storage import write_bytes
from .labelling import Kept, copy_kept, kept_frames
from .reject_ring import FRAME

ANNOTATIONS = "annotations.json"
_IMAGES = "images"


def export_coco(ring: Path, output: Path) -> tuple[int, int]:
    """Write the frames of a ring with their findings as boxes and outlines.

    Frames that people have labelled `good` have none; those of an earlier export stay.

    Args:
        ring: Folder of the ring.
        output: Folder of the data set: `annotations.json` and `images/`.

    Returns:
        How many frames and how many findings were written.

    Raises:
        DataError: The ring is not there.
        StorageError: The disk is full or cannot be written.
    """
    kept = kept_frames(ring)
    for each in kept:
        copy_kept(each.folder / FRAME, output / _IMAGES / f"{each.stem}.png")
    found = {each.stem: [] if each.label == "good" else findings_of(each) for each in kept}
    facts = _coco(kept, found, output)
    write_bytes(output / ANNOTATIONS, json.dumps(facts, indent=1, allow_nan=False).encode())
    return len(kept), len(facts["annotations"])


def findings_of(kept: Kept) -> list[Mapping[str, Any]]:
    """Give the findings of a kept frame; those that are not as a station writes them are left out."""
    listed = kept.facts.get("findings")
    return [each for each in listed if _is_finding(each)] if isinstance(listed, list) else []


def _is_finding(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
        return False
    box, contour = value.get("box"), value.get("contour")
    numbers = isinstance(box, list) and len(box) == 4 and all(isinstance(each, int | float) for each in box)
    return numbers and isinstance(contour, list) and all(isinstance(each, list) and len(each) == 2 for each in contour)


def _coco(kept: Sequence[Kept], found: Mapping[str, list[Mapping[str, Any]]], output: Path) -> dict[str, Any]:
    kinds = sorted({each["kind"] for listed in found.values() for each in listed} | {_label(each) for each in kept})
    places = {kind: place for place, kind in enumerate((kind for kind in kinds if kind), start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, each in enumerate(kept, start=1):
        file = f"{_IMAGES}/{each.stem}.png"
        height, width = _size_of(output / file)
        images.append({"id": number, "file_name": file, "height": height, "width": width})
        left, top = each.facts.get("origin") or (0, 0)
        for finding in found[each.stem]:
            x, y, wide, high = finding["box"]
            outline = [value for u, v in finding["contour"] for value in (u - left, v - top)]
            kind = _label(each) or finding["kind"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": places[kind],
                    "bbox": [x - left, y - top, wide, high],
                    "segmentation": [outline] if len(outline) >= 6 else [],
                    "area": finding.get("area_px", wide * high),
                    "iscrowd": 0,
                    "score": finding.get("peak"),
                }
            )
    categories = [{"id": place, "name": kind} for kind, place in places.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _label(kept: Kept) -> str:
    """Give the kind that people called it; empty where they said nothing, or that it is good."""
    return "" if kept.label in (None, "good") else str(kept.label)


def _size_of(png: Path) -> tuple[int, int]:
    """Read height and width from a PNG's header (PNG specification, 11.2.2)."""
    with png.open("rb") as stream:
        head = stream.read(24)
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")
