"""What the files' looks and names give away: labels that need no defect to be guessed, torn parts, odd files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from .dataset import Listing
from .entries import Entry

_FEWEST = 6  # images of a class below which anything may tell the label by chance
_SHORTCUT = 0.98  # balanced accuracy, or area under the ROC curve
_FEWEST_STEMS = 3
_PARTS = re.compile(r"^(.*?\D?\d+)[ _.-]+[^ _.-]+$")


def file_notes(
    listings: Sequence[Listing], entries: Sequence[Entry], *, scaled: bool, mosaics: bool = False
) -> list[str]:
    """Name images that are more than they show: turned, of several pages, raw mosaics, of two depths.

    Args:
        listings: Usable images.
        entries: One for each listing.
        scaled: Whether the user said which grey levels of 16-bit files are black and white.
        mosaics: Whether the user said that images are raw mosaics.
    """
    pairs = list(zip(listings, entries, strict=True))
    several = [listing.path for listing, entry in pairs if entry.pages > 1]
    turned = [f"{listing.path} (tag {entry.orientation})" for listing, entry in pairs if entry.orientation != 1]
    raw = [] if mosaics else [listing.path for listing, entry in pairs if entry.mosaic]
    deep = [listing.path for listing, entry in pairs if entry.bits == 16]
    notes = []
    if several:
        notes.append(f"{len(several)} files hold several pages, of which only the first is read, such as {several[0]}")
    if turned:
        notes.append(
            f"{len(turned)} images carry an orientation tag, such as {turned[0]}: their pixels are taken as they are "
            "stored, as cameras send them; masks drawn in a viewer that turns them do not fit"
        )
    if raw:
        notes.append(
            f"{len(raw)} grey images look like raw colour mosaics (Bayer) of a sensor, such as {raw[0]}: write "
            "camera.bayer: rggb, or the order that its data sheet names; or convert them to colour, at the camera too"
        )
    if not scaled and 0 < len(deep) < len(pairs):
        shallow = next(listing.path for listing, entry in pairs if entry.bits == 8)
        notes.append(
            f"{len(deep)} images have 16 bits, such as {deep[0]}, and {len(pairs) - len(deep)} have 8, such as "
            f"{shallow}: their grey levels compare only if data.bit_depth or data.window says how"
        )
    return notes


def shortcut_notes(listings: Sequence[Listing], entries: Sequence[Entry]) -> list[str]:
    """Say where the way of recording alone tells good from defective: a network would learn that and no defect.

    Args:
        listings: Usable images.
        entries: One for each listing.
    """
    defective = np.array([listing.defective for listing in listings])
    if min(defective.sum(), (~defective).sum()) < _FEWEST:
        return []
    traits: dict[str, Callable[[Entry], object]] = {
        "the number of channels": lambda entry: (entry.channels, entry.colour),
        "the bit depth": lambda entry: entry.bits,
        "the image size": lambda entry: (entry.width, entry.height),
        "the file type": lambda entry: entry.kind,
    }
    found = [name for name, trait in traits.items() if _determines([trait(entry) for entry in entries], defective)]
    if not found and _separates([entry.noise for entry in entries], defective):
        found = ["the noise"]
    return [
        f"{name} alone tells good from defective parts: a network may learn that instead of defects; record both alike"
        for name in found[:1]
    ] + [f"so does {name}" for name in found[1:]]


def name_notes(listings: Sequence[Listing]) -> list[str]:
    """Hint at photographs of one part in several splits, where names share all but their last part.

    Args:
        listings: With their splits, of a data set that names no groups.
    """
    splits: dict[str, set[str | None]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for listing in listings:
        if found := _PARTS.match(PurePosixPath(listing.path).stem):
            splits[found[1]].add(listing.split)
            counts[found[1]] += 1
    shared = [stem for stem, count in counts.items() if count > 1]
    torn = sorted(stem for stem in shared if len(splits[stem]) > 1)
    if len(shared) < _FEWEST_STEMS or 2 * sum(counts[stem] for stem in shared) < len(listings) or not torn:
        return []
    note = (
        f"{len(torn)} of {len(shared)} names that several images begin with, such as {torn[0]!r}, are in more than one "
        f"split: if these images show one part, write data.group: '{_pattern_of(torn[0])}'"
    )
    return [note]


def _pattern_of(stem: str) -> str:
    r"""Write a regular expression for names like this one.

    >>> _pattern_of("part012"), _pattern_of("2021-03 tile7")
    ('(part\\d+)[ _.-]', '(\\d+\\-\\d+\\ tile\\d+)[ _.-]')
    """
    return "(" + "".join("\\d+" if each.isdigit() else re.escape(each) for each in re.split(r"(\d+)", stem)) + ")[ _.-]"


def _determines(values: Sequence[object], defective: NDArray[np.bool_]) -> bool:
    """Whether calling each value by the class that it is more frequent in is right nearly always, for both classes.

    Values that only one image has count as one value: alone, each would tell its own label.
    """
    frequent = Counter(values)
    good: Counter[object] = Counter()
    bad: Counter[object] = Counter()
    for value, is_defective in zip(values, defective, strict=True):
        (bad if is_defective else good)[value if frequent[value] > 1 else None] += 1
    every = {*good, *bad}
    right = sum(max(good[value] / good.total(), bad[value] / bad.total()) for value in every) / 2
    return 1 < len(every) <= 1 + len(values) / 10 and right >= _SHORTCUT


def _separates(values: Sequence[float], defective: NDArray[np.bool_]) -> bool:
    from scipy.stats import rankdata

    ranks = rankdata(values)
    bad = int(defective.sum())
    area = (ranks[defective].sum() - bad * (bad + 1) / 2) / (bad * (len(defective) - bad))
    return bool(max(area, 1 - area) >= _SHORTCUT)
