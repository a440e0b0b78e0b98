"""Label Studio: one JSON file of tasks, with boxes (turned in degrees), outlines, ellipses, brush masks and choices.

Images are found by the ends of their paths: an upload's `1a2b3c4d-` in front of a name is passed over. Sources:
labelstud.io/guide/export (values in per cent of the image), and label-studio-converter's brush.py (its run lengths).
"""

from __future__ import annotations

import re
from math import radians
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area, runs_area
from ..data.dataset import Listing
from ..data.headers import MOST_PIXELS
from ._documents import json_of, numbers, outline, sides
from ._pairing import ImageTree, Marked, Record, files_beginning, read_records
from ._shapes import ellipse, turned_box

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")
_TASKS = r'\[\s*\{\s*"(id|data|annotations|predictions|image)"'  # `image` first: JSON-MIN, refused with the way out
_KINDS = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")
"""Keys that hold the kind of a shape; `labels` where one tag names the shapes that others draw."""

_DRAWN = {"x", "points", "rle"}


class LabelStudio:
    """Any tree of images with Label Studio's JSON file at its root, or in a folder beside."""

    name = "label_studio"
    layout = "a JSON file of Label Studio (export as `JSON`, not `JSON-MIN`) and the images"

    def detects(self, root: Path) -> bool:
        """Say whether such a file is there."""
        return not (root / "labels.csv").exists() and bool(files_beginning(root, ".json", _is_export))

    def read(self, root: Path) -> list[Listing]:
        """List the images of all tasks; those without an annotation are unlabelled.

        Raises:
            DataError: There is no such file, or it is JSON-MIN.
        """
        return read_records(root, files_beginning(root, ".json", _is_export), self.layout, _records)


def _is_export(text: str) -> bool:
    return re.match(_TASKS, text) is not None


def _records(file: Path, at: str, tree: ImageTree) -> list[Record]:
    tasks = json_of(file)
    if not all(isinstance(each, dict) and isinstance(each.get("data"), dict) for each in tasks):
        msg = f"{at}: wanted Label Studio's tasks with `data` and `annotations`; export as `JSON`, not `JSON-MIN`"
        raise DataError(msg)
    return [_marked(each, at, tree) for each in tasks if any(_kept(each))]


def _kept(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the annotations that were not skipped."""
    found = task.get("annotations") or []
    return [each for each in found if isinstance(each, dict) and not each.get("was_cancelled")]


def _marked(task: dict[str, Any], at: str, tree: ImageTree) -> Record:
    """Read a task; of several annotations the one marked as ground truth, else the last."""
    written = _written(task, tree)
    annotations = _kept(task)
    chosen = next((each for each in annotations if each.get("ground_truth")), annotations[-1])
    results = [each for each in chosen.get("result") or () if isinstance(each, dict)]
    shapes = [each for each in results if any(key in (each.get("value") or {}) for key in _KINDS)]
    what = f"{at}: task {task.get('id')} ({written})"
    named = {each.get("id") for each in shapes if each.get("id") is not None}
    drawn = [each for each in results if each not in shapes and _DRAWN & set(each.get("value") or {})]
    if any(each.get("id") not in named for each in drawn):
        return written, f"{what}: a shape has no label; name its kind"
    sizes = [(each.get("original_width"), each.get("original_height")) for each in shapes]
    if len(set(sizes)) > 1:
        return written, f"{what}: shapes are of several image sizes; keep one image a task"
    try:
        size = numbers(sizes[0], what=f"{what}: original_width and original_height") if sizes else []
        areas = tuple(_area(each, size, what) for each in shapes)
    except DataError as error:
        return written, str(error)
    choice = next((each["value"]["choices"][0] for each in results if (each.get("value") or {}).get("choices")), "good")
    return Marked(written=written, areas=areas, drawn_on=(size[0], size[1]) if size else None, label=str(choice))


def _written(task: dict[str, Any], tree: ImageTree) -> str:
    """Give the image's path: of the upload without what was put in front of its name, unless it is called so."""
    named = [str(value) for value in task["data"].values() if isinstance(value, str)]
    paths = [unquote(each.rpartition("?d=")[2] if "?d=" in each else each.partition("?")[0]) for each in named]
    for path in paths:
        folder, _, name = path.replace("\\", "/").rpartition("/")
        bare = f"{folder}/{_UPLOAD.sub('', name)}"
        if (there := next((each for each in (path, bare) if tree.holds(each)), None)) is not None:
            return there
    return paths[0] if paths else ""


def _area(result: dict[str, Any], size: list[float], what: str) -> Area:
    value = result["value"]
    key = next(key for key in _KINDS if key in value)
    if not value[key]:
        msg = f"{what}: a shape has no label; name its kind"
        raise DataError(msg)
    kind, (width, height) = str(value[key][0]), size
    if key == "brushlabels" or "rle" in value:
        return _brushed(kind, value, int(width), int(height), what)
    if key == "polygonlabels" or "points" in value:
        flat = [each for point in value.get("points") or () for each in numbers(point, what=what)]
        return polygon_area(kind, _in_pixels(outline(flat, what=what), width, height))
    x, y = numbers([value.get("x"), value.get("y")], what=what)
    angle = radians(numbers(value.get("rotation") or 0, what=what)[0])
    if key == "ellipselabels" or "radiusX" in value:
        across = numbers([value.get("radiusX"), value.get("radiusY")], what=what)
        return polygon_area(kind, _in_pixels(ellipse(x, y, *across), width, height))
    wide, high = numbers([value.get("width"), value.get("height")], what=what)
    flat = _in_pixels([x, y, x + wide, y + high], width, height)
    box = sides(*flat, what=what)
    return polygon_area(kind, turned_box(box, angle, about=box[:2])) if angle else box_area(kind, box)


def _in_pixels(values: list[float], width: float, height: float) -> list[float]:
    return [value * (height if at % 2 else width) / 100 for at, value in enumerate(values)]


def _brushed(kind: str, value: dict[str, Any], width: int, height: int, what: str) -> Area:
    if not 0 < width * height <= MOST_PIXELS:
        msg = f"{what}: wanted an image of at most {MOST_PIXELS:,} pixels, got {width} x {height}"
        raise DataError(msg)
    try:
        coded = np.array(value.get("rle"), np.uint8)
        levels = _decoded(coded, 4 * width * height)
    except (IndexError, TypeError, ValueError, OverflowError) as error:
        msg = f"{what}: its brush mask cannot be read: {error}; draw it again"
        raise DataError(msg) from error
    return runs_area(kind, levels.reshape(height, width, 4)[:, :, 3] > 0)


def _decoded(coded: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Decode Label Studio's run lengths (those of rle-pack): red, green, blue and opacity of each pixel, row by row."""
    bits = np.unpackbits(coded)
    at = 0

    def take(number: int) -> int:
        nonlocal at
        found = bits[at : at + number]
        if len(found) < number:
            msg = "it ends too early"
            raise ValueError(msg)
        at += number
        return int("".join(map(str, found.tolist())), 2)

    total, word = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    if total != count:
        msg = f"wanted {count} values, got {total}"
        raise ValueError(msg)
    values, filled = np.zeros(total, np.uint8), 0
    while filled < total:
        repeated = take(1)
        end = filled + 1 + take(lengths[take(2)])
        if repeated:
            values[filled:end] = take(word)
        else:
            values[filled:end] = [take(word) for _ in range(end - filled)]
        filled = end
    return values


READER = LabelStudio()
