"""Layouts of data sets: one file each, detected from the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..base.errors import DataError
from ..base.plugins import broken_plugins, plugins, unknown_plugin
from ..data.dataset import Listing


class Reader(Protocol):
    """One layout; the constant `READER` of a file in this folder."""

    @property
    def name(self) -> str:
        """As written after `data.reader:`."""

    @property
    def layout(self) -> str:
        """What the layout looks like, in one line, for messages."""

    def detects(self, root: Path) -> bool:
        """Say whether a folder has this layout, from names alone; quick even on large trees."""

    def read(self, root: Path) -> list[Listing]:
        """List every image, in any order.

        Raises:
            DataError: The tree or a table in it cannot be understood.
        """


def readers() -> dict[str, Reader]:
    """Give all layouts by name, those of other packages included."""
    return dict(plugins("inspection.readers"))


def reader_for(root: Path, name: str | None = None) -> Reader:
    """Pick the layout of a folder.

    Raises:
        DataError: The name is unknown, or the tree fits no layout or several.
    """
    known = readers()
    if name is not None and (wrong := unknown_plugin("inspection.readers", name)) is not None:
        msg = f"data.reader: {wrong}"
        raise DataError(msg)
    fitting = [known[name]] if name is not None else [each for each in known.values() if each.detects(root)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        msg = f"{root} fits several layouts: {', '.join(each.name for each in fitting)}; choose one as data.reader"
        raise DataError(msg)
    layouts = "; ".join(f"{each.name}: {each.layout}" for each in known.values())
    broken = "".join(f"; {why}" for why in broken_plugins("inspection.readers").values())
    msg = f"{root} has none of the known layouts ({layouts}); add a labels.csv with the columns path,label{broken}"
    raise DataError(msg)
