"""What people say of the rejected frames, and the labelled ones as a data set for the next training.

A model's own `reject` is no label: training on it would teach the next model this one's mistakes. So a frame goes into
the data set once somebody has said what it shows, or has said how the others are to be called.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import DataError
from ...inspection.base.storage import copy_file, write_bytes
from ...inspection.base.table import read_table
from ..outcomes import moment_of
from .reject_ring import FRAME, HEATMAP, OUTCOME, is_entry

TABLE = "labels.csv"
_LABEL_FILE = "label"
_LABEL = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_REQUIRED = ("path", "label")
_COLUMNS = (*_REQUIRED, "split", "mask", "group", "score", "threshold", "standing", "decided", "bundle", "heatmap")
_MOST_OUTCOME_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A rejected frame on disk.

    Attributes:
        number: Names it in its ring.
        folder: Where its files are.
        facts: What was decided, as `outcomes.Outcome` has it.
        label: What people say it shows: `good`, or the kind of defect; None: nobody has looked yet.
    """

    number: int
    folder: Path
    facts: Mapping[str, Any]
    label: str | None

    @property
    def stem(self) -> str:
        """Names it for ever, also after the ring began anew."""
        return f"{int(self.facts['unix_ns'])}-{self.number:09d}"


def kept_frames(ring: Path) -> list[Kept]:
    """List the rejected frames in a ring's folder, oldest first; a station may go on writing to it meanwhile.

    Raises:
        DataError: There is no such folder.
    """
    try:
        found = [_read(path) for path in sorted(ring.iterdir()) if is_entry(path)]
    except OSError as error:
        msg = f"{ring}: wanted the folder that a station keeps rejected frames in, got: {error.strerror}"
        raise DataError(msg) from error
    return [each for each in found if each is not None]


def set_label(ring: Path, number: int, label: str) -> None:
    """Say what a rejected frame shows.

    Raises:
        DataError: There is no such frame (any more), or the label is no plain word.
        StorageError: The disk is full or cannot be written.
    """
    _require_label(label)
    folder = ring / f"{number:09d}"
    if not is_entry(folder):
        msg = f"{ring}: wanted the number of a frame that is kept there, got {number}; the ring may have moved on"
        raise DataError(msg)
    write_bytes(folder / _LABEL_FILE, label.encode())


def export_labelled(ring: Path, output: Path, *, rest_as: str | None = None) -> tuple[int, int]:
    """Add the labelled frames to a data set that the reader `labels_csv` reads.

    Args:
        ring: Folder of the ring.
        output: Folder of the data set; frames that are there already are not copied again, their labels are renewed.
        rest_as: Label for those that nobody has looked at; None: they are left out.

    Returns:
        How many frames of the ring are in the data set now, and how many were left out.

    Raises:
        DataError: The ring is not there, a label is no plain word, or the table there has other columns.
        StorageError: The disk is full or cannot be written.
    """
    if rest_as is not None:
        _require_label(rest_as)
    kept = kept_frames(ring)
    chosen = [(each, label) for each in kept if (label := each.label or rest_as) is not None]
    rows = _rows_there(output)
    for each, label in chosen:
        row = _copied(each, output, label)
        rows[row["path"]] = row
    if chosen:
        write_bytes(output / TABLE, _table(list(rows.values())))
    return len(chosen), len(kept) - len(chosen)


def _read(folder: Path) -> Kept | None:
    """Read one entry; None where the ring has just removed it, or where it is none of a ring's."""
    try:
        with (folder / OUTCOME).open("rb") as stream:
            facts = json.loads(stream.read(_MOST_OUTCOME_BYTES))
        path = folder / _LABEL_FILE
        label = path.read_text(encoding="utf-8")[:64] if path.is_file() else None
        kept = Kept(number=int(folder.name), folder=folder, facts=facts, label=label)
    except (OSError, ValueError, RecursionError):
        return None
    if not _is_whole(facts) or not (label is None or _LABEL.fullmatch(label)):
        return None
    return kept


def _is_whole(facts: Any) -> bool:
    """Whether these are an outcome's facts, as far as they are used here."""
    if not isinstance(facts, dict):
        return False
    moment, score, threshold = facts.get("unix_ns"), facts.get("score"), facts.get("threshold")
    numbers = isinstance(score, (float, int, type(None))) and isinstance(threshold, (float, int))
    return type(moment) is int and 0 <= moment < 1 << 62 and numbers


def _copied(kept: Kept, output: Path, label: str) -> dict[str, str]:
    row = {"path": f"frames/{kept.stem}.png", "label": label}
    copy_kept(kept.folder / FRAME, output / row["path"])
    if (kept.folder / HEATMAP).is_file():
        row["heatmap"] = f"heatmaps/{kept.stem}.png"
        copy_kept(kept.folder / HEATMAP, output / row["heatmap"])
    shown = {name: kept.facts.get(name) for name in ("score", "threshold", "standing", "bundle")}
    row |= {name: "" if value is None else str(value) for name, value in shown.items()}
    row["decided"] = moment_of(kept.facts["unix_ns"])
    return {name: row.get(name, "") for name in _COLUMNS}


def copy_kept(source: Path, target: Path) -> None:
    """Copy a file of a ring, whole or not at all; one that is there already stays.

    Raises:
        StorageError: The disk is full or cannot be written.
    """
    if not target.is_file():
        copy_file(source, target, advice="or export again")


def _rows_there(output: Path) -> dict[str, dict[str, str]]:
    path = output / TABLE
    if not path.is_file():
        return {}
    optional = [name for name in _COLUMNS if name not in _REQUIRED]
    return {row.values["path"]: row.values for row in read_table(path, required=_REQUIRED, optional=optional)}


def _table(rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _require_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        msg = (
            f"wanted a label such as good, scratch or missing_part (letters, digits, `_.-`, at most 64), got {label!r}"
        )
        raise DataError(msg)
