"""Annotation files as label tools write them: JSON and XML from elsewhere, with limits; never trusted."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

from ..base.errors import DataError

MOST_BYTES = 512 << 20
"""Of one annotation file: some three million boxes. Parsed, it takes up to ten times as much memory."""

_SNIFFED = 4096


def text_of(file: Path, *, most_bytes: int | None = None) -> str:
    """Read a UTF-8 file.

    Raises:
        DataError: It is missing, no UTF-8 or too large; the message gives its size.
    """
    limit = MOST_BYTES if most_bytes is None else most_bytes
    try:
        size = file.stat().st_size
        if size > limit:
            msg = (
                f"{file}: wanted an annotation file of at most {limit >> 20} MiB, got {size / (1 << 20):,.0f} MiB; "
                "export one file for each split or folder, or boxes instead of run lengths"
            )
            raise DataError(msg)
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        msg = f"{file}: cannot be read: {error.strerror}"
        raise DataError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{file}: wanted UTF-8 text, got byte {error.object[error.start]:#04x} at {error.start}; save it as UTF-8"
        raise DataError(msg) from error


def json_of(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: As for `text_of`, or it is no JSON, such as an export that was cut off.
    """
    try:
        return json.loads(text_of(file))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        msg = f"{file}: no whole JSON: {error}; export it again"
        raise DataError(msg) from error
    except RecursionError as error:
        msg = f"{file}: no annotation file: its JSON is nested too deeply"
        raise DataError(msg) from error


def xml_of(file: Path) -> ET.Element:
    """Read an XML file without entities: a document type that declares some is refused before it is followed.

    Raises:
        DataError: As for `text_of`, or it is no XML, or declares entities.
    """
    text = text_of(file)
    parser = ET.XMLParser()  # noqa: S314 - entities are refused below, before any is expanded
    checked = expat.ParserCreate()

    def refuse(name: str, *_: Any) -> None:
        msg = f"{file}: declares the entity {name!r}, which no label tool writes; export it again"
        raise DataError(msg)

    checked.EntityDeclHandler = refuse
    content = re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1)  # it names an encoding that the text no longer has
    try:
        checked.Parse(content, True)
        parser.feed(content)
        return parser.close()
    except (ET.ParseError, expat.ExpatError) as error:
        msg = f"{file}: no whole XML: {error}; export it again"
        raise DataError(msg) from error


def files_below(root: Path, suffix: str, at_most: int | None = None) -> Iterator[Path]:
    """Give the files of a suffix below a folder, folder by folder in order; hidden names are left out.

    Args:
        root: Links to folders below it are not followed.
        suffix: In lower case, with its dot.
        at_most: How many folders to look at, where a few files are enough to know the format.
    """
    for number, (place, folders, names) in enumerate(os.walk(root)):
        if at_most is not None and number >= at_most:
            return
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if name.lower().endswith(suffix) and name[0] != ".")


def beginning(file: Path) -> str:
    """Give the first 4 KiB of a file, to tell formats apart; empty where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(_SNIFFED).decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    except OSError:
        return ""


def numbers(values: Any, *, what: str) -> list[float]:
    """Check that values are finite numbers.

    Raises:
        DataError: They are not; `what` names them.
    """
    given = list(values) if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    try:
        found = [float(value) for value in given]
    except (TypeError, ValueError, OverflowError):
        found = [math.nan]
    if not all(map(math.isfinite, found)):
        msg = f"{what}: wanted numbers, got {str(values)[:80]}"
        raise DataError(msg)
    return found


def outline(values: Any, *, what: str) -> list[float]:
    """Check a polygon's x, y, x, y, ...

    Raises:
        DataError: It has fewer than three points, or an odd number of values.
    """
    found = numbers(values, what=what)
    if len(found) % 2 or len(found) < 6:
        points = f"{len(found)} values" if len(found) % 2 else f"{len(found) // 2}"
        msg = f"{what}: a polygon needs at least three points, got {points}; draw it again or delete it"
        raise DataError(msg)
    return found


def sides(left: float, top: float, right: float, bottom: float, *, what: str) -> tuple[float, float, float, float]:
    """Check a box.

    Raises:
        DataError: It has no area, or its sides are exchanged.
    """
    if right <= left or bottom <= top:
        msg = (
            f"{what}: wanted a box with left < right and top < bottom, got {left:g} to {right:g} and {top:g} to "
            f"{bottom:g}; draw it again or delete it"
        )
        raise DataError(msg)
    return left, top, right, bottom
