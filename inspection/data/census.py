"""What lies in a data folder and belongs to no sample, counted by folder and suffix."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from .dataset import Listing
from .files import IMAGE_SUFFIXES, is_mask_folder

# Kinds of images that are not read, but that somebody may take for samples.
_UNREAD = frozenset({
    ".arw", ".avif", ".cr2", ".dcm", ".dng", ".exr", ".gif", ".hdr", ".heic", ".heif", ".jfif", ".jxl", ".mpo", ".nef",
    ".npy", ".npz", ".orf", ".pic", ".raw", ".rw2", ".sr", ".tga",
})  # fmt: skip
_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One folder below the root.

    Attributes:
        folder: Relative to the root, POSIX separators; `.` is the root itself.
        left: Names of images that belong to no sample.
        used: How many files there are a sample or its mask.
    """

    folder: str
    left: tuple[str, ...]
    used: int


def census(root: Path, listings: Sequence[Listing], *, unlabelled: Sequence[str]) -> list[str]:
    """Count images that belong to no sample, and defects that have a mask.

    Args:
        root: Of the data set; links to folders are not followed.
        listings: What the reader found.
        unlabelled: `data.unlabelled`.

    Returns:
        Notes for the user.

    Raises:
        DataError: A folder of masks holds only files that belong to no image, or a folder of `unlabelled` is missing.
    """
    for folder in unlabelled:
        if not (root / folder).is_dir():
            msg = f"data.unlabelled: {folder!r} is no folder below {root}; correct or remove it"
            raise DataError(msg)
    left = [place for place in _places(root, listings, unlabelled) if place.left]
    defective = [listing for listing in listings if listing.defective]
    masked = sum(listing.mask is not None for listing in defective)
    _require_matching(left, f"{masked} of {len(defective)} defective images have a mask")
    notes = []
    if 0 < masked < len(defective):
        bare = next(listing.path for listing in defective if listing.mask is None)
        notes.append(
            f"{masked} of {len(defective)} defective images have a mask; the others, such as {bare}, "
            "count by label alone"
        )
    return [*notes, *_left_over(left)]


def _require_matching(left: Sequence[_Place], coverage: str) -> None:
    for place in left:
        if not place.used and any(is_mask_folder(part) for part in PurePosixPath(place.folder).parts):
            msg = (
                f"{coverage}; {place.folder} holds {len(place.left)} files that belong to no image, such as "
                f"{place.left[0]}: a mask is called as its image, perhaps with _mask, _GT, -label or _seg behind it, "
                "with any suffix; rename them (or correct the column mask of a table), or name the folder in "
                "data.unlabelled if these are no masks"
            )
            raise DataError(msg)


def _left_over(left: Sequence[_Place]) -> list[str]:
    if not left:
        return []
    counts = Counter({place.folder: len(place.left) for place in left})
    shown = [_described(place) for place in sorted(left, key=lambda place: (-len(place.left), place.folder))[:_SHOWN]]
    more = f", and {len(left) - _SHOWN} more folders" if len(left) > _SHOWN else ""
    note = (
        f"{sum(counts.values())} images belong to no sample and are not used: {', '.join(shown)}{more}; if that is on "
        "purpose, name their folders in data.unlabelled"
    )
    return [note]


def _described(place: _Place) -> str:
    suffixes = Counter(PurePosixPath(name).suffix.lower() for name in place.left)
    kinds = ", ".join(
        f"{count} {suffix}{'' if suffix in IMAGE_SUFFIXES else ' (not read: convert them)'}"
        for suffix, count in suffixes.most_common()
    )
    return f"{place.folder} ({kinds})"


def _places(root: Path, listings: Sequence[Listing], unlabelled: Sequence[str]) -> Iterator[_Place]:
    paths = (path for each in listings for path in (each.path, each.mask, each.reference))
    used = {path for path in paths if path is not None}
    apart = {str(PurePosixPath(folder)) for folder in unlabelled}
    for place, folders, names in os.walk(root):
        folder = Path(place).relative_to(root).as_posix()
        within = "" if folder == "." else f"{folder}/"
        folders[:] = [each for each in folders if not each.startswith(".") and f"{within}{each}" not in apart | used]
        images = [
            name
            for name in sorted(names)
            if not name.startswith(".") and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES | _UNREAD
        ]
        left = tuple(name for name in images if f"{within}{name}" not in used)
        yield _Place(folder=folder, left=left, used=len(images) - len(left))
