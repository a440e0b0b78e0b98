from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.soak.folder import (
    SoakPlan,
    already_s,
    next_session,
    read_plan,
    segments_of,
    sessions_of,
    settle_plan,
)
from beltline.benchmarks.soak.segment import Segment, read_segment, write_segment
from beltline.inspection.base.errors import MeasurementError

Write = Callable[..., Path]


def read_all(folder: Path) -> list[Segment]:
    plan = read_plan(folder)
    return [segment for session in sessions_of(folder) for segment in segments_of(session, plan)]


def test_every_frame_comes_back_in_order(write_soak: Write) -> None:
    folder = write_soak([1.0] * 1_200, [2.0] * 300)
    segments = read_all(folder)
    assert [(each.facts.session, each.facts.index, len(each.rows)) for each in segments] == [
        (0, 0, 500),
        (0, 1, 500),
        (0, 2, 200),
        (1, 0, 300),
    ]
    assert already_s(folder) == pytest.approx(1_499 * 0.02 - 0.02 + 0.003, abs=1e-3)
    assert next_session(folder) == 2


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert already_s(tmp_path / "none") == 0


def test_a_segment_missing_in_the_middle_is_named(write_soak: Write) -> None:
    folder = write_soak([1.0] * 2_000)
    (folder / "session-0000" / "000001.npz").unlink()
    with pytest.raises(MeasurementError, match=r"000001\.npz is missing, but later parts are there"):
        sessions_of(folder)


def test_a_session_missing_in_the_middle_is_named(write_soak: Write) -> None:
    folder = write_soak([1.0] * 10, [1.0] * 10, [1.0] * 10)
    shutil.rmtree(folder / "session-0001")
    with pytest.raises(MeasurementError, match="session-0001 is missing"):
        sessions_of(folder)


def test_a_damaged_segment_is_named(write_soak: Write) -> None:
    folder = write_soak([1.0] * 2_000)
    path = folder / "session-0000" / "000002.npz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MeasurementError, match=r"000002\.npz: not a readable part of a soak"):
        read_all(folder)


def test_a_session_killed_before_its_belt_started_counts_for_nothing(write_soak: Write) -> None:
    folder = write_soak([1.0] * 10)
    (folder / "session-0001").mkdir()
    assert [each.index for each in sessions_of(folder)] == [0]
    assert next_session(folder) == 2


def changed(path: Path, **facts: object) -> None:
    segment = read_segment(path)
    write_segment(path, replace(segment, facts=replace(segment.facts, **facts)))  # type: ignore[arg-type]


@pytest.mark.parametrize("facts", [{"soak": "sha256:b"}, {"session": 1}, {"index": 5}, {"first_frame": 499}])
def test_a_segment_of_another_place_is_refused(write_soak: Write, facts: dict[str, object]) -> None:
    folder = write_soak([1.0] * 1_000)
    changed(folder / "session-0000" / "000001.npz", **facts)
    with pytest.raises(MeasurementError, match=r"000001\.npz: it belongs to another soak or to another place"):
        read_all(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: np.where(np.arange(5) == 2, 0, rows), "run backwards"),
        (lambda rows: rows - rows.max(), "negative"),
        (lambda rows: np.delete(rows, 7, axis=0), "frame 7 is not due when the belt's rule says"),
        (lambda rows: np.where(np.arange(5) == 1, rows[:, :1] - 1, rows), "run backwards"),
        (lambda rows: np.where(np.arange(5) == 4, rows + 30_000_000, rows), "started before the frame ahead of it"),
    ],
)
def test_times_that_cannot_be_true_are_refused(
    write_soak: Write, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    folder = write_soak([1.0] * 100)
    path = folder / "session-0000" / "000000.npz"
    segment = read_segment(path)
    write_segment(path, replace(segment, rows=change(segment.rows)))
    with pytest.raises(MeasurementError, match=message):
        read_all(folder)


def test_only_the_same_soak_goes_on(plan: SoakPlan, tmp_path: Path) -> None:
    settle_plan(tmp_path, plan)
    settle_plan(tmp_path, plan)
    other = replace(plan, artifact_digest="sha256:b", device={**plan.device, "cpu": "slide rule"})
    with pytest.raises(MeasurementError) as caught:
        settle_plan(tmp_path, other)
    assert "artifact_digest: 'sha256:a' against 'sha256:b'" in str(caught.value)
    assert "cpu: 'abacus' against 'slide rule'" in str(caught.value)
    assert read_plan(tmp_path) == plan


@pytest.mark.parametrize("text", ["{}", "not json", '{"format": 2}', '{"format": 1, "arrivals": {"period_ns": -1}}'])
def test_a_plan_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(MeasurementError, match="not the plan of a soak"):
        read_plan(tmp_path)
