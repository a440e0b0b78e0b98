"""Findings and limits on the line: a real engine, a bundle with limits, and what its clients get."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.decision.judging import Judging
from beltline.inspection.decision.limits import Limit
from beltline.station.engines.wire import Reply, reply_bytes, reply_of
from beltline.station.inspector import Decision, open_inspector
from stationing import PLENTY_MS

MadeBundle = object


def _decided(bundle: object, folder: Path, frames: list[Frame], judging: Judging | None) -> list[Decision]:
    path = folder / "limits.beltline"
    write_bundle(path, replace(bundle.parts, judging=judging), key=bundle.key)  # type: ignore[attr-defined]
    with open_inspector(path, key=bundle.public, deadline_ms=PLENTY_MS) as inspector:  # type: ignore[attr-defined]
        return [inspector.inspect(frame) for frame in frames]


def test_without_limits_the_score_decides_and_findings_say_where(
    bundle: object, tmp_path: Path, frames: list[Frame]
) -> None:
    for each in _decided(bundle, tmp_path, frames, None):
        assert each.score is not None
        assert each.rejected == (each.score >= each.threshold)
        assert bool(each.findings) <= each.rejected
        if each.rejected:
            assert each.because == "score"
            left, top, width, height = each.findings[0].box
            assert 0 <= left <= left + width <= 100.01
            assert 0 <= top <= top + height <= 80.01


def test_limits_excuse_review_and_reject(bundle: object, tmp_path: Path, frames: list[Frame]) -> None:
    limits = (
        Limit(larger_than_mm2=0.2, review=True),
        Limit(larger_than_mm2=8.0),
    )
    decisions = _decided(bundle, tmp_path, frames, Judging(pixels_per_mm=10, limits=limits))
    for each in decisions:
        largest = max((found.area_mm2 or 0.0 for found in each.findings), default=0.0)
        if each.score is not None and each.score < each.threshold:
            assert not each.rejected
        elif each.findings:
            assert each.rejected == (largest > 0.2)
            assert each.review == (0.2 < largest <= 8.0)
    assert any(each.rejected for each in decisions)


def test_everything_tolerated_passes_everything(bundle: object, tmp_path: Path, frames: list[Frame]) -> None:
    decisions = _decided(bundle, tmp_path, frames, Judging(limits=(Limit(accept=True),)))
    cut = [each for each in decisions if each.findings]
    assert cut
    assert not any(each.rejected for each in cut)
    assert {each.because for each in cut} == {"accept any finding"}


def test_a_reply_carries_problem_and_ruling_apart() -> None:
    reply = Reply(7, 0.5, 2, 3, 1, 2, "trouble", b'{"action":"reject"}')
    assert reply_of(reply_bytes(reply)) == reply
    assert json.loads(reply_of(reply_bytes(reply)).ruling) == {"action": "reject"}


@pytest.mark.parametrize("count", [1, 64])
def test_any_number_of_findings_fits_into_a_reply(count: int) -> None:
    from beltline.inspection.decision.findings import View, find
    from beltline.inspection.decision.judging import Judged
    from beltline.inspection.decision.limits import BY_SCORE
    from beltline.station.engines.wire import MOST_BYTES, ruling_bytes

    heat = np.zeros((160, 160), np.uint8)
    for place in range(count):
        row, column = divmod(place, 8)
        heat[row * 20 + 2 : row * 20 + 18, column * 20 + 2 : column * 20 + 18 : 3] = 255
        heat[row * 20 + 9, column * 20 + 2 : column * 20 + 18] = 255
    findings = find(heat, View(threshold=0.5, pixels_per_mm=48.123), size=(1600, 1600))
    assert len(findings) == count
    assert len(ruling_bytes(Judged(ruling=BY_SCORE, findings=findings))) < MOST_BYTES
