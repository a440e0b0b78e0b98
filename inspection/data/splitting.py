"""Who trains, who sets the threshold, who is the test: splits that never tear a part from its photographs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..base.errors import DataError
from .dataset import SPLITS, Dataset, Listing, Split

_ALL: Mapping[Split, int] = {"train": 60, "val": 20, "test": 20}
_FROM_TRAIN: Mapping[Split, int] = {"train": 80, "val": 20}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which images are to be dealt to splits.

    Attributes:
        dealt: The split, as the data set gives it, whose images are dealt; None: those without one.
        shares: Weight of each split that they are dealt to; empty: the data set's own split stays.
        note: For the user; may be empty.
    """

    dealt: Split | None
    shares: Mapping[Split, int]
    note: str


def plan_splits(listings: Sequence[Listing]) -> tuple[list[Listing], Plan]:
    """Decide what is left to split.

    Returns:
        The listings, without their splits if all are dealt anew, and the plan for `deal_splits`.

    Raises:
        DataError: Some images have a split and some have none, or train or test is missing.
    """
    given = {listing.split for listing in listings}
    if given == {None}:
        note = "no split was given: images were dealt 60/20/20 to train, val and test by group"
        return list(listings), Plan(dealt=None, shares=_ALL, note=note)
    if None in given:
        without = [listing.path for listing in listings if listing.split is None]
        msg = (
            f"{len(without)} of {len(listings)} images have no split, such as {without[0]}; give it for all or for none"
        )
        raise DataError(msg)
    judged_only = {listing.split for listing in listings if listing.defective} == {"test"}
    if given == set(SPLITS) and not judged_only:
        return list(listings), Plan(dealt=None, shares={}, note="")
    if given not in ({"train", "test"}, set(SPLITS)):
        msg = f"splits: wanted train and test or all of {', '.join(SPLITS)}, got {', '.join(sorted(map(str, given)))}"
        raise DataError(msg)
    return _plan_without_val(listings)


def deal_splits(listings: Sequence[Listing], units: Sequence[int], plan: Plan) -> list[Listing]:
    """Give every listing a split.

    Whole units are dealt, per class and within it per kind of defect, largest first and else in the order of the
    sha256 of their first file's name, each to the split that is furthest behind its share. So the same names and
    groups give the same split on every machine.

    Args:
        listings: As `plan_splits` gave them.
        units: For each listing a number; equal ones stay together.
        plan: As `plan_splits` gave it.
    """
    if not plan.shares:
        return list(listings)
    members: dict[int, list[Listing]] = {}
    for listing, unit in zip(listings, units, strict=True):
        if listing.split == plan.dealt:
            members.setdefault(unit, []).append(listing)
    chosen = _deal(members, plan.shares)
    return [
        replace(listing, split=chosen[unit]) if listing.split == plan.dealt else listing
        for listing, unit in zip(listings, units, strict=True)
    ]


def check_splits(dataset: Dataset) -> None:
    """Check that splits share no group and no file, and that each holds good and defective parts.

    Raises:
        DataError: They do not; the message names two files or the split.
    """
    _require_apart(dataset, "group")
    _require_apart(dataset, "digest")
    for split in SPLITS:
        samples = dataset.of(split)
        for defective, kind in ((False, "good"), (True, "defective")):
            if not any(sample.defective == defective for sample in samples):
                groups = len({sample.group for sample in dataset.samples if sample.defective == defective})
                msg = (
                    f"split {split} has no {kind} image; each of {', '.join(SPLITS)} needs good and defective ones "
                    f"(there are {groups} groups with {kind} images in all): move some there, or give no split at all"
                )
                raise DataError(msg)


def _plan_without_val(listings: Sequence[Listing]) -> tuple[list[Listing], Plan]:
    if any(listing.defective for listing in listings if listing.split == "train"):
        note = "no val split was given: a fifth of train was set aside for it by group"
        return list(listings), Plan(dealt="train", shares=_FROM_TRAIN, note=note)
    note = (
        "train has no defects (a split for anomaly detection): all images were dealt anew, 60/20/20, to train, val and "
        "test by group, so figures cannot be compared with those on the original split"
    )
    return [replace(listing, split=None) for listing in listings], Plan(dealt=None, shares=_ALL, note=note)


def _deal(members: Mapping[int, Sequence[Listing]], shares: Mapping[Split, int]) -> dict[int, Split]:
    counts: dict[bool, Counter[Split]] = {True: Counter(), False: Counter()}
    chosen: dict[int, Split] = {}
    for unit in sorted(members, key=lambda unit: _rank(members[unit])):
        defective = any(listing.defective for listing in members[unit])
        chosen[unit] = min(shares, key=lambda split: counts[defective][split] / shares[split])
        for listing in members[unit]:
            counts[listing.defective][chosen[unit]] += 1
    return chosen


def _rank(members: Sequence[Listing]) -> tuple[bool, str, int, str]:
    """Defective units first, so that the good images they carry along are counted before good units are dealt."""
    kinds = Counter(str(listing.label) for listing in members if listing.defective)
    kind = min(kinds, key=lambda label: (-kinds[label], label), default="")
    first = min(listing.path for listing in members)
    return not kinds, kind, -len(members), hashlib.sha256(first.encode()).hexdigest()


def _require_apart(dataset: Dataset, what: str) -> None:
    ordered = sorted(dataset.samples, key=lambda sample: (str(getattr(sample, what)), sample.split, sample.path))
    for one, other in pairwise(ordered):
        if getattr(one, what) == getattr(other, what) and one.split != other.split:
            shared = f"group {one.group!r}" if what == "group" else "the same content"
            msg = (
                f"{one.path} ({one.split}) and {other.path} ({other.split}) have {shared}; "
                "a part must stay in one split: correct the split, or give none"
            )
            raise DataError(msg)
