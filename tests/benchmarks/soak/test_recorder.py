"""The recorder as a process of its own, fed through its pipe, as a soak feeds it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.soak.folder import (
    SoakPlan,
    segment_file,
    segments_of,
    session_folder,
    sessions_of,
    settle_plan,
)
from beltline.benchmarks.soak.recorder import SEGMENT_FRAMES, Orders
from beltline.benchmarks.soak.segment import Rows
from beltline.benchmarks.soak.worker import PipeSink, start_recorder
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.base.storage import write_json

ROOT = Path(__file__).resolve().parents[3]
NEVER = 1 << 62


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / ".dev"))


class Recording:
    """A session being recorded."""

    def __init__(self, folder: Path, plan: SoakPlan) -> None:
        self.folder, self.plan, self.notified = folder, plan, folder.with_suffix(".told")
        settle_plan(folder, plan)
        orders = Orders(folder=str(folder), soak=plan.digest, session=0, deadline_ns=5_000_000, keep_off=(0,))
        with self.notified.open("wb") as output:
            self.handle, self.process = start_recorder(orders, output.fileno())
        write_json(session_folder(folder, 0) / "session.json", {"unix_s": 0.0})
        self.sink = PipeSink(handle=self.handle, end_ns=NEVER, parent=os.getppid())

    def send(self, rows: Rows) -> None:
        for row in rows.tolist():
            assert self.sink.note(*row) is None

    def wait_for_segment(self, index: int) -> None:
        until_s = time.monotonic() + 60
        while not segment_file(session_folder(self.folder, 0), index).exists():
            assert time.monotonic() < until_s
            time.sleep(0.02)

    def recorded(self) -> Rows:
        (session,) = sessions_of(self.folder)
        return np.concatenate([segment.rows for segment in segments_of(session, self.plan)])

    def facts(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.notified.read_text().splitlines()]


@pytest.fixture
def recording(tmp_path: Path, plan: SoakPlan) -> Iterator[Recording]:
    found = Recording(tmp_path / "soak", plan)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait()


@pytest.fixture
def rows(belt_rows: Callable[..., Rows], plan: SoakPlan) -> Rows:
    return belt_rows(np.random.default_rng(0).gamma(4.0, 0.4, 2 * SEGMENT_FRAMES + 321), plan.arrivals)


def test_every_frame_handed_over_is_on_disk(recording: Recording, rows: Rows) -> None:
    recording.send(rows)
    recording.sink.finish()
    assert recording.process.wait(60) == 0
    assert np.array_equal(recording.recorded(), rows)
    (session,) = sessions_of(recording.folder)
    assert session.segments >= 2
    last = recording.facts()[-1]
    assert last["frames"] == len(rows)
    assert last["misses"] == int((rows[:, 4] - rows[:, 0] > 5_000_000).sum())
    assert last["p50_ms"] == pytest.approx(1.47, abs=0.1)


def test_a_recorder_that_looks_away_loses_nothing(recording: Recording, rows: Rows) -> None:
    recording.process.send_signal(signal.SIGSTOP)
    recording.send(rows)
    assert recording.sink.count == len(rows)
    recording.process.send_signal(signal.SIGCONT)
    recording.sink.finish()
    assert recording.process.wait(60) == 0
    assert np.array_equal(recording.recorded(), rows)


def test_ctrl_c_and_the_like_do_not_reach_it(recording: Recording, rows: Rows) -> None:
    recording.send(rows[:SEGMENT_FRAMES])
    recording.wait_for_segment(0)
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        recording.process.send_signal(each)
    recording.send(rows[SEGMENT_FRAMES:])
    recording.sink.finish()
    assert recording.process.wait(60) == 0
    assert np.array_equal(recording.recorded(), rows)


def test_a_kill_loses_the_last_segment_at_most(recording: Recording, rows: Rows) -> None:
    recording.send(rows[:SEGMENT_FRAMES])
    recording.wait_for_segment(0)
    recording.send(rows[SEGMENT_FRAMES : SEGMENT_FRAMES + 5])
    recording.process.kill()
    recording.process.wait()
    assert recording.sink.note(*rows[SEGMENT_FRAMES + 5].tolist()) == "recorder"
    recording.sink.finish()
    kept = recording.recorded()
    assert len(kept) in (SEGMENT_FRAMES, SEGMENT_FRAMES + 5)
    assert np.array_equal(kept, rows[: len(kept)])


def test_a_full_disk_ends_the_recording_in_one_message_and_keeps_what_is_there(
    recording: Recording, rows: Rows
) -> None:
    recording.send(rows[:SEGMENT_FRAMES])
    recording.wait_for_segment(0)
    resource.prlimit(recording.process.pid, resource.RLIMIT_FSIZE, (4_096, 4_096))
    recording.send(rows[SEGMENT_FRAMES : 2 * SEGMENT_FRAMES])
    assert recording.process.wait(60) == 2
    error = recording.facts()[-1]
    assert error["kind"] == "StorageError"
    assert "cannot write" in error["error"]
    assert "free some space" in error["error"]
    kept = recording.recorded()
    assert np.array_equal(kept, rows[: len(kept)])
    assert len(kept) >= SEGMENT_FRAMES
    assert [each.name for each in session_folder(recording.folder, 0).iterdir() if each.name.startswith(".")] == []


def test_frames_that_nobody_waits_for_end_the_soak(recording: Recording, rows: Rows) -> None:
    recording.sink.parent = 1 if os.getppid() != 1 else 2
    with pytest.raises(MeasurementError, match="ordered this measurement is gone"):
        recording.send(rows)
    recording.sink.finish()
    assert recording.process.wait(60) == 0


def test_orders_that_are_none_are_one_message(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "beltline.benchmarks.soak.recorder", '{"folder": 1}']
    with (tmp_path / "none").open("wb+") as nothing:
        done = subprocess.run(argv, stdin=nothing, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "not a recorder's orders" in json.loads(done.stdout)["error"]
