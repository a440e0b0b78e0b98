from __future__ import annotations

import numpy as np
from beltline.benchmarks.timing.recording import Recorder, room_for
from beltline.benchmarks.timing.trace import TIMES

FAR_NS = 1 << 62


def _note(recorder: Recorder, due_ns: int, response_ns: int) -> str | None:
    return recorder.note(due_ns, due_ns, due_ns, due_ns + response_ns, due_ns + response_ns)


def test_rows_stand_in_the_order_of_a_trace() -> None:
    recorder = Recorder(rows=room_for(2), end_ns=FAR_NS)
    assert recorder.note(1, 2, 3, 4, 5) is None
    assert recorder.rows[0].tolist() == [1, 2, 3, 4, 5]
    assert recorder.rows.shape == (2, len(TIMES))
    assert recorder.count == 1


def test_late_frames_and_their_spells_are_counted() -> None:
    recorder = Recorder(rows=room_for(9), end_ns=FAR_NS, deadline_ns=10)
    for due_ns, response_ns in enumerate([5, 11, 12, 10, 30, 1, 1, 40, 41]):
        _note(recorder, 100 * due_ns, response_ns)
    assert (recorder.misses, recorder.bursts) == (5, 3)


def test_the_run_ends_with_the_first_frame_decided_after_its_time() -> None:
    recorder = Recorder(rows=room_for(3), end_ns=100, deadline_ns=10)
    assert _note(recorder, 90, 10) is None
    assert _note(recorder, 95, 6) == "time"


def test_progress_is_what_a_terminal_shows() -> None:
    recorder = Recorder(rows=room_for(40), end_ns=FAR_NS, deadline_ns=1_000_000)
    _note(recorder, 0, 2_500_000)
    assert recorder.progress() == {"frames": 1, "of": 40, "misses": 1, "response_ms": 2.5}


def test_room_is_made_before_the_first_frame() -> None:
    assert np.array_equal(room_for(5), np.zeros((5, len(TIMES)), dtype=np.int64))
