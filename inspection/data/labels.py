"""Which labels mean a good part, and labels that look as if they did."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..base.errors import DataError
from .dataset import Listing

GOOD = "good"
_SHOWN = 12
# Words for a good part in the languages that inspection data comes in.
_WORDS = frozenset({
    "good", "goods", "ok", "okay", "io", "normal", "pass", "passed", "passing", "clean", "flawless", "perfect",
    "accept", "accepted", "intact", "healthy", "conforming", "nodefect", "nodefects", "defectfree", "undamaged",
    "nondefective", "uncracked", "noncracked", "negative", "negatives", "faultfree", "gut", "bon",
    "conforme", "bueno", "buono", "정상", "양품", "良品", "良", "正常", "合格", "合格品",
})  # fmt: skip
_SURE = frozenset({"good", "ok"})  # also at the beginning or the end of a name, such as `ok_front`
_DENIED = frozenset({"bad", "def", "defect", "defects", "ng", "no", "nok", "non", "not", "un"})
_FLAGS = frozenset({"0", "1", "true", "false", "yes", "no"})


def settle_labels(listings: Sequence[Listing], good: Sequence[str]) -> list[Listing]:
    """Call every label that means a good part `good`, and drop areas that are labelled so.

    Args:
        listings: As a reader gave them.
        good: `data.good`.

    Raises:
        DataError: A label that is not in `good` reads like a good part, so that good parts would count as defects.
    """
    counts = Counter(label for listing in listings for label in _labels(listing))
    doubtful = [label for label in counts if label not in {GOOD, *good} and reads_as_good(label, good)]
    if doubtful:
        sure = [label for label in doubtful if _plain(label) not in _FLAGS] or doubtful[:1]
        wanted = [*(label for label in good if label in counts), *sure]
        msg = (
            f"label {sure[0]!r} reads like a good part, but would count as a defect; labels seen: "
            f"{counts_text(counts)}; say which mean good, such as data.good: [{', '.join(map(_quoted, wanted))}], "
            "or rename the label"
        )
        raise DataError(msg)
    return [_settled(each, good) for each in listings]


def _labels(listing: Listing) -> set[str]:
    named = {area.kind for area in listing.areas}
    return named if listing.label is None else named | {listing.label}


def _settled(listing: Listing, good: Sequence[str]) -> Listing:
    """Take away areas that mark what is good, such as the part itself."""
    if not listing.areas:
        return replace(listing, label=GOOD) if listing.label in good else listing
    areas = tuple(area for area in listing.areas if area.kind not in good)
    return replace(listing, areas=areas, label=listing.label if areas else GOOD)


def counts_text(counts: Counter[str]) -> str:
    """Write labels with their counts, the most frequent first."""
    shown = ", ".join(f"{label} ({count})" for label, count in counts.most_common(_SHOWN))
    return shown + (f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")


def reads_as_good(label: str, good: Sequence[str] = (GOOD,)) -> bool:
    """Whether it is a word for good, in any case and width; 0 and 1 only as long as nobody has said which is good."""
    plain, words = _plain(label), re.findall(r"[^\W\d_]+", label.casefold()) or [""]
    begins_or_ends = bool({words[0], words[-1]} & _SURE) and not _DENIED.intersection(words)
    known = plain in _WORDS | {_plain(each) for each in good} or begins_or_ends
    return known or (tuple(good) == (GOOD,) and plain in _FLAGS)


def _plain(label: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", label).casefold())


def _quoted(label: str) -> str:
    plain = re.fullmatch(r"[A-Za-z]\w*", label) and _plain(label) not in _FLAGS | {"on", "off", "y", "n", "null"}
    return label if plain else f"'{label}'"
