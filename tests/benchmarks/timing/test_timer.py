from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest
from beltline.benchmarks.timing import timer
from beltline.benchmarks.timing.pacing import SPIN_NS
from beltline.benchmarks.timing.timer import examine_timer, timer_holding
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals


def test_this_machine_is_described_in_json() -> None:
    found = examine_timer(frames=30)
    assert json.loads(json.dumps(asdict(found), allow_nan=False)) == asdict(found)
    assert SPIN_NS <= found.spin_ns <= 20_000_000
    assert 0 <= found.late_p50_us <= found.late_p99_us <= found.late_max_us
    assert found.shortest_period_ns in {*timer._SHORTER_NS, 1_000_000, *timer._LONGER_NS, 100_000_000}


def test_a_period_that_no_timer_holds_is_refused_with_what_this_one_holds() -> None:
    with pytest.raises(MeasurementError, match=r"a frame every 1e-05 ms .* it holds a period of [0-9.]+ ms"):
        timer_holding(Arrivals(period_ns=10))


def test_touching_parts_and_several_cameras_ask_nothing_of_the_timer() -> None:
    together = Arrivals(period_ns=200_000_000, cameras=8, burst_every=9, burst_parts=4, burst_pitch_ns=1)
    assert timer_holding(together).shortest_period_ns <= together.period_ns


def test_sleep_that_is_coarse_is_spun_away_and_a_short_period_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose sleep ends on 4 ms ticks, and a clock that takes 0.2 ms to read."""
    real_sleep, real_clock = time.sleep, time.perf_counter_ns

    def ticking_sleep(seconds: float) -> None:
        real_sleep(seconds + 0.004 - seconds % 0.004)

    def slow_clock() -> int:
        end_ns = real_clock() + 200_000
        while real_clock() < end_ns:
            pass
        return real_clock()

    monkeypatch.setattr(time, "sleep", ticking_sleep)
    monkeypatch.setattr(time, "perf_counter_ns", slow_clock)
    found = examine_timer(frames=20)
    assert found.spin_ns > 3 * SPIN_NS
    assert found.shortest_period_ns >= 1_000_000
