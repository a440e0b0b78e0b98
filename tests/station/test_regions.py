"""Regions in the station: cut where a camera's frames come in, and nothing else of a frame is copied."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.station.frames import OfferedFrame
from beltline.station.outcomes import Seen
from pydantic import ValidationError
from stationing import offered, running, settings_of

REGION = {"left": 7, "top": 5, "width": 100, "height": 80}


def from_http(image: Frame, number: int) -> OfferedFrame:
    return OfferedFrame(number=number, source="http", name="", image=image, captured_ns=time.monotonic_ns())


def test_a_sources_region_is_all_that_is_inspected_and_shown(bundle: Any, frames: list[Frame]) -> None:
    shown: list[Seen] = []
    with running(settings_of(bundle=bundle.path, regions={"http": REGION})) as service:
        service.subscribe("kept", shown.append)
        for number, frame in enumerate(frames[:4]):
            around = np.full((95, 120, 1), 255, np.uint8)
            around[5:85, 7:107] = frame
            whole = service.offer(from_http(around, number)).result(60)
            cut = service.offer(from_http(frame, number)).result(60)
            other = service.offer(offered(around, number)).result(60)
            assert whole.standing == cut.standing == other.standing == "answered"
            assert whole.score == cut.score != other.score
        small = service.offer(from_http(np.ascontiguousarray(frames[0][:50]), 9)).result(60)
    assert small.standing == "faulty"
    assert "camera.region: wanted a rectangle inside frame, 100 x 50" in small.detail
    assert shown[0].image is not None
    assert np.array_equal(shown[0].image, frames[0])


def test_a_region_of_no_source_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"wanted the name of a source \(http\), got 'aravis'"):
        settings_of(regions={"aravis": REGION})
