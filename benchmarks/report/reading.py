"""Reading a report.json, with clear words for what is wrong with one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...inspection.base.errors import DataError
from ...inspection.base.validation import describe_validation
from .schema import Report

SCHEMA = 1
_LARGEST_BYTES = 64 << 20
_PROBLEMS_SHOWN = 3


def read_report(path: Path) -> dict[str, Any]:
    """Read and check a report.json.

    Returns:
        The JSON as it stands in the file, unknown keys included.

    Raises:
        DataError: No file, no JSON, too large, or not a report of schema 1; the message names the place.
    """
    try:
        size_bytes = path.stat().st_size
        text = path.read_text("utf-8") if size_bytes <= _LARGEST_BYTES else None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as a report: {error}; give the report.json of a run folder"
        raise DataError(msg) from error
    if text is None:
        msg = f"{path}: wanted at most {_LARGEST_BYTES >> 20} MiB, got {size_bytes:,} bytes; give a report.json"
        raise DataError(msg)
    value = _parsed(text, source=str(path))
    checked_report(value, source=str(path))
    return value


def checked_report(value: Mapping[str, Any], *, source: str = "report.json") -> Report:
    """Check a report already read.

    Raises:
        DataError: Not a report of schema 1; the message names up to three places.
    """
    version = value.get("schema")
    if version != SCHEMA:
        msg = f"{source}: schema must be {SCHEMA}, got {version!r}; render it with the Beltline version that wrote it"
        raise DataError(msg)
    try:
        return Report.model_validate(dict(value))
    except ValidationError as error:
        problems = describe_validation(error, most=_PROBLEMS_SHOWN)
        msg = f"{source}: {problems}; run `beltline bench` and `beltline report` again"
        raise DataError(msg) from error


def _parsed(text: str, *, source: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{source}: not JSON: {error}; was it cut off? run `beltline report` again"
        raise DataError(msg) from error
    if not isinstance(value, dict):
        msg = f"{source}: wanted one JSON object, got {type(value).__name__}; give the report.json of a run folder"
        raise DataError(msg)
    return value
