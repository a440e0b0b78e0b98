"""From a folder of photographs to a `Dataset`: read, opened once, grouped, split and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.errors import DataError
from ..readers import reader_for
from .dataset import SPLITS, Dataset, Listing, Sample, Split
from .entries import Entry
from .files import locate
from .grouping import contradictions, group_listings, units_of
from .indexing import Progress, index_files
from .settings import DataSettings
from .splitting import check_splits, deal_splits, plan_splits

_SCHEMA = 1
_SHOWN = 3


def load_dataset(settings: DataSettings, *, cache: Path | None = None, progress: Progress | None = None) -> Dataset:
    """Load a data set's facts; images themselves are read again when they are needed.

    Args:
        settings: The `data:` part of line.yaml.
        cache: Database file that remembers digests by path, size and time of change, so that a second run opens
            only what has changed; None: every image is opened.
        progress: Called with the number of files opened and of all files, masks included.

    Returns:
        All usable images with their splits; `notes` tell what was skipped, grouped or dealt.

    Raises:
        DataError: Anything in the data that cannot be used; the message names the file and the way out.
        StorageError: The cache cannot be written.
    """
    root = _root(settings.root, settings.source)
    listings = _listings(root, settings.reader)
    entries, unreadable = _opened(root, listings, cache, progress)
    listings, notes = _readable(listings, unreadable, skip=settings.skip_unreadable)
    listings, empty = _with_true_masks(listings, entries)
    notes += empty
    looks = [entries[listing.path] for listing in listings]
    bit_depth, deep = _bit_depth(listings, looks, settings.bit_depth)
    listings, plan = plan_splits(listings)
    listings, grouped = group_listings(listings, looks, near_duplicates=settings.near_duplicates)
    listings = deal_splits(listings, units_of(listings, looks), plan)
    dataset = Dataset(
        name=root.name,
        root=root,
        channels=settings.channels or (3 if any(look.colour for look in looks) else 1),
        bit_depth=bit_depth,
        samples=tuple(_sample(listing, entries) for listing in listings),
        notes=tuple(note for note in (*notes, *deep, plan.note, *grouped, *contradictions(listings, looks)) if note),
    )
    check_splits(dataset)
    return dataset


def splits_json(dataset: Dataset) -> dict[str, Any]:
    """Give the content of `splits.json`: which files, by digest, stand in which split."""
    return {
        "schema": _SCHEMA,
        "name": dataset.name,
        "digest": dataset.digest,
        "splits": {split: _split_json(dataset, split) for split in SPLITS},
        "notes": list(dataset.notes),
    }


def _split_json(dataset: Dataset, split: Split) -> list[dict[str, str]]:
    return [
        {"path": sample.path, "digest": sample.digest, "label": sample.label, "group": sample.group}
        for sample in dataset.of(split)
    ]


def _root(folder: Path, source: str | None) -> Path:
    try:
        root = folder.resolve()
        found = root.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        msg = f"data.root: {folder} cannot be a folder: {error}"
        raise DataError(msg) from error
    if not found:
        way_out = f"correct the path; the data comes from {source}" if source else "correct the path"
        msg = f"data.root: wanted a folder with images, got {folder}, which is not there; {way_out}"
        raise DataError(msg)
    return root


def _listings(root: Path, reader: str | None) -> list[Listing]:
    """Read the tree and refuse early what no image could mend."""
    chosen = reader_for(root, reader)
    listings = sorted(chosen.read(root), key=lambda listing: listing.path)
    for defective, word in ((False, "good"), (True, "defective")):
        if not any(listing.defective == defective for listing in listings):
            msg = (
                f"{root} has {len(listings)} images and no {word} one (as {chosen.name} reads it); inspection is "
                "learnt and judged on both: good parts are labelled `good`, defective ones by their defect"
            )
            raise DataError(msg)
    return listings


def _opened(
    root: Path, listings: Sequence[Listing], cache: Path | None, progress: Progress | None
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Open images and masks; both results are by path relative to the root."""
    files = locate(root, [path for each in listings for path in (each.path, each.mask) if path is not None])
    index = index_files(list(dict.fromkeys(files.values())), cache=cache, progress=progress)
    entries = {path: index.entries[file] for path, file in files.items() if file in index.entries}
    unreadable = {path: index.unreadable[file] for path, file in files.items() if file in index.unreadable}
    return entries, unreadable


def _readable(
    listings: Sequence[Listing], unreadable: Mapping[str, str], *, skip: bool
) -> tuple[list[Listing], list[str]]:
    if not unreadable:
        return list(listings), []
    if not skip:
        msg = (
            f"{_first_few(unreadable.values(), sep='; ')}: copy them again, take them out, "
            "or set data.skip_unreadable: true to go on without them"
        )
        raise DataError(msg)
    kept = [each for each in listings if each.path not in unreadable and each.mask not in unreadable]
    names = _first_few(sorted(unreadable))
    return kept, [f"{len(listings) - len(kept)} of {len(listings)} images were skipped as unreadable: {names}"]


def _with_true_masks(listings: Sequence[Listing], entries: Mapping[str, Entry]) -> tuple[list[Listing], list[str]]:
    """Check masks against their images; all-black ones mark nothing and are left out."""
    for listing in listings:
        if listing.mask is not None:
            _require_fitting(listing, entries[listing.path], entries[listing.mask])
    empty = [each.path for each in listings if each.mask is not None and not entries[each.mask].peak]
    gone = set(empty)
    kept = [replace(each, mask=None) if each.path in gone else each for each in listings]
    blamed = [each.path for each in kept if each.defective and each.path in gone]
    if not blamed:
        return kept, []
    return kept, [
        f"{len(blamed)} defective images have an all-black mask and count by label alone: {_first_few(blamed)}"
    ]


def _require_fitting(listing: Listing, image: Entry, mask: Entry) -> None:
    if (image.height, image.width) != (mask.height, mask.width):
        msg = (
            f"{listing.mask}: wanted the size of its image {listing.path}, {image.width} x {image.height}, "
            f"got {mask.width} x {mask.height}; export the mask at full size"
        )
        raise DataError(msg)
    if mask.peak and not listing.defective:
        msg = f"{listing.path} is labelled good, but its mask {listing.mask} marks a defect; correct one of them"
        raise DataError(msg)


def _bit_depth(listings: Sequence[Listing], looks: Sequence[Entry], wanted: int | None) -> tuple[int, list[str]]:
    deep = [(look.peak, listing.path) for look, listing in zip(looks, listings, strict=True) if look.bits == 16]
    if not deep:
        return 8, []
    depth = wanted or 16
    peak, path = max(deep)
    if peak >= 1 << depth:
        msg = f"{path}: wanted values of {depth} bits, got {peak}; set data.bit_depth to {peak.bit_length()} or more"
        raise DataError(msg)
    used = max(8, peak.bit_length())
    if wanted is not None or used > depth - 2:
        return depth, []
    return depth, [
        f"16-bit images use {used} bits only (up to {peak}) and come out dark; consider data.bit_depth: {used}"
    ]


def _sample(listing: Listing, entries: Mapping[str, Entry]) -> Sample:
    look = entries[listing.path]
    if listing.split is None or listing.group is None:
        msg = f"{listing.path}: split and group must be settled, got {listing.split} and {listing.group}"
        raise DataError(msg)
    return Sample(
        path=listing.path,
        label=listing.label,
        defective=listing.defective,
        mask=listing.mask,
        group=listing.group,
        split=listing.split,
        digest=look.digest,
        height=look.height,
        width=look.width,
        mask_digest=entries[listing.mask].digest if listing.mask else None,
    )


def _first_few(names: Iterable[str], *, sep: str = ", ") -> str:
    """Name the first three and say how many more there are."""
    every = list(names)
    rest = f"{sep}and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return sep.join(every[:_SHOWN]) + rest
