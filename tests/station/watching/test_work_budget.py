"""Pictures and numbers for people take so many milliseconds of a second, also of frames of twelve megapixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.inspection.data.appearance import APPEARANCE
from beltline.station.outcomes import Seen
from beltline.station.settings import RingSettings
from beltline.station.watching.drift import DriftSettings, DriftWatch
from beltline.station.watching.reject_ring import RejectRing
from beltline.station.watching.work_budget import DRIFT_MS_PER_S, PAGE_MS_PER_S, RING_MS_PER_S, WorkBudget
from beltline.station.web import facade
from beltline.station.web.facade import LastFrames
from station_parts import outcome, seen

LARGE = np.random.default_rng(1).integers(0, 256, (3000, 4000, 1), np.uint8)


def test_whoever_used_it_up_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"monotonic_ns": 0, "thread_time_ns": 0}
    monkeypatch.setattr(time, "monotonic_ns", lambda: now["monotonic_ns"])
    monkeypatch.setattr(time, "thread_time_ns", lambda: now["thread_time_ns"])
    budget = WorkBudget(100)
    for _ in range(2):
        assert not budget.spent
        with budget.work():
            now["thread_time_ns"] += 60_000_000
    assert budget.spent
    now["monotonic_ns"] += 200_000_000
    assert budget.spent
    now["monotonic_ns"] += 10_000_000
    assert not budget.spent
    now["monotonic_ns"] += 60_000_000_000
    assert not budget.spent
    with budget.work():
        now["thread_time_ns"] += 100_000_001
    assert budget.spent


def ring(tmp_path: Path) -> Callable[[Seen], None]:
    return RejectRing(RingSettings(folder=tmp_path, frames_a_minute=6000, keep_free_mb=0)).take


def drift(_: Path) -> Callable[[Seen], None]:
    reference = {name: [0.0] * 100 for name in ("score", *APPEARANCE)}
    return DriftWatch(
        DriftSettings(), reference_of=lambda _: reference, period_ms=20, work_ms_per_s=DRIFT_MS_PER_S
    ).take


def page(_: Path) -> Callable[[Seen], None]:
    frames = LastFrames()
    frames.shown()  # pictures are drawn while somebody looks
    return frames.take


@pytest.mark.parametrize(("made", "ms_per_s"), [(ring, RING_MS_PER_S), (drift, DRIFT_MS_PER_S), (page, PAGE_MS_PER_S)])
def test_large_frames_take_no_more_of_a_second(
    made: Callable[[Path], Callable[[Seen], None]], ms_per_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facade, "_PAUSE_NS", 0)
    take, shown = made(tmp_path), seen(outcome(answer="reject", score=0.9), image=LARGE)
    longest_s = worked_s = 0.0
    begun_s = time.monotonic()
    done = 0
    while (elapsed_s := time.monotonic() - begun_s) < 2.0 or done < 2:
        before_s = time.thread_time()
        take(shown)
        took_s = time.thread_time() - before_s
        if took_s > 0.001:
            done += 1
            worked_s += took_s
            longest_s = max(longest_s, took_s)
        time.sleep(0.002)
    # a tenth for what the pauses round away; without a budget it would be busy all the time
    assert worked_s <= 1.1 * ((elapsed_s + 1) * ms_per_s / 1e3 + longest_s)


def test_rejects_that_took_too_long_are_counted(tmp_path: Path) -> None:
    kept = RejectRing(RingSettings(folder=tmp_path, keep_free_mb=0))
    shown: Any = seen(outcome(answer="reject", score=0.9), image=LARGE)
    for _ in range(30):
        kept.take(shown)
    assert kept.tally().stored + kept.tally().skipped == 30
    assert 1 <= kept.tally().stored < 30
