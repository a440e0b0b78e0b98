"""What of the camera's frames is inspected, as the report draws it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.report.inspected_view import InspectedView, inspected_picture, inspected_text
from beltline.benchmarks.report.render import render_report
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.camera import Region, Tiles

REGION = Region(left=40, top=20, width=320, height=160)


def view(**more: Any) -> InspectedView:
    return InspectedView(path="a.png", frame=np.full((200, 400, 1), 200, np.uint8), **more)


def test_what_lies_outside_the_region_is_darker_and_the_region_outlined() -> None:
    drawn = inspected_picture(view(region=REGION))
    assert drawn.shape == (200, 400, 3)
    assert (drawn[5:15, 5:30] == 70).all()
    assert (drawn[60:120, 100:300] == 200).all()
    assert drawn[20, 200].tolist() == [64, 224, 255]


def test_what_is_never_judged_is_hatched_inside_the_region() -> None:
    ignored = np.zeros((160, 320), np.bool_)
    ignored[:, 300:] = True
    drawn = inspected_picture(view(region=REGION, ignored=ignored))
    orange = (drawn == (255, 106, 0)).all(axis=2)
    assert 0.2 < orange[30:170, 342:356].mean() < 0.5
    assert not orange[:, :336].any()
    assert not orange[:, 362:].any()


def test_tiles_are_outlined_where_they_lie() -> None:
    tiles = Tiles(size=64, overlap=16, scale=0.5)
    drawn = inspected_picture(view(tiles=tiles))
    white = (drawn == 255).all(axis=2)
    assert white[0].all()
    edges = np.flatnonzero(white[10])
    starts = [2 * start for start in tiles.starts(200)]
    assert set(edges.tolist()) == {*starts, *(start + 127 for start in starts)}


def test_large_photographs_are_shrunk_and_said_in_words() -> None:
    frame = np.full((1024, 8192, 3), 90, np.uint8)
    large = InspectedView(
        path="a.png",
        frame=frame,
        region=Region(left=64, width=8000, height=1024),
        ignored=np.arange(8000)[None].repeat(1024, 0) < 80,
        tiles=Tiles(size=512, overlap=64, scale=0.5),
    )
    assert inspected_picture(large).shape == (120, 960, 3)
    assert inspected_text(large) == (
        "8000 x 1024 of 8192 x 1024 camera pixels are inspected, 1.0% of that is never judged, "
        "shrunk to 0.5 and cut into 9 tiles of 512 that overlap by 64 or more"
    )


def test_what_does_not_fit_over_the_photograph_is_refused() -> None:
    with pytest.raises(DataError, match=r"wanted a rectangle inside a.png, 400 x 200"):
        view(region=Region(left=300, width=200, height=100))
    with pytest.raises(DataError, match="ignored must have the size of what is inspected"):
        view(ignored=np.zeros((10, 10), np.bool_))


def test_the_page_shows_it(report: dict[str, Any]) -> None:
    shown = render_report(report, inspected=view(region=REGION))
    assert "What is inspected" in shown
    assert "320 x 160 of 400 x 200 camera pixels are inspected." in shown
    assert "White lines" not in shown
    assert "What is inspected" not in render_report(report)


def test_escapes_by_size_are_drawn_for_the_row_and_the_teacher(report: dict[str, Any]) -> None:
    def classes(*counts: int) -> list[dict[str, Any]]:
        return [
            {"from_px": 4 << at, "escape": {"count": each, "of": 20, "upper": min(1.0, each / 20 + 0.15)}}
            for at, each in enumerate(counts)
        ]

    assert "Escapes by the size" not in render_report(report)
    for row in report["rows"]:
        row["quality"]["by_size"] = classes(12, 3, 0)
    page = render_report(report)
    assert "Escapes by the size of the defect" in page
    assert "12 of 20" in page
    assert "Escapes by the length of the defect: 4 to 8 pixels 60" in page
    assert page.count('class="curve chosen"') > page.count("size-dot other") / 12
