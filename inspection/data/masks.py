"""What the values of masks mean: found out once from all masks of a data set, never file by file.

One file shows too little: where a mask holds 1 and 255, is 255 the defect or the ring that annotators left open? Is 8
a class or the soft edge of a brush? So the values of all masks are looked at together. A few values are class numbers:
every one but the background marks a defect. Many values, or a lossy format, are soft edges: the upper half marks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError
from .dataset import MaskRule
from .entries import COLOUR, Entry, MaskValues, plane_of, strength_of
from .files import images_in
from .images import decode_with_header, read_bytes
from .settings import MaskSettings

_FEW = 32
_MIDDLE = 127
_LOSSY = frozenset({"jpeg", "jp2", "webp"})
_SHOWN = 6


def share_of(values: MaskValues, rule: MaskRule) -> float:
    """Give the share of pixels that a mask marks, 0 to 1."""
    if rule.soft:
        marked = values.bright if rule.above else values.nonzero
        return 1 - marked if rule.inverted else marked
    unmarked = sum(values.counts.get(value, 0) for value in {rule.background, *rule.ignore})
    return 1 - unmarked / sum(values.counts.values())


def read_mask(file: Path, rule: MaskRule) -> NDArray[np.bool_]:
    """Read a mask, True where the part is defective.

    Args:
        file: An image, or a folder of images that are one mask together (MVTec LOCO).
        rule: As `Dataset.masks`.

    Returns:
        bool (height, width).

    Raises:
        DataError: As for `read_frame`, or a folder holds no image.
    """
    parts = [_marked(each, rule) for each in files_of(file)]
    if any(part.shape != parts[0].shape for part in parts):
        msg = f"{file}: wanted mask images of one size, got {', '.join(sorted({str(part.shape) for part in parts}))}"
        raise DataError(msg)
    whole: NDArray[np.bool_] = np.logical_or.reduce(parts)
    return whole


def read_kinds(file: Path, rule: MaskRule) -> dict[str, NDArray[np.bool_]]:
    """Read a mask whose values are kinds of defect: bool `[height, width]` for each kind that it marks.

    Args:
        file: As for `read_mask`.
        rule: As `Dataset.masks`, with `kinds`.

    Raises:
        DataError: As for `read_mask`.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for each in files_of(file):
        content = read_bytes(each)
        plane = plane_of(content, decode_with_header(each, content)[1])
        for value, kind in rule.kinds:
            if (marked := plane == value).any():
                found[kind] = found[kind] | marked if kind in found else marked
    return found


def _marked(file: Path, rule: MaskRule) -> NDArray[np.bool_]:
    content = read_bytes(file)
    pixels = decode_with_header(file, content)[1]
    plane = plane_of(content, pixels)
    if not rule.soft:
        classes: NDArray[np.bool_] = plane != rule.background
        for value in rule.ignore:
            classes &= plane != value
        return classes
    deep = 257 if pixels.dtype == np.uint16 else 1
    marked: NDArray[np.bool_] = strength_of(plane) > deep * rule.above
    return ~marked if rule.inverted else marked


def files_of(mask: Path) -> list[Path]:
    """Give the files of a mask: itself, or the images of the folder that it is.

    Raises:
        DataError: The folder holds no image.
    """
    if not mask.is_dir():
        return [mask]
    found = images_in(mask)
    if not found:
        msg = f"{mask}: wanted mask images in this folder, got none"
        raise DataError(msg)
    return found


def kinds_in(values: MaskValues, rule: MaskRule) -> tuple[str, ...]:
    """Name the kinds that a mask's values stand for, sorted; none where values are no kinds."""
    return tuple(sorted({kind for value, kind in rule.kinds if values.counts.get(value)}))


def mask_rule(
    masks: Mapping[str, Entry], settings: MaskSettings, *, named: Mapping[int, str] | None = None
) -> tuple[MaskRule, list[str]]:
    """Find out how the masks of a data set are to be read.

    Args:
        masks: By path, every mask of the data set.
        settings: What the user wrote.
        named: Kinds by value, as the data set names them; empty: values are kinds only where the user names some.
            None: an image's label is its kind.

    Returns:
        The rule, and notes on what was assumed.

    Raises:
        DataError: A value to ignore, or a value that is named, is in no mask.
    """
    values = {path: MaskValues.from_json(entry.mask_values) for path, entry in masks.items()}
    seen: Counter[int] = Counter()
    for each in values.values():
        seen.update(each.counts)
    lossy = any(entry.kind in _LOSSY for entry in masks.values())
    if lossy or len(seen) > _FEW or not all(each.counts for each in values.values()):
        return _soft_rule(values, settings), []
    _require_seen(seen, settings.ignored, "ignore")
    _require_seen(seen, list(settings.kinds), "kinds")
    rule, notes = _rule_of_classes(seen, settings)
    marks = [value for value in sorted(seen) if value not in (rule.background, *rule.ignore)]
    names = settings.kinds or named or {}
    if names or (named is not None and len(marks) > 1):
        rule = replace(rule, kinds=tuple((value, names.get(value, f"value_{_name(value)}")) for value in marks))
    return rule, notes


def _soft_rule(values: Mapping[str, MaskValues], settings: MaskSettings) -> MaskRule:
    if settings.ignored or settings.kinds:
        what = f"ignore: {settings.ignored[0]}" if settings.ignored else f"kinds: {next(iter(settings.kinds))}"
        msg = (
            f"data.mask: {what} cannot be told from soft edges: the masks hold more than {_FEW} "
            "different values or are JPEG, WebP or JPEG 2000; export them as PNG without smoothing"
        )
        raise DataError(msg)
    bright = any(each.bright for each in values.values())
    return MaskRule(soft=True, above=_MIDDLE if bright else 0, inverted=settings.inverted)


def _rule_of_classes(seen: Mapping[int, int], settings: MaskSettings) -> tuple[MaskRule, list[str]]:
    left = {value: count for value, count in seen.items() if value not in settings.ignored}
    notes = []
    if settings.inverted:
        background = max((value for value in left if value < COLOUR), default=0)
    elif 0 in left or not left:
        background = 0
    else:
        background = max(left, key=lambda value: left[value])
        if len(left) > 1:
            notes.append(
                f"masks hold no black: their most frequent value, {_name(background)}, is taken as the background"
            )
    marks = sorted(value for value in left if value != background)
    if len(marks) > 1:
        notes.append(
            f"masks hold the values {_names([background, *marks])}: every one but {_name(background)} marks a defect; "
            f"if one means `ignore`, write data.mask: {{ignore: {marks[-1] if marks[-1] < COLOUR else 255}}}"
        )
    return MaskRule(background=background, ignore=settings.ignored), notes


def _require_seen(seen: Mapping[int, int], values: Sequence[int], key: str) -> None:
    absent = [value for value in values if value not in seen]
    if seen and absent:
        msg = f"data.mask: {key}: no mask holds {absent[0]}; they hold {_names(sorted(seen))}"
        raise DataError(msg)


def covering(shares: Mapping[str, float]) -> list[str]:
    """Name masks that mark more than half of their image; `shares` is by path, as `share_of` gives it."""
    large = [path for path, share in shares.items() if share > 0.5]
    if not large:
        return []
    note = (
        f"{len(large)} of {len(shares)} masks mark more than half of their image, such as {large[0]}; "
        "if what they mark is the good part, write data.mask: {inverted: true}"
    )
    return [note]


def _names(values: Sequence[int]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(_name(value) for value in values[:_SHOWN]) + more


def _name(value: Any) -> str:
    return f"#{value - COLOUR:06x}" if value >= COLOUR else str(value)
