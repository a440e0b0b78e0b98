"""Layouts of data sets: one file each, detected from the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ..base.errors import DataError
from ..base.plugins import broken_plugins, plugins, unknown_plugin
from ..data.dataset import Listing
from ..data.files import IMAGE_SUFFIXES, folders_in, images_in

_LOOKED_INTO, _SHOWN, _MOST_NAMES, _LEVELS = 40, 6, 12, 4


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
    inside = [each.name for each in folders_in(root)[:_LOOKED_INTO] if any(one.detects(each) for one in known.values())]
    if inside:
        several = (
            "folders that are data sets of their own" if len(inside) > 1 else "folder that is a data set of its own"
        )
        msg = (
            f"{root} holds {len(inside)} {several} ({', '.join(inside[:_SHOWN])}); name one, such as data.root: "
            f"{root / inside[0]}"
        )
        raise DataError(msg)
    broken = "".join(f"; {why}" for why in broken_plugins("inspection.readers").values())
    msg = (
        f"{root} has none of the known layouts ({', '.join(known)}; docs/data.md shows each); {_seen(root)}; or add a "
        f"labels.csv with the columns path,label{broken}"
    )
    raise DataError(msg)


def _seen(root: Path) -> str:
    """Say which folders hold images, and what to write if they are labels."""
    places = [(root, len(images_in(root))), *((each, len(images_in(each))) for each in _folders_below(root))]
    found = [(each, count) for each, count in places if count]
    if not found:
        return f"no image lies in it ({', '.join(sorted(IMAGE_SUFFIXES))} are read): correct data.root, or convert them"
    at = found[0][0].parent
    names = [f"{'.' if each == root else each.relative_to(root).as_posix()} ({count:,})" for each, count in found]
    listed = ", ".join(names[:_MOST_NAMES]) + (
        f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    )
    labels = [each.name for each, _ in found if each.parent == at]
    if found[0][0] == root or len(labels) < 2:
        return f"images lie in {listed}"
    where = "" if at == root else f"data.root: {at}, "
    return (
        f"images lie in {listed}; if folders are labels, write {where}data.reader: folders and name those of good "
        f"parts, data.good: {' or '.join(f'[{each}]' for each in labels[:_SHOWN])}; a set without a good image needs "
        "boxes or masks that say where its defects are"
    )


def _folders_below(root: Path) -> list[Path]:
    """Give a few hundred folders, those of the upper levels first."""
    found, level = [], [root]
    for _ in range(_LEVELS):
        level = [each for folder in level for each in folders_in(folder)][:_LOOKED_INTO]
        found += level
    return found
