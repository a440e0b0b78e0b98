"""Garbage is collected where no frame is under way, and at the latest after a while."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from beltline.station import collecting
from beltline.station.collecting import Collector


class Cycle:
    """Garbage that only the collector finds."""

    gone = 0

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        Cycle.gone += 1


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    moment = [0]
    monkeypatch.setattr(collecting.time, "monotonic_ns", lambda: moment[0])
    Cycle.gone = 0
    yield moment
    assert gc.isenabled()


def left_alone(collector: Collector, *, idle: bool) -> bool:
    Cycle()
    before = Cycle.gone
    collector.look(idle=idle)
    return Cycle.gone == before


def test_the_pauses_are_for_garbage(now: list[int]) -> None:
    collector = Collector()
    assert not gc.isenabled()
    assert left_alone(collector, idle=True)
    now[0] += 2_000_000_000
    assert left_alone(collector, idle=False)
    assert not left_alone(collector, idle=True)
    now[0] += 31_000_000_000
    assert not left_alone(collector, idle=False)
    collector.close()
