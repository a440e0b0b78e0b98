"""Paths that a user wrote are relative to the file that they stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...compress.networks.base.families import placed_network


def absolute(value: Any, folder: Path) -> Any:
    """Make every relative path in a tree of models start in the folder; networks look there for code."""
    if isinstance(value, Path):
        return (folder / value.expanduser()).resolve()
    if isinstance(value, tuple):
        return tuple(absolute(each, folder) for each in value)
    if isinstance(value, dict) and "family" in value:
        return placed_network(value, folder)
    if isinstance(value, BaseModel):
        changed = {name: absolute(getattr(value, name), folder) for name in type(value).model_fields}
        return value.model_copy(update=changed)
    return value
