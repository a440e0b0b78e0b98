"""CVAT for images 1.1: one XML file for many images, with boxes, outlines, ellipses, lines, masks and tags.

Source: docs.cvat.ai/docs/dataset_management/formats/format-cvat (angles in degrees, masks as run lengths by rows).
"""

from __future__ import annotations

from math import radians
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area, runs_area
from ..data.dataset import Listing
from ..data.headers import MOST_PIXELS
from ._documents import numbers, outline, sides, xml_of
from ._pairing import ImageTree, Marked, Record, files_beginning, read_records
from ._shapes import ellipse, line, turned_box


class Cvat:
    """Any tree of images with CVAT's XML file at its root, or in a folder beside."""

    name = "cvat"
    layout = "annotations.xml of CVAT (export as `CVAT for images 1.1`) and the images"

    def detects(self, root: Path) -> bool:
        """Say whether such a file is there."""
        return not (root / "labels.csv").exists() and bool(files_beginning(root, ".xml", _is_cvat))

    def read(self, root: Path) -> list[Listing]:
        """List every image of the files; one without shapes is good, as the file lists it.

        Raises:
            DataError: There is no such file, or it is of a video.
        """
        return read_records(root, files_beginning(root, ".xml", _is_cvat), self.layout, _records)


def _is_cvat(text: str) -> bool:
    return "<annotations" in text


def _records(file: Path, at: str, _: ImageTree) -> list[Record]:
    found = xml_of(file)
    if found.find("track") is not None:
        msg = f"{at}: holds tracks of a video; export the task as `CVAT for images 1.1`"
        raise DataError(msg)
    return [_marked(each, at) for each in found.findall("image")]


def _marked(image: Element, at: str) -> Record:
    written = image.get("name", "")
    try:
        width, height = numbers([image.get("width"), image.get("height")], what=f"{at}: {written}: width and height")
        shapes = [each for each in image if each.tag not in ("tag", "skeleton", "cuboid")]
        what = f"{at}: {written}: shape"
        areas = tuple(_area(each, (width, height), f"{what} {number + 1}") for number, each in enumerate(shapes))
    except DataError as error:
        return written, str(error)
    tag = image.find("tag")
    label = "good" if tag is None else tag.get("label", "good")
    return Marked(written=written, areas=areas, drawn_on=(width, height), label=label)


def _area(shape: Element, size: tuple[float, float], what: str) -> Area:
    kind = shape.get("label", "").strip()
    what = f"{what} ({kind}, {shape.tag})"
    if shape.tag == "box":
        box = sides(*_values(shape, ("xtl", "ytl", "xbr", "ybr"), what), what=what)
        angle = float(shape.get("rotation") or 0)
        return polygon_area(kind, turned_box(box, radians(angle))) if angle else box_area(kind, box)
    if shape.tag == "ellipse":
        return polygon_area(kind, ellipse(*_values(shape, ("cx", "cy", "rx", "ry"), what)))
    if shape.tag in ("polygon", "polyline"):
        points = [numbers(point.split(","), what=what) for point in shape.get("points", "").split(";") if point]
        flat = [value for point in points for value in point]
        return polygon_area(kind, outline(flat, what=what) if shape.tag == "polygon" else line(points))
    if shape.tag == "mask":
        return _mask(kind, shape, size, what)
    msg = f"{what}: wanted a box, an outline, an ellipse, a line or a mask; draw it again"
    raise DataError(msg)


def _mask(kind: str, shape: Element, size: tuple[float, float], what: str) -> Area:
    """Read run lengths by rows inside a box, the first of them unmarked."""
    left, top, width, height = map(int, _values(shape, ("left", "top", "width", "height"), what))
    runs = list(map(int, numbers(shape.get("rle", "").split(","), what=what)))
    fits = left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
    if not fits or sum(runs) != width * height or min(runs) < 0 or size[0] * size[1] > MOST_PIXELS:
        msg = f"{what}: run lengths of {sum(runs)} pixels do not cover {width} x {height} inside the image"
        raise DataError(msg)
    marked = np.zeros((int(size[1]), int(size[0])), np.bool_)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    marked[top : top + height, left : left + width] = values.reshape(height, width)
    return runs_area(kind, marked)


def _values(shape: Element, names: tuple[str, ...], what: str) -> list[float]:
    return numbers([shape.get(name) for name in names], what=f"{what}: {', '.join(names)}")


READER = Cvat()
