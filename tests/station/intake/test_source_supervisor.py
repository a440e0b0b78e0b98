"""Sources that fail, fall silent or hang are opened again; each change is said once."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.station.counters import Counters
from beltline.station.frames import FaultyFrame, OfferedFrame, PixelRule, Quiet
from beltline.station.intake import source_supervisor
from beltline.station.intake.source_supervisor import MOST_HUNG, SourceSupervisor
from beltline.station.settings import SourceChoice, WatchdogSettings
from pydantic import BaseModel
from stationing import eventually

Taken = list[OfferedFrame | FaultyFrame]


@contextmanager
def kept(choice: SourceChoice, counters: Counters, **watchdog: Any) -> Iterator[tuple[SourceSupervisor, Taken]]:
    taken: Taken = []
    supervisor = SourceSupervisor(
        "in",
        choice,
        pixels=PixelRule(channels=1),
        take=taken.append,
        counters=counters,
        watchdog=WatchdogSettings.model_validate(watchdog),
    )
    supervisor.start()
    try:
        yield supervisor, taken
    finally:
        supervisor.stop()


def incidents(counters: Counters) -> list[str]:
    return [each.text for each in counters.snapshot().incidents]


def test_a_folder_that_goes_away_and_comes_back_is_watched_again(tmp_path: Path) -> None:
    (folder := tmp_path / "in").mkdir()
    counters = Counters()
    with kept(SourceChoice.model_validate({"folder": {"path": folder}}), counters) as (_, taken):
        eventually(lambda: _written(folder, taken))
        shutil.rmtree(folder)
        eventually(lambda: any("No such file" in text for text in incidents(counters)))
        time.sleep(0.6)
        folder.mkdir()
        before = len(taken)
        eventually(lambda: _written(folder, taken, more_than=before))
    gone = [text for text in incidents(counters) if "No such file" in text]
    assert len(gone) == 1
    assert "opened again" in gone[0]


def _written(folder: Path, taken: Taken, more_than: int = 0) -> bool:
    cv2.imwrite(str(folder / f"{time.monotonic_ns()}.png"), np.zeros((4, 4), np.uint8))
    time.sleep(0.02)
    return len(taken) > more_than


def test_a_silent_source_is_opened_again(tmp_path: Path) -> None:
    counters = Counters()
    choice = SourceChoice.model_validate({"folder": {"path": tmp_path}})
    with kept(choice, counters, source_s=0.1):
        eventually(lambda: counters.snapshot().restarts.get("in", 0) >= 1)
    assert "silent for" in incidents(counters)[0]


def test_a_source_that_ends_is_not_opened_again(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4), np.uint8))
    choice = SourceChoice.model_validate({"replay": {"path": tmp_path, "period_ms": 1, "frames": 3}})
    counters = Counters()
    with kept(choice, counters) as (supervisor, taken):
        eventually(lambda: supervisor.ended)
    assert len(taken) == 3
    assert counters.snapshot().restarts == {}


class HangingSettings(BaseModel):
    """Nothing to set."""


class Hanging:
    """Somebody's plug-in whose driver never returns; its last frame comes when it is freed."""

    name = "hanging"
    settings_type = HangingSettings

    def __init__(self) -> None:
        self.freed = Event()
        self.opened = 0

    def missing(self) -> None:
        return None

    def open(self, _: HangingSettings, *, name: str, pixels: PixelRule) -> Hanging:
        assert (name, pixels.channels) == ("in", 1)
        self.opened += 1
        return self

    def next_frame(self, timeout_s: float) -> OfferedFrame | Quiet:
        assert timeout_s < 1
        self.freed.wait()
        return OfferedFrame(number=1, source="in", name="", image=np.zeros((1, 1, 1), np.uint8), captured_ns=0)

    def close(self) -> None:
        return None


def test_a_hanging_driver_is_given_up_and_its_frame_is_still_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, counters = Hanging(), Counters()
    monkeypatch.setattr(source_supervisor, "source_kinds", lambda: {"hanging": kind})
    choice = SourceChoice.model_construct(kind="hanging", settings=HangingSettings())
    with kept(choice, counters, source_stuck_s=0.05) as (supervisor, taken):
        for hung in range(1, MOST_HUNG + 1):
            eventually(lambda: kind.opened == hung)  # noqa: B023 - called at once
            assert not supervisor.hopeless
            time.sleep(0.06)
            supervisor.look()
        assert supervisor.hopeless
        assert counters.snapshot().restarts == {"in": MOST_HUNG}
        kind.freed.set()
        eventually(lambda: len(taken) >= MOST_HUNG)
    assert "hung for" in incidents(counters)[0]
