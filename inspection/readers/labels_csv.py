"""A table beside the images: `labels.csv` with the columns path, label and, if known, split, mask, group."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import cast

from ..base.errors import DataError
from ..base.table import Row, read_table
from ..data.dataset import SPLITS, Listing, Split

_FILE = "labels.csv"


class LabelsCsv:
    """Any tree of images that a table describes; further columns are passed over."""

    name = "labels_csv"
    layout = "labels.csv with the columns path,label and perhaps split,mask,group"

    def detects(self, root: Path) -> bool:
        """Say whether the table is there."""
        return (root / _FILE).is_file()

    def read(self, root: Path) -> list[Listing]:
        """List the rows of the table, in their order.

        Raises:
            DataError: A wrong column, an empty path or label, an unknown split, or an image listed twice.
        """
        rows = read_table(root / _FILE, required=("path", "label"), optional=("split", "mask", "group"))
        seen: dict[str, int] = {}
        listings = []
        for row in rows:
            listing = _listing(row)
            if seen.setdefault(listing.path, row.line) != row.line:
                msg = f"{_FILE} line {row.line}: {listing.path} stands in line {seen[listing.path]} already; keep one"
                raise DataError(msg)
            listings.append(listing)
        return listings


def _listing(row: Row) -> Listing:
    values = row.values
    for column in ("path", "label"):
        if not values[column]:
            msg = f"{_FILE} line {row.line}: {column} is empty; good parts are labelled `good`, others by their defect"
            raise DataError(msg)
    if values["split"] not in (*SPLITS, ""):
        msg = f"{_FILE} line {row.line}: split must be {', '.join(SPLITS)} or empty, got {values['split']!r}"
        raise DataError(msg)
    return Listing(
        path=str(PurePosixPath(values["path"])),
        label=values["label"],
        mask=str(PurePosixPath(values["mask"])) if values["mask"] else None,
        group=values["group"] or None,
        split=cast("Split", values["split"]) if values["split"] else None,
    )


READER = LabelsCsv()
