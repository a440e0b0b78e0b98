"""A page of photographs with their marks drawn in: the quickest way to see that labels were understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray

from ...benchmarks.report.gallery import data_uri
from ...inspection.data.bayer import in_colour
from ...inspection.data.dataset import SPLITS, Dataset, Sample, evenly
from ...inspection.data.kinds import kind_masks
from ...inspection.data.streaming import read_sample

_EACH = 4  # pictures of a kind and split
_MOST_BYTES = 12 << 20
_SIDE_PX = 300
_COLOURS = ("#1d5b94", "#b3261e", "#1a7145", "#805300", "#7a3ea1", "#006a78", "#a3195b", "#4a5a00")
_CASING_RGB = (255, 255, 255)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ facts.name }}: what was understood</title>
<style>
:root { color-scheme: light; --paper: #fff; --ground: #f4f5f6; --ink: #17202a; --soft: #55606c; --hair: #dce0e5; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, "Liberation Sans", Arial,
  sans-serif; font-variant-numeric: tabular-nums; overflow-wrap: break-word; }
main { max-width: 1340px; margin: 0 auto; padding: 24px; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.125rem; margin: 0 0 12px; }
p { margin: 4px 0 12px; color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--hair); border-radius: 6px; padding: 20px 24px;
  margin: 16px 0; overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: 3px 14px 3px 0; text-align: right; border-bottom: 1px solid var(--hair); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; color: var(--soft); font-size: 0.875rem; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 240px), 1fr)); gap: 16px; }
figure { margin: 0; }
img { width: 100%; height: auto; display: block; border: 1px solid var(--hair); }
figcaption { font-size: 0.8125rem; line-height: 1.4; margin-top: 4px; color: var(--soft); }
figcaption b { color: var(--ink); }
.key { display: inline-block; width: 14px; height: 14px; border-radius: 3px; vertical-align: -2px; margin-right: 6px; }
li { margin: 4px 0; }
</style>
</head>
<body>
<main>
<h1>{{ facts.name }}</h1>
<p>Read as <b>{{ facts.reader }}</b> ({{ facts.layout }}) from {{ facts.root }}.
{% for size in facts.sizes[:5] %}{{ size.width }} x {{ size.height }} pixels
{%- if facts.pixels_per_mm %} ({{ "%.4g" % (size.width / facts.pixels_per_mm) }} x
{{ "%.4g" % (size.height / facts.pixels_per_mm) }} mm){% endif %}{{ "." if loop.last else ", " }}{% endfor %}</p>
{% if facts.cautions %}
<section><h2>What to mind</h2><ul>{% for each in facts.cautions %}<li>{{ each }}</li>{% endfor %}</ul></section>
{% endif %}
<section>
<h2>Splits</h2>
<table><tr><th>split</th><th>images</th><th>good</th><th>defective</th><th>parts</th></tr>
{% for split, counts in facts.splits.items() %}
<tr><td>{{ split }}</td>{% for count in counts.values() %}<td>{{ "{:,}".format(count) }}</td>{% endfor %}</tr>
{% endfor %}
</table>
</section>
<section>
<h2>Kinds of defect</h2>
<table><tr><th>kind</th><th>train</th><th>val</th><th>test</th><th>marks</th><th>of these boxes</th>
<th>longer side, {{ unit }}: least</th><th>median</th><th>largest</th></tr>
{% for kind, each in facts.kinds.items() %}
<tr><td><span class="key" style="background: {{ colours[kind] }}"></span>{{ kind }}</td>
{% for count in each.images.values() %}<td>{{ "{:,}".format(count) }}</td>{% endfor %}
<td>{{ "{:,}".format(each.marks) }}</td><td>{{ "{:,}".format(each.boxes) }}</td>
{% for length in each.get("longer_side_mm", each.longer_side_px) or ["-", "-", "-"] %}<td>{{ length }}</td>{% endfor %}
</tr>
{% endfor %}
</table>
</section>
{% for title, pictures in groups %}
<section>
<h2>{{ title }}</h2>
<div class="grid">
{% for picture in pictures %}
<figure><img src="{{ picture.source }}" width="{{ picture.width }}" height="{{ picture.height }}"
alt="{{ picture.described }}"><figcaption><b>{{ picture.kinds }}</b><br>{{ picture.split }}: {{ picture.path }}
</figcaption></figure>
{% endfor %}
</div>
</section>
{% endfor %}
{% if facts.notes %}
<section><h2>What was assumed</h2><ul>{% for each in facts.notes %}<li>{{ each }}</li>{% endfor %}</ul></section>
{% endif %}
</main>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One photograph on the sheet.

    Attributes:
        source: `data:` address of the drawn picture.
        width: Pixels.
        height: Pixels.
        kinds: What it shows, in words.
        split: `train`, `val` or `test`.
        path: Relative to the data folder.
        described: For those who do not see it.
    """

    source: str
    width: int
    height: int
    kinds: str
    split: str
    path: str
    described: str


def contact_sheet(dataset: Dataset, facts: Mapping[str, Any]) -> str:
    """Draw a page of at most 12 MB: of each kind and of the good parts, four photographs of each split.

    Args:
        dataset: Whose images are read.
        facts: As `understood` gives them.

    Raises:
        DataError: An image or a mask cannot be read.
    """
    colours = {kind: _COLOURS[at % len(_COLOURS)] for at, kind in enumerate(dataset.kinds)}
    groups, left = [], _MOST_BYTES
    for title, samples in _groups(dataset):
        pictures = []
        for sample in samples:
            picture = _picture(dataset, sample, colours)
            left -= len(picture.source)
            if left < 0:
                break
            pictures.append(picture)
        if pictures:
            groups.append((title, pictures))
    template = Environment(undefined=StrictUndefined, autoescape=True, trim_blocks=True).from_string(_PAGE)
    unit = "px" if facts["pixels_per_mm"] is None else "mm"
    return template.render(facts=facts, groups=groups, colours=colours, unit=unit)


def _groups(dataset: Dataset) -> Iterator[tuple[str, list[Sample]]]:
    """Give good parts, then each kind: samples that show least besides come first."""
    good = [evenly([each for each in dataset.of(split) if not each.defective], _EACH) for split in SPLITS]
    whole = all(sample.good_area is None for each in good for sample in each)
    yield "good" if whole else "good areas, mirrored to a whole frame", [sample for each in good for sample in each]
    for kind in dataset.kinds:
        shown = [evenly([each for each in dataset.of(split) if kind in each.kinds], _EACH) for split in SPLITS]
        yield kind, [sample for each in shown for sample in each]


def _picture(dataset: Dataset, sample: Sample, colours: Mapping[str, str]) -> Picture:
    frame = in_colour(read_sample(dataset, sample), dataset.camera.bayer)
    grey = frame if frame.shape[2] == 3 else np.repeat(frame, 3, axis=2)
    factor = _SIDE_PX / max(frame.shape[:2])
    size = max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    drawn = np.ascontiguousarray(cv2.resize(grey, size, interpolation=how), np.uint8)
    if sample.marked:
        for kind, mask in zip(dataset.kinds, kind_masks(dataset, sample), strict=True):
            _outline(drawn, mask, colours[kind])
    if sample.good_area is not None:
        left, top, width, height = sample.good_area
        inside = np.zeros(frame.shape[:2], np.bool_)
        inside[top : top + height, left : left + width] = True
        _outline(drawn, inside, "#55606c")
    kinds = ", ".join(sample.kinds) or "good"
    where = "" if sample.marked or not sample.defective else " (nobody said where)"
    return Picture(
        source=data_uri(drawn),
        width=size[0],
        height=size[1],
        kinds=f"{kinds}{where}",
        split=sample.split,
        path=sample.path,
        described=f"Photograph {sample.path}, {kinds}, with its marks outlined",
    )


def _outline(drawn: NDArray[np.uint8], mask: NDArray[np.bool_], colour: str) -> None:
    if not mask.any():
        return
    size = drawn.shape[1], drawn.shape[0]
    shrunk = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0
    large = shrunk if mask.shape[0] > size[1] else cv2.resize(mask.astype(np.uint8), size, interpolation=0) > 0
    lines, _ = cv2.findContours(large.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rgb = tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    for shade, thickness in ((_CASING_RGB, 4), (rgb, 2)):
        cv2.drawContours(drawn, lines, -1, shade, thickness, cv2.LINE_AA)
