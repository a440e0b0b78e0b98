"""COCO: one JSON file for many images, with boxes, outlines or run lengths; as Roboflow, CVAT and others export it.

`_annotations.coco.json` in each split's folder, `annotations/instances_train.json` beside folders of images, or one
file for all. Images that the file lists and does not annotate are good. Source: cocodataset.org/#format-data, and
the run-length code of pycocotools (maskApi.c).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area
from ..data.dataset import Listing
from ..data.files import entries_of, folders_in
from ..data.headers import MOST_PIXELS
from ._documents import beginning, json_of, numbers, outline, sides
from ._pairing import ImageTree, folder_split, split_of, with_unlabelled

_KEYS = ('"images"', '"annotations"', '"categories"', '"info"', '"licenses"')
_OF_OTHERS = re.compile(r'"images"\s*:\s*\[\s*\{(?![^}]*"file_name")[^}]*\}')  # an index of images, not of COCO
_PASSED_OVER = ("captions_", "person_keypoints_", "image_info_", "stuff_", "panoptic_")


class Coco:
    """Any tree of images with JSON files in COCO's form."""

    name = "coco"
    layout = "_annotations.coco.json in train/, valid/ and test/, or annotations/instances_<split>.json, or one JSON"

    def detects(self, root: Path) -> bool:
        """Say whether a JSON file at the usual places begins as COCO's do."""
        return not (root / "labels.csv").exists() and bool(_files(root))

    def read(self, root: Path) -> list[Listing]:
        """List every image that the files name.

        Raises:
            DataError: A file is too large or no COCO, names an unknown category, or two files name one image.
        """
        tree = ImageTree(root)
        found: dict[str, str] = {}
        listings = []
        files = _files(root)
        if not files:
            msg = f"{root}: wanted {self.layout}, got no JSON file in COCO's form"
            raise DataError(msg)
        for file in files:
            for listing in _listings(root, file, tree):
                if listing.path in found:
                    msg = (
                        f"{listing.path} stands in {found[listing.path]} and again in {file.relative_to(root)}; "
                        "keep one entry"
                    )
                    raise DataError(msg)
                found[listing.path] = file.relative_to(root).as_posix()
                listings.append(listing)
        return with_unlabelled(listings, tree)


def _files(root: Path) -> list[Path]:
    folders = [root, *folders_in(root)]
    found = [
        file
        for folder in folders
        for file in sorted(entries_of(folder))
        if file.suffix.lower() == ".json" and not file.name.startswith(_PASSED_OVER) and _is_coco(file)
    ]
    exact = [file for file in found if file.name.startswith("instances_")]
    return exact or found


def _is_coco(file: Path) -> bool:
    text = beginning(file)
    begins = text.startswith("{") and text[1:].lstrip().startswith(_KEYS)
    return file.name == "_annotations.coco.json" or (begins and _OF_OTHERS.match(text[1:].lstrip()) is None)


def _listings(root: Path, file: Path, tree: ImageTree) -> list[Listing]:
    name = file.relative_to(root).as_posix()
    content = json_of(file)
    images, annotations = (_records(content, key, name) for key in ("images", "annotations"))
    kinds = _kinds(_records(content, "categories", name), name)
    of_image: dict[int, list[dict[str, Any]]] = {_identity(each, "id", name): [] for each in images}
    for each in annotations:
        image = _identity(each, "image_id", name)
        if image not in of_image:
            msg = f"{name}: annotation {each.get('id')} belongs to image {image}, which the file does not list"
            raise DataError(msg)
        if _identity(each, "category_id", name) not in kinds:
            known = ", ".join(f"{number} {kind}" for number, kind in kinds.items())
            msg = f"{name}: annotation {each.get('id')} is of category {each['category_id']}; wanted one of {known}"
            raise DataError(msg)
        of_image[image].append(each)
    return [_listing(each, of_image[each["id"]], kinds, at=name, tree=tree) for each in images]


def _listing(
    image: dict[str, Any], annotations: list[dict[str, Any]], kinds: dict[int, str], *, at: str, tree: ImageTree
) -> Listing:
    written = str(image.get("file_name", ""))
    path, areas, drawn_on, problem = None, [], None, None
    try:
        path = tree.find(written, beside=at.rpartition("/")[0])
        drawn_on = _size(image, f"{at}: image {written}")
        areas = [
            _area(each, kinds, drawn_on, f"{at}: annotation {each.get('id')} of {written}") for each in annotations
        ]
    except DataError as error:
        problem = str(error)
    if path is None and problem is None:
        problem = f"{at} lists {written!r}, but no image of this name lies below the data folder"
    return Listing(
        path=path or f"{at}#{image['id']}",
        label=None if areas or problem else "good",
        split=split_of(at) or folder_split(path or at),
        areas=tuple(areas),
        drawn_on=drawn_on,
        problem=problem,
    )


def _area(annotation: dict[str, Any], kinds: dict[int, str], size: tuple[float, float] | None, what: str) -> Area:
    kind, shape = kinds[annotation["category_id"]], annotation.get("segmentation")
    if isinstance(shape, dict):
        return _runs(kind, shape, what)
    if isinstance(shape, list) and shape:
        rings = shape if isinstance(shape[0], list) else [shape]
        return polygon_area(kind, *(outline(ring, what=what) for ring in rings))
    box = numbers(annotation.get("bbox"), what=f"{what}: bbox")
    if len(box) != 4:
        msg = f"{what}: wanted bbox: [left, top, width, height], got {len(box)} numbers"
        raise DataError(msg)
    left, top, width, height = box
    if size is not None and left + width > 1.5 * size[0] and width <= size[0]:
        msg = (
            f"{what}: bbox {box} reaches far beyond its image of {size[0]:g} x {size[1]:g}; wanted "
            "[left, top, width, height], not [left, top, right, bottom]"
        )
        raise DataError(msg)
    return box_area(kind, sides(left, top, left + width, top + height, what=what))


def _runs(kind: str, shape: dict[str, Any], what: str) -> Area:
    height, width = (int(side) for side in numbers(shape.get("size"), what=f"{what}: size of run lengths"))
    counts = shape.get("counts")
    runs = runs_of_text(counts) if isinstance(counts, str) else tuple(map(int, numbers(counts, what=what)))
    if not 0 < height * width <= MOST_PIXELS or sum(runs) != height * width or min(runs, default=0) < 0:
        msg = f"{what}: run lengths of {sum(runs)} pixels do not cover {width} x {height}; export them again"
        raise DataError(msg)
    return Area(kind=kind, shape="runs", runs=runs, size=(height, width))


def runs_of_text(text: str) -> tuple[int, ...]:
    """Decode compressed run lengths.

    A character holds five bits of a number, the low ones first. From the fourth on, a number says how much longer its
    run is than the last but one.

    >>> runs_of_text("52203")
    (5, 2, 2, 2, 5)
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text.encode("ascii", errors="replace"):
        bits = character - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    return tuple(runs)


def _size(image: dict[str, Any], what: str) -> tuple[float, float] | None:
    if image.get("width") is None or image.get("height") is None:
        return None
    width, height = numbers([image["width"], image["height"]], what=f"{what}: width and height")
    return (width, height) if width > 0 and height > 0 else None


def _kinds(categories: list[dict[str, Any]], name: str) -> dict[int, str]:
    """Name the categories; those of one name are one kind."""
    kinds: dict[int, str] = {}
    for each in categories:
        number, kind = _identity(each, "id", name), str(each.get("name") or "").strip()
        if not kind or kinds.get(number, kind) != kind:
            other = f"is called {kinds[number]!r} and {kind!r}" if number in kinds else "has no name"
            msg = f"{name}: category {number} {other}; give each category one name of its own"
            raise DataError(msg)
        kinds[number] = kind
    return kinds


def _records(content: Any, key: str, name: str) -> list[dict[str, Any]]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        msg = f"{name}: wanted COCO's JSON with lists of images, annotations and categories, got no list of {key}"
        raise DataError(msg)
    return found


def _identity(record: dict[str, Any], key: str, name: str) -> int:
    number = record.get(key)
    if not isinstance(number, int):
        msg = f"{name}: wanted a whole number as {key}, got {str(number)[:40]!r}"
        raise DataError(msg)
    return number


READER = Coco()
