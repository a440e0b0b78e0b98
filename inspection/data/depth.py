"""How the grey levels of 16-bit files become 8 bits, and how many are left then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..base.errors import DataError
from .dataset import Listing
from .entries import Entry
from .settings import DataSettings

_FEW_LEVELS = 32


def depth_of(listings: Sequence[Listing], entries: Sequence[Entry], settings: DataSettings) -> tuple[int, list[str]]:
    """Choose the bit depth of a data set.

    Args:
        listings: Usable images.
        entries: One for each listing.
        settings: Of these `bit_depth` and `window`.

    Returns:
        Bits of 16-bit files that are used, 8 where there are none; and notes: files that come out dark, or with fewer
        than 32 grey levels between the darkest and the brightest 0.1 % of their pixels.

    Raises:
        DataError: Values do not fit into `bit_depth`, or `window` is written where no image has 16 bits.
    """
    deep = [(entry, listing.path) for entry, listing in zip(entries, listings, strict=True) if entry.bits == 16]
    if not deep:
        if settings.window is not None:
            msg = f"data.window: {list(settings.window)} is for 16-bit images, and there are none; remove it"
            raise DataError(msg)
        return 8, []
    depth = settings.bit_depth or 16
    if settings.window is None:
        _require_fitting_depth(deep, depth)
    given = settings.window or (0, (1 << depth) - 1)
    peak = max(entry.peak for entry, _ in deep)
    used = max(8, peak.bit_length())
    shallow = settings.bit_depth is None and settings.window is None and used <= depth - 2
    if shallow and _levels(deep, (0, (1 << used) - 1)) >= _FEW_LEVELS:
        note = f"16-bit images use {used} bits only (up to {peak}) and come out dark"
        return depth, [f"{note}; consider data.bit_depth: {used}"]
    levels = _levels(deep, given)
    return depth, [_few_levels(deep, levels)] if levels < _FEW_LEVELS else []


def _levels(deep: Sequence[tuple[Entry, str]], window: tuple[int, int]) -> int:
    """Count the grey levels, 0 to 256, that a middling image spreads over."""
    low, high = (int(np.median([getattr(entry, name) for entry, _ in deep])) for name in ("low", "high"))
    black, white = window
    return max(0, 1 + 255 * (min(high, white) - max(low, black)) // (white - black))


def _require_fitting_depth(deep: Sequence[tuple[Entry, str]], depth: int) -> None:
    entry, path = max(deep, key=lambda each: each[0].peak)
    if entry.peak < 1 << depth:
        return
    hot = f" (99.9 % of its pixels are at most {entry.high})" if entry.high < 1 << depth else ""
    msg = (
        f"{path}: wanted values of {depth} bits, got {entry.peak}{hot}; set data.bit_depth to "
        f"{entry.peak.bit_length()} or more, or data.window: [0, {(1 << depth) - 1}] to clip what is above"
    )
    raise DataError(msg)


def _few_levels(deep: Sequence[tuple[Entry, str]], levels: int) -> str:
    low, high = min(entry.low for entry, _ in deep), max(entry.high for entry, _ in deep)
    black, white = (0, (1 << high.bit_length()) - 1) if low < high // 4 else (low, high)
    return (
        f"16-bit images are left with {levels} grey levels of 256 (nearly all their values lie between {low} "
        f"and {high}), too few to see fine defects: write data.window: [{black}, {max(white, black + 1)}]"
    )
