"""From a folder of photographs to a `Dataset`: read, opened once, grouped, split and checked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..base.errors import DataError
from ..readers import reader_for
from .camera import WHOLE_FRAME, CameraSettings
from .census import census
from .dataset import SPLITS, Dataset, Listing, MaskRule, Sample, Split
from .depth import depth_of
from .entries import Entry, MaskValues, together
from .files import as_stored, entries_of, locate
from .good_areas import with_good_areas
from .grouping import contradictions, group_listings, units_of
from .hints import file_notes, name_notes, shortcut_notes
from .ignoring import read_ignored
from .indexing import Index, Progress, index_files
from .labels import counts_text, settle_labels
from .marking import fit_areas, label_by_areas, label_by_masks, require_marks_apart
from .masks import covering, files_of, kinds_in, mask_rule, share_of
from .referencing import check_references, require_references, with_references
from .runs import Runs
from .settings import DataSettings
from .splitting import check_splits, deal_splits, plan_splits

_SCHEMA = 1
_SHOWN = 3
_TURNED_BY_A_QUARTER = frozenset({5, 6, 7, 8})


def load_dataset(
    settings: DataSettings,
    *,
    camera: CameraSettings = WHOLE_FRAME,
    cache: Path | None = None,
    progress: Progress | None = None,
    needs_defects: bool = True,
) -> Dataset:
    """Load a data set's facts; images themselves are read again when they are needed.

    Args:
        settings: The `data:` part of line.yaml.
        camera: Its `camera:` part.
        cache: Database file that remembers digests by path, size and time of change, so that a second run opens
            only what has changed; None: every image is opened.
        progress: Called with the number of files opened and of all files, masks included.
        needs_defects: Whether every split must hold defective parts too; False for a teacher of good parts alone.

    Returns:
        All usable images with their splits; `notes` say what was skipped, grouped, dealt, left over or assumed.

    Raises:
        DataError: Anything in the data that cannot be used; the message names the file and the way out.
        StorageError: The cache cannot be written.
    """
    root = _root(settings.root, settings.source)
    listings = _listings(root, settings)
    if needs_defects and all(listing.label is not None for listing in listings):
        _require_both_classes(root, listings, f"as {reader_for(root, settings.reader).name} reads it")
    left_over = census(root, listings, unlabelled=settings.no_samples)
    listings = _without(listings, settings.leave_out)
    entries, unreadable = _opened(root, listings, settings, cache, progress)
    listings, fitting, problems = fit_areas(listings, entries, camera.region)
    problems |= {each.path: each.problem for each in listings if each.problem is not None}
    listings, notes = _readable(root, listings, unreadable | problems, skip=settings.skip_unreadable)
    _require_alike(listings, entries)
    listings, masks, described, large = _with_true_masks(label_by_areas(listings), entries, settings)
    listed = [entries[listing.path] for listing in listings]
    bit_depth, deep = depth_of(listings, listed, settings)
    if needs_defects:
        _require_both_classes(
            root, listings, "; ".join(["as their masks show", *described, *large]), by_areas=not large
        )
    listings, torn, dealt = _in_splits(listings, listed, settings, needs_defects=needs_defects)
    scaled = settings.bit_depth is not None or settings.window is not None
    cautions = [
        *notes,
        *fitting,
        *left_over,
        *large,
        *deep,
        *shortcut_notes(listings, listed),
        *contradictions(listings, listed),
        *torn,
    ]
    notes = [
        *cautions,
        *described,
        *file_notes(listings, listed, scaled=scaled, mosaics=camera.bayer is not None),
        *dealt,
    ]
    dataset = Dataset(
        name=root.name,
        root=root,
        channels=_channels(settings, camera, listings, listed),
        bit_depth=bit_depth,
        samples=tuple(_sample(listing, entries, masks, camera) for listing in listings),
        masks=masks,
        window=settings.window,
        camera=camera,
        ignore=_ignored(camera, listed),
        notes=tuple(notes),
        cautions=tuple(cautions),
    )
    if all(sample.defective for sample in dataset.samples):
        _require_single(settings)
        dataset = with_good_areas(dataset)
    check_splits(dataset, needs_defects=needs_defects)
    if settings.decide == "any":
        _check_parts(dataset)
    return _with_checked_references(dataset) if dataset.referenced else dataset


def _with_checked_references(dataset: Dataset) -> Dataset:
    notes, cautions = check_references(dataset)
    return replace(dataset, notes=(*dataset.notes, *cautions, *notes), cautions=(*dataset.cautions, *cautions))


def _channels(
    settings: DataSettings, camera: CameraSettings, listings: Sequence[Listing], listed: Sequence[Entry]
) -> int:
    """Say how many channels the network is shown."""
    coloured = next((each.path for each, entry in zip(listings, listed, strict=True) if entry.colour), None)
    if camera.bayer is None:
        return settings.channels or (1 if coloured is None else 3)
    if coloured is not None or settings.channels == 1:
        got = "data.channels: 1" if coloured is None else f"{coloured}, which is in colour already"
        msg = f"camera.bayer: {camera.bayer}: wanted raw mosaics, to be shown in colour, got {got}; drop one of the two"
        raise DataError(msg)
    return 3


def _ignored(camera: CameraSettings, listed: Sequence[Entry]) -> Runs | None:
    """Read what is never judged, where frames have the one size that it can be said for."""
    sizes = sorted({(entry.height, entry.width) for entry in listed})
    if camera.ignore is not None and len(sizes) > 1:
        got = ", ".join(f"{width} x {height}" for height, width in sizes[:_SHOWN])
        msg = f"camera.ignore: wanted frames of one size, got {len(sizes)} sizes ({got}, ...); leave ignore out"
        raise DataError(msg)
    return read_ignored(camera, *sizes[0])


def _in_splits(
    listings: Sequence[Listing], listed: Sequence[Entry], settings: DataSettings, *, needs_defects: bool
) -> tuple[list[Listing], list[str], list[str]]:
    """Give every listing its group and its split; with notes on names that splits tear apart, and on what was done."""
    named = any(listing.group is not None for listing in listings)
    planned, plan = plan_splits(listings, needs_defects=needs_defects)
    near_duplicates = settings.near_duplicates and settings.decide == "each"
    grouped, notes = group_listings(planned, listed, near_duplicates=near_duplicates)
    dealt = deal_splits(grouped, units_of(grouped, listed), plan)
    return dealt, [] if named else name_notes(dealt), [*filter(None, [plan.note]), *notes]


def _require_single(settings: DataSettings) -> None:
    """Refuse to judge whole parts where no photograph is good: each part would be rejected."""
    if settings.decide == "any":
        msg = "data.decide: any: wanted photographs of good parts, got defective ones only; add some, or leave it out"
        raise DataError(msg)


def _check_parts(dataset: Dataset) -> None:
    """Refuse to judge whole parts where no part has several photographs: groups are missing or not what was meant."""
    if len({sample.group for sample in dataset.samples}) < len(dataset.samples):
        return
    msg = (
        f"data.decide: wanted parts with several photographs each, got {len(dataset.samples):,} photographs of as many "
        "parts; say which show one part (data.group, or the column `group` of labels.csv), or leave `decide` out"
    )
    raise DataError(msg)


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


def _listings(root: Path, settings: DataSettings) -> list[Listing]:
    """Read the tree, settle names, labels and groups, and refuse early what no image could change."""
    chosen = reader_for(root, settings.reader)
    listings = chosen.read(root)
    stored = as_stored(root, [path for each in listings for path in _paths(each)])
    listings = [
        replace(each, path=stored.get(each.path, each.path), mask=each.mask and stored.get(each.mask, each.mask))
        for each in listings
    ]
    require_marks_apart(listings)
    listings = _labelled(settle_labels(listings, settings.good), settings, chosen.name)
    listings.sort(key=lambda listing: listing.path)
    if settings.group is not None:
        listings = _grouped_by_name(listings, settings.group)
    if settings.reference is not None:
        listings = _referenced(root, listings, settings.reference, skip=settings.skip_unreadable)
    return listings


def _referenced(root: Path, listings: Sequence[Listing], wanted: str, *, skip: bool) -> list[Listing]:
    found = with_references(root, listings, wanted)
    if not skip:
        require_references(found, wanted)
    stored = as_stored(root, [each.reference for each in found if each.reference is not None])
    kept = [each for each in found if each.reference is not None]
    return [replace(each, reference=each.reference and stored.get(each.reference, each.reference)) for each in kept]


def _paths(listing: Listing) -> list[str]:
    return [path for path in (listing.path, listing.mask, listing.reference) if path is not None]


def _labelled(listings: Sequence[Listing], settings: DataSettings, reader: str) -> list[Listing]:
    """Settle what images without an annotation are: good, no samples, or not known, which is refused."""
    bare = {each.path for each in listings if each.label is each.mask is each.problem is None and not each.areas}
    if settings.unlabelled == "good":
        return [replace(each, label="good") if each.path in bare else each for each in listings]
    apart = tuple(f"{folder.strip('/')}/" for folder in settings.no_samples)
    unknown = sorted(path for path in bare if not path.startswith(apart))
    if unknown and settings.unlabelled != "skip":
        msg = (
            f"this looks like {reader}: {len(listings) - len(bare)} images are annotated and {len(unknown)} are not, "
            f"such as {unknown[0]}; if images without an annotation show good parts, write data.unlabelled: good; to "
            "leave them out write data.unlabelled: skip; or name their folder in data.unlabelled, or annotate them"
        )
        raise DataError(msg)
    return [each for each in listings if each.path not in bare]


def _without(listings: Sequence[Listing], paths: Sequence[str]) -> list[Listing]:
    if strange := sorted({*paths} - {listing.path for listing in listings}):
        msg = f"data.leave_out: {_first_few(strange)} are no images of the data set; correct or remove them"
        raise DataError(msg)
    return [listing for listing in listings if listing.path not in paths]


def _grouped_by_name(listings: Sequence[Listing], pattern: str) -> list[Listing]:
    """Name groups after what `data.group` finds in each path."""
    found = [(each, re.search(pattern, each.path)) for each in listings]
    without = [each.path for each, match in found if match is None or not any(match.groups())]
    if without:
        msg = f"data.group: {pattern!r} finds nothing in {len(without)} of {len(listings)} paths: {_first_few(without)}"
        raise DataError(msg)
    return [replace(each, group="/".join(filter(None, match.groups()))) for each, match in found if match is not None]


def _require_both_classes(root: Path, listings: Sequence[Listing], how: str, *, by_areas: bool = True) -> None:
    marked = by_areas and any(listing.mask is not None or listing.areas for listing in listings)
    for defective, kind in ((False, "good"), (True, "defective")):
        if not defective and marked:
            continue  # what lies outside of the marks is good
        if not any(listing.defective == defective for listing in listings):
            seen = counts_text(Counter(str(listing.label) for listing in listings)) or "none"
            way_out = "; where there is no defect yet, write teacher: {kind: memory}" if defective else ""
            msg = (
                f"{root} has {len(listings)} images and no {kind} one ({how}); labels seen: {seen}; inspection is "
                "learnt and judged on both: good parts are labelled `good` or as data.good says, defective ones by "
                f"their defect{way_out}"
            )
            raise DataError(msg)


def _opened(
    root: Path, listings: Sequence[Listing], settings: DataSettings, cache: Path | None, progress: Progress | None
) -> tuple[dict[str, Entry], dict[str, str]]:
    """Open images, masks and references; both results are by path relative to the root."""
    paths = [path for each in listings if not each.problem for path in _paths(each)]
    located = locate(root, paths, follow_links=settings.follow_links)
    files = {path: _files(root, path, place, settings) for path, place in located.items()}
    index = index_files(list(dict.fromkeys(file for each in files.values() for file in each)), cache, progress)
    entries = {path: _entry(path, each, index) for path, each in files.items() if index.entries.keys() >= {*each}}
    failed = {
        path: [index.unreadable[file] for file in each if file in index.unreadable] for path, each in files.items()
    }
    return entries, {path: reasons[0] for path, reasons in failed.items() if reasons}


def _files(root: Path, path: str, place: Path, settings: DataSettings) -> list[Path]:
    """Give the file, or the files of a folder that is a mask, none of which may lie elsewhere either."""
    files = files_of(place)
    if files == [place]:
        return files
    return list(locate(root, [f"{path}/{file.name}" for file in files], follow_links=settings.follow_links).values())


def _entry(path: str, files: Sequence[Path], index: Index) -> Entry:
    return index.entries[files[0]] if len(files) == 1 else together([index.entries[file] for file in files], path)


def _readable(
    root: Path, listings: Sequence[Listing], unreadable: Mapping[str, str], *, skip: bool
) -> tuple[list[Listing], list[str]]:
    if not unreadable:
        return list(listings), []
    described = {each.path for each in listings if each.problem is not None}
    if not skip:
        missing = [path for path in unreadable if not (root / path).exists() and path not in described]
        reasons = [unreadable[path] for path in [*missing, *(path for path in unreadable if path not in missing)]]
        cut = any(word in reason for reason in reasons for word in ("truncated", "damaged"))
        mended = "copy them again, take them out" if cut else "put right what they are, take them out"
        way_out = f"correct the names{_nearest(root, missing[0])}" if missing else mended
        msg = f"{_first_few(reasons, sep='; ')}: {way_out}, or set data.skip_unreadable: true to go on without them"
        raise DataError(msg)
    kept = [each for each in listings if not unreadable.keys() & set(_paths(each))]
    names = _first_few(sorted(unreadable))
    return kept, [f"{len(listings) - len(kept)} of {len(listings)} images were skipped as unreadable: {names}"]


def _nearest(root: Path, path: str) -> str:
    """Name a file that lies where a missing one should and is called nearly as it is."""
    wanted = root / path
    there = {each.name.casefold(): each.name for each in entries_of(wanted.parent)}
    close = get_close_matches(wanted.name.casefold(), list(there), n=1, cutoff=0.7)
    return f" ({wanted.parent.relative_to(root).as_posix()} holds {there[close[0]]!r})" if close else ""


def _with_true_masks(
    listings: Sequence[Listing], entries: Mapping[str, Entry], settings: DataSettings
) -> tuple[list[Listing], MaskRule, list[str], list[str]]:
    """Settle what masks mean, check them against their images, and leave out those that mark nothing.

    Returns:
        The listings, the rule, notes, and cautions on masks that mark more than half of their image.
    """
    masks = {each.mask: entries[each.mask] for each in listings if each.mask is not None}
    unnamed = bool(masks) and all(each.label is None for each in listings if each.mask is not None)
    named = dict(pair for each in listings[:1] for pair in each.mask_kinds) if unnamed else None
    rule, notes = mask_rule(masks, settings.mask, named=named)
    values = {path: MaskValues.from_json(mask.mask_values) for path, mask in masks.items()}
    shares = {path: share_of(each, rule) for path, each in values.items()}
    marking, large = {path for path, share in shares.items() if share > 0}, covering(shares)
    for listing in listings:
        if listing.mask is not None:
            _require_fitting(listing, entries[listing.path], entries[listing.mask], marks=listing.mask in marking)
    decided = label_by_masks(listings, {path: kinds_in(values[path], rule) or ("defect",) for path in marking})
    blamed = [each.path for each in decided if each.defective and each.mask is not None and each.mask not in marking]
    if blamed:
        notes.append(
            f"{len(blamed)} defective images have a mask of one value, which marks nothing, and count by label alone: "
            f"{_first_few(blamed)}"
        )
    return [each if each.mask in marking else replace(each, mask=None) for each in decided], rule, notes, large


def _require_alike(listings: Sequence[Listing], entries: Mapping[str, Entry]) -> None:
    """Refuse references of another size than their image."""
    for listing in listings:
        if listing.reference is None:
            continue
        image, reference = entries[listing.path], entries[listing.reference]
        if (image.height, image.width) != (reference.height, reference.width):
            msg = (
                f"{listing.reference}: wanted the size of the image that it is compared with, {listing.path}, "
                f"{image.width} x {image.height}, got {reference.width} x {reference.height}; photograph it as the "
                "line does, or cut it to the same region"
            )
            raise DataError(msg)


def _require_fitting(listing: Listing, image: Entry, mask: Entry, *, marks: bool) -> None:
    if (image.height, image.width) != (mask.height, mask.width):
        tag = next((each for each in (image.orientation, mask.orientation) if each in _TURNED_BY_A_QUARTER), None)
        turned = (
            f"; the sides are swapped, and orientation tag {tag} turns one of the two in viewers only: turn its pixels "
            "and take the tag off (exiftool -Orientation=, or save it anew as PNG)"
        )
        msg = (
            f"{listing.mask}: wanted the size of its image {listing.path}, {image.width} x {image.height}, "
            f"got {mask.width} x {mask.height}{turned if tag else '; export the mask at full size'}"
        )
        raise DataError(msg)
    if marks and listing.label is not None and not listing.defective:
        msg = (
            f"{listing.path} is labelled good, but its mask {listing.mask} marks a defect; correct one of them, or "
            "write data.mask: {inverted: true} if white means good"
        )
        raise DataError(msg)


def _sample(listing: Listing, entries: Mapping[str, Entry], rule: MaskRule, camera: CameraSettings) -> Sample:
    entry, region = entries[listing.path], camera.region
    if region is not None:
        region.require_within(entry.height, entry.width, source=listing.path)
    if listing.split is None or listing.group is None or listing.label is None:
        msg = f"{listing.path}: split, group and label must be settled, got {listing}"
        raise DataError(msg)
    mask = entries[listing.mask] if listing.mask else None
    return Sample(
        path=listing.path,
        label=listing.label,
        defective=listing.defective,
        mask=listing.mask,
        group=listing.group,
        split=listing.split,
        digest=entry.digest,
        height=entry.height if region is None else region.height,
        width=entry.width if region is None else region.width,
        mask_digest=mask.digest if mask else None,
        areas=listing.areas,
        kinds=() if mask is None else kinds_in(MaskValues.from_json(mask.mask_values), rule),
        reference=listing.reference,
        reference_digest=entries[listing.reference].digest if listing.reference else None,
    )


def _first_few(names: Iterable[str], *, sep: str = ", ") -> str:
    """Name the first three and say how many more there are."""
    every = list(names)
    rest = f"{sep}and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return sep.join(every[:_SHOWN]) + rest
