from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest
from beltline.benchmarks import timer
from beltline.benchmarks.pacing import SPIN_NS
from beltline.benchmarks.timer import examine_timer


def test_this_machine_is_described_in_json() -> None:
    found = examine_timer(frames=30)
    assert json.loads(json.dumps(asdict(found), allow_nan=False)) == asdict(found)
    assert SPIN_NS <= found.spin_ns <= 20_000_000
    assert 0 <= found.late_p50_us <= found.late_p99_us <= found.late_max_us
    assert found.shortest_period_ns in {*timer._SHORTER_NS, 1_000_000, *timer._LONGER_NS, 100_000_000}


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
