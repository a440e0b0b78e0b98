"""A whole station: drift is seen and told on page and in metrics, a partner that is away costs nobody else anything."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from beltline.export.bundles.golden import reference_of
from beltline.export.bundles.writing import write_bundle
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import MissingPartError
from beltline.inspection.data.appearance import appearance_of
from beltline.station.frames import OfferedFrame
from beltline.station.results.mqtt import RESULT as MQTT
from web_station import Running, station

WINDOW = 60


@pytest.fixture(scope="module")
def watched(bundle: Any, frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The tiny bundle with a reference: its own frames, each several times."""
    scores = list(bundle.parts.golden.scores["onnx_runtime"]) * 20
    looks = [appearance_of(frame) for frame in frames] * 20
    reference = reference_of({"onnx_runtime": scores}, looks, drawn_from="a test")
    path = tmp_path_factory.mktemp("watched") / "watched.beltline"
    write_bundle(path, replace(bundle.parts, reference=reference), key=bundle.key)
    return SimpleNamespace(path=path)


def eventually(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not met():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def feed(running: Running, frames: list[Frame], *, darker: int = 0) -> None:
    """Offer one window of frames, each answered before the next comes, so that no outlet drops one."""
    for place in range(WINDOW):
        image = np.maximum(frames[place % len(frames)], darker) - np.uint8(darker)
        now_ns = time.monotonic_ns()
        frame = OfferedFrame(number=place, source="test", name="", image=image, captured_ns=now_ns)
        running.service.offer(frame).result(60)
        eventually(lambda: not running.service.counters.snapshot().under_way)
        time.sleep(0.005)


def test_drift_is_told_on_page_and_in_metrics(watched: Any, frames: list[Frame]) -> None:
    with station(watched, drift={"window_frames": WINDOW}) as running:
        watch = running.front.drift
        assert watch is not None
        feed(running, frames)
        eventually(lambda: watch.latest is not None and watch.latest.number == 1)
        assert running.json("/live.json")[1]["drift"]["drifting"] == []
        feed(running, frames, darker=40)
        eventually(lambda: watch.latest is not None and watch.latest.number == 2)
        notified = running.json("/live.json")[1]
        assert "brightness" in notified["drift"]["drifting"]
        assert notified["drift"]["p_corrected"] < 1e-6
        assert "brightness" in notified["drift"]["words"]
        assert any(each["part"] == "drift" for each in notified["incidents"])
        assert 'beltline_drift_p_value{what="brightness"}' in running.ask("/metrics")[2].decode()


def test_partners_that_are_away_delay_nobody(bundle: Any, frames: list[Frame], tmp_path: Path) -> None:
    if (missing := MQTT.missing()) is not None:
        pytest.skip(missing)
    away = {"mqtt": {"host": "127.0.0.1", "port": 9, "keep_s": 600}}
    there = {"json_lines": {"path": str(tmp_path / "out.jsonl")}}
    with station(bundle, results=[away, there], http={"port": 0}) as running:
        feed(running, frames)
        eventually(lambda: len((tmp_path / "out.jsonl").read_text().splitlines()) == WINDOW)
        assert running.service.counters.snapshot().answered == WINDOW
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame_number"] for line in lines] == list(range(WINDOW))
    eventually(lambda: running.service.counters.snapshot().dropped == {"mqtt": WINDOW})


def test_a_result_whose_package_is_not_there_is_said_before_anything_starts(
    bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(MQTT), "missing", lambda _: "paho is not installed")
    with pytest.raises(MissingPartError, match="result mqtt: paho"), station(bundle, results=[{"mqtt": {"host": "x"}}]):
        pass
