from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count, islice, pairwise, repeat

import numpy as np
import pytest
from beltline.benchmarks.timing import loop
from beltline.benchmarks.timing.loop import AT_ONCE, offer
from beltline.export.contracts import Decision, Frame

FRAMES = [np.full((1, 1, 1), shade, dtype=np.uint8) for shade in (10, 20, 30)]


def _work(busy_ms: float = 0.0, seen: list[int] | None = None) -> Callable[[Frame], Decision]:
    def infer(frame: Frame) -> Decision:
        if seen is not None:
            seen.append(int(frame[0, 0, 0]))
        begin_ns = time.perf_counter_ns()
        time.sleep(busy_ms / 1000)
        return Decision(score=0.0, heatmap=frame[0], engine_start_ns=begin_ns, engine_end_ns=time.perf_counter_ns())

    return infer


def _belt(period_ms: float, frames: int) -> list[int]:
    first_ns = time.perf_counter_ns() + 3_000_000
    return [first_ns + round(index * period_ms * 1e6) for index in range(frames)]


def _nothing() -> None:
    pass


def test_every_frame_is_noted_in_turn_with_times_in_order() -> None:
    seen: list[int] = []
    rows: list[tuple[int, ...]] = []
    due = _belt(2.0, 7)
    ended = offer(_work(seen=seen), FRAMES, due, note=lambda *row: rows.append(row), in_slack=_nothing)
    assert ended is None
    assert seen == [10, 20, 30, 10, 20, 30, 10]
    assert [row[0] for row in rows] == due
    assert all(list(row) == sorted(row) for row in rows)


def test_a_slow_frame_delays_the_next_and_is_charged_for_it() -> None:
    rows: list[tuple[int, ...]] = []
    offer(_work(busy_ms=8.0), FRAMES, _belt(2.0, 5), note=lambda *row: rows.append(row), in_slack=_nothing)
    responses_ms = [(row[4] - row[0]) / 1e6 for row in rows]
    assert all(later >= earlier + 6.0 for earlier, later in pairwise(responses_ms))
    assert all(after[1] >= before[4] for before, after in pairwise(rows))


def test_the_reason_of_the_note_ends_an_endless_schedule() -> None:
    left = iter(range(20, -1, -1))
    ended = offer(_work(), FRAMES, repeat(AT_ONCE), note=lambda *_: None if next(left) else "enough", in_slack=_nothing)
    assert ended == "enough"


def test_back_to_back_frames_are_due_when_they_start() -> None:
    rows: list[tuple[int, ...]] = []
    offer(_work(), FRAMES, repeat(AT_ONCE, 9), note=lambda *row: rows.append(row), in_slack=_nothing)
    assert len(rows) == 9
    assert all(due == started for due, started, *_ in rows)


def test_slack_is_given_where_the_next_frame_is_far_and_never_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "wait_until", lambda due_ns, **_: due_ns)
    an_hour_ahead_ns = time.perf_counter_ns() + 3_600 * 10**9
    calls: list[int] = []
    offer(_work(), FRAMES, [an_hour_ahead_ns] * 4, note=lambda *_: None, in_slack=lambda: calls.append(1))
    assert len(calls) == 3


def test_a_backlog_leaves_no_slack() -> None:
    calls: list[int] = []
    offer(_work(), FRAMES, [1, 2, 3, 4], note=lambda *_: None, in_slack=lambda: calls.append(1))
    assert not calls


def test_a_schedule_is_never_read_ahead_by_more_than_one_frame() -> None:
    """An endless schedule must not pile up: a week of frames goes through in constant memory."""
    asked = 0

    def due() -> Iterator[int]:
        nonlocal asked
        for _ in count():
            asked += 1
            yield AT_ONCE

    noted = iter(range(50))
    offer(_work(), FRAMES, due(), note=lambda *_: "done" if next(noted) == 49 else None, in_slack=_nothing)
    assert asked == 50


def test_an_empty_schedule_is_no_run() -> None:
    assert offer(_work(), FRAMES, islice(repeat(AT_ONCE), 0), note=lambda *_: "never", in_slack=_nothing) is None
