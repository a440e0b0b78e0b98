"""Areas brought to the pixels of their images, and the label that follows from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..base.errors import DataError
from .areas import Area, mask_of_runs, runs_area
from .camera import Region
from .dataset import Listing
from .entries import Entry

_SAME_SHAPE = 0.01  # by how much the sides' ratio may differ for a photograph that was shrunk after it was labelled
_CUT_PIXELS = 2.0  # label tools round: what reaches this far beyond the edge is not worth a word
_SHOWN = 3


def fit_areas(
    listings: Sequence[Listing], entries: Mapping[str, Entry], region: Region | None = None
) -> tuple[list[Listing], list[str], dict[str, str]]:
    """Scale areas to the pixels of their images and cut off what lies beyond.

    Args:
        listings: Any; those without areas stay as they are.
        entries: By path.
        region: Of the camera: what lies outside of it is not inspected, and no defect.

    Returns:
        The listings with areas in pixels; cautions; and why images cannot be used, by path.
    """
    fitted: list[Listing] = []
    problems: dict[str, str] = {}
    scaled: list[str] = []
    cut: list[str] = []
    unseen: list[str] = []
    for listing in listings:
        entry = entries.get(listing.path)
        if entry is None or not listing.areas:
            fitted.append(listing)
            continue
        inside = _fitted(listing, entry, scaled, cut, problems)
        if region is not None and listing.path not in problems:
            inside = _inspected(inside, region)
        if not inside.areas:
            unseen.append(listing.path)
        fitted.append(inside)
    notes = [
        f"{len(paths)} {what}, such as {paths[0]}"
        for paths, what in (
            (scaled, "images have another size than their annotation says, which was scaled"),
            (cut, "images have marked areas that reach beyond them and were cut there"),
            (unseen, "images have defects outside of camera.region only and count as good"),
        )
        if paths
    ]
    return fitted, notes, problems


def label_by_areas(listings: Sequence[Listing]) -> list[Listing]:
    """Call each image with areas by its kind; of several, by the one that fewest images have."""
    return _by_rarest(listings, [{area.kind for area in listing.areas} for listing in listings])


def label_by_masks(listings: Sequence[Listing], kinds: Mapping[str, Sequence[str]]) -> list[Listing]:
    """Call each image without a label by the kind that its mask marks; of several, by the one that fewest images have.

    Args:
        listings: Any; those with a label keep it.
        kinds: By path of a mask that marks something; an image with another mask is good.
    """
    marked = [set(kinds.get(str(each.mask), ())) if each.label is None else set() for each in listings]
    named = _by_rarest(listings, marked)
    return [replace(each, label="good") if each.label is None else each for each in named]


def _by_rarest(listings: Sequence[Listing], kinds: Sequence[set[str]]) -> list[Listing]:
    images = Counter(kind for each in kinds for kind in each)
    return [
        replace(listing, label=min(each, key=lambda kind: (images[kind], kind))) if each else listing
        for listing, each in zip(listings, kinds, strict=True)
    ]


def require_marks_apart(listings: Sequence[Listing]) -> None:
    """Refuse an image that has both a mask and areas: which of them says where the defect is?

    Raises:
        DataError: There is one.
    """
    both = [listing.path for listing in listings if listing.mask is not None and listing.areas]
    if both:
        msg = f"{both[0]}: wanted a mask or marked areas, got both for {len(both)} images; a reader gives one of them"
        raise DataError(msg)


def _fitted(listing: Listing, entry: Entry, scaled: list[str], cut: list[str], problems: dict[str, str]) -> Listing:
    areas = tuple(_to_the_end(area, entry) for area in listing.areas)
    width, height = listing.drawn_on or (entry.width, entry.height)
    if (width, height) != (entry.width, entry.height):
        shares = width == height and width in (1, 100)
        if not shares and (why := _misfit(listing, entry)):
            problems[listing.path] = why
            return listing
        if not shares:
            scaled.append(listing.path)
        areas = tuple(area.scaled(entry.width / width, entry.height / height) for area in areas)
    short = [area for area in areas if area.shape == "runs" and sum(area.runs) != entry.width * entry.height]
    if short:
        problems[listing.path] = (
            f"{listing.path}: run lengths of {short[0].kind} cover {sum(short[0].runs)} pixels, the image has "
            f"{entry.width} x {entry.height}; correct the annotation"
        )
        return listing
    inside = [_clipped(area, entry.width, entry.height) for area in areas]
    outside = [area for area, kept in zip(areas, inside, strict=True) if kept is None]
    if outside:
        problems[listing.path] = (
            f"{listing.path}: {outside[0].kind} at {_box_text(outside[0])} lies outside of its image of "
            f"{entry.width} x {entry.height} pixels; correct the annotation"
        )
    if any(_reach(area, entry.width, entry.height) > _CUT_PIXELS for area in areas):
        cut.append(listing.path)
    return replace(listing, areas=tuple(area for area in inside if area is not None), drawn_on=None)


def _to_the_end(area: Area, entry: Entry) -> Area:
    """Add the last unmarked pixels to run lengths that were written without the size of their image."""
    rest = entry.width * entry.height - sum(area.runs)
    if area.shape != "runs" or area.size != (0, 0):
        return area
    return replace(area, runs=(*area.runs, max(0, rest)), size=(entry.height, entry.width))


def _inspected(listing: Listing, region: Region) -> Listing:
    """Give the areas inside the camera's region, in its pixels."""
    inside = []
    for area in listing.areas:
        if area.shape == "runs":
            seen = region.cut(mask_of_runs(area.runs, area.size), source=listing.path)
            moved = runs_area(area.kind, np.asarray(seen, np.bool_)) if seen.any() else None
        else:
            moved = _clipped(area.moved(-region.left, -region.top), region.width, region.height)
        if moved is not None:
            inside.append(moved)
    return replace(listing, areas=tuple(inside), label=listing.label if inside else "good")


def _misfit(listing: Listing, entry: Entry) -> str | None:
    width, height = listing.drawn_on or (entry.width, entry.height)
    wanted = f"{listing.path}: its annotation is for {width:g} x {height:g} pixels, the image has "
    got = f"{wanted}{entry.width} x {entry.height}"
    if any(area.shape == "runs" for area in listing.areas):
        return f"{got}; run lengths cannot be scaled: export both at one size"
    if abs(entry.width * height / (entry.height * width) - 1) <= _SAME_SHAPE:
        return None
    if (width, height) == (entry.height, entry.width):
        return (
            f"{got}: the sides are swapped, as where a viewer follows an orientation tag; turn the image's pixels and "
            "take the tag off (exiftool -Orientation=, or save it anew as PNG)"
        )
    return f"{got}; label the image as it is stored, or export both at one size"


def _reach(area: Area, width: int, height: int) -> float:
    left, top, right, bottom = area.box
    return max(-left, -top, right - width, bottom - height)


def _clipped(area: Area, width: int, height: int) -> Area | None:
    """Keep what lies inside the image; None where nothing does."""
    left, top, right, bottom = area.box
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        return None
    if area.shape == "runs" or _reach(area, width, height) <= 0:
        return area
    limits = (width, height)
    rings = tuple(tuple(min(max(value, 0.0), limits[at % 2]) for at, value in enumerate(ring)) for ring in area.rings)
    return replace(area, rings=rings)


def _box_text(area: Area) -> str:
    return "({:g}, {:g}) to ({:g}, {:g})".format(*area.box)
