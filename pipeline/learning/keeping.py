"""Everything that was ever kept of a line, as one data set: its own photographs, and those that people found since."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...inspection.base.errors import DataError
from ...inspection.base.storage import copy_file, digest_of_file, write_bytes
from ...inspection.base.table import read_table
from ...inspection.data.dataset import Dataset, Split
from ...inspection.data.files import images_below

TABLE = "labels.csv"
FOUND = "found/"
"""Photographs whose path begins so were found on the line."""

_COLUMNS = ("path", "label", "split", "mask", "group", "digest")
_DEALT: tuple[Split, ...] = ("train", "train", "val", "test")
_DEFECT = "defect"
_STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")

Rows = dict[str, dict[str, str]]
"""Rows of the table by the photograph's digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What a call has added.

    Attributes:
        good: Photographs of good parts that were not kept yet.
        defective: Photographs of defective parts, likewise.
        relabelled: Paths of photographs that were kept with another label; the new one counts.
        there: Photographs that were kept already.
    """

    good: int
    defective: int
    relabelled: tuple[str, ...]
    there: int


def keep(kept: Path, dataset: Dataset, *, good: Path | None, defects: Path | None) -> Added:
    """Bring a line's photographs and those that were found into the data set of all that is kept.

    Photographs are the same where their bytes are. What was kept stays in its split; what was found is dealt by its
    digest: half of it to train, a quarter each to val and test. A sub-folder of `defects` names a kind of defect.

    Args:
        kept: Folder of the data set, in the layout `labels_csv`; made where it is not there.
        dataset: The line's own photographs.
        good: Folder with photographs of good parts, such as those that were rejected; None: none.
        defects: Folder with photographs of defective parts, such as those that were missed; None: none.

    Raises:
        DataError: A folder holds no photograph, one is in both, or the line compares with references or marks boxes.
        StorageError: The disk is full or cannot be written.
    """
    _require_plain(dataset)
    rows = _rows_there(kept)
    found = [*_found(good, "good"), *_found(defects, None)]
    _require_one_label(found)
    _keep_own(kept, dataset, rows)
    new = [(path, label) for path, label, digest in found if digest not in rows]
    changed = [each for each in found if each[2] in rows and rows[each[2]]["label"] != each[1]]
    relabelled = tuple(rows[digest]["path"] for _, _, digest in changed)
    for _, label, digest in changed:
        rows[digest] |= {"label": label, "mask": ""}
    for path, label, digest in found:
        if digest not in rows:
            rows[digest] = _found_row(kept, path, label, digest)
    write_bytes(kept / TABLE, _table(rows))
    count = sum(label == "good" for _, label in new)
    there = len(found) - len(new) - len(changed)
    return Added(good=count, defective=len(new) - count, relabelled=relabelled, there=there)


def _require_plain(dataset: Dataset) -> None:
    boxed = next((each.path for each in dataset.samples if each.areas or each.good_area is not None), None)
    if dataset.referenced or boxed is not None:
        why = (
            "compares parts with references" if dataset.referenced else f"marks defects by boxes or outlines ({boxed})"
        )
        msg = (
            f"learn: the line {why}, which a table of images cannot hold; add the photographs to the data and run again"
        )
        raise DataError(msg)


def _found(folder: Path | None, label: str | None) -> list[tuple[Path, str, str]]:
    """List path, label and digest of every photograph of a folder."""
    if folder is None:
        return []
    paths = images_below(folder) if folder.is_dir() else []
    if not paths:
        msg = (
            f"{folder}: wanted a folder with photographs that were found on the line, got none there; correct the path"
        )
        raise DataError(msg)
    return [(path, label or _kind(folder, path), digest_of_file(path)) for path in paths]


def _kind(folder: Path, path: Path) -> str:
    inner = path.relative_to(folder).parts[:-1]
    named = _STRANGE.sub("_", inner[0]).strip("_.") if inner else ""
    if named.casefold() == "good":
        msg = f"{path}: lies in a folder called good among the defective ones; give good photographs with --good"
        raise DataError(msg)
    return named or _DEFECT


def _require_one_label(found: Iterable[tuple[Path, str, str]]) -> None:
    seen: dict[str, tuple[Path, str]] = {}
    for path, label, digest in found:
        before, before_label = seen.setdefault(digest, (path, label))
        if label != before_label:
            msg = f"{before} and {path} are the same photograph, as {before_label} and as {label}; remove one of them"
            raise DataError(msg)


def _keep_own(kept: Path, dataset: Dataset, rows: Rows) -> None:
    splits = {row["group"]: row["split"] for row in rows.values()}
    for sample in dataset.samples:
        if sample.digest in rows:
            continue
        row = {"path": f"own/{sample.path}", "label": sample.label, "group": sample.group, "digest": sample.digest}
        _copy(dataset.root / sample.path, kept / row["path"])
        row["mask"] = "" if sample.mask is None else f"own/{sample.mask}"
        if sample.mask is not None:
            _copy(dataset.root / sample.mask, kept / row["mask"])
        rows[sample.digest] = {**row, "split": splits.get(sample.group, sample.split)}


def _found_row(kept: Path, path: Path, label: str, digest: str) -> dict[str, str]:
    hexadecimal = digest.partition(":")[2]
    name = f"{FOUND}{hexadecimal[:16]}{path.suffix.lower()}"
    _copy(path, kept / name)
    split = _DEALT[int(hexadecimal[:8], 16) % len(_DEALT)]
    return {"path": name, "label": label, "split": split, "mask": "", "group": hexadecimal[:16], "digest": digest}


def _copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; a mask that serves several photographs is there already."""
    if not target.is_file():
        copy_file(source, target, advice="then learn again")


def _rows_there(kept: Path) -> Rows:
    if not (kept / TABLE).is_file():
        return {}
    return {row.values["digest"]: row.values for row in read_table(kept / TABLE, required=_COLUMNS)}


def _table(rows: Mapping[str, Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows.values(), key=lambda row: row["path"]))
    return text.getvalue().encode()
