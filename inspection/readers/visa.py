"""VisA: one folder per product, `split_csv/<protocol>.csv` (object,split,label,image,mask) beside them.

The root is either the whole data set (the split file decides) or one product's folder, whose `image_anno.csv`
(image,label,mask) names the kinds of defects and no split. Source: Y. Zou et al., "SPot-the-Difference
self-supervised pre-training", ECCV 2022, and the readme of github.com/amazon-science/spot-diff.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import cast

from ..base.errors import DataError
from ..base.table import Row, read_table
from ..data.dataset import SPLITS, Listing, Split

# Two-class protocols first: the one-class file has no defects to train on.
_PROTOCOLS = ("2cls_highshot.csv", "2cls_fewshot.csv", "1cls.csv")
_KINDS = "image_anno.csv"


class Visa:
    """The whole data set by its split file, or one product by its table."""

    name = "visa"
    layout = "split_csv/2cls_highshot.csv (or 1cls.csv) with the columns object,split,label,image,mask"

    def detects(self, root: Path) -> bool:
        """Say whether a split file or a product's table is there."""
        return (_protocol(root) is not None or (root / _KINDS).is_file()) and not (root / "labels.csv").exists()

    def read(self, root: Path) -> list[Listing]:
        """List the rows of the split file, or of the product's table, in their order.

        Raises:
            DataError: A table is missing or has a wrong column, an unknown split or an image twice.
        """
        protocol = _protocol(root)
        if protocol is not None:
            rows = read_table(protocol, required=("object", "split", "label", "image"), optional=("mask",))
        else:
            rows = read_table(root / _KINDS, required=("image", "label"), optional=("mask", "split"))
        listings = [_listing(row, root) for row in rows]
        _require_distinct(listings)
        return listings


def _protocol(root: Path) -> Path | None:
    return next((path for name in _PROTOCOLS if (path := root / "split_csv" / name).is_file()), None)


def _listing(row: Row, root: Path) -> Listing:
    values = row.values
    split = values["split"]
    if split not in (*SPLITS, ""):
        msg = f"VisA table line {row.line}: split must be {', '.join(SPLITS)}, got {split!r}"
        raise DataError(msg)
    if not values["image"] or not values["label"]:
        msg = f"VisA table line {row.line}: image and label must not be empty"
        raise DataError(msg)
    good = values["label"] in ("normal", "good")
    return Listing(
        path=_within(root, values["image"]),
        label="good" if good else values["label"],
        mask=_within(root, values["mask"]) if values["mask"] and not good else None,
        split=cast("Split", split) if split else None,
    )


def _within(root: Path, path: str) -> str:
    """Give a path relative to the root; in a product's own table it starts with the product's folder."""
    first, *rest = PurePosixPath(path).parts
    if rest and not (root / first).exists():
        return str(PurePosixPath(*rest))
    return str(PurePosixPath(path))


def _require_distinct(listings: list[Listing]) -> None:
    seen: set[str] = set()
    for listing in listings:
        if listing.path in seen:
            msg = f"VisA table: {listing.path} is listed twice; keep one row"
            raise DataError(msg)
        seen.add(listing.path)


READER = Visa()
