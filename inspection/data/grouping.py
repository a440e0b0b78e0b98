"""Which photographs show one part: as the data set says, or else by their looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from .dataset import Listing
from .duplicates import Labels, alike, components, equal_pairs, pairs_of
from .entries import Entry

_FEWEST_GROUPS = 3


def group_listings(
    listings: Sequence[Listing], entries: Sequence[Entry], *, near_duplicates: bool
) -> tuple[list[Listing], list[str]]:
    """Give every listing a group.

    Where the data set names groups, they stay, and an image without one stands for itself. Where it names none,
    identical files and near-duplicates of one split are one group, called after its first image; only identical files
    where looks would leave fewer than three groups of a class, as they do where a fixture fills every photograph.

    Args:
        listings: In the order of their paths.
        entries: One for each listing.
        near_duplicates: Whether to look for them at all.

    Returns:
        The listings, and notes for the user.
    """
    own = [str(PurePosixPath(listing.path).with_suffix("")) for listing in listings]
    if any(listing.group is not None for listing in listings) or not near_duplicates:
        return [replace(each, group=each.group or name) for each, name in zip(listings, own, strict=True)], []
    equal = equal_pairs([entry.digest for entry in entries])
    near = pairs_of(alike([entry.thumbnail for entry in entries]))
    identical = components(len(entries), equal)
    labels = components(len(entries), np.concatenate((near, equal)))
    grouped, apart = _named(listings, labels, own), _named(listings, identical, own)
    few, enough = _fewest_groups(grouped), _fewest_groups(apart)
    if few < _FEWEST_GROUPS and few < enough:
        note = (
            f"the images look alike (one fixture, one product): grouped by their looks they would be {few} groups of a "
            "class, so each stands for itself; if several show one part, its name must say so: write data.group: "
            "'(part\\d+)_' as the files are called"
        )
        return apart, [note]
    return grouped, _notes(grouped, labels)


def units_of(listings: Sequence[Listing], entries: Sequence[Entry]) -> list[int]:
    """Number what a split must not tear apart: groups, and identical files in different groups."""
    groups = equal_pairs([listing.group for listing in listings])
    files = equal_pairs([entry.digest for entry in entries])
    return [int(label) for label in components(len(listings), np.concatenate((groups, files)))]


def contradictions(listings: Sequence[Listing], entries: Sequence[Entry]) -> list[str]:
    """Name identical files of which one is called good and one defective."""
    pairs = equal_pairs([entry.digest for entry in entries]).tolist()
    torn = [(a, b) for a, b in pairs if listings[a].defective != listings[b].defective]
    if not torn:
        return []
    one, other = (f"{listings[at].path} ({listings[at].label})" for at in torn[0])
    return [f"{len(torn)} images are byte for byte the same as one with the opposite label, such as {one} and {other}"]


def _named(listings: Sequence[Listing], labels: Labels, names: Sequence[str]) -> list[Listing]:
    first: dict[tuple[int, str | None], str] = {}
    return [
        replace(each, group=first.setdefault((int(label), each.split), name))
        for each, label, name in zip(listings, labels, names, strict=True)
    ]


def _fewest_groups(listings: Sequence[Listing]) -> int:
    """Count the groups of the split and class that has the fewest."""
    groups: dict[tuple[str | None, bool], set[str | None]] = {}
    for each in listings:
        groups.setdefault((each.split, each.defective), set()).add(each.group)
    return min(map(len, groups.values()), default=0)


def _notes(listings: Sequence[Listing], labels: Labels) -> list[str]:
    notes = []
    sizes = np.unique([str(listing.group) for listing in listings], return_counts=True)[1]
    if (sizes > 1).any():
        notes.append(
            f"{sizes[sizes > 1].sum()} of {len(listings)} images are near-duplicates of another one; they were put "
            f"into {(sizes > 1).sum()} groups (the largest has {sizes.max()}), so that no split tears them apart"
        )
    trained = {int(label) for listing, label in zip(listings, labels, strict=True) if listing.split == "train"}
    leaked = [
        listing.path
        for listing, label in zip(listings, labels, strict=True)
        if listing.split in ("val", "test") and int(label) in trained
    ]
    if leaked:
        notes.append(
            f"{len(leaked)} images of val or test look like images of train, such as {leaked[0]}: "
            "the split was given, so they stay, but figures on them flatter"
        )
    return notes
