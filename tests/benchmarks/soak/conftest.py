from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.soak.folder import SoakPlan, segment_file, session_folder, settle_plan
from beltline.benchmarks.soak.segment import Rows, Segment, SegmentFacts, write_segment
from beltline.inspection.base.storage import write_json
from beltline.inspection.line.arrivals import Arrivals, due_ns
from numpy.typing import NDArray

NOTHING = {"temperature_c": None, "clock_mhz": None, "load_1min": 0.1, "slowed_steps": None}


@pytest.fixture
def plan() -> SoakPlan:
    device = {"cpu": "abacus", "versions": {"numpy": "2"}}
    arrivals = Arrivals(period_ns=20_000_000)
    return SoakPlan(
        artifact_digest="sha256:a", backend="pretend", arrivals=arrivals, threads=1, cpus=(0,), device=device
    )


@pytest.fixture
def belt_rows() -> Callable[..., Rows]:
    """Give a function that plays frames of given work times through the belt's queue."""
    return _belt_rows


@pytest.fixture
def write_soak(tmp_path: Path, plan: SoakPlan) -> Callable[..., Path]:
    """Give a function that writes a soak from the work on each frame, session by session."""

    def write(
        *sessions: Sequence[float] | NDArray[np.float64],
        arrivals: Arrivals = plan.arrivals,
        frames: int = 500,
        readings: Callable[[int], dict[str, float | None]] = lambda _: {},
    ) -> Path:
        folder = tmp_path / "soak"
        own = SoakPlan(
            artifact_digest=plan.artifact_digest,
            backend=plan.backend,
            arrivals=arrivals,
            threads=1,
            cpus=(0,),
            device=plan.device,
        )
        settle_plan(folder, own)
        for session, work_ms in enumerate(sessions):
            rows, place = _belt_rows(work_ms, arrivals), session_folder(folder, session)
            write_json(place / "session.json", {"unix_s": 1e9 + 1e6 * session, "began": f"day {session}"})
            for index, start in enumerate(range(0, len(rows), frames)):
                read = readings(index)
                facts = SegmentFacts(
                    soak=own.digest,
                    session=session,
                    index=index,
                    first_frame=start,
                    unix_s=1e9,
                    conditions={**NOTHING, **{name: read[name] for name in NOTHING if name in read}},
                    counters={name: value for name, value in read.items() if name not in NOTHING},
                )
                write_segment(segment_file(place, index), Segment(facts=facts, rows=rows[start : start + frames]))
        return folder

    return write


def _belt_rows(work_ms: Sequence[float] | NDArray[np.float64], arrivals: Arrivals) -> Rows:
    due = 1_000_000_000 + due_ns(arrivals, start=0, frames=len(work_ms))
    rows, now = np.zeros((len(work_ms), 5), dtype=np.int64), 0
    for index, work_ns in enumerate(np.round(np.asarray(work_ms) * 1e6).astype(np.int64).tolist()):
        start = max(int(due[index]) + 1_000, now)
        now = start + work_ns
        rows[index] = due[index], start, start + work_ns // 10, now - work_ns // 10, now
    return rows
