"""LabelMe: a JSON file for each image, with outlines, boxes, circles, lines and masks; X-AnyLabeling's too.

Source: github.com/wkentaro/labelme (label_file.py, shape.py).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area, runs_area
from ..data.dataset import Listing
from ..data.headers import MOST_PIXELS
from ._documents import beginning, files_below, json_of, numbers, outline, sides
from ._pairing import ImageTree, Marked, pair_files
from ._shapes import circle, line

_LOOKED_AT, _FIRST = 200, 20
_MOST_MASK_BYTES = 64 << 20


class LabelMe:
    """Any tree of images with a JSON file for each."""

    name = "labelme"
    layout = 'a JSON file for each image in LabelMe\'s form ("shapes", "imagePath"), beside it or in another folder'

    def detects(self, root: Path) -> bool:
        """Say whether one of the first JSON files of the tree is one of LabelMe."""
        if (root / "labels.csv").exists():
            return False
        return any(_is_labelme(file) for file in islice(files_below(root, ".json", _LOOKED_AT), _FIRST))

    def read(self, root: Path) -> list[Listing]:
        """List every image that a file annotates, and those beside them without a file.

        Raises:
            DataError: There is no such file.
        """
        files = sorted(file for file in files_below(root, ".json") if _is_labelme(file))
        if not files:
            msg = f"{root}: wanted {self.layout}, got no such JSON file"
            raise DataError(msg)
        return pair_files(root, files, ImageTree(root), _marked, {})


def _is_labelme(file: Path) -> bool:
    text = beginning(file)
    return text.startswith("{") and ('"shapes"' in text or ('"imageData"' in text and '"images"' not in text))


def _marked(file: Path) -> Marked:
    content = json_of(file)
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(each, dict) for each in shapes):
        msg = f"{file}: wanted LabelMe's list of shapes, got {str(shapes)[:40]}"
        raise DataError(msg)
    size = [content.get("imageWidth"), content.get("imageHeight")]
    drawn_on = None
    if all(isinstance(side, int | float) and side > 0 for side in size):
        drawn_on = (float(str(size[0])), float(str(size[1])))
    areas = tuple(_area(each, f"{file.name}: shape {at + 1}", drawn_on) for at, each in enumerate(shapes))
    return Marked(written=str(content.get("imagePath") or "") or None, areas=areas, drawn_on=drawn_on)


def _area(shape: dict[str, Any], what: str, size: tuple[float, float] | None) -> Area:
    kind, form = str(shape.get("label") or "").strip(), shape.get("shape_type") or "polygon"
    if not kind:
        msg = f"{what} has no label; name its kind"
        raise DataError(msg)
    what = f"{what} ({kind}, {form})"
    points = [numbers(point, what=what) for point in shape.get("points") or ()]
    if any(len(point) != 2 for point in points):
        msg = f"{what}: wanted points of x and y, got {str(points)[:80]}"
        raise DataError(msg)
    if form in ("polygon", "rotation", "oriented_rectangle"):
        return polygon_area(kind, outline([value for point in points for value in point], what=what))
    if form == "rectangle" and len(points) in (2, 4):
        xs, ys = zip(*points, strict=True)
        return box_area(kind, sides(min(xs), min(ys), max(xs), max(ys), what=what))
    if form == "circle" and len(points) == 2:
        return polygon_area(kind, circle(*points))
    if form in ("line", "linestrip") and len(points) >= 2:
        return polygon_area(kind, line(points))
    if form == "mask" and len(points) == 2 and size is not None:
        return _drawn_mask(kind, shape.get("mask"), points[0], size, what)
    wanted = "wanted an outline, a box, a circle, a line or a mask"
    msg = f"{what}: {wanted}, got {form} of {len(points)} points; draw it again"
    raise DataError(msg)


def _drawn_mask(kind: str, coded: Any, corner: Sequence[float], size: tuple[float, float], what: str) -> Area:
    """Read a mask, a PNG in base64, that lies at a corner of the image."""
    try:
        content = base64.b64decode(str(coded)[:_MOST_MASK_BYTES], validate=True)
        mask = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    except (binascii.Error, ValueError, cv2.error):
        mask = None
    width, height = (int(side) for side in size)
    left, top = (round(value) for value in corner)
    if mask is None or not 0 < width * height <= MOST_PIXELS or min(left, top) < 0:
        msg = f"{what}: its mask cannot be read; draw it again"
        raise DataError(msg)
    marked = np.zeros((height, width), np.bool_)
    place = marked[top : top + mask.shape[0], left : left + mask.shape[1]]
    place |= mask[: place.shape[0], : place.shape[1]] > 0
    return runs_area(kind, marked)


READER = LabelMe()
