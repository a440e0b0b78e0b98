"""YOLO: a text file for each image, with boxes, outlines or turned boxes as shares of it; `data.yaml` names kinds.

The files lie in `labels/` where images lie in `images/`, or beside the images. An empty file means a good part.
Source: docs.ultralytics.com/datasets (detect, segment, obb, pose).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..base.errors import DataError
from ..data.areas import Area, box_area, polygon_area
from ..data.dataset import Listing, Split
from ..data.files import folders_in, images_in, plain_name
from ._documents import files_below, numbers, outline, sides, text_of
from ._pairing import ImageTree, Marked, pair_files

_TABLES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("classes.txt", "obj.names", "_darknet.labels")
_NO_LABELS = re.compile(r"(classes|readme.*|train|val|valid|test|autosplit_.*|requirements)\.txt", re.IGNORECASE)
_MOST_BYTES = 16 << 20
_LOOKED_AT = 200
_BEYOND = 2.0  # a corner may lie a little outside of the image, but not at twice its width


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What `data.yaml` says.

    Attributes:
        kinds: By number; empty: not named.
        file: Where they are named.
        keypoints: Whether points follow each box.
    """

    kinds: Mapping[int, str]
    file: str
    keypoints: bool = False


class Yolo:
    """Any tree of images with a text file for each."""

    name = "yolo"
    layout = "images/ and labels/ with a .txt for each image (class x y width height), data.yaml with names"

    def detects(self, root: Path) -> bool:
        """Say whether `data.yaml` or a list of classes is there, or a folder `labels` of text files."""
        if (root / "labels.csv").exists():
            return False
        named = any("names" in _beginning(root / name) for name in _TABLES)
        return named or any((root / name).is_file() for name in _LISTS[1:]) or _has_labels(root)

    def read(self, root: Path) -> list[Listing]:
        """List every image that a file annotates, and those beside them without a file.

        Raises:
            DataError: There is no such file, `data.yaml` cannot be read, or a class has no name.
        """
        tree, names = ImageTree(root), _names(root)
        stems = {plain_name(Path(path).stem) for path in tree.paths}
        files = [
            file
            for file in sorted(_texts(root))
            if "labels" in file.relative_to(root).parts[:-1] or plain_name(file.stem) in stems
        ]
        if not files:
            msg = f"{root}: wanted {self.layout}, got no text file that belongs to an image"
            raise DataError(msg)
        _require_named(root, files, names)
        return pair_files(root, files, tree, lambda file: _marked(root, file, names), _splits(root))


def _has_labels(root: Path) -> bool:
    places = [root, *folders_in(root)]
    for place in places:
        found = {folder.name.casefold(): folder for folder in folders_in(place)}
        if "labels" in found and "images" in found and not _tables_of_images(found["labels"]):
            return next(_texts(found["labels"], at_most=_LOOKED_AT), None) is not None
    return False


def _tables_of_images(folder: Path) -> bool:
    return bool(images_in(folder))


def _texts(root: Path, at_most: int | None = None) -> Iterator[Path]:
    return (file for file in files_below(root, ".txt", at_most) if not _NO_LABELS.fullmatch(file.name))


def _beginning(file: Path) -> str:
    return text_of(file, most_bytes=_MOST_BYTES) if file.is_file() else ""


def _names(root: Path) -> _Names:
    for name in _TABLES:
        if (root / name).is_file():
            return _from_yaml(root / name)
    for name in _LISTS:
        if (root / name).is_file():
            lines = [line.strip() for line in text_of(root / name).splitlines()]
            return _Names(kinds=dict(enumerate(filter(None, lines))), file=name)
    return _Names(kinds={}, file="data.yaml")


def _require_named_once(written: Any, file: Path) -> None:
    """Refuse a number of a class that stands there twice, of which YAML would keep the last."""
    pairs = written.value if isinstance(written, yaml.MappingNode) else []
    for _, names in (pair for pair in pairs if pair[0].value == "names" and isinstance(pair[1], yaml.MappingNode)):
        seen: dict[str, str] = {}
        for number, name in names.value:
            if str(number.value) in seen:
                twice = f"{seen[str(number.value)]!r} and {name.value!r}"
                msg = f"{file}: names: class {number.value} is called {twice}; correct the numbers"
                raise DataError(msg)
            seen[str(number.value)] = str(name.value)


def _from_yaml(file: Path) -> _Names:
    try:
        text = text_of(file, most_bytes=_MOST_BYTES)
        content, written = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        msg = f"{file}: no YAML: {error}"
        raise DataError(msg) from error
    _require_named_once(written, file)
    named: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(named, list):
        named = dict(enumerate(named))
    if not isinstance(named, dict) or not all(isinstance(number, int) for number in named):
        msg = f"{file}: wanted names: [crack, stain] or names: {{0: crack, 1: stain}}, got {str(named)[:80]}"
        raise DataError(msg)
    kinds = {number: str(kind).strip() for number, kind in named.items()}
    return _Names(kinds=kinds, file=file.name, keypoints="kpt_shape" in content)


def _require_named(root: Path, files: Sequence[Path], names: _Names) -> None:
    """Check class numbers of all files together: where numbers begin at 1, every one of them is off by one."""
    if not names.kinds:
        return
    used = {
        int(first)
        for file in files
        for line in text_of(file, most_bytes=_MOST_BYTES).splitlines()
        if (first := line.split(maxsplit=1)[0] if line.strip() else "").isdigit()
    }
    unknown = sorted(used - names.kinds.keys())
    if not unknown:
        return
    listed = ", ".join(f"{number} {kind}" for number, kind in sorted(names.kinds.items())[:12])
    one_based = 0 not in used and unknown == [max(names.kinds) + 1]
    way_out = (
        "numbers seem to begin at 1: subtract 1 in the label files"
        if one_based
        else f"add its name to {names.file}, or correct the label files"
    )
    msg = f"{root}: label files use class {unknown[0]}, {names.file} names {listed}; {way_out}"
    raise DataError(msg)


def _marked(root: Path, file: Path, names: _Names) -> Marked:
    parts = file.relative_to(root).with_suffix("").parts
    written = "/".join("images" if part.casefold() == "labels" else part for part in parts)
    areas = []
    for number, text in enumerate(text_of(file, most_bytes=_MOST_BYTES).splitlines(), 1):
        if text.strip():
            areas.append(_area(text.split(), names, f"{file.relative_to(root).as_posix()} line {number}"))
    return Marked(written=written, any_suffix=True, areas=tuple(areas), drawn_on=(1.0, 1.0))


def _area(fields: Sequence[str], names: _Names, what: str) -> Area:
    if not fields[0].isdigit():
        msg = f"{what}: wanted a class number, got {fields[0][:40]!r}"
        raise DataError(msg)
    number, values = int(fields[0]), numbers(fields[1:], what=what)
    kind = names.kinds.get(number, f"class_{number}")
    if any(abs(value) > _BEYOND for value in values[:4]):
        msg = f"{what}: wanted shares of the image, 0 to 1, got {max(values):g}; are these pixels?"
        raise DataError(msg)
    if names.keypoints:
        values = values[:4]
    if len(values) == 4:
        x, y, width, height = values
        return box_area(kind, sides(x - width / 2, y - height / 2, x + width / 2, y + height / 2, what=what))
    if len(values) == 5:
        msg = (
            f"{what}: got 5 numbers after the class: a box and an angle, or a confidence? Write four numbers for a "
            "box, or the four corners (eight numbers) of a turned one"
        )
        raise DataError(msg)
    return polygon_area(kind, outline(values, what=what))


def _splits(root: Path) -> dict[str, Split]:
    """Read `train.txt`, `val.txt` and `test.txt`, lists of images that may come from another machine."""
    splits: dict[str, Split] = {}
    for name, split in (("train", "train"), ("val", "val"), ("valid", "val"), ("test", "test")):
        file = root / f"{name}.txt"
        if file.is_file():
            lines = text_of(file, most_bytes=_MOST_BYTES).splitlines()
            stems = [plain_name(Path(line.replace("\\", "/")).stem) for line in lines if line.strip()]
            splits |= dict.fromkeys(stems, split)  # type: ignore[arg-type]
    return splits


READER = Yolo()
