"""The page as Chromium shows and prints it: nothing runs out of its place, nothing is too faint to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.report.gallery import GalleryItem
from beltline.benchmarks.report.render import render_report
from beltline.benchmarks.timing.measurement import Measurement


@pytest.mark.parametrize(
    ("width", "dark", "media"), [(1280, False, ""), (1280, True, ""), (390, False, ""), (700, True, "print")]
)
def test_chromium_shows_the_page(
    browser: Any, written: Callable[[str], Path], predicted: dict[str, Any], gallery: list[GalleryItem],
    traces: dict[str, Measurement], width: int, dark: bool, media: str,
) -> None:  # fmt: skip
    import cv2

    times = {"ratio": 132.4, "lower": 105.0, "upper": 166.8, "confidence": 0.95}
    for row in predicted["rows"][1:]:
        row["speedup"] = {"against": "teacher", "p50": times, "p99": times}
    browser.open(written(render_report(predicted, gallery, traces)), width=width, dark=dark, media=media)
    assert browser.complaints() == []
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate(_OVERFLOWING) == []
    assert browser.faint() == []
    shot = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert shot is not None
    assert shot.shape[0] > 2000
    assert shot.std() > 10
    assert (shot[-5, -5].mean() < 60) == (dark and not media)


_PAGE_PX = (297 - 28) * 96 / 25.4


@pytest.mark.parametrize("crowded", [False, True])
def test_verdict_table_and_signature_fit_on_the_first_printed_page(
    browser: Any, written: Callable[[str], Path], predicted: dict[str, Any], crowded: bool
) -> None:
    """On A4 less the margins of the style sheet, 184 mm wide."""
    if crowded:
        predicted["rows"] = [
            *predicted["rows"],
            *({**predicted["rows"][2], "name": f"copy-{index}"} for index in range(6)),
        ]
        predicted["rows"][0]["quality"].update(auroc=0.52, auroc_interval=[0.47, 0.57])
        predicted["rows"][3]["quality"]["escape"] = {"count": 444, "of": 888, "upper": 0.53}
    browser.open(written(render_report(predicted)), width=695, media="print")
    edges = [
        browser.evaluate(f"(() => {{const at = document.querySelector('{part}').getBoundingClientRect();"
                         "return [at.top, at.bottom, at.height]})()")
        for part in ("h1", ".sheet .chart", ".sheet .rows", ".signed", ".signature")
    ]  # fmt: skip
    assert all(height > 0 for _, _, height in edges)
    assert [top for top, _, _ in edges] == sorted(top for top, _, _ in edges)
    assert edges[-1][1] < _PAGE_PX


_OVERFLOWING = """
[...document.querySelectorAll('section *')].filter(each => {
  const inner = each.getBoundingClientRect(), outer = each.closest('section').getBoundingClientRect();
  const counts = inner.width && !each.closest('.chart, .unseen, thead');
  return counts && (inner.right > outer.right + 1 || inner.left < outer.left - 1);
}).map(each => each.className + ': ' + each.textContent.slice(0, 40))
"""
