"""Which reference belongs to which image, and that no reference gives away what is to be found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ..base.errors import DataError
from ..base.table import columns_of, read_table
from .dataset import Dataset, Listing, Sample
from .files import images_below, plain_name

_TABLE = "labels.csv"
_MOST_ASPECT = 4  # references are aligned on a copy of 64 pixels; of narrower frames too few would be left across
_PLACES = ("group", "name", "stem", "path")


def with_references(root: Path, listings: Sequence[Listing], wanted: str) -> list[Listing]:
    """Name every image's reference, as `data.reference` says; whether the files are there is found out later.

    Args:
        root: Of the data set.
        listings: With their groups, where these have names.
        wanted: A pattern with `{group}`, `{name}`, `{stem}` or `{path}`, a column of labels.csv, or a folder.

    Raises:
        DataError: It is none of these, images have no group that it asks for, or two files of a folder are called as
            one image wants its reference to be.
    """
    if "{" in wanted:
        return [replace(each, reference=_filled(wanted, each)) for each in listings]
    if (root / _TABLE).is_file() and wanted in columns_of(root / _TABLE):
        column = _column(root, wanted)
        return [replace(each, reference=column.get(each.path)) for each in listings]
    if (root / wanted).is_dir():
        files: dict[str, list[Path]] = {}
        for file in images_below(root / wanted):
            files.setdefault(plain_name(_stem(file.relative_to(root / wanted))), []).append(file)
        return [replace(each, reference=_in_folder(root, each, files)) for each in listings]
    msg = (
        f"data.reference: {wanted!r} is no column of {_TABLE} and no folder below {root}; write one of these, or a "
        "pattern such as reference/{group}.png"
    )
    raise DataError(msg)


def require_references(listings: Sequence[Listing], wanted: str) -> None:
    """Refuse images without a reference.

    Raises:
        DataError: There are some; the message names the first ones.
    """
    without = [each.path for each in listings if each.reference is None]
    if without:
        msg = (
            f"data.reference: {wanted!r} names no reference for {len(without)} of {len(listings)} images, such as "
            f"{', '.join(without[:3])}; add them, or set data.skip_unreadable: true to go on without these images"
        )
        raise DataError(msg)


def _too_narrow(sample: Sample) -> str:
    return (
        f"{sample.path}: wanted frames of at most {_MOST_ASPECT} : 1 to move references onto, got {sample.width} x "
        f"{sample.height}; cut the part out with camera.region, or drop data.reference"
    )


def check_references(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Check that images can be aligned, that none is its own reference, and none of another split serves as one.

    Files decide. Equal contents may be chance (binarised crops with little on them), so they are a caution.

    Returns:
        Notes for the user, and cautions.

    Raises:
        DataError: There is such an image; the message names it.
    """
    for sample in dataset.samples:
        if max(sample.height, sample.width) > _MOST_ASPECT * min(sample.height, sample.width):
            raise DataError(_too_narrow(sample))
    by_path = {sample.path: sample for sample in dataset.samples}
    by_digest = {sample.digest: sample for sample in dataset.samples}
    alike = []
    for sample in dataset.samples:
        if (same := by_path.get(sample.reference or "")) is not None and _gives_away(sample, same):
            raise DataError(_leak(sample, same))
        if (same := by_digest.get(sample.reference_digest or "")) is not None and _gives_away(sample, same):
            alike.append(sample)
    splits: dict[str, set[str]] = {}
    for sample in dataset.samples:
        splits.setdefault(sample.reference or "", set()).add(sample.split)
    shared = sum(len(each) > 1 and "test" in each for each in splits.values())
    return [_shared(shared, len(splits))] if shared else [], [_alike(alike)] if alike else []


def _gives_away(sample: Sample, reference: Sample) -> bool:
    return reference is sample or reference.split != sample.split


def _leak(sample: Sample, other: Sample) -> str:
    if other is sample:
        return (
            f"{sample.path} is its own reference: it would be compared with itself; take the photograph out of the "
            "samples, or take another one as reference"
        )
    return (
        f"{other.path}, the reference of {sample.path} ({sample.split}), is a sample of {other.split}; take it out of "
        f"{other.split}, or take another one as reference"
    )


def _alike(samples: Sequence[Sample]) -> str:
    return (
        f"references with the very content of a sample of theirs or of another split: {len(samples)}, such as that of "
        f"{samples[0].path}; see that no photograph serves as both"
    )


def _shared(shared: int, every: int) -> str:
    return (
        f"{shared} of {every} references serve test and another split alike: how the model does on a product that it "
        "was not trained with is not measured"
    )


def _filled(pattern: str, listing: Listing) -> str:
    path = PurePosixPath(listing.path)
    values = {"group": listing.group, "name": path.name, "stem": path.stem, "path": listing.path}
    try:
        filled = pattern.format_map({name: value for name, value in values.items() if value is not None})
    except (KeyError, ValueError, IndexError) as error:
        if "{group}" in pattern and listing.group is None:
            msg = f"data.reference: {pattern!r} asks for a group, {listing.path} has none; write data.group"
        else:
            known = ", ".join(f"{{{name}}}" for name in _PLACES)
            msg = f"data.reference: wanted a pattern with {known}, got {pattern!r} ({error})"
        raise DataError(msg) from error
    return str(PurePosixPath(filled))


def _column(root: Path, name: str) -> dict[str, str]:
    rows = read_table(root / _TABLE, required=("path", name))
    return {
        str(PurePosixPath(row.values["path"])): str(PurePosixPath(row.values[name])) for row in rows if row.values[name]
    }


def _in_folder(root: Path, listing: Listing, files: Mapping[str, Sequence[Path]]) -> str | None:
    """Find a file called as the image's path, as its name or as its group; where there is one alone, it is for all."""
    path = PurePosixPath(listing.path)
    names = [str(path.with_suffix("")), path.stem, *filter(None, [listing.group])]
    found = next((files[plain_name(name)] for name in names if plain_name(name) in files), None)
    if found is None and len(files) == 1:
        found = next(iter(files.values()))
    if found is None:
        return None
    if len(found) > 1:
        named = " and ".join(each.relative_to(root).as_posix() for each in found[:2])
        msg = f"data.reference: wanted one reference for {listing.path}, got {named}; keep one of them"
        raise DataError(msg)
    return found[0].relative_to(root).as_posix()


def _stem(path: Path) -> str:
    return path.with_suffix("").as_posix()
