"""All files of a data set are opened once, several at a time; what was found is remembered for the next run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import DataError
from .entries import Entry, entry_of
from .index_cache import IndexCache, stamps_of

_BATCH = 256

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What is known of a set of files.

    Attributes:
        entries: By file, for all that could be read.
        unreadable: By file, why not: a sentence that names it.
    """

    entries: Mapping[Path, Entry]
    unreadable: Mapping[Path, str]


def index_files(files: Sequence[Path], *, cache: Path | None = None, progress: Progress | None = None) -> Index:
    """Open image files once; at most 256 are under way.

    Args:
        files: Resolved paths; each once.
        cache: Database file that remembers what was found; None: everything is opened.
        progress: Called with the number of files done and of all files.

    Raises:
        StorageError: The cache cannot be written.
    """
    entries: dict[Path, Entry] = {}
    unreadable: dict[Path, str] = {}
    opened = nullcontext() if cache is None else closing(IndexCache(cache))
    with opened as known, ThreadPoolExecutor(_workers()) as pool:
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            found = _index_batch(batch, known, pool)
            entries |= {file: entry for file, entry in found.items() if isinstance(entry, Entry)}
            unreadable |= {file: reason for file, reason in found.items() if isinstance(reason, str)}
            if progress is not None:
                progress(start + len(batch), len(files))
    return Index(entries=entries, unreadable=unreadable)


def _index_batch(batch: Sequence[Path], known: IndexCache | None, pool: ThreadPoolExecutor) -> dict[Path, Entry | str]:
    stamps = stamps_of(batch)
    remembered = {} if known is None else known.find(stamps)
    fresh = [file for file in batch if file not in remembered]
    found = dict(zip(fresh, pool.map(_attempt, fresh), strict=True))
    if known is not None:
        known.add({file: entry for file, entry in found.items() if isinstance(entry, Entry)}, stamps)
    return remembered | found


def _attempt(file: Path) -> Entry | str:
    try:
        return entry_of(file)
    except DataError as error:
        return str(error)


def _workers() -> int:
    return min(8, len(os.sched_getaffinity(0)))
