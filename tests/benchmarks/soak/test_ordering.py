"""Whole soaks on the real runtime: a tiny model, its own process, a recorder; interrupted and gone on with."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from beltline.benchmarks.soak.folder import already_s, cold_rows, read_plan, segments_of, session_folder, sessions_of
from beltline.benchmarks.soak.ordering import soak
from beltline.export.artifacts import backends
from beltline.export.contracts import Artifact, Frame, Graph
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals
from beltline.targets.profile import target_of

BELT = Arrivals(period_ns=100_000_000)


@pytest.fixture(scope="module")
def artifact(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return backends()["open_vino"].build(tiny_graph, target_of("local", threads=1), tmp_path_factory.mktemp("artifact"))


@pytest.fixture
def run(artifact: Artifact, frames: list[Frame], tmp_path: Path) -> Callable[..., Path]:
    def order(seconds: float, *, progress: Callable[[dict[str, Any]], None] = lambda _: None, **given: Any) -> Path:
        settings = {"arrivals": BELT, "deadline_ms": 500.0, "target": target_of("local", threads=1), **given}
        chosen = settings.pop("artifact", artifact)
        soak(chosen, frames, seconds=seconds, folder=tmp_path / "soak", progress=progress, **settings)
        return tmp_path / "soak"

    return order


def in_session(folder: Path, session: int, act: Callable[[], None]) -> threading.Thread:
    """Do something as soon as a session's belt is moving, while `soak` blocks."""

    def wait_and_act() -> None:
        until_s = time.monotonic() + 60
        while not (session_folder(folder, session) / "session.json").exists() and time.monotonic() < until_s:
            time.sleep(0.02)
        time.sleep(0.6)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def process_of(module: str) -> psutil.Process:
    """Find a process that the soak of this test started, by its module."""
    family = psutil.Process().children(recursive=True)
    return next(each for each in family if f"beltline.benchmarks.soak.{module}" in each.cmdline())


def frames_of(folder: Path) -> list[int]:
    plan = read_plan(folder)
    return [sum(len(part.rows) for part in segments_of(each, plan)) for each in sessions_of(folder)]


def test_a_soak_runs_goes_on_and_stops_when_its_time_is_reached(run: Callable[..., Path]) -> None:
    notified: list[dict[str, Any]] = []
    folder = run(1.5, progress=notified.append)
    assert frames_of(folder) == [pytest.approx(15, abs=1)]
    assert notified[-1]["frames"] == frames_of(folder)[0]
    assert {"misses", "p50_ms", "p99_ms", "temperature_c", "clock_mhz"} <= notified[-1].keys()
    run(1.5)
    assert len(frames_of(folder)) == 1
    run(2.5)
    assert frames_of(folder)[1] == pytest.approx(10, abs=2)
    assert already_s(folder) >= 2.3
    (session, _) = sessions_of(folder)
    assert len(cold_rows(session)) >= 20
    assert session.start["fingerprint"]["cpu"]
    times = np.concatenate([part.rows for part in segments_of(session, read_plan(folder))])
    assert np.all(times[:, 3] > times[:, 2])


def test_another_artifact_or_belt_is_refused_with_what_differs(run: Callable[..., Path], artifact: Artifact) -> None:
    folder = run(0.5)
    with pytest.raises(MeasurementError, match="period_ns") as caught:
        run(1.0, arrivals=Arrivals(period_ns=125_000_000))
    assert "cannot go on here" in str(caught.value)
    with pytest.raises(MeasurementError, match="artifact_digest: 'sha256:"):
        run(1.0, artifact=replace(artifact, digest="sha256:0"))
    assert len(frames_of(folder)) == 1


def test_a_killed_soak_keeps_its_frames_and_goes_on(run: Callable[..., Path], tmp_path: Path) -> None:
    thread = in_session(tmp_path / "soak", 0, lambda: process_of("worker").kill())
    with pytest.raises(MeasurementError, match="signal 9"):
        run(30.0)
    thread.join()
    kept_s = already_s(tmp_path / "soak")
    assert kept_s > 0.2
    run(kept_s + 0.5)
    assert len(frames_of(tmp_path / "soak")) == 2
    assert already_s(tmp_path / "soak") >= kept_s + 0.3


def test_ctrl_c_keeps_every_frame_and_leaves_no_process(run: Callable[..., Path], tmp_path: Path) -> None:
    thread = in_session(tmp_path / "soak", 0, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run(30.0)
    thread.join()
    assert frames_of(tmp_path / "soak")[0] >= 3
    assert not [each for each in psutil.Process().children(recursive=True) if "soak" in " ".join(each.cmdline())]


def test_a_disk_that_takes_no_more_ends_the_soak_in_one_message(run: Callable[..., Path], tmp_path: Path) -> None:
    blocked = session_folder(tmp_path / "soak", 0) / "000000.npz"

    def end_after_blocking() -> None:
        blocked.mkdir()
        process_of("worker").terminate()

    thread = in_session(tmp_path / "soak", 0, end_after_blocking)
    with pytest.raises(MeasurementError, match=r"measuring failed: cannot write .*000000\.npz"):
        run(30.0)
    thread.join()
    blocked.rmdir()
    assert frames_of(tmp_path / "soak") == [0]


def test_numbers_that_cannot_be_soaked_with_are_refused(run: Callable[..., Path]) -> None:
    with pytest.raises(MeasurementError, match="seconds > 0 and deadline_ms > 0, got 0 and 500"):
        run(0.0)
