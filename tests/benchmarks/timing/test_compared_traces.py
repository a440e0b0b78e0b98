from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.timing.compared_traces import compare_traces, unlike
from beltline.benchmarks.timing.measurement import Measurement
from beltline.benchmarks.timing.trace import write_trace
from beltline.inspection.base.errors import MeasurementError

Belt = Callable[..., Measurement]


def work_ms(mean_ms: float, frames: int = 300, seed: int = 0) -> list[float]:
    times: list[float] = np.random.default_rng(seed).gamma(50, mean_ms / 50, frames).tolist()
    return times


def notified(measurement: Measurement, **run: Any) -> Measurement:
    return replace(measurement, fingerprint={**measurement.fingerprint, "run": {"threads": 1, **run}})


def test_traces_of_one_machine_and_pace_give_a_ratio(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(4.0))))
    write_trace(other, notified(belt(work_ms(2.0, frames=500, seed=1), cold_ms=[30.0])))
    found = compare_traces(one, other)
    assert set(found) == {"p50", "p99"}
    assert found["p50"].lower < 2.0 < found["p50"].upper
    assert found["p50"].differs
    assert found["p50"].by_round == ()


@pytest.mark.parametrize(
    ("changes", "run", "words"),
    [
        ({"fingerprint": {"cpu": "slide rule"}}, {"threads": 1}, ["cpu: 'abacus' against 'slide rule'"]),
        ({}, {"threads": 2}, ["threads: 1 against 2"]),
        ({}, {"threads": 1, "pinned_cpus": [3]}, ["pinned_cpus: None against [3]"]),
        ({"mode": "back_to_back", "arrivals": None}, {"threads": 1}, ["mode: 'belt' against 'back_to_back'"]),
    ],
)
def test_what_differs_is_named(belt: Belt, changes: dict[str, Any], run: dict[str, Any], words: list[str]) -> None:
    one = notified(belt(work_ms(1.0)))
    other = notified(replace(belt(work_ms(1.0)), **changes), **run)
    found = unlike(one, other)
    assert [word for word in words if word not in found] == []


def test_another_period_is_refused_and_named(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(1.0), period_ms=10.0)))
    write_trace(other, notified(belt(work_ms(1.0), period_ms=20.0)))
    with pytest.raises(MeasurementError, match=r"arrivals.period_ns: 10000000 against 20000000; measure both again"):
        compare_traces(one, other)


def test_a_file_that_is_no_trace_is_refused(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(1.0))))
    other.write_bytes(one.read_bytes()[:-40])
    with pytest.raises(MeasurementError, match=r"other.npz: not a readable trace"):
        compare_traces(one, other)
