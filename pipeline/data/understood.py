"""What was understood of a data set, as facts and as text: reader, images, kinds, sizes, splits, groups, cautions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ...inspection.data.dataset import SPLITS, Dataset, Sample
from ...inspection.data.kinds import defects_of
from ...inspection.readers import Reader

_SHOWN_SIZES = 5


def understood(dataset: Dataset, reader: Reader) -> dict[str, Any]:
    """Collect what a user should check before anything is trained.

    Args:
        dataset: As it was loaded; masks are read once more, for the sizes of defects.
        reader: Which read it.

    Returns:
        JSON-able: `name`, `root`, `reader`, `layout`, `pixels_per_mm` (or None), `channels`, `bit_depth`, `sizes` (of
        images, in pixels, with counts, the most frequent first), `splits` (images, good, defective, groups), `kinds` (
        by kind: images by split, `marks`, `boxes` among them, and `longer_side_px` and, where the scale is known,
        `longer_side_mm` as least, median and largest), `unmarked` (defective images of which nobody said where),
        `cautions` and `notes`.
    """
    scale = dataset.camera.pixels_per_mm
    marks = [(kind, max(right - left, bottom - top)) for kind, (left, top, right, bottom) in _defects(dataset)]
    coarse = Counter(area.kind for sample in dataset.samples for area in sample.areas if area.shape == "box")
    sizes = Counter((sample.width, sample.height) for sample in dataset.samples)
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "reader": reader.name,
        "layout": reader.layout,
        "pixels_per_mm": scale,
        "channels": dataset.channels,
        "bit_depth": dataset.bit_depth,
        "sizes": [
            {"width": width, "height": height, "images": count} for (width, height), count in sizes.most_common()
        ],
        "splits": {split: _counts(dataset.of(split)) for split in SPLITS},
        "kinds": {
            kind: {
                "images": {split: sum(kind in each.kinds for each in dataset.of(split)) for split in SPLITS},
                **_lengths([length for each, length in marks if each == kind], scale),
                "boxes": coarse[kind],
            }
            for kind in dataset.kinds
        },
        "unmarked": sum(sample.defective and not sample.marked for sample in dataset.samples),
        "cautions": list(dataset.cautions),
        "notes": [note for note in dataset.notes if note not in dataset.cautions],
    }


def understood_text(facts: Mapping[str, Any]) -> str:
    """Say it in lines for a terminal."""
    colours = "grey" if facts["channels"] == 1 else "colour"
    return "\n".join(
        [
            f"{facts['name']}: read as {facts['reader']} ({facts['layout']})",
            f"  pictures: {_sizes_text(facts)}, {colours}, {facts['bit_depth']} bits",
            "",
            *_table(
                ["split", "images", "good", "defective", "parts"],
                [[split, *counts.values()] for split, counts in facts["splits"].items()],
            ),
            "",
            *_table(_kind_head(facts), [_kind_row(kind, each) for kind, each in facts["kinds"].items()]),
            *_said("what to mind", facts["cautions"]),
            *_said("what was assumed", facts["notes"]),
        ]
    )


def _defects(dataset: Dataset) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    return (found for sample in dataset.samples if sample.marked for found in defects_of(dataset, sample))


def _counts(samples: Sequence[Sample]) -> dict[str, int]:
    return {
        "images": len(samples),
        "good": sum(not sample.defective for sample in samples),
        "defective": sum(sample.defective for sample in samples),
        "groups": len({sample.group for sample in samples}),
    }


def _lengths(lengths: Sequence[float], scale: float | None) -> dict[str, Any]:
    spread = [min(lengths), median(lengths), max(lengths)] if lengths else None
    told = {"marks": len(lengths), "longer_side_px": spread and [round(each, 1) for each in spread]}
    return told if scale is None or spread is None else told | {"longer_side_mm": [round(x / scale, 3) for x in spread]}


def _sizes_text(facts: Mapping[str, Any]) -> str:
    scale, sizes = facts["pixels_per_mm"], facts["sizes"]
    shown = [
        f"{each['width']} x {each['height']} pixels"
        + (f" ({each['width'] / scale:.4g} x {each['height'] / scale:.4g} mm)" if scale else "")
        + (f" ({each['images']:,})" if len(sizes) > 1 else "")
        for each in sizes[:_SHOWN_SIZES]
    ]
    return ", ".join(shown) + (f" and {len(sizes) - _SHOWN_SIZES} other sizes" if len(sizes) > _SHOWN_SIZES else "")


def _kind_head(facts: Mapping[str, Any]) -> list[str]:
    unit = "px" if facts["pixels_per_mm"] is None else "mm"
    return ["kind", *SPLITS, "marks", "boxes", f"least {unit}", f"median {unit}", f"largest {unit}"]


def _kind_row(kind: str, facts: Mapping[str, Any]) -> list[Any]:
    lengths = facts.get("longer_side_mm", facts["longer_side_px"]) or ["-"] * 3
    return [kind, *facts["images"].values(), facts["marks"], facts["boxes"], *lengths]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    texts = [list(head), *([f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(head))]
    return [
        "  " + row[0].ljust(widths[0]) + "".join(f"  {value:>{width}}" for value, width in zip(row[1:], widths[1:]))  # noqa: B905
        for row in texts
    ]


def _said(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  - {each}" for each in sentences)] if sentences else []
