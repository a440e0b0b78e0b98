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
_ALL_GOOD: Mapping[Split, int] = {"train": 40, "val": 50, "test": 10}
_GOOD_TRAIN: Mapping[Split, int] = {"train": 50, "val": 50}
"""Without defects val alone sets the threshold and bounds overkill: it gets as much as the teacher."""


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


def plan_splits(listings: Sequence[Listing], *, needs_defects: bool = True) -> tuple[list[Listing], Plan]:
    """Decide what is left to split.

    Args:
        listings: Good and defective ones, or good ones only.
        needs_defects: False where the teacher learns from good parts alone: a train split without defects then stays.

    Returns:
        The listings, without their splits if all are dealt anew, and the plan for `deal_splits`.

    Raises:
        DataError: Some images have a split and some have none, or train is missing.
    """
    given = {listing.split for listing in listings}
    good_only = not any(listing.defective for listing in listings)
    if given == {None} and good_only and not needs_defects:
        note = (
            "no split was given: good parts were dealt 40/50/10 to train, val and test by group; half of them, val, "
            "set the threshold"
        )
        return list(listings), Plan(dealt=None, shares=_ALL_GOOD, note=note)
    if given == {None}:
        note = "no split was given: images were dealt 60/20/20 to train, val and test by group"
        return list(listings), Plan(dealt=None, shares=_ALL, note=note)
    if None in given:
        without = [listing.path for listing in listings if listing.split is None]
        msg = (
            f"{len(without)} of {len(listings)} images have no split, such as {without[0]}; give it for all or for none"
        )
        raise DataError(msg)
    listings, judged_on_val = _val_as_test(listings, given)
    given = {listing.split for listing in listings}
    judged_only = {listing.split for listing in listings if listing.defective} == {"test"}
    if given == set(SPLITS) and not (judged_only and needs_defects):
        return list(listings), Plan(dealt=None, shares={}, note="")
    if len(given) == 1:
        planned, plan = plan_splits([replace(each, split=None) for each in listings], needs_defects=needs_defects)
        return planned, replace(plan, note=f"all images are in {next(iter(given))}; {plan.note}")
    if given not in ({"train", "test"}, set(SPLITS)):
        msg = f"splits: wanted train and test or all of {', '.join(SPLITS)}, got {', '.join(sorted(map(str, given)))}"
        raise DataError(msg)
    planned, plan = _plan_without_val(listings, needs_defects=needs_defects)
    return planned, replace(plan, note=f"{judged_on_val}{plan.note}")


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


def check_splits(dataset: Dataset, *, needs_defects: bool = True) -> None:
    """Check that splits share no group and no file, and that each holds good and, where needed, defective parts.

    Raises:
        DataError: They do not; the message names two files or the split.
    """
    _require_apart(dataset, "group")
    _require_apart(dataset, "digest")
    kinds = ((False, "good"), (True, "defective"))
    for split in SPLITS:
        samples = dataset.of(split)
        for defective, kind in kinds if needs_defects else kinds[:1]:
            if not any(sample.defective == defective for sample in samples):
                groups = len({sample.group for sample in dataset.samples if sample.defective == defective})
                if not needs_defects:
                    raise DataError(_too_few_good(groups))
                msg = (
                    f"split {split} has no {kind} image; each of {', '.join(SPLITS)} needs good and defective ones "
                    f"(there are {groups} groups with {kind} images in all): move some there, or give no split at all"
                )
                raise DataError(msg)


def _too_few_good(groups: int) -> str:
    return (
        f"learning from good parts alone: wanted good photographs of at least {len(SPLITS)} different parts, to learn "
        f"from, to set the threshold and to try it, got {groups} (photographs that look alike count as one part); "
        "take photographs of more parts, each another one, or write data.near_duplicates: false if they are different"
    )


def _val_as_test(listings: Sequence[Listing], given: set[Split | None]) -> tuple[list[Listing], str]:
    """Judge a data set that has train and val alone on its val, as its publishers do."""
    if given != {"train", "val"}:
        return list(listings), ""
    moved = [replace(each, split="test") if each.split == "val" else each for each in listings]
    return moved, "no test split was given: val serves as the test; "


def _plan_without_val(listings: Sequence[Listing], *, needs_defects: bool) -> tuple[list[Listing], Plan]:
    if not needs_defects and not any(listing.defective for listing in listings if listing.split == "train"):
        note = "train has no defects: half of it was set aside by group as val, which sets the threshold"
        return list(listings), Plan(dealt="train", shares=_GOOD_TRAIN, note=note)
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
